//! twocan: a standing line between two people.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test has to get its first instant from somewhere"))]

pub mod call;
pub mod conversation;
pub mod ids;
pub mod invite;
pub mod negotiation;
pub mod pairing;
pub mod rendezvous;
pub mod switchboard;

#[cfg(feature = "shell")]
pub mod bookmarks;
#[cfg(feature = "shell")]
pub mod cli;
#[cfg(feature = "shell")]
pub mod config;
#[cfg(feature = "shell")]
pub mod exit;
#[cfg(feature = "shell")]
pub mod media;
#[cfg(feature = "shell")]
pub mod rt;
#[cfg(feature = "shell")]
pub mod run;
#[cfg(feature = "shell")]
pub mod screen;
#[cfg(feature = "shell")]
pub mod server;
#[cfg(feature = "shell")]
pub mod socket;
