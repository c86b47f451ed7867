//! What one connection, and one room, may take of the switchboard.

use std::time::Duration;

use crate::ids::NAME_LIMIT;

/// How long a connection may take to say `HELLO`, unless told otherwise: 10 s.
pub const HELLO_LIMIT: Duration = Duration::from_secs(10);

/// How long the holder of a uid may take to answer when another asks for it, unless told otherwise: 3 s.
pub const HOLDER_LIMIT: Duration = Duration::from_secs(3);

/// How many members a room may have, unless told otherwise: 64.
pub const ROOM_LIMIT: usize = 64;

/// The switchboard's limits; the server's settings may change each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a connection may take to say `HELLO`.
    pub hello: Duration,
    /// How long the holder of a uid or session may take to answer when another asks for it.
    pub holder: Duration,
    /// How many bytes a uid may have; more than [`NAME_LIMIT`] it never has.
    pub uid: usize,
    /// How many members a room may have, at least one.
    pub room: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { hello: HELLO_LIMIT, holder: HOLDER_LIMIT, uid: NAME_LIMIT, room: ROOM_LIMIT }
    }
}
