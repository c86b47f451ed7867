//! TLS on the same port: under a certificate of the server's own, or of files.

use std::{
    fs,
    net::{IpAddr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{MaybeTlsStream, client_async};
use twocan::server::{CertificateProblem, Options, Server, ServerError, Settings, Tls};

use crate::{Client, Running, SOON, options, within};

/// How long a change of the files may take to be used: they are looked at every 2 s, and twice.
const NOTICED: Duration = Duration::from_secs(20);

fn authority(home: &TempDir) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(home.path().join("server/authority.pem")).unwrap()
}

/// TLS to the server by this name, by a client that trusts this authority alone.
async fn try_connect(port: u16, name: &str, trusted: CertificateDer<'static>) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    within(SOON, "TLS", TlsConnector::from(Arc::new(config)).connect(name, tcp)).await
}

async fn connect(port: u16, name: &str, trusted: CertificateDer<'static>) -> TlsStream<TcpStream> {
    try_connect(port, name, trusted).await.unwrap()
}

/// What the server shows of itself.
fn shown(tls: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    tls.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

/// Asks plainly for a path; the whole answer.
async fn ask(to: SocketAddr, path: &str, more: &str) -> Vec<u8> {
    let mut tcp = TcpStream::connect(to).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: box:{}\r\nconnection: close\r\n{more}\r\n", to.port());
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within(SOON, "the answer", tcp.read_to_end(&mut answer)).await.unwrap();
    answer
}

/// An address of this machine that is not loopback, if it has one: whoever comes from there counts as another machine.
#[expect(clippy::print_stderr, reason = "what could not be tested is to be read")]
fn elsewhere() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().unwrap().ip();
    if address.is_loopback() {
        eprintln!("SKIPPED in part: this system has no address but loopback, so that nobody can come from elsewhere");
        return None;
    }
    Some(address)
}

/// An authority, a certificate that it has signed, and the certificate's key, each in its file.
struct Files {
    home: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Files {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let files = Self { home: tempfile::tempdir().unwrap(), authority };
        files.renew();
        files
    }

    fn certificate(&self) -> PathBuf {
        self.home.path().join("c.pem")
    }

    fn key(&self) -> PathBuf {
        self.home.path().join("k.pem")
    }

    fn renew(&self) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        fs::write(self.certificate(), certificate.pem()).unwrap();
        fs::write(self.key(), key.serialize_pem()).unwrap();
    }

    fn trusted(&self) -> CertificateDer<'static> {
        self.authority.der().clone()
    }

    fn options(&self) -> Options {
        let tls = Tls::Files { certificate: self.certificate(), key: self.key() };
        Options { settings: Settings { tls, ..Settings::default() }, ..options(&self.home, 0) }
    }
}

#[tokio::test]
async fn the_page_and_the_socket_are_there_over_tls_too() {
    let running = Running::start();
    let port = running.port();
    for name in ["localhost", "127.0.0.1", "::1"] {
        let mut tls = connect(port, name, authority(&running.home)).await;
        tls.write_all(b"GET / HTTP/1.1\r\nhost: box.local:8443\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        within(SOON, "the page", tls.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("connect-src 'self' wss://box.local:8443;"), "{answer}");
    }
    let tls = connect(port, "localhost", authority(&running.home)).await;
    let socket = client_async("wss://localhost/ws", MaybeTlsStream::Rustls(tls)).await.unwrap().0;
    let mut secure = Client { socket };
    secure.asks("HELLO a", "HELLO").await;
    secure.asks("ROOM tea", "ROOM_OK ").await;
    let mut plain = running.in_room("b", "tea", "a").await;
    secure.hears("ROOM_PEER_JOINED b").await;
    plain.says("ROOM_PEER_MSG a one room").await;
    secure.hears("ROOM_PEER_MSG b one room").await;
    secure.sends(tokio_tungstenite::tungstenite::Message::binary(vec![0])).await;
    secure.is_closed(1002, "invalid protocol").await;
}

#[tokio::test]
async fn the_certificate_outlives_the_server() {
    let running = Running::start();
    let trusted = authority(&running.home);
    let first = shown(&connect(running.port(), "localhost", trusted.clone()).await);
    running.server.shutdown();
    let again = Server::start(options(&running.home, 0)).unwrap();
    assert_eq!(authority(&running.home), trusted);
    assert_eq!(shown(&connect(again.port(), "localhost", trusted).await), first);
}

#[tokio::test]
async fn whoever_installs_the_authority_from_its_path_trusts_the_server() {
    let running = Running::start();
    let answer = ask((IpAddr::from([127, 0, 0, 1]), running.port()).into(), "/ca", "").await;
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    assert!(head.starts_with("http/1.1 200") && head.contains("content-type: application/x-x509-ca-cert"), "{head}");
    let der = CertificateDer::from(answer[end + 4..].to_vec());
    assert_eq!(&running.server.authority().unwrap().der[..], &der[..]);
    for name in ["localhost", "127.0.0.1", "::1"] {
        connect(running.port(), name, der.clone()).await;
    }
    let other = Running::start();
    assert!(try_connect(other.port(), "localhost", der).await.is_err(), "another machine's authority");
}

#[tokio::test]
async fn nothing_but_the_authority_is_plainly_offered_to_others() {
    let Some(address) = elsewhere() else { return };
    let files = Files::new();
    for (options, has_authority) in [(options(&files.home, 0), true), (files.options(), false)] {
        let server = Server::start(Options { listen: vec![address], ..options }).unwrap();
        let to = SocketAddr::new(address, server.port());
        let socket = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
            sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
        for (path, more, status) in [
            ("/", "", "308"),
            ("/health", "", "308"),
            ("/ice", "", "308"),
            ("/ws", socket, "403"),
            ("/ca", socket, "403"),
            ("/ca", "", if has_authority { "200" } else { "404" }),
        ] {
            let answer = ask(to, path, more).await;
            let is_plain = String::from_utf8_lossy(&answer).contains("needs no authority of the server's own");
            assert_eq!(is_plain, status == "404", "{path}");
            let answer = String::from_utf8_lossy(&answer);
            assert_eq!(answer.split(' ').nth(1), Some(status), "{path}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_new_certificate_is_used_and_the_connections_stay() {
    let files = Files::new();
    let server = Server::start(files.options()).unwrap();
    assert!(server.authority().is_none());
    let tls = connect(server.port(), "localhost", files.trusted()).await;
    let first = shown(&tls);
    let socket = client_async("wss://localhost/ws", MaybeTlsStream::Rustls(tls)).await.unwrap().0;
    let mut client = Client { socket };
    client.asks("HELLO a", "HELLO").await;
    files.renew();
    let port = server.port();
    let other_than = async |last: &CertificateDer<'_>| loop {
        let now = shown(&connect(port, "localhost", files.trusted()).await);
        if now != *last {
            break now;
        }
        tokio::time::sleep(Duration::from_millis(50)).await; // A file says nothing of itself.
    };
    let second = within(NOTICED, "the new certificate", other_than(&first)).await;
    client.asks("ROOM tea", "ROOM_OK ").await;
    fs::write(files.key(), "nonsense").unwrap();
    assert!(server.reload().is_err(), "it was looked at");
    assert_eq!(shown(&connect(port, "localhost", files.trusted()).await), second, "and the last one stays in use");
    files.renew();
    let third = within(NOTICED, "the one after the bad one", other_than(&second)).await;
    assert_ne!(third, first);
    client.has_heard_all().await;
}

#[tokio::test]
async fn a_bad_certificate_is_refused_and_nothing_else_served() {
    let (files, other) = (Files::new(), Files::new());
    fs::copy(other.key(), files.key()).unwrap();
    let refused = |certificate: &Path, key: &Path| {
        let tls = Tls::Files { certificate: certificate.to_owned(), key: key.to_owned() };
        let settings = Settings { tls, ..Settings::default() };
        match Server::start(Options { settings, ..options(&files.home, 0) }) {
            Err(ServerError::Certificate { path, problem }) => (path, problem),
            other => panic!("{other:?}"),
        }
    };
    let (path, problem) = refused(&files.certificate(), &files.key());
    assert!(path == files.key() && matches!(problem, CertificateProblem::Mismatch), "{problem:?}");
    let missing = files.home.path().join("missing.pem");
    let (path, problem) = refused(&missing, &files.key());
    assert!(path == missing && matches!(problem, CertificateProblem::Unreadable(_)), "{problem:?}");
    assert!(!files.home.path().join("server").exists(), "no certificate was made instead");
}

#[tokio::test]
async fn a_tls_client_that_talks_nonsense_harms_nobody() {
    let running = Running::start();
    let mut tcp = running.tcp().await;
    tcp.write_all(&[0x16; 300]).await.unwrap();
    let mut answer = Vec::new();
    let _ = within(SOON, "the end", tcp.read_to_end(&mut answer)).await;
    running.registered("a").await;
}
