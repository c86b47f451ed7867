//! What is counted while the server runs.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

mod histogram;
mod text;

use histogram::Histogram;
use text::{Kind, Text};

use crate::switchboard::Dialect;

/// The type of what [`Metrics::text`] gives: Prometheus' text format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Counters that whoever sees something happen turns on. They only grow, nothing is locked, and nobody is named.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    opened: [AtomicU64; Spoken::ALL.len()],
    closed: [AtomicU64; Spoken::ALL.len()],
    messages: AtomicU64,
    bytes: AtomicU64,
    refusals: [AtomicU64; Cause::ALL.len()],
    latency: Histogram,
}

/// What there is at one moment; nobody counts these, for others know them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Gauges {
    /// Rooms with somebody in them.
    pub(super) rooms: usize,
    /// Pairs in a session.
    pub(super) sessions: usize,
    /// Calls of the Workrooms dialect.
    pub(super) calls: usize,
    /// Short links that can be taken.
    pub(super) links: usize,
}

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    /// `HELLO`, `SESSION` and `ROOM`.
    Rendezvous,
    /// `{type, detail}`.
    Workrooms,
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
    /// All at the address together send messages, or ask for things, too quickly.
    AddressMessages,
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
    /// Plain http from another machine, a method that there is not, or a request that is none, too large or too slow.
    Request,
    /// No TLS was agreed on.
    Tls,
    /// No room for another short link.
    Links,
    /// The server stops.
    Stopping,
}

impl From<&Dialect<'_>> for Spoken {
    fn from(dialect: &Dialect<'_>) -> Self {
        match dialect {
            Dialect::Rendezvous(_) => Self::Rendezvous,
            Dialect::Workrooms => Self::Workrooms,
        }
    }
}

impl Spoken {
    const ALL: [Self; 2] = [Self::Rendezvous, Self::Workrooms];

    fn name(self) -> &'static str {
        match self {
            Self::Rendezvous => "rendezvous",
            Self::Workrooms => "workrooms",
        }
    }
}

impl Cause {
    /// Every cause, in the order of its declaration.
    pub(super) const ALL: [Self; 17] = [
        Self::Full,
        Self::AddressConnections,
        Self::AddressRate,
        Self::MessageRate,
        Self::AddressMessages,
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

    /// Why the switchboard closes a connection with this reason; none where nobody is to blame.
    pub(super) fn of_close(reason: &str) -> Option<Self> {
        match reason {
            "hello timeout" => Some(Self::HelloTimeout),
            "no sign of life" => Some(Self::PongTimeout),
            "message too large" => Some(Self::MessageSize),
            "invalid peer uid" => Some(Self::Name),
            "invalid protocol" => Some(Self::Protocol),
            _ => None,
        }
    }

    /// The cause as `/metrics` and the log write it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::AddressConnections => "address_connections",
            Self::AddressRate => "address_rate",
            Self::MessageRate => "message_rate",
            Self::AddressMessages => "address_message_rate",
            Self::MessageSize => "message_size",
            Self::SlowReader => "slow_reader",
            Self::HelloTimeout => "hello_timeout",
            Self::PongTimeout => "pong_timeout",
            Self::Name => "name",
            Self::RoomSize => "room_size",
            Self::Protocol => "protocol",
            Self::Origin => "origin",
            Self::Request => "request",
            Self::Tls => "tls",
            Self::Links => "links",
            Self::Stopping => "stopping",
        }
    }
}

impl Metrics {
    /// A WebSocket stands.
    pub(super) fn connected(&self, spoken: Spoken) {
        self.opened[spoken as usize].fetch_add(1, Relaxed);
    }

    /// A WebSocket has ended.
    pub(super) fn disconnected(&self, spoken: Spoken) {
        self.closed[spoken as usize].fetch_add(1, Relaxed);
    }

    /// A client's message of this length was put on another's wire, so long after it had come.
    pub(super) fn relayed(&self, bytes: usize, took: Duration) {
        self.messages.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
        self.latency.record(took);
    }

    /// Somebody was refused something.
    pub(super) fn refused(&self, cause: Cause) {
        self.refused_often(cause, 1);
    }

    /// So many were refused something.
    pub(super) fn refused_often(&self, cause: Cause, times: u64) {
        self.refusals[cause as usize].fetch_add(times, Relaxed);
    }

    /// How many were refused for this cause so far.
    pub(super) fn refusals(&self, cause: Cause) -> u64 {
        self.refusals[cause as usize].load(Relaxed)
    }

    /// Everything, as Prometheus reads it.
    pub(super) fn text(&self, gauges: Gauges) -> String {
        let mut text = Text::default();
        text.family("twocan_connections", Kind::Gauge, "WebSockets that are open, by dialect.");
        for spoken in Spoken::ALL {
            // Closed first: a connection that ends in between shall not count as less than none.
            let closed = self.closed[spoken as usize].load(Relaxed);
            let open = self.opened[spoken as usize].load(Relaxed).saturating_sub(closed);
            text.sample("twocan_connections", &[("dialect", spoken.name())], open);
        }
        text.family("twocan_connections_total", Kind::Counter, "WebSockets since the start, by dialect.");
        for spoken in Spoken::ALL {
            let opened = self.opened[spoken as usize].load(Relaxed);
            text.sample("twocan_connections_total", &[("dialect", spoken.name())], opened);
        }
        text.gauge("twocan_rooms", "Rooms with somebody in them.", gauges.rooms);
        text.gauge("twocan_sessions", "Pairs in a session.", gauges.sessions);
        text.gauge("twocan_calls", "Calls of the Workrooms dialect.", gauges.calls);
        text.gauge("twocan_links", "Short links that can be taken.", gauges.links);
        text.counter("twocan_relayed_messages_total", "Messages from one client to another.", &self.messages);
        text.counter("twocan_relayed_bytes_total", "What those messages held, as they were delivered.", &self.bytes);
        text.family("twocan_refusals_total", Kind::Counter, "What was refused, by cause.");
        for cause in Cause::ALL {
            text.sample("twocan_refusals_total", &[("cause", cause.name())], self.refusals(cause));
        }
        let help = "From the sender's socket to the recipient's.";
        self.latency.write(&mut text, "twocan_relay_duration_seconds", help);
        text.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_counter_and_a_name_of_its_own() {
        let metrics = Metrics::default();
        for (n, cause) in Cause::ALL.into_iter().enumerate() {
            (0..=n).for_each(|_| metrics.refused(cause));
        }
        let text = metrics.text(Gauges::default());
        for (n, cause) in Cause::ALL.into_iter().enumerate() {
            let line = format!("twocan_refusals_total{{cause=\"{}\"}} {}\n", cause.name(), n + 1);
            assert!(text.contains(&line), "{line}{text}");
        }
    }

    #[test]
    fn what_is_open_is_what_was_opened_and_not_closed() {
        let metrics = Metrics::default();
        for spoken in [Spoken::Rendezvous, Spoken::Rendezvous, Spoken::Workrooms] {
            metrics.connected(spoken);
        }
        metrics.disconnected(Spoken::Rendezvous);
        let text = metrics.text(Gauges { rooms: 5, sessions: 6, calls: 7, links: 8 });
        for line in [
            "twocan_connections{dialect=\"rendezvous\"} 1",
            "twocan_connections_total{dialect=\"rendezvous\"} 2",
            "twocan_connections{dialect=\"workrooms\"} 1",
            "twocan_rooms 5",
            "twocan_sessions 6",
            "twocan_calls 7",
            "twocan_links 8",
        ] {
            assert!(text.lines().any(|said| said == line), "{line} is not in {text}");
        }
    }
}
