//! What waits to be sent on one connection; bounded, so that a slow reader loses itself and holds nobody up.

use std::{
    borrow::Cow,
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
    time::Instant,
};

use super::life::{Life, Tick};

/// What each item is taken to weigh besides its text, so that many empty ones are bounded too.
const ITEM_WEIGHT: usize = 32;

/// One thing to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A text message.
    Text {
        /// What it says.
        text: Arc<str>,
        /// When it came, if another client said it.
        came: Option<Instant>,
    },
    /// A ping.
    Ping,
    /// The end: a close frame with this code and reason.
    Close(u16, Cow<'static, str>),
}

impl Item {
    /// What the item counts towards the limit, in bytes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Text { text, .. } => text.len() + ITEM_WEIGHT,
            Self::Ping | Self::Close(..) => ITEM_WEIGHT,
        }
    }
}

/// The connection reads too slowly and is lost.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overflow;

/// A queue between whoever has something to say to a connection and the task that says it.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    limit: usize,
    /// When the connection was heard last.
    pub(super) life: Life,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Item>,
    /// The weight of what is queued or taken and not yet sent.
    waiting: usize,
    overflowed: bool,
    waker: Option<Waker>,
}

impl Outbox {
    /// An empty one, in which so many bytes may wait.
    pub(super) fn new(limit: usize, now: Tick) -> Self {
        Self { queue: Mutex::default(), limit, life: Life::new(now) }
    }

    /// Queues an item; never waits. What comes after an overflow is dropped.
    pub(super) fn push(&self, item: Item) -> Result<(), Overflow> {
        let mut queue = self.lock();
        if !queue.overflowed {
            queue.waiting += item.weight();
            queue.items.push_back(item);
        }
        queue.overflowed |= queue.waiting > self.limit;
        if queue.overflowed {
            queue.items = VecDeque::new();
        }
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
        if queue.overflowed { Err(Overflow) } else { Ok(()) }
    }

    /// Sees to it that the task is woken by the next push, and tells whether the connection is lost.
    pub(super) fn watch(&self, cx: &Context<'_>) -> Result<(), Overflow> {
        let mut queue = self.lock();
        match &mut queue.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        if queue.overflowed { Err(Overflow) } else { Ok(()) }
    }

    /// Takes the next item; it counts as waiting until it is [settled](Self::settle).
    pub(super) fn take(&self) -> Option<Item> {
        let mut queue = self.lock();
        let item = queue.items.pop_front();
        if queue.items.is_empty() && queue.items.capacity() > 0 {
            queue.items = VecDeque::new(); // An idle connection keeps no queue.
        }
        item
    }

    /// Says that a taken item of this weight is sent.
    pub(super) fn settle(&self, weight: usize) {
        let mut queue = self.lock();
        queue.waiting = queue.waiting.saturating_sub(weight);
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1 << 20;

    fn text(bytes: usize) -> Item {
        Item::Text { text: "x".repeat(bytes).into(), came: None }
    }

    fn outbox() -> Outbox {
        Outbox::new(LIMIT, Tick::after(std::time::Duration::ZERO))
    }

    #[test]
    fn what_is_queued_comes_out_in_order() {
        let outbox = outbox();
        for item in [text(1), Item::Ping, Item::Close(1000, "".into())] {
            outbox.push(item).unwrap();
        }
        let taken: Vec<_> = std::iter::from_fn(|| outbox.take()).collect();
        assert_eq!(taken, [text(1), Item::Ping, Item::Close(1000, "".into())]);
    }

    #[test]
    fn over_the_limit_waiting_is_an_overflow_and_stays_one() {
        let outbox = outbox();
        for _ in 0..15 {
            outbox.push(text(64 << 10)).unwrap();
        }
        assert_eq!(outbox.push(text(65 << 10)), Err(Overflow));
        assert_eq!(outbox.take(), None, "what waited is let go");
        assert_eq!(outbox.push(text(1)), Err(Overflow));
    }

    #[test]
    fn what_is_taken_counts_until_it_is_sent() {
        let outbox = outbox();
        let big = || text(1 << 19);
        outbox.push(big()).unwrap();
        let weight = outbox.take().unwrap().weight();
        outbox.settle(weight);
        outbox.push(big()).unwrap();
        outbox.take().unwrap();
        assert_eq!(outbox.push(big()), Err(Overflow));
    }

    #[test]
    fn many_empty_texts_are_bounded_too() {
        let outbox = outbox();
        let count = (0..).take_while(|_| outbox.push(text(0)).is_ok()).count();
        assert_eq!(count, LIMIT / ITEM_WEIGHT);
    }
}
