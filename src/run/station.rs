//! What a person sits at in every call: a screen, the media, a line to the server; and the wait for any of them.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::Fuse, pin_mut, select_biased};

use super::{Error, SOCKET_BACKLOG, home::Home, ice, notice, random_id, unix_now};
use crate::{
    call::{Connection, MediaCommand, MediaEvent},
    conversation::{Gate, Switch, Track},
    ids::ConversationId,
    invite::Origin,
    media::{self, Media, MediaError},
    network,
    rendezvous::{Resume, ServerLine},
    rt,
    screen::{self, Command, Screen},
    socket::{self, Socket, SocketError},
};

/// How long devices may take to close when the program ends: 3 s.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);
/// Events of the media that wait to be looked at: 4096, some 30 s of everything they tell; more are lost.
const MEDIA_BACKLOG: usize = 4096;

/// Everything around a core that decides about calls.
pub(super) struct Station {
    pub(super) home: Home,
    pub(super) screen: Screen,
    media: Option<Media>,
    media_events: rt::Receiver<media::Event>,
    network_changes: rt::Receiver<()>,
    _network: network::Watch,
    line: Line,
    gate: Gate,
    terminated: Fuse<Pin<Box<dyn Future<Output = ()>>>>,
    is_quitting: bool,
}

/// Where connections to the server tell what happens on them.
pub(super) type SocketEvents = rt::Sender<(u64, socket::Event)>;

/// The connections to the server, of which one is in use.
struct Line {
    socket: Option<Socket>,
    /// The one that was left last, which may still be saying goodbye.
    left: Option<Socket>,
    sockets: u64,
    resume: Resume,
    sender: SocketEvents,
    events: rt::Receiver<(u64, socket::Event)>,
    was_joined: bool,
    outage_told: bool,
}

/// What a core is woken for.
pub(super) enum Wake {
    /// The user wants something; a polite signal, and the end of all input, is to quit.
    Command(Command),
    /// Something about a connection of a call.
    Call(Connection, MediaEvent),
    /// Whatever else the media tell.
    Media(media::Event),
    /// Something on the line to the server that is in use.
    Socket(socket::Event),
    /// Addresses or routes have changed.
    Network,
    /// It is time.
    Deadline,
}

impl Station {
    /// Begins to start the media, and to look for changes of the network.
    pub(super) fn new(
        home: Home,
        screen: Screen,
        start: impl FnOnce(rt::Sender<media::Event>) -> std::io::Result<Media>,
    ) -> Result<Self, Error> {
        let (media_sender, media_events) = rt::channel(MEDIA_BACKLOG);
        let media = start(media_sender)?;
        ice::keep_asking(&home, &media);
        // One that waits stands for all that came meanwhile.
        let (network_sender, network_changes) = rt::channel(1);
        let terminated: Pin<Box<dyn Future<Output = ()>>> = Box::pin(rt::terminated()?);
        Ok(Self {
            home,
            screen,
            media: Some(media),
            media_events,
            network_changes,
            _network: network::watch(network_sender),
            line: Line::new()?,
            gate: Gate::Closed,
            terminated: terminated.fuse(),
            is_quitting: false,
        })
    }

    /// Tells what has begun, by which name, and where.
    pub(super) fn introduce(&mut self, conversation: Option<ConversationId>, name: String) {
        let (version, unix_ms) = (env!("CARGO_PKG_VERSION").into(), unix_now().as_secs_f64() * 1000.0);
        self.screen.show(&screen::Event::Started { version, unix_ms, conversation, name });
        self.screen.show(&screen::Event::Server { url: self.home.page().to_string(), embedded: self.home.is_here() });
    }

    /// Waits for the next thing that matters, at most until `deadline`.
    ///
    /// Errors: there can be no media.
    pub(super) async fn wake(&mut self, deadline: Option<Instant>) -> Result<Wake, Error> {
        let command = next_command(&mut self.screen, self.is_quitting).fuse();
        let media = self.media_events.recv().fuse();
        let socket = self.line.next().fuse();
        let network = next_change(&self.network_changes).fuse();
        let timer = rt::sleep_until(deadline).fuse();
        pin_mut!(command, media, socket, network, timer);
        // The user first: nothing that others say, however much, keeps this side from pausing or ending.
        let wake = select_biased! {
            () = &mut self.terminated => Wake::Command(Command::Quit),
            command = command => Wake::Command(command),
            event = media => of_media(event.unwrap_or(media::Event::Unusable(MediaError::Gone)))?,
            event = socket => Wake::Socket(event),
            () = network => Wake::Network,
            () = timer => Wake::Deadline,
        };
        self.is_quitting |= matches!(wake, Wake::Command(Command::Quit));
        Ok(wake)
    }

    /// Makes a connection to the server, which is started first if it is one of this program that has ended.
    pub(super) fn connect(&mut self, dial: impl FnOnce(&Origin, &Resume, u64, SocketEvents) -> Socket) {
        self.home.revive().into_iter().for_each(|said| self.screen.show(&notice(said)));
        let line = &mut self.line;
        line.sockets += 1;
        line.socket = Some(dial(self.home.connect_origin(), &line.resume, line.sockets, line.sender.clone()));
    }

    /// Leaves the server.
    pub(super) fn disconnect(&mut self) {
        self.line.left = self.line.socket.take();
    }

    /// Says something to the server.
    pub(super) fn send(&self, line: String) {
        self.line.socket.iter().for_each(|socket| socket.send(line.clone()));
    }

    /// Takes note that the line has come about.
    pub(super) fn joined(&mut self) {
        (self.line.was_joined, self.line.outage_told) = (true, false);
    }

    /// Whether it ever has.
    pub(super) fn was_joined(&self) -> bool {
        self.line.was_joined
    }

    /// Says what is wrong with the line, once until it comes about again.
    pub(super) fn tell_outage(&mut self, source: &SocketError) {
        if !std::mem::replace(&mut self.line.outage_told, true) {
            let origin = self.home.connect_origin();
            self.screen.show(&notice(format!("{origin}: {source}; trying again")));
        }
    }

    /// That the server cannot be used, for this reason.
    pub(super) fn unusable(&self, source: SocketError) -> Error {
        Error::Socket { origin: self.home.connect_origin().clone(), source }
    }

    /// That the server is not there any more, for this reason.
    pub(super) fn gone(&self, why: &SocketError) -> String {
        format!("the server {} has gone ({why})", self.home.connect_origin())
    }

    /// Has the media do something for a connection of a call.
    pub(super) fn call(&self, connection: Connection, command: MediaCommand) {
        if let Some(media) = &self.media {
            media.call(connection, command);
        }
    }

    /// How the gate stands.
    pub(super) fn gate(&self) -> Gate {
        self.gate
    }

    /// Opens or closes the gate.
    pub(super) fn set_gate(&mut self, gate: Gate) {
        self.gate = gate;
        self.media.iter().for_each(|media| media.set_gate(gate));
    }

    /// Lets sound, or pictures, through the open gate, or not.
    pub(super) fn switch(&self, track: Track, switch: Switch) {
        self.media.iter().for_each(|media| media.switch(track, switch));
    }

    /// Sets how loud the far side is played.
    pub(super) fn set_volume(&mut self, percent: u32) {
        self.media.iter().for_each(|media| media.set_volume(percent));
        self.screen.show(&screen::Event::Volume { percent });
    }

    /// Lets go of everything: of the line first, so that the others hear of it at once.
    pub(super) async fn close(mut self) {
        for socket in [self.line.left.take(), self.line.socket.take()].into_iter().flatten() {
            socket.close().await;
        }
        close(self.media.take()).await;
        self.screen.show(&screen::Event::Ended);
    }
}

impl Line {
    fn new() -> Result<Self, Error> {
        let (sender, events) = rt::channel(SOCKET_BACKLOG);
        let resume = Resume::from_bits(random_id()?);
        Ok(Self { socket: None, left: None, sockets: 0, resume, sender, events, was_joined: false, outage_told: false })
    }

    /// What happens on the connection in use; of those that were left nobody hears any more.
    async fn next(&mut self) -> socket::Event {
        loop {
            let Ok((number, event)) = self.events.recv().await else { std::future::pending().await };
            if self.socket.as_ref().is_some_and(|socket| socket.number == number) {
                if matches!(event, socket::Event::Closed(_)) {
                    self.socket = None;
                }
                return event;
            }
        }
    }
}

/// What the server says, if it is what servers say.
pub(super) fn understood(line: &str) -> Option<ServerLine> {
    line.parse().inspect_err(|error| tracing::debug!(%error, "the server says what nobody understands")).ok()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "whatever is not about a call is for the screen")]
fn of_media(event: media::Event) -> Result<Wake, Error> {
    match event {
        media::Event::Unusable(error) => Err(error.into()),
        media::Event::Call(connection, event) => Ok(Wake::Call(connection, event)),
        event => Ok(Wake::Media(event)),
    }
}

/// What the user wants, until that is to quit: a terminal that is gone would say so for ever.
async fn next_command(screen: &mut Screen, is_quitting: bool) -> Command {
    if is_quitting { std::future::pending().await } else { screen.command().await.unwrap_or(Command::Quit) }
}

/// The next change of the network, if anybody tells.
async fn next_change(changes: &rt::Receiver<()>) {
    if changes.recv().await.is_err() {
        std::future::pending().await
    }
}

/// Lets go of the media.
///
/// A device that hangs in closing must not keep the program, nor a GStreamer that hangs in starting: the system takes
/// back what they have.
async fn close(media: Option<Media>) {
    let _ = rt::timeout(CLOSE_LIMIT, rt::blocking(move || drop(media))).await;
}
