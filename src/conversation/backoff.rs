//! How long to wait before the server is tried again.

use std::time::{Duration, Instant};

use crate::rendezvous::BackIn;

/// The first wait: 250 ms.
const FIRST: Duration = Duration::from_millis(250);
/// The longest wait while the loss is fresh: 2 s, so that a server that was only restarted is found at once.
const LONGEST_AT_FIRST: Duration = Duration::from_secs(2);
/// The longest wait later on, jitter included: 10 s.
const LONGEST: Duration = Duration::from_secs(10);
/// How long a loss counts as fresh: 2 minutes.
const FRESH: Duration = Duration::from_secs(120);
/// Each wait is drawn from this much to either side, so that a server's clients do not come back in one wave: 20 %.
const JITTER: f64 = 0.2;

/// By how much of it a wait that the server asked for is drawn out at most, for the same reason: half.
const TOLD_JITTER: f64 = 0.5;

/// The waits between attempts, growing with their number and with the age of the loss.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
    since: Option<Instant>,
    /// What the server asked for, until the next attempt.
    told: Option<Duration>,
}

impl Backoff {
    /// When to try next, after one more loss or failure at `now`.
    pub(crate) fn next(&mut self, now: Instant, random: &mut fastrand::Rng) -> Instant {
        let since = *self.since.get_or_insert(now);
        if let Some(told) = self.told.take() {
            return now + told.mul_f64(1.0 + TOLD_JITTER * random.f64());
        }
        let longest = if now.duration_since(since) < FRESH { LONGEST_AT_FIRST } else { LONGEST };
        let wait = FIRST.saturating_mul(1 << self.attempts.min(10)).min(longest);
        self.attempts = self.attempts.saturating_add(1);
        let factor = 1.0 + JITTER * (2.0 * random.f64() - 1.0);
        now + wait.mul_f64(factor).min(LONGEST)
    }

    /// The server has said when it is back: the next attempt is then, or soon after, and never before.
    pub(super) fn told(&mut self, back_in: BackIn) {
        self.told = Some(back_in.wait());
    }

    /// Begins anew, since the server was reached.
    pub(crate) fn reset(&mut self) {
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
            assert!(after <= Duration::from_millis(300), "seed {seed}: once, not for ever: {after:?}");
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
        assert!(waits[0].1 <= Duration::from_millis(300));
        let fresh = |at: &Duration| *at < FRESH;
        assert!(waits.iter().filter(|(at, _)| fresh(at)).all(|(_, wait)| *wait <= Duration::from_millis(2400)));
        assert!(waits.iter().all(|(_, wait)| *wait <= LONGEST));
        assert!(waits.last().expect("some").1 >= Duration::from_secs(8));
        backoff.reset();
        assert!(backoff.next(now, &mut random) - now <= Duration::from_millis(300));
    }
}
