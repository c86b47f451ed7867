//! Calling 3.0's messages as JSON, and the candidates beside them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Connection, Signal};
use crate::{
    ids::SessionId,
    negotiation::{Candidate, Sdp},
};

/// The version every message carries.
pub const VERSION: &str = "3.0";

/// What a side tells of itself: names to values. A new map replaces the one before.
pub type Props = BTreeMap<String, String>;

/// What a message asks or tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Makes a call: the request offers, the response answers.
    Setup {
        /// The sender's description.
        sdp: Sdp,
        /// What the sender tells of itself.
        props: Props,
    },
    /// Makes a new connection for a call that is up, likewise.
    Update {
        /// Which connection of the call it is to be, from 1 on.
        generation: u32,
        /// The sender's description.
        sdp: Sdp,
        /// What the sender tells of itself.
        props: Props,
    },
    /// A person ends a call that has no data channel.
    Cancel,
    /// The sender cannot take a call, or go on with it.
    Reject,
    /// Tells the sender's properties, on the data channel.
    PropSync(Props),
    /// Ends a call by its data channel.
    Hangup,
}

/// Whether a message begins an exchange or closes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// `resp` is false.
    Request,
    /// `resp` is true.
    Response,
}

/// One message of Calling 3.0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The call it belongs to.
    pub session: SessionId,
    /// Request or response.
    pub turn: Turn,
    /// What it says.
    pub body: Body,
}

/// Why a text is no message of a call; for the log, as nothing can be answered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MessageError {
    /// Not JSON of the right shape, or with a description that cannot be used.
    #[error("not a Calling 3.0 message")]
    Shape,
    /// Another version.
    #[error("another version than {VERSION}")]
    Version,
    /// A type this side does not know.
    #[error("an unknown type")]
    Type,
    /// It belongs on the data channel, or by the server, and came the other way.
    #[error("in the wrong place")]
    Place,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    version: String,
    r#type: String,
    sessid: SessionId,
    resp: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    generation: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sdp: Option<Sdp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    props: Option<Props>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ice {
    ice: IceFields,
}

#[derive(Serialize, Deserialize)]
struct IceFields {
    #[serde(flatten)]
    candidate: Candidate,
    sessid: SessionId,
    #[serde(default, skip_serializing_if = "is_first")]
    generation: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_first(generation: &u32) -> bool {
    *generation == 0
}

impl Message {
    /// Reads one message that came on the data channel; whatever is unknown beside the known fields is ignored.
    pub fn parse(text: &str) -> Result<Self, MessageError> {
        let message = Self::parse_any(text)?;
        if message.is_signal() { Err(MessageError::Place) } else { Ok(message) }
    }

    fn parse_any(text: &str) -> Result<Self, MessageError> {
        let Wire { version, r#type, sessid: session, resp, generation, sdp, props } =
            serde_json::from_str(text).map_err(|_| MessageError::Shape)?;
        if version != VERSION {
            return Err(MessageError::Version);
        }
        let body = match r#type.to_ascii_uppercase().as_str() {
            "SETUP" => Body::Setup { sdp: sdp.ok_or(MessageError::Shape)?, props: props.unwrap_or_default() },
            "UPDATE" => Body::Update {
                generation: generation.filter(|number| *number > 0).ok_or(MessageError::Shape)?,
                sdp: sdp.ok_or(MessageError::Shape)?,
                props: props.unwrap_or_default(),
            },
            "CANCEL" => Body::Cancel,
            "REJECT" => Body::Reject,
            "HANGUP" => Body::Hangup,
            "PROPSYNC" => Body::PropSync(props.ok_or(MessageError::Shape)?),
            _ => return Err(MessageError::Type),
        };
        Ok(Self { session, turn: if resp { Turn::Response } else { Turn::Request }, body })
    }

    /// Whether it is said by the server, rather than on the data channel.
    fn is_signal(&self) -> bool {
        match self.body {
            Body::Setup { .. } | Body::Update { .. } | Body::Cancel | Body::Reject => true,
            Body::PropSync(_) | Body::Hangup => false,
        }
    }
}

impl std::fmt::Display for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (r#type, generation, sdp, props) = match self.body.clone() {
            Body::Setup { sdp, props } => ("SETUP", None, Some(sdp), Some(props)),
            Body::Update { generation, sdp, props } => ("UPDATE", Some(generation), Some(sdp), Some(props)),
            Body::Cancel => ("CANCEL", None, None, None),
            Body::Reject => ("REJECT", None, None, None),
            Body::PropSync(props) => ("PROPSYNC", None, None, Some(props)),
            Body::Hangup => ("HANGUP", None, None, None),
        };
        let wire = Wire {
            version: VERSION.into(),
            r#type: r#type.into(),
            sessid: self.session.clone(),
            resp: self.turn == Turn::Response,
            generation,
            sdp,
            props,
        };
        f.write_str(&serde_json::to_string(&wire).map_err(|_| std::fmt::Error)?)
    }
}

impl Signal {
    /// Reads what the far side said by the server.
    pub fn parse(text: &str) -> Result<Self, MessageError> {
        if let Ok(Ice { ice: IceFields { candidate, sessid: session, generation } }) = serde_json::from_str(text) {
            if candidate.candidate.is_empty() {
                return Err(MessageError::Shape);
            }
            return Ok(Self::Candidate(Connection { session, generation }, candidate));
        }
        let message = Message::parse_any(text)?;
        if message.is_signal() { Ok(Self::Message(message)) } else { Err(MessageError::Place) }
    }
}

impl std::fmt::Display for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Message(message) => message.fmt(f),
            Self::Candidate(Connection { session, generation }, candidate) => {
                let ice = IceFields { candidate: candidate.clone(), sessid: session.clone(), generation: *generation };
                f.write_str(&serde_json::to_string(&Ice { ice }).map_err(|_| std::fmt::Error)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> SessionId {
        "4x12".parse().expect("an id")
    }

    fn sdp() -> Sdp {
        Sdp::try_from("v=0\r\na=fingerprint:sha-256 AA\r\n".to_owned()).expect("an SDP")
    }

    fn props() -> Props {
        Props::from([("paused".into(), "true".into())])
    }

    #[test]
    fn every_message_survives_the_round_trip() {
        for turn in [Turn::Request, Turn::Response] {
            let message = |body| Message { session: session(), turn, body };
            for body in [Body::Hangup, Body::PropSync(props())] {
                let message = message(body);
                assert_eq!(Message::parse(&message.to_string()), Ok(message.clone()));
                assert_eq!(Signal::parse(&message.to_string()), Err(MessageError::Place));
            }
            let update = Body::Update { generation: 3, sdp: sdp(), props: props() };
            for body in [Body::Setup { sdp: sdp(), props: props() }, update, Body::Cancel, Body::Reject] {
                let message = message(body);
                assert_eq!(Signal::parse(&message.to_string()), Ok(Signal::Message(message.clone())));
                assert_eq!(Message::parse(&message.to_string()), Err(MessageError::Place));
            }
        }
    }

    #[test]
    fn a_candidate_survives_the_round_trip() {
        for generation in [0, 7] {
            let candidate = Candidate { candidate: "candidate:1".into(), mid: Some("0".into()), m_line_index: 0 };
            let signal = Signal::Candidate(Connection { session: session(), generation }, candidate);
            assert_eq!(Signal::parse(&signal.to_string()), Ok(signal));
        }
    }

    #[test]
    fn the_type_compares_without_case() {
        let text = r#"{"version":"3.0","type":"hangUp","sessid":"Ui6E","resp":false,"more":1}"#;
        assert_eq!(Message::parse(text).map(|message| message.body), Ok(Body::Hangup));
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for (text, error) in [
            ("", MessageError::Shape),
            (r#"{"version":"2.0","type":"HANGUP","sessid":"Ui6E","resp":false}"#, MessageError::Version),
            (r#"{"version":"3.0","type":"DANCE","sessid":"Ui6E","resp":false}"#, MessageError::Type),
            (r#"{"version":"3.0","type":"HANGUP","sessid":"Ui6E","resp":"false"}"#, MessageError::Shape),
            (r#"{"version":"3.0","type":"HANGUP","sessid":"x","resp":false}"#, MessageError::Shape),
            (r#"{"version":"3.0","type":"PROPSYNC","sessid":"Ui6E","resp":false}"#, MessageError::Shape),
            (r#"{"version":"3.0","type":"SETUP","sessid":"Ui6E","resp":false,"sdp":"v=0\r\n"}"#, MessageError::Shape),
            (
                r#"{"version":"3.0","type":"PROPSYNC","sessid":"Ui6E","resp":false,"props":{"a":1}}"#,
                MessageError::Shape,
            ),
        ] {
            assert_eq!(Message::parse(text), Err(error), "{text}");
        }
    }
}
