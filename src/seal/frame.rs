//! What travels between two twocans: JSON with one outer key.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ids::SessionId;

/// The longest frame that is looked at: 64 KiB, as much as the server relays.
const FRAME_LIMIT: usize = 64 * 1024;
/// The longest text that is sealed: 44 KiB, which base64 makes 59 KiB.
pub const PLAINTEXT_LIMIT: usize = 44 * 1024;
/// The longest handshake message: 1 KiB; ours take up to 200 bytes.
const HANDSHAKE_LIMIT: usize = 1024;
/// What AES-GCM adds to a text.
const TAG: usize = 16;
/// Letters in the id of a handshake: 64 bits in base32 without padding.
const ID_LETTERS: usize = 13;

/// How two sides shake hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pattern {
    /// By the key of a code: they meet for the first time, and tell each other their static keys.
    #[serde(rename = "XXpsk0")]
    XxPsk0,
    /// By the static keys, which each knows of the other.
    #[serde(rename = "KK")]
    Kk,
}

/// Which message of which handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A pairing, from who read the code.
    Xx1,
    /// A pairing, from who showed it.
    Xx2,
    /// A pairing, from who read the code: tells who is to be paired.
    Xx3,
    /// A meeting, from who begins it.
    Kk1,
    /// A meeting, the answer.
    Kk2,
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A message of the handshake `id`.
    Noise {
        /// Which one.
        step: Step,
        /// Chosen at random by who begins; later names the session.
        id: SessionId,
        /// As Noise made it, up to 1 KiB.
        data: Vec<u8>,
    },
    /// A sealed text of the session `id`.
    Sealed {
        /// The handshake that made the session.
        id: SessionId,
        /// Counts the texts in this direction, from 0.
        n: u32,
        /// The text, sealed.
        data: Vec<u8>,
    },
    /// "My code was used already", with the proof.
    Refused {
        /// 43 characters, see [`SpentCode`](crate::pairing::SpentCode).
        proof: String,
    },
}

/// Why a text is no frame; for the log, as nothing can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The frame, or what is in it, exceeds its bound.
    #[error("too long")]
    TooLong,
    /// Not JSON of a known shape.
    #[error("not understood")]
    Shape,
    /// Not 13 letters of base32.
    #[error("not a handshake's id")]
    Id,
    /// A handshake of this pattern has no such step.
    #[error("no such step")]
    Step,
    /// Not base64url without padding, or not of the right length.
    #[error("not base64url")]
    Encoding,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wire {
    Noise { pattern: Pattern, id: String, step: u8, data: String },
    Sealed { id: String, n: u32, data: String },
    Refused { proof: String },
}

impl Step {
    fn new(pattern: Pattern, number: u8) -> Result<Self, FrameError> {
        match (pattern, number) {
            (Pattern::XxPsk0, 1) => Ok(Self::Xx1),
            (Pattern::XxPsk0, 2) => Ok(Self::Xx2),
            (Pattern::XxPsk0, 3) => Ok(Self::Xx3),
            (Pattern::Kk, 1) => Ok(Self::Kk1),
            (Pattern::Kk, 2) => Ok(Self::Kk2),
            _ => Err(FrameError::Step),
        }
    }

    fn parts(self) -> (Pattern, u8) {
        match self {
            Self::Xx1 => (Pattern::XxPsk0, 1),
            Self::Xx2 => (Pattern::XxPsk0, 2),
            Self::Xx3 => (Pattern::XxPsk0, 3),
            Self::Kk1 => (Pattern::Kk, 1),
            Self::Kk2 => (Pattern::Kk, 2),
        }
    }
}

impl Frame {
    /// Reads one frame; what it does not know inside a known frame it leaves alone.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        if text.len() > FRAME_LIMIT {
            return Err(FrameError::TooLong);
        }
        match serde_json::from_str(text).map_err(|_| FrameError::Shape)? {
            Wire::Noise { pattern, id, step, data } => Ok(Self::Noise {
                step: Step::new(pattern, step)?,
                id: parse_id(&id)?,
                data: decode(&data, HANDSHAKE_LIMIT)?,
            }),
            Wire::Sealed { id, n, data } => {
                Ok(Self::Sealed { id: parse_id(&id)?, n, data: decode(&data, PLAINTEXT_LIMIT + TAG)? })
            }
            Wire::Refused { proof } => match decode(&proof, 32)?.len() {
                32 => Ok(Self::Refused { proof }),
                _ => Err(FrameError::Encoding),
            },
        }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wire = match self {
            Self::Noise { step, id, data } => {
                let (pattern, step) = step.parts();
                Wire::Noise { pattern, id: id.to_string(), step, data: BASE64URL_NOPAD.encode(data) }
            }
            Self::Sealed { id, n, data } => {
                Wire::Sealed { id: id.to_string(), n: *n, data: BASE64URL_NOPAD.encode(data) }
            }
            Self::Refused { proof } => Wire::Refused { proof: proof.clone() },
        };
        f.write_str(&serde_json::to_string(&wire).map_err(|_| fmt::Error)?)
    }
}

fn parse_id(text: &str) -> Result<SessionId, FrameError> {
    let is_base32 = text.len() == ID_LETTERS && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
    if is_base32 { text.parse().map_err(|_| FrameError::Id) } else { Err(FrameError::Id) }
}

fn decode(text: &str, limit: usize) -> Result<Vec<u8>, FrameError> {
    let data = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| FrameError::Encoding)?;
    if data.len() > limit { Err(FrameError::TooLong) } else { Ok(data) }
}
