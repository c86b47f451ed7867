//! Many refusals in little time, told in the log by their number and not one by one.

use std::time::Duration;

use super::metrics::{Cause, Metrics};

/// How often the refusals are looked at: every minute.
const INTERVAL: Duration = Duration::from_secs(60);

/// How many of one cause in that time are worth a line: 100.
const STORM: u64 = 100;

/// The refusals as they were counted last.
#[derive(Debug, Default)]
struct Storms([u64; Cause::ALL.len()]);

impl Storms {
    /// What came in numbers since the last look, and in which.
    fn look(&mut self, metrics: &Metrics) -> Vec<(Cause, u64)> {
        let mut since = |cause: Cause| {
            let counted = metrics.refusals(cause);
            counted - std::mem::replace(&mut self.0[cause as usize], counted)
        };
        Cause::ALL.map(|cause| (cause, since(cause))).into_iter().filter(|(_, count)| *count >= STORM).collect()
    }
}

/// Looks at the refusals, and tells of storms, for ever.
pub(super) async fn watch(metrics: &Metrics) {
    let mut storms = Storms::default();
    loop {
        tokio::time::sleep(INTERVAL).await;
        for (cause, count) in storms.look(metrics) {
            tracing::warn!(cause = cause.name(), count, "many were refused in the last minute");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_told_once_and_by_its_number() {
        let (metrics, mut storms) = (Metrics::default(), Storms::default());
        let refuse = |cause, times| (0..times).for_each(|_| metrics.refused(cause));
        refuse(Cause::Origin, STORM - 1);
        refuse(Cause::AddressRate, STORM + 7);
        assert_eq!(storms.look(&metrics), [(Cause::AddressRate, STORM + 7)]);
        refuse(Cause::Origin, STORM - 1);
        assert_eq!(storms.look(&metrics), []);
        refuse(Cause::Origin, STORM);
        assert_eq!(storms.look(&metrics), [(Cause::Origin, STORM)]);
    }
}
