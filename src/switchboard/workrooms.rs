//! The switchboard's half for Workrooms clients: who is there under which sessionid, and which calls they hold.
//!
//! A call lives while both its sides hold it; each holds it for itself, and brings it along when it comes back. So a
//! client can claim whatever calls it likes, and reaches nobody who does not hold the same.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Instant,
};

use sha2::{Digest, Sha256};

use super::{Challenge, CloseCode, ConnectionId, Input, Limits, Output, said::Said};
use crate::{
    directory::Directory,
    ids::{Callid, Sessionid},
    workrooms::{CALL_LIMIT, Call, ClientEvent, Ended, Found, Placed, Profiles, ServerEvent, Signal},
};

/// How many calls the same two may hold with each other, so that one cannot fill up what the other may hold: 16.
const PAIR_LIMIT: usize = 16;

/// How many are found at most.
const FOUND_LIMIT: usize = 10;

/// What whoever has not registered is told.
const REGISTER_FIRST: &str = "register first";

/// The state of all connections of Workrooms clients.
#[derive(Debug)]
pub(super) struct Workrooms {
    limits: Limits,
    clients: HashMap<ConnectionId, Client>,
    sessions: HashMap<Sessionid, ConnectionId>,
    directory: Directory<ConnectionId>,
    /// When which holder's time to show life runs out.
    timers: BTreeSet<(Instant, ConnectionId)>,
    secret: [u8; 32],
    /// How many calls were ever placed.
    placed: u64,
    /// How many calls have both their sides here.
    live: usize,
    /// How often the directory was looked through since this was asked last.
    searches: u32,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum Client {
    /// Has not registered.
    Unregistered,
    /// Wants a sessionid whose holder is being asked for a sign of life.
    Waiting(Box<Waiting>),
    /// Holds a sessionid.
    Registered(Box<Member>),
}

#[derive(Debug)]
struct Waiting {
    holder: ConnectionId,
    /// The calls that it registers with.
    calls: Vec<Call>,
    said: Said,
}

#[derive(Debug)]
struct Member {
    session: Sessionid,
    profiles: Profiles,
    /// The oldest first.
    calls: Vec<Call>,
    challenge: Option<Challenge>,
}

impl Workrooms {
    pub(super) fn new(limits: Limits, secret: [u8; 32]) -> Self {
        Self {
            limits,
            clients: HashMap::new(),
            sessions: HashMap::new(),
            directory: Directory::default(),
            timers: BTreeSet::new(),
            secret,
            placed: 0,
            live: 0,
            searches: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Whether this is a connection of a Workrooms client.
    pub(super) fn has(&self, id: ConnectionId) -> bool {
        self.clients.contains_key(&id)
    }

    /// How many calls have both their sides here.
    pub(super) fn calls(&self) -> usize {
        self.live
    }

    pub(super) fn take_searches(&mut self) -> u32 {
        std::mem::take(&mut self.searches)
    }

    pub(super) fn open(&mut self, id: ConnectionId) {
        self.clients.insert(id, Client::Unregistered);
    }

    pub(super) fn handle(&mut self, now: Instant, from: ConnectionId, input: Input<'_>) {
        if !matches!(input, Input::Closed) {
            self.show_life(from);
        }
        match input {
            Input::Opened(_) | Input::Frame => {}
            Input::Text(text) => self.hear(now, from, text),
            Input::Binary => self.dismiss(now, from, CloseCode::Protocol, "invalid protocol"),
            Input::TooLarge => self.dismiss(now, from, CloseCode::TooLarge, "message too large"),
            Input::Closed => self.forget(now, from),
        }
    }

    pub(super) fn handle_deadline(&mut self, now: Instant) {
        while let Some(&(until, holder)) = self.timers.first()
            && until <= now
        {
            self.timers.pop_first();
            self.dismiss(now, holder, CloseCode::Away, "no sign of life");
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|&(until, _)| until)
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn hear(&mut self, now: Instant, from: ConnectionId, text: &str) {
        match self.clients.get_mut(&from) {
            None => {} // What a closed connection had still under way.
            Some(Client::Unregistered) => match ClientEvent::parse(text) {
                Ok(ClientEvent::Register { session, calls }) => self.register(now, from, session, calls),
                Ok(_) => self.refuse(from, REGISTER_FIRST),
                Err(fault) => self.refuse(from, &fault.to_string()),
            },
            Some(Client::Waiting(waiting)) => {
                let kept = waiting.said.keep(text);
                if kept.is_err() {
                    let holder = waiting.holder;
                    self.call_off(holder);
                    self.clients.insert(from, Client::Unregistered);
                    self.refuse(from, "too much is said before the sessionid is free");
                }
            }
            Some(Client::Registered(_)) => match ClientEvent::parse(text) {
                Ok(event) => self.hear_registered(from, event),
                Err(fault) => self.refuse(from, &fault.to_string()),
            },
        }
    }

    fn hear_registered(&mut self, from: ConnectionId, event: ClientEvent) {
        let Some(Client::Registered(member)) = self.clients.get_mut(&from) else { return };
        match event {
            ClientEvent::Register { session, calls } if session == member.session => self.restore(from, calls),
            ClientEvent::Register { .. } => {
                let refusal = format!("this connection is registered as '{}' already", member.session);
                self.refuse(from, &refusal);
            }
            ClientEvent::UserProfile(profiles) => match member.profiles.merge(profiles) {
                Ok(()) => self.directory.set(from, &names(&member.profiles)),
                Err(error) => self.refuse(from, &error.to_string()),
            },
            ClientEvent::Call { to } => self.place(from, &to),
            ClientEvent::Signal(signal) => self.relay(from, signal),
            ClientEvent::Hangup(calls) => self.hang_up(from, &calls),
            ClientEvent::Autocomplete { search } => self.find(from, search),
        }
    }

    fn register(&mut self, now: Instant, id: ConnectionId, session: Sessionid, calls: Vec<Call>) {
        match self.sessions.get(&session) {
            None => self.admit(id, session, calls),
            Some(&holder) if calls.iter().any(|call| self.is_live(holder, call)) => {
                // Whoever else is waiting for the sessionid waits in vain.
                self.show_life(holder);
                self.dismiss(now, holder, CloseCode::Away, "taken over");
                self.admit(id, session, calls);
            }
            Some(&holder) => self.challenge(now, holder, id, calls),
        }
    }

    fn admit(&mut self, id: ConnectionId, session: Sessionid, calls: Vec<Call>) {
        self.sessions.insert(session.clone(), id);
        let member = Member { session, profiles: Profiles::default(), calls: Vec::new(), challenge: None };
        self.clients.insert(id, Client::Registered(Box::new(member)));
        self.restore(id, calls);
    }

    /// Lets a client hold what it brings along, besides what it holds.
    fn restore(&mut self, id: ConnectionId, calls: Vec<Call>) {
        for call in calls {
            if self.member_mut(id).is_some_and(|member| member.hold(call.clone())) {
                self.live += usize::from(self.is_live(id, &call));
            }
        }
    }

    /// Asks the holder for a sign of life; the newcomer waits for what comes of it.
    fn challenge(&mut self, now: Instant, holder: ConnectionId, newcomer: ConnectionId, calls: Vec<Call>) {
        let until = now + self.limits.holder;
        match self.clients.get_mut(&holder) {
            Some(Client::Registered(member)) if member.challenge.is_none() => {
                member.challenge = Some(Challenge { newcomer, until });
                self.timers.insert((until, holder));
                let waiting = Waiting { holder, calls, said: Said::default() };
                self.clients.insert(newcomer, Client::Waiting(Box::new(waiting)));
                self.outputs.push_back(Output::Ping { to: holder });
            }
            _ => self.refuse_session(newcomer),
        }
    }

    /// Ends a challenge, if one is on, in the holder's favour; the newcomer may try again.
    fn show_life(&mut self, holder: ConnectionId) {
        if let Some(Challenge { newcomer, .. }) = self.call_off(holder)
            && let Some(Client::Waiting(waiting)) = self.clients.insert(newcomer, Client::Unregistered)
        {
            self.refuse_session(newcomer);
            for _ in waiting.said {
                self.refuse(newcomer, REGISTER_FIRST);
            }
        }
    }

    fn call_off(&mut self, holder: ConnectionId) -> Option<Challenge> {
        let challenge = self.member_mut(holder)?.challenge.take()?;
        self.timers.remove(&(challenge.until, holder));
        Some(challenge)
    }

    fn refuse_session(&mut self, id: ConnectionId) {
        self.refuse(id, "another connection holds this sessionid");
    }

    fn place(&mut self, from: ConnectionId, to: &Sessionid) {
        let Some(&other) = self.sessions.get(to) else {
            return self.refuse(from, &format!("no client '{to}' is here"));
        };
        for side in [from, other] {
            self.make_room(side);
        }
        let (Some(caller), Some(callee)) = (self.member(from), self.member(other)) else { return };
        let shared = caller.calls.iter().filter(|call| call.other(&caller.session) == Some(to)).count();
        if shared >= PAIR_LIMIT || caller.calls.len() >= CALL_LIMIT || callee.calls.len() >= CALL_LIMIT {
            return self.refuse(from, &format!("too many calls to have another with '{to}'"));
        }
        let call = Call { callid: callid(&self.secret, self.placed), from: caller.session.clone(), to: to.clone() };
        let outbound = Placed { call: call.clone(), profiles: callee.profiles.clone() };
        let inbound = Placed { call: call.clone(), profiles: caller.profiles.clone() };
        self.placed += 1;
        self.live += 1;
        for side in [from, other] {
            if let Some(member) = self.member_mut(side) {
                member.hold(call.clone());
            }
        }
        self.send(from, &ServerEvent::OutboundCall(outbound));
        self.send(other, &ServerEvent::InboundCall(inbound));
    }

    /// Lets go of calls that the other side does not hold, once somebody holds as many as may be.
    fn make_room(&mut self, id: ConnectionId) {
        let Some(member) = self.member(id).filter(|member| member.calls.len() >= CALL_LIMIT) else { return };
        let calls = member.calls.iter().filter(|call| self.is_live(id, call)).cloned().collect();
        if let Some(member) = self.member_mut(id) {
            member.calls = calls;
        }
    }

    /// Whether that client and the other side of the call both hold it.
    fn is_live(&self, id: ConnectionId, call: &Call) -> bool {
        let side = self.member(id).filter(|member| member.calls.contains(call));
        side.is_some_and(|side| self.other_side(&side.session, call).is_some())
    }

    /// The other side of a call, if it is here and holds it too.
    fn other_side(&self, one: &Sessionid, call: &Call) -> Option<ConnectionId> {
        let other = *self.sessions.get(call.other(one)?)?;
        self.member(other)?.calls.contains(call).then_some(other)
    }

    fn relay(&mut self, from: ConnectionId, signal: Signal) {
        let Some(member) = self.member(from) else { return };
        let call = member.calls.iter().find(|call| call.callid == signal.callid);
        match call.and_then(|call| self.other_side(&member.session, call)) {
            Some(other) => self.send(other, &ServerEvent::Signal(signal)),
            None => self.refuse(from, &format!("nobody is at the other end of the call '{}'", signal.callid)),
        }
    }

    fn hang_up(&mut self, from: ConnectionId, calls: &[Callid]) {
        // Who is told of which calls; the first is who hung up.
        let mut told: Vec<(ConnectionId, Vec<Ended>)> = vec![(from, Vec::new())];
        for callid in calls {
            let Some(member) = self.member(from) else { return };
            let Some(call) = member.calls.iter().find(|call| call.callid == *callid).cloned() else { continue };
            let ended = Ended { callid: callid.clone(), by: member.session.clone() };
            let other = self.other_side(&member.session, &call);
            self.live -= usize::from(other.is_some());
            for side in [Some(from), other.filter(|other| *other != from)].into_iter().flatten() {
                if let Some(member) = self.member_mut(side) {
                    member.calls.retain(|held| *held != call);
                }
                match told.iter_mut().find(|(id, _)| *id == side) {
                    Some((_, calls)) => calls.push(ended.clone()),
                    None => told.push((side, vec![ended.clone()])),
                }
            }
        }
        for (side, calls) in told.into_iter().filter(|(_, calls)| !calls.is_empty()) {
            self.send(side, &ServerEvent::Hangup(calls));
        }
    }

    fn find(&mut self, from: ConnectionId, search: String) {
        self.searches += 1;
        let found = self.directory.search(&search, from, FOUND_LIMIT);
        let found = found.into_iter().filter_map(|id| self.member(id));
        let results =
            found.map(|member| Found { session: member.session.clone(), profiles: member.profiles.clone() }).collect();
        self.send(from, &ServerEvent::Autocomplete { search, results });
    }

    /// Forgets a connection that is gone; the other sides of its calls keep their halves, should it come back.
    fn forget(&mut self, now: Instant, id: ConnectionId) {
        let live = |member: &Member| member.calls.iter().filter(|call| self.is_live(id, call)).count();
        self.live -= self.member(id).map_or(0, live);
        match self.clients.remove(&id) {
            None | Some(Client::Unregistered) => {}
            Some(Client::Waiting(waiting)) => drop(self.call_off(waiting.holder)),
            Some(Client::Registered(member)) => {
                self.sessions.remove(&member.session);
                self.directory.remove(id);
                if let Some(Challenge { newcomer, until }) = member.challenge {
                    self.timers.remove(&(until, id));
                    self.succeed(now, newcomer, member.session);
                }
            }
        }
    }

    /// The newcomer gets the sessionid, and what it said while waiting is heard.
    fn succeed(&mut self, now: Instant, newcomer: ConnectionId, session: Sessionid) {
        let Some(Client::Waiting(waiting)) = self.clients.remove(&newcomer) else { return };
        self.admit(newcomer, session, waiting.calls);
        for text in waiting.said {
            self.hear(now, newcomer, &text);
        }
    }

    /// Closes a connection and forgets it; does nothing where it is forgotten already.
    fn dismiss(&mut self, now: Instant, id: ConnectionId, code: CloseCode, reason: &'static str) {
        if self.has(id) {
            self.outputs.push_back(Output::Close { to: id, code, reason });
            self.forget(now, id);
        }
    }

    /// Refuses one thing; the connection goes on.
    fn refuse(&mut self, to: ConnectionId, message: &str) {
        self.send(to, &ServerEvent::Error { message: message.to_owned() });
    }

    fn send(&mut self, to: ConnectionId, event: &ServerEvent) {
        let relayed = matches!(event, ServerEvent::Signal(_));
        self.outputs.push_back(Output::Send { to, text: event.to_string().into(), relayed });
    }

    fn member(&self, id: ConnectionId) -> Option<&Member> {
        match self.clients.get(&id)? {
            Client::Registered(member) => Some(member),
            Client::Unregistered | Client::Waiting(_) => None,
        }
    }

    fn member_mut(&mut self, id: ConnectionId) -> Option<&mut Member> {
        match self.clients.get_mut(&id)? {
            Client::Registered(member) => Some(member),
            Client::Unregistered | Client::Waiting(_) => None,
        }
    }
}

impl Member {
    /// Holds a call besides those it holds, unless it holds it, or as many as may be; tells whether.
    fn hold(&mut self, call: Call) -> bool {
        let holds = self.calls.len() < CALL_LIMIT && self.calls.iter().all(|held| held.callid != call.callid);
        if holds {
            self.calls.push(call);
        }
        holds
    }
}

/// By what somebody with these profiles is found: what they and their accounts are called.
fn names(profiles: &Profiles) -> Vec<String> {
    profiles.names().flat_map(|(_, names)| [names.name, names.login]).flatten().collect()
}

/// What the call of this number is called: nobody can guess it who does not know the secret.
fn callid(secret: &[u8; 32], number: u64) -> Callid {
    let digest = Sha256::new().chain_update(secret).chain_update(number.to_be_bytes()).finalize();
    Callid::from_bits(digest[..16].iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte)))
}
