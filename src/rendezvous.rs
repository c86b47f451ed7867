//! placeholder until merge
use crate::ids::{PeerUid, RoomId};
use std::fmt;
/// c
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientLine {
    /// a
    Hello(PeerUid),
    /// a
    Session(PeerUid),
    /// a
    Room(RoomId),
    /// a
    RoomPeerMsg {
        /// a
        to: PeerUid,
        /// a
        text: String,
    },
    /// a
    RoomPeerList,
}
/// s
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerLine {
    /// a
    Hello,
    /// a
    SessionOk,
    /// a
    RoomOk(Vec<PeerUid>),
    /// a
    RoomPeerJoined(PeerUid),
    /// a
    RoomPeerLeft(PeerUid),
    /// a
    RoomPeerMsg {
        /// a
        from: PeerUid,
        /// a
        text: String,
    },
    /// a
    RoomPeerList(Vec<PeerUid>),
    /// a
    Error(String),
}
impl fmt::Display for ClientLine {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}
