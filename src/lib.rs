//! twocan: a standing line between two people.
//!
//! The library has two layers. The *core* decides: it knows no clock, socket, thread, file or GStreamer; it takes
//! inputs with the time they came at, and queues outputs. The *shell* (feature `shell`, on by default) carries the
//! core's outputs out and feeds it what happens.
//!
//! Core, from the names up:
//!
//! - [`ids`]: what conversations, sides, peers, rooms and calls are called
//! - [`negotiation`]: what peers say about media
//! - [`pairing`], [`invite`]: the key in a code, and the link it travels in
//! - [`seal`]: the channel that only the two sides can read and write
//! - [`call`]: one call, from the offer to the hang-up
//! - [`conversation`]: one standing conversation: pairing, presence, pause, its call
//! - [`rendezvous`], [`workrooms`]: what a client and the server say, in two dialects; [`switchboard`]: the server's brain
//!
//! Shell:
//!
//! - [`rt`]: tasks, timers, channels; [`socket`]: the client's connection to the server
//! - [`network`]: whether this machine's addresses and routes have changed
//! - [`media`]: sound and picture behind a gate
//! - [`server`]: the rendezvous and the page on one port
//! - [`bookmarks`], [`config`]: files; [`cli`], [`exit`], [`screen`]: what a person or a script sees
//! - [`run`]: one file for each command, which ties the core to the shell, and what several of them share
//!
//! Invariants: the core compiles without the shell; shell modules name the core, never each other; only [`run`] names
//! them all; only `media/peer` names webrtcbin's signals.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test has to get its first instant from somewhere"))]

pub mod call;
pub mod conversation;
pub mod directory;
pub mod foreign;
pub mod ids;
pub mod invite;
pub mod listed;
pub mod negotiation;
pub mod pairing;
pub mod rendezvous;
pub mod room;
pub mod seal;
pub mod session;
pub mod stock;
pub mod switchboard;
pub mod workrooms;

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
pub mod network;
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
