//! twocan: a standing line between two people.

pub mod call;
pub mod conversation;
pub mod ids;
pub mod invite;
pub mod negotiation;
pub mod pairing;
pub mod rendezvous;
#[cfg(feature = "shell")]
pub mod screen;
