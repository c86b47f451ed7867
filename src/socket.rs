//! The client's end of the rendezvous: one WebSocket connection at a time, kept alive.

mod ice;
mod trust;

use std::time::Duration;

use futures_util::{FutureExt, SinkExt, Stream, StreamExt, select};
use rustls::CertificateError;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{
        self, Message,
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};
use url::Url;

use crate::{
    foreign,
    invite::Origin,
    rendezvous::{BackIn, MESSAGE_LIMIT, Resume},
    rt::{self, Receiver, Sender},
    workrooms,
};

pub use self::{
    ice::{IceServer, IceServers, ice_servers},
    trust::{AuthorityError, trust_also},
};

/// How long connecting may take: 10 s.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How often the server is asked for a sign of life while nothing is said: 25 s, within what home routers remember.
const KEEPALIVE: Duration = Duration::from_secs(25);
/// Lines that wait for a server that does not read: 256; more than that, and what is said is lost as if on the way.
const OUTBOX: usize = 256;
/// How long a goodbye may take: 1 s.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// What happens on a connection.
#[derive(Debug)]
pub enum Event {
    /// It stands.
    Open,
    /// The server said this.
    Line(String),
    /// It is over, or never came about; always the last.
    Closed(Option<SocketError>),
}

/// Why a connection ended, or did not come about.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Nobody answers at that address, or the way there is broken.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// Somebody answers, but not a rendezvous server.
    #[error("there is no rendezvous server at this address ({0})")]
    NotRendezvous(String),
    /// The server is not there for a while, and says when it is.
    #[error("the server restarts, and is back in {} s", .0.wait().as_secs())]
    Restarts(BackIn),
    /// The server has let go of the connection: it goes itself, or the next connection has taken over.
    #[error("the server has let go of the connection: {0}")]
    LetGo(String),
    /// The server will have no more of this connection, for this reason.
    #[error("the server has ended the connection: {0}")]
    Ended(String),
    /// The server takes nobody in just now, and says when to come again.
    #[error("the server is busy, and says to come again in {} s", .0.wait().as_secs())]
    Busy(BackIn),
    /// The server's certificate is not good.
    #[error("the server's certificate is not valid: {0}")]
    Certificate(String),
    /// The server's certificate may be good, but nobody who is trusted says so.
    #[error("no authority that this machine trusts vouches for the server's certificate")]
    Untrusted,
}

impl SocketError {
    /// Whether a person need know of it; one that was let go may be followed at once by one to the server's successor.
    pub fn is_trouble(&self) -> bool {
        !matches!(self, Self::LetGo(_))
    }

    /// Whether this server can be spoken to, if not now.
    pub fn was_spoken_to(&self) -> bool {
        matches!(self, Self::LetGo(_) | Self::Ended(_))
    }

    /// When the server is back, if it says so.
    pub fn back_in(&self) -> Option<BackIn> {
        match self {
            Self::Restarts(back_in) | Self::Busy(back_in) => Some(*back_in),
            Self::Unreachable(_)
            | Self::NotRendezvous(_)
            | Self::LetGo(_)
            | Self::Ended(_)
            | Self::Certificate(_)
            | Self::Untrusted => None,
        }
    }
}

/// A connection in the making, or made; dropping it says goodbye.
#[derive(Debug)]
pub struct Socket {
    lines: Sender<String>,
    /// Its number among the connections of this program.
    pub number: u64,
    task: rt::Task<()>,
}

type Line = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Socket {
    /// Begins to connect, from whichever address leads there now; what becomes of it is told on `events`, with `number`.
    ///
    /// `resume` is the same for all connections of this program, so that the next takes over from the last at once.
    pub fn connect(server: &Origin, resume: &Resume, number: u64, events: Sender<(u64, Event)>) -> Self {
        let mut url = server.socket();
        url.set_query(Some(&resume.query()));
        Self::connect_at(server, url, number, events)
    }

    /// As [`Self::connect`], to speak Workrooms: there a client shows who it is by the calls it names.
    pub fn connect_workrooms(server: &Origin, number: u64, events: Sender<(u64, Event)>) -> Self {
        let mut url = server.socket();
        url.set_path(workrooms::PATH);
        Self::connect_at(server, url, number, events)
    }

    fn connect_at(server: &Origin, url: Url, number: u64, events: Sender<(u64, Event)>) -> Self {
        let (lines, outbox) = rt::channel(OUTBOX);
        let server = server.clone();
        let listener = Listener { number, events };
        let task = rt::spawn(async move {
            let ended = match open(&server, url).await {
                Ok(stream) => {
                    listener.tell(Event::Open).await;
                    carry(stream, &outbox, &listener).await
                }
                Err(error) => Some(error),
            };
            listener.tell(Event::Closed(ended)).await;
        });
        Self { lines, number, task }
    }

    /// Says a line to the server.
    pub fn send(&self, line: String) {
        let _ = self.lines.try_send(line);
    }

    /// Says goodbye, and waits until it is said.
    pub async fn close(self) {
        drop(self.lines);
        let _ = rt::timeout(CLOSE_LIMIT, self.task).await;
    }
}

/// Whoever is told what happens on a connection.
struct Listener {
    number: u64,
    events: Sender<(u64, Event)>,
}

impl Listener {
    /// Waits for room: a server that says more than is listened to is not read from.
    async fn tell(&self, event: Event) {
        let _ = self.events.send((self.number, event)).await;
    }
}

async fn open(server: &Origin, url: Url) -> Result<Line, SocketError> {
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_message_size(Some(2 * MESSAGE_LIMIT))
        .max_frame_size(Some(2 * MESSAGE_LIMIT));
    let connector = if url.scheme() == "wss" { Connector::Rustls(trust::tls(server)?) } else { Connector::Plain };
    // Lines are short and each one is waited for: none may linger in the kernel.
    let no_delay = true;
    let connecting = connect_async_tls_with_config(url.as_str(), Some(config), no_delay, Some(connector));
    match rt::timeout(CONNECT_LIMIT, connecting).await {
        Some(Ok((stream, _))) => Ok(stream),
        Some(Err(error)) => Err(classify(error)),
        None => Err(SocketError::Unreachable(format!("no answer in {} seconds", CONNECT_LIMIT.as_secs()))),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "whatever else goes wrong, somebody answered wrongly")]
fn classify(error: tungstenite::Error) -> SocketError {
    match error {
        tungstenite::Error::Io(error) => of_io(&error),
        tungstenite::Error::Http(response) => match retry_after(&response) {
            Some(wait) if [429, 503].contains(&response.status().as_u16()) => SocketError::Busy(BackIn::new(wait)),
            _ => SocketError::NotRendezvous(format!("it says {}", response.status())),
        },
        error => SocketError::NotRendezvous(error.to_string()),
    }
}

/// When a server that serves nobody for now says to come again.
fn retry_after<B>(response: &tungstenite::http::Response<B>) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// What a connection that broke, or never came about, broke of.
fn of_io(error: &std::io::Error) -> SocketError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => of_certificate(why),
        Some(error) => SocketError::NotRendezvous(error.to_string()),
        None => SocketError::Unreachable(error.to_string()),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else is wrong with a certificate is rare, and said as it is"
)]
fn of_certificate(why: &CertificateError) -> SocketError {
    let why = match why {
        CertificateError::UnknownIssuer => return SocketError::Untrusted,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "its time has not begun",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "it is for another name",
        CertificateError::Revoked => "it was revoked",
        // What checks certificates has no type of its own for it here.
        why if format!("{why:?}").contains("CaUsedAsEndEntity") => "it is an authority's own (CA:TRUE), not a server's",
        why => return SocketError::Certificate(format!("{why:?}")),
    };
    SocketError::Certificate(why.into())
}

/// Carries lines both ways until either end closes.
async fn carry(stream: Line, outbox: &Receiver<String>, listener: &Listener) -> Option<SocketError> {
    let (mut sink, stream) = stream.split();
    let mut stream = stream.fuse();
    let mut asked = false;
    loop {
        let quiet = rt::sleep_until(Some(rt::now() + KEEPALIVE));
        select! {
            line = outbox.recv().fuse() => match line {
                Ok(line) => if sink.send(Message::text(line)).await.is_err() {
                    return last_word(stream, listener).await;
                },
                Err(_) => {
                    let _ = sink.send(Message::Close(None)).await;
                    return None;
                }
            },
            message = stream.next() => match read(message) {
                Ok(Message::Text(text)) => { asked = false; listener.tell(Event::Line(text.as_str().to_owned())).await; }
                // Pings are answered by the library as it goes on reading.
                Ok(_) => { asked = false; let _ = sink.flush().await; }
                Err(ended) => return ended,
            },
            () = quiet.fuse() => {
                if asked {
                    return Some(SocketError::Unreachable("the server is silent".into()));
                }
                asked = true;
                if sink.send(Message::Ping(Vec::new().into())).await.is_err() {
                    return last_word(stream, listener).await;
                }
            }
        }
    }
}

type Read = Option<Result<Message, tungstenite::Error>>;

/// A message, or how the connection ended.
fn read(message: Read) -> Result<Message, Option<SocketError>> {
    match message {
        Some(Ok(Message::Close(Some(frame)))) => Err(of_close(&frame)),
        Some(Ok(Message::Close(None))) | None => Err(None),
        Some(Ok(message)) => Ok(message),
        Some(Err(error)) => Err(Some(SocketError::Unreachable(error.to_string()))),
    }
}

/// What else is said on a connection on which nothing can be sent any more, and how it ended.
async fn last_word(
    mut stream: impl Stream<Item = Result<Message, tungstenite::Error>> + Unpin,
    listener: &Listener,
) -> Option<SocketError> {
    let reading = async {
        loop {
            match read(stream.next().await) {
                Ok(Message::Text(text)) => listener.tell(Event::Line(text.as_str().to_owned())).await,
                Ok(_) => {}
                Err(ended) => return ended,
            }
        }
    };
    rt::timeout(CLOSE_LIMIT, reading).await.flatten()
}

/// What a server means that closes: nothing that has to be told, or that it stops, or will have no more of it.
fn of_close(frame: &CloseFrame) -> Option<SocketError> {
    if let Ok(back_in) = frame.reason.parse() {
        return Some(SocketError::Restarts(back_in));
    }
    let reason = match &*frame.reason {
        "" => format!("code {}", frame.code),
        said => foreign::shown(said, foreign::SENTENCE),
    };
    let error = if frame.code == CloseCode::Away { SocketError::LetGo(reason) } else { SocketError::Ended(reason) };
    (frame.code != CloseCode::Normal).then_some(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(code: u16, reason: &str) -> Message {
        Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }))
    }

    #[test]
    fn why_a_server_has_ended_a_connection_is_told_but_not_that_the_next_took_over() {
        let ended = |code, reason| match read(Some(Ok(close(code, reason)))) {
            Err(ended) => ended.filter(SocketError::is_trouble).map(|error| error.to_string()),
            Ok(message) => panic!("{message}"),
        };
        assert_eq!(ended(1000, "bye"), None);
        assert_eq!(ended(1001, "taken over"), None);
        for (code, reason) in [(1008, "too many messages"), (1002, "invalid protocol"), (1009, "")] {
            let said = ended(code, reason).unwrap();
            let why = if reason.is_empty() { "code 1009" } else { reason };
            assert_eq!(said, format!("the server has ended the connection: {why}"));
        }
    }

    #[test]
    fn what_was_said_before_a_connection_ended_is_told_even_if_nothing_can_be_sent_any_more() {
        let (events, told) = rt::channel(4);
        let course = async {
            let said = [Message::text("ERROR one"), Message::Ping(Vec::new().into()), Message::text("ERROR two")];
            let said = said.into_iter().chain([close(1008, "enough")]).map(Ok);
            last_word(futures_util::stream::iter(said), &Listener { number: 7, events }).await
        };
        let ended = rt::run(course).unwrap();
        assert!(matches!(&ended, Some(SocketError::Ended(why)) if why == "enough"), "{ended:?}");
        for line in ["ERROR one", "ERROR two"] {
            assert!(matches!(told.try_recv(), Ok((7, Event::Line(said))) if said == line), "{line}");
        }
    }
}
