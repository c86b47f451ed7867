//! The page, out of the binary.

use std::borrow::Cow;

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::http::{Arrival, Transport, host};

/// What the page may use of the browser: its own devices, and nobody else through it.
const PERMISSIONS: &str = "microphone=(self), camera=(self)";

#[derive(rust_embed::Embed)]
#[folder = "assets/page/"]
struct Files;

/// The file at the request's path; the page itself at `/`.
pub(super) async fn answer(request: Request) -> Response {
    let name = match request.uri().path() {
        "/" if is_room(request.uri().query()) => "room.html",
        "/" => "index.html",
        path => path.trim_start_matches('/'),
    };
    named(name, &request)
}

/// Whether the address names a room.
fn is_room(query: Option<&str>) -> bool {
    query.unwrap_or_default().split('&').any(|pair| pair.starts_with("room="))
}

/// The page itself, at whatever path.
pub(super) fn index(request: &Request) -> Response {
    named("index.html", request)
}

fn named(name: &str, request: &Request) -> Response {
    let transport = request.extensions().get().map_or(Transport::Plain, |arrival: &Arrival| arrival.transport);
    let mut response = file(name, request.headers())
        .unwrap_or_else(|| (StatusCode::NOT_FOUND, "There is nothing at this address.\n").into_response());
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy(host(request.headers()), transport)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert("permissions-policy", HeaderValue::from_static(PERMISSIONS));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn file(name: &str, asked: &HeaderMap) -> Option<Response> {
    // Only what is embedded can be found, under its exact name; what begins with a dot is not for the page.
    let file = Files::get(name).filter(|_| !name.split('/').any(|part| part.starts_with('.')))?;
    let hash: String = file.metadata.sha256_hash()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = HeaderValue::from_str(&format!("\"{hash}\"")).ok()?;
    let mut response = if asked.get(header::IF_NONE_MATCH).is_some_and(|held| names(held, &tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(Body::from(match file.data {
            Cow::Borrowed(data) => Bytes::from_static(data),
            Cow::Owned(data) => data.into(),
        }));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
        response
    };
    response.headers_mut().insert(header::ETAG, tag);
    Some(response)
}

/// Whether an `If-None-Match` names this tag.
fn names(held: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(held), Ok(tag)) = (held.to_str(), tag.to_str()) else { return false };
    held.split(',').map(str::trim).any(|held| held == "*" || held.trim_start_matches("W/") == tag)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// The content security policy: everything from here, nothing from elsewhere, nothing inline.
fn policy(host: Option<&str>, transport: Transport) -> String {
    let scheme = match transport {
        Transport::Plain => "ws:",
        Transport::Tls => "wss:",
    };
    let socket = match host {
        // 'self' does not cover the socket in every browser, and the policy's grammar has no IPv6 addresses.
        Some(host) if !host.contains('[') => format!("{scheme}//{host}"),
        _ => scheme.to_owned(),
    };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         media-src 'self' blob:; connect-src 'self' {socket}; manifest-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_lets_the_page_reach_its_own_socket_alone() {
        for (host, transport, socket) in [
            (Some("localhost:8443"), Transport::Plain, "'self' ws://localhost:8443;"),
            (Some("192.168.1.5:8443"), Transport::Tls, "'self' wss://192.168.1.5:8443;"),
            (Some("[::1]:8443"), Transport::Plain, "'self' ws:;"),
            (None, Transport::Tls, "'self' wss:;"),
        ] {
            assert!(policy(host, transport).contains(&format!("connect-src {socket}")), "{host:?}");
        }
    }

    #[test]
    fn a_tag_is_recognised_among_others() {
        let tag = HeaderValue::from_static("\"ab\"");
        for (held, is) in
            [("\"ab\"", true), ("W/\"ab\"", true), ("\"x\", \"ab\"", true), ("*", true), ("\"abc\"", false)]
        {
            assert_eq!(names(&HeaderValue::from_static(held), &tag), is, "{held}");
        }
    }

    #[test]
    fn every_kind_of_file_of_the_page_has_its_type() {
        for (name, kind) in [
            ("index.html", "text/html; charset=utf-8"),
            ("a/b.js", "text/javascript; charset=utf-8"),
            ("style.css", "text/css; charset=utf-8"),
            ("icon.svg", "image/svg+xml"),
            ("icon.png", "image/png"),
            ("twocan.webmanifest", "application/manifest+json"),
            ("LICENSE", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name), kind);
        }
    }
}
