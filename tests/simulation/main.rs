//! Whole conversations on virtual time: sides, server and media, people who press anything, and whatever goes wrong.
//!
//! One seed is one schedule, the same every time. A plain `cargo test` runs a few; `scripts/test` and
//! `scripts/simulate` run many, with `TWOCAN_SEEDS` (how many) and `TWOCAN_SEED` (the first), in the profile
//! `simulation`.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "a test says by panicking that it cannot go on, may start what it likes, and is read with its trace"
)]

mod check;
mod crypto;
mod hostile;
mod medium;
mod runner;
mod schedule;
mod server;
mod side;
mod trace;
mod world;

use crypto::Kind;
use runner::Batch;
use schedule::Server;

#[test]
fn many_schedules() {
    Batch::new("many_schedules", 300, Kind::Toy, Server::Faulty).run();
}

#[test]
fn schedules_with_real_cryptography() {
    Batch::new("schedules_with_real_cryptography", 30, Kind::Real, Server::Faulty).run();
}

#[test]
fn hostile_schedules() {
    Batch::new("hostile_schedules", 300, Kind::Toy, Server::Hostile).run();
}
