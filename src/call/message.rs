//! Calling 3.0's messages as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ids::SessionId;

/// The version every message carries.
pub const VERSION: &str = "3.0";

/// What a side tells of itself: names to values. A new map replaces the one before.
pub type Props = BTreeMap<String, String>;

/// What a message asks or tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Ends a call whose data channel is not up.
    Cancel,
    /// Tells the sender's properties.
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

/// Why a text is no message of Calling 3.0.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MessageError {
    /// Not JSON of the right shape.
    #[error("not a Calling 3.0 message")]
    Shape,
    /// Another version.
    #[error("another version than {VERSION}")]
    Version,
    /// A type this side does not know.
    #[error("an unknown type")]
    Type,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    version: String,
    r#type: String,
    sessid: SessionId,
    resp: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    props: Option<Props>,
}

impl Message {
    /// Reads one message; whatever is unknown beside the known fields is ignored.
    pub fn parse(text: &str) -> Result<Self, MessageError> {
        let wire: Wire = serde_json::from_str(text).map_err(|_| MessageError::Shape)?;
        if wire.version != VERSION {
            return Err(MessageError::Version);
        }
        let body = match wire.r#type.to_ascii_uppercase().as_str() {
            "CANCEL" => Body::Cancel,
            "HANGUP" => Body::Hangup,
            "PROPSYNC" => Body::PropSync(wire.props.ok_or(MessageError::Shape)?),
            _ => return Err(MessageError::Type),
        };
        Ok(Self { session: wire.sessid, turn: if wire.resp { Turn::Response } else { Turn::Request }, body })
    }
}

impl std::fmt::Display for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (r#type, props) = match &self.body {
            Body::Cancel => ("CANCEL", None),
            Body::Hangup => ("HANGUP", None),
            Body::PropSync(props) => ("PROPSYNC", Some(props.clone())),
        };
        let wire = Wire {
            version: VERSION.into(),
            r#type: r#type.into(),
            sessid: self.session.clone(),
            resp: self.turn == Turn::Response,
            props,
        };
        f.write_str(&serde_json::to_string(&wire).map_err(|_| std::fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_survives_the_round_trip() {
        let session: SessionId = "4x12".parse().expect("an id");
        let props = Props::from([("paused".into(), "true".into())]);
        for body in [Body::Cancel, Body::Hangup, Body::PropSync(props)] {
            for turn in [Turn::Request, Turn::Response] {
                let message = Message { session: session.clone(), turn, body: body.clone() };
                assert_eq!(Message::parse(&message.to_string()), Ok(message));
            }
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
            (
                r#"{"version":"3.0","type":"PROPSYNC","sessid":"Ui6E","resp":false,"props":{"a":1}}"#,
                MessageError::Shape,
            ),
        ] {
            assert_eq!(Message::parse(text), Err(error), "{text}");
        }
    }
}
