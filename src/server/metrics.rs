//! What is counted while the server runs.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// The upper bounds of the latency histogram's buckets, in microseconds; the last bucket has none.
const BOUNDS: [u64; 13] =
    [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 1_000_000, 10_000_000];

/// Counters that whoever sees something happen turns on; all of them only grow.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    opened: AtomicU64,
    closed: AtomicU64,
    messages: AtomicU64,
    bytes: AtomicU64,
    refusals: [AtomicU64; Cause::ALL.len()],
    latency: Histogram,
}

/// How often something took how long.
#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    /// In microseconds.
    sum: AtomicU64,
}

/// Why somebody was refused something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The server has as many connections as it takes.
    Full,
    /// The address has as many connections as it may.
    AddressConnections,
    /// The address begins connections too quickly.
    AddressRate,
    /// The connection sends messages too quickly.
    MessageRate,
    /// A message was too large.
    MessageSize,
    /// A connection read too slowly.
    SlowReader,
    /// A connection did not say who it is in time.
    HelloTimeout,
    /// A connection gave no sign of life in time.
    PongTimeout,
    /// The uid, or the session's id, is no good or taken.
    Name,
    /// The room is full.
    RoomSize,
    /// Something else that the protocol does not have.
    Protocol,
    /// A page of a site that may not use the server.
    Origin,
    /// Plain http from another machine, or a method or path that there is not.
    Request,
    /// No TLS was agreed on.
    Tls,
    /// No room for another short link.
    Links,
    /// The server stops.
    Stopping,
}

impl Cause {
    const ALL: [Self; 16] = [
        Self::Full,
        Self::AddressConnections,
        Self::AddressRate,
        Self::MessageRate,
        Self::MessageSize,
        Self::SlowReader,
        Self::HelloTimeout,
        Self::PongTimeout,
        Self::Name,
        Self::RoomSize,
        Self::Protocol,
        Self::Origin,
        Self::Request,
        Self::Tls,
        Self::Links,
        Self::Stopping,
    ];
}

#[allow(dead_code, reason = "the uses come one by one")]
impl Metrics {
    /// A WebSocket stands.
    pub(super) fn connected(&self) {
        self.opened.fetch_add(1, Relaxed);
    }

    /// A WebSocket has ended.
    pub(super) fn disconnected(&self) {
        self.closed.fetch_add(1, Relaxed);
    }

    /// A client's message of this length was put on another's wire, so long after it had come.
    pub(super) fn relayed(&self, bytes: usize, took: Duration) {
        self.messages.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
        self.latency.record(took);
    }

    /// Somebody was refused something.
    pub(super) fn refused(&self, cause: Cause) {
        self.refusals[cause as usize].fetch_add(1, Relaxed);
    }
}

impl Histogram {
    fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum.fetch_add(micros, Relaxed);
    }
}
