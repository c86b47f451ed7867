//! Starting, being found, and stopping.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener},
    process::Command,
    sync::mpsc,
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use twocan::{
    run::serve::serve,
    server::{Limits, Options, Server, ServerError, Settings, is_twocan},
};

use crate::{Running, SOON, http::exchange, options, within};

#[tokio::test]
async fn a_stopping_server_says_goodbye_and_frees_its_port() {
    let running = Running::start();
    let mut client = running.registered("a").await;
    let (port, home) = (running.port(), running.home);
    let stopping = std::thread::spawn(move || running.server.shutdown());
    within(SOON, "the goodbye", client.is_closed(1001, "the server stops")).await;
    stopping.join().unwrap();
    let again = Running { server: Server::start(options(&home, port)).unwrap(), home };
    again.registered("a").await;
}

#[tokio::test]
async fn a_server_that_is_to_come_back_says_when_and_lets_nobody_in_meanwhile() {
    let limits = Limits { idle_ping: Duration::from_secs(600), ..Limits::default() };
    let settings = Settings { retry_after: Some(Duration::from_secs(7)), limits, ..Settings::default() };
    let running = Running::start_with(settings);
    let mut client = running.registered("a").await;
    // Somebody who takes nothing, so that the stop has to wait.
    let (mut sender, _stuck) = running.session("sender", "stuck").await;
    for _ in 0..17 {
        sender.says(&"x".repeat(60_000)).await;
    }
    sender.has_heard_all().await;
    let (port, home) = (running.port(), running.home);
    let server = running.server;
    let stopping = std::thread::spawn(move || server.shutdown());
    within(SOON, "the goodbye", client.is_closed(1012, "back in 7 s")).await;
    let request = format!(
        "GET /ws HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close, upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let answer = exchange(tcp, request.as_bytes(), SOON).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "7"));
    stopping.join().unwrap();
    drop(home);
}

#[tokio::test]
async fn a_client_that_does_not_answer_does_not_hold_the_stop_up() {
    let running = Running::start();
    let _deaf = running.registered("a").await;
    let began = tokio::time::Instant::now();
    tokio::task::spawn_blocking(move || drop(running)).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn who_is_speaking_hears_too_that_the_server_stops() {
    for _ in 0..10 {
        let limits = Limits { message_rate: u32::MAX, address_messages: u32::MAX, ..Limits::default() };
        let retry_after = Some(Duration::from_secs(7));
        let running = Running::start_with(Settings { limits, retry_after, ..Settings::default() });
        let (mut say, mut hear) = running.registered("a").await.socket.split();
        let stopping = tokio::task::spawn_blocking(move || drop(running));
        let speaking = async { while say.send(Message::Ping(vec![7; 100].into())).await.is_ok() {} };
        let end = async {
            loop {
                match hear.next().await {
                    Some(Ok(Message::Close(Some(frame)))) => break (u16::from(frame.code), frame.reason.to_string()),
                    Some(Ok(_)) => {}
                    other => panic!("the last word was lost: {other:?}"),
                }
            }
        };
        let (end, ()) = tokio::join!(within(SOON, "the last word", end), speaking);
        assert_eq!(end, (1012, "back in 7 s".to_owned()));
        stopping.await.unwrap();
    }
}

#[tokio::test]
async fn a_server_is_told_from_other_programs_on_a_port() {
    let running = Running::start();
    assert!(is_twocan(running.port()));
    let stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = stranger.local_addr().unwrap().port();
    let answering = std::thread::spawn(move || {
        let (mut tcp, _) = stranger.accept().unwrap();
        let _ = tcp.read(&mut [0; 1024]).unwrap();
        tcp.write_all(b"HTTP/1.1 200 OK\r\nserver: nginx\r\ncontent-length: 2\r\n\r\nOK").unwrap();
    });
    assert!(!is_twocan(port));
    answering.join().unwrap();
    assert!(!is_twocan(port), "nobody listens there any more");
}

#[test]
fn a_taken_port_is_told() {
    let running = Running::start();
    let home = tempfile::tempdir().unwrap();
    let port = running.port();
    let refused = Server::start(options(&home, port));
    assert!(matches!(refused, Err(ServerError::PortTaken { port: taken }) if taken == port));
    assert!(home.path().read_dir().unwrap().next().is_none(), "and no key is made for nothing");
}

#[test]
fn a_state_folder_that_cannot_be_written_is_told() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("server"), "in the way").unwrap();
    let refused = Server::start(options(&home, 0));
    assert!(matches!(refused, Err(ServerError::State { .. })), "{refused:?}");
}

#[test]
fn listening_everywhere_names_https_for_others_and_http_for_this_machine() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(Options { listen: vec![], ..options(&home, 0) }).unwrap();
    let port = server.port();
    assert_eq!(server.urls().here.as_str(), format!("http://localhost:{port}/"));
    for url in &server.urls().network {
        assert_eq!((url.scheme(), url.port()), ("https", Some(port)));
    }
    assert!(is_twocan(port), "IPv4's loopback is this machine although the listener is IPv6's");
    let loopback = Server::start(options(&home, 0)).unwrap();
    assert!(loopback.urls().network.is_empty());
}

/// Passes on what is written as it comes.
struct Told(mpsc::Sender<String>);

impl Write for Told {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.send(String::from_utf8_lossy(text).into_owned()).map_err(io::Error::other)?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn serve_tells_where_it_is_and_a_signal_stops_it() {
    for signal in ["-TERM", "-INT"] {
        let home = tempfile::tempdir().unwrap();
        let options = options(&home, 0);
        let (say, told) = mpsc::channel();
        let serving = std::thread::spawn(move || serve(options, &mut Told(say)));
        let mut said = String::new();
        while !said.contains("Ctrl-C") {
            said += &told.recv_timeout(SOON).unwrap();
        }
        let port: u16 = said.split("localhost:").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
        assert!(is_twocan(port));
        assert!(Command::new("kill").args([signal, &std::process::id().to_string()]).status().unwrap().success());
        serving.join().unwrap().unwrap();
        assert!(!is_twocan(port));
    }
}
