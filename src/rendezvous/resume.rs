//! How a client shows the server that it is the one that holds a uid already.

use std::{fmt, hint::black_box, str::FromStr};

use data_encoding::BASE32_NOPAD;
use thiserror::Error;
use zeroize::Zeroizing;

/// A client's own secret, the same on all its connections: 16 to 64 letters, digits, `-` and `_`.
///
/// It stands in the address that a WebSocket is asked for at, `/ws?resume=…`. Who gives the same as the holder of a uid
/// gets that uid at once; so a client that moved to another network need not wait for its own dead connection.
#[derive(Clone)]
pub struct Resume(Zeroizing<String>);

/// The text is no such secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("what resumes a connection is 16 to 64 letters, digits, - and _")]
pub struct NotResume;

impl Resume {
    /// What these 128 random bits spell.
    pub fn from_bits(bits: u128) -> Self {
        Self(Zeroizing::new(BASE32_NOPAD.encode(&bits.to_be_bytes()).to_ascii_lowercase()))
    }

    /// What the query of a request names, if it does and well.
    pub fn from_query(query: &str) -> Option<Self> {
        query.split('&').find_map(|pair| pair.strip_prefix("resume="))?.parse().ok()
    }

    /// The query that names it: for the server's eyes only.
    pub fn query(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("resume={}", *self.0))
    }
}

impl FromStr for Resume {
    type Err = NotResume;
    fn from_str(text: &str) -> Result<Self, NotResume> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_one = (16..=64).contains(&text.len()) && text.bytes().all(fits);
        is_one.then(|| Self(Zeroizing::new(text.to_owned()))).ok_or(NotResume)
    }
}

/// Takes as long for any two of the same length.
impl PartialEq for Resume {
    fn eq(&self, other: &Self) -> bool {
        let (one, other) = (self.0.as_bytes(), other.0.as_bytes());
        let differing = || one.iter().zip(other).fold(0, |differing, (a, b)| black_box(differing | (a ^ b)));
        one.len() == other.len() && differing() == 0
    }
}

impl Eq for Resume {}

impl fmt::Debug for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resume(_)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_survives_the_way_through_a_query_and_shows_itself_nowhere_else() {
        let resume = Resume::from_bits(7);
        assert_eq!(Resume::from_query(&resume.query()), Some(resume.clone()));
        assert_eq!(Resume::from_query(&format!("x=1&{}&y", *resume.query())), Some(resume.clone()));
        assert_ne!(resume, Resume::from_bits(8));
        assert_eq!(format!("{resume:?}"), "Resume(_)");
    }

    #[test]
    fn what_is_malformed_is_none() {
        let (shortest, longest) = ("-_09azAZ-_09azAZ", "x".repeat(64));
        for good in [shortest, longest.as_str()] {
            assert!(Resume::from_query(&format!("resume={good}")).is_some(), "{good}");
        }
        for bad in
            ["", "short", &"x".repeat(15), &"x".repeat(65), "xxxxxxxxxxxxxxx%41", "xxxxxxxxxxxxxxx x", &"ä".repeat(9)]
        {
            assert_eq!(Resume::from_query(&format!("resume={bad}")), None, "{bad}");
        }
        assert_eq!(Resume::from_query("resumed=xxxxxxxxxxxxxxxxxxxx"), None);
        assert_eq!(Resume::from_query("resume=bad&resume=xxxxxxxxxxxxxxxxxxxx"), None, "the first one counts");
    }
}
