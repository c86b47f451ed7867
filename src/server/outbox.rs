//! What waits to be sent on one connection; bounded, so that a slow reader loses itself and holds nobody up.

use std::{
    borrow::Cow,
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Waker},
    time::Instant,
};

use super::life::{Life, Tick};

/// What each item is taken to weigh besides its text, so that many empty ones are bounded too.
const ITEM_WEIGHT: usize = 32;

/// What may wait for anybody even when too much waits for all together: 64 KiB.
const SHARE: usize = 64 * 1024;

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

/// What waits for all connections together, and how much of it may.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    waiting: AtomicUsize,
}

/// A queue between whoever has something to say to a connection and the task that says it.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    limit: usize,
    budget: Arc<Budget>,
    /// When the connection was heard last.
    pub(super) life: Life,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Item>,
    /// The weight of what is queued or taken and not yet sent.
    waiting: usize,
    overflowed: bool,
    /// Since when the end waits to be said, once that was noticed.
    ending: Option<Tick>,
    waker: Option<Waker>,
}

impl Budget {
    /// Room for so many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, waiting: AtomicUsize::new(0) }
    }

    /// How much may wait for one connection just now, besides one message.
    fn share(&self) -> usize {
        match self.waiting.load(Relaxed) {
            waiting if waiting <= self.limit => usize::MAX,
            waiting if waiting / 2 <= self.limit => SHARE,
            _ => 0,
        }
    }
}

impl Outbox {
    /// An empty one, in which so many bytes may wait.
    pub(super) fn new(limit: usize, budget: Arc<Budget>, now: Tick) -> Self {
        Self { queue: Mutex::default(), limit, budget, life: Life::new(now) }
    }

    /// Queues an item; never waits. What comes after an overflow is dropped, and an overflow is told once.
    pub(super) fn push(&self, item: Item) -> Result<(), Overflow> {
        let mut queue = self.lock();
        if queue.overflowed {
            return Ok(());
        }
        let weight = item.weight();
        queue.overflowed = queue.waiting + weight > self.limit || queue.waiting > self.budget.share();
        if queue.overflowed {
            queue.items = VecDeque::new();
            self.release(&mut queue, usize::MAX);
        } else {
            queue.waiting += weight;
            self.budget.waiting.fetch_add(weight, Relaxed);
            queue.items.push_back(item);
        }
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
        if queue.overflowed { Err(Overflow) } else { Ok(()) }
    }

    /// Since when the end waits to be said, if it does; the first to ask is answered with this moment.
    pub(super) fn ending_since(&self, now: Tick) -> Option<Tick> {
        let mut queue = self.lock();
        let is_ending = matches!(queue.items.back(), Some(Item::Close(..)));
        is_ending.then(|| *queue.ending.get_or_insert(now))
    }

    /// Gives the connection up, with what waits for it.
    pub(super) fn give_up(&self) {
        let mut queue = self.lock();
        queue.overflowed = true;
        queue.items = VecDeque::new();
        self.release(&mut queue, usize::MAX);
        queue.waker.take().into_iter().for_each(Waker::wake);
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
        self.release(&mut self.lock(), weight);
    }

    /// So much waits no longer, or as much as does.
    fn release(&self, queue: &mut Queue, weight: usize) {
        let weight = weight.min(queue.waiting);
        queue.waiting -= weight;
        self.budget.waiting.fetch_sub(weight, Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let waiting = self.lock().waiting;
        self.budget.waiting.fetch_sub(waiting, Relaxed);
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
        of(&Arc::new(Budget::new(usize::MAX)))
    }

    fn of(budget: &Arc<Budget>) -> Outbox {
        Outbox::new(LIMIT, budget.clone(), Tick::after(std::time::Duration::ZERO))
    }

    #[test]
    fn when_too_much_waits_for_all_only_those_who_read_are_kept() {
        let budget = Arc::new(Budget::new(2 * LIMIT));
        let heaps: Vec<_> = (0..3).map(|_| of(&budget)).collect();
        for heap in &heaps {
            heap.push(text(LIMIT - ITEM_WEIGHT)).unwrap();
        }
        let quick = of(&budget);
        quick.push(text(LIMIT / 2)).unwrap();
        assert_eq!(quick.push(text(1)), Err(Overflow), "more than its share waits");
        assert_eq!(heaps[0].push(text(1)), Err(Overflow));
        let next = of(&budget);
        next.push(text(1)).unwrap();
        assert_eq!(budget.waiting.load(Relaxed), 2 * LIMIT + 1 + ITEM_WEIGHT, "what was let go counts no more");
        heaps[1].give_up();
        drop(heaps);
        assert_eq!(budget.waiting.load(Relaxed), 1 + ITEM_WEIGHT);
        next.settle(next.take().unwrap().weight());
        assert_eq!(budget.waiting.load(Relaxed), 0);
    }

    #[test]
    fn far_beyond_the_budget_nothing_may_wait_but_one_message() {
        let budget = Arc::new(Budget::new(LIMIT / 4));
        let (heap, other) = (of(&budget), of(&budget));
        heap.push(text(LIMIT - ITEM_WEIGHT)).unwrap();
        other.push(text(1)).unwrap();
        assert_eq!(other.push(text(1)), Err(Overflow));
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
        assert_eq!(outbox.push(text(1)), Ok(()), "it is told once");
        assert_eq!(outbox.take(), None);
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
