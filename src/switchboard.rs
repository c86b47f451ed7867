//! The rendezvous server's brain: who is registered, who is with whom, and what goes to whom.
//!
//! Rendezvous clients and Workrooms clients ([`Dialect`]) are served side by side and know nothing of each other.
//!
//! It takes `(now, connection, Input)`, queues [`Output`]s and names its next deadline; it knows no socket and no
//! clock. After every call, drain [`Switchboard::poll_output`] and ask [`Switchboard::deadline`] again.
//!
//! A connection that the switchboard closes is forgotten at once: its uid is free before any close handshake ends, and
//! whatever still arrives from it is ignored.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use crate::{
    ids::{PeerUid, RoomId},
    rendezvous::{Refusal, Request, Resume, ServerLine},
};

mod limits;
#[cfg(test)]
mod model;
#[cfg(test)]
mod model_workrooms;
mod said;
#[cfg(test)]
mod tests;
mod traffic;
mod workrooms;

use said::Said;
use workrooms::Workrooms;

pub use limits::{HELLO_LIMIT, HOLDER_LIMIT, Limits, ROOM_LIMIT};
pub use traffic::{Census, CloseCode, ConnectionId, Dialect, Input, Output};

/// The state of all connections; see the module.
#[derive(Debug)]
pub struct Switchboard {
    limits: Limits,
    connections: HashMap<ConnectionId, Connection>,
    uids: HashMap<Arc<PeerUid>, ConnectionId>,
    /// Members in the order they came; a room with nobody in it is gone.
    rooms: HashMap<Arc<RoomId>, Vec<ConnectionId>>,
    /// When which connection's state runs out: `Unregistered` or `Challenge`.
    timers: BTreeSet<(Instant, ConnectionId)>,
    /// By what the clients of some connections would take over from themselves.
    resumes: HashMap<ConnectionId, Resume>,
    /// How many found their room full since this was asked last.
    turned_away: u64,
    workrooms: Workrooms,
    outputs: VecDeque<Output>,
    /// How many pairs are in a session.
    sessions: usize,
}

#[derive(Debug)]
enum Connection {
    /// Has not said HELLO.
    Unregistered { until: Instant },
    /// Has said HELLO with a uid whose holder is being asked for a sign of life.
    Waiting { holder: ConnectionId, said: Said },
    /// Holds a uid.
    Registered { uid: Arc<PeerUid>, place: Place, challenge: Option<Challenge> },
}

#[derive(Debug, Clone)]
enum Place {
    Idle,
    Session(ConnectionId),
    Room(Arc<RoomId>),
}

/// A newcomer wants this holder's uid and gets it unless the holder shows life in time.
#[derive(Debug, Clone, Copy)]
struct Challenge {
    newcomer: ConnectionId,
    until: Instant,
}

impl Switchboard {
    /// A switchboard with nobody connected; `secret` is random, and what it calls Workrooms' calls follows from it.
    pub fn new(limits: Limits, secret: [u8; 32]) -> Self {
        Self {
            limits,
            connections: HashMap::new(),
            uids: HashMap::new(),
            rooms: HashMap::new(),
            timers: BTreeSet::new(),
            resumes: HashMap::new(),
            turned_away: 0,
            workrooms: Workrooms::new(limits, secret),
            outputs: VecDeque::new(),
            sessions: 0,
        }
    }

    /// Takes in what happened on one connection.
    pub fn handle(&mut self, now: Instant, from: ConnectionId, input: Input<'_>) {
        if self.workrooms.has(from) {
            return self.workrooms.handle(now, from, input);
        }
        match input {
            Input::Opened(Dialect::Rendezvous(resume)) => self.open(now, from, resume),
            Input::Opened(Dialect::Workrooms) => self.workrooms.open(from),
            Input::Text(text) => {
                self.show_life(from);
                self.hear(now, from, text);
            }
            Input::Binary => {
                self.show_life(from);
                self.dismiss(from, CloseCode::Protocol, "invalid protocol");
            }
            Input::TooLarge => {
                self.show_life(from);
                self.dismiss(from, CloseCode::TooLarge, "message too large");
            }
            Input::Frame => self.show_life(from),
            Input::Closed => self.forget(from),
        }
    }

    /// Does what is due at `now`; harmless when nothing is.
    pub fn handle_deadline(&mut self, now: Instant) {
        while let Some(&(until, id)) = self.timers.first()
            && until <= now
        {
            self.timers.pop_first();
            match self.connections.get(&id) {
                Some(Connection::Unregistered { .. }) => self.dismiss(id, CloseCode::Protocol, "hello timeout"),
                Some(Connection::Registered { .. }) => self.dismiss(id, CloseCode::Away, "no sign of life"),
                Some(Connection::Waiting { .. }) | None => {}
            }
        }
        self.workrooms.handle_deadline(now);
    }

    /// When [`Self::handle_deadline`] is to be called next, if nothing else happens.
    pub fn deadline(&self) -> Option<Instant> {
        let own = self.timers.first().map(|&(until, _)| until);
        own.into_iter().chain(self.workrooms.deadline()).min()
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front().or_else(|| self.workrooms.poll_output())
    }

    /// How much of everything there is.
    pub fn census(&self) -> Census {
        Census { rooms: self.rooms.len(), sessions: self.sessions, calls: self.workrooms.calls() }
    }

    /// How many found their room full since this was asked last.
    pub fn take_turned_away(&mut self) -> u64 {
        std::mem::take(&mut self.turned_away)
    }

    /// How often the directory was looked through since this was asked last.
    pub fn take_searches(&mut self) -> u32 {
        self.workrooms.take_searches()
    }

    fn open(&mut self, now: Instant, id: ConnectionId, resume: Option<&Resume>) {
        let until = now + self.limits.hello;
        self.resumes.extend(resume.map(|resume| (id, resume.clone())));
        self.timers.insert((until, id));
        self.connections.insert(id, Connection::Unregistered { until });
    }

    fn hear(&mut self, now: Instant, from: ConnectionId, text: &str) {
        match self.connections.get_mut(&from) {
            None => {} // What a closed connection had still under way.
            Some(Connection::Unregistered { until }) => {
                let timer = (*until, from);
                self.greet(now, from, text, timer);
            }
            Some(Connection::Waiting { said, .. }) => {
                let kept = said.keep(text);
                if kept.is_err() {
                    self.turn_away(from, Refusal::InvalidProtocol);
                }
            }
            Some(Connection::Registered { .. }) => self.hear_registered(from, text),
        }
    }

    fn hear_registered(&mut self, from: ConnectionId, text: &str) {
        let Some(Connection::Registered { uid, place, .. }) = self.connections.get(&from) else { return };
        match place {
            Place::Idle => {
                let uid = uid.clone();
                self.hear_idle(from, &uid, text);
            }
            Place::Session(other) => {
                let to = *other;
                self.outputs.push_back(Output::Send { to, text: text.into(), relayed: true });
            }
            Place::Room(room) => {
                let (uid, room) = (uid.clone(), room.clone());
                self.hear_in_room(from, &uid, &room, text);
            }
        }
    }

    fn greet(&mut self, now: Instant, from: ConnectionId, text: &str, timer: (Instant, ConnectionId)) {
        let Request::Hello(name) = Request::parse(text) else {
            return self.turn_away(from, Refusal::InvalidProtocol);
        };
        let Some(uid) = name.parse::<PeerUid>().ok().filter(|uid| uid.as_str().len() <= self.limits.uid) else {
            return self.turn_away(from, Refusal::InvalidPeerUid);
        };
        self.timers.remove(&timer);
        match self.uids.get(&uid) {
            Some(&holder) if self.is_same_client(holder, from) => self.take_over(holder, from, uid),
            Some(&holder) => self.challenge(now, holder, from),
            None => self.register(from, Arc::new(uid)),
        }
    }

    fn register(&mut self, id: ConnectionId, uid: Arc<PeerUid>) {
        self.uids.insert(uid.clone(), id);
        self.connections.insert(id, Connection::Registered { uid, place: Place::Idle, challenge: None });
        self.send(id, &ServerLine::Hello);
    }

    fn is_same_client(&self, one: ConnectionId, other: ConnectionId) -> bool {
        self.resumes.get(&one).is_some_and(|resume| self.resumes.get(&other) == Some(resume))
    }

    /// Gives the holder's uid to a newer connection of the same client.
    fn take_over(&mut self, holder: ConnectionId, newcomer: ConnectionId, uid: PeerUid) {
        // Whoever else is waiting for the uid waits in vain.
        self.show_life(holder);
        self.dismiss(holder, CloseCode::Away, "taken over");
        self.register(newcomer, Arc::new(uid));
    }

    /// Asks the holder for a sign of life; the newcomer waits for what comes of it.
    fn challenge(&mut self, now: Instant, holder: ConnectionId, newcomer: ConnectionId) {
        let until = now + self.limits.holder;
        match self.connections.get_mut(&holder) {
            Some(Connection::Registered { challenge: challenge @ None, .. }) => {
                *challenge = Some(Challenge { newcomer, until });
                self.timers.insert((until, holder));
                self.connections.insert(newcomer, Connection::Waiting { holder, said: Said::default() });
                self.outputs.push_back(Output::Ping { to: holder });
            }
            _ => self.turn_away(newcomer, Refusal::PeerUidTaken),
        }
    }

    /// Ends a challenge, if one is on, in the holder's favour.
    fn show_life(&mut self, holder: ConnectionId) {
        if let Some(Connection::Registered { challenge, .. }) = self.connections.get_mut(&holder)
            && let Some(Challenge { newcomer, until }) = challenge.take()
        {
            self.timers.remove(&(until, holder));
            self.turn_away(newcomer, Refusal::PeerUidTaken);
        }
    }

    fn hear_idle(&mut self, from: ConnectionId, uid: &Arc<PeerUid>, text: &str) {
        match Request::parse(text) {
            Request::Session(callee) => self.call(from, callee),
            Request::Room(name) => match name.parse::<RoomId>() {
                Ok(room) => self.enter(from, uid, room),
                Err(_) => self.refuse(from, Refusal::InvalidRoomId(name)),
            },
            Request::Hello(_) | Request::RoomPeerMsg { .. } | Request::RoomPeerList | Request::Other => {
                self.refuse(from, Refusal::InvalidMsg(text));
            }
        }
    }

    fn call(&mut self, from: ConnectionId, callee: &str) {
        let Some((other, place)) = self.find(callee) else {
            return self.refuse(from, Refusal::PeerNotFound(callee));
        };
        // Whoever calls themselves is busy calling.
        if !matches!(place, Place::Idle) || other == from {
            return self.refuse(from, Refusal::PeerBusy(callee));
        }
        self.sessions += 1;
        self.put(from, Place::Session(other));
        self.put(other, Place::Session(from));
        self.send(from, &ServerLine::SessionOk);
    }

    fn enter(&mut self, from: ConnectionId, uid: &Arc<PeerUid>, room: RoomId) {
        let room = match self.rooms.get_key_value(&room) {
            Some((room, members)) if members.len() >= self.limits.room => {
                let name = room.to_string();
                self.turned_away += 1;
                return self.refuse(from, Refusal::RoomFull(&name));
            }
            Some((room, _)) => room.clone(),
            None => Arc::new(room),
        };
        self.send(from, &ServerLine::RoomOk(self.members(&room, from)));
        self.broadcast(&room, &ServerLine::RoomPeerJoined(uid.as_ref().clone()));
        self.put(from, Place::Room(room.clone()));
        self.rooms.entry(room).or_default().push(from);
    }

    fn hear_in_room(&mut self, from: ConnectionId, uid: &Arc<PeerUid>, room: &Arc<RoomId>, text: &str) {
        match Request::parse(text) {
            Request::RoomPeerMsg { to, text } => match self.find(to) {
                None => self.refuse(from, Refusal::PeerNotFound(to)),
                Some((other, Place::Room(there))) if there == room => {
                    let from = uid.as_ref().clone();
                    self.send(other, &ServerLine::RoomPeerMsg { from, text: text.to_owned() });
                }
                Some(_) => self.refuse(from, Refusal::PeerNotInRoom(to)),
            },
            Request::RoomPeerList => self.send(from, &ServerLine::RoomPeerList(self.members(room, from))),
            Request::Hello(_) | Request::Session(_) | Request::Room(_) | Request::Other => {
                self.refuse(from, Refusal::AlreadyInRoom);
            }
        }
    }

    /// The registered connection of that uid, and where it is.
    fn find(&self, uid: &str) -> Option<(ConnectionId, &Place)> {
        let id = *self.uids.get(&uid.parse::<PeerUid>().ok()?)?;
        match self.connections.get(&id)? {
            Connection::Registered { place, .. } => Some((id, place)),
            Connection::Unregistered { .. } | Connection::Waiting { .. } => None,
        }
    }

    fn put(&mut self, id: ConnectionId, to: Place) {
        if let Some(Connection::Registered { place, .. }) = self.connections.get_mut(&id) {
            *place = to;
        }
    }

    fn members(&self, room: &Arc<RoomId>, asker: ConnectionId) -> Vec<PeerUid> {
        let members = self.rooms.get(room).into_iter().flatten().filter(|&&member| member != asker);
        members
            .filter_map(|member| match self.connections.get(member)? {
                Connection::Registered { uid, .. } => Some(uid.as_ref().clone()),
                Connection::Unregistered { .. } | Connection::Waiting { .. } => None,
            })
            .collect()
    }

    /// Forgets a connection that is gone, and tells those it was with.
    fn forget(&mut self, id: ConnectionId) {
        self.resumes.remove(&id);
        match self.connections.remove(&id) {
            None => {}
            Some(Connection::Unregistered { until }) => {
                self.timers.remove(&(until, id));
            }
            Some(Connection::Waiting { holder, .. }) => self.call_off(holder),
            Some(Connection::Registered { uid, place, challenge }) => {
                self.uids.remove(&uid);
                match place {
                    Place::Idle => {}
                    Place::Session(other) => {
                        // The other's place still names this one, which is gone when that is looked at.
                        self.sessions -= usize::from(self.connections.contains_key(&other));
                        self.dismiss(other, CloseCode::Normal, "");
                    }
                    Place::Room(room) => self.leave(id, &uid, &room),
                }
                if let Some(Challenge { newcomer, until }) = challenge {
                    self.timers.remove(&(until, id));
                    self.succeed(newcomer, uid);
                }
            }
        }
    }

    fn leave(&mut self, id: ConnectionId, uid: &Arc<PeerUid>, room: &Arc<RoomId>) {
        let Some(members) = self.rooms.get_mut(room) else { return };
        members.retain(|&member| member != id);
        if members.is_empty() {
            self.rooms.remove(room);
        } else {
            self.broadcast(room, &ServerLine::RoomPeerLeft(uid.as_ref().clone()));
        }
    }

    /// The newcomer has gone before its challenge was decided.
    fn call_off(&mut self, holder: ConnectionId) {
        if let Some(Connection::Registered { challenge, .. }) = self.connections.get_mut(&holder)
            && let Some(Challenge { until, .. }) = challenge.take()
        {
            self.timers.remove(&(until, holder));
        }
    }

    /// The newcomer gets the uid, and what it said while waiting is heard.
    fn succeed(&mut self, newcomer: ConnectionId, uid: Arc<PeerUid>) {
        let Some(Connection::Waiting { said, .. }) = self.connections.remove(&newcomer) else { return };
        self.register(newcomer, uid);
        for text in said {
            self.hear_registered(newcomer, &text);
        }
    }

    /// Refuses one thing; the connection stays open.
    fn refuse(&mut self, id: ConnectionId, refusal: Refusal<'_>) {
        self.send(id, &ServerLine::Error(refusal.to_string()));
    }

    /// Refuses to register a connection, and closes it.
    fn turn_away(&mut self, id: ConnectionId, refusal: Refusal<'_>) {
        self.refuse(id, refusal);
        let about_uid = matches!(refusal, Refusal::InvalidPeerUid | Refusal::PeerUidTaken);
        let reason = if about_uid { "invalid peer uid" } else { "invalid protocol" };
        self.dismiss(id, CloseCode::Protocol, reason);
    }

    /// Closes a connection and forgets it; does nothing where it is forgotten already.
    fn dismiss(&mut self, id: ConnectionId, code: CloseCode, reason: &'static str) {
        if self.connections.contains_key(&id) {
            self.outputs.push_back(Output::Close { to: id, code, reason });
            self.forget(id);
        }
    }

    fn send(&mut self, to: ConnectionId, line: &ServerLine) {
        let relayed = matches!(line, ServerLine::RoomPeerMsg { .. });
        self.outputs.push_back(Output::Send { to, text: line.to_string().into(), relayed });
    }

    fn broadcast(&mut self, room: &Arc<RoomId>, line: &ServerLine) {
        let text: Arc<str> = line.to_string().into();
        for &to in self.rooms.get(room).into_iter().flatten() {
            self.outputs.push_back(Output::Send { to, text: text.clone(), relayed: false });
        }
    }
}
