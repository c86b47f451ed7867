//! Which STUN and TURN servers the server offers.

use std::{fs, time::Duration};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use twocan::{
    invite::Origin,
    rt,
    server::{Options, Server, ServerError, Settings, Turn},
    socket::ice_servers,
};

use crate::{Running, SOON, options, within};

fn with_turn(home: &tempfile::TempDir) -> Options {
    let secret_file = home.path().join("secret");
    let lifetime = Duration::from_secs(600);
    let turn = Turn { urls: vec!["turn:127.0.0.1:3478?transport=udp".into()], secret_file, lifetime };
    let settings = Settings { turn: Some(turn), stun: vec!["stun:127.0.0.1:3478".into()], ..Settings::default() };
    Options { settings, ..options(home, 0) }
}

/// A server that offers both.
fn start() -> Running {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("secret"), "north\n").unwrap();
    Running { server: Server::start(with_turn(&home)).unwrap(), home }
}

async fn ask(running: &Running, more: &str) -> (String, String) {
    let mut tcp = running.tcp().await;
    let request = format!("GET /ice HTTP/1.1\r\nhost: localhost:{}\r\n{more}\r\n", running.port());
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // It ends by itself: each answer takes a connection.
    within(SOON, "the answer", tcp.read_to_string(&mut answer)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn the_page_gets_a_password_that_no_cache_keeps_and_no_other_site_sees() {
    let running = start();
    let (head, body) = ask(&running, "sec-fetch-site: same-origin\r\n").await;
    assert!(head.starts_with("http/1.1 200") && head.contains("content-type: application/json"), "{head}");
    assert!(head.contains("cache-control: no-store") && !head.contains("access-control"), "{head}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["lifetime"], 600);
    assert_eq!(answer["iceServers"][0], json!({ "urls": ["stun:127.0.0.1:3478"] }));
    assert_eq!(answer["iceServers"][1]["urls"], json!(["turn:127.0.0.1:3478?transport=udp"]));
    assert!(!body.contains("north"));
    for foreign in ["sec-fetch-site: cross-site\r\n", "origin: https://evil.example\r\n"] {
        let (head, body) = ask(&running, foreign).await;
        assert!(head.starts_with("http/1.1 403") && !body.contains("credential"), "{foreign}: {body}");
    }
}

#[test]
fn the_programs_own_client_gets_it_too() {
    let running = start();
    let origin: Origin = format!("http://localhost:{}", running.port()).parse().unwrap();
    let secure: Origin = format!("https://localhost:{}", running.port()).parse().unwrap();
    let course = async {
        for origin in [origin, secure] {
            let servers = ice_servers(&origin).await.unwrap();
            assert_eq!((servers.ice_servers.len(), servers.lifetime), (2, 600), "{origin}");
            assert!(servers.ice_servers[1].credential.is_some());
        }
    };
    rt::run(course).unwrap();
}

#[tokio::test]
async fn without_turn_there_is_an_empty_offer_and_without_its_secret_no_server() {
    let running = Running::start();
    let (_, body) = ask(&running, "").await;
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["iceServers"], json!([]));
    let home = tempfile::tempdir().unwrap();
    let error = Server::start(with_turn(&home)).unwrap_err();
    assert!(matches!(&error, ServerError::TurnSecret { path, .. } if path.ends_with("secret")), "{error}");
}
