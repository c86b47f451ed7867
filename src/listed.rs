//! A call by the Workrooms dialect: being in the server's directory, or finding somebody there, and the call itself.
//!
//! Other than in a session, the line to the server is not the call's: it may break and come back during one.

mod envelope;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    call::{Ending, Phase},
    conversation::{Backoff, Gate, LineState},
    ids::Sessionid,
    session::{Event, Failure, Input, Output, REPLY_LIMIT, closes_after_call, failure},
    stock,
    workrooms::{Call, ClientEvent, Found, Placed, Profiles, ServerEvent},
};

/// How long one who calls may take to offer: 30 s.
const OFFER_LIMIT: Duration = Duration::from_secs(30);

/// How many of those who are found are named: 8.
const NAMES_SHOWN: usize = 8;

/// What this side is there for.
#[derive(Debug, Clone)]
pub enum Role {
    /// It calls whom it finds by this name or login, once.
    Finds(String),
    /// It is in the directory as this, and waits for whoever calls, again and again.
    Waits(Profiles),
}

/// What it begins with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// What this run of the program is called at the server.
    pub session: Sessionid,
    /// Who calls.
    pub role: Role,
    /// How the gate stands at first. Closed, it is closed again after every call; open, it stays as its user has it.
    pub gate: Gate,
    /// What connections are named by.
    pub seed: u64,
}

/// How the line to the server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// None; the next try is at this time, if there is to be one.
    Down(Option<Instant>),
    Opening,
    Open,
}

/// One side's calls by the Workrooms dialect.
#[derive(Debug)]
pub struct Listed {
    setup: Setup,
    line: Line,
    /// The call as the server knows it.
    placed: Option<Call>,
    /// When what was asked for has to have come: who is found, the call, its offer.
    due: Option<Instant>,
    call: stock::Call,
    gate: Gate,
    was_connected: bool,
    backoff: Backoff,
    random: fastrand::Rng,
    outputs: VecDeque<Output>,
}

impl Listed {
    /// Nothing is done before [`Input::Start`].
    pub fn new(setup: Setup) -> Self {
        Self {
            line: Line::Down(None),
            placed: None,
            due: None,
            call: stock::Call::new(setup.seed),
            gate: setup.gate,
            was_connected: false,
            backoff: Backoff::default(),
            random: fastrand::Rng::with_seed(setup.seed),
            outputs: VecDeque::new(),
            setup,
        }
    }

    /// Takes note of what happened; drain [`Listed::poll`] afterwards.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Start => {
                self.set_gate(self.gate);
                self.connect();
            }
            Input::SocketOpen => self.opened(now),
            Input::Line(line) => match ServerEvent::parse(&line) {
                Ok(event) => self.hear(now, event),
                Err(error) => tracing::debug!(%error, "the server says what nobody here understands"),
            },
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
        let line = if let Line::Down(retry) = self.line { retry } else { None };
        [line, self.due, self.call.deadline()].into_iter().flatten().min()
    }

    fn opened(&mut self, now: Instant) {
        self.line = Line::Open;
        self.backoff.reset();
        self.outputs.push_back(Output::Event(Event::Line(LineState::Joined)));
        let calls = self.placed.clone().into_iter().collect();
        self.say(&ClientEvent::Register { session: self.setup.session.clone(), calls });
        match self.setup.role.clone() {
            Role::Waits(profiles) => self.say(&ClientEvent::UserProfile(profiles)),
            Role::Finds(_) if self.placed.is_some() => {}
            Role::Finds(search) => {
                self.say(&ClientEvent::Autocomplete { search });
                self.due = Some(now + REPLY_LIMIT);
            }
        }
    }

    fn hear(&mut self, now: Instant, event: ServerEvent) {
        match event {
            ServerEvent::Autocomplete { search, results } if self.is_looking() => self.found(now, &search, results),
            ServerEvent::Autocomplete { .. } => {}
            ServerEvent::OutboundCall(Placed { call, .. }) if self.is_looking() => {
                self.placed = Some(call);
                self.due = None;
                self.tell_call(now, stock::Input::Begin);
            }
            ServerEvent::OutboundCall(placed) => self.refuse(&placed.call),
            ServerEvent::InboundCall(placed) => self.called(now, placed),
            ServerEvent::Signal(signal) => {
                let is_ours = self.placed.as_ref().is_some_and(|call| call.callid == signal.callid);
                if let Some(message) = envelope::open(&signal).filter(|_| is_ours) {
                    self.due = None;
                    self.tell_call(now, stock::Input::Far(message));
                }
            }
            ServerEvent::Hangup(calls) => {
                let is_ours = |call: &Call| calls.iter().any(|ended| ended.callid == call.callid);
                if self.placed.take_if(|call| is_ours(call)).is_some() {
                    self.over(now, Ending::FarHungUp);
                }
            }
            ServerEvent::Error { message } if self.is_looking() => self.fail(Failure::Refused(message)),
            ServerEvent::Error { message } => self.outputs.push_back(Output::Event(Event::ServerError(message))),
        }
    }

    /// Whether this side has asked for somebody, and has no call with them yet.
    fn is_looking(&self) -> bool {
        matches!(self.setup.role, Role::Finds(_)) && self.placed.is_none() && self.due.is_some()
    }

    fn found(&mut self, now: Instant, search: &str, results: Vec<Found>) {
        match one_of(search, results) {
            Ok(found) => {
                self.outputs.push_back(Output::Event(Event::Notice(format!("found {}", envelope::name(&found)))));
                self.say(&ClientEvent::Call { to: found.session });
                self.due = Some(now + REPLY_LIMIT);
            }
            Err(failure) => self.fail(failure),
        }
    }

    fn called(&mut self, now: Instant, Placed { call, profiles }: Placed) {
        if self.placed.is_some() || !matches!(self.setup.role, Role::Waits(_)) {
            return self.refuse(&call);
        }
        // Who only looks somebody up is in no directory, and has no name there.
        let caller = envelope::given_name(&profiles).unwrap_or_else(|| "somebody who gives no name".into());
        self.outputs.push_back(Output::Event(Event::Notice(format!("{caller} calls"))));
        self.placed = Some(call);
        self.due = Some(now + OFFER_LIMIT);
    }

    fn refuse(&mut self, call: &Call) {
        self.say(&ClientEvent::Hangup(vec![call.callid.clone()]));
    }

    fn closed(&mut self, now: Instant, why: Option<String>) {
        self.line = Line::Down(None);
        if self.is_looking() {
            return self.fail(Failure::ServerGone(why));
        }
        let retry = self.backoff.next(now, &mut self.random);
        self.line = Line::Down(Some(retry));
        self.outputs.push_back(Output::Event(Event::Line(LineState::Offline { retry })));
    }

    fn hang_up(&mut self, now: Instant) {
        match self.setup.role {
            Role::Finds(_) if self.placed.is_none() => {
                self.disconnect();
                self.outputs.push_back(Output::Over(None));
            }
            Role::Finds(_) | Role::Waits(_) => self.over(now, Ending::HungUp),
        }
    }

    /// Ends the call, also one that has not begun.
    fn over(&mut self, now: Instant, ending: Ending) {
        if self.call.is_on() {
            self.tell_call(now, stock::Input::End(ending));
        } else {
            self.call_over(ending);
        }
    }

    fn expire(&mut self, now: Instant) {
        self.tell_call(now, stock::Input::Deadline);
        if self.due.is_some_and(|due| due <= now) {
            self.due = None;
            match self.setup.role {
                Role::Finds(_) => self.fail(Failure::ServerGone(None)),
                Role::Waits(_) => self.over(now, Ending::NoAnswer),
            }
        }
        if matches!(self.line, Line::Down(Some(retry)) if retry <= now) {
            self.connect();
        }
    }

    fn tell_call(&mut self, now: Instant, input: stock::Input) {
        self.call.handle(now, input);
        while let Some(output) = self.call.poll() {
            match output {
                stock::Output::Say(message) => {
                    if let Some(call) = &self.placed {
                        let signal = envelope::seal(call.callid.clone(), message);
                        self.say(&ClientEvent::Signal(signal));
                    }
                }
                stock::Output::Media(connection, command) => self.outputs.push_back(Output::Media(connection, command)),
                stock::Output::Phase(phase, ending) => {
                    self.was_connected |= phase == Phase::Connected;
                    self.outputs.push_back(Output::Event(Event::Call(phase, ending.clone())));
                    if let Some(ending) = ending {
                        self.call_over(ending);
                    }
                }
            }
        }
    }

    fn call_over(&mut self, ending: Ending) {
        self.due = None;
        if let Some(call) = self.placed.take() {
            self.refuse(&call);
        }
        let was_connected = std::mem::take(&mut self.was_connected);
        if closes_after_call(self.setup.gate, self.gate) {
            self.set_gate(Gate::Closed);
        }
        if matches!(self.setup.role, Role::Finds(_)) {
            self.disconnect();
            self.outputs.push_back(Output::Over(failure(ending, was_connected)));
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.disconnect();
        self.outputs.push_back(Output::Over(Some(failure)));
    }

    fn connect(&mut self) {
        self.line = Line::Opening;
        self.outputs.extend([Output::Event(Event::Line(LineState::Connecting)), Output::Connect]);
    }

    fn disconnect(&mut self) {
        if !matches!(self.line, Line::Down(_)) {
            self.line = Line::Down(None);
            self.outputs.push_back(Output::Disconnect);
        }
    }

    fn set_gate(&mut self, gate: Gate) {
        self.gate = gate;
        self.outputs.extend([Output::Gate(gate), Output::Event(Event::Gate(gate))]);
    }

    fn say(&mut self, event: &ClientEvent) {
        self.outputs.push_back(Output::Send(event.to_string()));
    }
}

/// The one who is meant: the only one, or the only one who goes by exactly this.
fn one_of(search: &str, mut results: Vec<Found>) -> Result<Found, Failure> {
    if results.len() > 1 {
        let is_exact = |found: &Found| envelope::goes_by(found, search);
        if results.iter().filter(|found| is_exact(found)).count() != 1 {
            let names: Vec<_> = results.iter().take(NAMES_SHOWN).map(envelope::name).collect();
            return Err(Failure::Several(names.join(", ")));
        }
        results.retain(is_exact);
    }
    results.pop().ok_or(Failure::NotFound)
}

#[cfg(test)]
mod tests;
