//! twocan: a standing line between two people.

pub mod ids;
pub mod rendezvous;
pub mod switchboard;
