//! What goes into a call, and what comes out of it.

use super::Props;
use crate::{
    ids::SessionId,
    negotiation::{Candidate, Sdp, SdpType},
};

/// One connection of a call: an UPDATE makes the next generation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Connection {
    /// The call.
    pub session: SessionId,
    /// 0 for the one that the call began with.
    pub generation: u32,
}

impl Connection {
    /// The one that this call begins with.
    pub fn first(session: SessionId) -> Self {
        Self { session, generation: 0 }
    }
}

/// Who yields when both sides offer at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precedence {
    /// This side has the greater instance id: its offer stands.
    Ours,
    /// The far side has: ours is dropped, theirs answered.
    Theirs,
}

/// What happens to a call.
#[derive(Debug, Clone)]
pub enum Input {
    /// This side begins a call under this new id.
    Begin(SessionId),
    /// This side wants it to end.
    HangUp,
    /// The server says that the far side has left the room.
    FarLeft,
    /// The connection to the server is gone.
    LineLost,
    /// The far side says something about this call, by the server.
    Far(SessionId, Signal),
    /// The media of this call have something to tell.
    Media(SessionId, MediaEvent),
    /// Time has passed; harmless when nothing is due.
    Deadline,
}

/// What the two sides say of a call by the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// An offer or an answer.
    Description(SdpType, Sdp),
    /// Where this side may be reached.
    Candidate(Candidate),
    /// The end of a call that is not yet up.
    Cancel,
}

/// What a call asks of the media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaCommand {
    /// Make an offer.
    Offer,
    /// Answer this offer.
    Answer(Sdp),
    /// Take this answer to one's own offer.
    TakeAnswer(Sdp),
    /// Take a candidate of the far side.
    AddCandidate(Candidate),
    /// Say this on the data channel.
    SendData(String),
    /// Tear the connection down.
    Close,
}

/// What the media tell a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaEvent {
    /// The own description is made and set.
    Described(SdpType, Sdp),
    /// A candidate of this side was found.
    Candidate(Candidate),
    /// The data channel is open.
    DataOpen,
    /// The far side said this on the data channel.
    DataText(String),
    /// The path to the far side is in doubt; told once until it is sure again.
    Disconnected,
    /// The far side closed the connection.
    Closed,
    /// It cannot go on; the text says why, for a person.
    Failed(String),
}

/// How far a call has got, as a person is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No call.
    Idle,
    /// Offered, not yet answered.
    Calling,
    /// Both descriptions are exchanged.
    Connecting,
    /// The data channel is up.
    Connected,
    /// Hanging up.
    Ending,
}

/// Why a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// This side hung up.
    HungUp,
    /// The far side hung up.
    FarHungUp,
    /// The offer was not answered in 60 s.
    NoAnswer,
    /// No way between the two was found in 10 s.
    NoConnection,
    /// The far side gives no sign of life, or closed its end.
    FarGone,
    /// The media failed; the text says why.
    Failed(String),
}

/// What a call wants done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Tell the far side by the server.
    Signal(SessionId, Signal),
    /// Tell the media.
    Media(SessionId, MediaCommand),
    /// Show this; with [`Phase::Idle`] also why the call is over, unless it is only put off.
    Phase(Phase, Option<Ending>),
    /// Show what the far side tells of itself.
    FarProps(Props),
}
