//! `/metrics`: that it reads as Prometheus reads it, and that what happens shows in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};
use twocan::server::{Limits, Settings};

use crate::{
    Running, SOON,
    http::{Answer, ask, exchange},
    within,
};

/// The samples, by name and labels; what breaks the format breaks the test.
fn parsed(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n') && !text.contains('\r'));
    let (mut samples, mut kinds, mut families) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    let mut current = "";
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            current = help.split_once(' ').expect("a name and a text").0;
            assert!(families.insert(current), "{current} comes twice");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, current, "the type follows the help");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            kinds.insert(name, kind);
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.strip_suffix('}').unwrap();
            assert!(labels.is_empty() || labels.split(',').all(is_label), "{line}");
            let family = match kinds[current] {
                "histogram" => ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap(),
                _ => name,
            };
            assert_eq!(family, current, "samples stand below their family");
            assert!(kinds[current] != "counter" || name.ends_with("_total"), "{name}");
            assert!(samples.insert(series.to_owned(), value.parse().unwrap()).is_none(), "{series} comes twice");
        }
    }
    samples
}

fn is_label(label: &str) -> bool {
    let Some((name, value)) = label.split_once("=\"") else { return false };
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    is_name && value.strip_suffix('"').is_some_and(|value| !value.contains(['"', '\\']))
}

fn read(answer: &Answer) -> BTreeMap<String, f64> {
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
    parsed(std::str::from_utf8(&answer.body).unwrap())
}

async fn figures(running: &Running) -> BTreeMap<String, f64> {
    read(&ask(running, "GET", "/metrics", "").await)
}

#[tokio::test]
async fn what_happens_shows_in_the_figures() {
    let limits = Limits { room_size: 2, ..Limits::default() };
    let running = Running::start_with(Settings { limits, ..Settings::default() });
    let before = figures(&running).await;
    assert!(before.values().all(|value| *value == 0.0), "{before:?}");
    let _room = (running.in_room("a", "tea", "").await, running.in_room("b", "tea", "a").await);
    let session = running.session("c", "d").await;
    let mut third = running.registered("e").await;
    third.asks("ROOM tea", "ERROR room 'tea' is full").await;
    third.leaves().await;
    let nonsense = [&[0x16, 3, 1, 0, 4][..], b"junk"].concat();
    let mut tcp = running.tcp().await;
    tcp.write_all(&nonsense).await.unwrap();
    let _ = within(SOON, "the end", tcp.read_to_end(&mut Vec::new())).await;
    let _workrooms = running.client_at("/workrooms").await;
    let mut refused = running.client().await;
    refused.says("hello?").await;
    while refused.next().await.is_some() {}
    ask(&running, "POST", "/", "").await;
    ask(&running, "POST", "/s", "content-length: 0\r\n").await;
    let during = figures(&running).await;
    for (name, value) in [
        ("twocan_connections{dialect=\"rendezvous\"}", 4.0),
        ("twocan_connections_total{dialect=\"rendezvous\"}", 6.0),
        ("twocan_refusals_total{cause=\"room_size\"}", 1.0),
        ("twocan_refusals_total{cause=\"tls\"}", 1.0),
        ("twocan_connections{dialect=\"workrooms\"}", 1.0),
        ("twocan_rooms", 1.0),
        ("twocan_sessions", 1.0),
        ("twocan_calls", 0.0),
        ("twocan_links", 0.0),
        ("twocan_relayed_messages_total", 0.0),
        ("twocan_refusals_total{cause=\"protocol\"}", 1.0),
        ("twocan_refusals_total{cause=\"request\"}", 2.0),
    ] {
        assert_eq!(during[name], value, "{name}");
    }
    let (mut one, mut other) = session;
    one.says("0123456789").await;
    other.hears("0123456789").await;
    let relayed = figures(&running).await;
    let more = |name: &str| relayed[name] - during[name];
    let buckets = relayed.keys().filter(|name| name.contains("_bucket{"));
    assert_eq!((more("twocan_relayed_messages_total"), more("twocan_relayed_bytes_total")), (1.0, 10.0));
    assert_eq!(more("twocan_relay_duration_seconds_count"), 1.0);
    assert_eq!(more("twocan_relay_duration_seconds_bucket{le=\"+Inf\"}"), 1.0);
    assert!(buckets.count() > 10 && relayed["twocan_relay_duration_seconds_sum"] > 0.0);
    one.leaves().await;
    let after = figures(&running).await;
    assert_eq!(after["twocan_sessions"], 0.0);
    assert_eq!(after["twocan_connections_total{dialect=\"rendezvous\"}"], 6.0);
}

#[tokio::test]
async fn what_is_no_message_and_what_is_no_request_is_counted() {
    let running = Running::start();
    let mut client = running.registered("a").await;
    let compressed = Message::Frame({
        let mut frame = Frame::message(vec![0; 100], OpCode::Data(Data::Text), true);
        frame.header_mut().rsv1 = true;
        frame
    });
    client.sends(compressed).await;
    client.is_closed(1002, "invalid protocol").await;
    let mut tcp = running.tcp().await;
    tcp.write_all(b"nonsense\r\n\r\n").await.unwrap();
    let _ = within(SOON, "the end", tcp.read_to_end(&mut Vec::new())).await;
    let after = figures(&running).await;
    assert_eq!(after["twocan_refusals_total{cause=\"protocol\"}"], 1.0);
    assert_eq!(after["twocan_refusals_total{cause=\"request\"}"], 1.0);
}

#[tokio::test]
async fn the_port_for_the_figures_takes_so_many_and_no_more() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let running = Running::start_with(Settings { metrics: Some(free), ..Settings::default() });
    let mut held = Vec::new();
    for _ in 0..64 {
        held.push(TcpStream::connect(free).await.unwrap());
    }
    let mut more = TcpStream::connect(free).await.unwrap();
    let _ = within(SOON, "the end of one too many", more.read(&mut [0])).await;
    drop(held);
    running.registered("a").await;
}

#[tokio::test]
async fn the_figures_are_for_this_machine_and_not_for_whom_a_proxy_speaks() {
    let running = Running::start();
    assert_eq!(ask(&running, "HEAD", "/metrics", "").await.status, 200);
    for header in ["x-forwarded-for: 203.0.113.9", "forwarded: for=203.0.113.9", "x-real-ip: 203.0.113.9"] {
        assert_eq!(ask(&running, "GET", "/metrics", &format!("{header}\r\n")).await.status, 404, "{header}");
    }
}

#[tokio::test]
async fn the_figures_may_have_a_port_of_their_own() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let running = Running::start_with(Settings { metrics: Some(free), ..Settings::default() });
    let _client = running.registered("a").await;
    assert_eq!(ask(&running, "GET", "/metrics", "").await.status, 404, "not at the main port then");
    let there = async |request: &str| at(free, request).await;
    assert_eq!(read(&there("GET /metrics").await)["twocan_connections{dialect=\"rendezvous\"}"], 1.0);
    assert_eq!(there("GET /").await.status, 404, "and nothing else there");
    assert_eq!(there("POST /metrics").await.status, 405);
}

async fn at(address: SocketAddr, request: &str) -> Answer {
    let tcp = TcpStream::connect(address).await.unwrap();
    exchange(tcp, format!("{request} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").as_bytes(), SOON).await
}
