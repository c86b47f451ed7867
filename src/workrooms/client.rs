//! What a client says.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::json as value;

use super::{CALL_LIMIT, Call, Envelope, Fault, Profiles, Signal, SignalKind, json, parse, spell};
use crate::ids::{Callid, Sessionid};

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// Who it is, and which calls it is still in; the first event of all.
    Register {
        /// Its own name for this run of it.
        session: Sessionid,
        /// What it knows from before its connection broke; each names the client as one of its sides.
        calls: Vec<Call>,
    },
    /// Who uses it; replaces what it had said of the same sources.
    UserProfile(Profiles),
    /// Calls another client, or itself.
    Call {
        /// Whom.
        to: Sessionid,
    },
    /// Something for the other side of a call.
    Signal(Signal),
    /// Ends calls.
    Hangup(Vec<Callid>),
    /// Asks who is there.
    Autocomplete {
        /// A name or login, or the beginning of one.
        search: String,
    },
}

#[derive(Deserialize)]
struct Register {
    #[serde(default)]
    sessionid: Option<Sessionid>,
    #[serde(default)]
    calls: Option<Vec<Call>>,
}

#[derive(Deserialize)]
struct To {
    to: Sessionid,
}

#[derive(Deserialize)]
struct Hangup {
    #[serde(default)]
    calls: Option<Vec<Named>>,
    /// What old clients say instead.
    #[serde(default)]
    callid: Option<Callid>,
}

#[derive(Serialize, Deserialize)]
struct Named {
    callid: Callid,
}

#[derive(Deserialize)]
struct Search {
    search: String,
}

impl ClientEvent {
    /// Reads what a client said.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let event = Envelope::parse(text)?;
        let detail = event.detail();
        match event.kind.as_ref() {
            "register" => Self::register(&event),
            "userprofile" => parse("userprofile", detail).map(Self::UserProfile),
            "call" => parse("call", detail).map(|To { to }| Self::Call { to }),
            "offer" => Signal::parse(SignalKind::Offer, detail).map(Self::Signal),
            "answer" => Signal::parse(SignalKind::Answer, detail).map(Self::Signal),
            "ice" => Signal::parse(SignalKind::Ice, detail).map(Self::Signal),
            "hangup" => match parse("hangup", detail)? {
                Hangup { calls: None, callid: None } => Err(Fault::detail("hangup", "it names no calls")),
                Hangup { calls, callid } => {
                    let calls = calls.into_iter().flatten().map(|Named { callid }| callid);
                    Ok(Self::Hangup(calls.chain(callid).collect()))
                }
            },
            "autocomplete" => parse("autocomplete", detail).map(|Search { search }| Self::Autocomplete { search }),
            other => Err(Fault::unknown(other)),
        }
    }

    fn register(event: &Envelope<'_>) -> Result<Self, Fault> {
        let fault = |reason: &str| Err(Fault::detail("register", reason));
        // Old clients name themselves beside a detail that may be missing.
        let register = match (event.detail, event.from) {
            (None, Some(_)) => Register { sessionid: None, calls: None },
            _ => parse("register", event.detail())?,
        };
        let session = match (register.sessionid, event.from) {
            (Some(session), _) => session,
            (None, Some(from)) => parse("register", from)?,
            (None, None) => return fault("it names no sessionid"),
        };
        let calls = register.calls.unwrap_or_default();
        if calls.len() > CALL_LIMIT {
            return fault(&format!("it names more than {CALL_LIMIT} calls"));
        }
        if calls.iter().any(|call| call.other(&session).is_none()) {
            return fault("it names a call of others");
        }
        Ok(Self::Register { session, calls })
    }
}

impl fmt::Display for ClientEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Register { session, calls } => {
                spell(f, "register", &json(&value!({ "sessionid": session, "calls": calls }))?)
            }
            Self::UserProfile(profiles) => spell(f, "userprofile", &json(profiles)?),
            Self::Call { to } => spell(f, "call", &json(&value!({ "to": to }))?),
            Self::Signal(signal) => spell(f, signal.kind.as_str(), signal.detail()),
            Self::Hangup(calls) => {
                let calls: Vec<_> = calls.iter().map(|callid| Named { callid: callid.clone() }).collect();
                spell(f, "hangup", &json(&value!({ "calls": calls }))?)
            }
            Self::Autocomplete { search } => spell(f, "autocomplete", &json(&value!({ "search": search }))?),
        }
    }
}
