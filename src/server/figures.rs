//! `/metrics`: at the main port for this machine alone, or at a port of its own for whoever can reach that.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    Router,
    extract::{Extension, Request, State},
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{net::TcpListener, sync::Semaphore};

use super::{
    Options, ServerError,
    http::{self, Arrival, Transport},
    hub::Hub,
    listen::SHORTAGE,
    metrics, page, plain, spawn,
    stream::Patient,
};

/// How many connections there may be for the figures: 64.
const CONNECTIONS: usize = 64;

/// Headers by which a proxy says that somebody else asks.
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

/// Whether the figures have a place of their own, which is not where the server itself listens.
pub(super) fn apart(Options { settings, listen, port, .. }: &Options) -> Result<(), ServerError> {
    let Some(address) = settings.metrics.filter(|address| address.port() == *port && *port != 0) else { return Ok(()) };
    // Every address of IPv6 is most often every one of IPv4 too.
    let covers = |ip: IpAddr, other: IpAddr| ip == other || (ip.is_unspecified() && (ip.is_ipv6() || other.is_ipv4()));
    let meets = |ip: &IpAddr| covers(*ip, address.ip()) || covers(address.ip(), *ip);
    if listen.is_empty() || listen.iter().any(meets) { Err(ServerError::FiguresAtServer { address }) } else { Ok(()) }
}

/// Binds the port for the figures alone; to be called inside the runtime.
pub(super) fn bind(address: SocketAddr) -> Result<TcpListener, ServerError> {
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    });
    bound.map_err(|source| ServerError::Figures { address, source })
}

/// Shows the figures there, for ever.
pub(super) async fn accept(listener: TcpListener, hub: Arc<Hub>) {
    let router = Router::new().route("/metrics", get(show)).route("/health", get(async || "OK")).with_state(hub);
    let router = router.layer(axum::middleware::map_response(http::brand));
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                let Ok(place) = free.clone().try_acquire_owned() else { continue };
                let arrival = Arrival { peer: plain(peer.ip()), transport: Transport::Plain, refusal: None };
                let router = router.clone();
                spawn(async move {
                    let _ = http::serve(Patient::new(tcp, None), arrival, router).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection for the figures could not be accepted");
                tokio::time::sleep(SHORTAGE).await;
            }
        }
    }
}

/// The answer at the main port.
pub(super) async fn answer(
    State(hub): State<Arc<Hub>>,
    Extension(arrival): Extension<Arrival>,
    request: Request,
) -> Response {
    let is_forwarded = FORWARDED.iter().any(|name| request.headers().contains_key(*name));
    let is_here = hub.settings.metrics.is_none() && hub.settings.proxies.is_empty();
    if is_here && arrival.peer.is_loopback() && !is_forwarded {
        show(State(hub)).await
    } else {
        page::answer(request).await
    }
}

async fn show(State(hub): State<Arc<Hub>>) -> Response {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], hub.metrics.text(hub.gauges())).into_response()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::server::Settings;

    #[test]
    fn a_place_for_the_figures_is_where_the_server_does_not_listen() {
        for (listen, figures, is_apart) in [
            ("127.0.0.1", "127.0.0.1", false),
            ("127.0.0.1", "0.0.0.0", false),
            ("127.0.0.1", "::", false),
            ("0.0.0.0", "127.0.0.1", false),
            ("::", "127.0.0.1", false),
            ("::", "::1", false),
            ("127.0.0.1", "127.0.0.2", true),
            ("0.0.0.0", "::1", true),
            ("::1", "0.0.0.0", true),
        ] {
            let metrics = Some(SocketAddr::new(figures.parse().unwrap(), 9));
            let settings = Settings { metrics, ..Settings::default() };
            let options = Options { listen: vec![listen.parse().unwrap()], port: 9, state: "".into(), settings };
            assert_eq!(apart(&options).is_ok(), is_apart, "{listen} and {figures}");
        }
    }

    #[tokio::test]
    async fn a_taken_port_for_the_figures_is_named() {
        let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = held.local_addr().unwrap();
        let refused = bind(taken).unwrap_err();
        assert!(matches!(&refused, ServerError::Figures { address, source }
            if *address == taken && source.kind() == io::ErrorKind::AddrInUse));
    }
}
