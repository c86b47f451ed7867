//! A room of several, by the rendezvous's ROOM: the line to the server, who is there, and a call with each.
//!
//! Who comes offers to everybody who is there; plain JSON goes from member to member, so that peers of any make can be in
//! it. A member that has its connection made anew keeps the old one until the new one stands. Nothing here is sealed.

mod line;
mod member;

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use crate::{
    call::{Connection, MediaCommand, MediaEvent},
    conversation::{Backoff, Gate, LineState, Switch, Track},
    ids::{PeerUid, RoomId},
    rendezvous::{BackIn, ClientLine, ServerLine},
};
use line::Line;
use member::Member;

/// How many talk with each other, this side included: 8. Each one costs every other a connection and its pictures.
pub const ROOM_LIMIT: usize = 8;
/// How many members are kept account of: 64; a server that names more is not believed.
pub const MEMBERS_KNOWN: usize = 64;
/// How long the connection to a member is kept that the server says has left: 3 s. It may have lost its line only, and
/// comes back then.
pub const LEAVE_GRACE: Duration = Duration::from_secs(3);
/// The same after this side's own line was lost, as the others' may have been too: 15 s.
pub const RETURN_GRACE: Duration = Duration::from_secs(15);

/// What a room begins with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Its name at the server.
    pub room: RoomId,
    /// What this side's number and connections are drawn from.
    pub seed: u64,
}

/// What happens.
#[derive(Debug, Clone)]
pub enum Input {
    /// The first of all.
    Start,
    /// The socket that was asked for is open.
    SocketOpen,
    /// The server says this.
    Line(ServerLine),
    /// The socket is closed, or did not come about.
    SocketClosed,
    /// The server stops, and has said when it is back; the socket is closed next.
    ServerStops(BackIn),
    /// The media have something to tell.
    Media(Connection, MediaEvent),
    /// This machine is reached differently than before.
    NetworkChanged,
    /// The user opens or closes the gate.
    Gate(Gate),
    /// The user mutes the microphone, or switches off the camera, or not.
    Track(Track, Switch),
    /// Time has passed; harmless when nothing is due.
    Deadline,
}

/// What is to be done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Open a socket to the server.
    Connect,
    /// Close it.
    Disconnect,
    /// Say this line.
    Send(ClientLine),
    /// Tell the media.
    Media(Connection, MediaCommand),
    /// Open or close the gate.
    Gate(Gate),
    /// Let sound, or pictures, through the open gate, or not.
    Track(Track, Switch),
    /// Show this.
    Event(Event),
}

/// What a person is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The line to the server.
    Line(LineState),
    /// What this side goes by in the room.
    Number(PeerUid),
    /// A member, and how it stands with it; why a connection came to nothing is told once.
    Member(PeerUid, MemberState, Option<String>),
    /// The gate.
    Gate(Gate),
    /// What is kept back even while the gate is open.
    Track(Track, Switch),
    /// This side is one too many, or no longer.
    Full(bool),
    /// The server complains; nothing came of it.
    ServerError(String),
}

/// How it stands with a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    /// In the room, and nothing more.
    Here,
    /// Finding a way.
    Connecting,
    /// Up.
    Connected,
    /// In the room, but one too many.
    TooMany,
    /// Left the room.
    Left,
}

/// One room, and this side's place in it.
#[derive(Debug)]
pub struct Room {
    room: RoomId,
    uid: PeerUid,
    line: Line,
    backoff: Backoff,
    members: BTreeMap<PeerUid, Member>,
    /// Whether this side was told to be one too many.
    is_full: bool,
    gate: Gate,
    random: fastrand::Rng,
    outputs: VecDeque<Output>,
}

impl Room {
    /// Not in it yet.
    pub fn new(setup: Setup) -> Self {
        let mut random = fastrand::Rng::with_seed(setup.seed);
        let uid = number(&mut random);
        Self {
            room: setup.room,
            uid,
            line: Line::Idle,
            backoff: Backoff::default(),
            members: BTreeMap::new(),
            is_full: false,
            gate: Gate::Closed,
            random,
            outputs: VecDeque::new(),
        }
    }

    /// Takes note of what happened; drain [`Room::poll`] afterwards.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Start => {
                self.event(Event::Gate(self.gate));
                self.connect();
            }
            Input::SocketOpen => self.socket_open(now),
            Input::SocketClosed => self.socket_closed(now),
            Input::ServerStops(back_in) => self.backoff.told(back_in),
            Input::Line(line) => self.server(now, line),
            Input::NetworkChanged => self.network_changed(now),
            Input::Media(connection, event) => {
                if let Some(member) = self.members.values_mut().find(|member| member.has(&connection)) {
                    member.media(now, connection, event);
                }
            }
            Input::Gate(gate) => self.set_gate(gate),
            Input::Track(track, switch) => {
                self.outputs.push_back(Output::Track(track, switch));
                self.event(Event::Track(track, switch));
            }
            Input::Deadline => {}
        }
        self.expire(now);
        self.settle(now);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Deadline`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.members.values().filter_map(Member::deadline).chain(self.line.deadline()).min()
    }

    /// Whose connection this is.
    pub fn member(&self, connection: &Connection) -> Option<&PeerUid> {
        self.members.iter().find(|(_, member)| member.has(connection)).map(|(uid, _)| uid)
    }

    fn set_gate(&mut self, gate: Gate) {
        if self.gate != gate {
            self.gate = gate;
            self.outputs.push_back(Output::Gate(gate));
            self.event(Event::Gate(gate));
        }
    }

    /// Who was in the room when this side came: it offers to them, if there is room for it.
    fn joined(&mut self, now: Instant, there: &[PeerUid]) {
        // Every one of them was there before; of the others nobody knows.
        for (uid, member) in &mut self.members {
            if !there.contains(uid) {
                member.leave(now, RETURN_GRACE);
            }
        }
        for uid in there.iter().filter(|uid| **uid != self.uid).take(MEMBERS_KNOWN) {
            let seed = self.random.u64(..);
            self.members.entry(uid.clone()).or_insert_with(|| Member::new(seed)).meet(now, member::Order::Ahead);
        }
        self.make_way(now);
    }

    fn arrived(&mut self, now: Instant, uid: PeerUid) {
        if uid == self.uid || (self.members.len() >= MEMBERS_KNOWN && !self.members.contains_key(&uid)) {
            return;
        }
        let others = self.members.iter().filter(|(other, member)| **other != uid && member.has_place()).count();
        let seed = self.random.u64(..);
        let member = self.members.entry(uid).or_insert_with(|| Member::new(seed));
        member.meet(now, member::Order::Behind);
        if self.is_full || others >= ROOM_LIMIT - 1 {
            member.turn_away();
        }
    }

    fn left(&mut self, now: Instant, uid: &PeerUid) {
        if let Some(member) = self.members.get_mut(uid) {
            member.leave(now, LEAVE_GRACE);
            self.make_way(now);
        }
    }

    /// Offers to those who were there before, as soon as this side is not one too many.
    fn make_way(&mut self, now: Instant) {
        let ahead = self.members.values().filter(|member| member.is_ahead()).count();
        let is_full = ahead >= ROOM_LIMIT;
        if is_full != self.is_full {
            self.is_full = is_full;
            self.event(Event::Full(is_full));
        }
        if !is_full && self.line == Line::Joined {
            self.members.values_mut().filter(|member| member.is_ahead()).for_each(|member| member.begin(now));
        }
    }

    fn said(&mut self, now: Instant, from: &PeerUid, text: &str) {
        let taken = self.members.values().filter(|member| member.is_talking()).count();
        let has_room = !self.is_full && taken < ROOM_LIMIT - 1;
        // Both may have offered: the greater uid's offer stands, by its bytes.
        let ours_stands = self.uid > *from;
        if let Some(member) = self.members.get_mut(from) {
            member.said(now, text, has_room, ours_stands);
        }
    }

    fn expire(&mut self, now: Instant) {
        if self.line.deadline().is_some_and(|due| due <= now) {
            self.line_expired(now);
        }
        self.members.values_mut().for_each(|member| member.expire(now));
    }

    /// Passes on what the members' calls want, tells how each stands, and forgets those that are gone.
    fn settle(&mut self, now: Instant) {
        for (uid, member) in &mut self.members {
            while let Some(output) = member.poll(now) {
                match output {
                    member::Output::Say(text) if self.line == Line::Joined => {
                        self.outputs.push_back(Output::Send(ClientLine::RoomPeerMsg { to: uid.clone(), text }));
                    }
                    // A call that could not be made known comes to nothing, and is made anew.
                    member::Output::Say(_) => {}
                    member::Output::Media(connection, command) => {
                        self.outputs.push_back(Output::Media(connection, command));
                    }
                }
            }
            if let Some((state, why)) = member.news() {
                self.outputs.push_back(Output::Event(Event::Member(uid.clone(), state, why)));
            }
        }
        self.members.retain(|_, member| !member.is_over());
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}

/// A number of nine digits, as stock peers of many parties go by.
fn number(random: &mut fastrand::Rng) -> PeerUid {
    // Digits are always a word.
    random.u32(100_000_000..1_000_000_000).to_string().parse().unwrap_or_else(|_| unreachable!("digits are a word"))
}

#[cfg(test)]
mod tests;
