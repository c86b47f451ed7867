//! What peers say about media: `{"sdp"}` and `{"ice"}`, free of any signalling dialect.

use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

/// The longest SDP that is looked at: 32 KiB, so that it fits a sealed message of 64 KiB with its escapes.
pub const DESCRIPTION_LIMIT: usize = 32 * 1024;

/// The longest candidate that is looked at: 1 KiB; those of browsers have some 200 bytes.
pub const CANDIDATE_LIMIT: usize = 1024;

/// Which half of the exchange a description is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SdpType {
    /// Made by the side that begins.
    Offer,
    /// Made by the other side.
    Answer,
}

/// An SDP that names a DTLS fingerprint, without which nobody could tell who is at the other end.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sdp(String);

/// Why a text is no usable session description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SdpError {
    /// Over 32 KiB.
    #[error("the description is over {DESCRIPTION_LIMIT} bytes")]
    TooLong,
    /// It does not begin with `v=0`.
    #[error("this is no session description")]
    NotSdp,
    /// No `a=fingerprint` line: whoever answers could be anybody.
    #[error("the description has no fingerprint")]
    NoFingerprint,
}

impl Sdp {
    /// The text of the description.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Sdp {
    type Error = SdpError;
    fn try_from(text: String) -> Result<Self, SdpError> {
        if text.len() > DESCRIPTION_LIMIT {
            return Err(SdpError::TooLong);
        }
        if !text.starts_with("v=0") {
            return Err(SdpError::NotSdp);
        }
        let named = text.lines().any(|line| line.starts_with("a=fingerprint:") && line.len() > "a=fingerprint:".len());
        if named { Ok(Self(text)) } else { Err(SdpError::NoFingerprint) }
    }
}

impl From<Sdp> for String {
    fn from(sdp: Sdp) -> String {
        sdp.0
    }
}

impl std::fmt::Debug for Sdp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sdp({} bytes)", self.0.len())
    }
}

/// One ICE candidate, in the form that browsers exchange.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The candidate line, without `a=`; empty at the end of candidates.
    #[serde(deserialize_with = "candidate_line")]
    pub candidate: String,
    /// Which media section it belongs to, by identification tag.
    #[serde(rename = "sdpMid", default, skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
    /// The same by position; a number, or a string of digits from some peers.
    #[serde(rename = "sdpMLineIndex", default, deserialize_with = "index")]
    pub m_line_index: u32,
}

impl Candidate {
    /// Whether it hides its address behind a multicast DNS name, as browsers do before they may use the microphone.
    ///
    /// Such a one is left out: the browser's first check arrives from the true address anyway.
    pub fn is_mdns(&self) -> bool {
        self.candidate.split_ascii_whitespace().nth(4).is_some_and(|address| address.ends_with(".local"))
    }
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Candidate(section {})", self.m_line_index)
    }
}

/// What two peers of any make say to each other about media: JSON with one outer key, `sdp` or `ice`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// An offer or an answer.
    Description(SdpType, Sdp),
    /// Where a side may be reached.
    Candidate(Candidate),
}

/// A message as it is spelled.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Spelled {
    Sdp {
        #[serde(rename = "type")]
        kind: SdpType,
        sdp: Sdp,
    },
    Ice(Candidate),
}

impl Message {
    /// Reads what a far side says, whatever else stands in it; `None` is what nobody need understand.
    pub fn parse(text: &str) -> Option<Self> {
        let mut outer: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
        // Of both, as the page reads it, the description; one that is no object is not there.
        let known =
            ["sdp", "ice"].iter().find_map(|key| outer.remove_entry(*key).filter(|(_, value)| value.is_object()));
        let spelled = serde_json::from_value(serde_json::Value::Object([known?].into_iter().collect()));
        Some(match spelled.ok()? {
            Spelled::Sdp { kind, sdp } => Self::Description(kind, sdp),
            Spelled::Ice(candidate) => Self::Candidate(candidate),
        })
    }
}

impl std::fmt::Display for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let spelled = match self.clone() {
            Self::Description(kind, sdp) => Spelled::Sdp { kind, sdp },
            Self::Candidate(candidate) => Spelled::Ice(candidate),
        };
        f.write_str(&serde_json::to_string(&spelled).map_err(|_| std::fmt::Error)?)
    }
}

fn candidate_line<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let line = String::deserialize(deserializer)?;
    if line.len() <= CANDIDATE_LIMIT { Ok(line) } else { Err(serde::de::Error::custom("a candidate that is too long")) }
}

fn index<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Index {
        Number(u32),
        Digits(String),
        Nothing(()),
    }
    match Index::deserialize(deserializer)? {
        Index::Number(number) => Ok(number),
        Index::Digits(text) if text.starts_with('+') => Err(serde::de::Error::custom("a sign")),
        Index::Digits(text) => text.parse().map_err(serde::de::Error::custom),
        Index::Nothing(()) => Ok(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_needs_a_fingerprint() {
        let sdp = |text: &str| Sdp::try_from(text.to_owned());
        assert!(sdp("v=0\r\na=fingerprint:sha-256 AB:CD\r\n").is_ok());
        assert_eq!(sdp("v=0\r\ns=-\r\n"), Err(SdpError::NoFingerprint));
        assert_eq!(sdp("v=0\r\na=fingerprint:\r\n"), Err(SdpError::NoFingerprint));
        assert_eq!(sdp("hello"), Err(SdpError::NotSdp));
        assert_eq!(sdp(&format!("v=0{}", "x".repeat(DESCRIPTION_LIMIT))), Err(SdpError::TooLong));
    }

    #[test]
    fn an_index_may_be_a_number_or_digits() {
        for text in [r#"{"candidate":"c","sdpMLineIndex":1}"#, r#"{"candidate":"c","sdpMLineIndex":"1","x":2}"#] {
            let candidate: Candidate = serde_json::from_str(text).expect(text);
            assert_eq!(candidate.m_line_index, 1);
        }
        for text in [r#"{"candidate":"c","sdpMLineIndex":-1}"#, r#"{"candidate":"c","sdpMLineIndex":"x"}"#, "{}"] {
            assert!(serde_json::from_str::<Candidate>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_message_is_spelled_as_every_peer_reads_it() {
        let sdp = Sdp::try_from("v=0\r\na=fingerprint:sha-256 AB\r\n".to_owned()).expect("a description");
        let offer = Message::Description(SdpType::Offer, sdp);
        let text = r#"{"sdp":{"type":"offer","sdp":"v=0\r\na=fingerprint:sha-256 AB\r\n"}}"#;
        assert_eq!(offer.to_string(), text);
        assert_eq!(Message::parse(text), Some(offer));
        let candidate = Candidate { candidate: "candidate:1".into(), mid: Some("video0".into()), m_line_index: 1 };
        let text = r#"{"ice":{"candidate":"candidate:1","sdpMid":"video0","sdpMLineIndex":1}}"#;
        assert_eq!(Message::Candidate(candidate.clone()).to_string(), text);
        assert_eq!(Message::parse(text), Some(Message::Candidate(candidate)));
    }

    #[test]
    fn what_else_stands_in_a_message_does_not_matter_and_what_is_none_is_nothing() {
        for text in [
            r#"{"ice":{"candidate":"c","sdpMLineIndex":"2","sdpMid":null,"usernameFragment":"u"},"from":"x"}"#,
            r#"{"a":[],"ice":{"sdpMLineIndex":2,"candidate":"c"}}"#,
        ] {
            let candidate = Candidate { candidate: "c".into(), mid: None, m_line_index: 2 };
            assert_eq!(Message::parse(text), Some(Message::Candidate(candidate)), "{text}");
        }
        let both = |sdp: &str| Message::parse(&format!(r#"{{"ice":{{"candidate":"c"}},"sdp":{sdp}}}"#));
        assert!(matches!(both("null"), Some(Message::Candidate(_))));
        let description = both(r#"{"type":"offer","sdp":"v=0\na=fingerprint:x y"}"#);
        assert!(matches!(description, Some(Message::Description(SdpType::Offer, _))));
        assert_eq!(both("{}"), None);
        for text in [
            "",
            "OFFER_REQUEST",
            "{}",
            "[]",
            r#"{"sdp":null}"#,
            r#"{"ice":null}"#,
            r#"{"sdp":{"type":"pranswer","sdp":"v=0\na=fingerprint:x y"}}"#,
            r#"{"sdp":{"type":"offer","sdp":"v=0"}}"#,
            r#"{"msg":"hello"}"#,
        ] {
            assert_eq!(Message::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_hidden_address_is_seen() {
        let candidate = |text: &str| Candidate { candidate: text.into(), mid: None, m_line_index: 0 };
        assert!(candidate("candidate:1 1 udp 2113937151 4c1b.local 51040 typ host").is_mdns());
        assert!(!candidate("candidate:1 1 udp 2113937151 192.168.1.5 51040 typ host").is_mdns());
        assert!(!candidate("").is_mdns());
    }

    #[test]
    fn a_candidate_is_not_longer_than_any_browser_makes_it() {
        let message = |length| Message::parse(&format!(r#"{{"ice":{{"candidate":"{}"}}}}"#, "x".repeat(length)));
        assert!(message(CANDIDATE_LIMIT).is_some());
        assert!(message(CANDIDATE_LIMIT + 1).is_none());
    }
}
