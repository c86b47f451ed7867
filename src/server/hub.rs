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
    limits::{Bucket, Door, Refusal},
    links::Shelf,
    metrics::{Cause, Gauges, Metrics, Spoken},
    now,
    outbox::{Item, Outbox},
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
    closing: bool,
}

/// A connection's place at the hub; dropping it reports the connection as closed.
pub(super) struct Seat {
    hub: Arc<Hub>,
    id: ConnectionId,
    spoken: Spoken,
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
            began: now(),
            settings,
            metrics: Metrics::default(),
        }
    }

    /// Lets a connection in, perhaps only to be told why it is refused; `None` when it is not to be answered at all.
    pub(super) fn admit(&self, from: IpAddr) -> Option<(Ticket, Option<Refusal>)> {
        self.entrance.admit(from, &self.metrics)
    }

    /// Takes a new WebSocket in.
    pub(super) fn open(self: &Arc<Self>, dialect: Dialect<'_>, guest: Option<Guest>) -> Seat {
        let now = now();
        let outbox = Arc::new(Outbox::new(self.settings.limits.waiting, self.tick(now)));
        let id = {
            let mut state = self.lock();
            state.opened += 1;
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
        Seat { hub: self.clone(), id, spoken, rate: Bucket::new(now), outbox, _guest: guest }
    }

    fn handle(&self, now: Instant, id: ConnectionId, input: Input<'_>) {
        let mut state = self.lock();
        let before = state.switchboard.deadline();
        state.switchboard.handle(now, id, input);
        let relay = matches!(input, Input::Text(_)).then_some(Relay { from: id, came: now });
        state.deliver(&self.metrics, relay);
        if state.switchboard.deadline() != before {
            self.deadline_moved.notify_one();
        }
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
            match outbox.life.duty(self.tick(now), patience, id.0) {
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

    /// Waits until no connection is left.
    pub(super) async fn emptied(&self) {
        while !self.lock().outboxes.is_empty() {
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

/// A text that came from one connection, and may go to another.
#[derive(Clone, Copy)]
struct Relay {
    from: ConnectionId,
    came: Instant,
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
        Self { switchboard, outboxes: BTreeMap::new(), opened: 0, closing: false }
    }

    /// Brings what the switchboard says into the outboxes; whoever's is full is closed to the switchboard.
    fn deliver(&mut self, metrics: &Metrics, relay: Option<Relay>) {
        metrics.refused_often(Cause::RoomSize, self.switchboard.take_turned_away());
        while let Some(output) = self.switchboard.poll_output() {
            let (to, item) = match output {
                Output::Send { to, text } => {
                    let came = relay.filter(|relay| relay.from != to).map(|relay| relay.came);
                    (to, Item::Text { text, came })
                }
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

/// The connection says too much.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooFast;

impl Seat {
    /// Reports what came on the connection.
    pub(super) fn handle(&mut self, input: Input<'_>) -> Result<(), TooFast> {
        let now = now();
        self.outbox.life.hear(self.hub.tick(now));
        if self.rate.take(now, self.hub.settings.limits.message_rate).is_err() {
            self.hub.metrics.refused(Cause::MessageRate);
            return Err(TooFast);
        }
        self.hub.handle(now, self.id, input);
        Ok(())
    }

    /// What the server counts.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.hub.metrics
    }

    /// How long a message may be, in bytes.
    pub(super) fn message_limit(&self) -> usize {
        self.hub.settings.limits.message
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.metrics.disconnected(self.spoken);
        self.hub.handle(now(), self.id, Input::Closed);
        let is_last = {
            let mut state = self.hub.lock();
            state.outboxes.remove(&self.id);
            state.outboxes.is_empty()
        };
        if is_last {
            self.hub.emptied.notify_one();
        }
    }
}
