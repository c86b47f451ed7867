//! How often something may happen.

use std::time::{Duration, Instant};

/// How many times its rate may happen at a stroke, after a rest.
const BURST: u32 = 4;

/// A rate that is kept to: so many a second in the long run, four times as many at a stroke.
///
/// It takes the place of one moment: when, at the allowed rate, everything so far will have been made up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct Bucket {
    even: Instant,
}

impl Bucket {
    /// One from which nothing has been taken.
    pub(in crate::server) fn new(now: Instant) -> Self {
        Self { even: now }
    }

    /// Takes one, of so many a second; else tells how long to wait for it.
    pub(in crate::server) fn take(&mut self, now: Instant, rate: u32) -> Result<(), Duration> {
        self.take_some(now, 1, rate)
    }

    /// Takes so many at once.
    pub(in crate::server) fn take_some(&mut self, now: Instant, count: u32, rate: u32) -> Result<(), Duration> {
        let each = Duration::from_secs(1) / rate.max(1);
        let even = self.even.max(now) + each * count;
        match (even - now).checked_sub(each * BURST.saturating_mul(rate.max(1))) {
            Some(wait) if !wait.is_zero() => Err(wait),
            Some(_) | None => {
                self.even = even;
                Ok(())
            }
        }
    }

    /// Whether it is as good as new.
    pub(in crate::server) fn is_full(&self, now: Instant) -> bool {
        self.even <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// How many of these can be taken at once.
    fn at_once(bucket: &mut Bucket, now: Instant, rate: u32) -> usize {
        std::iter::from_fn(|| bucket.take(now, rate).ok()).count()
    }

    #[test]
    fn four_times_the_rate_at_a_stroke_and_then_the_rate() {
        let start = Instant::now();
        for rate in [1, 3, 100, 1000] {
            let mut bucket = Bucket::new(start);
            assert!(bucket.is_full(start));
            assert_eq!(at_once(&mut bucket, start, rate), 4 * rate as usize);
            assert!(!bucket.is_full(start));
            let later = start + 1000 * MILLISECOND;
            assert_eq!(at_once(&mut bucket, later, rate), rate as usize);
            assert!(bucket.is_full(later + 4001 * MILLISECOND));
            assert_eq!(
                at_once(&mut bucket, later + 100_000 * MILLISECOND, rate),
                4 * rate as usize,
                "no more is saved up"
            );
        }
    }

    #[test]
    fn a_refusal_says_for_how_long_and_costs_nothing() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        at_once(&mut bucket, start, 10);
        let wait = bucket.take(start, 10).unwrap_err();
        assert!(wait <= 100 * MILLISECOND && wait > 99 * MILLISECOND, "{wait:?}");
        assert_eq!(bucket.take(start, 10), Err(wait));
        assert_eq!(bucket.take(start + wait, 10), Ok(()));
    }

    #[test]
    fn a_rate_of_nothing_is_taken_for_one() {
        let start = Instant::now();
        assert_eq!(at_once(&mut Bucket::new(start), start, 0), 4);
        assert_eq!(Bucket::new(start).take(start, u32::MAX), Ok(()));
    }
}
