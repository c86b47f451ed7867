//! Binding the port, taking connections in, and telling TLS from plain HTTP.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{
    ServerError,
    certificate::Certificate,
    http::{self, Arrival, Transport},
    hub::Hub,
    limits::Refusal,
    metrics::Cause,
    plain, spawn,
    stream::Patient,
    ticket::Ticket,
};

/// How long a connection may take until it has said its first byte, and again until TLS is agreed on.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// How long to wait before accepting again when the system is out of something.
pub(super) const SHORTAGE: Duration = Duration::from_millis(100);

/// What the system keeps of what a client does not take: small, so that a slow reader shows.
///
/// Left to itself, Linux keeps up to 4 MiB, and the limits on what waits for a connection would come that much later.
const SEND_BUFFER: u32 = 128 * 1024;

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// The first byte of every TLS connection, and of no HTTP request.
const TLS_HANDSHAKE: u8 = 0x16;

/// Binds every address, and tells the port, which is the same for all; to be called inside the runtime.
pub(super) fn bind(listen: &[IpAddr], port: u16) -> Result<(Vec<TcpListener>, u16), ServerError> {
    let mut listeners = if listen.is_empty() { bind_everywhere(port)? } else { Vec::new() };
    for &address in listen {
        // A free port, once found, is the port of all.
        let port = listeners.first().map_or(Ok(port), |listener| listener.local_addr().map(|a| a.port()))?;
        listeners.push(bind_one(address, port)?);
    }
    let port = listeners.first().map_or(Ok(port), |listener| listener.local_addr().map(|a| a.port()))?;
    Ok((listeners, port))
}

fn bind_everywhere(port: u16) -> Result<Vec<TcpListener>, ServerError> {
    let v4 = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    match bind_one(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port) {
        Ok(listener) => {
            let port = listener.local_addr()?.port();
            let mut listeners = vec![listener];
            // Mostly the first listener has IPv4 too, and this one is refused; some systems keep the two apart.
            listeners.extend(bind_one(v4, port).ok());
            Ok(listeners)
        }
        Err(error @ (ServerError::PortTaken { .. } | ServerError::PortForbidden { .. })) => Err(error),
        Err(_) => Ok(vec![bind_one(v4, port)?]), // A machine without IPv6.
    }
}

fn bind_one(address: IpAddr, port: u16) -> Result<TcpListener, ServerError> {
    let bound = match address {
        IpAddr::V4(_) => TcpSocket::new_v4(),
        IpAddr::V6(_) => TcpSocket::new_v6(),
    }
    .and_then(|socket| {
        socket.set_reuseaddr(true)?;
        socket.set_send_buffer_size(SEND_BUFFER)?; // Each accepted connection has it from the listener.
        socket.set_keepalive(true)?; // As it has this.
        socket.bind(SocketAddr::new(address, port))?;
        socket.listen(BACKLOG)
    });
    bound.map_err(|error| {
        let kind = error.kind();
        if kind == io::ErrorKind::AddrInUse {
            ServerError::PortTaken { port }
        } else if kind == io::ErrorKind::PermissionDenied {
            ServerError::PortForbidden { port }
        } else if kind == io::ErrorKind::AddrNotAvailable {
            ServerError::NoSuchAddress { address }
        } else {
            ServerError::System(error)
        }
    })
}

/// Takes connections in, for ever.
pub(super) async fn accept(listener: TcpListener, certificate: Arc<Certificate>, hub: Arc<Hub>, router: axum::Router) {
    let mut is_short = false;
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                is_short = false;
                let peer = plain(peer.ip());
                let (ticket, refusal) = if hub.settings.proxies.contains(&peer) {
                    (None, None) // Whoever it speaks for counts, request by request.
                } else {
                    // Whoever is not let in is not told either: one of too many.
                    let Some((ticket, refusal)) = hub.admit(peer) else { continue };
                    (Some(ticket), refusal)
                };
                spawn(welcome(tcp, ticket, (peer, refusal), certificate.clone(), (hub.clone(), router.clone())));
            }
            // The client's doing: it went away before it was taken in.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if !is_short {
                    tracing::warn!(%error, "no more connections can be taken in for now");
                }
                is_short = true;
                tokio::time::sleep(SHORTAGE).await;
            }
        }
    }
}

async fn welcome(
    tcp: TcpStream,
    ticket: Option<Ticket>,
    (peer, refusal): (IpAddr, Option<Refusal>),
    certificate: Arc<Certificate>,
    (hub, router): (Arc<Hub>, axum::Router),
) {
    let mut first = [0];
    let Ok(Ok(1)) = tokio::time::timeout(HANDSHAKE_LIMIT, tcp.peek(&mut first)).await else { return };
    let Ok(own) = tcp.local_addr() else { return };
    let _ = tcp.set_nodelay(true); // What is said here is short and waited for.
    let stream = Patient::new(tcp, ticket);
    if first != [TLS_HANDSHAKE] {
        let served = http::serve(stream, Arrival { peer, transport: Transport::Plain, refusal }, router).await;
        return served.unwrap_or_else(|cause| hub.metrics.refused(cause));
    }
    let acceptor = TlsAcceptor::from(certificate.config(own.ip()));
    match tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let served = http::serve(stream, Arrival { peer, transport: Transport::Tls, refusal }, router).await;
            return served.unwrap_or_else(|cause| hub.metrics.refused(cause));
        }
        Ok(Err(error)) => tracing::debug!(%error, "no TLS was agreed on"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
    hub.metrics.refused(Cause::Tls);
}

/// Lets this process have as many files open as it may at all, and tells how many connections that is enough for.
pub(super) fn raise_file_limit() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "the limit for open files could not be raised");
            limit = getrlimit(Resource::Nofile);
        }
    }
    let (files, room) = room_in(limit.current);
    tracing::info!(files, "open files are limited");
    room
}

/// How many files this process may have open at all, and how many connections that is enough for.
pub(super) fn file_limit() -> (usize, usize) {
    room_in(getrlimit(Resource::Nofile).maximum)
}

fn room_in(limit: Option<u64>) -> (usize, usize) {
    let files = limit.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    // Some are taken by other things than connections; and whoever is told to come later needs one too.
    (files, files - files / 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::LOOPBACK;

    #[tokio::test]
    async fn a_taken_port_and_an_absent_address_are_told_apart() {
        let (_held, port) = bind(&[LOOPBACK], 0).unwrap();
        assert!(matches!(bind(&[LOOPBACK], port), Err(ServerError::PortTaken { port: taken }) if taken == port));
        assert!(matches!(bind(&[], port), Err(ServerError::PortTaken { .. })));
        let absent = "192.0.2.77".parse().unwrap();
        assert!(matches!(bind(&[absent], 0), Err(ServerError::NoSuchAddress { address }) if address == absent));
    }

    #[tokio::test]
    async fn several_addresses_share_one_free_port() {
        let (listeners, port) = bind(&[LOOPBACK, "127.0.0.2".parse().unwrap()], 0).unwrap();
        assert_eq!(listeners.len(), 2);
        assert!(port != 0 && listeners.iter().all(|l| l.local_addr().unwrap().port() == port));
    }

    #[tokio::test]
    async fn everywhere_holds_ipv4() {
        let (_held, port) = bind(&[], 0).unwrap();
        std::net::TcpStream::connect((LOOPBACK, port)).unwrap();
    }
}
