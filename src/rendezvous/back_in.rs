//! What a server that stops says in its close frames: when to come back.

use std::{fmt, str::FromStr, time::Duration};

use thiserror::Error;

/// The longest time that a server may send its clients away for: 60 s. One that stays away longer is looked for meanwhile.
pub const BACK_IN_LIMIT: Duration = Duration::from_secs(60);

/// A server's word that it is back after this time, in whole seconds: `back in 5 s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackIn(Duration);

/// The text is no such word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this does not say when the server is back")]
pub struct NotBackIn;

impl BackIn {
    /// The word for a server that is back then, as far as it may send its clients away.
    pub fn new(wait: Duration) -> Self {
        Self(Duration::from_secs(wait.as_secs()).min(BACK_IN_LIMIT))
    }

    /// How long to stay away.
    pub fn wait(self) -> Duration {
        self.0
    }
}

impl fmt::Display for BackIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "back in {} s", self.0.as_secs())
    }
}

impl FromStr for BackIn {
    type Err = NotBackIn;
    fn from_str(text: &str) -> Result<Self, NotBackIn> {
        let seconds = text.strip_prefix("back in ").and_then(|rest| rest.strip_suffix(" s")).ok_or(NotBackIn)?;
        let is_number = !seconds.is_empty() && seconds.len() <= 5 && seconds.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = seconds.parse().ok().filter(|_| is_number).ok_or(NotBackIn)?;
        Ok(Self::new(Duration::from_secs(seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_understood_and_bounded() {
        for (text, seconds) in [("back in 0 s", 0), ("back in 5 s", 5), ("back in 60 s", 60), ("back in 99999 s", 60)] {
            assert_eq!(text.parse::<BackIn>().map(BackIn::wait), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(BackIn::new(Duration::from_millis(7_900)).to_string(), "back in 7 s");
        for text in ["", "back in s", "back in  s", "back in -1 s", "back in +1 s", "back in 1.5 s", "back in 100000 s"]
        {
            assert_eq!(text.parse::<BackIn>(), Err(NotBackIn), "{text}");
        }
    }
}
