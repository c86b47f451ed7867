//! Whether TURN servers give a connection their relays; webrtcbin tells nothing of one that refuses.

use super::{Event, OfferedServers, Options, probe::Flag, report::Reporter};
use crate::{negotiation::Candidate, rt::Sender};

/// What to say when no TURN server gave a relay.
const NO_RELAY: &str = "no TURN server gave a relay: its password is wrong, or it cannot be reached";

/// What to say when there is no TURN server, and nothing else may be used.
const NO_TURN: &str = "only a TURN server may be used (--relay-only), and there is none: none is named (--turn), and the \
                       server offers none; so no call comes about";

/// Whether a person has yet to be told that there is no relay to be had.
#[derive(Debug)]
pub(super) struct Need(bool);

impl Need {
    /// Nothing is known yet of what the server offers.
    pub(super) fn of(options: &Options) -> Self {
        Self(options.relay_only && options.turn.is_empty())
    }

    /// The server has said what it offers: if that is no relay either, it is told, once.
    pub(super) fn answered(&mut self, offered: &OfferedServers, events: &Sender<Event>) {
        if std::mem::take(&mut self.0) && offered.turn.is_empty() {
            let _ = events.try_send(Event::Notice(NO_TURN.into()));
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt;

    #[test]
    fn that_there_is_no_relay_at_all_is_told_once_and_only_where_nothing_else_may_be_used() {
        let told = |relay_only, named: &[&str], offered: &[&[&str]]| {
            let (sender, events) = rt::channel(16);
            let turn = named.iter().map(|&turn| turn.to_owned()).collect();
            let mut need = Need::of(&Options { relay_only, turn, ..Options::default() });
            for turn in offered {
                let turn = turn.iter().map(|&turn| turn.to_owned().into()).collect();
                need.answered(&OfferedServers { turn, ..OfferedServers::default() }, &sender);
            }
            drop(sender);
            std::iter::from_fn(move || events.try_recv().ok()).count()
        };
        assert_eq!(told(true, &[], &[]), 0, "the server has not said yet");
        assert_eq!(told(true, &[], &[&[], &[]]), 1);
        assert_eq!(told(true, &["turn://a"], &[&[]]), 0);
        assert_eq!(told(true, &[], &[&["turn://a"], &[]]), 0);
        assert_eq!(told(false, &[], &[&[]]), 0);
    }
}
