//! The names things go by: conversations, instances, peers, rooms, calls.
//!
//! Each is a newtype that can only hold a well-formed value, so whatever takes one need not look again.

use std::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest uid and room name that goes over the wire: 256 bytes.
///
/// Source: the rendezvous protocol; both sides of the wire keep to it.
pub const NAME_LIMIT: usize = 256;

/// Letters in a conversation or instance id: 128 bits in base32 without padding.
const ID_LETTERS: usize = 26;

/// Why a text is not the name it was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IdError {
    /// Not 26 letters of base32 that hold exactly 128 bits.
    #[error("an id is 26 characters out of a-z and 2-7")]
    NotAnId,
    /// Empty, too long, or with white space or control characters in it.
    #[error("a name is one word of 1 to {NAME_LIMIT} bytes")]
    NotAWord,
    /// `session`, which the rendezvous protocol keeps for itself.
    #[error("\"session\" cannot name a room")]
    Reserved,
    /// Not what names a call: 4 to 64 letters and digits.
    #[error("a call's id is 4 to 64 letters and digits")]
    NotASession,
    /// Empty, too long, or with control characters in it.
    #[error("a sessionid or callid is 1 to {NAME_LIMIT} bytes without control characters")]
    NotAName,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text, as it stands in links and on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }
    };
}

id! {
    /// Names a standing conversation, for ever and on both sides: 26 letters of lower-case base32.
    ConversationId
}
id! {
    /// Names one side of one conversation, and of no other: 26 letters of lower-case base32.
    InstanceId
}
id! {
    /// Names a connection at the rendezvous server: one word of 1 to 256 bytes.
    PeerUid
}
id! {
    /// Names a room at the rendezvous server: one word of 1 to 256 bytes, but not `session`.
    RoomId
}
id! {
    /// Names one call within a conversation: 4 to 64 letters and digits, new for every call.
    SessionId
}

id! {
    /// Names one run of a Workrooms client: 1 to 256 bytes.
    Sessionid
}
id! {
    /// Names one call between two Workrooms clients: 1 to 256 bytes.
    Callid
}

impl ConversationId {
    /// The id that these 128 random bits spell.
    pub fn from_bits(bits: u128) -> Self {
        Self(spell(bits))
    }

    /// The room in which the two sides meet.
    pub fn room(&self) -> RoomId {
        RoomId(self.0.clone())
    }
}

impl InstanceId {
    /// The id that these 128 random bits spell.
    pub fn from_bits(bits: u128) -> Self {
        Self(spell(bits))
    }

    /// The uid this side of `conversation` registers with: `<instance>:<conversation>`.
    pub fn uid(&self, conversation: &ConversationId) -> PeerUid {
        PeerUid(format!("{self}:{conversation}"))
    }
}

impl Sessionid {
    /// The id that these 128 random bits spell.
    pub fn from_bits(bits: u128) -> Self {
        Self(spell(bits))
    }
}

impl Callid {
    /// The id that these 128 random bits spell.
    pub fn from_bits(bits: u128) -> Self {
        Self(spell(bits))
    }
}

impl SessionId {
    /// The id that these random bits spell: 13 letters of lower-case base32.
    pub fn from_bits(bits: u64) -> Self {
        Self(BASE32_NOPAD.encode(&bits.to_be_bytes()).to_ascii_lowercase())
    }
}

impl FromStr for ConversationId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        parse_id(text).map(Self)
    }
}

impl FromStr for InstanceId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        parse_id(text).map(Self)
    }
}

impl FromStr for PeerUid {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        parse_word(text).map(Self)
    }
}

impl FromStr for RoomId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text == "session" { Err(IdError::Reserved) } else { parse_word(text).map(Self) }
    }
}

impl FromStr for SessionId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let fits = (4..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if fits { Ok(Self(text.to_owned())) } else { Err(IdError::NotASession) }
    }
}

impl FromStr for Sessionid {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        parse_name(text).map(Self)
    }
}

impl FromStr for Callid {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        parse_name(text).map(Self)
    }
}

fn spell(bits: u128) -> String {
    BASE32_NOPAD.encode(&bits.to_be_bytes()).to_ascii_lowercase()
}

fn parse_id(text: &str) -> Result<String, IdError> {
    if text.len() != ID_LETTERS {
        return Err(IdError::NotAnId);
    }
    // Decoding also refuses set bits behind the 128th, so that every id has one spelling.
    BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| IdError::NotAnId)?;
    Ok(text.to_ascii_lowercase())
}

fn parse_word(text: &str) -> Result<String, IdError> {
    let fits = (1..=NAME_LIMIT).contains(&text.len()) && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    if fits { Ok(text.to_owned()) } else { Err(IdError::NotAWord) }
}

fn parse_name(text: &str) -> Result<String, IdError> {
    let fits = (1..=NAME_LIMIT).contains(&text.len()) && !text.contains(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(IdError::NotAName) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_round_trip() {
        let id = ConversationId::from_bits(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        assert_eq!(id.as_str().to_uppercase().parse(), Ok(id));
    }

    #[test]
    fn an_id_has_one_spelling_only() {
        let id = InstanceId::from_bits(0);
        assert_eq!(id.as_str(), "a".repeat(26));
        let spare_bit_set = format!("{}b", "a".repeat(25));
        assert_eq!(spare_bit_set.parse::<InstanceId>(), Err(IdError::NotAnId));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "abc", "a b", &"a".repeat(27), &"1".repeat(26), &"ä".repeat(13)] {
            assert_eq!(text.parse::<ConversationId>(), Err(IdError::NotAnId), "{text:?}");
        }
    }

    #[test]
    fn a_uid_is_one_word() {
        assert!("17".parse::<PeerUid>().is_ok());
        for text in ["", "a b", "a\u{a0}b", "a\nb", "a\0", &"x".repeat(257)] {
            assert_eq!(text.parse::<PeerUid>(), Err(IdError::NotAWord), "{text:?}");
        }
    }

    #[test]
    fn a_room_is_not_called_session() {
        assert_eq!("session".parse::<RoomId>(), Err(IdError::Reserved));
        assert!("sessions".parse::<RoomId>().is_ok());
    }

    #[test]
    fn a_call_id_is_short_and_plain() {
        assert!("4x12".parse::<SessionId>().is_ok());
        assert!(SessionId::from_bits(7).as_str().parse::<SessionId>().is_ok());
        for text in ["", "abc", "ab-d", &"x".repeat(65)] {
            assert_eq!(text.parse::<SessionId>(), Err(IdError::NotASession), "{text:?}");
        }
    }
    #[test]
    fn a_workrooms_name_may_have_spaces_but_no_controls() {
        assert!("Anna's phone".parse::<Sessionid>().is_ok());
        for text in ["", "a\nb", "a\0", &"x".repeat(257)] {
            assert_eq!(text.parse::<Callid>(), Err(IdError::NotAName), "{text:?}");
        }
    }
}
