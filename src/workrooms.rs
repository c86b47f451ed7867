//! The Workrooms protocol: events `{type, detail}` between a client and the server, both directions.
//!
//! One event is one WebSocket text message. Nothing here knows who is registered or whose call is whose; that is the
//! switchboard's. What passes through the server unread ([`Signal`], a profile) is kept as the text it came as.

mod client;
mod profiles;
mod server;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};
use thiserror::Error;

pub use client::ClientEvent;
pub use profiles::{Names, Profiles, TooLarge};
pub use server::{Ended, Found, Placed, ServerEvent};

use crate::{
    foreign,
    ids::{Callid, Sessionid},
};

/// Where the server speaks it.
pub const PATH: &str = "/workrooms";

/// How many calls one client may be in, and name when it registers: 64.
pub const CALL_LIMIT: usize = 64;

/// How many letters of what somebody sent are shown to them in an error.
const SHOWN: usize = 200;

/// Whether a WebSocket asked for at `path` speaks Workrooms.
pub fn is_path(path: &str) -> bool {
    path.strip_suffix('/').unwrap_or(path) == PATH
}

/// One call, as both its sides know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// What the server calls it.
    pub callid: Callid,
    /// Who called.
    #[serde(rename = "fromsessionid")]
    pub from: Sessionid,
    /// Who was called; the caller itself, if it called itself.
    #[serde(rename = "tosessionid")]
    pub to: Sessionid,
}

impl Call {
    /// The side that `one` is in this call with, if it is in it.
    pub fn other(&self, one: &Sessionid) -> Option<&Sessionid> {
        if *one == self.from {
            Some(&self.to)
        } else if *one == self.to {
            Some(&self.from)
        } else {
            None
        }
    }
}

/// What a [`Signal`] carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalKind {
    /// An offer of media.
    Offer,
    /// The answer to one.
    Answer,
    /// A candidate for a way between the two.
    Ice,
}

impl SignalKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Answer => "answer",
            Self::Ice => "ice",
        }
    }
}

/// What one side of a call says to the other; the server passes its `detail` on as it is, to the byte.
#[derive(Debug, Clone)]
pub struct Signal {
    /// What it is.
    pub kind: SignalKind,
    /// The call it is about.
    pub callid: Callid,
    detail: Box<RawValue>,
}

impl Signal {
    /// A signal about `callid` that says `members` besides.
    pub fn new(kind: SignalKind, callid: Callid, mut members: Map<String, Value>) -> Self {
        members.insert("callid".into(), callid.as_str().into());
        // An object of JSON is JSON.
        let detail = serde_json::value::to_raw_value(&members).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self { kind, callid, detail }
    }

    /// All that it says, `callid` included: an object of JSON.
    pub fn detail(&self) -> &str {
        self.detail.get()
    }

    fn parse(kind: SignalKind, detail: &RawValue) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct Detail {
            callid: Callid,
        }
        let Detail { callid } = parse(kind.as_str(), detail)?;
        Ok(Self { kind, callid, detail: detail.to_owned() })
    }
}

impl PartialEq for Signal {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &self.callid, self.detail()) == (other.kind, &other.callid, other.detail())
    }
}

impl Eq for Signal {}

/// Why a text is no event that may be said.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// It is not JSON, or not of the form `{type, detail}`.
    #[error("not an event of the form {{type, detail}}: {0}")]
    NotAnEvent(String),
    /// Nobody says events of this type to this side.
    #[error("there is no event '{0}'")]
    UnknownType(String),
    /// The type is known, and what it says does not fit it.
    #[error("'{kind}' does not fit: {reason}")]
    Detail {
        /// The event's type.
        kind: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl Fault {
    fn detail(kind: &'static str, reason: impl ToString) -> Self {
        Self::Detail { kind, reason: shorten(&reason.to_string()) }
    }

    fn unknown(kind: &str) -> Self {
        Self::UnknownType(shorten(kind))
    }
}

/// An event whose detail is not read yet.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    detail: Option<&'a RawValue>,
    /// Old clients say here who they are.
    #[serde(borrow, default)]
    from: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    fn parse(text: &'a str) -> Result<Self, Fault> {
        serde_json::from_str(text).map_err(|error| Fault::NotAnEvent(shorten(&error.to_string())))
    }

    fn detail(&self) -> &'a RawValue {
        self.detail.unwrap_or(RawValue::NULL)
    }
}

fn parse<'a, T: Deserialize<'a>>(kind: &'static str, detail: &'a RawValue) -> Result<T, Fault> {
    serde_json::from_str(detail.get()).map_err(|error| Fault::detail(kind, error))
}

/// An event as text, its detail being JSON already.
fn spell(f: &mut std::fmt::Formatter<'_>, kind: &str, detail: &str) -> std::fmt::Result {
    write!(f, "{{\"type\":\"{kind}\",\"detail\":{detail}}}")
}

fn json(detail: &impl Serialize) -> Result<String, std::fmt::Error> {
    serde_json::to_string(detail).map_err(|_| std::fmt::Error)
}

fn shorten(text: &str) -> String {
    foreign::shown(text, SHOWN)
}

#[cfg(test)]
mod tests;
