//! What goes into a conversation, and what comes out of it.

use std::time::Instant;

use crate::{
    call::{Connection, Ending, MediaCommand, MediaEvent, Phase, Props},
    ids::{ConversationId, InstanceId},
    pairing::SpentCode,
    rendezvous::{BackIn, ClientLine, ServerLine},
    seal::{PublicKey, Resolver, SafetyWords, SecretKey, Suspicion, Trust},
};

/// What makes a conversation what it is.
#[derive(Debug)]
pub struct Setup {
    /// Its id.
    pub conversation: ConversationId,
    /// This side's id.
    pub instance: InstanceId,
    /// This side's key in it.
    pub secret: SecretKey,
    /// What this side knows of the far one: how far pairing has got.
    pub trust: Trust,
    /// When an unused code is erased; of no account where this side shows none.
    pub expires: Instant,
    /// Where randomness starts from: unforeseeable in earnest, fixed in a test.
    pub seed: u64,
    /// Where cryptography comes from; [`seal::resolver`](crate::seal::resolver) in earnest.
    pub resolver: Resolver,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// What happens to a conversation.
#[derive(Debug, Clone)]
pub enum Input {
    /// Begin: connect to the server.
    Start,
    /// The connection to the server is up.
    SocketOpen,
    /// The server stops, and is back then; `SocketClosed` follows.
    ServerStops(BackIn),
    /// It is gone, or could not be made.
    SocketClosed,
    /// The server says this.
    Line(ServerLine),
    /// The user wants to talk.
    Unpause,
    /// The user wants quiet.
    Pause,
    /// What this side has to speak into and to be seen by.
    Equipped {
        /// Whether there is a microphone.
        microphone: bool,
        /// Whether there is a camera.
        camera: bool,
    },
    /// The user switches the microphone.
    Microphone(Switch),
    /// The user switches the camera.
    Camera(Switch),
    /// The user ends the call.
    HangUp,
    /// The user wants this conversation here, though it was open elsewhere.
    TakeOver,
    /// The machine's network is another now, or back.
    NetworkChanged,
    /// The media of a call have something to tell.
    Media(Connection, MediaEvent),
    /// Time has passed; harmless when nothing is due.
    Deadline,
}

/// What a conversation wants done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Connect to the server.
    Connect,
    /// Drop the connection to the server.
    Disconnect,
    /// Say this to the server.
    Send(ClientLine),
    /// Tell the media of this call.
    Media(Connection, MediaCommand),
    /// Open or close everything that listens, looks or plays.
    Gate(Gate),
    /// Let sound, or pictures, through the open gate, or not.
    Track(Track, Switch),
    /// Store the key of the side whose code was read, beside the code; before anything that follows is sent.
    Learned(PublicKey),
    /// Store the far side under this conversation, and erase the code's key; before anything that follows is sent.
    Remember {
        /// The other side.
        far: InstanceId,
        /// Its key.
        key: PublicKey,
        /// What is left of the code, where it was this side's: to refuse it to others.
        spent: Option<SpentCode>,
    },
    /// Erase the code's key.
    ForgetKey,
    /// Show this.
    Event(Event),
}

/// What stands between this side's devices and the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Unpaused: what is said is heard.
    Open,
    /// Paused: no device is open.
    Closed,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Track {
    /// The microphone's sound.
    Microphone,
    /// The camera's picture.
    Camera,
}

/// What a person is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The connection to the server is thus.
    Line(LineState),
    /// The code may be shown.
    CodeShown,
    /// The code is gone.
    CodeGone(CodeGone),
    /// The two are paired now.
    Paired,
    /// The code that this side read was used already, or is none.
    Refused,
    /// What is said by the server is sealed from now on; both sides have the same words.
    Sealed(SafetyWords),
    /// The server, or somebody there, is up to something; nothing came of it.
    Suspicious(Suspicion),
    /// Whether the far side is there, and has proved it.
    Far(Presence),
    /// What the far side tells of itself.
    FarProps(Props),
    /// This side's gate.
    Gate(Gate),
    /// This side's switches.
    Track(Track, Switch),
    /// How far the call has got; with [`Phase::Idle`] also why it is over, unless it is only put off.
    Call(Phase, Option<Ending>),
    /// The server complains; the text is its own, at most 200 characters.
    ServerError(String),
}

/// How the connection to the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineState {
    /// Being made.
    Connecting,
    /// Registered, and in the room.
    Joined,
    /// Gone; tried again at this time.
    Offline {
        /// When.
        retry: Instant,
    },
    /// Another program or tab of this same side has it.
    Taken,
}

/// Why a code is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeGone {
    /// It was used.
    Paired,
    /// Nobody used it in its time.
    Expired,
}

/// Whether somebody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// There.
    Here,
    /// Not there.
    Away,
}
