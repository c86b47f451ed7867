//! Sound and picture: one call at a time, behind a gate that only the user opens.
//!
//! A call has one connection, or two while an UPDATE puts the next in the place of the last.
//!
//! [`Media`] is a handle. Behind it run two threads, since GStreamer's state changes block: one makes, connects and
//! tears down peers ([`peer`]), the other opens and closes devices ([`gate`]). Both report through one channel.

mod capture;
mod complaint;
mod description;
mod devices;
mod gate;
mod identity;
mod members;
mod mixture;
mod peer;
mod playback;
mod probe;
mod relay;
mod report;
mod sender;
mod session;
mod spectrum;
mod studio;
mod tap;

use std::{net::IpAddr, thread::JoinHandle};

use thiserror::Error;
use zeroize::Zeroizing;

pub use devices::{BadChoice, Choice, Colour, Device, Inventory, Kind, list};
pub use playback::Picture;

use crate::{
    call::{Connection, MediaCommand, MediaEvent},
    conversation::{Gate, Switch, Track},
    rt::Sender,
};

/// What the media are made of. Not for printing: it holds passwords.
#[derive(Clone, Default)]
pub struct Options {
    /// Where sound comes from.
    pub microphone: Choice,
    /// Where pictures come from.
    pub camera: Choice,
    /// Where the far side's sound goes.
    pub speaker: Choice,
    /// Where the far side's picture goes.
    pub window: Choice,
    /// A STUN server, as `stun://host:port`.
    pub stun: Option<String>,
    /// TURN servers, as `turn://user:password@host:port`: secrets.
    pub turn: Vec<String>,
    /// Use this address only for media, rather than every one this machine has.
    pub address: Option<IpAddr>,
    /// Go by a TURN server whatever else there is.
    pub relay_only: bool,
    /// Who is at the other end.
    pub far: Far,
}

/// The STUN and TURN servers that the rendezvous server offers. Not for printing: it holds passwords.
#[derive(Clone, Default, PartialEq)]
pub struct OfferedServers {
    /// A STUN server, as `stun://host:port`, for who has named none.
    pub stun: Option<String>,
    /// TURN servers, as `turn://user:password@host:port`, which come after those that were named.
    pub turn: Vec<Zeroizing<String>>,
}

/// Through which the media are told of servers; good for as long as they are there.
#[derive(Debug, Clone)]
pub struct Offered(session::Commands);

/// There are no media any more.
#[derive(Debug)]
pub struct NoMedia;

impl Offered {
    /// From the next connection on these are used, in the place of those that were offered before.
    pub fn set(&self, servers: OfferedServers) -> Result<(), NoMedia> {
        self.0.send(session::Command::Offered(servers))
    }
}

/// What kind of peer is at the other end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Far {
    /// Another twocan, or its page: all sections in one bundle, with a data channel.
    #[default]
    Twocan,
    /// A peer of any make: sound, pictures or both, in any order, bundled or not, and no data channel of ours.
    Stock,
}

/// What the media tell.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Devices are chosen; `None` goes without.
    Ready(Inventory),
    /// GStreamer cannot be used at all.
    Unusable(MediaError),
    /// Something about this connection of a call.
    Call(Connection, MediaEvent),
    /// How loud it is, in dB below full scale; at most ten times a second each.
    Level {
        /// Which side's sound.
        side: Side,
        /// From -100 to 0.
        db: f64,
    },
    /// What the test speaker hears: a tone's frequency in Hz and its level in dB, or nothing any more.
    Tone(Option<(f64, f64)>),
    /// What the test window sees.
    Picture(Picture),
    /// How loud a member of a room is, in dB below full scale, before it is mixed; at most ten times a second each.
    Heard(Connection, f64),
    /// What the test window sees of a member of a room.
    Seen(Connection, Picture),
    /// The tones that the test speaker hears in a room, by frequency; none, once, when it falls silent.
    Tones(Vec<Tone>),
    /// Something a person should know, in one line.
    Notice(String),
}

/// A tone among others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tone {
    /// Its frequency.
    pub hz: f64,
    /// Its level, in dB below full scale.
    pub db: f64,
}

/// One of the two who talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// This one.
    Own,
    /// The other one.
    Far,
}

/// Why there can be no media.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MediaError {
    /// GStreamer did not start.
    #[error("GStreamer does not start: {0}")]
    Start(String),
    /// An element that no call can do without is not installed.
    #[error("GStreamer has no \"{0}\"")]
    Missing(&'static str),
    /// An element or a link could not be made.
    #[error("the media cannot be set up: {0}")]
    Setup(String),
    /// The media's thread has ended by itself, which is a mistake of ours.
    #[error("sound and picture have stopped working")]
    Gone,
    /// webrtcbin refused.
    #[error("the call cannot be negotiated: {0}")]
    Negotiation(String),
}

impl From<glib::BoolError> for MediaError {
    fn from(error: glib::BoolError) -> Self {
        Self::Setup(error.message.to_string())
    }
}

/// The handle to sound and picture; dropping it closes every device and every connection.
#[derive(Debug)]
pub struct Media {
    session: session::Commands,
    gate: gate::Handle,
    threads: Vec<JoinHandle<()>>,
}

/// Starts the thread that makes connections.
type Start = fn(Options, gate::Handle, Sender<Event>) -> std::io::Result<(session::Commands, JoinHandle<()>)>;

impl Media {
    /// Starts the media; what becomes of them is told on `events`.
    ///
    /// Errors: the system grants no thread.
    pub fn start(options: Options, events: Sender<Event>) -> std::io::Result<Self> {
        Self::start_with(session::start, options, events)
    }

    /// Starts the media for a room, where many connections share the devices, and none takes the place of another: each
    /// is on until it is closed.
    ///
    /// Errors: the system grants no thread.
    pub fn start_room(options: Options, events: Sender<Event>) -> std::io::Result<Self> {
        Self::start_with(members::start, options, events)
    }

    fn start_with(start: Start, options: Options, events: Sender<Event>) -> std::io::Result<Self> {
        let (gate, gate_thread) = gate::start(events.clone())?;
        let (session, session_thread) = start(options, gate.clone(), events)?;
        Ok(Self { session, gate, threads: vec![session_thread, gate_thread] })
    }

    /// Carries out what a call asks of one of its connections.
    ///
    /// An offer or an answer begins a connection. One of a later generation of the call that is on is made beside the
    /// one that has the devices, and gets them when that one is closed; any other takes the place of all there is.
    pub fn call(&self, connection: Connection, command: MediaCommand) {
        // Without a thread it is told already that there are no media.
        let _ = self.session.send(session::Command::Call(connection, command));
    }

    /// What takes the servers that the rendezvous server offers.
    pub fn offered(&self) -> Offered {
        Offered(self.session.clone())
    }

    /// Opens or closes the gate; closed, nothing passes from this moment on.
    pub fn set_gate(&self, gate: Gate) {
        self.gate.set(gate);
    }

    /// Lets sound, or pictures, through the open gate, or not.
    pub fn switch(&self, track: Track, switch: Switch) {
        self.gate.switch(track, switch);
    }

    /// How loud the far side is played: 100 is as it came.
    pub fn set_volume(&self, percent: u32) {
        self.gate.set_volume(percent);
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        let _ = self.session.send(session::Command::Stop);
        self.gate.stop();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
