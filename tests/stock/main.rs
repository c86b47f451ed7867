//! A stock GStreamer client, as the protocol's own examples have it: one webrtcbin in the plain manner, nothing tuned.
//!
//! `stock speak --server URL --id UID` with any of:
//! `--call UID` (asks for a session and offers), `--request-offer` (with `--call`: has the other side offer),
//! `--room ROOM` (audio only, the newcomer offers), `--bundle POLICY` (default none), `--channel` (a data channel),
//! `--no-video`, `--no-audio`, `--fixed` (answers under its own payload types, as old examples do), `--tone HZ`, `--colour RRGGBB`, `--local` (media on the loopback only).
//! Each line out is JSON: what it said and heard. It quits over an `ERROR` and over JSON that it does not know.
//! Without an argument it does nothing, so that it may be run among the other tests.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "it speaks with GStreamer as examples do")]
#![allow(clippy::print_stdout, reason = "how it reports")]

mod peer;

use std::{collections::HashMap, process::ExitCode};

use futures_util::{SinkExt, StreamExt};
use peer::{Media, Peer};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

/// What it was told to do.
struct Wishes {
    server: String,
    id: String,
    call: Option<String>,
    request_offer: bool,
    room: Option<String>,
    media: Media,
}

impl Wishes {
    fn read(arguments: &[String]) -> Self {
        let has = |name: &str| arguments.iter().any(|argument| argument == name);
        let value = |name: &str| {
            let at = arguments.iter().position(|argument| argument == name)?;
            Some(arguments.get(at + 1).expect("a value").clone())
        };
        let room = value("--room");
        Self {
            server: value("--server").expect("--server"),
            id: value("--id").expect("--id"),
            call: value("--call"),
            request_offer: has("--request-offer"),
            media: Media {
                bundle: value("--bundle").unwrap_or_else(|| "none".into()),
                channel: has("--channel"),
                video: !has("--no-video") && room.is_none(),
                audio: !has("--no-audio"),
                tone: value("--tone").map_or(440.0, |tone| tone.parse().expect("a frequency")),
                opus: if room.is_some() { 96 } else { 97 },
                vp8: 96,
                colour: value("--colour").unwrap_or_else(|| "ff0000".into()),
                local: has("--local"),
                fixed: has("--fixed"),
            },
            room,
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().map(String::as_str) != Some("speak") {
        return ExitCode::SUCCESS;
    }
    gstreamer::init().expect("GStreamer");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let why = runtime.block_on(run(Wishes::read(&arguments)));
    tell(&json!({ "event": "ended", "why": why }));
    // As they are: without waiting for anything.
    signal_hook::low_level::exit(i32::from(why.is_some()));
}

fn tell(event: &Value) {
    println!("{event}");
}

/// One who is called or in the room, and what is to be said to each.
struct Client {
    wishes: Wishes,
    lines: Vec<String>,
    /// By uid in a room; by the empty name in a session.
    peers: HashMap<String, Peer>,
    out: mpsc::UnboundedSender<(String, Value)>,
}

/// Goes on until the server closes, or there is something it does not understand: that is the result.
async fn run(wishes: Wishes) -> Option<String> {
    let (socket, _) = match tokio_tungstenite::connect_async(&wishes.server).await {
        Ok(connected) => connected,
        Err(error) => return Some(error.to_string()),
    };
    let (mut sink, mut stream) = socket.split();
    let (out, mut outbox) = mpsc::unbounded_channel();
    let mut client = Client { lines: vec![format!("HELLO {}", wishes.id)], wishes, peers: HashMap::new(), out };
    loop {
        for line in client.lines.drain(..) {
            sink.send(Message::text(line)).await.ok()?;
        }
        tokio::select! {
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) => match client.hear(text.as_str()) {
                    Ok(()) => {}
                    Err(why) => return Some(why),
                },
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            },
            Some((to, message)) = outbox.recv() => client.say(&to, &message),
        }
    }
}

impl Client {
    fn say(&mut self, to: &str, message: &Value) {
        let what = message.as_object().and_then(|message| message.keys().next().cloned());
        tell(&json!({ "event": "said", "to": to, "what": what }));
        self.lines.push(if to.is_empty() { message.to_string() } else { format!("ROOM_PEER_MSG {to} {message}") });
    }

    fn hear(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.splitn(3, ' ');
        match (words.next().unwrap_or_default(), words.next(), words.next()) {
            ("HELLO", None, None) => self.registered(),
            ("SESSION_OK", None, None) => self.in_session(),
            ("OFFER_REQUEST", None, None) => self.offer(""),
            ("ERROR", ..) => return Err(line.to_owned()),
            ("ROOM_OK", ..) => {
                let members: Vec<String> =
                    line.split(' ').skip(1).filter(|uid| !uid.is_empty()).map(str::to_owned).collect();
                tell(&json!({ "event": "room", "members": members }));
                members.iter().for_each(|member| self.offer(member));
            }
            ("ROOM_PEER_JOINED", Some(uid), None) => tell(&json!({ "event": "joined", "uid": uid })),
            ("ROOM_PEER_LEFT", Some(uid), None) => {
                self.peers.remove(uid);
                tell(&json!({ "event": "left", "uid": uid }));
            }
            ("ROOM_PEER_MSG", Some(uid), Some(text)) => self.signal(uid, text)?,
            _ => self.signal("", line)?,
        }
        Ok(())
    }

    fn registered(&mut self) {
        tell(&json!({ "event": "registered" }));
        if let Some(room) = &self.wishes.room {
            self.lines.push(format!("ROOM {room}"));
        } else if let Some(uid) = &self.wishes.call {
            self.lines.push(format!("SESSION {uid}"));
        }
    }

    fn in_session(&mut self) {
        tell(&json!({ "event": "session" }));
        if self.wishes.request_offer {
            self.lines.push("OFFER_REQUEST".into());
        } else {
            self.offer("");
        }
    }

    fn offer(&mut self, to: &str) {
        let peer = Peer::new(to, &self.wishes.media, &self.out);
        peer.offer();
        self.peers.insert(to.to_owned(), peer);
    }

    fn signal(&mut self, from: &str, text: &str) -> Result<(), String> {
        let unknown = || format!("unknown message: {text}");
        let message: Value = serde_json::from_str(text).map_err(|_| unknown())?;
        if let Some(sdp) = message.get("sdp") {
            let text = sdp["sdp"].as_str().ok_or_else(unknown)?;
            tell(&json!({ "event": "described", "from": from, "type": sdp["type"], "sdp": text }));
            match sdp["type"].as_str() {
                Some("offer") => {
                    let peer = Peer::new(from, &self.wishes.media.fitting(text), &self.out);
                    peer.answer(text);
                    self.peers.insert(from.to_owned(), peer);
                }
                Some("answer") => self.peers.get(from).ok_or_else(unknown)?.take_answer(text),
                _ => return Err(unknown()),
            }
        } else if let Some(ice) = message.get("ice") {
            let candidate = ice["candidate"].as_str().ok_or_else(unknown)?;
            let index = ice["sdpMLineIndex"].as_u64().ok_or_else(unknown)?;
            if let Some(peer) = self.peers.get(from) {
                peer.add_candidate(u32::try_from(index).expect("an index"), candidate);
            }
        } else {
            return Err(unknown());
        }
        Ok(())
    }
}
