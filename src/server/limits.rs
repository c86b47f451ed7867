//! What a client may cost the server and the others.

mod bucket;
mod door;

use std::time::Duration;

pub(super) use bucket::Bucket;
pub(super) use door::{Door, Entry, Prefix, Refusal};

/// What looking through the directory counts as, in messages of the connection.
pub(super) const SEARCH_COST: u32 = 20;

/// What it counts as in messages of the address: many connections shall not take the whole processor by it.
pub(super) const SEARCH_COST_IN_ALL: u32 = 100;

/// What a request by HTTP counts as, in messages of the address.
pub(super) const REQUEST_COST: u32 = 10;

/// What asking for a short link counts as: whoever guesses shall need years.
pub(super) const LINK_COST: u32 = 40;

/// How much is too much; whoever goes beyond is refused with a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How many may be connected at once: 200,000.
    pub connections: usize,
    /// How many may be connected at once from one address: 1,000.
    pub connections_per_address: usize,
    /// How many messages a second each may send, four times as many at a stroke: 200.
    pub message_rate: u32,
    /// How many connections a second each address may begin, four times as many at a stroke: 100.
    pub address_rate: u32,
    /// How many messages a second all at one address may send together, four times as many at a stroke: 4,000. What is
    /// asked for by HTTP counts as several.
    pub address_messages: u32,
    /// How many may be in a room: 64.
    pub room_size: usize,
    /// How long a connection may take to say who it is: 10 s.
    pub hello_timeout: Duration,
    /// After how much silence a client is asked for a sign of life: 30 s.
    pub idle_ping: Duration,
    /// How long that sign of life may take: 10 s.
    pub pong_timeout: Duration,
    /// How long a message may be, in bytes: 64 KiB.
    pub message: usize,
    /// How long a uid may be, in bytes: 256.
    pub uid: usize,
    /// How much may wait for one connection, in bytes: 1 MiB.
    pub waiting: usize,
    /// How much may wait for all connections together before only those who read are kept, in bytes: 64 MiB.
    pub waiting_in_all: usize,
    /// How many short links are kept: 10,000.
    pub links: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 200_000,
            connections_per_address: 1_000,
            message_rate: 200,
            address_rate: 100,
            address_messages: 4_000,
            room_size: 64,
            hello_timeout: Duration::from_secs(10),
            idle_ping: Duration::from_secs(30),
            pong_timeout: Duration::from_secs(10),
            message: 64 << 10,
            uid: 256,
            waiting: 1 << 20,
            waiting_in_all: 64 << 20,
            links: 10_000,
        }
    }
}
