//! A server that is up to no good: it knows every frame and every public key, but no secret.

use fastrand::Rng;
use twocan::{
    ids::InstanceId,
    pairing::PairingKey,
    seal::{Channel, Frame, Input, Order, Output, SecretKey, Setup, Step, Suspicion, Trust},
    switchboard::ConnectionId,
};

use crate::{
    crypto,
    schedule::{self, Plan},
    server::Down,
    side::Disk,
    trace,
    world::World,
};

/// What the server does with frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malice {
    None,
    /// Everything it can think of, at any time.
    Busy,
    /// It spoils this one of the frames that authenticate themselves, and is honest otherwise.
    Once(u32),
}

/// How many frames it remembers.
const MEMORY: usize = 256;
/// What a side would have to say to be given away.
pub const MARK: &str = "of the server";

#[derive(Debug)]
pub struct Adversary {
    pub malice: Malice,
    seen: Vec<String>,
    /// For each disk, somebody who says to be its side, with a key of their own.
    impostors: Vec<Channel>,
    /// How many frames that authenticate themselves have passed.
    passed: u32,
    /// The one that it spoilt.
    spoilt: Option<(ConnectionId, String)>,
}

impl Adversary {
    pub fn new(plan: &Plan, random: &mut Rng, kind: crypto::Kind) -> Self {
        let impostors = if plan.malice == Malice::Busy { impostors(&plan.disks, random, kind) } else { Vec::new() };
        Self { malice: plan.malice, seen: Vec::new(), impostors, passed: 0, spoilt: None }
    }
}

fn impostors(disks: &[Disk], random: &mut Rng, kind: crypto::Kind) -> Vec<Channel> {
    let impostor = |disk: &Disk| {
        let mut secret = [0; 32];
        random.fill(&mut secret);
        let code = PairingKey::from_bytes(secret);
        let far = disks.iter().find(|far| far.conversation == disk.conversation && far.instance != disk.instance);
        let far = far.expect("nobody is alone");
        let key = schedule::public(kind, far.secret);
        let trust = match &disk.far {
            Some(_) if disk.is_paired => Trust::Paired { far: far.instance.clone(), key, spent: Some(code.spent()) },
            Some(owner) => Trust::Reader { far: owner.clone(), code, key: random.bool().then_some(key) },
            None => Trust::Owner { code },
        };
        Channel::new(Setup {
            conversation: disk.conversation.clone(),
            instance: disk.instance.clone(),
            secret: SecretKey::from_bytes(secret),
            trust,
            seed: random.u64(..),
            resolver: if kind == crypto::Kind::Toy { crypto::toy } else { twocan::seal::resolver },
        })
    };
    disks.iter().map(impostor).collect()
}

impl World {
    /// A line that the switchboard has for a connection; the server may make something else of it.
    pub fn route(&mut self, to: usize, line: &str) {
        match (self.adversary.malice, split(line)) {
            (Malice::Busy, Some((from, text))) => self.meddle(to, from, text),
            (Malice::Once(which), Some((from, text))) if self.adversary.spoilt.is_none() => {
                self.spoil_once(to, from, text, which);
            }
            _ => self.send_down(to, line),
        }
    }

    fn spoil_once(&mut self, to: usize, from: &str, text: &str, which: u32) {
        // The first text of a handshake may be one that is not waited for.
        let counts = matches!(
            Frame::parse(text),
            Ok(Frame::Sealed { .. } | Frame::Noise { step: Step::Xx2 | Step::Xx3 | Step::Kk2, .. })
        );
        let mut text = text.to_owned();
        if counts && self.adversary.passed == which {
            text = self.flip(&text);
            self.adversary.spoilt = Some((ConnectionId(to as u64), text.clone()));
        }
        self.adversary.passed += u32::from(counts);
        self.send_down(to, &format!("ROOM_PEER_MSG {from} {text}"));
    }

    /// What was spoilt has arrived: the side has to say so.
    pub fn check_spoilt(&self, socket: usize, line: &str) {
        let Some((to, text)) = &self.adversary.spoilt else { return };
        if *to == ConnectionId(socket as u64) && split(line).is_some_and(|(_, said)| said == text) {
            let side = self.server.sockets[socket].side;
            let run = self.sides[side].run.as_ref().expect("it runs");
            let is_told = run.suspicions.contains(&Suspicion::Forged);
            assert!(is_told, "side {side} finds nothing suspicious about a frame that was changed");
        }
    }

    fn meddle(&mut self, to: usize, from: &str, text: &str) {
        let number = self.adversary.seen.len();
        if number < MEMORY {
            self.adversary.seen.push(text.to_owned());
        }
        let text = text.to_owned();
        let line = |text: &str| format!("ROOM_PEER_MSG {from} {text}");
        match self.random.u8(0..40) {
            0 | 1 => {
                let text = self.flip_any(&text);
                self.evil(to, "flips", line(&text))
            }
            2 | 3 => {
                let text = self.flip(&text);
                self.evil(to, "changes", line(&text))
            }
            4 => {
                let text = self.renumber(&text);
                self.evil(to, "renumbers", line(&text))
            }
            5 => {
                let text = self.shorten(&text);
                self.evil(to, "cuts", line(&text))
            }
            6 => {
                self.send_down(to, &line(&text));
                let text = self.invent();
                self.evil(to, "says plainly", line(&text));
            }
            7 | 8 => {
                self.send_down(to, &line(&text));
                self.replay();
            }
            9 | 10 => self.impersonate(to, &text),
            11 => self.evil(to, "hides", String::new()),
            12 => {
                let somebody = InstanceId::from_bits(self.random.u128(..));
                let (_, conversation) = from.split_once(':').expect("a uid of ours");
                self.evil(to, "renames", format!("ROOM_PEER_MSG {somebody}:{conversation} {text}"));
            }
            _ => self.send_down(to, &line(&text)),
        }
    }

    fn evil(&mut self, to: usize, what: &str, line: String) {
        trace::note(|| {
            format!("{} server {what}, of side {}: {line:.120}", self.clock(), self.server.sockets[to].side)
        });
        if !line.is_empty() {
            self.down(to, Down::Line(line.into()));
        }
    }

    /// An old frame, of any conversation, goes to anybody as from their far side.
    fn replay(&mut self) {
        let old = self.random.usize(0..self.adversary.seen.len());
        let text = self.adversary.seen[old].clone();
        let side = self.random.usize(0..self.sides.len());
        let Some(socket) = self.sides[side].run.as_ref().and_then(|run| run.socket) else { return };
        let disk = &self.disks[self.sides[side].disk];
        let far = disk.far.clone().or_else(|| Some(self.disks[1].instance.clone()));
        let from = far.expect("one at least").uid(&disk.conversation);
        self.evil(socket, "replays", format!("ROOM_PEER_MSG {from} {text}"));
    }

    /// The addressee does not get it; somebody else answers in its name.
    fn impersonate(&mut self, to: usize, text: &str) {
        let as_disk = self.sides[self.server.sockets[to].side].disk;
        let Some(sender) = self.disks.iter().position(|disk| {
            disk.conversation == self.disks[as_disk].conversation && disk.instance != self.disks[as_disk].instance
        }) else {
            return;
        };
        let now = self.now;
        let impostor = &mut self.adversary.impostors[as_disk];
        impostor.handle(now, Input::Here(if self.random.bool() { Order::Begins } else { Order::Waits }));
        impostor.handle(now, Input::Frame(self.disks[sender].instance.clone(), text.to_owned()));
        impostor.handle(now, Input::Say(evil_setup()));
        impostor.handle(now, Input::Deadline);
        let outputs: Vec<Output> = std::iter::from_fn(|| impostor.poll()).collect();
        for output in outputs {
            match output {
                Output::Send(addressee, text) => self.send_as(as_disk, &addressee, &text),
                Output::Learned(_) | Output::Paired { .. } | Output::Up(_) | Output::Heard(_) => {
                    panic!("somebody who has no key is believed: {output:?}");
                }
                Output::Down | Output::Refused | Output::Suspicious(_) => {}
            }
        }
    }

    fn send_as(&mut self, as_disk: usize, addressee: &InstanceId, text: &str) {
        let disk = &self.disks[as_disk];
        let line = format!("ROOM_PEER_MSG {} {text}", disk.instance.uid(&disk.conversation));
        let is_addressee = |side: &usize| self.disks[self.sides[*side].disk].instance == *addressee;
        let sides: Vec<usize> = (0..self.sides.len()).filter(is_addressee).collect();
        for side in sides {
            if let Some(socket) = self.sides[side].run.as_ref().and_then(|run| run.socket) {
                self.evil(socket, "says in another's name", line.clone());
            }
        }
    }

    /// One bit of the text is another, whatever it is part of.
    fn flip_any(&mut self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        if !bytes.is_empty() {
            let at = self.random.usize(0..bytes.len());
            bytes[at] ^= 1 << self.random.u8(0..7);
        }
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// One letter of what is sealed, or of a handshake, is another; it stays base64.
    fn flip(&mut self, text: &str) -> String {
        let Some(start) = text.find(r#""data":""#).map(|at| at + 8) else { return text.to_owned() };
        let length = text[start..].find('"').unwrap_or(0);
        if length < 2 {
            return text.to_owned();
        }
        let at = start + self.random.usize(0..length - 1);
        let letter = if &text[at..=at] == "A" { "B" } else { "A" };
        format!("{}{letter}{}", &text[..at], &text[at + 1..])
    }

    fn renumber(&mut self, text: &str) -> String {
        match Frame::parse(text) {
            Ok(Frame::Sealed { id, n, data }) => {
                Frame::Sealed { id, n: n.wrapping_add(self.random.u32(0..4)).wrapping_sub(2), data }.to_string()
            }
            Ok(Frame::Noise { step, data, .. }) => {
                Frame::Noise { step, id: twocan::ids::SessionId::from_bits(self.random.u64(..)), data }.to_string()
            }
            Ok(Frame::Refused { .. }) | Err(_) => text.to_owned(),
        }
    }

    fn shorten(&mut self, text: &str) -> String {
        match Frame::parse(text) {
            Ok(Frame::Sealed { id, n, mut data }) => {
                data.truncate(self.random.usize(0..=data.len()));
                Frame::Sealed { id, n, data }.to_string()
            }
            Ok(Frame::Noise { step, id, mut data }) => {
                data.truncate(self.random.usize(0..=data.len()));
                Frame::Noise { step, id, data }.to_string()
            }
            Ok(Frame::Refused { .. }) | Err(_) => text.to_owned(),
        }
    }

    /// What would do harm if anybody listened to what is not sealed.
    fn invent(&mut self) -> String {
        match self.random.u8(0..4) {
            0 => evil_setup(),
            1 => format!(r#"{{"sdp":{{"type":"offer","sdp":"v=0\r\na=fingerprint:sha-256 {MARK}\r\n"}}}}"#),
            2 => format!(
                r#"{{"refused":{{"proof":"{}"}}}}"#,
                SecretKey::from_bytes(self.random.u128(..).to_le_bytes().repeat(2).try_into().expect("32 bytes"))
                    .reveal()
                    .as_str()
            ),
            _ => r#"{"accepted":{}}"#.to_owned(),
        }
    }

    pub fn become_honest(&mut self) {
        if self.adversary.malice == Malice::Busy {
            self.adversary.malice = Malice::None;
        }
    }
}

fn evil_setup() -> String {
    format!(
        r#"{{"version":"3.0","type":"SETUP","sessid":"evil","resp":false,"sdp":"v=0\r\na=fingerprint:sha-256 {MARK}\r\n","props":{{"{MARK}":"true"}}}}"#
    )
}

/// Who says what, where a line is that.
fn split(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("ROOM_PEER_MSG ")?.split_once(' ')
}
