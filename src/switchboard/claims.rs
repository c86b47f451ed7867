//! Names that are held by one connection and wanted by another: the holder is asked for a sign of life.
//!
//! Whoever holds a name keeps it by showing life in time, and loses it to the newcomer by silence or by going.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use super::ConnectionId;

/// Every claim that is not settled yet; see the module.
#[derive(Debug)]
pub(super) struct Claims {
    patience: Duration,
    by_holder: HashMap<ConnectionId, Claim>,
    timers: BTreeSet<(Instant, ConnectionId)>,
}

#[derive(Debug)]
struct Claim {
    newcomer: ConnectionId,
    until: Instant,
}

/// Another waits for that holder's name already.
#[derive(Debug)]
pub(super) struct Claimed;

impl Claims {
    /// None yet; a holder has so long to show life.
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, by_holder: HashMap::new(), timers: BTreeSet::new() }
    }

    /// The newcomer wants the holder's name, and waits for what comes of it; the holder is to be pinged.
    pub(super) fn begin(&mut self, now: Instant, holder: ConnectionId, newcomer: ConnectionId) -> Result<(), Claimed> {
        if self.by_holder.contains_key(&holder) {
            return Err(Claimed);
        }
        let until = now + self.patience;
        self.by_holder.insert(holder, Claim { newcomer, until });
        self.timers.insert((until, holder));
        Ok(())
    }

    /// Settles the claim on that holder's name, if there is one, and tells who waits for what came of it.
    pub(super) fn end(&mut self, holder: ConnectionId) -> Option<ConnectionId> {
        let Claim { newcomer, until } = self.by_holder.remove(&holder)?;
        self.timers.remove(&(until, holder));
        Some(newcomer)
    }

    /// Which holder's time runs out first, and when; its claim stands until it is ended.
    pub(super) fn first(&self) -> Option<(Instant, ConnectionId)> {
        self.timers.first().copied()
    }
}
