//! Whether TURN servers give a connection their relays; webrtcbin tells nothing of one that refuses.

use super::{probe::Flag, report::Reporter};
use crate::negotiation::Candidate;

/// What to say when no TURN server gave a relay.
const NO_RELAY: &str = "no TURN server gave a relay: its password is wrong, or it cannot be reached";

/// Watches the own candidates of one connection.
#[derive(Debug, Clone)]
pub(super) struct Relays {
    /// Whether there are TURN servers that could give one.
    wanted: Flag,
    given: Flag,
    told: Flag,
    reporter: Reporter,
}

impl Relays {
    /// None are wanted yet.
    pub(super) fn new(reporter: Reporter) -> Self {
        Self { wanted: Flag::default(), given: Flag::default(), told: Flag::default(), reporter }
    }

    /// There is a TURN server that could give one.
    pub(super) fn want(&self) {
        self.wanted.set(true);
    }

    /// Takes note of a candidate of this side.
    pub(super) fn found(&self, candidate: &Candidate) {
        if candidate.candidate.contains(" typ relay") {
            self.given.set(true);
        }
    }

    /// All candidates are found: now it shows.
    pub(super) fn all_found(&self) {
        if self.wanted.is_set() && !self.given.is_set() && !self.told.swap(true) {
            self.reporter.notice(NO_RELAY);
        }
    }
}
