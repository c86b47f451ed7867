//! What goes into a conversation, and what comes out of it.

use std::time::Instant;

use crate::{
    call::{Ending, MediaCommand, MediaEvent, Phase, Props},
    ids::{ConversationId, InstanceId, SessionId},
    pairing::PairingKey,
    rendezvous::{ClientLine, ServerLine},
};

/// How far this side is from having a far side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pairing {
    /// It shows a code with this key, until the key expires.
    Waiting {
        /// The code's key.
        key: PairingKey,
        /// When it is erased, unused.
        expires: Instant,
    },
    /// Its code expired unused.
    Expired,
    /// It read the code of `far`, and waits for its word.
    Accepting {
        /// Who showed the code.
        far: InstanceId,
        /// The code's key.
        key: PairingKey,
    },
    /// For ever with `far`.
    Paired {
        /// The other side.
        far: InstanceId,
        /// The word that paired the two, for a far side that did not get it; no secret.
        accepted: Option<String>,
    },
}

/// What makes a conversation what it is.
#[derive(Debug)]
pub struct Setup {
    /// Its id.
    pub conversation: ConversationId,
    /// This side's id.
    pub instance: InstanceId,
    /// How far pairing has got.
    pub pairing: Pairing,
    /// Where randomness starts from: unforeseeable in earnest, fixed in a test.
    pub seed: u64,
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
    /// The media of a call have something to tell.
    Media(SessionId, MediaEvent),
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
    Media(SessionId, MediaCommand),
    /// Open or close everything that listens, looks or plays.
    Gate(Gate),
    /// Let sound, or pictures, through the open gate, or not.
    Track(Track, Switch),
    /// Store the far side under this conversation, and erase the code's key; before anything that follows is sent.
    Remember {
        /// The other side.
        far: InstanceId,
        /// The word that paired the two, from the side whose code it was.
        accepted: Option<String>,
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
    /// Whether the far side is there.
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
