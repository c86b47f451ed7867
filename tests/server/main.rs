//! The server from outside: real sockets on loopback, events awaited with a deadline.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test says by panicking that it cannot go on, and may start what it likes"
)]

mod churn;
mod client;
mod http;
mod ice;
mod life;
mod limits;
mod links;
mod metrics;
mod protocol;
mod tls;
mod workrooms;

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Bytes, Error, Message},
};
use twocan::server::{Limits, Options, Server, Settings};

/// How long anything may take that is to happen at once: less than the ten seconds after which the server ends a lot.
const SOON: Duration = Duration::from_secs(8);

/// Awaits an event; the test fails when it does not come.
async fn within<T>(limit: Duration, what: &str, event: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, event).await.unwrap_or_else(|_| panic!("not within {limit:?}: {what}"))
}

/// A server on a free port of loopback, with a state folder of its own.
struct Running {
    server: Server,
    home: TempDir,
}

impl Running {
    fn start() -> Self {
        Self::start_with(Settings::default())
    }

    fn start_with(settings: Settings) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self { server: Server::start(Options { settings, ..options(&home, 0) }).unwrap(), home }
    }

    /// A server whose limits are changed thus.
    fn limited(change: impl FnOnce(&mut Limits)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut options = options(&home, 0);
        change(&mut options.settings.limits);
        Self { server: Server::start(options).unwrap(), home }
    }

    fn port(&self) -> u16 {
        self.server.port()
    }

    async fn tcp(&self) -> TcpStream {
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port())).await.unwrap()
    }

    async fn client(&self) -> Client {
        self.client_at("/ws").await
    }

    async fn client_at(&self, path: &str) -> Client {
        let url = format!("ws://127.0.0.1:{}{path}", self.port());
        Client { socket: within(SOON, "a connection", connect_async(url)).await.unwrap().0 }
    }

    /// A client that is registered.
    async fn registered(&self, uid: &str) -> Client {
        let mut client = self.client().await;
        client.asks(&format!("HELLO {uid}"), "HELLO").await;
        client
    }

    /// A client that is registered and in a room, where these are already.
    async fn in_room(&self, uid: &str, room: &str, others: &str) -> Client {
        let mut client = self.registered(uid).await;
        client.asks(&format!("ROOM {room}"), &format!("ROOM_OK {others}")).await;
        client
    }

    /// Two clients in a session.
    async fn session(&self, caller: &str, callee: &str) -> (Client, Client) {
        let other = self.registered(callee).await;
        let mut one = self.registered(caller).await;
        one.asks(&format!("SESSION {callee}"), "SESSION_OK").await;
        (one, other)
    }
}

fn options(home: &TempDir, port: u16) -> Options {
    let settings = Settings::default();
    Options { listen: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], port, state: home.path().to_owned(), settings }
}

struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    async fn says(&mut self, text: &str) {
        self.sends(Message::text(text)).await;
    }

    async fn sends(&mut self, message: Message) {
        within(SOON, "sending", self.socket.send(message)).await.unwrap();
    }

    /// The next text, pings and pongs left aside; `None` at the end.
    async fn next(&mut self) -> Option<Message> {
        loop {
            match within(Duration::from_secs(20), "a message", self.socket.next()).await {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(Error::ConnectionClosed)) | None => return None,
                Some(Err(error)) => panic!("the connection broke: {error}"),
            }
        }
    }

    async fn hears(&mut self, text: &str) {
        assert_eq!(self.next().await, Some(Message::text(text)));
    }

    async fn asks(&mut self, question: &str, answer: &str) {
        self.says(question).await;
        self.hears(answer).await;
    }

    /// Is closed with this code and reason, the connection's end included.
    async fn is_closed(&mut self, code: u16, reason: &str) {
        self.hears_close(code, reason).await;
        assert_eq!(self.next().await, None);
    }

    async fn hears_close(&mut self, code: u16, reason: &str) {
        let Some(Message::Close(Some(frame))) = self.next().await else { panic!("no close frame") };
        assert_eq!((u16::from(frame.code), frame.reason.as_str()), (code, reason));
    }

    /// Nothing is waiting for this client: the answer to a ping is the next that comes.
    async fn has_heard_all(&mut self) {
        self.sends(Message::Ping(Bytes::from_static(b"all?"))).await;
        match within(SOON, "a pong", self.socket.next()).await {
            Some(Ok(Message::Pong(said))) => assert_eq!(said, b"all?"[..]),
            other => panic!("something else came first: {other:?}"),
        }
    }

    /// Whether the connection ends, with a close frame or without.
    async fn ends(&mut self) -> bool {
        let end = async { while let Some(Ok(_)) = self.socket.next().await {} };
        tokio::time::timeout(SOON, end).await.is_ok()
    }

    async fn leaves(mut self) {
        within(SOON, "closing", self.socket.close(None)).await.unwrap();
        while self.next().await.is_some() {}
    }
}
