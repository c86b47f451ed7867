//! Asking a server which STUN and TURN servers it offers: `GET /ice`.

use std::{fmt, time::Duration};

use rustls::pki_types::ServerName;
use serde::Deserialize;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use url::Url;
use zeroize::Zeroizing;

use super::{CONNECT_LIMIT, SocketError, of_io, trust};
use crate::{invite::Origin, rt};

/// The longest answer that is read: 16 KiB.
const ANSWER_LIMIT: u64 = 16 * 1024;

/// How many servers are taken of an answer: 8.
const SERVER_LIMIT: usize = 8;

/// What a server offers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IceServers {
    /// The STUN and TURN servers.
    pub ice_servers: Vec<IceServer>,
    /// How long their passwords are good for, in seconds.
    pub lifetime: u64,
}

/// STUN or TURN servers of one user, as browsers take them.
#[derive(Clone, Deserialize)]
pub struct IceServer {
    /// `stun:HOST:PORT`, `turn:HOST:PORT?transport=udp` and the like.
    pub urls: Vec<String>,
    /// Who uses them; TURN only.
    pub username: Option<String>,
    /// With which password.
    #[serde(default, deserialize_with = "secret")]
    pub credential: Option<Zeroizing<String>>,
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IceServer({:?})", self.urls)
    }
}

/// Asks; nothing is offered by a server that does not know the question.
pub async fn ice_servers(server: &Origin) -> Result<IceServers, SocketError> {
    let late = || SocketError::Unreachable(format!("no answer in {} seconds", CONNECT_LIMIT.as_secs()));
    let answer = rt::timeout(CONNECT_LIMIT, ask(server)).await.ok_or_else(late)??;
    parse(&answer)
}

async fn ask(server: &Origin) -> Result<String, SocketError> {
    let url = server.socket();
    let host = url.host_str().unwrap_or_default().to_owned();
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = url.port_or_known_default().unwrap_or_default();
    let tcp = TcpStream::connect((bare.as_str(), port)).await.map_err(|error| of_io(&error))?;
    if url.scheme() == "ws" {
        return exchange(tcp, &url).await;
    }
    let name = ServerName::try_from(bare).map_err(|error| SocketError::Certificate(error.to_string()))?;
    let tls = TlsConnector::from(trust::tls(server)?).connect(name, tcp).await.map_err(|error| of_io(&error))?;
    exchange(tls, &url).await
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, url: &Url) -> Result<String, SocketError> {
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    // In HTTP/1.0 an answer comes in one piece, and ends with the connection.
    let question = format!("GET /ice HTTP/1.0\r\nhost: {host}\r\naccept: application/json\r\n\r\n");
    stream.write_all(question.as_bytes()).await.map_err(|error| of_io(&error))?;
    let mut answer = Vec::new();
    let read = stream.take(ANSWER_LIMIT).read_to_end(&mut answer).await;
    // Some close TLS without a word.
    if answer.is_empty() {
        read.map_err(|error| of_io(&error))?;
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn parse(answer: &str) -> Result<IceServers, SocketError> {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status == "404" {
        return Ok(IceServers { lifetime: NEVER.as_secs(), ..IceServers::default() });
    }
    let not_ours = |why: String| SocketError::NotRendezvous(why);
    if status != "200" {
        return Err(not_ours(format!("asked for STUN and TURN it says {status:?}")));
    }
    let mut servers: IceServers = serde_json::from_str(body).map_err(|error| not_ours(error.to_string()))?;
    servers.ice_servers.truncate(SERVER_LIMIT);
    Ok(servers)
}

/// When a server that offers nothing is asked again: in a day.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Zeroizing<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.map(Zeroizing::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_and_its_password_not_shown() {
        let body = r#"{"iceServers":[{"urls":["stun:a:1"]},{"urls":["turn:b:2"],"username":"u","credential":"north"}],"lifetime":60}"#;
        let servers = parse(&format!("HTTP/1.1 200 OK\r\nx: y\r\n\r\n{body}")).unwrap();
        assert_eq!((servers.ice_servers.len(), servers.lifetime), (2, 60));
        let turn = &servers.ice_servers[1];
        assert_eq!(
            (turn.username.as_deref(), turn.credential.as_deref().map(String::as_str)),
            (Some("u"), Some("north"))
        );
        assert!(!format!("{servers:?}").contains("north"));
    }

    #[test]
    fn a_server_that_knows_nothing_of_it_offers_nothing() {
        let servers = parse("HTTP/1.1 404 Not Found\r\n\r\nThere is nothing at this address.\n").unwrap();
        assert!(servers.ice_servers.is_empty() && servers.lifetime > 0);
        for bad in
            ["", "SSH-2.0", "HTTP/1.1 500 x\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n{}", "HTTP/1.1 200 OK\r\n\r\n<html>"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
