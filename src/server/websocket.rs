//! One WebSocket connection: frames in to the hub, the outbox out to the wire.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{Sink, SinkExt, Stream};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
    hub::{Hub, Seat},
    outbox::Item,
    spawn,
};
use crate::{
    rendezvous::{MESSAGE_LIMIT, Resume},
    switchboard::{Dialect, Input},
    workrooms,
};

/// What one read takes from the socket. It stays allocated for every connection, and what is said is mostly short.
const READ_SIZE: usize = 1024;

/// What the socket keeps of a message that the system does not take at once: one message and a pong.
const WRITE_SIZE: usize = 4 * MESSAGE_LIMIT;

/// How long a closed connection is listened to, so that the close frame is not lost with it.
const LINGER: Duration = Duration::from_secs(2);

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Whether the client wants a WebSocket.
pub(super) fn is_asked_for(headers: &HeaderMap) -> bool {
    let names = |value: &header::HeaderValue| {
        value.to_str().is_ok_and(|text| text.split(',').any(|token| token.trim().eq_ignore_ascii_case("websocket")))
    };
    headers.get_all(header::UPGRADE).iter().any(names)
}

/// Answers a request for a WebSocket, and carries what goes over it.
pub(super) fn upgrade(request: Request, hub: Arc<Hub>) -> Response {
    let response = match create_response_with_body(&request, Body::empty) {
        Ok(response) => response,
        Err(error) => {
            let version = [(header::SEC_WEBSOCKET_VERSION, "13")];
            return (StatusCode::BAD_REQUEST, version, format!("No WebSocket: {error}.\n")).into_response();
        }
    };
    let speaks_workrooms = workrooms::is_path(request.uri().path());
    let resume = request.uri().query().and_then(Resume::from_query);
    let upgraded = hyper::upgrade::on(request);
    spawn(async move {
        match upgraded.await {
            Ok(upgraded) if speaks_workrooms => carry(upgraded, hub.open(Dialect::Workrooms)).await,
            Ok(upgraded) => carry(upgraded, hub.open(Dialect::Rendezvous(resume.as_ref()))).await,
            Err(error) => tracing::debug!(%error, "a connection broke before it was a WebSocket"),
        }
    });
    response
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_SIZE)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_SIZE)
        .max_message_size(Some(MESSAGE_LIMIT))
        .max_frame_size(Some(MESSAGE_LIMIT))
}

async fn carry(upgraded: Upgraded, seat: Seat) {
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config())).await;
    let mut line = Line { socket, seat, in_flight: 0, hearing: Side::Open, saying: Side::Open };
    let ending = std::future::poll_fn(|cx| line.poll(cx)).await;
    let Line { socket, seat, .. } = line;
    drop(seat); // Others need not wait for the close handshake.
    match ending {
        Ending::Gone => {}
        // In a box, for it would make the task of every open connection larger.
        Ending::Close(code, reason) => Box::pin(close(socket, Some((code, reason)))).await,
        Ending::Answer => Box::pin(close(socket, None)).await,
    }
}

/// How a connection ends.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    /// Nothing more can be said to it.
    Gone,
    /// With a close frame of ours.
    Close(u16, &'static str),
    /// With a close frame of the client's, to be answered.
    Answer,
}

#[derive(Debug, PartialEq, Eq)]
enum Side {
    Open,
    Done,
}

/// A WebSocket between its outbox and the hub. Neither direction waits for the other.
struct Line {
    socket: Socket,
    seat: Seat,
    /// The weight of what was taken from the outbox last and may not be sent yet.
    in_flight: usize,
    /// Done after a message that cannot be read; the hub then says how to end.
    hearing: Side,
    /// Done after a write failed; what the client had said before is still heard.
    saying: Side,
}

impl Line {
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
            if let Some(ending) = self.hear(heard) {
                return Poll::Ready(ending);
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
                Poll::Ready(Ok(())) => self.seat.outbox.settle(std::mem::take(&mut self.in_flight)),
            }
            let Some(item) = self.seat.outbox.take() else { break };
            self.in_flight = item.weight();
            let message = match item {
                Item::Text(text) => Message::text(&*text),
                Item::Ping => Message::Ping(Bytes::new()),
                Item::Close(code, reason) => return Some(Ending::Close(code, reason)),
            };
            if let Err(error) = Pin::new(&mut self.socket).start_send(message) {
                return self.fall_silent(&error);
            }
        }
        match Pin::new(&mut self.socket).poll_flush(cx) {
            Poll::Ready(Err(error)) => self.fall_silent(&error),
            Poll::Ready(Ok(())) | Poll::Pending => None,
        }
    }

    fn fall_silent(&mut self, error: &Error) -> Option<Ending> {
        self.saying = Side::Done;
        let stalled = matches!(error, Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut);
        stalled.then_some(Ending::Gone)
    }

    /// Passes on what came, and tells whether it was the last.
    fn hear(&mut self, heard: Option<Result<Message, Error>>) -> Option<Ending> {
        match heard {
            Some(Ok(Message::Text(text))) => self.seat.handle(Input::Text(&text)),
            Some(Ok(Message::Binary(_))) => self.seat.handle(Input::Binary),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => self.seat.handle(Input::Frame),
            Some(Ok(Message::Close(_))) => return Some(Ending::Answer),
            Some(Err(Error::Capacity(_))) => {
                self.hearing = Side::Done;
                self.seat.handle(Input::TooLarge);
            }
            Some(Err(Error::Utf8(_))) => return Some(Ending::Close(1007, "not UTF-8")),
            Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => return Some(Ending::Gone),
            Some(Err(Error::Protocol(_))) => return Some(Ending::Close(1002, "invalid protocol")),
            Some(Err(_)) | None => return Some(Ending::Gone),
        }
        None
    }
}

/// Says the last word, ours or the answer to the client's, and sees to it that it arrives.
async fn close(mut socket: Socket, last_word: Option<(u16, &'static str)>) {
    let said = match last_word {
        Some((code, reason)) => {
            let frame = CloseFrame { code: code.into(), reason: reason.into() };
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
