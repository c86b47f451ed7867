//! What every connection holds while it is open, so that it counts.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
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
}

impl Entrance {
    pub(super) fn new(door: Door) -> Self {
        Self(Mutex::new(door))
    }

    /// Lets somebody in, perhaps only to be told why they are refused; none who is to be ignored.
    pub(super) fn admit(self: &Arc<Self>, from: IpAddr, metrics: &Metrics) -> Option<(Ticket, Option<Refusal>)> {
        let from = Prefix::from(from);
        let entry = self.lock().enter(now(), from);
        let ticket = || Ticket { entrance: self.clone(), from };
        match entry {
            Entry::Welcome => Some((ticket(), None)),
            Entry::Refused(refusal) => {
                metrics.refused(refusal.cause);
                Some((ticket(), Some(refusal)))
            }
            Entry::Ignored(cause) => {
                metrics.refused(cause);
                None
            }
        }
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
        self.entrance.lock().leave(now(), self.from);
    }
}
