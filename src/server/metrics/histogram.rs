//! How often something took how long.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::text::{Kind, Text};

/// The buckets' upper bounds in microseconds, and in seconds as they are written; the last bucket has none.
const BOUNDS: [(u64, &str); 14] = [
    (50, "0.00005"),
    (100, "0.0001"),
    (250, "0.00025"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (500_000, "0.5"),
    (2_500_000, "2.5"),
    (10_000_000, "10"),
];

/// Durations, counted in buckets.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    /// In microseconds.
    sum: AtomicU64,
}

impl Histogram {
    pub(super) fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|(bound, _)| *bound < micros);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum.fetch_add(micros, Relaxed);
    }

    /// Writes the buckets, each with all below it, the sum and the count.
    pub(super) fn write(&self, text: &mut Text, name: &str, help: &str) {
        text.family(name, Kind::Histogram, help);
        let bucket = format!("{name}_bucket");
        let mut count = 0;
        for (n, counted) in self.buckets.iter().enumerate() {
            count += counted.load(Relaxed);
            let bound = BOUNDS.get(n).map_or("+Inf", |(_, written)| written);
            text.sample(&bucket, &[("le", bound)], count);
        }
        text.sample(&format!("{name}_sum"), &[], Duration::from_micros(self.sum.load(Relaxed)).as_secs_f64());
        text.sample(&format!("{name}_count"), &[], count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_grow_and_are_written_as_they_are() {
        assert!(BOUNDS.is_sorted_by(|(one, _), (next, _)| one < next));
        for (micros, written) in BOUNDS {
            assert_eq!(Duration::from_micros(micros).as_secs_f64(), written.parse::<f64>().unwrap());
        }
    }

    #[test]
    fn a_bucket_counts_what_took_no_longer_than_its_bound() {
        let histogram = Histogram::default();
        for micros in [50, 51, 100, 9_999_999, 20_000_000] {
            histogram.record(Duration::from_micros(micros));
        }
        let mut text = Text::default();
        histogram.write(&mut text, "took", "");
        let text = text.finish();
        for line in [
            "took_bucket{le=\"0.00005\"} 1",
            "took_bucket{le=\"0.0001\"} 3",
            "took_bucket{le=\"2.5\"} 3",
            "took_bucket{le=\"10\"} 4",
            "took_bucket{le=\"+Inf\"} 5",
            "took_sum 30.0002",
            "took_count 5",
        ] {
            assert!(text.lines().any(|said| said == line), "{line} is not in {text}");
        }
    }
}
