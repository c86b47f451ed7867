//! What two twocans say to each other by the server: JSON with one outer key, or a message of Calling 3.0.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    call::{self, Body, Signal, Turn},
    ids::SessionId,
    negotiation::{Candidate, Sdp, SdpType},
};

/// The longest message that is looked at: 64 KiB, as much as the server relays.
pub const MESSAGE_LIMIT: usize = 64 * 1024;

/// One message between the two sides of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// "I read your code", with the proof.
    Accept(String),
    /// "So we are paired", with the proof.
    Accepted(String),
    /// "My code was used already."
    Refused,
    /// Something about a call.
    Call(SessionId, Signal),
}

/// Why a text is no such message; for the log, as nothing can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MessageError {
    /// Over 64 KiB.
    #[error("too long")]
    TooLong,
    /// Not JSON of a known shape, or with a description that cannot be used.
    #[error("not understood")]
    Shape,
    /// Belongs on the data channel.
    #[error("in the wrong place")]
    Place,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wire {
    Accept { proof: String },
    Accepted { proof: String },
    Refused {},
    Sdp { r#type: SdpType, sdp: Sdp, sessid: SessionId },
    Ice(Ice),
}

#[derive(Serialize, Deserialize)]
struct Ice {
    #[serde(flatten)]
    candidate: Candidate,
    sessid: SessionId,
}

impl Message {
    /// Reads one message.
    pub fn parse(text: &str) -> Result<Self, MessageError> {
        if text.len() > MESSAGE_LIMIT {
            return Err(MessageError::TooLong);
        }
        if let Ok(message) = call::Message::parse(text) {
            return match message.body {
                Body::Cancel => Ok(Self::Call(message.session, Signal::Cancel)),
                Body::Hangup | Body::PropSync(_) => Err(MessageError::Place),
            };
        }
        match serde_json::from_str(text).map_err(|_| MessageError::Shape)? {
            Wire::Accept { proof } => Ok(Self::Accept(proof)),
            Wire::Accepted { proof } => Ok(Self::Accepted(proof)),
            Wire::Refused {} => Ok(Self::Refused),
            Wire::Sdp { r#type, sdp, sessid } => Ok(Self::Call(sessid, Signal::Description(r#type, sdp))),
            Wire::Ice(Ice { candidate, sessid }) => Ok(Self::Call(sessid, Signal::Candidate(candidate))),
        }
    }
}

impl std::fmt::Display for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let wire = match self.clone() {
            Self::Accept(proof) => Wire::Accept { proof },
            Self::Accepted(proof) => Wire::Accepted { proof },
            Self::Refused => Wire::Refused {},
            Self::Call(sessid, Signal::Description(r#type, sdp)) => Wire::Sdp { r#type, sdp, sessid },
            Self::Call(sessid, Signal::Candidate(candidate)) => Wire::Ice(Ice { candidate, sessid }),
            Self::Call(session, Signal::Cancel) => {
                return call::Message { session, turn: Turn::Request, body: Body::Cancel }.fmt(f);
            }
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
        let sdp = Sdp::try_from("v=0\r\na=fingerprint:sha-256 AA\r\n".to_owned()).expect("an SDP");
        let candidate = Candidate { candidate: "candidate:1".into(), mid: Some("0".into()), m_line_index: 0 };
        for message in [
            Message::Accept("p".into()),
            Message::Accepted("p".into()),
            Message::Refused,
            Message::Call(session.clone(), Signal::Description(SdpType::Offer, sdp)),
            Message::Call(session.clone(), Signal::Candidate(candidate)),
            Message::Call(session, Signal::Cancel),
        ] {
            assert_eq!(Message::parse(&message.to_string()), Ok(message));
        }
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let hangup = r#"{"version":"3.0","type":"HANGUP","sessid":"Ui6E","resp":false}"#;
        let bare = r#"{"sdp":{"type":"offer","sdp":"v=0\r\n","sessid":"4x12"}}"#;
        for (text, error) in [
            ("", MessageError::Shape),
            ("[]", MessageError::Shape),
            (r#"{"accept":{}}"#, MessageError::Shape),
            (r#"{"accept":{"proof":1}}"#, MessageError::Shape),
            (r#"{"accept":{"proof":"p"},"accepted":{"proof":"p"}}"#, MessageError::Shape),
            (r#"{"ice":{"candidate":"c"}}"#, MessageError::Shape),
            (bare, MessageError::Shape),
            (hangup, MessageError::Place),
            (&" ".repeat(MESSAGE_LIMIT + 1), MessageError::TooLong),
        ] {
            assert_eq!(Message::parse(text), Err(error), "{text}");
        }
    }
}
