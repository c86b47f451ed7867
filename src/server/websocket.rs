//! One WebSocket connection: frames in to the hub, the outbox out to the wire.

use std::{
    borrow::Cow,
    io,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{FutureExt, Sink, SinkExt, Stream};
use hyper::upgrade::{Parts, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Bytes, Error, Message,
        error::ProtocolError,
        handshake::server::create_response_with_body,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use super::{
    Limits,
    http::Guest,
    hub::{Hub, Next, Seat},
    metrics::Cause,
    now,
    outbox::Item,
    spawn,
    stream::Patient,
};
use crate::{
    rendezvous::Resume,
    switchboard::{Dialect, Input},
    workrooms,
};

/// What one read takes from the socket. It stays allocated for every connection, and what is said is mostly short.
const READ_SIZE: usize = 1024;

/// What the socket may keep of what the system does not take at once, besides what may wait: heads of frames, a pong.
const WRITE_SIZE: usize = 1024;

/// How long the last word may take, and what is to come after it: 12 s.
const LAST_WORD: Duration = Duration::from_secs(12);

/// How long a closed connection is listened to, so that the close frame is not lost with it.
const LINGER: Duration = Duration::from_secs(1);

/// What a WebSocket goes over.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Wire for S {}

/// Whether the client wants a WebSocket.
pub(super) fn is_asked_for(headers: &HeaderMap) -> bool {
    let names = |value: &header::HeaderValue| {
        value.to_str().is_ok_and(|text| text.split(',').any(|token| token.trim().eq_ignore_ascii_case("websocket")))
    };
    headers.get_all(header::UPGRADE).iter().any(names)
}

/// Answers a request for a WebSocket, and carries what goes over it.
pub(super) fn upgrade(request: Request, hub: Arc<Hub>, from: IpAddr) -> Response {
    let response = match create_response_with_body(&request, Body::empty) {
        Ok(response) => response,
        Err(error) => {
            let version = [(header::SEC_WEBSOCKET_VERSION, "13")];
            return (StatusCode::BAD_REQUEST, version, format!("No WebSocket: {error}.\n")).into_response();
        }
    };
    let speaks_workrooms = workrooms::is_path(request.uri().path());
    let resume = request.uri().query().and_then(Resume::from_query);
    let guest = request.extensions().get::<Guest>().cloned();
    let upgraded = hyper::upgrade::on(request);
    spawn(async move {
        match upgraded.await {
            Ok(upgraded) if speaks_workrooms => carry(upgraded, hub.open(Dialect::Workrooms, from, guest)),
            Ok(upgraded) => carry(upgraded, hub.open(Dialect::Rendezvous(resume.as_ref()), from, guest)),
            Err(error) => tracing::debug!(%error, "a connection broke before it was a WebSocket"),
        }
    });
    response
}

fn config(limits: &Limits) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_SIZE)
        .write_buffer_size(0)
        .max_write_buffer_size(limits.waiting.saturating_add(WRITE_SIZE))
        .max_message_size(Some(limits.message))
        .max_frame_size(Some(limits.message))
}

/// Carries on with the bare stream, in a task of its own that is as small as can be: nothing of HTTP is in it.
fn carry(upgraded: Upgraded, seat: Seat) {
    match upgraded.downcast::<TokioIo<Patient>>() {
        Ok(Parts { io, read_buf, .. }) => spawn(Conversation::new(io.into_inner(), read_buf, seat)),
        Err(upgraded) => match upgraded.downcast::<TokioIo<TlsStream<Patient>>>() {
            Ok(Parts { io, read_buf, .. }) => spawn(Conversation::new(io.into_inner(), read_buf, seat)),
            Err(_) => tracing::error!("a WebSocket over something unknown"),
        },
    }
}

/// What is said over one WebSocket, to its end. Written by hand: of an `async fn` each connection would keep copies of
/// what it moves.
#[expect(clippy::large_enum_variant, reason = "it is the large one that there are many of")]
enum Conversation<S> {
    Open(Line<S>),
    /// In a box, for it would make every open one larger.
    Closing(Pin<Box<dyn Future<Output = ()> + Send>>),
    Over,
}

impl<S: Wire> Conversation<S> {
    /// `early` is what the client said without waiting for an answer.
    fn new(stream: S, early: Bytes, seat: Seat) -> Self {
        // A copy that is as long as what it holds: what hyper read with has 8 KiB, and would be kept for ever.
        let part = early.to_vec();
        let config = config(seat.limits());
        let socket = WebSocketStream::from_partially_read(stream, part, Role::Server, Some(config));
        match socket.now_or_never() {
            Some(socket) => Self::Open(Line { socket, seat, in_flight: None, hearing: Side::Open, saying: Side::Open }),
            None => Self::Over, // There is no handshake to wait for.
        }
    }
}

impl<S: Wire> Future for Conversation<S> {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Open(line) = &mut *self {
            let ending = ready!(line.poll(cx));
            if let Self::Open(Line { socket, mut seat, .. }) = std::mem::replace(&mut *self, Self::Over) {
                seat.leave();
                *self = match ending {
                    Ending::Gone => Self::Over,
                    Ending::Close(code, reason) => Self::Closing(Box::pin(close(socket, seat, Some((code, reason))))),
                    Ending::Answer => Self::Closing(Box::pin(close(socket, seat, None))),
                };
            }
        }
        match &mut *self {
            Self::Closing(closing) => closing.as_mut().poll(cx),
            Self::Open(_) | Self::Over => Poll::Ready(()),
        }
    }
}

/// How a connection ends.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    /// Nothing more can be said to it.
    Gone,
    /// With a close frame of ours.
    Close(u16, Cow<'static, str>),
    /// With a close frame of the client's, to be answered.
    Answer,
}

#[derive(Debug, PartialEq, Eq)]
enum Side {
    Open,
    Done,
}

/// A WebSocket between its outbox and the hub. Neither direction waits for the other.
struct Line<S> {
    socket: WebSocketStream<S>,
    seat: Seat,
    /// What was taken from the outbox last and may not be sent yet.
    in_flight: Option<InFlight>,
    /// Done after a message that cannot be read; the hub then says how to end.
    hearing: Side,
    /// Done after a write failed; what the client had said before is still heard.
    saying: Side,
}

/// What is on its way from the outbox to the wire.
struct InFlight {
    weight: usize,
    /// How many bytes another client said, and when they came.
    relayed: Option<(usize, Instant)>,
}

impl<S: Wire> Line<S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        loop {
            if self.seat.outbox.watch(cx).is_err() {
                return Poll::Ready(Ending::Gone);
            }
            if self.saying == Side::Open
                && let Some(ending) = self.say(cx)
            {
                return Poll::Ready(ending);
            }
            if self.hearing == Side::Done {
                return if self.saying == Side::Done { Poll::Ready(Ending::Gone) } else { Poll::Pending };
            }
            let Poll::Ready(heard) = Pin::new(&mut self.socket).poll_next(cx) else { return Poll::Pending };
            match self.hear(heard) {
                Ok(Next::GoOn) => {}
                Ok(Next::LetOthers) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Err(ending) => return Poll::Ready(ending),
            }
            // Around again: what was heard may have something to say as its answer.
        }
    }

    /// Sends what waits, as far as the socket takes it.
    fn say(&mut self, cx: &mut Context<'_>) -> Option<Ending> {
        loop {
            match Pin::new(&mut self.socket).poll_ready(cx) {
                Poll::Pending => return None,
                Poll::Ready(Err(error)) => return self.fall_silent(&error),
                Poll::Ready(Ok(())) => self.settle(),
            }
            let Some(item) = self.seat.outbox.take() else { break };
            let weight = item.weight();
            let mut relayed = None;
            let message = match item {
                Item::Text { text, came } => {
                    relayed = came.map(|came| (text.len(), came));
                    Message::text(&*text)
                }
                Item::Ping => Message::Ping(Bytes::new()),
                Item::Close(code, reason) => return Some(Ending::Close(code, reason)),
            };
            self.in_flight = Some(InFlight { weight, relayed });
            if let Err(error) = Pin::new(&mut self.socket).start_send(message) {
                return self.fall_silent(&error);
            }
        }
        match Pin::new(&mut self.socket).poll_flush(cx) {
            Poll::Ready(Err(error)) => self.fall_silent(&error),
            Poll::Ready(Ok(())) | Poll::Pending => None,
        }
    }

    /// What was in flight has been sent.
    fn settle(&mut self) {
        let Some(InFlight { weight, relayed }) = self.in_flight.take() else { return };
        self.seat.outbox.settle(weight);
        if let Some((bytes, came)) = relayed {
            self.seat.metrics().relayed(bytes, now().saturating_duration_since(came));
        }
    }

    fn fall_silent(&mut self, error: &Error) -> Option<Ending> {
        self.saying = Side::Done;
        // Where the connection itself is whole, nobody would ever be told of its end.
        let is_stalled = matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::TimedOut);
        let is_whole = is_stalled || matches!(error, Error::WriteBufferFull(_));
        is_whole.then(|| self.refuse(Cause::SlowReader, Ending::Gone))
    }

    fn refuse(&self, cause: Cause, ending: Ending) -> Ending {
        self.seat.metrics().refused(cause);
        ending
    }

    /// Passes on what came, unless it was the last.
    fn hear(&mut self, heard: Option<Result<Message, Error>>) -> Result<Next, Ending> {
        let input = match &heard {
            Some(Ok(Message::Text(text))) => Input::Text(text),
            Some(Ok(Message::Binary(_))) => Input::Binary,
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Input::Frame,
            Some(Ok(Message::Close(_))) => return Err(Ending::Answer),
            Some(Err(Error::Capacity(_))) => {
                self.hearing = Side::Done;
                Input::TooLarge
            }
            Some(Err(Error::Utf8(_))) => {
                return Err(self.refuse(Cause::Protocol, Ending::Close(1007, "not UTF-8".into())));
            }
            Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => return Err(Ending::Gone),
            Some(Err(Error::Protocol(_))) => {
                return Err(self.refuse(Cause::Protocol, Ending::Close(1002, "invalid protocol".into())));
            }
            Some(Err(_)) | None => return Err(Ending::Gone),
        };
        // 1008: against this server's policy.
        self.seat.handle(input).map_err(|too_fast| Ending::Close(1008, too_fast.reason().into()))
    }
}

/// Says the last word, ours or the answer to the client's, and sees to it that it arrives.
async fn close<S: Wire>(socket: WebSocketStream<S>, seat: Seat, last_word: Option<(u16, Cow<'static, str>)>) {
    let _ = tokio::time::timeout(LAST_WORD, say_last(socket, last_word)).await;
    drop(seat); // The server waits for it when it stops.
}

async fn say_last<S: Wire>(mut socket: WebSocketStream<S>, last_word: Option<(u16, Cow<'static, str>)>) {
    let said = match last_word {
        Some((code, reason)) => {
            let frame = CloseFrame { code: code.into(), reason: reason.as_ref().into() };
            socket.send(Message::Close(Some(frame))).await
        }
        None => socket.flush().await,
    };
    let stream = socket.get_mut();
    if said.is_err() || stream.shutdown().await.is_err() {
        return;
    }
    // A socket closed with something unread in it takes back what it had sent; so read to the end, for a while.
    let mut scrap = vec![0; READ_SIZE];
    let _ =
        tokio::time::timeout(LINGER, async { while stream.read(&mut scrap).await.is_ok_and(|read| read > 0) {} }).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_websocket_is_asked_for_by_name_in_any_case() {
        for (value, is) in [("websocket", true), ("WebSocket", true), ("h2c, websocket", true), ("h2c", false)] {
            let headers = HeaderMap::from_iter([(header::UPGRADE, value.parse().unwrap())]);
            assert_eq!(is_asked_for(&headers), is, "{value}");
        }
        assert!(!is_asked_for(&HeaderMap::new()));
    }
}
