//! What a person calls a conversation.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ids::ConversationId;

/// The longest name: 64 characters, so that a line of a list holds it.
pub(super) const NAME_LIMIT: usize = 64;

/// A conversation's name: 1 to 64 characters that no terminal acts upon, and neither an id nor a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Why a text cannot be a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing but white space.
    #[error("a name cannot be empty")]
    Empty,
    /// Longer than the limit.
    #[error("a name has at most {NAME_LIMIT} characters")]
    TooLong,
    /// Line breaks, escapes and the like.
    #[error("a name cannot hold control characters")]
    Control,
    /// Would be taken for a conversation's id.
    #[error("a name cannot look like a conversation's id")]
    LikeId,
    /// Would be taken for a link.
    #[error("a name cannot look like a link")]
    LikeLink,
}

/// Whether a text is meant as a link, though perhaps a broken one.
pub fn is_like_link(text: &str) -> bool {
    text.contains("://") || text.contains("convoId=")
}

/// Whether a text is meant as a conversation's id, though perhaps one that was cut or mistyped.
///
/// That is: one that parses, or a long word of letters and digits, both among them, as no name is.
pub fn is_like_id(text: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| text.as_bytes().iter().any(kind);
    let is_long_word = (20..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
    text.parse::<ConversationId>().is_ok() || (is_long_word && is_mixed)
}

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` means this name; case makes no difference.
    pub fn is_same(&self, text: &str) -> bool {
        self.0.to_lowercase() == text.to_lowercase()
    }

    pub(super) fn numbered(number: u32) -> Self {
        Self(if number == 1 { "conversation".to_owned() } else { format!("conversation {number}") })
    }
}

impl FromStr for Name {
    type Err = NameError;
    /// Drops white space around the name.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        match text {
            "" => Err(NameError::Empty),
            _ if text.chars().count() > NAME_LIMIT => Err(NameError::TooLong),
            _ if text.contains(char::is_control) => Err(NameError::Control),
            _ if is_like_id(text) => Err(NameError::LikeId),
            _ if is_like_link(text) => Err(NameError::LikeLink),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_compares_without_case() {
        let name: Name = "  Tim Öz ".parse().unwrap();
        assert_eq!(name.as_str(), "Tim Öz");
        assert!(name.is_same("tim öz") && !name.is_same("tim"));
        for text in ["ä".repeat(NAME_LIMIT).as_str(), "internationalconversation", "5", "workshop 2026 in the old barn"]
        {
            assert!(text.parse::<Name>().is_ok(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_name_says_why() {
        for (text, error) in [
            ("", NameError::Empty),
            (" \t ", NameError::Empty),
            (&*"x".repeat(NAME_LIMIT + 1), NameError::TooLong),
            ("a\u{1b}[2Jb", NameError::Control),
            ("a\nb", NameError::Control),
            (&*"a".repeat(26), NameError::LikeId),
            (&*"A".repeat(26), NameError::LikeId),
            ("mzxw6ytboi4dsnjvgy3tqo", NameError::LikeId),
            ("https://host/", NameError::LikeLink),
            ("host?convoId=x", NameError::LikeLink),
        ] {
            assert_eq!(text.parse::<Name>(), Err(error), "{text:?}");
        }
    }
}
