//! What the program says to whoever runs it: a person at a terminal, or a script that reads JSON lines.

use serde::{Deserialize, Serialize};

use crate::ids::ConversationId;

/// Something that happened, told once, in the order it happened.
///
/// As JSON it is an object whose `event` names the variant in snake case; see [`super::json`] for the line around it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The program is up; always the first.
    Started {
        /// This program's version.
        version: String,
        /// The wall clock at this moment, in milliseconds since 1970, so that two programs' times can be compared.
        unix_ms: f64,
        /// The conversation that is open, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conversation: Option<ConversationId>,
        /// What its owner calls it; without a conversation, what the other side, or the room, goes by.
        name: String,
    },
    /// The rendezvous server in use.
    Server {
        /// Its address, as a browser would open it.
        url: String,
        /// Whether it runs inside this program.
        embedded: bool,
    },
    /// What will be used once unpaused; `None` is doing without.
    Devices {
        /// The microphone's name.
        microphone: Option<String>,
        /// The camera's name.
        camera: Option<String>,
        /// The speaker's name.
        speaker: Option<String>,
        /// Where the far picture is shown.
        window: Option<String>,
    },
    /// One line that somebody should read; the program goes on.
    Notice {
        /// What is the matter.
        message: String,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// The link that pairs the other side, to be shown until [`Event::CodeGone`].
    Code {
        /// The whole link, its key included.
        link: String,
        /// The same for a browser on this machine, where that is another address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        local: Option<String>,
    },
    /// The link is no longer good.
    CodeGone {
        /// Why.
        reason: CodeEnd,
    },
    /// The other side is known from now on.
    Paired,
    /// The owner of the link did not take us: it was used already.
    Refused,
    /// The connection to the rendezvous server changed.
    Line {
        /// How it stands.
        state: LineState,
        /// Milliseconds until the next try, while offline.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_ms: Option<u64>,
    },
    /// The other side came or went.
    Far {
        /// Whether it is at the rendezvous server.
        here: bool,
    },
    /// What the other side said of itself within the call.
    FarProps {
        /// Its gate is closed.
        paused: bool,
        /// It sends sound while unpaused.
        audiosend: bool,
        /// It sends a picture while unpaused.
        videosend: bool,
        /// It keeps back what it hears while its owner speaks.
        holding: bool,
        /// How many seconds it is behind what is said.
        behind: u32,
    },
    /// The two have met: what they say by the server is sealed, so that only they can read it. Told at every meeting.
    Sealed {
        /// Four words, new at every meeting, that are the same on both sides unless somebody sits in between.
        words: String,
    },
    /// What is said here is not sealed: whoever runs the server could listen in. Told at the beginning, where it is so.
    Unsealed,
    /// Whoever calls this name at the server is answered.
    Waiting {
        /// What this side goes by there.
        uid: String,
        /// What the other side types to call, where it is a twocan too.
        command: String,
    },
    /// Something is not what it claims to be; nothing came of it, and each is told once until [`Event::Sealed`].
    Suspicious {
        /// Which it is.
        reason: Suspicion,
        /// What it is, in plain words.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// This side's gate closed or opened.
    Paused {
        /// Closed: nothing is sent and nothing is played.
        paused: bool,
    },
    /// What this side keeps back even while unpaused.
    Muted {
        /// The microphone is muted.
        microphone: bool,
        /// The camera is off.
        camera: bool,
    },
    /// The call began, went on or ended.
    Call {
        /// How it stands.
        state: CallState,
        /// Why it ended, with `idle`; what it broke off by, with `reconnecting`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Ending>,
        /// The same in plain words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// How loud it is, in dBFS (0 is the loudest there is), about ten times a second while something is open.
    Level {
        /// This side's microphone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        own: Option<f64>,
        /// The other side, as played.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        far: Option<f64>,
    },
    /// The strongest tone heard; only with `--speaker test`.
    Tone {
        /// Its frequency; `None`, once, when it falls silent.
        hz: Option<f64>,
        /// Its level in dBFS.
        db: Option<f64>,
    },
    /// The picture seen; only with `--window test`.
    Picture {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Frames seen so far.
        frames: u64,
        /// Mean red of the last frame, 0 to 255.
        red: u8,
        /// Mean green of the last frame, 0 to 255.
        green: u8,
        /// Mean blue of the last frame, 0 to 255.
        blue: u8,
    },
    /// The room that this side enters.
    Room {
        /// Its name at the server.
        name: String,
        /// The link by which a browser comes into it.
        link: String,
        /// The same for a browser on this machine, where that is another address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        local: Option<String>,
    },
    /// What this side goes by in the room.
    Number {
        /// Digits.
        uid: String,
    },
    /// A member of the room came or went, or it stands differently with it.
    Member {
        /// What it goes by.
        uid: String,
        /// How it stands with it.
        state: MemberState,
        /// Why the last connection to it came to nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// How loud a member is, in dBFS, about ten times a second while it sends sound.
    MemberLevel {
        /// Which.
        uid: String,
        /// As it came.
        db: f64,
    },
    /// A member's picture; only with `--window test`.
    MemberPicture {
        /// Which.
        uid: String,
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Frames seen so far.
        frames: u64,
        /// Mean red of the last frame, 0 to 255.
        red: u8,
        /// Mean green of the last frame, 0 to 255.
        green: u8,
        /// Mean blue of the last frame, 0 to 255.
        blue: u8,
    },
    /// All tones heard in the room; only with `--speaker test`.
    Tones {
        /// Lowest first; empty, once, when it falls silent.
        tones: Vec<Tone>,
    },
    /// The speaker's volume changed.
    Volume {
        /// 100 is as received.
        percent: u32,
    },
    /// The program ends; always the last.
    Ended,
}

/// A tone among others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tone {
    /// Its frequency.
    pub hz: f64,
    /// Its level in dBFS.
    pub db: f64,
}

/// How it stands with a member of the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberState {
    /// In the room, without a connection.
    Here,
    /// A connection is being made.
    Connecting,
    /// It can be heard, and hears.
    Connected,
    /// One more than the room can have.
    TooMany,
    /// No longer in the room.
    Left,
}

/// Why a code is no longer shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeEnd {
    /// It did its work.
    Paired,
    /// Nobody used it for a day.
    Expired,
}

/// How the connection to the rendezvous server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineState {
    /// On the way: connecting, registering or joining.
    Connecting,
    /// In the conversation's room.
    Joined,
    /// Lost; it is tried again.
    Offline,
    /// Another machine with a copy of this side's files holds it.
    Taken,
}

/// How the call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// There is none.
    Idle,
    /// Offered, not answered.
    Calling,
    /// Answered; the media is finding its way.
    Connecting,
    /// Up.
    Connected,
    /// It was up, and is being made anew.
    Reconnecting,
    /// Hung up here, not yet acknowledged.
    Ending,
}

/// What is not what it claims to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suspicion {
    /// A message in the other side's name was not its own.
    Forged,
    /// Somebody is there in the other side's place, and does not prove to be it.
    Silent,
}

/// Why a call ended, or broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The other side hung up.
    FarHungUp,
    /// This side hung up.
    HungUp,
    /// Nobody answered the offer in time.
    NoAnswer,
    /// Answered, but no way between the two was found in time.
    NoConnection,
    /// The other side fell silent: crashed, asleep or off the network.
    FarGone,
    /// The other side closed its page or program.
    FarClosed,
    /// The other side could not go on with it.
    FarFailed,
    /// The media gave up.
    Failed,
}

impl Ending {
    /// What happened, in plain words; `name` is what the other side is called.
    pub fn words(self, name: &str) -> String {
        match self {
            Self::FarHungUp => format!("{name} hung up"),
            Self::HungUp => "you hung up".into(),
            Self::NoAnswer => format!("{name} did not answer"),
            Self::NoConnection => {
                format!("no way through to {name} was found; a TURN server may help (--turn)")
            }
            Self::FarGone => format!("{name} is gone; the call goes on when the line is back"),
            Self::FarClosed => format!("{name} has left"),
            Self::FarFailed => format!("{name} could not go on with the call"),
            Self::Failed => "the connection failed".into(),
        }
    }

    /// Whether a call that ended so is tried again by itself, a few times, while somebody is unpaused.
    pub(super) fn is_retried(self) -> bool {
        match self {
            Self::NoAnswer | Self::NoConnection | Self::FarFailed | Self::Failed => true,
            Self::FarHungUp | Self::HungUp | Self::FarGone | Self::FarClosed => false,
        }
    }
}
