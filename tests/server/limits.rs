//! What a client may cost the server and the others.

use std::time::Duration;

use futures_util::{FutureExt, SinkExt, Stream, StreamExt, stream::FuturesUnordered};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::Instant,
};
use tokio_tungstenite::{
    MaybeTlsStream, client_async,
    tungstenite::{
        Error, Message,
        protocol::frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};

use crate::{Client, Running, SOON, within};

/// The longest message that is taken.
const LONGEST: usize = 64 * 1024;

#[tokio::test]
async fn a_message_of_a_megabyte_is_closed_with_1009_and_ends_the_session() {
    let running = Running::start();
    let (mut one, mut other) = running.session("a", "b").await;
    one.says("before").await;
    // The server stops reading it half-way, so sending it may fail; the close frame comes all the same.
    let _ = within(SOON, "sending", one.socket.send(text(1 << 20))).await;
    one.is_closed(1009, "message too large").await;
    other.hears("before").await;
    other.is_closed(1000, "").await;
}

#[tokio::test]
async fn one_byte_over_the_limit_is_too_large_also_in_pieces() {
    let running = Running::start();
    let (mut one, mut other) = running.session("a", "b").await;
    one.sends(text(LONGEST)).await;
    assert_eq!(other.next().await, Some(text(LONGEST)));
    one.sends(text(LONGEST + 1)).await;
    one.is_closed(1009, "message too large").await;
    let mut pieces = running.registered("c").await;
    let piece = |code, last| Message::Frame(Frame::message("x".repeat(LONGEST / 2 + 1), OpCode::Data(code), last));
    pieces.sends(piece(Data::Text, false)).await;
    pieces.sends(piece(Data::Continue, true)).await;
    pieces.is_closed(1009, "message too large").await;
}

#[tokio::test]
async fn text_that_is_not_utf8_is_closed_with_1007() {
    let running = Running::start();
    let mut client = running.registered("a").await;
    client.sends(Message::Frame(Frame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true))).await;
    client.is_closed(1007, "not UTF-8").await;
}

#[tokio::test]
async fn a_slow_reader_in_a_room_loses_itself_and_nobody_else_anything() {
    let running = Running::start();
    let mut sender = running.in_room("sender", "tea", "").await;
    let _slow = running.in_room("slow", "tea", "sender").await; // Never read from.
    sender.hears("ROOM_PEER_JOINED slow").await;
    let mut quick = running.in_room("quick", "tea", "sender slow").await;
    sender.hears("ROOM_PEER_JOINED quick").await;
    let bulk = format!("ROOM_PEER_MSG slow {}", "x".repeat(60_000));
    for n in 0.. {
        assert!(n < 2_000, "100 MB wait for one who does not read");
        sender.says(&bulk).await;
        sender.says(&format!("ROOM_PEER_MSG quick {n}")).await;
        // Either the note for the quick one comes through, or first the word that the slow one is gone.
        let note = Message::text(format!("ROOM_PEER_MSG sender {n}"));
        let heard = quick.next().await.unwrap();
        if heard == Message::text("ROOM_PEER_LEFT slow") {
            assert_eq!(quick.next().await, Some(note));
            break;
        }
        assert_eq!(heard, note);
    }
    sender.hears("ROOM_PEER_LEFT slow").await;
    sender.asks("ROOM_PEER_LIST", "ROOM_PEER_LIST quick").await;
    running.registered("slow").await;
}

#[tokio::test]
async fn a_slow_reader_in_a_session_ends_it() {
    let running = Running::start();
    let (mut one, _slow) = running.session("a", "b").await;
    let flood = async { while one.socket.send(text(60_000)).await.is_ok() {} };
    within(Duration::from_secs(20), "the end of the session", flood).await;
    running.registered("b").await;
    running.registered("a").await;
}

#[tokio::test]
async fn a_reader_that_takes_its_time_but_reads_loses_nothing() {
    let running = Running::start();
    let (mut one, mut other) = running.session("a", "b").await;
    // Less than a mebibyte may wait, whatever the system's buffers hold.
    for n in 0..200 {
        one.says(&format!("{n} {}", "x".repeat(4_000))).await;
    }
    one.has_heard_all().await;
    for n in 0..200 {
        other.hears(&format!("{n} {}", "x".repeat(4_000))).await;
    }
}

/// Each takes ten seconds, so they are awaited together.
#[tokio::test]
async fn whoever_makes_no_progress_for_ten_seconds_is_closed() {
    tokio::join!(
        a_reader_that_makes_no_progress_loses_itself(),
        a_connection_that_says_nothing_or_half_a_request_is_closed(),
        a_slow_loris_one_byte_at_a_time_is_closed_too(),
    );
}

async fn a_reader_that_makes_no_progress_loses_itself() {
    let running = Running::start();
    let mut sender = running.in_room("sender", "tea", "").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap(); // So that little of it is taken by the system.
    let tcp = socket.connect(([127, 0, 0, 1], running.port()).into()).await.unwrap();
    let stuck = client_async("ws://localhost/ws", MaybeTlsStream::Plain(tcp)).await.unwrap().0;
    let mut stuck = Client { socket: stuck };
    stuck.asks("HELLO stuck", "HELLO").await;
    stuck.asks("ROOM tea", "ROOM_OK sender").await;
    sender.hears("ROOM_PEER_JOINED stuck").await;
    let began = Instant::now();
    for _ in 0..15 {
        sender.says(&format!("ROOM_PEER_MSG stuck {}", "x".repeat(60_000))).await; // Less than a mebibyte in all.
    }
    sender.has_heard_all().await;
    sender.hears("ROOM_PEER_LEFT stuck").await;
    let took = began.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(12)).contains(&took), "{took:?}");
}

async fn a_connection_that_says_nothing_or_half_a_request_is_closed() {
    let running = Running::start();
    let closed = async |said: &[u8]| {
        let mut tcp = running.tcp().await;
        tcp.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        let read = within(Duration::from_secs(15), "the end", tcp.read_to_end(&mut answer)).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{:?} {read:?}", String::from_utf8_lossy(&answer));
    };
    tokio::join!(
        closed(b""),
        closed(b"GET / HTTP/1.1\r\nhost: localhost\r\nx: "),
        closed(b"\x16\x03\x01\x02\x00\x01"), // The beginning of TLS.
    );
}

async fn a_slow_loris_one_byte_at_a_time_is_closed_too() {
    let running = Running::start();
    let (mut from, mut to) = running.tcp().await.into_split();
    let drip = async {
        for byte in b"GET / HTTP/1.1\r\nhost: localhost\r\nx: ".iter().chain(std::iter::repeat(&b'y')) {
            if to.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await; // The pace is what is tested.
        }
    };
    let mut answer = Vec::new();
    let ended = async {
        let _ = from.read_to_end(&mut answer).await;
    };
    within(Duration::from_secs(15), "the end", async {
        tokio::select! { () = drip => {}, () = ended => {} }
    })
    .await;
}

#[tokio::test]
async fn a_request_with_too_large_a_head_is_refused() {
    let running = Running::start();
    for head in [format!("x: {}\r\n", "y".repeat(64 * 1024)), "x: y\r\n".repeat(100)] {
        let mut tcp = running.tcp().await;
        let _ = tcp.write_all(format!("GET / HTTP/1.1\r\nhost: localhost\r\n{head}\r\n").as_bytes()).await;
        let mut status = [0; 12];
        within(SOON, "the refusal", tcp.read_exact(&mut status)).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 431");
    }
}

fn text(bytes: usize) -> Message {
    Message::text("x".repeat(bytes))
}

/// With which code and reason it is closed, whatever comes before.
async fn last_word(from: &mut (impl Stream<Item = Result<Message, Error>> + Unpin)) -> Option<(u16, String)> {
    loop {
        match from.next().await {
            Some(Ok(Message::Close(Some(frame)))) => return Some((frame.code.into(), frame.reason.to_string())),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

#[tokio::test]
async fn who_says_too_much_too_quickly_is_closed_and_nobody_else() {
    let running = Running::start();
    let mut calm = running.registered("calm").await;
    let ping = || Message::Ping(vec![7; 100].into());
    for (name, message) in [("pings", ping()), ("texts", Message::text("SESSION nobody"))] {
        let (mut say, mut hear) = running.registered(name).await.socket.split();
        let saying = async { while say.send(message.clone()).await.is_ok() {} };
        let (end, ()) = tokio::join!(within(SOON, "the end", last_word(&mut hear)), saying);
        assert_eq!(end, Some((1008, "too many messages".to_owned())), "{name}");
    }
    calm.asks("ROOM tea", "ROOM_OK ").await;
}

#[tokio::test]
async fn eight_hundred_at_a_stroke_are_taken() {
    let running = Running::start();
    let mut client = running.registered("a").await;
    for _ in 0..700 {
        client.sends(Message::Ping(vec![7; 100].into())).await;
    }
    client.asks("ROOM tea", "ROOM_OK ").await;
}

/// The head of the answer to a request for a WebSocket.
async fn asked_for_a_socket(running: &Running) -> (TcpStream, String) {
    let mut tcp = running.tcp().await;
    let request = "GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    tcp.write_all(request.as_bytes()).await.unwrap();
    let head = head(&mut tcp).await;
    (tcp, head)
}

/// The head of the next answer, in lower case, or as much of it as comes.
async fn head(tcp: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match within(SOON, "an answer", tcp.read_u8()).await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_then_is_told_to_come_later() {
    let running = Running::limited(|limits| limits.connections_per_address = 3);
    let mut held = Vec::new();
    for _ in 0..3 {
        let (tcp, head) = asked_for_a_socket(&running).await;
        assert!(head.starts_with("http/1.1 101"), "{head}");
        held.push(tcp);
    }
    let (_tcp, head) = asked_for_a_socket(&running).await;
    assert!(head.starts_with("http/1.1 429") && head.contains("retry-after: 1"), "{head}");
    held.pop();
    // The server sees the end of the one in its own time.
    within(SOON, "a free place", async {
        while !asked_for_a_socket(&running).await.1.starts_with("http/1.1 101") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_full_server_says_so() {
    let running = Running::limited(|limits| limits.connections = 1);
    let (_held, _) = asked_for_a_socket(&running).await;
    let (_tcp, head) = asked_for_a_socket(&running).await;
    assert!(head.starts_with("http/1.1 503") && head.contains("retry-after: "), "{head}");
}

#[tokio::test]
async fn an_address_that_connects_too_quickly_is_told_to_come_later() {
    let running = Running::limited(|limits| limits.address_rate = 1);
    let mut refused = None;
    for _ in 0..30 {
        let (_, head) = asked_for_a_socket(&running).await;
        if !head.starts_with("http/1.1 101") {
            refused = Some(head);
            break;
        }
    }
    let head = refused.expect("thirty at a stroke are more than four");
    assert!(head.starts_with("http/1.1 429") && head.contains("retry-after: 1"), "{head}");
}

#[tokio::test]
async fn who_is_silent_is_asked_and_then_given_up_and_who_answers_stays() {
    let running = Running::limited(|limits| {
        limits.idle_ping = Duration::from_millis(400);
        limits.pong_timeout = Duration::from_secs(2);
    });
    let mut deaf = running.in_room("deaf", "tea", "").await;
    let mut alive = running.in_room("alive", "tea", "deaf").await;
    deaf.hears("ROOM_PEER_JOINED alive").await;
    // Waiting for it, `alive` answers pings; nobody does for `deaf`.
    alive.hears("ROOM_PEER_LEFT deaf").await;
    let ping = within(SOON, "what was said to the deaf", deaf.socket.next()).await;
    assert!(matches!(ping, Some(Ok(Message::Ping(_)))), "{ping:?}");
    deaf.hears_close(1001, "no sign of life").await;
    alive.asks("ROOM_PEER_LIST", "ROOM_PEER_LIST ").await;
}

#[tokio::test]
async fn a_compressed_frame_is_no_frame_for_nothing_was_agreed_on() {
    let running = Running::start();
    let mut client = running.registered("a").await;
    let mut frame = Frame::message(vec![0; 100], OpCode::Data(Data::Text), true);
    frame.header_mut().rsv1 = true;
    client.sends(Message::Frame(frame)).await;
    client.is_closed(1002, "invalid protocol").await;
}

#[tokio::test]
async fn an_answer_that_is_four_times_as_long_as_what_was_said_is_given() {
    let running = Running::start();
    let mut client = running.registered("a").await;
    client.says(&"\u{1}".repeat(LONGEST)).await;
    let Some(Message::Text(answer)) = client.next().await else { panic!("no answer") };
    assert!(answer.starts_with("ERROR invalid msg '") && answer.len() > 4 * LONGEST, "{}", answer.len());
    client.asks("ROOM tea", "ROOM_OK ").await;
}

#[tokio::test]
async fn whoever_may_not_be_told_as_much_as_it_asks_for_is_closed() {
    let running = Running::limited(|limits| limits.waiting = 100_000);
    let mut client = running.registered("a").await;
    client.says(&"\u{1}".repeat(LONGEST)).await;
    assert!(client.ends().await, "it would never hear anything again");
    running.registered("a").await;
}

#[tokio::test]
async fn what_waits_for_all_together_is_bounded() {
    let running = Running::limited(|limits| limits.waiting_in_all = 1 << 20);
    let mut deaf = Vec::new();
    for n in 0..8 {
        let (mut one, other) = running.session(&format!("a{n}"), &format!("b{n}")).await;
        // Less than each may have waiting, whatever the system takes.
        for _ in 0..14 {
            one.says(&"x".repeat(60_000)).await;
        }
        deaf.push((one, other));
    }
    let mut ends: FuturesUnordered<_> = deaf.iter_mut().map(|(one, _)| one.socket.next()).collect();
    for count in 1..=3 {
        let end = within(SOON, &format!("the end of {count} of 8"), ends.next()).await;
        assert!(matches!(end, Some(Some(Ok(Message::Close(_))))), "{end:?}");
    }
    drop(ends);
    let (mut one, mut other) = running.session("quick", "reader").await;
    for _ in 0..50 {
        one.says(&"x".repeat(LONGEST)).await;
        assert_eq!(other.next().await, Some(text(LONGEST)), "who reads is served");
    }
}

#[tokio::test]
async fn the_last_word_does_not_wait_for_ever_behind_what_nobody_reads() {
    let running = Running::limited(|limits| limits.pong_timeout = Duration::from_secs(1));
    let (mut one, mut slow) = running.session("a", "b").await;
    for _ in 0..14 {
        one.says(&"x".repeat(60_000)).await;
    }
    one.has_heard_all().await;
    one.leaves().await; // The end of the session waits behind all that.
    let mut trickle = Vec::new();
    let began = Instant::now();
    let MaybeTlsStream::Plain(tcp) = slow.socket.get_mut() else { panic!("plain") };
    // Enough progress at a time for the stall to be forgotten.
    while tcp.read_u8().await.is_ok() && began.elapsed() < Duration::from_secs(12) {
        trickle.resize(40_000, 0);
        if tcp.read(&mut trickle).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(900)).await; // The pace is what is tested.
    }
    assert!(began.elapsed() < Duration::from_secs(12), "it still trickles");
}

#[tokio::test]
async fn an_address_may_say_so_much_in_all() {
    let running = Running::limited(|limits| limits.address_messages = 100);
    let mut crowd = Vec::new();
    for n in 0..20 {
        crowd.push(running.registered(&format!("c{n}")).await);
    }
    let mut end = None;
    'all: for _ in 0..100 {
        for client in &mut crowd {
            // It may have been closed since it was heard last.
            let is_over = client.socket.send(Message::text("SESSION nobody")).await.is_err();
            while let Some(Some(Ok(heard))) = client.socket.next().now_or_never() {
                if let Message::Close(Some(frame)) = heard {
                    end = Some((u16::from(frame.code), frame.reason.as_str().to_owned()));
                    break 'all;
                }
            }
            if is_over {
                break 'all;
            }
        }
    }
    assert_eq!(end, Some((1008, "too many messages from this address".to_owned())));
}

#[tokio::test]
async fn requests_on_one_connection_are_counted_and_those_for_links_most() {
    // For forty links at a stroke, and ten more each second that this takes.
    let running = Running::limited(|limits| limits.address_messages = 400);
    let mut tcp = running.tcp().await;
    let (mut answered, mut refused) = (0, 0);
    // One after the other: a reset would take answers with it that have not been read yet.
    let asking = async {
        let request = b"GET /s/aaaaaaaa HTTP/1.1\r\nhost: localhost\r\n\r\n";
        while tcp.write_all(request).await.is_ok() {
            match status(&mut tcp).await {
                Some(404) => answered += 1,
                Some(429) => refused += 1,
                None => break,
                Some(other) => panic!("{other}"),
            }
        }
    };
    within(SOON, "the end", asking).await;
    assert!((30..150).contains(&answered), "{answered}");
    assert_eq!(refused, 1);
}

/// The status of the next answer, whose body is read too; none if the connection ends before that.
async fn status(tcp: &mut TcpStream) -> Option<u16> {
    let head = head(tcp).await;
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |said| said.parse().unwrap());
    tcp.read_exact(&mut vec![0; length]).await.ok()?;
    head.split(' ').nth(1)?.parse().ok()
}

#[tokio::test]
async fn looking_through_the_directory_counts_as_many_messages() {
    let running = Running::start();
    let mut client = running.client_at("/workrooms").await;
    client.says(r#"{"type":"register","detail":{"sessionid":"s","calls":[]}}"#).await;
    for _ in 0..100 {
        if client.socket.send(Message::text(r#"{"type":"autocomplete","detail":{"search":"anna"}}"#)).await.is_err() {
            break;
        }
    }
    let end = within(SOON, "the end", last_word(&mut client.socket)).await;
    assert_eq!(end, Some((1008, "too many messages".to_owned())));
}

#[tokio::test]
async fn who_takes_long_to_say_one_message_is_there_all_the_same() {
    let running = Running::limited(|limits| {
        limits.idle_ping = Duration::from_millis(400);
        limits.pong_timeout = Duration::from_secs(1);
    });
    let (mut one, mut other) = running.session("a", "b").await;
    let MaybeTlsStream::Plain(tcp) = one.socket.get_mut() else { panic!("plain") };
    // A masked text of twenty bytes; the mask is nothing but zeros.
    let slow = async {
        for byte in [&[0x81, 0x80 | 20, 0, 0, 0, 0][..], &[b'x'; 20]].concat() {
            tcp.write_all(&[byte]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await; // The pace is what is tested.
        }
    };
    let ((), heard) = tokio::join!(slow, other.next());
    assert_eq!(heard, Some(text(20)));
}
