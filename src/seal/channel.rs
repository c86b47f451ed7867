//! The rules by which a session comes about, is used, and is replaced.

mod handshakes;
mod live;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use handshakes::{Attempt, Joining};
use live::{Live, Opened, Pending};

use super::{Frame, Input, Order, Output, PLAINTEXT_LIMIT, Resolver, SecretKey, Setup, Suspicion, Trust};
use crate::ids::{ConversationId, InstanceId, SessionId};

/// How long a handshake may take before it is begun again, and how long who waits waits: 2 s.
pub const HANDSHAKE_LIMIT: Duration = Duration::from_secs(2);
/// Up to this much is added to it at random, so that two sides do not stay in step: 500 ms.
pub const HANDSHAKE_JITTER: Duration = Duration::from_millis(500);
/// No two handshakes are begun within this: 1 s. Must be less than [`HANDSHAKE_LIMIT`].
pub const BEGIN_INTERVAL: Duration = Duration::from_secs(1);
/// How long the far side may be here without a session before that is suspicious: 5 s.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(5);
/// How long texts of a session that was let go are taken for late ones, not for a sign that the sides disagree: 2 s.
pub const LATE_LIMIT: Duration = Duration::from_secs(2);

/// One side's end of the sealed channel.
#[derive(Debug)]
pub struct Channel {
    conversation: ConversationId,
    instance: InstanceId,
    secret: SecretKey,
    trust: Trust,
    resolver: Resolver,
    random: fastrand::Rng,
    is_here: bool,
    /// This side's handshake that waits for its answer.
    attempt: Option<Attempt>,
    /// Who read this side's code and has still to say so.
    joining: Option<Joining>,
    /// Made, but not confirmed by a text of the far side.
    pending: Option<Pending>,
    current: Option<Live>,
    /// What the far side still seals with until it has heard of `current`.
    previous: Option<Live>,
    /// The session that was let go last, and until when its texts are late ones.
    retired: Option<(SessionId, Instant)>,
    begun: Option<Instant>,
    /// When to begin, if nothing comes of what is under way.
    due: Option<Instant>,
    silent: Option<Instant>,
    told: Vec<Suspicion>,
    outputs: VecDeque<Output>,
}

impl Channel {
    /// A channel without a session, the far side not here.
    pub fn new(setup: Setup) -> Self {
        Self {
            conversation: setup.conversation,
            instance: setup.instance,
            secret: setup.secret,
            trust: setup.trust,
            resolver: setup.resolver,
            random: fastrand::Rng::with_seed(setup.seed),
            is_here: false,
            attempt: None,
            joining: None,
            pending: None,
            current: None,
            previous: None,
            retired: None,
            begun: None,
            due: None,
            silent: None,
            told: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes note of what happened; drain [`Channel::poll`] afterwards.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Here(order) => self.here(now, order),
            Input::Away => self.away(),
            Input::Frame(from, text) => self.frame(now, &from, &text),
            Input::Say(text) => self.say(now, &text),
            Input::Expired => self.close_code(),
            Input::Deadline => self.expire(now),
        }
        self.set_timers(now);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Deadline`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let attempt = self.attempt.as_ref().map(|attempt| attempt.until);
        [attempt, self.due, self.silent].into_iter().flatten().min()
    }

    /// Whether there is a session, so that what is said is sent.
    pub fn is_up(&self) -> bool {
        self.current.is_some()
    }

    fn here(&mut self, now: Instant, order: Order) {
        if self.is_here || self.trust.far().is_none() {
            return;
        }
        self.is_here = true;
        if order == Order::Begins || matches!(self.trust, Trust::Reader { .. }) {
            self.begin(now);
        }
    }

    fn away(&mut self) {
        self.is_here = false;
        self.let_go();
    }

    /// Drops whatever session and handshakes there are.
    fn let_go(&mut self) {
        (self.attempt, self.joining, self.pending) = (None, None, None);
        (self.previous, self.retired) = (None, None);
        (self.due, self.silent) = (None, None);
        if self.current.take().is_some() {
            self.outputs.push_back(Output::Down);
        }
    }

    fn close_code(&mut self) {
        if let Trust::Owner { code } = &self.trust {
            self.trust = Trust::Closed { spent: Some(code.spent()) };
            self.joining = None;
        }
    }

    fn say(&mut self, now: Instant, text: &str) {
        if text.len() > PLAINTEXT_LIMIT {
            return tracing::warn!("a message is too long to be sealed");
        }
        let Some(live) = &mut self.current else {
            return tracing::debug!("no session: a message is lost");
        };
        match live.seal(text) {
            Some(frame) => self.send(&frame),
            None => self.break_off(now),
        }
    }

    fn frame(&mut self, now: Instant, from: &InstanceId, text: &str) {
        let is_far = self.trust.far() == Some(from);
        let frame = Frame::parse(text);
        // Whoever speaks is here, whatever the server told of it, or did not.
        self.is_here |= is_far && matches!(frame, Ok(Frame::Noise { .. } | Frame::Sealed { .. }));
        match frame {
            Err(error) => tracing::debug!(%error, "dropped a frame"),
            Ok(_) if *from == self.instance => {}
            Ok(Frame::Noise { step, id, data }) => self.noise(now, from, (step, id), &data),
            Ok(Frame::Sealed { id, n, data }) if is_far => self.sealed(now, id, n, &data),
            Ok(Frame::Refused { proof }) if is_far => self.refused(&proof),
            Ok(Frame::Sealed { .. } | Frame::Refused { .. }) => tracing::debug!("ignored a frame of somebody else"),
        }
    }

    fn sealed(&mut self, now: Instant, id: SessionId, n: u32, data: &[u8]) {
        let is = |live: &Option<Live>| live.as_ref().is_some_and(|live| live.id == id);
        if is(&self.current) {
            self.hear(now, n, data);
        } else if is(&self.previous) {
            self.hear_late(now, n, data);
        } else if self.pending.as_ref().is_some_and(|pending| pending.live.id == id) {
            self.confirm(now, n, data);
        } else if let Some(until) = self.late_until(now, &id) {
            // Unless the far side is heard to have moved on until then, it has not.
            self.due = self.due.or(Some(until));
        } else {
            self.begin_unless_under_way(now);
        }
    }

    /// A text of the session that stands.
    fn hear(&mut self, now: Instant, n: u32, data: &[u8]) {
        let Some(live) = &mut self.current else { return };
        match live.open(n, data) {
            Opened::Text(text) => {
                // The far side has moved on to this session too.
                self.due = None;
                if let Some(previous) = self.previous.take() {
                    self.retire(now, previous.id);
                }
                self.outputs.push_back(Output::Heard(text));
            }
            Opened::Junk => tracing::debug!("dropped what is no text"),
            Opened::Repeat => tracing::debug!("dropped a repeated message"),
            Opened::Gap => self.break_off(now),
            Opened::Forged => self.suspect(Suspicion::Forged),
        }
    }

    /// A text of the session that was replaced, which the far side could not know yet.
    fn hear_late(&mut self, now: Instant, n: u32, data: &[u8]) {
        let Some(live) = &mut self.previous else { return };
        match live.open(n, data) {
            Opened::Text(text) => {
                // Where handshakes crossed, each side may take the other's session for the old one, for ever.
                self.due = self.due.or(Some(now + LATE_LIMIT));
                self.outputs.push_back(Output::Heard(text));
            }
            Opened::Junk | Opened::Repeat => tracing::debug!("dropped a message"),
            Opened::Gap => {
                if let Some(previous) = self.previous.take() {
                    self.retire(now, previous.id);
                }
            }
            Opened::Forged => self.suspect(Suspicion::Forged),
        }
    }

    /// What should be the far side's first text in a new session: only who holds the keys can say it now.
    fn confirm(&mut self, now: Instant, n: u32, data: &[u8]) {
        let Some(mut pending) = self.pending.take() else { return };
        match pending.live.open(n, data) {
            Opened::Text(text) if text == pending.greeting.text() => {
                self.pair_by(&pending.live);
                if let Some(replaced) = self.current.take() {
                    self.retire(now, replaced.id);
                }
                self.stand(pending.live);
            }
            Opened::Forged => {
                self.pending = Some(pending);
                self.suspect(Suspicion::Forged);
            }
            Opened::Text(_) | Opened::Junk | Opened::Repeat | Opened::Gap => {
                self.retire(now, pending.live.id);
                self.begin_unless_under_way(now);
            }
        }
    }

    /// From now on this is the session.
    fn stand(&mut self, live: Live) {
        self.outputs.push_back(Output::Up(live.words()));
        self.current = Some(live);
        (self.attempt, self.joining, self.pending) = (None, None, None);
        self.is_here = true;
        self.due = None;
        self.told.clear();
    }

    /// The session cannot go on.
    fn break_off(&mut self, now: Instant) {
        if let Some(live) = self.current.take() {
            self.retire(now, live.id);
            self.previous = None;
            self.outputs.push_back(Output::Down);
            self.begin_unless_under_way(now);
        }
    }

    fn late_until(&self, now: Instant, id: &SessionId) -> Option<Instant> {
        self.retired.as_ref().filter(|(retired, until)| retired == id && *until > now).map(|(_, until)| *until)
    }

    fn retire(&mut self, now: Instant, id: SessionId) {
        self.retired = Some((id, now + LATE_LIMIT));
    }

    fn expire(&mut self, now: Instant) {
        if self.attempt.as_ref().is_some_and(|attempt| attempt.until <= now) {
            self.attempt = None;
            if self.current.is_none() {
                self.due = Some(now);
            }
        }
        if self.due.is_some_and(|due| due <= now) {
            self.begin(now);
        }
        if self.silent.is_some_and(|due| due <= now) {
            self.silent = None;
            self.suspect(Suspicion::Silent);
        }
    }

    /// While the far side is here without a session, something is always due.
    fn set_timers(&mut self, now: Instant) {
        let is_wanting = self.is_here && self.current.is_none() && self.trust.far().is_some();
        if is_wanting && self.attempt.is_none() && self.due.is_none() {
            self.due = Some(now + self.patience());
        }
        if !is_wanting {
            self.silent = None;
        } else if self.silent.is_none() && !self.told.contains(&Suspicion::Silent) {
            self.silent = Some(now + SILENCE_LIMIT);
        }
    }

    fn patience(&mut self) -> Duration {
        let jitter = u64::try_from(HANDSHAKE_JITTER.as_millis()).unwrap_or(0);
        HANDSHAKE_LIMIT + Duration::from_millis(self.random.u64(0..=jitter))
    }

    fn suspect(&mut self, suspicion: Suspicion) {
        if !self.told.contains(&suspicion) {
            self.told.push(suspicion);
            self.outputs.push_back(Output::Suspicious(suspicion));
        }
    }

    /// Tells the far side.
    fn send(&mut self, frame: &Frame) {
        if let Some(far) = self.trust.far() {
            self.outputs.push_back(Output::Send(far.clone(), frame.to_string()));
        }
    }
}

#[cfg(test)]
mod tests;
