//! How long to wait before the server is tried again.

use std::time::{Duration, Instant};

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

/// The waits between attempts, growing with their number and with the age of the loss.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
    since: Option<Instant>,
}

impl Backoff {
    /// When to try next, after one more loss or failure at `now`.
    pub(crate) fn next(&mut self, now: Instant, random: &mut fastrand::Rng) -> Instant {
        let since = *self.since.get_or_insert(now);
        let longest = if now.duration_since(since) < FRESH { LONGEST_AT_FIRST } else { LONGEST };
        let wait = FIRST.saturating_mul(1 << self.attempts.min(10)).min(longest);
        self.attempts = self.attempts.saturating_add(1);
        let factor = 1.0 + JITTER * (2.0 * random.f64() - 1.0);
        now + wait.mul_f64(factor).min(LONGEST)
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
