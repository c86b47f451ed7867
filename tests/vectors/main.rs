//! The wire examples that the page's tests read too: both sides must take and refuse the same texts.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a script needs an instant to begin at")]

mod call;
mod noise;
mod seal;
mod walks;

use serde_json::{Value, json};
use twocan::{
    call::{Body, Connection, Heartbeat, Message, Signal, Turn},
    ids::{ConversationId, InstanceId},
    invite::{Link, LinkError},
    negotiation::Sdp,
    rendezvous::ServerLine,
};

fn vectors(name: &str) -> Value {
    let path = format!("{}/tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list<'a>(vectors: &'a Value, name: &str) -> &'a [Value] {
    let list = vectors[name].as_array().unwrap();
    assert!(!list.is_empty(), "{name}");
    list
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Reads every valid text and every refused one with `read`, which says what it understood.
fn check(name: &str, field: &str, read: impl Fn(&str) -> Option<Value>) {
    let vectors = vectors(name);
    for valid in list(&vectors, "valid") {
        let given = text(&valid[field]);
        assert_eq!(read(given).as_ref(), Some(&valid["says"]), "{given}");
    }
    for refused in list(&vectors, "refused") {
        assert_eq!(read(text(refused)), None, "{refused}");
    }
}

#[test]
fn ids_are_spelled_and_read_alike() {
    let vectors = vectors("ids");
    for spelled in list(&vectors, "spelled") {
        let bits = u128::from_str_radix(text(&spelled["bits"]), 16).unwrap();
        assert_eq!(InstanceId::from_bits(bits).as_str(), text(&spelled["id"]));
    }
    for valid in list(&vectors, "valid") {
        let id: ConversationId = text(&valid["text"]).parse().unwrap();
        assert_eq!(id.as_str(), text(&valid["id"]));
    }
    for refused in list(&vectors, "refused") {
        assert!(text(refused).parse::<ConversationId>().is_err(), "{refused}");
    }
}

#[test]
fn links_are_read_alike() {
    let vectors = vectors("invite");
    for valid in list(&vectors, "valid") {
        let said = match text(&valid["text"]).parse().unwrap() {
            Link::Invite(invite) => {
                json!([invite.conversation.as_str(), invite.far.as_str(), invite.key.reveal().as_str()])
            }
            Link::Bookmark { conversation, .. } => json!([conversation.as_str(), null, null]),
        };
        assert_eq!(said, json!([valid["convo"], valid["far"], valid["key"]]), "{valid}");
    }
    for refused in list(&vectors, "refused") {
        let wrong = match text(&refused["text"]).parse::<Link>().unwrap_err() {
            LinkError::Conversation => "convo",
            LinkError::FarInstance => "far",
            LinkError::Key => "key",
            LinkError::NotAnAddress | LinkError::Scheme => "address",
        };
        assert_eq!(wrong, text(&refused["wrong"]), "{refused}");
    }
}

#[test]
fn what_two_sides_say_by_the_server_is_read_alike() {
    check("negotiation", "text", |text| match Signal::parse(text).ok()? {
        Signal::Candidate(Connection { session, generation }, candidate) => Some(json!({
            "type": "candidate",
            "candidate": candidate.candidate,
            "sdpMid": candidate.mid,
            "sdpMLineIndex": candidate.m_line_index,
            "sessid": session.as_str(),
            "generation": generation,
        })),
        Signal::Message(Message { session, turn, body }) => {
            let (session, response) = (session.as_str(), turn == Turn::Response);
            let described = |kind, generation, sdp: &Sdp, props| {
                json!({
                    "type": kind, "sessid": session, "resp": response,
                    "generation": generation, "sdp": sdp.as_str(), "props": props,
                })
            };
            match body {
                Body::Setup { sdp, props } => Some(described("setup", 0, &sdp, props)),
                Body::Update { generation, sdp, props } => Some(described("update", generation, &sdp, props)),
                Body::Cancel => Some(json!({ "type": "cancel", "sessid": session, "resp": response })),
                Body::Reject => Some(json!({ "type": "reject", "sessid": session, "resp": response })),
                Body::PropSync(_) | Body::Hangup => None,
            }
        }
    });
}

#[test]
fn what_two_sides_say_on_the_data_channel_is_read_alike() {
    check("data_channel", "text", |text| {
        match Heartbeat::parse(text) {
            Some(Heartbeat::Ping) => return Some(json!({ "type": "ping" })),
            Some(Heartbeat::Pong) => return Some(json!({ "type": "pong" })),
            None => {}
        }
        let Message { session, turn, body } = Message::parse(text).ok()?;
        let (session, response) = (session.as_str(), turn == Turn::Response);
        match body {
            Body::PropSync(props) => {
                Some(json!({ "type": "propsync", "sessid": session, "resp": response, "props": props }))
            }
            Body::Hangup => Some(json!({ "type": "hangup", "sessid": session, "resp": response })),
            Body::Setup { .. } | Body::Update { .. } | Body::Cancel | Body::Reject => None,
        }
    });
}

#[test]
fn what_the_server_says_is_read_alike() {
    let words = |uids: Vec<twocan::ids::PeerUid>| uids.iter().map(|uid| uid.as_str().to_owned()).collect::<Vec<_>>();
    check("rendezvous", "line", |line| {
        Some(match line.parse().ok()? {
            ServerLine::Hello => json!({ "type": "hello" }),
            ServerLine::SessionOk => json!({ "type": "session" }),
            ServerLine::RoomOk(members) => json!({ "type": "room", "peers": words(members) }),
            ServerLine::RoomPeerList(members) => json!({ "type": "peers", "peers": words(members) }),
            ServerLine::RoomPeerJoined(uid) => json!({ "type": "joined", "uid": uid.as_str() }),
            ServerLine::RoomPeerLeft(uid) => json!({ "type": "left", "uid": uid.as_str() }),
            ServerLine::RoomPeerMsg { from, text } => {
                json!({ "type": "message", "from": from.as_str(), "text": text })
            }
            ServerLine::Error(text) => json!({ "type": "error", "text": text }),
        })
    });
}

#[cfg(feature = "shell")]
#[test]
fn codes_are_what_fast_qr_draws() {
    for code in list(&vectors("qr"), "codes") {
        let drawn = fast_qr::QRBuilder::new(text(&code["text"])).build().unwrap();
        let row = |y: usize| {
            let bits: Vec<bool> = (0..drawn.size).map(|x| drawn[y][x].value()).collect();
            let digit = |four: &[bool]| (0..4).fold(0, |sum, at| 2 * sum + u32::from(four.get(at) == Some(&true)));
            bits.chunks(4).map(|four| char::from_digit(digit(four), 16).unwrap()).collect::<String>()
        };
        let rows: Vec<String> = (0..drawn.size).map(row).collect();
        assert_eq!(json!(rows), code["rows"], "{}", code["text"]);
    }
}
