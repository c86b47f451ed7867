//! What every connection holds while it is open, so that it counts.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    limits::{Door, Entry, Prefix, Refusal},
    metrics::Metrics,
    now,
};

/// The door that all connections come through.
#[derive(Debug)]
pub(super) struct Entrance(Mutex<Door>);

/// The count of one connection; dropping it takes the connection off the count.
pub(super) struct Ticket {
    entrance: Arc<Entrance>,
    from: Prefix,
    welcome: bool,
}

impl Entrance {
    pub(super) fn new(door: Door) -> Self {
        Self(Mutex::new(door))
    }

    /// Lets somebody in, perhaps only to be told why they are refused; none who is to be ignored.
    pub(super) fn admit(self: &Arc<Self>, from: IpAddr, metrics: &Metrics) -> Option<(Ticket, Option<Refusal>)> {
        let from = Prefix::from(from);
        let entry = self.lock().enter(now(), from);
        let ticket = |welcome| Ticket { entrance: self.clone(), from, welcome };
        match entry {
            Entry::Welcome => Some((ticket(true), None)),
            Entry::Refused(refusal) => {
                metrics.refused(refusal.cause);
                Some((ticket(false), Some(refusal)))
            }
            Entry::Ignored(cause) => {
                metrics.refused(cause);
                None
            }
        }
    }

    /// Whoever is at this address asks for something that counts as so many messages; else tells how long to wait.
    pub(super) fn ask(&self, now: Instant, from: Prefix, cost: u32) -> Result<(), Duration> {
        self.lock().ask(now, from, cost)
    }

    /// Forgets what is over; to be called now and then.
    pub(super) fn sweep(&self, now: Instant) {
        self.lock().sweep(now);
    }

    fn lock(&self) -> MutexGuard<'_, Door> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.entrance.lock().leave(now(), self.from, self.welcome);
    }
}
