//! twocan: a standing line between two people.

pub mod call;
pub mod conversation;
pub mod ids;
pub mod invite;
pub mod negotiation;
pub mod pairing;
pub mod rendezvous;
pub mod switchboard;

#[cfg(feature = "shell")]
pub mod media;
#[cfg(feature = "shell")]
pub mod rt;
