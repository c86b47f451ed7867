//! What goes into the switchboard and what comes out of it.

use std::sync::Arc;

use crate::rendezvous::Resume;

/// Names a connection; the caller numbers them and never uses a number twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What is spoken on a connection, from its first message to its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect<'a> {
    /// `HELLO`, `SESSION` and `ROOM`, with what the client resumes by.
    Rendezvous(Option<&'a Resume>),
    /// Workrooms: `{type, detail}`.
    Workrooms,
}

/// What happened on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// It is open; the first input of every connection.
    Opened(Dialect<'a>),
    /// A text message came, of at most [`MESSAGE_LIMIT`](crate::rendezvous::MESSAGE_LIMIT) bytes.
    Text(&'a str),
    /// A binary message came.
    Binary,
    /// A message came that is longer than [`MESSAGE_LIMIT`](crate::rendezvous::MESSAGE_LIMIT).
    TooLarge,
    /// A frame without a message came: a ping or a pong.
    Frame,
    /// It is gone, or going, or too slow to be kept.
    Closed,
}

/// What to do on a connection, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a text message.
    Send {
        /// The connection to send on.
        to: ConnectionId,
        /// The message; shared between all who get the same.
        text: Arc<str>,
        /// Whether another client said it, rather than the server.
        relayed: bool,
    },
    /// Send a ping, so that a live connection answers.
    Ping {
        /// The connection to ping.
        to: ConnectionId,
    },
    /// Close, once everything queued before is sent; the connection need not be reported as closed.
    Close {
        /// The connection to close.
        to: ConnectionId,
        /// The code of the close frame.
        code: CloseCode,
        /// The reason in the close frame.
        reason: &'static str,
    },
}

/// Why a connection is closed, as the close frame says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// 1000: what the connection was for is over.
    Normal,
    /// 1001: the connection no longer answers.
    Away,
    /// 1002: the client did not keep to the protocol.
    Protocol,
    /// 1009: a message was too large.
    TooLarge,
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> u16 {
        match code {
            CloseCode::Normal => 1000,
            CloseCode::Away => 1001,
            CloseCode::Protocol => 1002,
            CloseCode::TooLarge => 1009,
        }
    }
}

/// How much of everything there is at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Rooms with somebody in them.
    pub rooms: usize,
    /// Pairs in a session.
    pub sessions: usize,
    /// Calls of the Workrooms dialect.
    pub calls: usize,
}
