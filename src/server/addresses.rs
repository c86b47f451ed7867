//! What this machine is called and under which addresses others reach it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use super::plain;

/// Beginnings of the names of interfaces that lead to containers and virtual machines, not to people.
const VIRTUAL: [&str; 6] = ["docker", "veth", "br-", "virbr", "vnet", "lxc"];

/// The addresses other machines reach a listener on `listen` at, the likeliest first; all of them when it is empty.
pub(super) fn reachable(listen: &[IpAddr]) -> Vec<IpAddr> {
    let everywhere = listen.is_empty() || listen.iter().any(IpAddr::is_unspecified);
    let mut found: Vec<(String, IpAddr)> = match if_addrs::get_if_addrs() {
        Ok(interfaces) => interfaces.into_iter().map(|i| (i.name.clone(), plain(i.ip()))).collect(),
        Err(error) => {
            tracing::warn!(%error, "cannot list this machine's addresses");
            Vec::new()
        }
    };
    found.retain(|(_, address)| is_for_others(*address) && (everywhere || listen.contains(address)));
    let preferred = preferred();
    found.sort_by_key(|(name, address)| {
        let is_virtual = VIRTUAL.iter().any(|start| name.starts_with(start));
        (Some(*address) != preferred, address.is_ipv6(), is_virtual)
    });
    found.into_iter().map(|(_, address)| address).collect()
}

fn is_for_others(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        // A link-local IPv6 address means nothing without the interface, which a link cannot carry.
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    }
}

/// The address this machine would speak to the world from; nothing is sent to find out.
fn preferred() -> Option<IpAddr> {
    // An address for documentation: no network has it, so the default route is what is asked for.
    let anywhere = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9));
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(anywhere).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// The names this machine answers to on its network: its host name, and the same with `.local`.
pub(super) fn host_names() -> Vec<String> {
    let name = glib::host_name().to_ascii_lowercase();
    let fits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    match fits {
        false => Vec::new(),
        true if name == "localhost" || name.contains('.') => vec![name],
        true => vec![format!("{name}.local"), name],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_not_for_others() {
        assert!(reachable(&[]).iter().all(|address| !address.is_loopback()));
        assert_eq!(reachable(&[super::super::LOOPBACK]), [IpAddr::V4(Ipv4Addr::LOCALHOST); 0]);
        for (address, is) in [("192.168.1.5", true), ("fd00::5", true), ("169.254.1.1", false), ("fe80::1", false)] {
            assert_eq!(is_for_others(address.parse().unwrap()), is, "{address}");
        }
    }
}
