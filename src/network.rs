//! Notices when this machine's way to others changes: an address or a default route that comes or goes.
//!
//! The kernel says that something happened, not whether it matters: lifetimes are renewed all the time. So its word is
//! only taken as the occasion to look, once for each volley, and told is only what has really changed.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::{fd::OwnedFd, unix::net},
    time::{Duration, Instant},
};

use futures_util::{FutureExt, select};
use tokio::net::UnixDatagram;

use crate::rt::{self, Receiver, Sender};

/// How long the kernel gets to say all that belongs together: 100 ms. A link that changes is a volley of messages.
const SETTLING: Duration = Duration::from_millis(100);

/// Beginnings of the names of interfaces that lead to containers and virtual machines, which come and go.
const VIRTUAL: [&str; 6] = ["docker", "veth", "br-", "virbr", "vnet", "lxc"];

/// A watch on the network; dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    _keep: Sender<()>,
}

/// Tells on `changes`, from now on and once for each volley, that this machine is reached differently than before.
///
/// Where the system does not tell, as outside Linux, nothing ever comes.
pub fn watch(changes: Sender<()>) -> Watch {
    let (keep, dropped) = rt::channel(1);
    rt::spawn(async move {
        if let Err(error) = observe(&changes, &dropped).await {
            tracing::debug!(%error, "changes of the network go unnoticed");
        }
    });
    Watch { _keep: keep }
}

async fn observe(changes: &Sender<()>, dropped: &Receiver<()>) -> io::Result<()> {
    // Not one of these, but nothing is done with it that a datagram socket of any family could not.
    let kernel = UnixDatagram::from_std(net::UnixDatagram::from(listen()?))?;
    let mut observer = Observer::new(Reach::read());
    while !changes.is_closed() {
        match observer.deadline() {
            None => select! {
                word = hear(&kernel).fuse() => { word?; observer.stir(rt::now()); }
                _ = dropped.recv().fuse() => return Ok(()),
            },
            // Meanwhile nothing is heard: whatever is said is why there will be a look.
            due => select! {
                () = rt::sleep_until(due).fuse() => {
                    if observer.look(rt::now(), Reach::read) {
                        // Full, there is one that nobody has looked at yet.
                        let _ = changes.try_send(());
                    }
                }
                _ = dropped.recv().fuse() => return Ok(()),
            },
        }
    }
    Ok(())
}

/// When to look, and whether something has changed.
#[derive(Debug)]
struct Observer {
    known: Reach,
    due: Option<Instant>,
}

impl Observer {
    fn new(known: Reach) -> Self {
        Self { known, due: None }
    }

    /// Takes note that something happened.
    fn stir(&mut self, now: Instant) {
        self.due.get_or_insert(now + SETTLING);
    }

    /// When to look.
    fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Looks, if it is time; whether it is different from the last time.
    fn look(&mut self, now: Instant, reach: impl FnOnce() -> Reach) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        self.due = None;
        let reach = reach();
        let is_new = reach != self.known;
        self.known = reach;
        is_new
    }
}

/// How this machine is reached, as far as connections depend on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Reach {
    /// Interfaces and their addresses.
    places: BTreeSet<(String, IpAddr)>,
    /// From where it speaks to the world, over IPv4 and over IPv6.
    preferred: [Option<IpAddr>; 2],
}

impl Reach {
    fn new(places: impl IntoIterator<Item = (String, IpAddr)>, preferred: [Option<IpAddr>; 2]) -> Self {
        let places = places
            .into_iter()
            .filter(|(name, address)| !VIRTUAL.iter().any(|start| name.starts_with(start)) && is_for_others(*address));
        Self {
            places: places.map(|(name, address)| (name, lasting(address))).collect(),
            preferred: preferred.map(|address| address.map(lasting)),
        }
    }

    fn read() -> Self {
        let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
        let usable = interfaces.into_iter().filter(|interface| interface.is_oper_up() && is_ready(interface.ip()));
        // Addresses for documentation: no network has them, so the default route is what is asked for.
        let world =
            [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];
        Self::new(usable.map(|interface| (interface.name.clone(), interface.ip())), world.map(source_towards))
    }
}

/// What lasts of an address: of IPv6 the network, since the rest is made anew every day.
fn lasting(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

fn is_for_others(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    }
}

/// Whether the address can be used already: a new one of IPv6 is first tried out for a second.
fn is_ready(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// The address from which this machine would speak to another; nothing is sent to find out.
fn source_towards(address: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(SocketAddr::new(address, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// A socket on which the kernel tells of links, addresses and routes.
#[cfg(target_os = "linux")]
fn listen() -> io::Result<OwnedFd> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, netlink::SocketAddrNetlink, socket_with};
    /// RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE.
    const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
    // Route, the protocol of number 0, is what is asked for by naming none.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    Ok(socket)
}

#[cfg(not(target_os = "linux"))]
fn listen() -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Waits until the kernel has said something, and takes all that it has said.
async fn hear(kernel: &UnixDatagram) -> io::Result<()> {
    let mut scrap = [0; 4096];
    match kernel.recv(&mut scrap).await {
        // It had more to say than it keeps.
        Err(error) if rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::NOBUFS) => {}
        said => drop(said?),
    }
    while kernel.try_recv(&mut scrap).is_ok() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(places: &[(&str, &str)], preferred: [Option<&str>; 2]) -> Reach {
        let places = places.iter().map(|(name, address)| ((*name).to_owned(), address.parse().unwrap()));
        Reach::new(places, preferred.map(|address| address.map(|address| address.parse().unwrap())))
    }

    const HOME: [Option<&str>; 2] = [Some("192.168.1.7"), None];

    #[test]
    fn a_volley_is_looked_at_once_when_it_has_settled() {
        let now = Instant::now();
        let ms = Duration::from_millis;
        let mut observer = Observer::new(Reach::default());
        assert_eq!(observer.deadline(), None, "nothing happened yet");
        for after in [0, 1, 50, 99] {
            observer.stir(now + ms(after));
        }
        assert_eq!(observer.deadline(), Some(now + ms(100)), "100 ms after the first, whatever follows");
        let moved = || reach(&[("wlan0", "192.168.1.7")], HOME);
        assert!(!observer.look(now + ms(99), moved), "not yet");
        assert!(observer.look(now + ms(100), moved));
        assert_eq!(observer.deadline(), None);
        observer.stir(now + ms(200));
        assert!(!observer.look(now + ms(300), moved), "as it was");
    }

    #[test]
    fn addresses_and_default_routes_that_come_or_go_are_changes() {
        let known = reach(&[("wlan0", "192.168.1.7")], HOME);
        for (what, other) in [
            ("an address goes", reach(&[], [None, None])),
            ("an address comes", reach(&[("wlan0", "192.168.1.7"), ("tun0", "10.0.0.2")], HOME)),
            ("an address moves", reach(&[("eth0", "192.168.1.7")], HOME)),
            ("IPv6 comes", reach(&[("wlan0", "192.168.1.7"), ("wlan0", "2001:db8:1::7")], HOME)),
            ("the default route goes", reach(&[("wlan0", "192.168.1.7")], [None, None])),
        ] {
            assert_ne!(known, other, "{what}");
        }
    }

    #[test]
    fn what_no_connection_depends_on_is_no_change() {
        let known = reach(&[("wlan0", "192.168.1.7"), ("wlan0", "2001:db8:1::7")], [None, Some("2001:db8:1::7")]);
        let same = [
            ("wlan0", "2001:db8:1::abcd"), // The address of the next day.
            ("wlan0", "192.168.1.7"),
            ("wlan0", "fe80::7"),
            ("lo", "127.0.0.1"),
            ("docker0", "172.17.0.1"),
        ];
        assert_eq!(known, reach(&same, [None, Some("2001:db8:1::abcd")]));
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        assert!(Reach::read().places.iter().all(|(_, address)| !address.is_loopback()));
    }
}
