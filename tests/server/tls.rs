//! TLS on the same port, under a certificate of the server's own.

use std::sync::Arc;

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
use twocan::server::Server;

use crate::{Client, Running, SOON, options, within};

fn certificate(home: &TempDir) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(home.path().join("server/certificate.pem")).unwrap()
}

/// TLS to the server by this name, by a client that trusts this certificate alone.
async fn connect(port: u16, name: &str, trusted: CertificateDer<'static>) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    within(SOON, "TLS", TlsConnector::from(Arc::new(config)).connect(name, tcp)).await.unwrap()
}

#[tokio::test]
async fn the_page_and_the_socket_are_there_over_tls_too() {
    let running = Running::start();
    let port = running.port();
    for name in ["localhost", "127.0.0.1", "::1"] {
        let mut tls = connect(port, name, certificate(&running.home)).await;
        tls.write_all(b"GET / HTTP/1.1\r\nhost: box.local:8443\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        within(SOON, "the page", tls.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("connect-src 'self' wss://box.local:8443;"), "{answer}");
    }
    let tls = connect(port, "localhost", certificate(&running.home)).await;
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
    let first = certificate(&running.home);
    running.server.shutdown();
    let again = Server::start(options(&running.home, 0)).unwrap();
    assert_eq!(certificate(&running.home), first);
    connect(again.port(), "localhost", first).await;
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
