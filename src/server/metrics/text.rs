//! Prometheus' text format 0.0.4, as much of it as is needed here.
//!
//! Libraries for it bring a registry, locks and label maps; what is counted here is known beforehand.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::{
    fmt::{Display, Write},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// What kind of figure it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// It only grows.
    Counter,
    /// It comes and goes.
    Gauge,
    /// Counts in buckets.
    Histogram,
}

/// The text, growing. Names, labels and help are ours and hold nothing that would have to be escaped.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    /// Begins the samples of one name.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.line(format_args!("{name}"));
        for (n, (label, is)) in labels.iter().enumerate() {
            let before = if n == 0 { '{' } else { ',' };
            self.line(format_args!("{before}{label}=\"{is}\""));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        self.line(format_args!("{end} {value}\n"));
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: usize) {
        self.family(name, Kind::Gauge, help);
        self.sample(name, &[], value);
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, counter: &AtomicU64) {
        self.family(name, Kind::Counter, help);
        self.sample(name, &[], counter.load(Relaxed));
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.0.write_fmt(text); // A string takes whatever is written.
    }
}
