//! `twocan call` as a script drives it: real programs, a real server, nothing to see or hear.

use std::net::TcpListener;

use serde_json::json;
use tokio_tungstenite::tungstenite::{
    self,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::{Home, serve::Service, talk::Line};

/// One side of a call at a server elsewhere.
fn side(home: &Home, server: &str, arguments: &[&str]) -> Line {
    let media = ["--mic", "none", "--camera", "none", "--speaker", "none", "--window", "none"];
    Line::run(home, "call", &[arguments, &["--server", server], &media[..]].concat())
}

#[test]
fn a_call_that_ends_with_its_server_names_the_server_and_who_hung_up_is_no_failure() {
    let homes = [Home::new(), Home::new(), Home::new()];
    let service = Service::start(&homes[0], &["--idle-ping", "600"]);
    let server = format!("http://localhost:{}", service.port);
    let mut waiting = side(&homes[1], &server, &["--as", "bob"]);
    let command = format!("twocan call bob --server {server}");
    waiting.wait("waiting", json!({ "uid": "bob", "command": command }));
    waiting.wait("line", json!({ "state": "joined" }));
    let call = |waiting: &mut Line| {
        let mut calling = side(&homes[2], &server, &["bob"]);
        calling.wait("call", json!({ "state": "connected" }));
        waiting.wait("call", json!({ "state": "connected" }));
        calling
    };
    let calling = call(&mut waiting);
    waiting.command("hang_up");
    assert_eq!(calling.end().0, Some(0), "the other side has left");
    waiting.wait("line", json!({ "state": "joined" }));
    let calling = call(&mut waiting);
    service.signal("-KILL");
    let (code, said) = calling.end();
    assert_eq!(code, Some(4), "{said}");
    let told = said.lines().next().unwrap_or_default();
    assert!(told.contains("the call with bob: ") && told.contains(&format!("the server {server} has gone")), "{said}");
    assert!(said.lines().nth(1).is_some_and(|line| line.starts_with("hint: ")), "{said}");
}

#[test]
fn that_there_is_no_relay_is_told_where_nothing_else_may_be_used() {
    let home = Home::new();
    let service = Service::start(&home, &[]);
    let server = format!("http://localhost:{}", service.port);
    for place in [&["--listen", "127.0.0.1", "--port", "0"][..], &["--server", &server]] {
        let media = ["--mic", "none", "--camera", "none", "--speaker", "none", "--window", "none", "--relay-only"];
        let mut line = Line::run(&home, "call", &[place, &media].concat());
        line.wait_for("that there is no relay", |event| {
            event["event"] == "notice" && event["message"].as_str().is_some_and(|said| said.contains("--relay-only"))
        });
    }
}

/// A server that takes everybody in and says `first`, then ends the connection: 1008, "too many messages".
fn strict(first: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                // Whoever asks for something else, by HTTP, is none of its business.
                let Ok(mut socket) = tungstenite::accept(stream.unwrap()) else { return };
                let frame = CloseFrame { code: CloseCode::Policy, reason: "too many messages".into() };
                let _ = socket.read();
                let _ = socket.send(first.into());
                let _ = socket.close(Some(frame));
                while socket.read().is_ok() {}
            });
        }
    });
    server
}

#[test]
fn why_a_server_ends_the_connection_is_told() {
    let home = Home::new();
    for first in ["junk", "HELLO"] {
        let (code, said) = side(&home, &strict(first), &["tim"]).end();
        assert_eq!(code, Some(4), "{said}");
        assert!(said.lines().next().is_some_and(|line| line.contains("too many messages")), "{said}");
    }
    let mut waiting = side(&home, &strict("junk"), &["--as", "bob"]);
    waiting.wait_for("why", |event| {
        event["event"] == "notice" && event["message"].as_str().is_some_and(|said| said.contains("too many messages"))
    });
}
