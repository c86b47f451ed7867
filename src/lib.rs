//! twocan: a standing line between two people.

pub mod ids;
#[cfg(feature = "shell")]
pub mod screen;
