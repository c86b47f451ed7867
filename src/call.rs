//! One call within a conversation: Calling 3.0's states, messages and deadlines.
//!
//! SETUP makes a call and UPDATE a new connection for it, by the server; PROPSYNC and HANGUP go on the data channel. A
//! request that nothing answers is told again: what a server loses is made good. The page's `call.js` is its twin.

mod exchange;
mod far;
mod heartbeat;
mod media;
mod message;
mod state;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

pub use exchange::{Connection, Ending, Input, MediaCommand, MediaEvent, Output, Phase, Precedence, Signal};
pub use heartbeat::Heartbeat;
pub use message::{Body, Message, MessageError, Props, Turn, VERSION};
pub use state::Timer;

use crate::ids::SessionId;
use state::{Attempt, Link, Role, State};

/// How long an offer may stay unanswered: 60 s. Source: Calling 3.0.
pub const SETUP_LIMIT: Duration = Duration::from_secs(60);
/// How long answering, and then connecting, may take: 10 s each; an UPDATE as a whole. Source: Calling 3.0.
pub const CONNECTION_LIMIT: Duration = Duration::from_secs(10);
/// How long a hang-up waits for its answer: 5 s. Source: Calling 3.0.
pub const HANGUP_LIMIT: Duration = Duration::from_secs(5);
/// How long a side that was hung up on keeps the connection, so that its answer still gets through: 250 ms.
pub const CLOSE_DELAY: Duration = Duration::from_millis(250);
/// How often a request that has led to nothing is told again: every 2 s; what the server did not lose is answered sooner.
pub const REPEAT_INTERVAL: Duration = Duration::from_secs(2);
/// How often each side asks the other for a sign of life: 1 s.
pub const PING_INTERVAL: Duration = Duration::from_secs(1);
/// How long silence on the data channel is borne: 2.8 s, so that two lost pings are, and a dead side is missed in 3 s.
pub const LIFE_LIMIT: Duration = Duration::from_millis(2800);
/// The same once the server says that the other side has left: 1.5 s, a ping and its answer on a slow link.
pub const LIFE_LIMIT_AFTER_LEAVING: Duration = Duration::from_millis(1500);
/// Whoever wakes up this much later than it wanted to was asleep itself, and cannot judge the other's silence: 2 s.
const OVERSLEPT: Duration = Duration::from_secs(2);

/// The call of one conversation, or none at the moment.
#[derive(Debug)]
pub struct Call {
    precedence: Precedence,
    props: Props,
    state: State,
    /// Whether the far side can be told anything by the server.
    can_signal: bool,
    /// Whether a new connection is wanted as soon as it can be told.
    renewal_due: bool,
    /// The latest connection of the call, on either side.
    generation: u32,
    /// The call that broke off last: the far side may yet say that it was hung up.
    broken: Option<SessionId>,
    /// The call that either side ended by a word to the other, and that word: a late repeat of its offer begins nothing.
    ended: Option<(SessionId, Body)>,
    outputs: VecDeque<Output>,
}

impl Call {
    /// No call yet, in a conversation with this order of precedence.
    pub fn new(precedence: Precedence) -> Self {
        Self {
            precedence,
            props: Props::new(),
            state: State::Idle,
            can_signal: false,
            renewal_due: false,
            generation: 0,
            broken: None,
            ended: None,
            outputs: VecDeque::new(),
        }
    }

    /// Takes note of what happened; drain [`Call::poll`] afterwards.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Begin(session) => self.begin(now, session),
            Input::Renew => self.renew(now),
            Input::HangUp => self.hang_up(now),
            Input::SignallingUp => self.signalling_up(now),
            Input::SignallingDown => self.signalling_down(),
            Input::FarLeft => self.far_left(now),
            Input::Far(signal) => self.far(now, signal),
            Input::Media(connection, event) => self.media(now, &connection, event),
            Input::Deadline => self.expire(now),
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Deadline`] is due, and what for.
    pub fn deadline(&self) -> Option<(Instant, Timer)> {
        self.state.timer()
    }

    /// Whether there is no call, or one that is hung up and only waits for its connection to close.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Idle | State::HangupSent { .. } | State::Terminating { .. })
    }

    /// How far it has got.
    pub fn phase(&self) -> Phase {
        self.state.phase()
    }

    /// What this side tells of itself from now on; a connected far side is told at once if it is new.
    pub fn set_props(&mut self, props: Props) {
        if self.props == props {
            return;
        }
        self.props = props;
        if let Some(connection) = self.state.link().map(|link| link.connection.clone()) {
            self.say(&connection, Turn::Request, Body::PropSync(self.props.clone()));
        }
    }

    fn begin(&mut self, now: Instant, session: SessionId) {
        if !self.is_over() {
            return self.out_of_turn("begin");
        }
        self.disconnect();
        self.generation = 0;
        let connection = Connection::first(session);
        self.media_command(&connection, MediaCommand::Offer);
        self.enter(State::PendingOutgoing(Attempt::new(now, connection, Role::Offers, SETUP_LIMIT)));
    }

    /// Makes a new connection beside the one there is; one that is only being made is given up for another.
    fn renew(&mut self, now: Instant) {
        match self.state.clone() {
            State::Idle | State::HangupSent { .. } | State::Terminating { .. } => {}
            State::PendingOutgoing(attempt)
            | State::ConflictResolution(attempt)
            | State::PendingIncoming(attempt)
            | State::Answered(attempt) => self.give_up(&attempt.connection.session, Ending::NoConnection),
            State::DatachanEstablished(link) => self.update(now, link),
            // Nothing is left of the call but what can be made anew when the two meet.
            State::UpdateSent(Link { life: None, .. }, _) | State::UpdateRecv(Link { life: None, .. }, _)
                if !self.can_signal =>
            {
                self.end(Ending::FarGone);
            }
            State::UpdateSent(link, attempt) | State::UpdateRecv(link, attempt) => {
                self.media_command(&attempt.connection, MediaCommand::Close);
                self.update(now, link);
            }
        }
    }

    /// Offers another connection, at once or as soon as it can be told.
    fn update(&mut self, now: Instant, link: Link) {
        self.renewal_due = !self.can_signal;
        if self.renewal_due {
            return self.enter(State::DatachanEstablished(link));
        }
        self.generation += 1;
        let connection = Connection { generation: self.generation, ..link.connection.clone() };
        self.media_command(&connection, MediaCommand::Offer);
        self.enter(State::UpdateSent(link, Attempt::new(now, connection, Role::Offers, CONNECTION_LIMIT)));
    }

    fn hang_up(&mut self, now: Instant) {
        match self.state.clone() {
            State::Idle | State::HangupSent { .. } | State::Terminating { .. } => self.out_of_turn("hang-up"),
            State::PendingOutgoing(attempt)
            | State::ConflictResolution(attempt)
            | State::PendingIncoming(attempt)
            | State::Answered(attempt) => {
                self.tell(&attempt.connection.session, Body::Cancel);
                self.end(Ending::HungUp);
            }
            State::DatachanEstablished(link) => self.say_hangup(now, link.connection),
            State::UpdateSent(link, attempt) | State::UpdateRecv(link, attempt) => {
                // Either way may be gone, or about to go.
                self.tell(&attempt.connection.session, Body::Cancel);
                self.media_command(&attempt.connection, MediaCommand::Close);
                self.say_hangup(now, link.connection);
            }
        }
    }

    fn say_hangup(&mut self, now: Instant, connection: Connection) {
        self.say(&connection, Turn::Request, Body::Hangup);
        self.enter(State::HangupSent { connection, until: now + HANGUP_LIMIT });
    }

    fn signalling_up(&mut self, now: Instant) {
        self.can_signal = true;
        self.repeat(now);
        if let (true, State::DatachanEstablished(link)) = (self.renewal_due, self.state.clone()) {
            self.update(now, link);
        }
    }

    fn signalling_down(&mut self) {
        self.can_signal = false;
        match self.state {
            // Begun anew when the two meet again.
            State::PendingOutgoing(_) | State::ConflictResolution(_) | State::PendingIncoming(_) => self.close(),
            State::Idle
            | State::Answered(_)
            | State::DatachanEstablished(_)
            | State::UpdateSent(..)
            | State::UpdateRecv(..)
            | State::HangupSent { .. }
            | State::Terminating { .. } => {}
        }
    }

    fn far_left(&mut self, now: Instant) {
        match &mut self.state {
            State::Idle | State::HangupSent { .. } | State::Terminating { .. } => {}
            // Not up yet: begun anew when the far side is back, without a word.
            State::PendingOutgoing(_)
            | State::ConflictResolution(_)
            | State::PendingIncoming(_)
            | State::Answered(_) => self.close(),
            // Its connection to the server may have died alone: ask the far side itself.
            State::DatachanEstablished(link) | State::UpdateSent(link, _) | State::UpdateRecv(link, _) => {
                if let Some(life) = &mut link.life {
                    life.ping = now;
                    life.dead = life.dead.min(now + LIFE_LIMIT_AFTER_LEAVING);
                }
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        // Whatever fires moves on, so that nothing fires twice; a stale wake-up is harmless.
        while let Some((_, timer)) = self.deadline().filter(|(due, _)| *due <= now) {
            self.fire(now, timer);
        }
    }

    fn fire(&mut self, now: Instant, timer: Timer) {
        match timer {
            Timer::Setup => self.give_up_session(Ending::NoAnswer),
            Timer::Connection => self.give_up_session(Ending::NoConnection),
            Timer::Update => self.give_up_update(Ending::FarGone),
            Timer::Repeat => self.repeat(now),
            Timer::Ping => self.ping(now),
            Timer::Life => self.silent(now),
            Timer::Hangup => {
                // The data channel did not carry it.
                if let Some(session) = self.state.session().cloned() {
                    self.tell(&session, Body::Cancel);
                }
                self.close();
            }
            Timer::Close => self.close(),
        }
    }

    fn ping(&mut self, now: Instant) {
        let Some(link) = self.state.link_mut() else { return };
        let connection = link.connection.clone();
        if let Some(life) = &mut link.life {
            life.ping = now + PING_INTERVAL;
        }
        self.send_data(&connection, Heartbeat::Ping.to_string());
    }

    /// The far side has said nothing for too long.
    fn silent(&mut self, now: Instant) {
        let Some(life) = self.state.link_mut().and_then(|link| link.life.as_mut()) else { return };
        if now.duration_since(life.dead) > OVERSLEPT {
            // What it said meanwhile is still on its way in.
            life.dead = now + LIFE_LIMIT_AFTER_LEAVING;
            return self.ping(now);
        }
        self.lose_link(Ending::FarGone);
    }

    /// The connection is of no use any more: the call waits for the next, if one is being made, or ends.
    fn lose_link(&mut self, ending: Ending) {
        match self.state.clone() {
            State::UpdateSent(link, attempt) => self.enter(State::UpdateSent(Link { life: None, ..link }, attempt)),
            State::UpdateRecv(link, attempt) => self.enter(State::UpdateRecv(Link { life: None, ..link }, attempt)),
            State::Idle
            | State::PendingOutgoing(_)
            | State::ConflictResolution(_)
            | State::PendingIncoming(_)
            | State::Answered(_)
            | State::DatachanEstablished(_)
            | State::HangupSent { .. }
            | State::Terminating { .. } => self.end(ending),
        }
    }

    /// The next connection came to nothing: the call stays with the one it has, if that still lives.
    fn give_up_update(&mut self, ending: Ending) {
        let (State::UpdateSent(link, attempt) | State::UpdateRecv(link, attempt)) = self.state.clone() else { return };
        if link.life.is_none() {
            return self.end(ending);
        }
        self.media_command(&attempt.connection, MediaCommand::Close);
        self.enter(State::DatachanEstablished(link));
    }

    fn give_up_session(&mut self, ending: Ending) {
        if let Some(session) = self.state.session().cloned() {
            self.give_up(&session, ending);
        }
    }

    /// Ends a call that cannot go on; a far side that would otherwise wait for it is told.
    fn give_up(&mut self, session: &SessionId, ending: Ending) {
        self.tell(session, Body::Reject);
        self.end(ending);
    }

    fn end(&mut self, ending: Ending) {
        self.close_because(Some(ending));
    }

    fn close(&mut self) {
        self.close_because(None);
    }

    fn close_because(&mut self, ending: Option<Ending>) {
        if let Some(session) = self.state.session().cloned() {
            self.disconnect();
            let broke_off = !self.is_over() && matches!(ending, Some(Ending::FarClosed | Ending::FarGone));
            self.broken = broke_off.then_some(session);
            // Whatever closes a call that was being hung up: that it was hung up is why it is over.
            let hung_up = matches!(self.state, State::HangupSent { .. });
            self.enter_because(State::Idle, if hung_up { Some(Ending::HungUp) } else { ending });
        }
    }

    /// Lets go of the connections of the call so far, if there is one; another state follows.
    fn disconnect(&mut self) {
        self.renewal_due = false;
        let next = self.state.attempt().map(|attempt| attempt.connection.clone());
        let current = self.state.connected().cloned();
        // The next one first: nothing is handed over to it.
        for connection in [next, current].into_iter().flatten() {
            self.media_command(&connection, MediaCommand::Close);
        }
    }

    fn enter(&mut self, state: State) {
        self.enter_because(state, None);
    }

    fn enter_because(&mut self, state: State, ending: Option<Ending>) {
        let before = self.phase();
        self.state = state;
        if self.phase() != before {
            self.outputs.push_back(Output::Phase(self.phase(), ending));
        }
    }

    fn is_current(&self, session: &SessionId) -> bool {
        self.state.session() == Some(session)
    }

    /// Tells the far side by the server that a call is over, as a request.
    fn tell(&mut self, session: &SessionId, body: Body) {
        self.ended = Some((session.clone(), body.clone()));
        self.signal(Message { session: session.clone(), turn: Turn::Request, body });
    }

    fn signal(&mut self, message: Message) {
        self.outputs.push_back(Output::Signal(Signal::Message(message)));
    }

    fn say(&mut self, connection: &Connection, turn: Turn, body: Body) {
        let message = Message { session: connection.session.clone(), turn, body };
        self.send_data(connection, message.to_string());
    }

    fn send_data(&mut self, connection: &Connection, text: String) {
        self.media_command(connection, MediaCommand::SendData(text));
    }

    fn media_command(&mut self, connection: &Connection, command: MediaCommand) {
        self.outputs.push_back(Output::Media(connection.clone(), command));
    }

    fn out_of_turn(&self, what: &str) {
        tracing::debug!(state = self.state.name(), what, "out of turn, dropped");
    }
}

#[cfg(test)]
mod tests;
