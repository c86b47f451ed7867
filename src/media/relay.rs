//! Whether TURN servers give a connection their relays; webrtcbin tells nothing of one that refuses.

use super::{Event, probe::Flag};
use crate::{negotiation::Candidate, rt::Sender};

/// What to say when no TURN server gave a relay.
const NO_RELAY: &str = "no TURN server gave a relay: its password is wrong, or it cannot be reached";

/// Watches the own candidates of one connection.
#[derive(Debug, Clone)]
pub(super) struct Relays {
    /// Whether there are TURN servers that could give one.
    wanted: bool,
    given: Flag,
    told: Flag,
    events: Sender<Event>,
}

impl Relays {
    /// `servers` is how many TURN servers are used.
    pub(super) fn new(servers: usize, events: Sender<Event>) -> Self {
        Self { wanted: servers > 0, given: Flag::default(), told: Flag::default(), events }
    }

    /// Takes note of a candidate of this side.
    pub(super) fn found(&self, candidate: &Candidate) {
        if candidate.candidate.contains(" typ relay") {
            self.given.set(true);
        }
    }

    /// All candidates are found: now it shows.
    pub(super) fn all_found(&self) {
        if self.wanted && !self.given.is_set() && !self.told.swap(true) {
            let _ = self.events.try_send(Event::Notice(NO_RELAY.into()));
        }
    }
}
