//! What is around one side: the server's line, an honest channel at the far end, media; and what must hold.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use twocan::{
    call::{Connection, MediaCommand, Signal},
    conversation::{Conversation, Event, Gate, Input, Output, Setup},
    foreign::SENTENCE,
    ids::{ConversationId, InstanceId, PeerUid},
    pairing::PairingKey,
    rendezvous::{ClientLine, MESSAGE_LIMIT, ServerLine},
    seal::{self, Channel, Order, PublicKey, SecretKey, Trust},
};

use super::super::crypto;

/// What one input may bring about at most: a description and 64 candidates told again, and what goes with them.
const OUTPUTS: usize = 160;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Down,
    Asked,
    Up,
}

pub(super) struct World {
    pub(super) now: Instant,
    /// Which of the two is this one, and which is the far one.
    sides: [usize; 2],
    own: Conversation,
    far: Channel,
    line: Line,
    /// What the far side has sealed, not yet delivered.
    flying: VecDeque<String>,
    /// All that it ever sealed.
    far_sent: Vec<String>,
    /// All connections that the media were ever told of.
    pub(super) connections: Vec<Connection>,
    /// Those the media have.
    open: Vec<Connection>,
    gate: Gate,
    is_paired: bool,
}

fn conversation() -> ConversationId {
    ConversationId::from_bits(1)
}

fn instance(side: usize) -> InstanceId {
    InstanceId::from_bits(10 + side as u128)
}

fn secret(side: usize) -> [u8; 32] {
    [50 + side as u8; 32]
}

fn key(side: usize) -> PublicKey {
    crypto::public(secret(side))
}

/// Whom the two believe: this side first.
fn trusts(kind: u8, own: usize, far: usize) -> [Trust; 2] {
    let code = || PairingKey::from_bytes([3; 32]);
    let reader = |far| Trust::Reader { far: instance(far), code: code(), key: None };
    let paired = |far| Trust::Paired { far: instance(far), key: key(far), spent: None };
    match kind {
        0 => [Trust::Owner { code: code() }, reader(own)],
        1 => [reader(far), Trust::Owner { code: code() }],
        2 => [Trust::Closed { spent: Some(code().spent()) }, reader(own)],
        3 => [reader(far), Trust::Closed { spent: Some(code().spent()) }],
        _ => [paired(far), paired(own)],
    }
}

impl World {
    pub(super) fn new(kind: u8) -> Self {
        crypto::seed(kind.into());
        let now = Instant::now();
        // Which id is the greater one decides who yields.
        let (own, far) = if kind & 8 == 0 { (0, 1) } else { (1, 0) };
        let [trust, far_trust] = trusts(kind & 7, own, far);
        let is_paired = matches!(trust, Trust::Paired { .. });
        let far_setup = seal::Setup {
            conversation: conversation(),
            instance: instance(far),
            secret: SecretKey::from_bytes(secret(far)),
            trust: far_trust,
            seed: 2,
            resolver: crypto::resolver,
        };
        let setup = Setup {
            conversation: conversation(),
            instance: instance(own),
            secret: SecretKey::from_bytes(secret(own)),
            trust,
            expires: now + Duration::from_secs(600),
            seed: 1,
            resolver: crypto::resolver,
        };
        Self {
            now,
            sides: [own, far],
            own: Conversation::new(setup),
            far: Channel::new(far_setup),
            line: Line::Down,
            flying: VecDeque::new(),
            far_sent: Vec::new(),
            connections: Vec::new(),
            open: Vec::new(),
            gate: Gate::Closed,
            is_paired,
        }
    }

    /// The far side's uid, or one of a stranger, of this side itself, or of nobody.
    pub(super) fn uid(&self, choice: u8) -> PeerUid {
        match choice & 7 {
            0 => instance(7).uid(&conversation()),
            1 => instance(self.sides[0]).uid(&conversation()),
            2 => instance(self.sides[1]).uid(&ConversationId::from_bits(2)),
            3 => "17".parse().expect("a uid"),
            _ => instance(self.sides[1]).uid(&conversation()),
        }
    }

    /// Feeds an input in, and carries out what comes of it.
    pub(super) fn tell(&mut self, input: Input) {
        let may_open = matches!(input, Input::Unpause);
        let is_deadline = matches!(input, Input::Deadline);
        self.own.handle(self.now, input);
        let mut outputs = 0;
        while let Some(output) = self.own.poll() {
            outputs += 1;
            assert!(outputs <= OUTPUTS, "one input brings about too much");
            assert!(may_open || output != Output::Gate(Gate::Open), "only a person opens the gate");
            self.carry_out(output);
        }
        let deadline = self.own.deadline();
        assert!(!is_deadline || deadline.is_none_or(|due| due > self.now), "a deadline stays in the past");
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Connect => {
                assert_eq!(self.line, Line::Down, "it has a connection already");
                self.line = Line::Asked;
            }
            Output::Disconnect => self.line = Line::Down,
            Output::Send(line) => self.send(&line),
            Output::Media(connection, command) => self.media(connection, &command),
            Output::Gate(gate) => {
                assert_ne!(gate, self.gate, "the gate is thus already");
                self.gate = gate;
            }
            Output::Learned(learned) => assert_eq!(learned, key(self.sides[1])),
            Output::Remember { far, key: paired, .. } => {
                assert!(!self.is_paired, "paired for a second time");
                assert_eq!((far, paired), (instance(self.sides[1]), key(self.sides[1])));
                self.is_paired = true;
            }
            Output::Event(Event::ServerError(text)) => {
                assert!(text.chars().count() <= SENTENCE && !text.contains(char::is_control), "{text:?}");
            }
            Output::Track(..) | Output::ForgetKey | Output::Event(_) => {}
        }
    }

    fn send(&mut self, line: &ClientLine) {
        assert_eq!(self.line, Line::Up, "it speaks to a server that it is not connected to");
        assert!(line.to_string().len() <= MESSAGE_LIMIT, "it says too much at once");
        let [own, far] = self.sides;
        if let ClientLine::RoomPeerMsg { to, text } = line
            && *to == instance(far).uid(&conversation())
        {
            self.far.handle(self.now, seal::Input::Frame(instance(own), text.clone()));
            self.drain_far();
        }
    }

    /// The media have at most the connection of a call and the next; nothing goes to any other.
    fn media(&mut self, connection: Connection, command: &MediaCommand) {
        assert!(self.is_paired, "a call with a stranger");
        let at = self.open.iter().position(|open| *open == connection);
        match command {
            MediaCommand::Offer | MediaCommand::Answer(_) => {
                assert_eq!(at, None, "made twice");
                self.open.push(connection.clone());
                self.connections.retain(|known| *known != connection);
                self.connections.push(connection);
                assert!(self.open.len() <= 2, "too many connections");
            }
            MediaCommand::Close => drop(self.open.remove(at.expect("closed twice"))),
            MediaCommand::TakeAnswer(_) | MediaCommand::AddCandidate(_) | MediaCommand::SendData(_) => {
                assert!(at.is_some(), "the media have no such connection: {command:?}");
            }
        }
    }

    fn drain_far(&mut self) {
        while let Some(output) = self.far.poll() {
            match output {
                seal::Output::Send(to, text) if to == instance(self.sides[0]) => {
                    self.far_sent.push(text.clone());
                    self.flying.push_back(text);
                }
                seal::Output::Heard(text) => assert!(Signal::parse(&text).is_ok(), "it says what is no signal: {text}"),
                seal::Output::Send(..)
                | seal::Output::Learned(_)
                | seal::Output::Paired { .. }
                | seal::Output::Up(_)
                | seal::Output::Down
                | seal::Output::Refused
                | seal::Output::Suspicious(_) => {}
            }
        }
    }

    /// The connection to the server comes about, if one is asked for.
    pub(super) fn open(&mut self) {
        if self.line == Line::Asked {
            self.line = Line::Up;
            self.tell(Input::SocketOpen);
        }
    }

    /// It breaks, or does not come about.
    pub(super) fn close(&mut self) {
        if self.line != Line::Down {
            self.line = Line::Down;
            self.tell(Input::SocketClosed);
        }
    }

    /// The server says a line, and it is one.
    pub(super) fn server_says(&mut self, line: &str) {
        if self.line == Line::Up
            && let Ok(line) = line.parse::<ServerLine>()
        {
            self.tell(Input::Line(line));
        }
    }

    /// All goes well until the two meet.
    pub(super) fn join(&mut self) {
        self.open();
        self.far.handle(self.now, seal::Input::Here(Order::Waits));
        self.drain_far();
        self.server_says("HELLO");
        let far = self.uid(4);
        self.server_says(&format!("ROOM_OK {far}"));
        self.server_says(&format!("ROOM_PEER_JOINED {far}"));
        self.pump();
    }

    /// Everything under way arrives, and what is said in answer.
    pub(super) fn pump(&mut self) {
        // What has piled up meanwhile is no talk.
        for _ in 0..500 + self.flying.len() {
            if self.far.deadline().is_some_and(|due| due <= self.now) {
                self.far.handle(self.now, seal::Input::Deadline);
                self.drain_far();
            }
            let Some(text) = self.flying.pop_front() else { return };
            let far = self.uid(4);
            self.server_says(&format!("ROOM_PEER_MSG {far} {text}"));
        }
        panic!("the two talk for ever");
    }

    /// The far side seals a text, and it arrives.
    pub(super) fn far_says(&mut self, text: String) {
        self.far.handle(self.now, seal::Input::Say(text));
        self.drain_far();
        self.pump();
    }

    /// A frame of the past, with something put in its place from a byte of it on.
    pub(super) fn far_frame(&mut self, at: usize, instead: &[u8]) {
        let Some(text) = self.far_sent.iter().rev().nth(at & 15) else { return };
        let mut text = text.clone().into_bytes();
        let from = (at >> 4) * text.len() / 16;
        let until = (from + instead.len()).min(text.len());
        text.splice(from..until, instead.iter().copied());
        let far = self.uid(4);
        self.server_says(&format!("ROOM_PEER_MSG {far} {}", String::from_utf8_lossy(&text)));
    }

    pub(super) fn deadline(&mut self) {
        self.tell(Input::Deadline);
    }

    /// Lets time pass, every deadline kept.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        // A call and a channel each ask for something once a second or so.
        for _ in 0..=50 + 10 * time.as_secs() {
            let Some(due) = self.own.deadline().filter(|due| *due <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(due);
            self.tell(Input::Deadline);
        }
        panic!("it is woken too often");
    }
}
