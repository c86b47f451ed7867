//! The switchboard against a model that is too simple to be wrong: one list, searched from the front, no index.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use super::{Census, Dialect, Input, Limits, Resume, tests::Board};

const UIDS: [&str; 7] = ["a", "b", "o'neil", "x:1", "c", "d", "bad uid"];
const ROOMS: [&str; 4] = ["tea", "a'b", "tea", "session"];

/// How many members the rooms of this model may have: few enough that some are full.
const ROOM_SIZE: usize = 3;

#[derive(Default)]
struct Model {
    clock: u64,
    /// In the order of opening, so of age.
    connections: Vec<Modelled>,
    said: BTreeMap<u64, Vec<String>>,
}

#[derive(Clone)]
struct Modelled {
    id: u64,
    resume: Option<u128>,
    uid: Option<String>,
    /// Seconds on the clock at which it is closed.
    until: Option<u64>,
    newcomer: Option<u64>,
    waiting: Vec<String>,
    is_waiting: bool,
    partner: Option<u64>,
    room: Option<String>,
    entered: u64,
}

impl Model {
    fn emit(&mut self, id: u64, what: &str) {
        self.said.entry(id).or_default().push(what.to_owned());
    }

    fn find(&mut self, id: u64) -> Option<&mut Modelled> {
        self.connections.iter_mut().find(|c| c.id == id)
    }

    fn holder(&self, uid: &str) -> Option<Modelled> {
        self.connections.iter().find(|c| c.uid.as_deref() == Some(uid)).cloned()
    }

    fn members(&self, room: &str) -> Vec<Modelled> {
        let mut members: Vec<_> =
            self.connections.iter().filter(|c| c.room.as_deref() == Some(room)).cloned().collect();
        members.sort_by_key(|c| c.entered);
        members
    }

    fn close(&mut self, id: u64, how: &str) {
        if self.find(id).is_some() {
            self.emit(id, &format!("{id} close {how}"));
            self.remove(id);
        }
    }

    fn remove(&mut self, id: u64) {
        let Some(gone) = self.find(id).cloned() else { return };
        self.connections.retain(|c| c.id != id);
        for other in &mut self.connections {
            if other.newcomer == Some(id) {
                (other.newcomer, other.until) = (None, None);
            }
        }
        if let Some(partner) = gone.partner {
            self.close(partner, "1000");
        }
        if let (Some(room), Some(uid)) = (&gone.room, &gone.uid) {
            for member in self.members(room) {
                self.emit(member.id, &format!("{}: ROOM_PEER_LEFT {uid}", member.id));
            }
        }
        if let (Some(newcomer), Some(uid)) = (gone.newcomer, gone.uid) {
            self.register(newcomer, uid);
        }
    }

    fn register(&mut self, id: u64, uid: String) {
        self.emit(id, &format!("{id}: HELLO"));
        let Some(connection) = self.find(id) else { return };
        (connection.uid, connection.until, connection.is_waiting) = (Some(uid), None, false);
        for text in std::mem::take(&mut connection.waiting) {
            self.text(id, &text);
        }
    }

    fn life(&mut self, id: u64) {
        let Some(connection) = self.find(id) else { return };
        if let Some(newcomer) = connection.newcomer.take() {
            connection.until = None;
            self.emit(newcomer, &format!("{newcomer}: ERROR peer uid taken"));
            self.close(newcomer, "1002 invalid peer uid");
        }
    }

    fn hello(&mut self, id: u64, text: &str) {
        let Some(uid) = text.strip_prefix("HELLO ") else {
            self.emit(id, &format!("{id}: ERROR invalid protocol"));
            return self.close(id, "1002 invalid protocol");
        };
        if uid == "bad uid" {
            self.emit(id, &format!("{id}: ERROR invalid peer uid"));
            return self.close(id, "1002 invalid peer uid");
        }
        let resume = self.find(id).and_then(|me| me.resume);
        match self.holder(uid) {
            None => self.register(id, uid.to_owned()),
            Some(holder) if resume.is_some() && holder.resume == resume => {
                self.life(holder.id);
                self.close(holder.id, "1001 taken over");
                self.register(id, uid.to_owned());
            }
            Some(holder) if holder.newcomer.is_some() => {
                self.emit(id, &format!("{id}: ERROR peer uid taken"));
                self.close(id, "1002 invalid peer uid");
            }
            Some(holder) => {
                self.emit(holder.id, &format!("{} ping", holder.id));
                let until = Some(self.clock + 3);
                self.find(holder.id).map(|c| (c.newcomer, c.until) = (Some(id), until)).unwrap();
                self.find(id).map(|c| (c.is_waiting, c.until) = (true, None)).unwrap();
            }
        }
    }

    fn text(&mut self, id: u64, text: &str) {
        let Some(me) = self.find(id).cloned() else { return };
        let Some(uid) = me.uid else {
            if me.is_waiting {
                return self.find(id).unwrap().waiting.push(text.to_owned());
            }
            return self.hello(id, text);
        };
        if let Some(partner) = me.partner {
            self.emit(partner, &format!("{partner}: {text}"));
        } else if let Some(room) = me.room {
            let line = self.in_room(&uid, id, &room, text);
            if let Some((to, line)) = line {
                self.emit(to, &format!("{to}: {line}"));
            }
        } else {
            self.idle(id, &uid, text);
        }
    }

    fn in_room(&self, uid: &str, id: u64, room: &str, text: &str) -> Option<(u64, String)> {
        if text == "ROOM_PEER_LIST" {
            let others = self.members(room).into_iter().filter(|c| c.id != id);
            let others: Vec<_> = others.filter_map(|c| c.uid).collect();
            return Some((id, format!("ROOM_PEER_LIST {}", others.join(" "))));
        }
        let Some(rest) = text.strip_prefix("ROOM_PEER_MSG ") else {
            return Some((id, "ERROR invalid msg, already in room".into()));
        };
        let (to, rest) = rest.split_once(' ').unwrap();
        match self.holder(to) {
            None => Some((id, format!("ERROR peer {} not found", quoted(to)))),
            Some(other) if other.room.as_deref() == Some(room) => {
                Some((other.id, format!("ROOM_PEER_MSG {uid} {rest}")))
            }
            Some(_) => Some((id, format!("ERROR peer {} is not in the room", quoted(to)))),
        }
    }

    fn idle(&mut self, id: u64, uid: &str, text: &str) {
        let reply = if let Some(callee) = text.strip_prefix("SESSION ") {
            match self.holder(callee) {
                None => format!("ERROR peer {} not found", quoted(callee)),
                Some(c) if c.partner.is_some() || c.room.is_some() || c.id == id => {
                    format!("ERROR peer {} busy", quoted(callee))
                }
                Some(c) => {
                    self.find(id).unwrap().partner = Some(c.id);
                    self.find(c.id).unwrap().partner = Some(id);
                    "SESSION_OK".into()
                }
            }
        } else if text == "ROOM session" {
            "ERROR invalid room id 'session'".into()
        } else if let Some(room) = text.strip_prefix("ROOM ") {
            let members = self.members(room);
            if members.len() >= ROOM_SIZE {
                return self.emit(id, &format!("{id}: ERROR room {} is full", quoted(room)));
            }
            for member in &members {
                self.emit(member.id, &format!("{}: ROOM_PEER_JOINED {uid}", member.id));
            }
            let entered = members.last().map_or(0, |c| c.entered + 1);
            self.find(id).map(|c| (c.room, c.entered) = (Some(room.to_owned()), entered)).unwrap();
            format!("ROOM_OK {}", members.into_iter().filter_map(|c| c.uid).collect::<Vec<_>>().join(" "))
        } else {
            format!("ERROR invalid msg '{}'", text.split(' ').next().unwrap())
        };
        self.emit(id, &format!("{id}: {reply}"));
    }

    fn census(&self) -> Census {
        let rooms: BTreeSet<_> = self.connections.iter().filter_map(|c| c.room.as_deref()).collect();
        let sessions = self.connections.iter().filter(|c| c.partner.is_some()).count() / 2;
        Census { rooms: rooms.len(), sessions, calls: 0 }
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.clock += 1;
            while let Some(due) = self.connections.iter().find(|c| c.until == Some(self.clock)).cloned() {
                self.close(due.id, if due.uid.is_some() { "1001 no sign of life" } else { "1002 hello timeout" });
            }
        }
    }

    fn open(&mut self, id: u64, resume: Option<u128>) {
        self.connections.push(Modelled {
            id,
            resume,
            uid: None,
            until: Some(self.clock + 10),
            newcomer: None,
            waiting: Vec::new(),
            is_waiting: false,
            partner: None,
            room: None,
            entered: 0,
        });
    }
}

fn quoted(word: &str) -> String {
    if word.contains('\'') { format!("\"{word}\"") } else { format!("'{word}'") }
}

/// SplitMix64: enough to choose with.
pub(super) struct Dice(u64);

impl Dice {
    /// By the seed that the environment names, or a new one; with the seed, to be told.
    #[expect(clippy::print_stdout, reason = "a failure is told with what brings it about again")]
    pub(super) fn new() -> (Self, u64) {
        let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| RandomState::new().hash_one("seed"));
        println!("SEED={seed}");
        (Self(seed), seed)
    }

    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn line(&mut self) -> String {
        let uid = UIDS[self.roll(UIDS.len() - 1)];
        match self.roll(9) {
            0..=2 => format!("HELLO {}", UIDS[self.roll(UIDS.len())]),
            3 => format!("SESSION {uid}"),
            4 | 5 => format!("ROOM {}", ROOMS[self.roll(ROOMS.len())]),
            6 => format!("ROOM_PEER_MSG {uid} said {}", self.roll(1000)),
            7 => "ROOM_PEER_LIST".into(),
            _ => "OFFER_REQUEST now".into(),
        }
    }
}

/// Each connection's own order must agree; how the lines of different connections interleave may differ.
fn sorted(lines: Vec<String>) -> BTreeMap<u64, Vec<String>> {
    let mut by_connection: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for line in lines {
        let id = line.split([' ', ':']).next().unwrap().parse().unwrap();
        by_connection.entry(id).or_default().push(line);
    }
    by_connection
}

#[test]
fn any_course_of_events_ends_as_in_the_simple_model() {
    let (mut dice, seed) = Dice::new();
    for round in 0..300 {
        let (mut board, mut model, mut opened) =
            (Board::limited(Limits { room: ROOM_SIZE, ..Limits::default() }), Model::default(), 0);
        for step in 0..120 {
            let id = 1 + dice.roll(opened as usize + 1) as u64;
            let (what, lines) = match dice.roll(24) {
                0..=3 => {
                    opened += 1;
                    let resume = [None, Some(1), Some(2)][dice.roll(3)];
                    model.open(opened, resume);
                    let input = resume.map(Resume::from_bits);
                    (
                        format!("{opened} opens by {resume:?}"),
                        board.input(opened, Input::Opened(Dialect::Rendezvous(input.as_ref()))),
                    )
                }
                4 => {
                    let seconds = 1 + dice.roll(4) as u64;
                    model.pass(seconds);
                    (format!("{seconds} s pass"), board.pass(Duration::from_secs(seconds)))
                }
                5 => {
                    model.remove(id);
                    (format!("{id} goes"), board.input(id, Input::Closed))
                }
                6 => {
                    model.life(id);
                    (format!("{id} pongs"), board.input(id, Input::Frame))
                }
                7 => {
                    model.life(id);
                    model.close(id, "1002 invalid protocol");
                    (format!("{id} says bytes"), board.input(id, Input::Binary))
                }
                8 => {
                    model.life(id);
                    model.close(id, "1009 message too large");
                    (format!("{id} says too much"), board.input(id, Input::TooLarge))
                }
                _ => {
                    let line = dice.line();
                    model.life(id);
                    model.text(id, &line);
                    (format!("{id} says {line:?}"), board.say(id, &line))
                }
            };
            assert_eq!(
                sorted(lines),
                std::mem::take(&mut model.said),
                "SEED={seed}, round {round}, step {step}: {what}"
            );
            let census = model.census();
            assert_eq!(board.switchboard.census(), census, "SEED={seed}, round {round}, step {step}: {what}");
        }
    }
}
