//! Whether a client is still there: after a while of silence it is asked, and then it has a while to answer.

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

/// What counts time here: 100 ms.
const TICK: Duration = Duration::from_millis(100);

/// Each asks after a silence that is shorter by up to this part, so that those who came at once are not asked at once.
const JITTER: u32 = 4;

/// How long since something fixed, in ticks. Eight bytes for each connection, where a timer would take hundreds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tick(u32);

/// How long silence may last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Until the client is asked for a sign of life.
    pub(super) idle: Duration,
    /// From then on.
    pub(super) answer: Duration,
}

/// When one client was heard last, and whether it has been asked since.
#[derive(Debug)]
pub(super) struct Life {
    heard: AtomicU32,
    /// When it was asked what it has not answered yet; 0 for never.
    asked: AtomicU32,
}

/// What is to be done about a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// To look again after so long.
    Wait(Duration),
    /// To ask it for a sign of life, now.
    Ask,
    /// It is gone.
    GiveUp,
}

impl Tick {
    /// This long after the beginning.
    pub(super) fn after(time: Duration) -> Self {
        Self(1 + ticks(time))
    }

    /// How long after that one this is.
    pub(super) fn since(self, earlier: Self) -> Duration {
        TICK * self.0.saturating_sub(earlier.0)
    }
}

impl Life {
    pub(super) fn new(now: Tick) -> Self {
        Self { heard: AtomicU32::new(now.0), asked: AtomicU32::new(0) }
    }

    /// It was heard.
    pub(super) fn hear(&self, now: Tick) {
        self.heard.store(now.0, Relaxed);
        self.asked.store(0, Relaxed);
    }

    /// What is to be done now; it counts as done. `number` tells apart those who came at once.
    pub(super) fn duty(&self, now: Tick, patience: Patience, number: u64) -> Duty {
        let (asked, answer) = (self.asked.load(Relaxed), ticks(patience.answer).max(1));
        if asked > 0 {
            let waited = now.0.saturating_sub(asked);
            return if waited < answer { Duty::Wait(TICK * (answer - waited)) } else { Duty::GiveUp };
        }
        let idle = patience.idle_of(number);
        let quiet = now.0.saturating_sub(self.heard.load(Relaxed));
        if quiet < idle {
            return Duty::Wait(TICK * (idle - quiet));
        }
        self.asked.store(now.0, Relaxed);
        Duty::Ask
    }
}

impl Patience {
    /// The shortest time in which one that has just been heard has to be looked at.
    pub(super) fn shortest(self) -> Duration {
        (self.idle - self.idle / JITTER).min(self.answer).max(TICK)
    }

    fn idle_of(self, number: u64) -> u32 {
        let idle = ticks(self.idle);
        // The golden ratio: numbers that follow each other are spread evenly.
        let spread = ((number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) * u64::from(idle / JITTER)) >> 32;
        idle.saturating_sub(u32::try_from(spread).unwrap_or_default()).max(1)
    }
}

fn ticks(time: Duration) -> u32 {
    u32::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { idle: Duration::from_secs(30), answer: Duration::from_secs(10) };

    fn at(seconds: u64) -> Tick {
        Tick::after(Duration::from_secs(seconds))
    }

    #[test]
    fn who_is_silent_is_asked_once_and_then_given_up() {
        let life = Life::new(at(5));
        assert_eq!(life.duty(at(5), PATIENCE, 0), Duty::Wait(Duration::from_secs(30)));
        assert_eq!(life.duty(at(35), PATIENCE, 0), Duty::Ask);
        assert_eq!(life.duty(at(36), PATIENCE, 0), Duty::Wait(Duration::from_secs(9)));
        assert_eq!(life.duty(at(45), PATIENCE, 0), Duty::GiveUp);
    }

    #[test]
    fn any_sign_of_life_begins_the_silence_anew() {
        let life = Life::new(at(0));
        assert_eq!(life.duty(at(30), PATIENCE, 0), Duty::Ask);
        life.hear(at(39));
        assert_eq!(life.duty(at(45), PATIENCE, 0), Duty::Wait(Duration::from_secs(24)));
        assert_eq!(life.duty(at(69), PATIENCE, 0), Duty::Ask);
    }

    #[test]
    fn those_who_came_at_once_are_asked_one_after_the_other() {
        let count = 10_000;
        let mut asked = std::collections::BTreeMap::new();
        for number in 0..count {
            let idle = PATIENCE.idle_of(number);
            assert!((225..=300).contains(&idle), "{idle}");
            *asked.entry(idle).or_insert(0) += 1;
        }
        let most = asked.values().max().unwrap();
        assert!(*most < count / 60, "{most} of {count} within 100 ms");
    }
}
