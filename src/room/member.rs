//! One other member of a room: whether it is there, and the connections to it.

use std::time::{Duration, Instant};

use super::MemberState;
use crate::{
    call::{Connection, Ending, MediaCommand, MediaEvent, Phase},
    negotiation::{Message, SdpType},
    stock::{self, Call},
};

/// How long after a connection came to nothing it is tried again at first: 1 s, and then twice as long every time.
const RETRY: Duration = Duration::from_secs(1);
/// How often in a row it is tried again: 6 times, which is a minute.
const TRIES: u32 = 6;
/// Candidates that are kept for an offer that has not come: 64.
const CANDIDATES: usize = 64;
/// Offers that a member may make without a connection coming of it: 16; each one costs a connection.
const OFFERS: u32 = 16;

/// Who of the two came first; the later one offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The other was there already.
    Ahead,
    /// It came later.
    Behind,
}

/// What a member wants done.
#[derive(Debug)]
pub(super) enum Output {
    Say(String),
    Media(Connection, MediaCommand),
}

#[derive(Debug)]
pub(super) struct Member {
    order: Order,
    /// Whether this side has yet to offer, since they met.
    is_due: bool,
    /// When it is forgotten; `None` while it is in the room.
    gone: Option<Instant>,
    /// The connection that stands, and the one that is to take its place.
    attempts: Vec<Attempt>,
    /// Candidates that came while nothing was begun, or that may belong to an offer that comes.
    early: Vec<Message>,
    /// When this side offers again.
    retry: Option<Instant>,
    tries: u32,
    offers: u32,
    is_too_many: bool,
    /// Whether it came back after it had left: what stood before may be a page that is gone, and does not count.
    is_back: bool,
    random: fastrand::Rng,
    told: Option<MemberState>,
    /// Why the last try came to nothing, until it is told.
    why: Option<String>,
}

#[derive(Debug)]
struct Attempt {
    call: Call,
    connection: Option<Connection>,
    phase: Phase,
}

impl Attempt {
    fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Connected | Phase::Reconnecting)
    }

    fn end(&mut self, now: Instant) {
        self.call.handle(now, stock::Input::End(Ending::HungUp));
    }
}

impl Member {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            order: Order::Behind,
            is_due: false,
            gone: None,
            attempts: Vec::new(),
            early: Vec::new(),
            retry: None,
            tries: 0,
            offers: 0,
            is_too_many: false,
            is_back: false,
            random: fastrand::Rng::with_seed(seed),
            told: None,
            why: None,
        }
    }

    /// It is in the room, or there again.
    pub(super) fn meet(&mut self, now: Instant, order: Order) {
        self.end_tries(now);
        self.is_back = self.told == Some(MemberState::Left);
        (self.order, self.is_due) = (order, order == Order::Ahead);
        (self.gone, self.retry, self.tries, self.offers, self.is_too_many) = (None, None, 0, 0, false);
    }

    /// It is in the room, but this side has no place for it.
    pub(super) fn turn_away(&mut self) {
        self.is_too_many = true;
    }

    /// It has left the room, or only lost its line: a connection that stands is kept for a while.
    pub(super) fn leave(&mut self, now: Instant, grace: Duration) {
        self.end_tries(now);
        self.gone = self.gone.or(Some(now + grace));
    }

    /// What has not come about will not: what is said no longer arrives.
    pub(super) fn end_tries(&mut self, now: Instant) {
        self.retry = None;
        self.early.clear();
        self.attempts.iter_mut().filter(|attempt| !attempt.is_up()).for_each(|attempt| attempt.end(now));
    }

    /// Offers, if this side is to and has not yet.
    pub(super) fn begin(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_due) {
            self.attempt(now, stock::Input::Begin);
        }
    }

    fn attempt(&mut self, now: Instant, input: stock::Input) {
        let mut call = Call::new(self.random.u64(..));
        call.handle(now, input);
        self.attempts.push(Attempt { call, connection: None, phase: Phase::Idle });
    }

    /// It says something; an offer only leads to something new if there is room for it, and if it does not cross an own
    /// one that stands.
    pub(super) fn said(&mut self, now: Instant, text: &str, has_room: bool, ours_stands: bool) {
        let Some(message) = Message::parse(text).filter(|_| self.gone.is_none()) else {
            tracing::debug!("a member says what nobody need understand");
            return;
        };
        if !matches!(message, Message::Description(SdpType::Offer, _)) {
            self.said_more(now, message);
        } else if !has_room && !self.is_on() {
            self.is_too_many = true;
        } else if self.offers < OFFERS && !(ours_stands && self.is_offering()) {
            self.offers += 1;
            self.is_too_many = false;
            let early = std::mem::take(&mut self.early);
            self.end_tries(now);
            self.attempt(now, stock::Input::Far(message));
            early.into_iter().for_each(|candidate| self.said_more(now, candidate));
        }
    }

    /// An answer or a candidate, for what was begun last.
    fn said_more(&mut self, now: Instant, message: Message) {
        let is_candidate = matches!(message, Message::Candidate(_));
        if is_candidate && self.attempts.last().is_none_or(Attempt::is_up) && self.early.len() < CANDIDATES {
            self.early.push(message.clone());
        }
        if let Some(last) = self.attempts.last_mut() {
            last.call.handle(now, stock::Input::Far(message));
        }
    }

    /// Whether an own offer waits for its answer.
    fn is_offering(&self) -> bool {
        self.attempts.last().is_some_and(|last| last.call.is_offering())
    }

    pub(super) fn media(&mut self, now: Instant, connection: Connection, event: MediaEvent) {
        let whose = self.attempts.iter_mut().find(|attempt| attempt.connection.as_ref() == Some(&connection));
        whose.into_iter().for_each(|it| it.call.handle(now, stock::Input::Media(connection.clone(), event.clone())));
    }

    pub(super) fn expire(&mut self, now: Instant) {
        self.attempts.iter_mut().for_each(|attempt| attempt.call.handle(now, stock::Input::Deadline));
        if self.gone.is_some_and(|until| until <= now) {
            self.attempts.iter_mut().for_each(|attempt| attempt.end(now));
        }
        if self.retry.is_some_and(|at| at <= now) {
            self.retry = None;
            self.attempt(now, stock::Input::Begin);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let calls = self.attempts.iter().filter_map(|attempt| attempt.call.deadline());
        calls.chain(self.gone).chain(self.retry).min()
    }

    /// The next thing to do.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Output> {
        loop {
            let next = |(at, attempt): (usize, &mut Attempt)| Some((at, attempt.call.poll()?));
            let (at, output) = self.attempts.iter_mut().enumerate().find_map(next)?;
            match output {
                stock::Output::Say(message) => return Some(Output::Say(message.to_string())),
                stock::Output::Media(connection, command) => {
                    self.attempts[at].connection = Some(connection.clone());
                    return Some(Output::Media(connection, command));
                }
                stock::Output::Phase(Phase::Idle, ending) => self.ended(now, at, ending),
                stock::Output::Phase(phase, _) => self.entered(now, at, phase),
            }
        }
    }

    fn entered(&mut self, now: Instant, at: usize, phase: Phase) {
        self.attempts[at].phase = phase;
        if phase == Phase::Connected {
            (self.tries, self.offers, self.is_back) = (0, 0, false);
            self.early.clear();
            // What stood before has done its service.
            self.attempts[..at].iter_mut().for_each(|before| before.end(now));
        }
    }

    fn ended(&mut self, now: Instant, at: usize, ending: Option<Ending>) {
        let is_last = at + 1 == self.attempts.len();
        self.attempts.remove(at);
        // What was to take its place came to nothing, and it stands.
        self.is_back &= !is_last;
        self.why = ending.and_then(words).or(self.why.take());
        let is_lost = self.why.is_some() && self.attempts.is_empty();
        if is_lost && self.is_ahead() && self.tries < TRIES {
            let wait = RETRY.saturating_mul(1 << self.tries).mul_f64(0.75 + 0.5 * self.random.f64());
            self.tries += 1;
            self.retry = Some(now + wait);
        }
    }

    /// How it stands with it, if that is new, and why the last try came to nothing.
    pub(super) fn news(&mut self) -> Option<(MemberState, Option<String>)> {
        let state = match () {
            () if self.gone.is_some() => MemberState::Left,
            () if !self.is_back && self.attempts.iter().any(Attempt::is_up) => MemberState::Connected,
            () if self.attempts.iter().any(|attempt| !attempt.is_up()) => MemberState::Connecting,
            () if self.is_too_many => MemberState::TooMany,
            () => MemberState::Here,
        };
        // Who has left is told of by that alone.
        let why = self.why.take().filter(|_| state != MemberState::Left);
        let is_new = self.told.replace(state) != Some(state);
        (is_new || why.is_some()).then_some((state, why))
    }

    /// Whether there is a connection, or one in the making.
    pub(super) fn is_on(&self) -> bool {
        !self.attempts.is_empty()
    }

    /// Whether it is in the room with a connection, or one in the making: who has left takes nobody's place.
    pub(super) fn is_talking(&self) -> bool {
        self.is_on() && self.gone.is_none()
    }

    /// Whether this one has a place in the room, as far as this side is concerned.
    pub(super) fn has_place(&self) -> bool {
        self.gone.is_none() && (self.is_on() || !self.is_too_many)
    }

    pub(super) fn is_ahead(&self) -> bool {
        self.order == Order::Ahead && self.gone.is_none()
    }

    pub(super) fn has(&self, connection: &Connection) -> bool {
        self.attempts.iter().any(|attempt| attempt.connection.as_ref() == Some(connection))
    }

    pub(super) fn is_over(&self) -> bool {
        self.gone.is_some() && self.attempts.is_empty()
    }
}

/// What a person need know of an ending; `None` for what this side did itself.
fn words(ending: Ending) -> Option<String> {
    Some(match ending {
        Ending::HungUp => return None,
        Ending::Failed(why) => why,
        Ending::NoAnswer => "it does not answer".into(),
        Ending::NoConnection => "no way through to it was found; a TURN server may help (--turn)".into(),
        Ending::FarClosed | Ending::FarHungUp | Ending::FarGone | Ending::FarFailed => "the connection is lost".into(),
    })
}
