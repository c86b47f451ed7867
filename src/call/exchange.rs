//! What goes into a call, and what comes out of it.

use super::{Message, Props};
use crate::{
    ids::SessionId,
    negotiation::{Candidate, Sdp, SdpType},
};

/// One connection of a call: SETUP makes the first, of generation 0, and every UPDATE the next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Connection {
    /// The call.
    pub session: SessionId,
    /// Which of its connections.
    pub generation: u32,
}

impl Connection {
    /// The connection that a call begins with.
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
    /// The network of this side is another now: the call needs a new connection.
    Renew,
    /// This side wants it to end.
    HangUp,
    /// The two can tell each other something by the server, from now on or anew.
    SignallingUp,
    /// They cannot.
    SignallingDown,
    /// The server says that the far side has left the room.
    FarLeft,
    /// The far side says something by the server.
    Far(Signal),
    /// The media of this call have something to tell.
    Media(Connection, MediaEvent),
    /// Time has passed; harmless when nothing is due.
    Deadline,
}

/// What the two sides say of a call by the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// A message of Calling 3.0.
    Message(Message),
    /// Where a side may be reached, on this connection.
    Candidate(Connection, Candidate),
}

/// What a call asks of the media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaCommand {
    /// Make an offer; beside the connection that the call has, if it has one.
    Offer,
    /// Answer this offer, likewise.
    Answer(Sdp),
    /// Take this answer to one's own offer.
    TakeAnswer(Sdp),
    /// Take a candidate of the far side.
    AddCandidate(Candidate),
    /// Say this on the data channel.
    SendData(String),
    /// Tear the connection down; what it sent and played goes on over the next, if there is one.
    Close,
}

/// What the media tell a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaEvent {
    /// The own description is made and set.
    Described(SdpType, Sdp),
    /// A candidate of this side was found.
    Candidate(Candidate),
    /// Sound and pictures can go both ways, to nobody but whom the far side's description names.
    Connected,
    /// The data channel is open.
    DataOpen,
    /// The far side said this on the data channel.
    DataText(String),
    /// The way to the far side is in doubt.
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
    /// It was up, and is being made anew.
    Reconnecting,
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
    /// The far side gives no sign of life.
    FarGone,
    /// The far side closed its end, and may be back in a moment: its page was reloaded, say.
    FarClosed,
    /// The far side cannot go on with it.
    FarFailed,
    /// The media failed; the text says why.
    Failed(String),
}

/// What a call wants done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Tell the far side by the server.
    Signal(Signal),
    /// Tell the media.
    Media(Connection, MediaCommand),
    /// Show this; with [`Phase::Idle`] also why the call is over, unless it is only put off.
    Phase(Phase, Option<Ending>),
    /// Show what the far side tells of itself.
    FarProps(Props),
}
