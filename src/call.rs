//! One call within a conversation: who offers, who answers, whether it lives, how it ends.
//!
//! The states and the messages that end a call are Calling 3.0's; descriptions and candidates travel as plain
//! `{"sdp"}` and `{"ice"}`, each marked with the call's id.

mod exchange;
mod heartbeat;
mod message;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

pub use exchange::{Connection, Ending, Input, MediaCommand, MediaEvent, Output, Phase, Precedence, Signal};
pub use heartbeat::Heartbeat;
pub use message::{Body, Message, MessageError, Props, Turn, VERSION};

use crate::{
    ids::SessionId,
    negotiation::{Sdp, SdpType},
};

/// How long an offer may stay unanswered: 60 s. Source: Calling 3.0.
pub const SETUP_LIMIT: Duration = Duration::from_secs(60);
/// How long connecting may take once both descriptions are exchanged: 10 s. Source: Calling 3.0.
pub const CONNECTION_LIMIT: Duration = Duration::from_secs(10);
/// How long a hang-up waits for its answer: 5 s. Source: Calling 3.0.
pub const HANGUP_LIMIT: Duration = Duration::from_secs(5);
/// How long a side that was hung up on keeps the connection, so that its answer still gets through: 250 ms.
pub const CLOSE_DELAY: Duration = Duration::from_millis(250);
/// How often each side asks the other for a sign of life: 1 s.
pub const PING_INTERVAL: Duration = Duration::from_secs(1);
/// How long silence on the data channel is borne: 3 s, three pings.
pub const LIFE_LIMIT: Duration = Duration::from_secs(3);
/// The same once the server says that the other side has left: 1.5 s, a ping and its answer on a slow link.
pub const LIFE_LIMIT_AFTER_LEAVING: Duration = Duration::from_millis(1500);

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Idle,
    PendingOutgoing { session: SessionId, until: Instant },
    Answered { session: SessionId, until: Instant },
    DatachanEstablished { session: SessionId, ping: Instant, dead: Instant },
    HangupSent { session: SessionId, until: Instant },
    Terminating { session: SessionId, until: Instant },
}

/// The call of one conversation, or none at the moment.
#[derive(Debug)]
pub struct Call {
    precedence: Precedence,
    props: Props,
    state: State,
    outputs: VecDeque<Output>,
}

impl Call {
    /// No call yet, in a conversation with this order of precedence.
    pub fn new(precedence: Precedence) -> Self {
        Self { precedence, props: Props::new(), state: State::Idle, outputs: VecDeque::new() }
    }

    /// Takes note of what happened; drain [`Call::poll`] afterwards.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Begin(session) => self.begin(now, session),
            Input::HangUp => self.hang_up(now),
            Input::FarLeft => self.far_left(now),
            Input::LineLost => self.line_lost(),
            Input::Far(session, signal) => self.far(now, session, signal),
            Input::Media(session, event) => self.media(now, session, event),
            Input::Deadline => self.expire(now),
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Deadline`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Idle => None,
            State::DatachanEstablished { ping, dead, .. } => Some((*ping).min(*dead)),
            State::PendingOutgoing { until, .. }
            | State::Answered { until, .. }
            | State::HangupSent { until, .. }
            | State::Terminating { until, .. } => Some(*until),
        }
    }

    /// Whether there is no call, or one that is hung up and only waits for its connection to close.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Idle | State::HangupSent { .. } | State::Terminating { .. })
    }

    /// What this side tells of itself from now on; a connected far side is told at once if it is new.
    pub fn set_props(&mut self, props: Props) {
        if self.props == props {
            return;
        }
        self.props = props;
        if let State::DatachanEstablished { session, .. } = self.state.clone() {
            self.say(&session, Turn::Request, Body::PropSync(self.props.clone()));
        }
    }

    fn begin(&mut self, now: Instant, session: SessionId) {
        if !self.is_over() {
            return self.out_of_turn("begin");
        }
        self.disconnect();
        self.media_command(&session, MediaCommand::Offer);
        self.enter(State::PendingOutgoing { session, until: now + SETUP_LIMIT });
    }

    fn hang_up(&mut self, now: Instant) {
        match self.state.clone() {
            State::Idle | State::HangupSent { .. } | State::Terminating { .. } => self.out_of_turn("hang-up"),
            State::PendingOutgoing { session, .. } | State::Answered { session, .. } => {
                self.signal(&session, Signal::Cancel);
                self.end(Ending::HungUp);
            }
            State::DatachanEstablished { session, .. } => {
                self.say(&session, Turn::Request, Body::Hangup);
                self.enter(State::HangupSent { session, until: now + HANGUP_LIMIT });
            }
        }
    }

    fn far_left(&mut self, now: Instant) {
        match &mut self.state {
            State::Idle | State::HangupSent { .. } | State::Terminating { .. } => {}
            // Not up yet: begun anew when the far side is back, without a word.
            State::PendingOutgoing { .. } | State::Answered { .. } => self.close(),
            // Its connection to the server may have died alone: ask the far side itself.
            State::DatachanEstablished { ping, dead, .. } => {
                *ping = now;
                *dead = (*dead).min(now + LIFE_LIMIT_AFTER_LEAVING);
            }
        }
    }

    fn line_lost(&mut self) {
        match self.state {
            State::PendingOutgoing { .. } => self.close(),
            State::Idle
            | State::Answered { .. }
            | State::DatachanEstablished { .. }
            | State::HangupSent { .. }
            | State::Terminating { .. } => {}
        }
    }

    fn far(&mut self, now: Instant, session: SessionId, signal: Signal) {
        match signal {
            Signal::Description(SdpType::Offer, sdp) => self.far_offers(now, session, sdp),
            Signal::Description(SdpType::Answer, sdp) => self.far_answers(now, session, sdp),
            Signal::Candidate(candidate) if self.is_current(&session) => {
                self.media_command(&session, MediaCommand::AddCandidate(candidate));
            }
            Signal::Cancel if self.is_current(&session) => match self.state {
                State::Idle | State::HangupSent { .. } | State::Terminating { .. } => self.close(),
                // Also once the data channel is up here: the far side may not have seen it open.
                State::PendingOutgoing { .. } | State::Answered { .. } | State::DatachanEstablished { .. } => {
                    self.end(Ending::FarHungUp);
                }
            },
            Signal::Candidate(_) | Signal::Cancel => self.out_of_turn("signal of another call"),
        }
    }

    fn far_offers(&mut self, now: Instant, session: SessionId, sdp: Sdp) {
        if self.is_current(&session) {
            return self.out_of_turn("repeated offer");
        }
        if let (State::PendingOutgoing { .. }, Precedence::Ours) = (&self.state, self.precedence) {
            return; // Both offered at once, and ours stands.
        }
        // Theirs stands, or the far side begins anew: its page was reloaded, say.
        self.disconnect();
        self.media_command(&session, MediaCommand::Answer(sdp));
        self.enter(State::Answered { session, until: now + CONNECTION_LIMIT });
    }

    fn far_answers(&mut self, now: Instant, session: SessionId, sdp: Sdp) {
        match &self.state {
            State::PendingOutgoing { session: ours, .. } if *ours == session => {
                self.media_command(&session, MediaCommand::TakeAnswer(sdp));
                self.enter(State::Answered { session, until: now + CONNECTION_LIMIT });
            }
            State::Idle
            | State::PendingOutgoing { .. }
            | State::Answered { .. }
            | State::DatachanEstablished { .. }
            | State::HangupSent { .. }
            | State::Terminating { .. } => self.out_of_turn("answer"),
        }
    }

    fn media(&mut self, now: Instant, session: SessionId, event: MediaEvent) {
        if !self.is_current(&session) {
            return; // A call that is over has nothing more to tell.
        }
        match event {
            MediaEvent::Described(kind, sdp) => self.signal(&session, Signal::Description(kind, sdp)),
            MediaEvent::Candidate(candidate) => self.signal(&session, Signal::Candidate(candidate)),
            MediaEvent::DataOpen => self.data_open(now, session),
            MediaEvent::DataText(text) => self.data_text(now, &session, &text),
            // Whether the far side lives is the heartbeat's affair.
            MediaEvent::Disconnected => {}
            MediaEvent::Closed => self.end(Ending::FarGone),
            MediaEvent::Failed(why) => self.fail(&session, why),
        }
    }

    /// Ends a call that cannot go on; a far side that would otherwise wait for it is told.
    fn fail(&mut self, session: &SessionId, why: String) {
        if let State::PendingOutgoing { .. } | State::Answered { .. } = self.state {
            self.signal(session, Signal::Cancel);
        }
        self.end(Ending::Failed(why));
    }

    fn data_open(&mut self, now: Instant, session: SessionId) {
        if !matches!(self.state, State::Answered { .. }) {
            return self.out_of_turn("data channel");
        }
        self.say(&session, Turn::Request, Body::PropSync(self.props.clone()));
        let state = State::DatachanEstablished { session, ping: now + PING_INTERVAL, dead: now + LIFE_LIMIT };
        self.enter(state);
    }

    fn data_text(&mut self, now: Instant, session: &SessionId, text: &str) {
        if let State::DatachanEstablished { dead, .. } = &mut self.state {
            *dead = now + LIFE_LIMIT;
        }
        match Heartbeat::parse(text) {
            Some(Heartbeat::Ping) => return self.send_data(session, Heartbeat::Pong.to_string()),
            Some(Heartbeat::Pong) => return,
            None => {}
        }
        match Message::parse(text) {
            Ok(message) if message.session == *session => self.far_says(now, message),
            Ok(_) => self.out_of_turn("message of another call"),
            Err(error) => tracing::debug!(%error, "dropped what came on the data channel"),
        }
    }

    fn far_says(&mut self, now: Instant, Message { session, turn, body }: Message) {
        match (body, turn) {
            (Body::PropSync(props), turn) => {
                if turn == Turn::Request {
                    self.say(&session, Turn::Response, Body::PropSync(self.props.clone()));
                }
                self.outputs.push_back(Output::FarProps(props));
            }
            (Body::Hangup, Turn::Request) => self.far_hangs_up(now, session),
            (Body::Hangup, Turn::Response) if matches!(self.state, State::HangupSent { .. }) => self.close(),
            (Body::Hangup, Turn::Response) | (Body::Cancel, _) => self.out_of_turn("message"),
        }
    }

    fn far_hangs_up(&mut self, now: Instant, session: SessionId) {
        let ending = match self.state {
            State::Terminating { .. } | State::Idle => return self.out_of_turn("repeated hang-up"),
            State::HangupSent { .. } => Ending::HungUp,
            State::PendingOutgoing { .. } | State::Answered { .. } | State::DatachanEstablished { .. } => {
                Ending::FarHungUp
            }
        };
        self.say(&session, Turn::Response, Body::Hangup);
        self.enter_because(State::Terminating { session, until: now + CLOSE_DELAY }, Some(ending));
    }

    fn expire(&mut self, now: Instant) {
        if self.deadline().is_none_or(|due| due > now) {
            return; // A stale wake-up is harmless.
        }
        match self.state.clone() {
            State::Idle => {}
            State::PendingOutgoing { session, .. } => {
                self.signal(&session, Signal::Cancel);
                self.end(Ending::NoAnswer);
            }
            State::Answered { session, .. } => {
                self.signal(&session, Signal::Cancel);
                self.end(Ending::NoConnection);
            }
            State::DatachanEstablished { dead, .. } if dead <= now => self.end(Ending::FarGone),
            State::DatachanEstablished { session, dead, .. } => {
                self.send_data(&session, Heartbeat::Ping.to_string());
                self.state = State::DatachanEstablished { session, ping: now + PING_INTERVAL, dead };
            }
            State::HangupSent { .. } | State::Terminating { .. } => self.close(),
        }
    }

    fn end(&mut self, ending: Ending) {
        self.close_because(Some(ending));
    }

    fn close(&mut self) {
        self.close_because(None);
    }

    fn close_because(&mut self, ending: Option<Ending>) {
        if self.session().is_some() {
            self.disconnect();
            // Whatever closes a call that was being hung up: that it was hung up is why it is over.
            let hung_up = matches!(self.state, State::HangupSent { .. });
            self.enter_because(State::Idle, if hung_up { Some(Ending::HungUp) } else { ending });
        }
    }

    /// Lets go of the connection of the call so far, if there is one; another state follows.
    fn disconnect(&mut self) {
        if let Some(session) = self.session().cloned() {
            self.media_command(&session, MediaCommand::Close);
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

    fn phase(&self) -> Phase {
        match self.state {
            State::Idle | State::Terminating { .. } => Phase::Idle,
            State::PendingOutgoing { .. } => Phase::Calling,
            State::Answered { .. } => Phase::Connecting,
            State::DatachanEstablished { .. } => Phase::Connected,
            State::HangupSent { .. } => Phase::Ending,
        }
    }

    fn session(&self) -> Option<&SessionId> {
        match &self.state {
            State::Idle => None,
            State::PendingOutgoing { session, .. }
            | State::Answered { session, .. }
            | State::DatachanEstablished { session, .. }
            | State::HangupSent { session, .. }
            | State::Terminating { session, .. } => Some(session),
        }
    }

    fn is_current(&self, session: &SessionId) -> bool {
        self.session() == Some(session)
    }

    fn say(&mut self, session: &SessionId, turn: Turn, body: Body) {
        let message = Message { session: session.clone(), turn, body };
        self.send_data(session, message.to_string());
    }

    fn send_data(&mut self, session: &SessionId, text: String) {
        self.media_command(session, MediaCommand::SendData(text));
    }

    fn media_command(&mut self, session: &SessionId, command: MediaCommand) {
        self.outputs.push_back(Output::Media(session.clone(), command));
    }

    fn signal(&mut self, session: &SessionId, signal: Signal) {
        self.outputs.push_back(Output::Signal(session.clone(), signal));
    }

    fn out_of_turn(&self, what: &str) {
        tracing::debug!(state = self.state_name(), what, "out of turn, dropped");
    }

    fn state_name(&self) -> &'static str {
        match self.state {
            State::Idle => "idle",
            State::PendingOutgoing { .. } => "pending outgoing",
            State::Answered { .. } => "answered",
            State::DatachanEstablished { .. } => "data channel established",
            State::HangupSent { .. } => "hang-up sent",
            State::Terminating { .. } => "terminating",
        }
    }
}
