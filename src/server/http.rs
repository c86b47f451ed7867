//! HTTP: who may speak plainly, what goes to the socket and what to the page, and the headers on all of it.

use std::{net::IpAddr, sync::Arc, time::Duration};

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

use super::{SERVER_HEADER, hub::Hub, limits::Refusal, metrics::Cause, page, websocket};

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

/// Serves one connection until it ends or is handed to a WebSocket.
pub(super) async fn serve<S>(stream: S, arrival: Arrival, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
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
    if let Err(error) = served {
        tracing::debug!(%error, "an HTTP connection broke");
    }
}

/// Everything the server answers to.
pub(super) fn router(hub: Arc<Hub>) -> Router {
    Router::new()
        .route("/health", any(|| async { "OK" }))
        .fallback(page::answer)
        .layer(middleware::from_fn_with_state(hub, admit))
        .layer(middleware::map_response(brand))
}

/// What is to become of a request before anyone looks at its path.
#[derive(Debug, PartialEq, Eq)]
enum Admission {
    Page,
    Socket,
    ToHttps,
    PlainSocketRefused,
    MethodRefused,
}

fn admission(arrival: Arrival, method: &Method, headers: &HeaderMap) -> Admission {
    let allowed = arrival.transport == Transport::Tls || arrival.peer.is_loopback();
    match (allowed, websocket::is_asked_for(headers)) {
        (true, true) => Admission::Socket,
        // A client that dials ws:// does not follow redirects; a sentence helps it more.
        (false, true) => Admission::PlainSocketRefused,
        (false, false) => Admission::ToHttps,
        (true, false) if method == Method::GET || method == Method::HEAD => Admission::Page,
        (true, false) => Admission::MethodRefused,
    }
}

async fn admit(State(hub): State<Arc<Hub>>, request: Request, next: Next) -> Response {
    let Some(&arrival) = request.extensions().get::<Arrival>() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response(); // `serve` always puts one there.
    };
    if let Some(refusal) = arrival.refusal {
        return come_later(refusal);
    }
    match admission(arrival, request.method(), request.headers()) {
        Admission::Page => next.run(request).await,
        Admission::Socket => websocket::upgrade(request, hub),
        Admission::ToHttps => to_https(&request),
        Admission::PlainSocketRefused => {
            (StatusCode::FORBIDDEN, "From another machine, use wss:// instead of ws://.\n").into_response()
        }
        Admission::MethodRefused => {
            (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")], "Only GET and HEAD.\n").into_response()
        }
    }
}

/// Says why nothing is served now, and when it may be.
fn come_later(refusal: Refusal) -> Response {
    let (status, why) = match refusal.cause {
        Cause::AddressConnections => (StatusCode::TOO_MANY_REQUESTS, "Too many connections from this address.\n"),
        Cause::AddressRate => (StatusCode::TOO_MANY_REQUESTS, "Too many connections at once from this address.\n"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "The server is full.\n"),
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
async fn brand(mut response: Response) -> Response {
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

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    fn arrival(peer: &str, transport: Transport) -> Arrival {
        Arrival { peer: peer.parse().unwrap(), transport, refusal: None }
    }

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        let (page, socket) = (headers(&[]), headers(&[("upgrade", "websocket"), ("connection", "Upgrade")]));
        for (peer, transport, expected) in [
            ("127.0.0.1", Transport::Plain, [Admission::Page, Admission::Socket]),
            ("127.8.8.8", Transport::Plain, [Admission::Page, Admission::Socket]),
            ("::1", Transport::Plain, [Admission::Page, Admission::Socket]),
            ("192.168.1.7", Transport::Plain, [Admission::ToHttps, Admission::PlainSocketRefused]),
            ("203.0.113.9", Transport::Plain, [Admission::ToHttps, Admission::PlainSocketRefused]),
            ("fd00::7", Transport::Plain, [Admission::ToHttps, Admission::PlainSocketRefused]),
            ("192.168.1.7", Transport::Tls, [Admission::Page, Admission::Socket]),
        ] {
            let arrival = arrival(peer, transport);
            let decided = [&page, &socket].map(|headers| admission(arrival, &Method::GET, headers));
            assert_eq!(decided, expected, "{peer} over {transport:?}");
        }
    }

    #[test]
    fn only_get_and_head_are_served() {
        let here = arrival("::1", Transport::Plain);
        assert_eq!(admission(here, &Method::HEAD, &headers(&[])), Admission::Page);
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE] {
            assert_eq!(admission(here, &method, &headers(&[])), Admission::MethodRefused, "{method}");
        }
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
