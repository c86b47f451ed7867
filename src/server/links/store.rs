//! Short links: a sealed ticket is left under a random id, and taken once.
//!
//! Sans-IO: the time, the random numbers and the lock are the caller's.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    net::IpAddr,
    str::FromStr,
    time::{Duration, Instant},
};

use axum::body::Bytes;
use data_encoding::BASE32_NOPAD;

use crate::server::limits::Prefix;

/// How long a ticket may be: 2 KiB.
pub(super) const TICKET_LIMIT: usize = 2048;

/// How long a ticket waits to be taken: 10 minutes.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);

/// How many tickets of one address, or one IPv6 network, may wait: 64. So nobody keeps all others out.
const PER_ADDRESS: usize = 64;

/// The name of a ticket: 8 characters of lower-case base32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LinkId([u8; 5]);

/// There is no room; there is again so much later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// For anybody.
    Full(Duration),
    /// For this address.
    TooMany(Duration),
}

/// The tickets that wait.
#[derive(Debug)]
pub(super) struct Links {
    limit: usize,
    kept: HashMap<LinkId, Kept>,
    endings: BTreeSet<(Instant, LinkId)>,
    /// When whose tickets end; nobody stands here without one.
    owners: HashMap<Prefix, BTreeSet<(Instant, LinkId)>>,
}

#[derive(Debug)]
struct Kept {
    ticket: Bytes,
    until: Instant,
    owner: Prefix,
}

impl Links {
    /// Room for so many.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, kept: HashMap::new(), endings: BTreeSet::new(), owners: HashMap::new() }
    }

    /// Keeps a ticket under the first of the random `draws` that is no other's id.
    pub(super) fn keep(
        &mut self,
        now: Instant,
        from: IpAddr,
        ticket: Bytes,
        draws: impl IntoIterator<Item = [u8; 5]>,
    ) -> Result<LinkId, NoRoom> {
        self.expire(now);
        let owner = Prefix::from(from);
        let wait = |first: Option<&(Instant, LinkId)>| first.map_or(LIFETIME, |(until, _)| *until - now);
        if let Some(own) = self.owners.get(&owner).filter(|own| own.len() >= PER_ADDRESS) {
            return Err(NoRoom::TooMany(wait(own.first())));
        }
        if self.kept.len() >= self.limit {
            return Err(NoRoom::Full(wait(self.endings.first())));
        }
        let Some(id) = draws.into_iter().map(LinkId).find(|id| !self.kept.contains_key(id)) else {
            return Err(NoRoom::Full(Duration::from_secs(1)));
        };
        let until = now + LIFETIME;
        self.endings.insert((until, id));
        self.owners.entry(owner).or_default().insert((until, id));
        self.kept.insert(id, Kept { ticket, until, owner });
        Ok(id)
    }

    /// Gives a ticket away; it is gone then.
    pub(super) fn take(&mut self, now: Instant, id: LinkId) -> Option<Bytes> {
        self.expire(now);
        self.remove(id)
    }

    /// How long the ticket is, left where it is.
    pub(super) fn look(&mut self, now: Instant, id: LinkId) -> Option<usize> {
        self.expire(now);
        self.kept.get(&id).map(|kept| kept.ticket.len())
    }

    /// How many wait.
    pub(super) fn count(&mut self, now: Instant) -> usize {
        self.expire(now);
        self.kept.len()
    }

    fn expire(&mut self, now: Instant) {
        while let Some(&(until, id)) = self.endings.first()
            && until <= now
        {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: LinkId) -> Option<Bytes> {
        let Kept { ticket, until, owner } = self.kept.remove(&id)?;
        self.endings.remove(&(until, id));
        if let Some(own) = self.owners.get_mut(&owner) {
            own.remove(&(until, id));
            if own.is_empty() {
                self.owners.remove(&owner);
            }
        }
        Some(ticket)
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

/// What is no id.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoLinkId;

impl FromStr for LinkId {
    type Err = NoLinkId;
    fn from_str(text: &str) -> Result<Self, NoLinkId> {
        if text.len() != 8 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(NoLinkId);
        }
        let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| NoLinkId)?;
        bytes.try_into().map(Self).map_err(|_| NoLinkId)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn address(n: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n))
    }

    fn ticket(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    /// Ids that count up.
    fn counting() -> impl Iterator<Item = [u8; 5]> {
        (0_u32..).map(|n| {
            let [a, b, c, d] = n.to_be_bytes();
            [0, a, b, c, d]
        })
    }

    #[test]
    fn an_id_is_eight_lower_case_characters_and_nothing_else() {
        assert_eq!(LinkId([0; 5]).to_string(), "aaaaaaaa");
        assert_eq!(LinkId([0xff; 5]).to_string(), "77777777");
        for bytes in [[0; 5], [1, 2, 3, 4, 5], [0xff; 5]] {
            assert_eq!(LinkId(bytes).to_string().parse(), Ok(LinkId(bytes)));
        }
        for bad in ["", "aaaaaaa", "aaaaaaaaa", "AAAAAAAA", "aaaaaaa1", "aaaaaa==", "aaaa/aaa", "ääää"] {
            assert_eq!(bad.parse::<LinkId>(), Err(NoLinkId), "{bad:?}");
        }
    }

    #[test]
    fn a_ticket_is_taken_once_and_a_look_takes_nothing() {
        let (mut links, now) = (Links::new(10), Instant::now());
        let id = links.keep(now, ONE, ticket("sealed"), counting()).unwrap();
        assert_eq!((links.look(now, id), links.look(now, id), links.count(now)), (Some(6), Some(6), 1));
        assert_eq!(links.take(now, id), Some(ticket("sealed")));
        assert_eq!((links.take(now, id), links.look(now, id), links.count(now)), (None, None, 0));
    }

    #[test]
    fn a_ticket_waits_for_ten_minutes() {
        let (mut links, now) = (Links::new(10), Instant::now());
        let mut random = counting();
        let ids = [0, 1].map(|_| links.keep(now, ONE, ticket("x"), random.by_ref()).unwrap());
        assert_eq!(links.take(now + LIFETIME - Duration::from_millis(1), ids[0]), Some(ticket("x")));
        assert_eq!(links.take(now + LIFETIME, ids[1]), None);
        assert!(links.owners.is_empty() && links.endings.is_empty(), "nothing is left of it");
    }

    #[test]
    fn a_full_store_keeps_what_it_has_and_tells_when_there_is_room() {
        let (mut links, now) = (Links::new(3), Instant::now());
        let mut random = counting();
        let ids = [0, 1, 2].map(|n| {
            links.keep(now + Duration::from_secs(n), address(n as u32), ticket("x"), random.by_ref()).unwrap()
        });
        let later = now + Duration::from_secs(100);
        let refused = links.keep(later, address(9), ticket("y"), random.by_ref());
        assert_eq!(refused, Err(NoRoom::Full(Duration::from_secs(500))));
        assert!(ids.iter().all(|id| links.look(later, *id).is_some()));
        links.take(later, ids[1]).unwrap();
        links.keep(later, address(9), ticket("y"), random.by_ref()).unwrap();
        assert_eq!(Links::new(0).keep(now, ONE, ticket("x"), counting()), Err(NoRoom::Full(LIFETIME)));
    }

    #[test]
    fn one_address_leaves_room_for_others() {
        let (mut links, now) = (Links::new(10_000), Instant::now());
        let mut random = counting();
        let network: IpAddr = "2001:db8::1".parse().unwrap();
        for from in [ONE, network] {
            for _ in 0..PER_ADDRESS {
                links.keep(now, from, ticket("x"), random.by_ref()).unwrap();
            }
            let refused = links.keep(now + Duration::from_secs(1), from, ticket("x"), random.by_ref());
            assert_eq!(refused, Err(NoRoom::TooMany(LIFETIME - Duration::from_secs(1))));
        }
        let mut keep = |from: &str| links.keep(now, from.parse().unwrap(), ticket("x"), random.by_ref()).is_ok();
        assert!(!keep("2001:db8::ffff:1"), "an IPv6 network counts as one address");
        assert!(keep("2001:db8:0:1::1") && keep("192.0.2.2"));
        assert!(links.keep(now + LIFETIME, ONE, ticket("x"), random.by_ref()).is_ok());
    }

    #[test]
    fn an_id_that_is_held_is_not_given_twice() {
        let (mut links, now) = (Links::new(10), Instant::now());
        let first = links.keep(now, ONE, ticket("1"), [[7; 5]]).unwrap();
        let second = links.keep(now, ONE, ticket("2"), [[7; 5], [8; 5]]).unwrap();
        assert_ne!(first, second);
        assert_eq!(links.take(now, first), Some(ticket("1")));
    }

    /// Against a plain list of what must be there.
    #[test]
    fn any_order_of_events_leaves_what_a_plain_list_would() {
        let seed = fastrand::u64(..);
        let mut choice = fastrand::Rng::with_seed(seed);
        let (mut links, mut now) = (Links::new(40), Instant::now());
        let (mut random, mut plain) = (counting(), BTreeMap::<LinkId, (Instant, Bytes)>::new());
        for step in 0..20_000_u32 {
            now += Duration::from_millis(choice.u64(..20_000));
            plain.retain(|_, (until, _)| *until > now);
            if choice.bool() {
                let sealed = ticket(&step.to_string());
                match links.keep(now, address(choice.u32(..3)), sealed.clone(), random.by_ref()) {
                    Ok(id) => assert!(plain.insert(id, (now + LIFETIME, sealed)).is_none(), "seed {seed}"),
                    Err(NoRoom::Full(_)) => assert_eq!(plain.len(), 40, "seed {seed}"),
                    Err(NoRoom::TooMany(_)) => panic!("seed {seed}: 64 of at most 40"),
                }
            } else if let Some((&id, _)) = plain.iter().nth(choice.usize(..40)) {
                assert_eq!(links.take(now, id), plain.remove(&id).map(|(_, sealed)| sealed), "seed {seed}");
            }
            assert_eq!(links.count(now), plain.len(), "seed {seed}, step {step}");
            let owned: usize = links.owners.values().map(BTreeSet::len).sum();
            assert_eq!((links.endings.len(), owned), (plain.len(), plain.len()), "seed {seed}");
        }
    }
}
