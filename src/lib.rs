//! twocan: a standing line between two people.

pub mod ids;
pub mod invite;
pub mod negotiation;
pub mod pairing;
