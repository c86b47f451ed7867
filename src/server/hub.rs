//! The switchboard behind a lock, with an outbox for every connection and a clock for its deadlines.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{
    Settings,
    http::Guest,
    life::{Duty, Patience, Tick},
    limits::{Bucket, Door, Prefix, Refusal, SEARCH_COST, SEARCH_COST_IN_ALL},
    links::Shelf,
    metrics::{Cause, Gauges, Metrics, Spoken},
    now,
    outbox::{Budget, Item, Outbox},
    ticket::{Entrance, Ticket},
};
use crate::{
    rendezvous::BackIn,
    switchboard::{self, Census, ConnectionId, Dialect, Input, Output, Switchboard},
};

/// How long to sleep when nothing is due; any input that brings a deadline ends it.
const NOTHING_DUE: Duration = Duration::from_secs(60 * 60);

/// How many connections are looked at at once, whether they are still there: few enough that nobody waits for it.
const LOOK: usize = 2048;

/// How long it may take until each has been looked at.
const ROUND: Duration = Duration::from_secs(1);

/// Where all connections meet. The lock is held for no longer than one input takes.
pub(super) struct Hub {
    state: Mutex<State>,
    deadline_moved: Notify,
    emptied: Notify,
    entrance: Arc<Entrance>,
    budget: Arc<Budget>,
    began: Instant,
    /// What the server was told.
    pub(super) settings: Settings,
    /// What is counted.
    pub(super) metrics: Metrics,
    /// The short links.
    pub(super) links: Shelf,
}

struct State {
    switchboard: Switchboard,
    /// In a tree, for it can be looked through a part at a time, and gives back what a crowd took.
    outboxes: BTreeMap<ConnectionId, Arc<Outbox>>,
    opened: u64,
    /// How many seats there are; some of them have left.
    seats: usize,
    closing: bool,
}

/// A connection's place at the hub; dropping it reports the connection as closed, unless it has [left](Seat::leave).
pub(super) struct Seat {
    hub: Arc<Hub>,
    id: ConnectionId,
    from: Prefix,
    spoken: Spoken,
    has_left: bool,
    rate: Bucket,
    /// What the hub has to say to the connection.
    pub(super) outbox: Arc<Outbox>,
    /// Whom a proxy speaks for, so that they count.
    _guest: Option<Guest>,
}

impl Hub {
    /// Nobody connected yet; `secret` is 32 random bytes for the switchboard alone, `files` how many connections the
    /// system has room for.
    pub(super) fn new(settings: Settings, secret: [u8; 32], files: usize) -> Self {
        let limits = &settings.limits;
        Self {
            state: Mutex::new(State::new(Switchboard::new(brain(limits), secret))),
            deadline_moved: Notify::new(),
            emptied: Notify::new(),
            links: Shelf::new(settings.limits.links),
            entrance: Arc::new(Entrance::new(Door::new(limits, files))),
            budget: Arc::new(Budget::new(limits.waiting_in_all)),
            began: now(),
            settings,
            metrics: Metrics::default(),
        }
    }

    /// Lets a connection in, perhaps only to be told why it is refused; `None` when it is not to be answered at all.
    pub(super) fn admit(&self, from: IpAddr) -> Option<(Ticket, Option<Refusal>)> {
        self.entrance.admit(from, &self.metrics)
    }

    /// Whoever is at this address asks for something that counts as so many messages; else tells how long to wait.
    pub(super) fn ask(&self, from: IpAddr, cost: u32) -> Result<(), Refusal> {
        self.entrance.ask(now(), from.into(), cost).map_err(|retry_after| {
            self.metrics.refused(Cause::AddressMessages);
            Refusal { cause: Cause::AddressMessages, retry_after }
        })
    }

    /// Takes a new WebSocket from there in.
    pub(super) fn open(self: &Arc<Self>, dialect: Dialect<'_>, from: IpAddr, guest: Option<Guest>) -> Seat {
        let now = now();
        let outbox = Arc::new(Outbox::new(self.settings.limits.waiting, self.budget.clone(), self.tick(now)));
        let id = {
            let mut state = self.lock();
            state.opened += 1;
            state.seats += 1;
            let id = ConnectionId(state.opened);
            if state.closing {
                self.say_goodbye(&outbox);
            }
            state.outboxes.insert(id, outbox.clone());
            id
        };
        let spoken = Spoken::from(&dialect);
        self.metrics.connected(spoken);
        self.handle(now, id, Input::Opened(dialect));
        let from = Prefix::from(from);
        Seat { hub: self.clone(), id, from, spoken, has_left: false, rate: Bucket::new(now), outbox, _guest: guest }
    }

    /// Tells how often the directory was looked through for it.
    fn handle(&self, now: Instant, id: ConnectionId, input: Input<'_>) -> u32 {
        let mut state = self.lock();
        let before = state.switchboard.deadline();
        state.switchboard.handle(now, id, input);
        state.deliver(&self.metrics, matches!(input, Input::Text(_)).then_some(now));
        if state.switchboard.deadline() != before {
            self.deadline_moved.notify_one();
        }
        state.switchboard.take_searches()
    }

    /// Does what the switchboard has due, when it is due, for ever.
    pub(super) async fn keep_deadlines(&self) {
        loop {
            let deadline = self.lock().switchboard.deadline().unwrap_or_else(|| now() + NOTHING_DUE);
            tokio::select! {
                () = tokio::time::sleep_until(deadline.into()) => {
                    let mut state = self.lock();
                    state.switchboard.handle_deadline(now());
                    state.deliver(&self.metrics, None);
                }
                () = self.deadline_moved.notified() => {}
            }
        }
    }

    /// Asks whoever is silent for a sign of life, and gives up whoever shows none; ends only by a defect.
    pub(super) async fn keep_alive(&self) {
        let mut last = ConnectionId(0);
        loop {
            if self.state.is_poisoned() {
                // Who is where cannot be trusted any more: better to end, and be started again.
                return tracing::error!("a connection's task had panicked; the server ends");
            }
            let pause = self.look_after_some(&mut last);
            tokio::time::sleep(pause).await;
        }
    }

    /// Looks at the connections that come after `last`, and tells how long to wait before the next are to be looked at.
    fn look_after_some(&self, last: &mut ConnectionId) -> Duration {
        let patience = Patience { idle: self.settings.limits.idle_ping, answer: self.settings.limits.pong_timeout };
        let now = now();
        let mut state = self.lock();
        let (mut gone, mut looked, mut pause) = (Vec::new(), 0, patience.shortest());
        for (&id, outbox) in state.outboxes.range((Bound::Excluded(*last), Bound::Unbounded)).take(LOOK) {
            (*last, looked) = (id, looked + 1);
            let tick = self.tick(now);
            if let Some(since) = outbox.ending_since(tick) {
                // To take the last word in time is a sign of life as well.
                match patience.answer.saturating_sub(tick.since(since)) {
                    Duration::ZERO => outbox.give_up(),
                    left => pause = pause.min(left),
                }
                continue;
            }
            match outbox.life.duty(tick, patience, id.0) {
                Duty::Wait(time) => pause = pause.min(time),
                Duty::Ask if outbox.push(Item::Ping).is_ok() => {}
                Duty::Ask | Duty::GiveUp => gone.push(id),
            }
        }
        if looked < LOOK {
            *last = ConnectionId(0);
            self.entrance.sweep(now);
        }
        for id in gone {
            self.metrics.refused(Cause::PongTimeout);
            let lost = state.outboxes.get(&id).map(|outbox| outbox.push(Item::Close(1001, "no sign of life".into())));
            tracing::debug!(connection = id.0, ?lost, "a connection shows no sign of life");
            state.switchboard.handle(now, id, Input::Closed);
        }
        state.deliver(&self.metrics, None);
        match u32::try_from(state.outboxes.len() / LOOK) {
            Ok(0) => pause,
            parts => ROUND / parts.unwrap_or(u32::MAX).saturating_add(1),
        }
    }

    fn tick(&self, now: Instant) -> Tick {
        Tick::after(now.saturating_duration_since(self.began))
    }

    /// Tells every connection that the server is going, now and any that still comes.
    pub(super) fn close_all(&self) {
        let mut state = self.lock();
        state.closing = true;
        for outbox in state.outboxes.values() {
            self.say_goodbye(outbox);
        }
    }

    /// The last word: 1012, service restart, where the server is known to come back, else 1001, going away.
    fn say_goodbye(&self, outbox: &Outbox) {
        let item = match self.settings.retry_after.map(BackIn::new) {
            Some(back_in) => Item::Close(1012, back_in.to_string().into()),
            None => Item::Close(1001, "the server stops".into()),
        };
        let _ = outbox.push(item); // An overflow ends the connection as well.
    }

    /// Waits until no connection is left, and each has had the last word, or the time for it.
    pub(super) async fn emptied(&self) {
        while self.lock().seats > 0 {
            self.emptied.notified().await;
        }
    }

    /// Whether the server is going.
    pub(super) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    /// What there is now.
    pub(super) fn gauges(&self) -> Gauges {
        let Census { rooms, sessions, calls } = self.lock().switchboard.census();
        Gauges { rooms, sessions, calls, links: self.links.count() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The limits that the switchboard keeps.
fn brain(limits: &super::Limits) -> switchboard::Limits {
    switchboard::Limits {
        hello: limits.hello_timeout,
        uid: limits.uid,
        room: limits.room_size,
        ..switchboard::Limits::default()
    }
}

impl State {
    fn new(switchboard: Switchboard) -> Self {
        Self { switchboard, outboxes: BTreeMap::new(), opened: 0, seats: 0, closing: false }
    }

    /// Brings what the switchboard says into the outboxes; whoever's is full is closed to the switchboard. `came` is when
    /// the text came that is passed on.
    fn deliver(&mut self, metrics: &Metrics, came: Option<Instant>) {
        metrics.refused_often(Cause::RoomSize, self.switchboard.take_turned_away());
        while let Some(output) = self.switchboard.poll_output() {
            let (to, item) = match output {
                Output::Send { to, text, relayed } => (to, Item::Text { text, came: came.filter(|_| relayed) }),
                Output::Ping { to } => (to, Item::Ping),
                Output::Close { to, why } => {
                    Cause::of(why).into_iter().for_each(|cause| metrics.refused(cause));
                    (to, Item::Close(why.code(), why.text().into()))
                }
            };
            if let Some(outbox) = self.outboxes.get(&to)
                && outbox.push(item).is_err()
            {
                tracing::debug!(connection = to.0, "a connection reads too slowly");
                metrics.refused(Cause::SlowReader);
                self.switchboard.handle(now(), to, Input::Closed);
            }
        }
    }
}

/// What a connection is to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// To read on.
    GoOn,
    /// To let others have the processor first: what it said took long.
    LetOthers,
}

/// Too much is said too quickly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooFast {
    /// On the connection.
    Connection,
    /// By all at its address together.
    Address,
}

impl TooFast {
    /// What the close frame says.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Connection => "too many messages",
            Self::Address => "too many messages from this address",
        }
    }

    fn cause(self) -> Cause {
        match self {
            Self::Connection => Cause::MessageRate,
            Self::Address => Cause::AddressMessages,
        }
    }
}

impl Seat {
    /// Reports what came on the connection, and tells how it goes on.
    pub(super) fn handle(&mut self, input: Input<'_>) -> Result<Next, TooFast> {
        let now = now();
        self.outbox.life.hear(self.hub.tick(now));
        self.pay(now, 1, 1)?;
        match self.hub.handle(now, self.id, input) {
            0 => Ok(Next::GoOn),
            searches => {
                let (own, address) =
                    (SEARCH_COST.saturating_mul(searches), SEARCH_COST_IN_ALL.saturating_mul(searches));
                self.pay(now, own, address).map(|()| Next::LetOthers)
            }
        }
    }

    /// Takes that much off what the connection and its address may say.
    fn pay(&mut self, now: Instant, own: u32, address: u32) -> Result<(), TooFast> {
        let paid = match self.rate.take_some(now, own, self.hub.settings.limits.message_rate) {
            Err(_) => Err(TooFast::Connection),
            Ok(()) => self.hub.entrance.ask(now, self.from, address).map_err(|_| TooFast::Address),
        };
        paid.inspect_err(|too_fast| self.hub.metrics.refused(too_fast.cause()))
    }

    /// Takes the connection off, though it may not have ended yet: others need not wait for that.
    pub(super) fn leave(&mut self) {
        if std::mem::replace(&mut self.has_left, true) {
            return;
        }
        self.hub.metrics.disconnected(self.spoken);
        self.hub.handle(now(), self.id, Input::Closed);
        self.hub.lock().outboxes.remove(&self.id);
    }

    /// What the server counts.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.hub.metrics
    }

    /// How much is too much.
    pub(super) fn limits(&self) -> &super::Limits {
        &self.hub.settings.limits
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
        let is_last = {
            let mut state = self.hub.lock();
            state.seats -= 1;
            state.seats == 0
        };
        if is_last {
            self.hub.emptied.notify_one();
        }
    }
}
