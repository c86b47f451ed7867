//! How long to wait before the server is tried again.

use std::time::{Duration, Instant};

use crate::rendezvous::BackIn;

/// The longest that the first wait may be: 600 ms.
const FIRST: Duration = Duration::from_millis(600);
/// The longest wait while the loss is fresh: 2.4 s, so that a server that was only restarted is found at once.
const LONGEST_AT_FIRST: Duration = Duration::from_millis(2_400);
/// The longest wait later on: 10 s.
const LONGEST: Duration = Duration::from_secs(10);
/// How long a loss counts as fresh: 2 minutes.
const FRESH: Duration = Duration::from_secs(120);
/// The part of the longest that a wait is at least: a fifth. The rest is chance, so that a server's clients, who all lose
/// it at the same moment, do not come back in one wave.
const LEAST: f64 = 0.2;

/// By how much of it a wait that the server asked for is drawn out at most, for the same reason: half.
const TOLD_JITTER: f64 = 0.5;

/// The waits between attempts, growing with their number and with the age of the loss.
#[derive(Debug, Default)]
pub struct Backoff {
    attempts: u32,
    since: Option<Instant>,
    /// What the server asked for, until the next attempt.
    told: Option<Duration>,
}

impl Backoff {
    /// When to try next, after one more loss or failure at `now`.
    pub fn next(&mut self, now: Instant, random: &mut fastrand::Rng) -> Instant {
        let since = *self.since.get_or_insert(now);
        if let Some(told) = self.told.take() {
            return now + told.mul_f64(1.0 + TOLD_JITTER * random.f64());
        }
        let longest = if now.duration_since(since) < FRESH { LONGEST_AT_FIRST } else { LONGEST };
        let wait = FIRST.saturating_mul(1 << self.attempts.min(10)).min(longest);
        self.attempts = self.attempts.saturating_add(1);
        now + wait.mul_f64(LEAST + (1.0 - LEAST) * random.f64())
    }

    /// The server has said when it is back: the next attempt is then, or soon after, and never before.
    pub fn told(&mut self, back_in: BackIn) {
        self.told = Some(back_in.wait());
    }

    /// Begins anew, since the server was reached.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_says_when_it_is_back_is_left_in_peace_until_then() {
        for seed in 0..100 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut backoff, now) = (Backoff::default(), Instant::now());
            backoff.told(BackIn::new(Duration::from_secs(8)));
            let wait = backoff.next(now, &mut random) - now;
            assert!((Duration::from_secs(8)..=Duration::from_secs(12)).contains(&wait), "seed {seed}: {wait:?}");
            let after = backoff.next(now, &mut random) - now;
            assert!(after <= FIRST, "seed {seed}: once, not for ever: {after:?}");
        }
    }

    #[test]
    fn waits_grow_and_stay_within_their_bounds() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut backoff = Backoff::default();
        let start = Instant::now();
        let mut now = start;
        let mut waits = Vec::new();
        while now < start + Duration::from_secs(600) {
            let next = backoff.next(now, &mut random);
            waits.push((now - start, next - now));
            now = next;
        }
        assert!((FIRST.mul_f64(LEAST)..=FIRST).contains(&waits[0].1));
        let fresh = |at: &Duration| *at < FRESH;
        assert!(waits.iter().filter(|(at, _)| fresh(at)).all(|(_, wait)| *wait <= LONGEST_AT_FIRST));
        assert!(waits.iter().all(|(_, wait)| *wait <= LONGEST));
        assert!(waits.iter().any(|(_, wait)| *wait >= LONGEST.mul_f64(0.8)));
        backoff.reset();
        assert!(backoff.next(now, &mut random) - now <= FIRST);
    }
}
