//! One client's connection, of either dialect, from an address of its own choosing.

use std::{
    fmt::Display,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use futures_util::{SinkExt, StreamExt};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Ours: `HELLO`, `SESSION`.
    Rendezvous,
    /// That of the npm package `peer`.
    Peer,
}

/// A server to connect to.
#[derive(Clone)]
pub(crate) struct Target {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it speaks.
    pub(crate) dialect: Dialect,
    /// How TLS is spoken to it, if it is.
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// A connection that is open.
pub(crate) struct Line(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Target {
    /// A bare connection from the loopback address that this number has; a hundred neighbours share one.
    pub(crate) async fn tcp(&self, number: usize) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((source(number / 100), 0).into())?;
        let tcp = socket.connect(self.address).await?;
        tcp.set_nodelay(true)?;
        Ok(tcp)
    }

    /// Connects from the address of that number.
    pub(crate) async fn connect(&self, number: usize, uid: &str) -> io::Result<Line> {
        let path = match self.dialect {
            Dialect::Rendezvous => "ws".to_owned(),
            Dialect::Peer => format!("peerjs?key=peerjs&id={uid}&token=t"),
        };
        self.connect_at(number, &path).await
    }

    /// Connects to that path from the address of that number.
    pub(crate) async fn connect_at(&self, number: usize, path: &str) -> io::Result<Line> {
        let tcp = self.tcp(number).await?;
        let stream = match &self.tls {
            None => MaybeTlsStream::Plain(tcp),
            Some(config) => {
                let name = ServerName::from(self.address.ip());
                MaybeTlsStream::Rustls(TlsConnector::from(config.clone()).connect(name, tcp).await?)
            }
        };
        let config = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
        let url = format!("ws://{}/{path}", self.address);
        let (socket, _) = client_async_with_config(url, stream, Some(config)).await.map_err(io::Error::other)?;
        Ok(Line(socket))
    }

    /// Connects and registers.
    pub(crate) async fn register(&self, number: usize, uid: &str) -> io::Result<Line> {
        let mut line = self.connect(number, uid).await?;
        match self.dialect {
            Dialect::Rendezvous => line.ask(&format!("HELLO {uid}"), "HELLO").await?,
            Dialect::Peer => line.expect(r#"{"type":"OPEN"}"#).await?,
        }
        Ok(line)
    }
}

impl Line {
    /// Says a text.
    pub(crate) async fn say(&mut self, text: impl Into<String>) -> io::Result<()> {
        self.0.send(Message::text(text.into())).await.map_err(io::Error::other)
    }

    /// The next text.
    pub(crate) async fn hear(&mut self) -> io::Result<String> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Message::Close(frame))) => return Err(unexpected(format!("closed: {frame:?}"))),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// The next text has to be this one.
    pub(crate) async fn expect(&mut self, text: &str) -> io::Result<()> {
        let heard = self.hear().await?;
        if heard == text { Ok(()) } else { Err(unexpected(heard)) }
    }

    /// Says something, and gets this answer.
    pub(crate) async fn ask(&mut self, text: &str, answer: &str) -> io::Result<()> {
        self.say(text).await?;
        self.expect(answer).await
    }
}

fn unexpected(what: impl Display) -> io::Error {
    io::Error::other(format!("not what was to come: {what}"))
}

/// The loopback address of that number.
fn source(number: usize) -> IpAddr {
    let [.., a, b] = (number + 256).to_be_bytes();
    Ipv4Addr::new(127, 16, a, b).into()
}

/// TLS with whatever certificate a server has.
pub(crate) fn any_certificate() -> Result<Arc<ClientConfig>, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let verifier = Arc::new(AnyCertificate);
    let builder = builder.with_safe_default_protocol_versions()?.dangerous().with_custom_certificate_verifier(verifier);
    Ok(Arc::new(builder.with_no_client_auth()))
}

#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
