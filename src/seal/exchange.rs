//! What goes into a channel, and what comes out of it.

use super::{PublicKey, Resolver, SafetyWords, SecretKey};
use crate::{
    ids::{ConversationId, InstanceId},
    pairing::{PairingKey, SpentCode},
};

/// What a channel begins with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The conversation; its id is mixed into every handshake.
    pub conversation: ConversationId,
    /// This side.
    pub instance: InstanceId,
    /// This side's static key in this conversation.
    pub secret: SecretKey,
    /// Whom this side believes.
    pub trust: Trust,
    /// Random bits for ids and waits; they need be no secret.
    pub seed: u64,
    /// Where the cryptography comes from: [`resolver`](super::resolver), but in a simulation.
    pub resolver: Resolver,
}

/// Whom a side believes.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Whoever proves the key of the code that this side shows.
    Owner {
        /// Good for one pairing.
        code: PairingKey,
    },
    /// Nobody: the code's time is over.
    Closed {
        /// Lets this side prove that to who comes with the code.
        spent: Option<SpentCode>,
    },
    /// The side whose code this one has read, once it proves the code's key.
    Reader {
        /// That side, as the code says.
        far: InstanceId,
        /// The key in the code.
        code: PairingKey,
        /// Its static key, if a handshake came as far as [`Output::Learned`].
        key: Option<PublicKey>,
    },
    /// One side for good, known by its static key.
    Paired {
        /// That side.
        far: InstanceId,
        /// Its static key.
        key: PublicKey,
        /// Lets this side prove that its code is used, if it showed one.
        spent: Option<SpentCode>,
    },
}

/// Who begins when the two find each other in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// This side: it found the other there.
    Begins,
    /// The other: it came later.
    Waits,
}

/// What happens to a channel.
#[derive(Debug, Clone)]
pub enum Input {
    /// The far side is in the room; harmless when that is known.
    Here(Order),
    /// The far side left the room, or this side's line to the server is gone.
    Away,
    /// Somebody in the room sends this text.
    Frame(InstanceId, String),
    /// Seal this and send it; it is lost while there is no session.
    Say(String),
    /// The time of the code is over.
    Expired,
    /// Time has passed; harmless when nothing is due.
    Deadline,
}

/// What a channel asks for, or tells. The order counts: what is to be stored is stored before what follows is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this text to that side.
    Send(InstanceId, String),
    /// Store the far side's key with the code: the pairing may yet be confirmed by a meeting instead.
    Learned(PublicKey),
    /// Paired, and so it stays: store it, and erase the code's key.
    Paired {
        /// The far side.
        far: InstanceId,
        /// Its static key.
        key: PublicKey,
        /// What is left of this side's code, if it showed one.
        spent: Option<SpentCode>,
    },
    /// A session stands; said again when a new one takes its place.
    Up(SafetyWords),
    /// There is no session any more.
    Down,
    /// The far side said this.
    Heard(String),
    /// The far side proves that its code is used; nothing more comes of this channel.
    Refused,
    /// Something is not as it should be; each is told once until a session stands.
    Suspicious(Suspicion),
}

/// What is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// A frame in the far side's name was not sealed by it.
    Forged,
    /// The far side has been here for 5 s, and there is no session.
    Silent,
}
