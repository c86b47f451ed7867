//! Many clients that come and go at once.

use std::collections::BTreeMap;

use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use crate::{Client, Running};

const CLIENTS: usize = 50;
const ROUNDS: usize = 4;

#[tokio::test]
async fn fifty_clients_come_and_go_and_nothing_of_them_is_left() {
    let running = Running::start();
    let mut observer = running.in_room("observer", "hall", "").await;
    let mut crowd = JoinSet::new();
    for number in 0..CLIENTS {
        let port = running.port();
        crowd.spawn(async move {
            for round in 0..ROUNDS {
                visit(port, number, round).await;
            }
        });
    }
    let mut balance: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    while balance.len() < CLIENTS || balance.values().any(|&counts| counts != (ROUNDS, ROUNDS)) {
        let Some(Message::Text(line)) = observer.next().await else { panic!("the observer lost its line") };
        let (what, uid) = line.split_once(' ').unwrap();
        let (joined, left) = balance.entry(uid.to_owned()).or_default();
        match what {
            "ROOM_PEER_JOINED" => *joined += 1,
            "ROOM_PEER_LEFT" => *left += 1,
            _ => panic!("unexpected: {line}"),
        }
        assert!(*joined == *left || *joined == *left + 1, "out of order: {line}");
    }
    while let Some(visited) = crowd.join_next().await {
        visited.unwrap();
    }
    observer.asks("ROOM_PEER_LIST", "ROOM_PEER_LIST ").await;
}

/// Registers, joins, talks to itself among all the coming and going, and leaves, politely or not.
async fn visit(port: u16, number: usize, round: usize) {
    let url = format!("ws://127.0.0.1:{port}/ws");
    let mut client = Client { socket: tokio_tungstenite::connect_async(url).await.unwrap().0 };
    // The uid may be held still by the connection that was cut in the round before; the server then asks it.
    client.asks(&format!("HELLO visitor{number}"), "HELLO").await;
    client.says("ROOM hall").await;
    for n in 0..5 {
        let note = format!("ROOM_PEER_MSG visitor{number} {round} {n}");
        client.says(&note).await;
        loop {
            match client.next().await {
                Some(Message::Text(line)) if line == note => break,
                Some(Message::Text(line)) => {
                    assert!(
                        ["ROOM_OK ", "ROOM_PEER_JOINED ", "ROOM_PEER_LEFT "].iter().any(|w| line.starts_with(w)),
                        "{line}"
                    );
                }
                other => panic!("visitor {number}: {other:?}"),
            }
        }
    }
    if (number + round).is_multiple_of(2) { client.leaves().await } else { drop(client) }
}
