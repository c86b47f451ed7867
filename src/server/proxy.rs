//! Reverse proxies that are believed: where a request that one passes on really comes from.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

use super::http::{Arrival, Transport};

/// By whom a proxy says that a request was sent; the last entry is the proxy's own, those before it are anybody's.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// What the client spoke with the proxy.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// How a request came to the proxy, if it came by one of `proxies` and that one says so.
///
/// Over TLS, unless the proxy says that it was plain http.
pub(super) fn arrival_at(proxies: &[IpAddr], arrival: Arrival, headers: &HeaderMap) -> Option<Arrival> {
    if !proxies.contains(&arrival.peer) {
        return None;
    }
    let last = headers.get_all(FORWARDED_FOR).iter().next_back()?.to_str().ok()?;
    let peer = address(last.rsplit(',').next()?.trim())?.to_canonical();
    let is_plain = headers.get(FORWARDED_PROTO).is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"http"));
    Some(Arrival { peer, transport: if is_plain { Transport::Plain } else { Transport::Tls }, refusal: None })
}

/// An address, perhaps with a port.
fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn seen(peer: &str, headers: &[(&'static str, &'static str)]) -> Option<(String, Transport)> {
        let arrival = Arrival { peer: peer.parse().unwrap(), transport: Transport::Plain, refusal: None };
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(*name, HeaderValue::from_static(value));
        }
        let proxies = ["127.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
        arrival_at(&proxies, arrival, &all).map(|arrival| (arrival.peer.to_string(), arrival.transport))
    }

    #[test]
    fn the_last_address_that_a_proxy_names_is_believed_and_nobody_elses() {
        let tls = |peer: &str| Some((peer.to_owned(), Transport::Tls));
        for (peer, headers, expected) in [
            ("127.0.0.1", &[(FORWARDED_FOR, "192.0.2.1")][..], tls("192.0.2.1")),
            ("127.0.0.1", &[(FORWARDED_FOR, "10.0.0.1, 192.0.2.1")], tls("192.0.2.1")),
            ("127.0.0.1", &[(FORWARDED_FOR, "10.0.0.1"), (FORWARDED_FOR, "192.0.2.1")], tls("192.0.2.1")),
            ("127.0.0.1", &[(FORWARDED_FOR, "192.0.2.1:4711")], tls("192.0.2.1")),
            ("fd00::1", &[(FORWARDED_FOR, "[2001:db8::1]:4711")], tls("2001:db8::1")),
            ("fd00::1", &[(FORWARDED_FOR, "::ffff:192.0.2.1"), (FORWARDED_PROTO, "https")], tls("192.0.2.1")),
            ("127.0.0.1", &[(FORWARDED_FOR, "nonsense")], None),
            ("127.0.0.1", &[], None),
            ("127.0.0.2", &[(FORWARDED_FOR, "192.0.2.1")], None),
        ] {
            assert_eq!(seen(peer, headers), expected, "{peer} {headers:?}");
        }
        let plain = seen("127.0.0.1", &[(FORWARDED_FOR, "192.0.2.1"), (FORWARDED_PROTO, "http")]);
        assert_eq!(plain, Some(("192.0.2.1".to_owned(), Transport::Plain)));
    }
}
