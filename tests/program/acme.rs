//! A certificate by ACME, from pebble: the test authority of those who make Let's Encrypt, in Debian's packages.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tempfile::TempDir;

/// The name that the certificate is for; pebble's own name server sends it to this machine.
const NAME: &str = "talk.example.test";

/// How long pebble and the server may take for what they do at once.
const SOON: Duration = Duration::from_secs(60);

/// How long it may take until the certificate is there: the first try fails, the next is 15 s later, and the one after that
/// 60 s, should the machine be busy.
const GRANTED: Duration = Duration::from_secs(150);

/// A child that is ended with the test, and the lines that it says.
struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    /// Said, and not asked for yet: which of two outputs comes first is chance.
    heard: Vec<String>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let sender = sender.clone();
            std::thread::spawn(move || {
                BufReader::new(output).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
            });
        }
        Self { child, lines, heard: Vec::new() }
    }

    /// A line that has this in it; each is given once.
    fn says(&mut self, wanted: &str, within: Duration) -> String {
        let until = Instant::now() + within;
        loop {
            if let Some(at) = self.heard.iter().position(|line| line.contains(wanted)) {
                return self.heard.remove(at);
            }
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => self.heard.push(line),
                Err(_) => panic!("it does not say {wanted:?}, but:\n{}", self.heard.join("\n")),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free, and not one of those that the system gives to whoever asks for any.
fn free_port() -> u16 {
    let ports = std::iter::repeat_with(|| fastrand::u16(10_000..30_000));
    ports.take(100).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// Pebble in a folder of its own, and what it is reached by.
struct Authority {
    home: TempDir,
    directory: u16,
    management: u16,
    names: u16,
    certificate: CertificateDer<'static>,
}

impl Authority {
    /// Ready to be started; it will call at port `ours`.
    fn new(ours: u16) -> Self {
        let home = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let path = |name: &str| home.path().join(name);
        fs::write(path("c.pem"), certificate.pem()).unwrap();
        fs::write(path("k.pem"), key.serialize_pem()).unwrap();
        let (directory, management) = (free_port(), free_port());
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{directory}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": path("c.pem"),
            "privateKey": path("k.pem"),
            "httpPort": 1,
            "tlsPort": ours,
        } });
        fs::write(path("pebble.json"), config.to_string()).unwrap();
        Self { directory, management, names: free_port(), certificate: certificate.der().clone(), home }
    }

    /// Pebble's name server, which sends every name to 127.0.0.1, and pebble.
    fn start(&self) -> [Running; 2] {
        let mut names = Command::new("pebble-challtestsrv");
        names.args(["-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "", "-management", ""]);
        names.arg("-dns01").arg(format!("127.0.0.1:{}", self.names));
        let mut pebble = Command::new("pebble");
        pebble.arg("-config").arg(self.home.path().join("pebble.json"));
        pebble.arg("-dnsserver").arg(format!("127.0.0.1:{}", self.names));
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
        let mut both = [Running::start(names), Running::start(pebble)];
        both[1].says("ACME directory available", SOON);
        both
    }

    /// The root of what it signs.
    fn root(&self) -> CertificateDer<'static> {
        let mut tls = tls(self.management, "localhost", self.certificate.clone()).unwrap();
        tls.write_all(b"GET /roots/0 HTTP/1.0\r\nhost: localhost\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let _ = tls.read_to_end(&mut answer);
        CertificateDer::from_pem_slice(&answer).unwrap()
    }
}

/// TLS with who listens there, trusting one authority alone; the handshake is done.
fn tls(
    port: u16,
    name: &str,
    trusted: CertificateDer<'static>,
) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let tcp = TcpStream::connect(("127.0.0.1", port))?;
    tcp.set_read_timeout(Some(SOON))?;
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), tcp);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

fn serve(port: u16, state: &Path, authority: &Authority) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
    command.args(["serve", "-v", "--listen", "127.0.0.1", "--acme", NAME, "--acme-contact", "me@example.test"]);
    command.arg("--port").arg(port.to_string()).arg("--state").arg(state);
    command.arg("--acme-directory").arg(format!("https://localhost:{}/dir", authority.directory));
    command.env("SSL_CERT_FILE", authority.home.path().join("c.pem"));
    Running::start(command)
}

#[test]
#[expect(clippy::print_stderr, reason = "what could not be tested is to be read")]
fn a_certificate_is_got_kept_and_used_and_until_then_nobody_is_served() {
    if !["pebble", "pebble-challtestsrv"].iter().all(|name| Path::new("/usr/bin").join(name).exists()) {
        eprintln!("SKIPPED: ACME: there is no pebble; apt-get install pebble");
        return;
    }
    let (port, state) = (free_port(), tempfile::tempdir().unwrap());
    let authority = Authority::new(port);
    let mut first = serve(port, state.path(), &authority);
    first.says(&format!("https://{NAME}/"), SOON);
    first.says("calls at port 443", SOON);
    let refused = first.says("no new certificate", SOON);
    assert!(refused.contains(NAME) && refused.contains("443") && refused.contains("trying again in 15 s"), "{refused}");
    assert!(tls(port, NAME, authority.certificate.clone()).is_err());
    first.says("there is no certificate yet", SOON);
    let [_names, _pebble] = authority.start();
    first.says("there is a new certificate", GRANTED);
    let root = authority.root();
    let shown = |root: &CertificateDer<'static>| {
        let stream = tls(port, NAME, root.clone()).unwrap();
        stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
    };
    let certificate = shown(&root);
    let folder = state.path().join("server/acme");
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files.iter().chain([&folder]) {
        let mode = fs::metadata(file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if file.is_dir() { 0o700 } else { 0o600 }, "{}", file.display());
    }
    assert!(!state.path().join("server/key.pem").exists(), "no certificate of its own was made");
    drop(first);
    let mut again = serve(port, state.path(), &authority);
    again.says("is the one that was kept", SOON);
    assert_eq!(shown(&root), certificate);
}
