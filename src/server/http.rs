//! HTTP: who may speak plainly, what goes to the socket and what to the page, and the headers on all of it.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::any,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;

use super::{
    SERVER_HEADER,
    certificate::AUTHORITY_PATH,
    figures,
    hub::Hub,
    limits::{LINK_COST, REQUEST_COST, Refusal},
    links,
    metrics::Cause,
    origin, page,
    settings::Origins,
    websocket,
};
use crate::rendezvous::BackIn;

/// How long the head of a request may take to arrive, and a connection to stay without one.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// How long the head of a request may be, in bytes.
const HEAD_SIZE: usize = 16 * 1024;

/// How many headers a request may have.
const HEADER_COUNT: usize = 64;

/// How a request came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    /// The address it came from.
    pub(super) peer: IpAddr,
    /// What it came over.
    pub(super) transport: Transport,
    /// Why it is refused whatever it asks for, if it is.
    pub(super) refusal: Option<Refusal>,
}

/// What a request came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// Plain TCP.
    Plain,
    /// TLS.
    Tls,
}

/// Serves one connection until it ends or is handed to a WebSocket; an error is what is no request, or not in time.
pub(super) async fn serve<S>(stream: S, arrival: Arrival, router: Router) -> Result<(), Cause>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let has_asked = Arc::new(AtomicBool::new(false));
    let asks = has_asked.clone();
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        asks.store(true, Relaxed);
        request.extensions_mut().insert(arrival);
        router.clone().call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(HEAD_SIZE)
        .max_headers(HEADER_COUNT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    let Err(error) = served else { return Ok(()) };
    tracing::debug!(%error, "an HTTP connection broke");
    // To be silent after an answer is nobody's fault.
    let is_refused = error.is_parse() || error.is_timeout() && !has_asked.load(Relaxed);
    if is_refused { Err(Cause::Request) } else { Ok(()) }
}

/// Everything the server answers to; `more` are the paths of its parts.
pub(super) fn router(hub: Arc<Hub>, more: Router) -> Router {
    Router::new()
        .route("/health", any(|| async { "OK" }))
        .route("/metrics", any(figures::answer))
        .route("/s", any(links::leave))
        .route("/s/{id}", any(links::take))
        .fallback(page::answer)
        .with_state(hub.clone())
        .merge(more)
        .layer(middleware::from_fn_with_state(hub, admit))
        .layer(middleware::map_response(brand))
}

/// What is to become of a request before anyone looks at its path.
#[derive(Debug, PartialEq, Eq)]
enum Admission {
    /// Goes to its path.
    Path,
    Socket,
    ToHttps,
    PlainSocketRefused,
    MethodRefused,
    OriginRefused,
}

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Socket,
    /// To look at something, which any page may have a browser do.
    Look,
    /// To leave something here.
    Leave,
    Other,
}

fn want(request: &Request) -> Want {
    if websocket::is_asked_for(request.headers()) {
        return Want::Socket;
    }
    match *request.method() {
        Method::GET | Method::HEAD => Want::Look,
        Method::POST if request.uri().path() == "/s" => Want::Leave,
        _ => Want::Other,
    }
}

fn admission(arrival: Arrival, request: &Request, origins: &Origins) -> Admission {
    let want = want(request);
    // Whoever does not trust the authority yet cannot fetch it by https without a warning.
    let is_for_all = want == Want::Look && request.uri().path() == AUTHORITY_PATH;
    let is_private = arrival.transport == Transport::Tls || arrival.peer.is_loopback() || is_for_all;
    let is_allowed = || origin::is_allowed(request.headers(), origins);
    match (is_private, want) {
        // A client that dials ws:// does not follow redirects; a sentence helps it more.
        (false, Want::Socket) => Admission::PlainSocketRefused,
        (false, Want::Look | Want::Leave | Want::Other) => Admission::ToHttps,
        (true, Want::Socket | Want::Leave) if !is_allowed() => Admission::OriginRefused,
        (true, Want::Socket) => Admission::Socket,
        (true, Want::Look | Want::Leave) => Admission::Path,
        (true, Want::Other) => Admission::MethodRefused,
    }
}

async fn admit(State(hub): State<Arc<Hub>>, request: Request, next: Next) -> Response {
    let Some(&arrival) = request.extensions().get::<Arrival>() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response(); // `serve` always puts one there.
    };
    if let Some(refusal) = arrival.refusal {
        return come_later(refusal);
    }
    if let Err(refusal) = hub.ask(arrival.peer, cost(request.uri().path())) {
        return come_later(refusal);
    }
    let refuse = |cause, response: Response| {
        hub.metrics.refused(cause);
        response
    };
    match admission(arrival, &request, &hub.settings.origins) {
        Admission::Path => next.run(request).await,
        Admission::Socket if hub.is_closing() => refuse(Cause::Stopping, stopping(hub.settings.retry_after)),
        Admission::Socket => websocket::upgrade(request, hub, arrival.peer),
        Admission::ToHttps => to_https(&request),
        Admission::PlainSocketRefused => {
            let why = "From another machine, use wss:// instead of ws://.\n";
            refuse(Cause::Request, (StatusCode::FORBIDDEN, why).into_response())
        }
        Admission::OriginRefused => {
            let why = "Pages of that site may not use this server.\n";
            refuse(Cause::Origin, (StatusCode::FORBIDDEN, why).into_response())
        }
        Admission::MethodRefused => {
            let allow = [(header::ALLOW, "GET, HEAD")];
            refuse(Cause::Request, (StatusCode::METHOD_NOT_ALLOWED, allow, "Only GET and HEAD.\n").into_response())
        }
    }
}

/// What a request counts as, in messages of the address.
fn cost(path: &str) -> u32 {
    if path == "/s" || path.starts_with("/s/") { LINK_COST } else { REQUEST_COST }
}

/// Whoever wants a socket while the server stops is told when to come again.
fn stopping(retry_after: Option<Duration>) -> Response {
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, "The server stops.\n").into_response();
    let seconds = retry_after.map(|wait| HeaderValue::from(BackIn::new(wait).wait().as_secs()));
    response.headers_mut().extend(seconds.map(|seconds| (header::RETRY_AFTER, seconds)));
    response
}

/// Says why nothing is served now, and when it may be.
fn come_later(refusal: Refusal) -> Response {
    let (status, why) = if refusal.cause == Cause::AddressConnections {
        (StatusCode::TOO_MANY_REQUESTS, "Too many connections from this address.\n")
    } else if refusal.cause == Cause::AddressRate {
        (StatusCode::TOO_MANY_REQUESTS, "Too many connections at once from this address.\n")
    } else if refusal.cause == Cause::AddressMessages {
        (StatusCode::TOO_MANY_REQUESTS, "Too many requests from this address.\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "The server is full.\n")
    };
    let seconds = HeaderValue::from(refusal.retry_after.as_secs() + 1);
    let close = HeaderValue::from_static("close");
    (status, [(header::RETRY_AFTER, seconds), (header::CONNECTION, close)], why).into_response()
}

/// The same address on the same port, over TLS.
fn to_https(request: &Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let target = host(request.headers()).and_then(|host| HeaderValue::from_str(&format!("https://{host}{path}")).ok());
    match target {
        Some(target) => (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, target)]).into_response(),
        None => (StatusCode::BAD_REQUEST, "Use https:// with this server's address.\n").into_response(),
    }
}

/// The host and port the client believes to speak to, if they can be repeated to it without harm.
pub(super) fn host(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    (!host.is_empty() && host.bytes().all(fits)).then_some(host)
}

/// The headers that every response has.
pub(super) async fn brand(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::SERVER, SERVER_HEADER),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn arrival(peer: &str, transport: Transport) -> Arrival {
        Arrival { peer: peer.parse().unwrap(), transport, refusal: None }
    }

    fn decide(arrival: Arrival, method: &Method, path: &str, headers: &[(&str, &str)]) -> Admission {
        let mut request = Request::builder().method(method).uri(path).header("host", "here");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        admission(arrival, &request.body(Body::empty()).unwrap(), &Origins::Listed(Vec::new()))
    }

    const SOCKET: [(&str, &str); 2] = [("upgrade", "websocket"), ("connection", "Upgrade")];

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for (peer, transport, expected) in [
            ("127.0.0.1", Transport::Plain, [Admission::Path, Admission::Path, Admission::Socket]),
            ("127.8.8.8", Transport::Plain, [Admission::Path, Admission::Path, Admission::Socket]),
            ("::1", Transport::Plain, [Admission::Path, Admission::Path, Admission::Socket]),
            ("192.168.1.7", Transport::Plain, [Admission::ToHttps, Admission::ToHttps, Admission::PlainSocketRefused]),
            ("203.0.113.9", Transport::Plain, [Admission::ToHttps, Admission::ToHttps, Admission::PlainSocketRefused]),
            ("fd00::7", Transport::Plain, [Admission::ToHttps, Admission::ToHttps, Admission::PlainSocketRefused]),
            ("192.168.1.7", Transport::Tls, [Admission::Path, Admission::Path, Admission::Socket]),
        ] {
            let arrival = arrival(peer, transport);
            let decided = [
                decide(arrival, &Method::GET, "/", &[]),
                decide(arrival, &Method::POST, "/s", &[]),
                decide(arrival, &Method::GET, "/ws", &SOCKET),
            ];
            assert_eq!(decided, expected, "{peer} over {transport:?}");
        }
    }

    #[test]
    fn the_authority_alone_is_to_be_had_by_everybody() {
        let there = arrival("192.168.1.7", Transport::Plain);
        for (path, expected) in [("/ca", Admission::Path), ("/ca/", Admission::ToHttps), ("/ice", Admission::ToHttps)] {
            assert_eq!(decide(there, &Method::GET, path, &[]), expected, "{path}");
        }
        assert_eq!(decide(there, &Method::GET, "/ca", &SOCKET), Admission::PlainSocketRefused);
    }

    #[test]
    fn only_get_and_head_are_served_and_post_where_something_is_left() {
        let here = arrival("::1", Transport::Plain);
        assert_eq!(decide(here, &Method::HEAD, "/", &[]), Admission::Path);
        assert_eq!(decide(here, &Method::POST, "/s", &[]), Admission::Path);
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE] {
            for path in ["/", "/s/", "/s/aaaaaaaa", "/S", "/%73"] {
                assert_eq!(decide(here, &method, path, &[]), Admission::MethodRefused, "{method} {path}");
            }
        }
    }

    #[test]
    fn pages_of_other_sites_may_look_and_nothing_else() {
        let here = arrival("::1", Transport::Plain);
        let foreign = ("origin", "https://evil.example");
        let socket = [&SOCKET[..], &[foreign]].concat();
        assert_eq!(decide(here, &Method::GET, "/ws", &socket), Admission::OriginRefused);
        assert_eq!(decide(here, &Method::POST, "/s", &[foreign]), Admission::OriginRefused);
        assert_eq!(decide(here, &Method::GET, "/", &[foreign]), Admission::Path);
    }

    #[test]
    fn the_way_to_https_keeps_host_port_path_and_query() {
        let request = |host| Request::get("/a?convoId=x").header("host", host).body(Body::empty()).unwrap();
        let response = to_https(&request("192.168.1.5:8443"));
        assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
        assert_eq!(response.headers()["location"], "https://192.168.1.5:8443/a?convoId=x");
        for bad in ["", "a b", "evil.example/", "a@b", "a;b", "a,b"] {
            assert_eq!(to_https(&request(bad)).status(), StatusCode::BAD_REQUEST, "{bad:?}");
        }
    }
}
