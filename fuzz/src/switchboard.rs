//! The server's brain among connections that say and do anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use twocan::{
    ids::PeerUid,
    rendezvous::{MESSAGE_LIMIT, Resume, ServerLine},
    switchboard::{ConnectionId, Dialect, Input, Limits, Output, Switchboard},
};

use super::bytes::Bytes;

const UIDS: [&str; 5] = ["a", "b", "o'neil", "x:1", "bad uid"];
const ROOMS: [&str; 4] = ["tea", "coffee", "session", "a'b"];
/// What is said back to one that says something is at most so much longer: every character of it may be escaped.
const GROWTH: usize = 4;

/// Reads `data` as what happens on several connections.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut board = Board::new();
    while !bytes.is_empty() {
        board.step(&mut bytes);
    }
    board.pass(Duration::from_secs(20));
    assert_eq!(board.switchboard.deadline(), None, "something is due for ever");
    for id in board.clients.keys().copied().collect::<Vec<_>>() {
        board.clients.remove(&id);
        board.input(id, Input::Closed);
    }
}

/// What a client knows from what it was told.
#[derive(Default)]
struct Client {
    /// The uid that it asked for, once it has it.
    uid: Option<String>,
    asked: Option<String>,
    /// Who else is in its room.
    room: Option<BTreeSet<PeerUid>>,
}

struct Board {
    switchboard: Switchboard,
    now: Instant,
    opened: u64,
    clients: BTreeMap<u64, Client>,
    /// All that was ever said: in a session it is passed on as it is.
    said: BTreeSet<String>,
}

impl Board {
    fn new() -> Self {
        let (clients, said) = (BTreeMap::new(), BTreeSet::new());
        Self {
            switchboard: Switchboard::new(Limits::default(), [7; 32]),
            now: Instant::now(),
            opened: 0,
            clients,
            said,
        }
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) {
        let id = 1 + bytes.below(usize::try_from(self.opened).unwrap_or(0) + 1) as u64;
        match bytes.below(16) {
            0 | 1 => {
                self.opened += 1;
                self.clients.insert(self.opened, Client::default());
                let resume = Some(bytes.below(4)).filter(|client| *client > 0);
                let resume = resume.map(|client| Resume::from_bits(client as u128));
                self.input(self.opened, Input::Opened(Dialect::Rendezvous(resume.as_ref())));
            }
            2 => self.pass(Duration::from_millis(bytes.milliseconds())),
            3 => {
                self.clients.remove(&id);
                self.input(id, Input::Closed);
            }
            4 => self.input(id, Input::Frame),
            5 => self.input(id, Input::Binary),
            6 => self.input(id, Input::TooLarge),
            7 => self.say(id, bytes.text()),
            8 => {
                let text = bytes.text();
                self.say(id, text.repeat(MESSAGE_LIMIT / text.len().max(1)));
            }
            _ => self.say(id, line(bytes)),
        }
    }

    fn say(&mut self, id: u64, text: String) {
        // Passed on in a session, these would be taken for the server's.
        if text == "HELLO" || ["ROOM_OK", "ROOM_PEER_JOINED", "ROOM_PEER_LEFT"].iter().any(|it| text.starts_with(it)) {
            return;
        }
        if let Some(client) = self.clients.get_mut(&id)
            && client.asked.is_none()
        {
            client.asked = Some(text.strip_prefix("HELLO ").unwrap_or_default().to_owned());
        }
        self.said.insert(text.clone());
        self.input(id, Input::Text(&text));
    }

    fn input(&mut self, id: u64, input: Input<'_>) {
        self.switchboard.handle(self.now, ConnectionId(id), input);
        let length = if let Input::Text(text) = input { text.len() } else { 0 };
        self.drain(length);
        assert!(self.switchboard.deadline().is_none_or(|due| due >= self.now), "what is due lies in the past");
    }

    fn drain(&mut self, length: usize) {
        // A newcomer that gets its uid is heard with all that it has said meanwhile: one message, or 2 K of small ones.
        let most = 4096 * (self.clients.len() + 1);
        let mut outputs = 0;
        while let Some(output) = self.switchboard.poll_output() {
            outputs += 1;
            assert!(outputs <= most, "one input brings about too much");
            match output {
                Output::Send { to: ConnectionId(to), text, .. } => {
                    assert!(text.len() <= GROWTH * length.max(MESSAGE_LIMIT) + 512, "what is said grows too much");
                    self.hear(to, &text);
                }
                Output::Ping { to } => assert!(self.clients.contains_key(&to.0), "a ping to nobody"),
                Output::Close { to, .. } => assert!(self.clients.remove(&to.0).is_some(), "closed twice"),
            }
        }
        self.check();
    }

    fn hear(&mut self, to: u64, text: &str) {
        assert!(self.clients.contains_key(&to), "something is said to nobody");
        if self.said.contains(text) {
            return;
        }
        let client = self.clients.get_mut(&to).expect("it is connected");
        match text.parse().expect("a line of the protocol") {
            ServerLine::Hello => {
                assert!(client.uid.is_none(), "registered twice");
                client.uid = client.asked.clone();
            }
            ServerLine::RoomOk(members) => assert!(client.room.replace(members.into_iter().collect()).is_none()),
            ServerLine::RoomPeerJoined(uid) => assert!(room(client).insert(uid), "joined twice"),
            ServerLine::RoomPeerLeft(uid) => assert!(room(client).remove(&uid), "left without having been there"),
            ServerLine::RoomPeerList(members) => assert_eq!(*room(client), members.into_iter().collect()),
            ServerLine::RoomPeerMsg { from, .. } => {
                assert!(room(client).contains(&from) || client.uid.as_deref() == Some(from.as_str()));
            }
            ServerLine::SessionOk | ServerLine::Error(_) => {}
        }
    }

    /// A uid has one holder, and who is in a room knows of everybody else there, and they of it.
    fn check(&self) {
        let uids: Vec<_> = self.clients.values().filter_map(|client| client.uid.as_ref()).collect();
        assert_eq!(uids.len(), uids.iter().collect::<BTreeSet<_>>().len(), "a uid has two holders");
        let in_rooms = || self.clients.values().filter(|client| client.room.is_some());
        for (client, room) in in_rooms().filter_map(|client| Some((client, client.room.as_ref()?))) {
            for member in room {
                let there = in_rooms().find(|other| other.uid.as_deref() == Some(member.as_str()));
                let knows = |uid: &String| {
                    let view = there.and_then(|there| there.room.as_ref());
                    uid.parse().is_ok_and(|uid: PeerUid| view.is_some_and(|view| view.contains(&uid)))
                };
                assert!(client.uid.as_ref().is_some_and(knows), "the members of a room differ on who is there");
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.switchboard.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.switchboard.handle_deadline(self.now);
            assert!(self.switchboard.deadline().is_none_or(|next| next > self.now), "a deadline stays in the past");
            self.drain(0);
        }
        self.now = end;
    }
}

fn room(client: &mut Client) -> &mut BTreeSet<PeerUid> {
    client.room.as_mut().expect("who hears of a room is in one")
}

/// Something of the protocol.
fn line(bytes: &mut Bytes<'_>) -> String {
    let uid = UIDS[bytes.below(UIDS.len() - 1)];
    match bytes.below(9) {
        0..=2 => format!("HELLO {}", UIDS[bytes.below(UIDS.len())]),
        3 => format!("SESSION {uid}"),
        4 | 5 => format!("ROOM {}", ROOMS[bytes.below(ROOMS.len())]),
        6 => format!("ROOM_PEER_MSG {uid} {}", bytes.text()),
        7 => "ROOM_PEER_LIST".into(),
        _ => "OFFER_REQUEST now".into(),
    }
}
