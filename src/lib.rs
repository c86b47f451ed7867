//! twocan: a standing line between two people.

pub mod ids;
