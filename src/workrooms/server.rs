//! What the server says.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Call, Envelope, Fault, Profiles, Signal, SignalKind, json, parse, spell};
use crate::{
    foreign,
    ids::{Callid, Sessionid},
};

/// What the server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerEvent {
    /// The call that this client asked for is placed; it is to make the offer.
    OutboundCall(Placed),
    /// Somebody calls this client.
    InboundCall(Placed),
    /// The other side of a call says something.
    Signal(Signal),
    /// These calls are over, one side having hung up.
    Hangup(Vec<Ended>),
    /// Who was found.
    Autocomplete {
        /// What was searched for.
        search: String,
        /// The best first; at most ten.
        results: Vec<Found>,
    },
    /// Something that this client said could not be done.
    Error {
        /// What was wrong with it, read so that it can be shown.
        message: String,
    },
}

/// A call that was placed, as one of its sides hears of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The call.
    pub call: Call,
    /// Who the other side is.
    pub profiles: Profiles,
}

/// A call that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Which.
    pub callid: Callid,
    /// Who hung up.
    #[serde(rename = "sessionid")]
    pub by: Sessionid,
}

/// Somebody who was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Whom to call.
    #[serde(rename = "sessionid")]
    pub session: Sessionid,
    /// Who that is.
    #[serde(rename = "userprofiles", default)]
    pub profiles: Profiles,
}

#[derive(Serialize, Deserialize)]
struct Hangup {
    calls: Vec<Ended>,
}

#[derive(Deserialize)]
struct Autocomplete {
    search: String,
    results: Vec<Found>,
}

#[derive(Deserialize)]
struct Error {
    message: String,
}

impl ServerEvent {
    /// Reads what the server said.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let event = Envelope::parse(text)?;
        let detail = event.detail();
        match event.kind.as_ref() {
            "outboundcall" => parse_placed("outboundcall", detail.get()).map(Self::OutboundCall),
            "inboundcall" => parse_placed("inboundcall", detail.get()).map(Self::InboundCall),
            "offer" => Signal::parse(SignalKind::Offer, detail).map(Self::Signal),
            "answer" => Signal::parse(SignalKind::Answer, detail).map(Self::Signal),
            "ice" => Signal::parse(SignalKind::Ice, detail).map(Self::Signal),
            "hangup" => parse("hangup", detail).map(|Hangup { calls }| Self::Hangup(calls)),
            "autocomplete" => {
                let Autocomplete { search, results } = parse("autocomplete", detail)?;
                Ok(Self::Autocomplete { search, results })
            }
            "error" => {
                let Error { message } = parse("error", detail)?;
                Ok(Self::Error { message: foreign::shown(&message, foreign::SENTENCE) })
            }
            other => Err(Fault::unknown(other)),
        }
    }
}

/// In two readings: serde would buffer what is flattened, and a buffer keeps no text as it came.
fn parse_placed(kind: &'static str, detail: &str) -> Result<Placed, Fault> {
    #[derive(Deserialize)]
    struct Other {
        #[serde(rename = "userprofiles", default)]
        profiles: Profiles,
    }
    let fault = |error| Fault::detail(kind, error);
    let call = serde_json::from_str(detail).map_err(fault)?;
    let Other { profiles } = serde_json::from_str(detail).map_err(fault)?;
    Ok(Placed { call, profiles })
}

impl fmt::Display for ServerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutboundCall(placed) => spell(f, "outboundcall", &spell_placed("outbound", placed)?),
            Self::InboundCall(placed) => spell(f, "inboundcall", &spell_placed("inbound", placed)?),
            Self::Signal(signal) => spell(f, signal.kind.as_str(), signal.detail()),
            Self::Hangup(calls) => spell(f, "hangup", &json(&Hangup { calls: calls.clone() })?),
            Self::Autocomplete { search, results } => {
                #[derive(Serialize)]
                struct Autocomplete<'a> {
                    search: &'a str,
                    results: &'a [Found],
                }
                spell(f, "autocomplete", &json(&Autocomplete { search, results })?)
            }
            Self::Error { message } => spell(f, "error", &json(&serde_json::json!({ "message": message }))?),
        }
    }
}

fn spell_placed(direction: &str, placed: &Placed) -> Result<String, fmt::Error> {
    let (call, profiles) = (json(&placed.call)?, json(&placed.profiles)?);
    let call = call.strip_prefix('{').and_then(|call| call.strip_suffix('}')).ok_or(fmt::Error)?;
    Ok(format!("{{\"{direction}\":true,{call},\"userprofiles\":{profiles}}}"))
}
