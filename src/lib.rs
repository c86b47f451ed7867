//! twocan: a standing line between two people.

pub mod ids;
pub mod rendezvous;
pub mod switchboard;

#[cfg(feature = "shell")]
pub mod run {
    //! Clock, sockets and media brought together with the core.
    pub mod serve;
}
#[cfg(feature = "shell")]
pub mod server;
