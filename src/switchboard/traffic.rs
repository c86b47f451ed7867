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
        /// Why.
        why: Closing,
    },
}

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// The other side of its session has gone.
    PartnerGone,
    /// A newer connection of the same client has its name.
    TakenOver,
    /// It did not show life when another wanted its name.
    NoSignOfLife,
    /// It did not say who it is in time.
    HelloTimeout,
    /// Its uid is no good, or another's.
    BadUid,
    /// It did not keep to the protocol.
    Protocol,
    /// It said something too long.
    TooLarge,
}

impl Closing {
    /// The code of the close frame. Source: RFC 6455, 7.4.1.
    pub fn code(self) -> u16 {
        match self {
            Self::PartnerGone => 1000,
            Self::TakenOver | Self::NoSignOfLife => 1001,
            Self::HelloTimeout | Self::BadUid | Self::Protocol => 1002,
            Self::TooLarge => 1009,
        }
    }

    /// The reason in the close frame.
    pub fn text(self) -> &'static str {
        match self {
            Self::PartnerGone => "",
            Self::TakenOver => "taken over",
            Self::NoSignOfLife => "no sign of life",
            Self::HelloTimeout => "hello timeout",
            Self::BadUid => "invalid peer uid",
            Self::Protocol => "invalid protocol",
            Self::TooLarge => "message too large",
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
