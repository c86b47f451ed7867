//! A session in use: what is sealed and opened in it, in order.

use std::time::Instant;

use crate::{
    ids::SessionId,
    seal::{Frame, SafetyWords, Session},
};

/// A session and the name it goes by.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) id: SessionId,
    pub(super) session: Session,
}

/// A session that the far side has still to confirm by its first text.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) live: Live,
    pub(super) greeting: Greeting,
    /// Until then the greeting may be on its way.
    pub(super) until: Instant,
}

/// The first text of who finishes a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Greeting {
    /// Of a meeting, from who began it.
    Met,
    /// Of a pairing, from who showed the code.
    Accepted,
}

/// What became of a sealed text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// It is the next one.
    Text(String),
    /// It is the next one, and no text.
    Junk,
    /// It was there before.
    Repeat,
    /// Something before it is missing.
    Gap,
    /// The far side did not seal it.
    Forged,
}

impl Greeting {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Met => r#"{"met":{}}"#,
            Self::Accepted => r#"{"accepted":{}}"#,
        }
    }
}

impl Live {
    /// The next frame, unless the session has sealed all it may.
    pub(super) fn seal(&mut self, text: &str) -> Option<Frame> {
        let n = u32::try_from(self.session.sends()).ok()?;
        let data = self.session.seal(text.as_bytes()).ok()?;
        Some(Frame::Sealed { id: self.id.clone(), n, data })
    }

    pub(super) fn open(&mut self, n: u32, data: &[u8]) -> Opened {
        let n = u64::from(n);
        if n < self.session.expects() {
            return Opened::Repeat;
        }
        if n > self.session.expects() {
            return Opened::Gap;
        }
        match self.session.open(data).map(String::from_utf8) {
            Ok(Ok(text)) => Opened::Text(text),
            Ok(Err(_)) => Opened::Junk,
            Err(_) => Opened::Forged,
        }
    }

    pub(super) fn words(&self) -> SafetyWords {
        self.session.words()
    }
}
