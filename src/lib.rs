//! twocan: a standing line between two people.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test has to get its first instant from somewhere"))]

#[cfg(feature = "shell")]
pub mod bookmarks;
pub mod call;
#[cfg(feature = "shell")]
pub mod cli;
#[cfg(feature = "shell")]
pub mod config;
pub mod conversation;
#[cfg(feature = "shell")]
pub mod exit;
pub mod ids;
pub mod invite;
pub mod negotiation;
pub mod pairing;
pub mod rendezvous;
#[cfg(feature = "shell")]
pub mod run;
#[cfg(feature = "shell")]
pub mod screen;
