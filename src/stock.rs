//! One call with a peer of any make, which speaks of media in plain JSON and of nothing else.
//!
//! An offer, an answer, candidates: no seal, no repeats, no heartbeat. What carries the messages says who is there, and
//! by its end that the call is over. A call begins with an offer, of either side; `OFFER_REQUEST` asks this one for it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    call::{Connection, Ending, MediaCommand, MediaEvent, Phase},
    ids::SessionId,
    negotiation::{Candidate, Message, Sdp, SdpType},
};

/// How long an offer may stay unanswered: 60 s.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// How long connecting may take once both descriptions are there: 20 s, since a stock peer opens its camera meanwhile.
pub const CONNECTION_LIMIT: Duration = Duration::from_secs(20);
/// Candidates of the far side that are taken for one connection, early or not: 64; a browser with four addresses sends
/// a dozen.
const CANDIDATES: usize = 64;
/// Offers that are answered in one call: 16; each one costs a connection.
const OFFERS: u32 = 16;

/// What happens to a call.
#[derive(Debug, Clone)]
pub enum Input {
    /// This side is to offer.
    Begin,
    /// The far side asks for an offer; passed over during a call.
    OfferRequest,
    /// The far side says this.
    Far(Message),
    /// The media have something to tell.
    Media(Connection, MediaEvent),
    /// It is over, for this reason.
    End(Ending),
    /// Time has passed; harmless when nothing is due.
    Deadline,
}

/// What a call wants done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Tell the far side.
    Say(Message),
    /// Tell the media.
    Media(Connection, MediaCommand),
    /// Show this; with [`Phase::Idle`] also why the call is over.
    Phase(Phase, Option<Ending>),
}

/// A call, or none at the moment.
#[derive(Debug)]
pub struct Call {
    state: State,
    /// What came before the description that it belongs to.
    early: Vec<Candidate>,
    /// How many were passed on for this connection.
    candidates: usize,
    offers: u32,
    random: fastrand::Rng,
    outputs: VecDeque<Output>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Idle,
    /// This side offers, and waits for the answer.
    Offering {
        connection: Connection,
        until: Instant,
    },
    /// The far side has offered; the answer is being made.
    Answering {
        connection: Connection,
        until: Instant,
    },
    /// Both descriptions are exchanged.
    Connecting {
        connection: Connection,
        until: Instant,
    },
    /// Up.
    Connected(Connection),
    /// It was up; ICE looks for another way, or gives up by itself.
    Doubtful(Connection),
}

impl State {
    fn connection(&self) -> Option<&Connection> {
        match self {
            Self::Idle => None,
            Self::Offering { connection, .. }
            | Self::Answering { connection, .. }
            | Self::Connecting { connection, .. }
            | Self::Connected(connection)
            | Self::Doubtful(connection) => Some(connection),
        }
    }

    fn phase(&self) -> Phase {
        match self {
            Self::Idle => Phase::Idle,
            Self::Offering { .. } => Phase::Calling,
            Self::Answering { .. } | Self::Connecting { .. } => Phase::Connecting,
            Self::Connected(_) => Phase::Connected,
            Self::Doubtful(_) => Phase::Reconnecting,
        }
    }
}

impl Call {
    /// None yet; `seed` is what names its connections.
    pub fn new(seed: u64) -> Self {
        Self {
            state: State::Idle,
            early: Vec::new(),
            candidates: 0,
            offers: 0,
            random: fastrand::Rng::with_seed(seed),
            outputs: VecDeque::new(),
        }
    }

    /// Takes note of what happened; drain [`Call::poll`] afterwards.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Begin | Input::OfferRequest if self.state == State::Idle => self.offer(now),
            Input::Begin | Input::OfferRequest => tracing::debug!("an offer is wanted during a call: passed over"),
            Input::Far(Message::Description(SdpType::Offer, sdp)) => self.answer(now, sdp),
            Input::Far(Message::Description(SdpType::Answer, sdp)) => self.answered(now, sdp),
            Input::Far(Message::Candidate(candidate)) => self.far_candidate(candidate),
            Input::Media(connection, event) => self.media(now, &connection, event),
            Input::End(ending) => self.end(ending),
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
            State::Offering { until, .. } | State::Answering { until, .. } | State::Connecting { until, .. } => {
                Some(*until)
            }
            State::Idle | State::Connected(_) | State::Doubtful(_) => None,
        }
    }

    /// Whether this side's offer waits for its answer.
    pub fn is_offering(&self) -> bool {
        matches!(self.state, State::Offering { .. })
    }

    /// Whether there is one.
    pub fn is_on(&self) -> bool {
        self.state != State::Idle
    }

    fn offer(&mut self, now: Instant) {
        let connection = self.new_connection();
        self.tell_media(&connection, MediaCommand::Offer);
        self.enter(State::Offering { connection, until: now + ANSWER_LIMIT });
    }

    /// An offer begins a call, or takes the place of the one that is on: the far side's page was reloaded, say.
    fn answer(&mut self, now: Instant, sdp: Sdp) {
        self.offers += 1;
        if matches!(self.state, State::Offering { .. }) || self.offers > OFFERS {
            tracing::debug!("an offer out of turn is passed over");
            return;
        }
        self.close();
        let connection = self.new_connection();
        self.tell_media(&connection, MediaCommand::Answer(sdp));
        self.add_early(&connection);
        self.enter(State::Answering { connection, until: now + CONNECTION_LIMIT });
    }

    fn answered(&mut self, now: Instant, sdp: Sdp) {
        let State::Offering { connection, .. } = self.state.clone() else {
            tracing::debug!("an answer to nothing is passed over");
            return;
        };
        self.tell_media(&connection, MediaCommand::TakeAnswer(sdp));
        self.add_early(&connection);
        self.enter(State::Connecting { connection, until: now + CONNECTION_LIMIT });
    }

    /// Hands over what came before the description.
    fn add_early(&mut self, connection: &Connection) {
        let early = std::mem::take(&mut self.early);
        self.candidates = early.len();
        early.into_iter().for_each(|it| self.tell_media(connection, MediaCommand::AddCandidate(it)));
    }

    fn far_candidate(&mut self, candidate: Candidate) {
        match &self.state {
            State::Idle | State::Offering { .. } if self.early.len() < CANDIDATES => self.early.push(candidate),
            _ if self.candidates >= CANDIDATES => tracing::debug!("more candidates than anybody has: passed over"),
            State::Idle | State::Offering { .. } => tracing::debug!("more candidates than anybody has: passed over"),
            State::Answering { connection, .. }
            | State::Connecting { connection, .. }
            | State::Connected(connection)
            | State::Doubtful(connection) => {
                let connection = connection.clone();
                self.candidates += 1;
                self.tell_media(&connection, MediaCommand::AddCandidate(candidate));
            }
        }
    }

    fn media(&mut self, now: Instant, connection: &Connection, event: MediaEvent) {
        if self.state.connection() != Some(connection) {
            return; // A connection that is closed has nothing more to tell.
        }
        match event {
            MediaEvent::Described(kind, sdp) => self.described(now, kind, sdp),
            MediaEvent::Candidate(candidate) if candidate.candidate.is_empty() => {}
            MediaEvent::Candidate(candidate) => self.outputs.push_back(Output::Say(Message::Candidate(candidate))),
            MediaEvent::Connected => self.enter(State::Connected(connection.clone())),
            MediaEvent::Disconnected if matches!(self.state, State::Connected(_)) => {
                self.enter(State::Doubtful(connection.clone()));
            }
            // What a far side says on a data channel of its own making is nothing to this side.
            MediaEvent::Disconnected | MediaEvent::DataOpen | MediaEvent::DataText(_) => {}
            MediaEvent::Closed => self.end(Ending::FarClosed),
            MediaEvent::Failed(why) => self.end(Ending::Failed(why)),
        }
    }

    fn described(&mut self, now: Instant, kind: SdpType, sdp: Sdp) {
        self.outputs.push_back(Output::Say(Message::Description(kind, sdp)));
        if let State::Answering { connection, .. } = self.state.clone() {
            self.enter(State::Connecting { connection, until: now + CONNECTION_LIMIT });
        }
    }

    fn expire(&mut self, now: Instant) {
        if self.deadline().is_some_and(|due| due <= now) {
            let is_unanswered = matches!(self.state, State::Offering { .. });
            self.end(if is_unanswered { Ending::NoAnswer } else { Ending::NoConnection });
        }
    }

    fn end(&mut self, ending: Ending) {
        self.early.clear();
        self.offers = 0;
        if self.is_on() {
            self.close();
            self.state = State::Idle;
            self.outputs.push_back(Output::Phase(Phase::Idle, Some(ending)));
        }
    }

    fn close(&mut self) {
        if let Some(connection) = self.state.connection().cloned() {
            self.tell_media(&connection, MediaCommand::Close);
        }
    }

    fn enter(&mut self, state: State) {
        if state.phase() != self.state.phase() {
            self.outputs.push_back(Output::Phase(state.phase(), None));
        }
        self.state = state;
    }

    fn tell_media(&mut self, connection: &Connection, command: MediaCommand) {
        self.outputs.push_back(Output::Media(connection.clone(), command));
    }

    fn new_connection(&mut self) -> Connection {
        Connection::first(SessionId::from_bits(self.random.u64(..)))
    }
}

#[cfg(test)]
mod tests;
