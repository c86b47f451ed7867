//! A call by the rendezvous's SESSION, with a peer of any make: registering, asking or waiting, and the call itself.
//!
//! The line to the server is the call's: to end the one is to end the other. Who waits comes back to it afterwards.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use thiserror::Error;

use crate::{
    call::{Connection, Ending, MediaCommand, MediaEvent, Phase},
    conversation::{Backoff, Gate, LineState},
    ids::PeerUid,
    negotiation::Message,
    rendezvous::{BackIn, ClientLine, ServerLine, UID_TAKEN},
    stock::{self, Call},
};

/// How long the server may take to register this side, or to find the other: 10 s.
pub const REPLY_LIMIT: Duration = Duration::from_secs(10);
/// What a peer says that wants to be offered to. Source: stock clients; the protocol's text does not have it.
const OFFER_REQUEST: &str = "OFFER_REQUEST";

/// Which of the two asks for the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// This side calls the peer of this uid, once.
    Calls(PeerUid),
    /// This side waits for whoever calls, again and again.
    Waits,
}

/// What a session begins with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// What this side goes by at the server.
    pub uid: PeerUid,
    /// Who calls.
    pub role: Role,
    /// How the gate stands at first. Closed, it is closed again after every call; open, it stays as its user has it.
    pub gate: Gate,
    /// What connections are named by.
    pub seed: u64,
}

/// What happens.
#[derive(Debug, Clone)]
pub enum Input {
    /// The first of all.
    Start,
    /// The socket that was asked for is open.
    SocketOpen,
    /// The server says this: a line of its own, or what the other side of the session says.
    Line(String),
    /// The socket is closed, or did not come about.
    SocketClosed,
    /// The same, by the server's end or on the way there, in these words.
    ServerGone(String),
    /// The server stops, and has said when it is back; the socket is closed next.
    ServerStops(BackIn),
    /// The media have something to tell.
    Media(Connection, MediaEvent),
    /// The user opens or closes the gate.
    Gate(Gate),
    /// The user wants the call to end, or no longer waits for its answer.
    HangUp,
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
    Send(String),
    /// Tell the media.
    Media(Connection, MediaCommand),
    /// Open or close the gate.
    Gate(Gate),
    /// Show this.
    Event(Event),
    /// There is nothing more to be done; with a failure, if it is one.
    Over(Option<Failure>),
}

/// What a person is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The line to the server.
    Line(LineState),
    /// The gate.
    Gate(Gate),
    /// The call; with [`Phase::Idle`] also why it is over.
    Call(Phase, Option<Ending>),
    /// The server complains; nothing came of it.
    ServerError(String),
    /// Who calls, or is called, in words.
    Notice(String),
}

/// Why there was no call.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failure {
    /// Nobody is registered under the uid that was called.
    #[error("nobody is registered under this name at the server")]
    NotFound,
    /// These are found under this name, and none of them by exactly it.
    #[error("several people are found: {0}")]
    Several(String),
    /// The peer is in a session or room already.
    #[error("the other side is busy")]
    Busy,
    /// Somebody else goes by the uid that was to be this side's.
    #[error("the name that this side goes by is taken at the server")]
    UidTaken,
    /// The server refuses, in these words.
    #[error("the server says: {0}")]
    Refused(String),
    /// The server closed the line, or said nothing, before there was a session; in these words, if there are any.
    #[error("{}", .0.as_deref().unwrap_or("the server is gone"))]
    ServerGone(Option<String>),
    /// The server went during the call, in these words.
    #[error("{0}, and the call with it")]
    CutOff(String),
    /// It was up, and failed then, for this reason.
    #[error("it broke off: {0}")]
    Broken(String),
    /// The call came to nothing.
    #[error("{}", words(.0))]
    Ended(Ending),
}

/// Whether the end of a call closes the gate; it never opens it, whoever ended the call.
pub(crate) fn closes_after_call(at_first: Gate, now: Gate) -> bool {
    (at_first, now) == (Gate::Closed, Gate::Open)
}

/// What kind of failure the end of a call is, if it is one.
pub(crate) fn failure(ending: Ending, was_connected: bool) -> Option<Failure> {
    match (ending, was_connected) {
        (Ending::HungUp, _) => None,
        (Ending::Failed(why), true) => Some(Failure::Broken(why)),
        (ending, was_connected) => (!was_connected).then_some(Failure::Ended(ending)),
    }
}

fn words(ending: &Ending) -> &str {
    match ending {
        Ending::NoAnswer => "no answer",
        Ending::NoConnection => "no way through to the other side was found in time",
        Ending::FarClosed | Ending::FarHungUp | Ending::FarGone => "the other side left before the two were connected",
        Ending::FarFailed => "the other side could not go on",
        Ending::HungUp => "hung up",
        Ending::Failed(why) => why,
    }
}

/// How the line to the server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// None; the next try is at this time, if there is to be one.
    Down(Option<Instant>),
    Opening,
    /// `HELLO` is said.
    Registering(Instant),
    /// Registered: whatever is said comes from whoever called.
    Ready,
    /// `SESSION` is said.
    Asked(Instant),
    /// The one who was called is at the other end.
    InSession,
}

/// One side's calls by SESSION.
#[derive(Debug)]
pub struct Session {
    setup: Setup,
    line: Line,
    call: Call,
    gate: Gate,
    was_registered: bool,
    was_connected: bool,
    backoff: Backoff,
    random: fastrand::Rng,
    outputs: VecDeque<Output>,
}

impl Session {
    /// Nothing is done before [`Input::Start`].
    pub fn new(setup: Setup) -> Self {
        Self {
            line: Line::Down(None),
            call: Call::new(setup.seed),
            gate: setup.gate,
            was_registered: false,
            was_connected: false,
            backoff: Backoff::default(),
            random: fastrand::Rng::with_seed(setup.seed),
            outputs: VecDeque::new(),
            setup,
        }
    }

    /// Takes note of what happened; drain [`Session::poll`] afterwards.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Start => {
                self.set_gate(self.gate);
                self.connect();
            }
            Input::SocketOpen => {
                self.send(ClientLine::Hello(self.setup.uid.clone()).to_string());
                self.line = Line::Registering(now + REPLY_LIMIT);
            }
            Input::Line(line) => self.hear(now, &line),
            Input::SocketClosed => self.closed(now, None),
            Input::ServerGone(why) => self.closed(now, Some(why)),
            Input::ServerStops(back_in) => self.backoff.told(back_in),
            Input::Media(connection, event) => self.tell_call(now, stock::Input::Media(connection, event)),
            Input::Gate(gate) if gate != self.gate => self.set_gate(gate),
            Input::Gate(_) => {}
            Input::HangUp => self.hang_up(now),
            Input::Deadline => self.expire(now),
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Deadline`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let line = match self.line {
            Line::Down(retry) => retry,
            Line::Registering(until) | Line::Asked(until) => Some(until),
            Line::Opening | Line::Ready | Line::InSession => None,
        };
        line.into_iter().chain(self.call.deadline()).min()
    }

    fn hear(&mut self, now: Instant, line: &str) {
        match self.line {
            Line::Registering(_) => self.hear_registering(now, line),
            Line::Asked(_) => self.hear_asked(now, line),
            Line::Ready | Line::InSession => match line.parse() {
                Ok(ServerLine::Error(text)) if !self.call.is_on() => {
                    self.outputs.push_back(Output::Event(Event::ServerError(text)));
                }
                _ => self.hear_far(now, line),
            },
            Line::Down(_) | Line::Opening => {}
        }
    }

    fn hear_registering(&mut self, now: Instant, line: &str) {
        match line.parse() {
            Ok(ServerLine::Hello) => self.registered(now),
            Ok(ServerLine::Error(_)) if self.was_registered => {
                // It may still hold this side's last connection.
                self.outputs.push_back(Output::Disconnect);
                self.closed(now, None);
            }
            Ok(ServerLine::Error(text)) if text == UID_TAKEN => self.fail(Failure::UidTaken),
            Ok(ServerLine::Error(text)) => self.fail(Failure::Refused(text)),
            _ => tracing::debug!("the server says what is out of turn"),
        }
    }

    fn registered(&mut self, now: Instant) {
        self.was_registered = true;
        self.backoff.reset();
        self.outputs.push_back(Output::Event(Event::Line(LineState::Joined)));
        self.line = match &self.setup.role {
            Role::Calls(peer) => {
                let line = ClientLine::Session(peer.clone()).to_string();
                self.send(line);
                Line::Asked(now + REPLY_LIMIT)
            }
            Role::Waits => Line::Ready,
        };
    }

    fn hear_asked(&mut self, now: Instant, line: &str) {
        match line.parse() {
            Ok(ServerLine::SessionOk) => {
                self.line = Line::InSession;
                self.tell_call(now, stock::Input::Begin);
            }
            Ok(ServerLine::Error(text)) => self.fail(match text.as_str() {
                gone if gone.ends_with("not found") => Failure::NotFound,
                busy if busy.ends_with("busy") => Failure::Busy,
                _ => Failure::Refused(text),
            }),
            _ => tracing::debug!("the server says what is out of turn"),
        }
    }

    fn hear_far(&mut self, now: Instant, text: &str) {
        match Message::parse(text) {
            Some(message) => self.tell_call(now, stock::Input::Far(message)),
            None if text == OFFER_REQUEST => self.tell_call(now, stock::Input::OfferRequest),
            None => tracing::debug!("the other side says what nobody here understands"),
        }
    }

    fn closed(&mut self, now: Instant, why: Option<String>) {
        let had_session = self.line == Line::InSession || self.call.is_on();
        self.line = Line::Down(None);
        let ending = why.clone().map_or(Ending::FarClosed, Ending::Failed);
        self.tell_call(now, stock::Input::End(ending));
        match self.setup.role {
            Role::Calls(_) if !had_session => self.fail(Failure::ServerGone(why)),
            Role::Calls(_) => {}
            Role::Waits => self.wait(now),
        }
    }

    /// Tries again after a while.
    fn wait(&mut self, now: Instant) {
        if self.line == Line::Down(None) {
            let retry = self.backoff.next(now, &mut self.random);
            self.line = Line::Down(Some(retry));
            self.outputs.push_back(Output::Event(Event::Line(LineState::Offline { retry })));
        }
    }

    fn hang_up(&mut self, now: Instant) {
        let was_on = self.call.is_on();
        self.tell_call(now, stock::Input::End(Ending::HungUp));
        if !was_on && matches!(self.setup.role, Role::Calls(_)) {
            self.disconnect();
            self.outputs.push_back(Output::Over(None));
        }
    }

    fn expire(&mut self, now: Instant) {
        self.tell_call(now, stock::Input::Deadline);
        match self.line {
            Line::Down(Some(retry)) if retry <= now => self.connect(),
            Line::Registering(until) | Line::Asked(until) if until <= now => {
                self.outputs.push_back(Output::Disconnect);
                self.closed(now, None);
            }
            Line::Down(_) | Line::Opening | Line::Registering(_) | Line::Ready | Line::Asked(_) | Line::InSession => {}
        }
    }

    fn tell_call(&mut self, now: Instant, input: stock::Input) {
        self.call.handle(now, input);
        while let Some(output) = self.call.poll() {
            match output {
                stock::Output::Say(message) => self.send(message.to_string()),
                stock::Output::Media(connection, command) => self.outputs.push_back(Output::Media(connection, command)),
                stock::Output::Phase(phase, ending) => self.phase(phase, ending),
            }
        }
    }

    fn phase(&mut self, phase: Phase, ending: Option<Ending>) {
        self.was_connected |= phase == Phase::Connected;
        self.outputs.push_back(Output::Event(Event::Call(phase, ending.clone())));
        if let Some(ending) = ending {
            self.call_over(ending);
        }
    }

    /// The line ends with the call; who waits opens the next.
    fn call_over(&mut self, ending: Ending) {
        let was_connected = std::mem::take(&mut self.was_connected);
        if closes_after_call(self.setup.gate, self.gate) {
            self.set_gate(Gate::Closed);
        }
        let is_cut_off = matches!(self.line, Line::Down(_));
        self.disconnect();
        let failure = match (&self.setup.role, ending) {
            (Role::Waits, _) => return self.connect(),
            (Role::Calls(_), Ending::Failed(why)) if is_cut_off => Some(Failure::CutOff(why)),
            (Role::Calls(_), ending) => failure(ending, was_connected),
        };
        self.outputs.push_back(Output::Over(failure));
    }

    fn fail(&mut self, failure: Failure) {
        self.disconnect();
        self.outputs.push_back(Output::Over(Some(failure)));
    }

    fn connect(&mut self) {
        self.line = Line::Opening;
        self.outputs.push_back(Output::Event(Event::Line(LineState::Connecting)));
        self.outputs.push_back(Output::Connect);
    }

    fn disconnect(&mut self) {
        if !matches!(self.line, Line::Down(_)) {
            self.outputs.push_back(Output::Disconnect);
            self.line = Line::Down(None);
        }
    }

    fn set_gate(&mut self, gate: Gate) {
        self.gate = gate;
        self.outputs.extend([Output::Gate(gate), Output::Event(Event::Gate(gate))]);
    }

    fn send(&mut self, line: String) {
        self.outputs.push_back(Output::Send(line));
    }
}

#[cfg(test)]
mod tests;
