//! Who may come in: how many at once, in all and from one address, and how quickly one after the other.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use super::{Limits, bucket::Bucket};
use crate::server::metrics::Cause;

/// When to come again, for whoever cannot be told it by a rate: 10 s.
const LATER: Duration = Duration::from_secs(10);

/// How many times fewer are told that they are refused, than may come in.
const TOLD: u32 = 4;

/// The fewest addresses known at which those that are done with are looked for.
const SWEEP: usize = 1024;

/// What counts connections; see the module. It knows no clock.
#[derive(Debug)]
pub(in crate::server) struct Door {
    connections: usize,
    connections_per_address: usize,
    address_rate: u32,
    address_messages: u32,
    open: usize,
    /// How many are being told that they are refused.
    told: usize,
    /// In a tree, which gives back what a crowd took.
    addresses: BTreeMap<Prefix, Visits>,
    /// How many addresses are known when those that are done with are looked for next.
    sweep_at: usize,
}

/// What counts as one address: with IPv6 a whole network, since whoever has one has all in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::server) enum Prefix {
    V4(u32),
    /// The upper half, a /64.
    V6(u64),
}

/// What comes from one address.
#[derive(Debug)]
struct Visits {
    open: usize,
    told: usize,
    begun: Bucket,
    refused: Bucket,
    said: Bucket,
}

/// Why somebody may not come in, and when they may try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct Refusal {
    pub(in crate::server) cause: Cause,
    pub(in crate::server) retry_after: Duration,
}

/// What becomes of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) enum Entry {
    /// It is served.
    Welcome,
    /// It is told that it is not.
    Refused(Refusal),
    /// It is closed without a word, for it was one of too many to be told.
    Ignored(Cause),
}

impl From<IpAddr> for Prefix {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.to_bits()),
            IpAddr::V6(v6) => Self::V6((v6.to_bits() >> 64) as u64),
        }
    }
}

impl Door {
    /// A door through which nobody has come; `files` is how many connections the system has room for.
    pub(in crate::server) fn new(limits: &Limits, files: usize) -> Self {
        Self {
            connections: limits.connections.min(files),
            connections_per_address: limits.connections_per_address,
            address_rate: limits.address_rate,
            address_messages: limits.address_messages,
            open: 0,
            told: 0,
            addresses: BTreeMap::new(),
            sweep_at: SWEEP,
        }
    }

    /// Somebody comes from this address; unless ignored, they are to [`leave`](Self::leave).
    ///
    /// Whoever is told that they are refused takes nobody's place.
    pub(in crate::server) fn enter(&mut self, now: Instant, from: Prefix) -> Entry {
        if self.addresses.len() >= self.sweep_at {
            self.sweep(now);
        }
        let (rate, most) = (self.address_rate, self.connections_per_address);
        let visits = self.addresses.entry(from).or_insert_with(|| Visits::new(now));
        let refusal = if self.open >= self.connections {
            Some(Refusal { cause: Cause::Full, retry_after: LATER })
        } else if visits.open >= most {
            Some(Refusal { cause: Cause::AddressConnections, retry_after: LATER })
        } else {
            let refused = |retry_after| Refusal { cause: Cause::AddressRate, retry_after };
            visits.begun.take(now, rate).err().map(refused)
        };
        let is_crammed = self.told >= self.connections / 16 + 16;
        match refusal {
            None => {
                visits.open += 1;
                self.open += 1;
                Entry::Welcome
            }
            Some(Refusal { cause, .. }) if is_crammed || visits.refused.take(now, rate / TOLD).is_err() => {
                Entry::Ignored(cause)
            }
            Some(refusal) => {
                visits.told += 1;
                self.told += 1;
                Entry::Refused(refusal)
            }
        }
    }

    /// Whoever is at this address asks for something that counts as so many messages; else tells how long to wait.
    pub(in crate::server) fn ask(&mut self, now: Instant, from: Prefix, cost: u32) -> Result<(), Duration> {
        let rate = self.address_messages;
        let visits = self.addresses.get_mut(&from);
        visits.map_or(Ok(()), |visits| visits.said.take_some(now, cost, rate))
    }

    /// Somebody from this address has gone, who was `welcome` or told otherwise.
    pub(in crate::server) fn leave(&mut self, now: Instant, from: Prefix, welcome: bool) {
        let in_all = if welcome { &mut self.open } else { &mut self.told };
        *in_all = in_all.saturating_sub(1);
        if let Some(visits) = self.addresses.get_mut(&from) {
            let here = if welcome { &mut visits.open } else { &mut visits.told };
            *here = here.saturating_sub(1);
            if visits.is_done(now) {
                self.addresses.remove(&from);
            }
        }
    }

    /// Forgets the addresses from which nobody is here any more, nor has just been; to be called now and then.
    pub(in crate::server) fn sweep(&mut self, now: Instant) {
        self.addresses.retain(|_, visits| !visits.is_done(now));
        self.sweep_at = SWEEP.max(2 * self.addresses.len()); // So that it costs little for each that comes.
    }
}

impl Visits {
    fn new(now: Instant) -> Self {
        let [begun, refused, said] = [Bucket::new(now); 3];
        Self { open: 0, told: 0, begun, refused, said }
    }

    fn is_done(&self, now: Instant) -> bool {
        self.open + self.told == 0 && [self.begun, self.refused, self.said].iter().all(|bucket| bucket.is_full(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(connections: usize, connections_per_address: usize, address_rate: u32) -> Door {
        Door::new(&Limits { connections, connections_per_address, address_rate, ..Limits::default() }, usize::MAX)
    }

    fn prefix(address: &str) -> Prefix {
        Prefix::from(address.parse::<IpAddr>().unwrap())
    }

    fn refused(entry: &Entry) -> Option<Cause> {
        match entry {
            Entry::Welcome => None,
            Entry::Refused(Refusal { cause, .. }) | Entry::Ignored(cause) => Some(*cause),
        }
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address_and_a_mapped_ipv4_as_itself() {
        assert_eq!(prefix("2001:db8:1:2::1"), prefix("2001:db8:1:2:ffff::9"));
        assert_ne!(prefix("2001:db8:1:2::1"), prefix("2001:db8:1:3::1"));
        assert_eq!(prefix("::ffff:192.0.2.1"), prefix("192.0.2.1"));
        assert_ne!(prefix("192.0.2.1"), prefix("192.0.2.2"));
    }

    #[test]
    fn an_address_has_so_many_at_once_and_others_are_not_concerned() {
        let (mut door, now) = (door(100, 3, 1_000), Instant::now());
        let (one, other) = (prefix("192.0.2.1"), prefix("192.0.2.2"));
        for _ in 0..3 {
            assert_eq!(door.enter(now, one), Entry::Welcome);
        }
        assert_eq!(refused(&door.enter(now, one)), Some(Cause::AddressConnections));
        assert_eq!(door.enter(now, other), Entry::Welcome);
        door.leave(now, one, false);
        assert_eq!(refused(&door.enter(now, one)), Some(Cause::AddressConnections));
        door.leave(now, one, true);
        assert_eq!(door.enter(now, one), Entry::Welcome);
    }

    #[test]
    fn an_address_begins_so_many_a_second_and_is_told_when_to_come_again() {
        let (mut door, now, from) = (door(10_000, 10_000, 10), Instant::now(), prefix("2001:db8::1"));
        for _ in 0..40 {
            assert_eq!(door.enter(now, from), Entry::Welcome);
            door.leave(now, from, true);
        }
        let Entry::Refused(Refusal { cause: Cause::AddressRate, retry_after }) = door.enter(now, from) else {
            panic!("more than four times the rate came in")
        };
        assert!(retry_after <= Duration::from_millis(100), "{retry_after:?}");
        assert_eq!(door.enter(now + retry_after, from), Entry::Welcome);
    }

    #[test]
    fn not_everybody_is_told_who_is_refused() {
        let (mut door, now, from) = (door(100_000, 1, 40), Instant::now(), prefix("192.0.2.1"));
        let entries: Vec<_> = (0..1_000).map(|_| door.enter(now, from)).collect();
        let told = entries.iter().filter(|entry| matches!(entry, Entry::Refused(_))).count();
        assert_eq!((&entries[0], told), (&Entry::Welcome, 40));
        assert_eq!((door.open, door.told), (1, 40), "nor do those who are ignored count");
    }

    #[test]
    fn a_full_server_refuses_whoever_comes_and_takes_them_once_there_is_room() {
        let (mut door, now) = (door(50, 10, 1_000), Instant::now());
        let address = |n: usize| Prefix::V4(u32::try_from(n).unwrap());
        for n in 0..50 {
            assert_eq!(door.enter(now, address(n)), Entry::Welcome);
        }
        let told = (50..1_000).filter(|&n| matches!(door.enter(now, address(n)), Entry::Refused(_))).count();
        assert_eq!(told, 50 / 16 + 16, "those who are told are not many either");
        door.leave(now, address(0), true); // Those who are told are still there.
        assert_eq!(door.enter(now, address(7_000)), Entry::Welcome);
        let tight = Door::new(&Limits::default(), 7);
        assert_eq!(tight.connections, 7, "what the system has no room for is not promised");
    }

    #[test]
    fn an_address_may_say_so_much_in_all_and_others_are_not_concerned() {
        let mut door = Door::new(&Limits { address_messages: 10, ..Limits::default() }, usize::MAX);
        let (now, one, other) = (Instant::now(), prefix("192.0.2.1"), prefix("192.0.2.2"));
        for from in [one, one, other] {
            assert_eq!(door.enter(now, from), Entry::Welcome);
        }
        assert!(door.ask(now, one, 39).is_ok() && door.ask(now, one, 1).is_ok());
        let wait = door.ask(now, one, 1).unwrap_err();
        assert_eq!(door.ask(now, other, 40), Ok(()));
        assert_eq!(door.ask(now + wait, one, 1), Ok(()));
        door.leave(now, one, true);
        door.leave(now, one, true);
        assert!(door.ask(now, one, 1).is_err(), "going and coming back does not help");
    }

    #[test]
    fn nothing_is_kept_of_those_who_are_gone() {
        let (mut door, start) = (door(1_000_000, 10, 100), Instant::now());
        let mut now = start;
        for n in 0..100_000 {
            now += Duration::from_millis(1);
            door.enter(now, Prefix::V6(n));
            door.leave(now, Prefix::V6(n), true); // Its bucket is not full again yet.
        }
        assert!(door.addresses.len() <= 2 * SWEEP, "{}", door.addresses.len());
        door.sweep(now + Duration::from_secs(1));
        assert_eq!((door.addresses.len(), door.open), (0, 0));
    }
}
