//! What a fuzzer does with twocan: one target for each way in which a peer's or a server's bytes come in.
//!
//! The targets are run by `scripts/fuzz`, and by `tests/fuzz` on what such runs have left in `corpus`.

#![allow(clippy::expect_used, reason = "a target fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made from nothing; which one it is does not matter"
)]

pub mod bytes;
pub mod conversation;
pub mod crypto;
pub mod invite;
pub mod rendezvous;
pub mod seal;
pub mod signal;
pub mod switchboard;
pub mod workrooms;

/// What looks at some bytes, and panics if something is wrong with what twocan makes of them.
pub type Target = fn(&[u8]);

/// All targets, by the name of their corpus.
pub const TARGETS: [(&str, Target); 7] = [
    ("conversation", conversation::run),
    ("invite", invite::run),
    ("rendezvous", rendezvous::run),
    ("seal", seal::run),
    ("signal", signal::run),
    ("switchboard", switchboard::run),
    ("workrooms", workrooms::run),
];
