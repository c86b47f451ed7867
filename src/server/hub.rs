//! The switchboard behind a lock, with an outbox for every connection and a clock for its deadlines.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    Settings,
    metrics::Metrics,
    now,
    outbox::{Item, Outbox},
};
use crate::switchboard::{self, ConnectionId, Dialect, Input, Output, Switchboard};

/// How long to sleep when nothing is due; any input that brings a deadline ends it.
const NOTHING_DUE: Duration = Duration::from_secs(60 * 60);

/// Where all connections meet. The lock is held for no longer than one input takes.
pub(super) struct Hub {
    state: Mutex<State>,
    deadline_moved: Notify,
    emptied: Notify,
    /// What the server was told.
    #[allow(dead_code, reason = "the uses come one by one")]
    pub(super) settings: Settings,
    /// What is counted.
    pub(super) metrics: Metrics,
}

struct State {
    switchboard: Switchboard,
    outboxes: HashMap<ConnectionId, Arc<Outbox>>,
    opened: u64,
    closing: bool,
}

/// A connection's place at the hub; dropping it reports the connection as closed.
pub(super) struct Seat {
    hub: Arc<Hub>,
    id: ConnectionId,
    /// What the hub has to say to the connection.
    pub(super) outbox: Arc<Outbox>,
}

impl Hub {
    /// Nobody connected yet; `secret` is 32 random bytes for the switchboard alone.
    pub(super) fn new(settings: Settings, secret: [u8; 32]) -> Self {
        Self {
            state: Mutex::new(State::new(Switchboard::new(brain(&settings.limits), secret))),
            deadline_moved: Notify::new(),
            emptied: Notify::new(),
            settings,
            metrics: Metrics::default(),
        }
    }

    /// Takes a new connection in.
    pub(super) fn open(self: &Arc<Self>, dialect: Dialect<'_>) -> Seat {
        let outbox = Arc::new(Outbox::default());
        let id = {
            let mut state = self.lock();
            state.opened += 1;
            let id = ConnectionId(state.opened);
            if state.closing {
                state.say_goodbye(&outbox);
            }
            state.outboxes.insert(id, outbox.clone());
            id
        };
        self.metrics.connected();
        self.handle(id, Input::Opened(dialect));
        Seat { hub: self.clone(), id, outbox }
    }

    fn handle(&self, id: ConnectionId, input: Input<'_>) {
        let mut state = self.lock();
        let before = state.switchboard.deadline();
        state.switchboard.handle(now(), id, input);
        state.deliver();
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
                    state.deliver();
                }
                () = self.deadline_moved.notified() => {}
            }
        }
    }

    /// Tells every connection that the server is going, now and any that still comes.
    pub(super) fn close_all(&self) {
        let mut state = self.lock();
        state.closing = true;
        for outbox in state.outboxes.values() {
            state.say_goodbye(outbox);
        }
    }

    /// Waits until no connection is left.
    pub(super) async fn emptied(&self) {
        while !self.lock().outboxes.is_empty() {
            self.emptied.notified().await;
        }
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
        Self { switchboard, outboxes: HashMap::new(), opened: 0, closing: false }
    }

    /// Brings what the switchboard says into the outboxes; whoever's is full is closed to the switchboard.
    fn deliver(&mut self) {
        while let Some(output) = self.switchboard.poll_output() {
            let (to, item) = match output {
                Output::Send { to, text } => (to, Item::Text(text)),
                Output::Ping { to } => (to, Item::Ping),
                Output::Close { to, code, reason } => (to, Item::Close(code.into(), reason)),
            };
            if let Some(outbox) = self.outboxes.get(&to)
                && outbox.push(item).is_err()
            {
                tracing::debug!(connection = to.0, "a connection reads too slowly");
                self.switchboard.handle(now(), to, Input::Closed);
            }
        }
    }

    fn say_goodbye(&self, outbox: &Outbox) {
        let _ = outbox.push(Item::Close(1001, "the server stops")); // An overflow ends the connection as well.
    }
}

impl Seat {
    /// Reports what happened on the connection.
    pub(super) fn handle(&self, input: Input<'_>) {
        self.hub.handle(self.id, input);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.metrics.disconnected();
        self.hub.handle(self.id, Input::Closed);
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
