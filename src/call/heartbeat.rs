//! Signs of life on the data channel.

use serde_json::{Value, json};

/// The signs of life on the data channel: `{"ping":{}}` and `{"pong":{}}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heartbeat {
    /// "Are you there?"
    Ping,
    /// "I am."
    Pong,
}

impl Heartbeat {
    /// The sign of life that a text is, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let object = value.as_object()?;
        match object.keys().next().map(String::as_str) {
            Some("ping") if object.len() == 1 => Some(Self::Ping),
            Some("pong") if object.len() == 1 => Some(Self::Pong),
            _ => None,
        }
    }
}

impl std::fmt::Display for Heartbeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ping => json!({ "ping": {} }).fmt(f),
            Self::Pong => json!({ "pong": {} }).fmt(f),
        }
    }
}
