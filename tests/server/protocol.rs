//! HELLO, SESSION and ROOM, line by line.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::{Message, protocol::Role};

use twocan::server::{Limits, Settings};

use crate::{Client, Running, SOON, within};

#[tokio::test]
async fn every_path_carries_the_protocol() {
    let running = Running::start();
    for (number, path) in ["/", "/ws", "/some/other?x=1", ""].into_iter().enumerate() {
        running.client_at(path).await.asks(&format!("HELLO {number}"), "HELLO").await;
    }
}

#[tokio::test]
async fn the_first_message_must_be_hello() {
    let running = Running::start();
    for text in ["", "SESSION a", "hello a", "HELLOa", "{\"sdp\":{}}"] {
        let mut client = running.client().await;
        client.asks(text, "ERROR invalid protocol").await;
        client.is_closed(1002, "invalid protocol").await;
    }
}

#[tokio::test]
async fn a_uid_is_one_word_of_at_most_256_bytes() {
    let running = Running::start();
    for uid in ["", " a", "a ", "a b", "a\tb", "a\u{2003}b", "a\u{7}", &"ü".repeat(129)] {
        let mut client = running.client().await;
        client.asks(&format!("HELLO {uid}"), "ERROR invalid peer uid").await;
        client.is_closed(1002, "invalid peer uid").await;
    }
    running.registered(&"ü".repeat(128)).await;
}

#[tokio::test]
async fn silence_is_closed_after_ten_seconds() {
    let running = Running::start();
    let mut registered = running.registered("a").await;
    let began = tokio::time::Instant::now();
    running.client().await.is_closed(1002, "hello timeout").await;
    let took = began.elapsed();
    assert!((Duration::from_millis(9_900)..Duration::from_secs(12)).contains(&took), "{took:?}");
    registered.has_heard_all().await;
}

#[tokio::test]
async fn a_taken_uid_is_refused_at_once_while_its_holder_lives() {
    let running = Running::start();
    let mut holder = running.registered("a").await;
    let mut newcomer = running.client().await;
    newcomer.says("HELLO a").await;
    let (_, ()) = tokio::join!(
        // Reading answers the ping.
        tokio::time::timeout(Duration::from_millis(2_900), holder.next()),
        async {
            within(Duration::from_millis(2_500), "the refusal", newcomer.hears("ERROR peer uid taken")).await;
            newcomer.is_closed(1002, "invalid peer uid").await;
        }
    );
    holder.asks("ROOM tea", "ROOM_OK ").await;
}

#[tokio::test]
async fn a_half_dead_holder_is_replaced_after_three_seconds() {
    let running = Running::start();
    let mut other = running.in_room("b", "tea", "").await;
    let half_dead = running.in_room("a", "tea", "b").await; // It is not read from, so it answers no ping.
    other.hears("ROOM_PEER_JOINED a").await;
    let (mut newcomer, mut further) = (running.client().await, running.client().await);
    let began = tokio::time::Instant::now();
    newcomer.says("HELLO a").await;
    newcomer.has_heard_all().await; // Now its HELLO is in, and the holder is being asked.
    further.asks("HELLO a", "ERROR peer uid taken").await;
    newcomer.hears("HELLO").await;
    let took = began.elapsed();
    assert!((Duration::from_secs(3)..Duration::from_secs(5)).contains(&took), "{took:?}");
    other.hears("ROOM_PEER_LEFT a").await;
    newcomer.asks("ROOM tea", "ROOM_OK b").await;
    drop(half_dead);
    other.hears("ROOM_PEER_JOINED a").await;
    newcomer.has_heard_all().await;
}

#[tokio::test]
async fn binary_is_closed_with_1002() {
    let running = Running::start();
    let (mut one, mut other) = running.session("a", "b").await;
    one.sends(Message::binary(vec![1, 2, 3])).await;
    one.is_closed(1002, "invalid protocol").await;
    other.is_closed(1000, "").await;
    let mut fresh = running.client().await;
    fresh.sends(Message::binary(vec![])).await;
    fresh.is_closed(1002, "invalid protocol").await;
}

#[tokio::test]
async fn a_session_is_refused_without_disturbing_anyone() {
    let running = Running::start();
    let (mut one, mut other) = running.session("a", "b").await;
    let mut roomer = running.in_room("r", "tea", "").await;
    let mut asker = running.registered("o'neil").await;
    asker.asks("SESSION nobody", "ERROR peer 'nobody' not found").await;
    asker.asks("SESSION a", "ERROR peer 'a' busy").await;
    asker.asks("SESSION b", "ERROR peer 'b' busy").await;
    asker.asks("SESSION r", "ERROR peer 'r' busy").await;
    asker.asks("SESSION o'neil", "ERROR peer \"o'neil\" busy").await;
    one.says("still here").await;
    other.hears("still here").await;
    for client in [&mut one, &mut other, &mut roomer, &mut asker] {
        client.has_heard_all().await;
    }
}

#[tokio::test]
async fn a_session_relays_everything_verbatim_and_gives_the_callee_no_notice() {
    let running = Running::start();
    let (mut one, mut other) = running.session("a", "b").await;
    other.has_heard_all().await;
    let long = "x".repeat(64 * 1024);
    for text in ["", " {\"ice\": {}} ", "ROOM tea", "HELLO a", "SESSION b", "ROOM_PEER_LIST", "zoë 🎈\n", &long] {
        one.says(text).await;
        other.hears(text).await;
        other.says(text).await;
        one.hears(text).await;
    }
}

#[tokio::test]
async fn what_was_said_before_leaving_a_session_is_delivered_and_both_uids_are_free_at_once() {
    let running = Running::start();
    for round in 0..20 {
        let (mut one, mut other) = running.session("a", "b").await;
        for n in 0..50 {
            one.says(&format!("{round} {n} {}", "x".repeat(2000))).await;
        }
        one.leaves().await;
        for n in 0..50 {
            other.hears(&format!("{round} {n} {}", "x".repeat(2000))).await;
        }
        // The next round registers both uids anew, before this close handshake ends.
        other.hears_close(1000, "").await;
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_off_ends_its_session_after_all_it_said() {
    let running = Running::start();
    let (mut one, mut other) = running.session("a", "b").await;
    one.says("last words").await;
    drop(one); // No close frame: the connection just ends.
    other.hears("last words").await;
    other.is_closed(1000, "").await;
}

#[tokio::test]
async fn a_session_ends_with_the_close_frame_not_with_the_close_handshake() {
    let running = Running::start();
    let (mut one, mut other) = running.session("a", "b").await;
    one.sends(Message::Close(None)).await; // Its connection stays open, and it never looks at the answer.
    within(Duration::from_secs(1), "the end of the session", other.hears_close(1000, "")).await;
    running.registered("a").await;
    running.registered("b").await;
}

#[test]
fn what_was_said_is_delivered_although_the_connection_breaks_while_it_is_spoken_to() {
    let running = Running::limited(|limits| (limits.message_rate, limits.address_messages) = (u32::MAX, u32::MAX));
    let alone = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for round in 0..200 {
        let (registered, ready) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            // In a thread of its own, so that it speaks at the very moment the connection breaks.
            let other = scope.spawn(|| {
                alone().block_on(async {
                    let (mut to_one, mut from_one) = running.registered("b").await.socket.split();
                    registered.send(()).unwrap();
                    let first = from_one.next().await;
                    let chatter = async { while to_one.send(Message::text("chatter")).await.is_ok() {} };
                    let hearing = from_one.filter(|heard| std::future::ready(matches!(heard, Ok(Message::Text(_)))));
                    let hearing = within(SOON, "the end", hearing.count());
                    let (texts, ()) = futures_util::join!(hearing, chatter);
                    texts + usize::from(first.is_some())
                })
            });
            ready.recv().unwrap();
            alone().block_on(async {
                let mut one = running.registered("a").await;
                one.asks("SESSION b", "SESSION_OK").await;
                one.says("begin").await;
                one.hears("chatter").await;
                for n in 0..50 {
                    one.socket.feed(Message::text(format!("{n} {}", "x".repeat(800)))).await.unwrap();
                }
                one.socket.flush().await.unwrap(); // In one packet, so that all of it has left before the reset.
            });
            assert_eq!(other.join().unwrap(), 51, "round {round}");
        });
    }
}

#[tokio::test]
async fn a_client_may_close_and_gets_its_close_answered() {
    let running = Running::start();
    let client = running.registered("a").await;
    within(Duration::from_secs(1), "the answer to a close frame", client.leaves()).await;
}

#[tokio::test]
async fn any_other_text_while_idle_is_named_by_its_first_word() {
    let running = Running::start();
    let mut client = running.registered("a").await;
    for (text, word) in [
        ("", "''"),
        ("ROOM_PEER_LIST", "'ROOM_PEER_LIST'"),
        ("ROOM_PEER_MSG a b", "'ROOM_PEER_MSG'"),
        ("ROOMS x", "'ROOMS'"),
        ("HELLO b", "'HELLO'"),
        ("don't", "\"don't\""),
    ] {
        client.asks(text, &format!("ERROR invalid msg {word}")).await;
    }
    client.asks("ROOM tea", "ROOM_OK ").await;
}

#[tokio::test]
async fn a_room_id_that_cannot_be_one_is_refused() {
    let running = Running::start();
    let mut client = running.registered("a").await;
    for room in ["session", "", " ", "a b"] {
        client.asks(&format!("ROOM {room}"), &format!("ERROR invalid room id '{room}'")).await;
    }
    let long = "x".repeat(257);
    client.asks(&format!("ROOM {long}"), &format!("ERROR invalid room id '{long}'")).await;
}

#[tokio::test]
async fn a_room_of_three_hears_who_comes_speaks_and_goes() {
    let running = Running::start();
    let mut a = running.in_room("a", "tea", "").await;
    a.asks("ROOM_PEER_LIST", "ROOM_PEER_LIST ").await;
    let mut b = running.in_room("b", "tea", "a").await;
    a.hears("ROOM_PEER_JOINED b").await;
    let mut c = running.in_room("c", "tea", "a b").await;
    a.hears("ROOM_PEER_JOINED c").await;
    b.hears("ROOM_PEER_JOINED c").await;
    b.asks("ROOM_PEER_LIST", "ROOM_PEER_LIST a c").await;
    for text in ["{\"sdp\": {}}", "", " ", "  two  ", "\n"] {
        a.says(&format!("ROOM_PEER_MSG c {text}")).await;
        c.hears(&format!("ROOM_PEER_MSG a {text}")).await;
    }
    a.asks("ROOM_PEER_MSG a note", "ROOM_PEER_MSG a note").await;
    b.has_heard_all().await;
    tokio::join!(a.leaves(), b.leaves());
    let mut left = [c.next().await.unwrap(), c.next().await.unwrap()];
    left.sort_by_key(|message| message.to_string());
    assert_eq!(left, [Message::text("ROOM_PEER_LEFT a"), Message::text("ROOM_PEER_LEFT b")]);
    c.asks("ROOM_PEER_LIST", "ROOM_PEER_LIST ").await;
}

#[tokio::test]
async fn what_a_room_does_not_know_is_refused() {
    let running = Running::start();
    let mut a = running.in_room("a", "tea", "").await;
    let _idle = running.registered("b").await;
    let _elsewhere = running.in_room("c", "coffee", "").await;
    a.asks("ROOM_PEER_MSG x hi", "ERROR peer 'x' not found").await;
    a.asks("ROOM_PEER_MSG b hi", "ERROR peer 'b' is not in the room").await;
    a.asks("ROOM_PEER_MSG c hi", "ERROR peer 'c' is not in the room").await;
    for text in ["", "ROOM coffee", "SESSION b", "ROOM_PEER_LISTS"] {
        a.asks(text, "ERROR invalid msg, already in room").await;
    }
}

#[tokio::test]
async fn what_is_no_websocket_is_closed_with_the_code_for_it() {
    let running = Running::start();
    // A server's frames are not masked; from a client that breaks the protocol.
    let client = running.client().await;
    let raw = client.socket.into_inner();
    let socket = tokio_tungstenite::WebSocketStream::from_raw_socket(raw, Role::Server, None).await;
    let mut client = Client { socket };
    within(SOON, "sending", client.socket.send(Message::text("HELLO a"))).await.unwrap();
    let raw = client.socket.into_inner();
    let socket = tokio_tungstenite::WebSocketStream::from_raw_socket(raw, Role::Client, None).await;
    Client { socket }.is_closed(1002, "invalid protocol").await;
}

#[tokio::test]
async fn a_client_takes_over_from_itself_at_once_and_from_nobody_else() {
    let running = Running::start();
    let mut other = running.in_room("b", "tea", "").await;
    let at = |secret: &str| format!("/ws?resume={secret}");
    let [own, longer] = ["a-secret_of-ITS-0wn", "a-secret_of-ITS-0wn1"];
    // It is not read from, so it answers no ping.
    let mut half_dead = running.client_at(&at(own)).await;
    half_dead.asks("HELLO a", "HELLO").await;
    half_dead.asks("ROOM tea", "ROOM_OK b").await;
    other.hears("ROOM_PEER_JOINED a").await;
    let mut again = running.client_at(&at(own)).await;
    // Three seconds are what a stranger would wait.
    within(Duration::from_secs(2), "the uid", again.asks("HELLO a", "HELLO")).await;
    other.hears("ROOM_PEER_LEFT a").await;
    half_dead.is_closed(1001, "taken over").await;
    again.asks("ROOM tea", "ROOM_OK b").await;
    other.hears("ROOM_PEER_JOINED a").await;
    for path in [at(longer), at("short"), at("with%2Dan-escape-in-it"), "/ws".into()] {
        let mut stranger = running.client_at(&path).await;
        stranger.says("HELLO a").await;
        // Asking for the members answers no ping, but is life as well.
        stranger.has_heard_all().await;
        again.asks("ROOM_PEER_LIST", "ROOM_PEER_LIST b").await;
        stranger.hears("ERROR peer uid taken").await;
        stranger.is_closed(1002, "invalid peer uid").await;
    }
}

#[tokio::test]
async fn any_frame_of_its_holder_keeps_a_uid() {
    let running = Running::start();
    let pong = || Message::Pong(vec![].into());
    for (uid, frame) in [("a", pong()), ("b", Message::Ping(vec![7].into())), ("c", Message::text("junk"))] {
        let mut holder = running.registered(uid).await; // It is not read from, so it answers no ping by itself.
        let mut newcomer = running.client().await;
        newcomer.says(&format!("HELLO {uid}")).await;
        newcomer.has_heard_all().await;
        holder.sends(frame).await;
        within(Duration::from_millis(2_500), "the refusal", newcomer.hears("ERROR peer uid taken")).await;
        newcomer.is_closed(1002, "invalid peer uid").await;
    }
}

#[tokio::test]
async fn refusals_quote_as_python_does_and_leave_the_connection_open() {
    let running = Running::start();
    let mut client = running.registered("a").await;
    for (word, quoted) in [
        ("", "''"),
        ("two words", "'two words'"),
        ("o'neil", "\"o'neil\""),
        ("say\"hi\"", "'say\"hi\"'"),
        ("'\"", "'\\'\"'"),
        ("back\\slash", "'back\\\\slash'"),
        ("tab\tand\u{a0}", "'tab\\tand\\xa0'"),
        ("zoë🎈", "'zoë🎈'"),
    ] {
        client.asks(&format!("SESSION {word}"), &format!("ERROR peer {quoted} not found")).await;
    }
    client.asks("ROOM o'neil's room", "ERROR invalid room id \"o'neil's room\"").await;
    client.asks("ROOM o'neil", "ROOM_OK ").await;
    client.asks("ROOM_PEER_MSG x'y hi", "ERROR peer \"x'y\" not found").await;
}

#[tokio::test]
async fn binary_is_closed_with_1002_in_any_state() {
    let running = Running::start();
    let mut stays = running.in_room("stays", "tea", "").await;
    let mut idle = running.registered("idle").await;
    let mut roomer = running.in_room("roomer", "tea", "stays").await;
    stays.hears("ROOM_PEER_JOINED roomer").await;
    for client in [&mut idle, &mut roomer] {
        client.sends(Message::binary(vec![0])).await;
        client.is_closed(1002, "invalid protocol").await;
    }
    stays.hears("ROOM_PEER_LEFT roomer").await;
}

#[tokio::test]
async fn everyone_who_stays_hears_of_each_of_many_who_leave_at_once() {
    let running = Running::start();
    let mut staying = [running.in_room("0", "tea", "").await, running.in_room("1", "tea", "0").await];
    staying[0].hears("ROOM_PEER_JOINED 1").await;
    let mut leaving = Vec::new();
    for n in 2..22 {
        let mut client = running.registered(&n.to_string()).await;
        client.says("ROOM tea").await;
        client.next().await.unwrap();
        leaving.push(client);
    }
    for client in &mut staying {
        for n in 2..22 {
            client.hears(&format!("ROOM_PEER_JOINED {n}")).await;
        }
    }
    drop(leaving);
    for client in &mut staying {
        let mut left = Vec::new();
        for _ in 2..22 {
            let text = client.next().await.unwrap().to_string();
            left.push(text.strip_prefix("ROOM_PEER_LEFT ").unwrap().parse::<u32>().unwrap());
        }
        left.sort_unstable();
        assert_eq!(left, (2..22).collect::<Vec<_>>());
    }
    staying[1].asks("ROOM_PEER_LIST", "ROOM_PEER_LIST 0").await;
}

#[tokio::test]
async fn a_room_with_nobody_in_it_is_gone() {
    let running = Running::start();
    running.in_room("a", "tea", "").await.leaves().await;
    running.in_room("b", "tea", "").await;
}

#[tokio::test]
async fn a_message_without_a_text_is_passed_on_as_an_empty_one() {
    let running = Running::start();
    let mut one = running.in_room("a", "tea", "").await;
    let mut other = running.in_room("b", "tea", "a").await;
    one.hears("ROOM_PEER_JOINED b").await;
    for text in ["ROOM_PEER_MSG b", "ROOM_PEER_MSG b "] {
        one.says(text).await;
        other.hears("ROOM_PEER_MSG a ").await;
    }
    one.says("ROOM_PEER_MSG b ROOM_PEER_LEFT a").await;
    other.hears("ROOM_PEER_MSG a ROOM_PEER_LEFT a").await;
    one.asks("ROOM_PEER_MSG", "ERROR invalid msg, already in room").await;
}

#[tokio::test]
async fn a_full_room_takes_nobody_until_somebody_leaves() {
    let settings = Settings { limits: Limits { room_size: 2, uid: 5, ..Limits::default() }, ..Settings::default() };
    let running = Running::start_with(settings);
    let mut one = running.in_room("a", "o'tea", "").await;
    let other = running.in_room("b", "o'tea", "a").await;
    one.hears("ROOM_PEER_JOINED b").await;
    let mut third = running.registered("c").await;
    third.asks("ROOM o'tea", "ERROR room \"o'tea\" is full").await;
    third.asks("ROOM_PEER_LIST", "ERROR invalid msg 'ROOM_PEER_LIST'").await;
    one.has_heard_all().await;
    other.leaves().await;
    one.hears("ROOM_PEER_LEFT b").await;
    third.asks("ROOM o'tea", "ROOM_OK a").await;
    running.registered("12345").await;
    let mut long = running.client().await;
    long.asks("HELLO 123456", "ERROR invalid peer uid").await;
    long.is_closed(1002, "invalid peer uid").await;
}
