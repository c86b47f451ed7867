//! The Workrooms protocol: events `{type, detail}` between a client and the server, both directions.

/// Where the server speaks it.
pub const PATH: &str = "/workrooms";

/// Whether a WebSocket asked for at `path` speaks Workrooms.
pub fn is_path(path: &str) -> bool {
    path.strip_suffix('/').unwrap_or(path) == PATH
}
