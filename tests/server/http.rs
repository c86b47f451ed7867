//! The page and its headers.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use twocan::server::{Limits, Origins, Settings};

use crate::{Running, SOON, within};

pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }
}

pub(crate) async fn ask(running: &Running, method: &str, path: &str, more: &str) -> Answer {
    let port = running.port();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n{more}\r\n");
    exchange(running.tcp().await, request.as_bytes(), SOON).await
}

/// Says something, and reads what is answered until the other end closes.
pub(crate) async fn exchange(mut tcp: TcpStream, request: &[u8], patience: Duration) -> Answer {
    let _ = tcp.write_all(request).await; // Some are answered before they are at their end.
    let mut answer = Vec::new();
    let _ = within(patience, "the answer", tcp.read_to_end(&mut answer)).await;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_lowercase(), v.to_owned())).collect();
    Answer { status, headers, body: answer[end + 4..].to_vec() }
}

#[tokio::test]
async fn health_is_ok() {
    let running = Running::start();
    let answer = ask(&running, "GET", "/health", "").await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"OK"[..]));
    assert!(answer.header("server").starts_with("twocan/"));
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn the_page_comes_with_strict_headers() {
    let running = Running::start();
    let page = std::fs::read("assets/page/index.html").unwrap();
    for path in ["/", "/?convoId=abc&farInstanceId=def", "/index.html"] {
        let answer = ask(&running, "GET", path, "").await;
        assert_eq!((answer.status, &answer.body), (200, &page), "{path}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        let policy = answer.header("content-security-policy");
        let socket = format!("connect-src 'self' ws://localhost:{};", running.port());
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", &socket] {
            assert!(policy.contains(part), "{part} is not in {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("permissions-policy", "microphone=(self), camera=(self)"),
            ("cache-control", "no-cache"),
        ] {
            assert_eq!(answer.header(name), value);
        }
        assert!(answer.header("server").starts_with("twocan/"));
    }
}

#[tokio::test]
async fn a_page_that_is_held_already_is_not_sent_again() {
    let running = Running::start();
    let tag = ask(&running, "GET", "/", "").await.header("etag").to_owned();
    let again = ask(&running, "GET", "/", &format!("if-none-match: {tag}\r\n")).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(again.header("etag"), tag);
    assert_eq!(ask(&running, "GET", "/", "if-none-match: \"other\"\r\n").await.status, 200);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let running = Running::start();
    for path in ["/", "/health", "/missing"] {
        let (get, head) = (ask(&running, "GET", path, "").await, ask(&running, "HEAD", path, "").await);
        assert_eq!(head.status, get.status);
        assert!(head.body.is_empty());
        for name in ["content-length", "content-type", "etag", "server"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
        assert_eq!(get.header("content-length"), get.body.len().to_string());
    }
}

#[tokio::test]
async fn other_methods_are_refused() {
    let running = Running::start();
    let answer = ask(&running, "PUT", "/s", "content-length: 0\r\n").await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"));
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
        for path in ["/", "/health", "/missing"] {
            let answer = ask(&running, method, path, "content-length: 0\r\n").await;
            assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn nothing_but_the_page_can_be_had() {
    let running = Running::start();
    for path in [
        "/missing",
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/..%2fCargo.toml",
        "/assets/page/index.html",
        "/.gitkeep",
        "/index.html/",
        "/index.html%00",
        "//etc/passwd",
        "/%ff",
        "/..",
        "/./index.html",
        "/..%5c..%5cCargo.toml",
        "/....//Cargo.toml",
        "/s/../index.html",
        "/s/%2e%2e%2findex.html",
        "/s/..%2f..%2f..%2fetc%2fpasswd",
        "/s/",
        "/s/aaaaaaaa/",
        "/s/aaaaaaaa/index.html",
    ] {
        assert_eq!(ask(&running, "GET", path, "").await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_socket_that_is_not_asked_for_properly_is_refused_with_a_sentence() {
    let running = Running::start();
    let answer = ask(&running, "GET", "/ws", "upgrade: websocket\r\n").await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.starts_with(b"No WebSocket: "), "{:?}", String::from_utf8_lossy(&answer.body));
    assert_eq!(ask(&running, "GET", "/ws", "").await.status, 404, "and is nothing to look at");
}

#[tokio::test]
async fn a_page_of_another_site_gets_no_socket_unless_it_is_allowed() {
    let socket = |origin: &str| {
        format!(
            "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\norigin: {origin}\r\n"
        )
    };
    let running = Running::start();
    for origin in ["https://evil.example", "null", "http://localhost", "http://localhost:1"] {
        let answer = ask(&running, "GET", "/ws", &socket(origin)).await;
        assert_eq!((answer.status, &answer.body[..]), (403, &b"Pages of that site may not use this server.\n"[..]));
    }
    let site = "https://site.example";
    let origins = Origins::Listed(vec![site.parse().unwrap()]);
    let running = Running::start_with(Settings { origins, ..Settings::default() });
    assert_eq!(ask(&running, "GET", "/ws", &socket("https://evil.example")).await.status, 403);
    for origin in [site, &format!("http://localhost:{}", running.port())] {
        let request = format!(
            "GET /ws HTTP/1.1\r\nhost: localhost:{}\r\nconnection: upgrade\r\n{}\r\n",
            running.port(),
            socket(origin)
        );
        let mut tcp = running.tcp().await;
        tcp.write_all(request.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        within(SOON, "the answer", tcp.read_exact(&mut status)).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 101", "{origin}");
    }
}

#[tokio::test]
async fn a_request_that_is_none_is_refused_or_closed() {
    let running = Running::start();
    for request in [
        &b"GET http://[::1 HTTP/1.1\r\n\r\n"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"POST /s HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut tcp = running.tcp().await;
        tcp.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        let _ = within(SOON, "the end", tcp.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert_eq!(ask(&running, "GET", "/health", "").await.status, 200);
}

/// A path is a name in the binary: nothing of it is opened.
#[tokio::test]
async fn a_host_or_path_that_lies_changes_no_header() {
    let running = Running::start();
    for host in ["evil.example%0d%0ax:y", "a\tb", "a;script-src *", "\u{fc}"] {
        let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let answer = exchange(running.tcp().await, request.as_bytes(), SOON).await;
        let policy = answer.header("content-security-policy");
        assert!([400, 421].contains(&answer.status) || policy.contains("connect-src 'self' ws:;"), "{host}: {policy}");
    }
}

#[tokio::test]
async fn a_page_whose_name_was_made_to_lead_here_gets_nothing() {
    let running = Running::start();
    let socket = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\norigin: http://evil.example:8443\r\n";
    for (path, more) in [("/", ""), ("/ice", ""), ("/metrics", ""), ("/ws", socket)] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: evil.example:8443\r\n{more}connection: close\r\n\r\n");
        let answer = exchange(running.tcp().await, request.as_bytes(), SOON).await;
        assert_eq!(answer.status, 421, "{path}");
        assert!(answer.body.starts_with(b"Over plain http this server is http://localhost alone"), "{path}");
    }
}

#[tokio::test]
async fn who_comes_by_a_proxy_counts_by_their_own_address() {
    let limits = Limits { connections_per_address: 1, ..Limits::default() };
    let proxies = vec!["127.0.0.1".parse().unwrap()];
    let running = Running::start_with(Settings { limits, proxies, ..Settings::default() });
    let upgrade = "GET /ws HTTP/1.1\r\nhost: talk.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
        origin: https://talk.example\r\nx-forwarded-for: 10.9.9.9, ";
    let open = async |from: &str| {
        let mut tcp = running.tcp().await;
        tcp.write_all(format!("{upgrade}{from}\r\n\r\n").as_bytes()).await.unwrap();
        let mut status = [0; 12];
        within(SOON, "the answer", tcp.read_exact(&mut status)).await.unwrap();
        (String::from_utf8(status[9..].to_vec()).unwrap(), tcp)
    };
    let (first, held) = open("192.0.2.1").await;
    let (second, _) = open("192.0.2.1").await;
    let (other, _held) = open("192.0.2.2").await;
    assert_eq!((&*first, &*second, &*other), ("101", "429", "101"));
    drop(held);
    let again = async {
        while open("192.0.2.1").await.0 != "101" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await; // The server has yet to see that it has gone.
        }
    };
    within(SOON, "room for another", again).await;
    let plain = "x-forwarded-for: 192.0.2.3\r\nx-forwarded-proto: http\r\n";
    assert_eq!(ask(&running, "GET", "/", plain).await.status, 308, "what was plain at the proxy is to be https");
    assert_eq!(ask(&running, "GET", "/metrics", "").await.status, 404, "nobody is taken for this machine");
}

#[tokio::test]
async fn pages_of_an_allowed_site_may_read_what_they_may_ask_for() {
    let site = "https://site.example";
    let origins = Origins::Listed(vec![site.parse().unwrap()]);
    let running = Running::start_with(Settings { origins, ..Settings::default() });
    let from = |origin: &str| format!("sec-fetch-site: cross-site\r\norigin: {origin}\r\n");
    for (method, path, status) in [("GET", "/ice", 200), ("GET", "/s/aaaaaaaa", 404), ("POST", "/s", 400)] {
        let answer = ask(&running, method, path, &from(site)).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, site), "{path}");
        let answer = ask(&running, method, path, &from("https://evil.example")).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
        assert!([403, 404].contains(&answer.status), "{path}");
    }
    assert_eq!(ask(&running, "GET", "/health", &from(site)).await.header("access-control-allow-origin"), "");
}
