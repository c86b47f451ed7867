//! Short links: what is left under `/s` and taken again.

use std::{collections::BTreeSet, time::Duration};

use tokio::{io::AsyncWriteExt, net::TcpStream};
use twocan::server::{Limits, Settings};

use crate::{
    Running, SOON,
    http::{Answer, ask, exchange},
};

/// How long a ticket may be.
const LONGEST: usize = 2048;

async fn leave(running: &Running, ticket: &[u8]) -> Answer {
    leave_with(running, ticket, "").await
}

async fn leave_with(running: &Running, ticket: &[u8], more: &str) -> Answer {
    let head = format!(
        "POST /s HTTP/1.1\r\nhost: localhost:{}\r\nconnection: close\r\ncontent-length: {}\r\n{more}\r\n",
        running.port(),
        ticket.len()
    );
    exchange(running.tcp().await, &[head.as_bytes(), ticket].concat(), SOON).await
}

/// Where the ticket is, as the answer tells it in two ways.
fn place(answer: &Answer) -> String {
    let text = String::from_utf8(answer.body.clone()).unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (201, "application/json"), "{text}");
    let id = serde_json::from_str::<serde_json::Value>(&text).unwrap()["id"].as_str().unwrap().to_owned();
    assert!(id.len() == 8 && id.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7')), "{id}");
    assert_eq!(answer.header("location"), format!("/s/{id}"));
    format!("/s/{id}")
}

#[tokio::test]
async fn a_ticket_is_taken_once() {
    let running = Running::start();
    let sealed: Vec<u8> = (0..=255).cycle().take(LONGEST).collect();
    let path = place(&leave(&running, &sealed).await);
    let taken = ask(&running, "GET", &path, "").await;
    assert_eq!((taken.status, &taken.body), (200, &sealed));
    assert_eq!(taken.header("content-type"), "application/octet-stream");
    assert_eq!(taken.header("cache-control"), "no-store");
    assert_eq!(ask(&running, "GET", &path, "").await.status, 404);
    assert_eq!(ask(&running, "HEAD", &path, "").await.status, 404);
}

#[tokio::test]
async fn neither_a_browser_that_shows_it_nor_a_look_takes_a_ticket() {
    let running = Running::start();
    let path = place(&leave(&running, b"sealed").await);
    let page = std::fs::read("assets/page/index.html").unwrap();
    let browser = "accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n";
    for path in [&path, "/s/aaaaaaaa", "/s/nonsense?"] {
        let shown = ask(&running, "GET", path, browser).await;
        assert_eq!((shown.status, &shown.body, shown.header("vary")), (200, &page, "accept"), "{path}");
        assert!(shown.header("content-security-policy").contains("script-src 'self'"));
        assert_eq!(ask(&running, "HEAD", path, browser).await.status, 200);
    }
    let looked = ask(&running, "HEAD", &path, "accept: */*\r\n").await;
    assert_eq!((looked.status, looked.header("content-length"), looked.body.len()), (200, "6", 0));
    assert_eq!(ask(&running, "GET", &path, "accept: */*\r\n").await.body, b"sealed");
}

/// The page is the same at `/` and below `/s/`, so what it loads is named from the root.
#[test]
fn the_page_finds_its_files_from_below() {
    let page = std::fs::read_to_string("assets/page/index.html").unwrap();
    for attribute in ["src=\"", "href=\""] {
        for target in page.split(attribute).skip(1) {
            assert!(target.starts_with('/'), "{}", target.split('"').next().unwrap());
        }
    }
}

#[tokio::test]
async fn what_is_no_ticket_is_refused() {
    let running = Running::start();
    assert_eq!(leave(&running, &[b'x'; LONGEST + 1]).await.status, 413);
    let empty = leave(&running, b"").await;
    assert_eq!((empty.status, &*String::from_utf8_lossy(&empty.body)), (400, "There is no link in this.\n"));
    let head = "POST /s HTTP/1.1\r\nhost: localhost\r\n";
    let announced = format!("{head}content-length: 1000000000\r\n\r\n");
    assert_eq!(exchange(running.tcp().await, announced.as_bytes(), SOON).await.status, 413, "before any of it is sent");
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{chunk}{chunk}1\r\nx\r\n");
    assert_eq!(exchange(running.tcp().await, chunked.as_bytes(), SOON).await.status, 413, "in pieces");
    for path in ["/s", "/s/", "/s/AAAAAAAA", "/s/aaaaaaa", "/s/aaaaaaa1", "/s/aaaaaaaa"] {
        let status = ask(&running, "GET", path, "").await.status;
        assert_eq!(status, if path == "/s" { 405 } else { 404 }, "{path}");
    }
    let foreign = leave_with(&running, b"sealed", "origin: https://evil.example\r\n").await;
    assert_eq!(foreign.status, 403, "a page of another site fills nobody's share");
    let own = leave_with(&running, b"sealed", &format!("origin: http://localhost:{}\r\n", running.port())).await;
    place(&own);
}

#[tokio::test]
async fn a_ticket_that_does_not_arrive_is_given_up() {
    let running = Running::start();
    let drip = async |mut tcp: TcpStream| {
        tcp.write_all(b"POST /s HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
        exchange(tcp, b"", Duration::from_secs(20)).await.status
    };
    assert_eq!(drip(running.tcp().await).await, 408);
}

#[tokio::test]
async fn a_full_store_turns_new_tickets_away_and_keeps_the_old() {
    let limits = Limits { links: 3, ..Limits::default() };
    let running = Running::start_with(Settings { limits, ..Settings::default() });
    let mut paths = BTreeSet::new();
    for n in 0..3 {
        paths.insert(place(&leave(&running, &[n]).await));
    }
    assert_eq!(paths.len(), 3);
    let refused = leave(&running, b"one more").await;
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert_eq!(refused.status, 503);
    assert!((580..=600).contains(&wait), "{wait}");
    for path in &paths {
        assert_eq!(ask(&running, "GET", path, "").await.status, 200);
    }
    place(&leave(&running, b"one more").await);
}

#[tokio::test]
async fn one_address_has_room_for_64() {
    let running = Running::start();
    for _ in 0..64 {
        place(&leave(&running, b"x").await);
    }
    let refused = leave(&running, b"x").await;
    assert_eq!(refused.status, 429);
    assert!(!refused.header("retry-after").is_empty());
}
