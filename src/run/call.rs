//! `twocan call`: a call with a WebRTC app of any make, by SESSION at a rendezvous server, or by its directory.

mod way;

use futures_util::{FutureExt, pin_mut, select_biased};

use super::{Error, MEDIA_BACKLOG, Means, SOCKET_BACKLOG, home::Home, ice, notice, random_id, tell, unix_now};
use crate::{
    call::Phase,
    conversation::{Gate, Switch, Track},
    ids::PeerUid,
    media::{self, Far, Media, MediaError},
    rendezvous::Resume,
    rt,
    screen::{self, Command, Screen},
    session::{Event, Input, Output},
    socket::{self, Socket},
};
use way::Way;

/// What `twocan call` was asked for.
pub struct Options {
    /// Whom to call, or to wait for.
    pub who: Who,
    /// What to be registered as; nothing for a random number.
    pub name: Option<PeerUid>,
    /// How the gate stands at first; closed, also after every call.
    pub gate: Gate,
    /// Where to meet, with what, and how it is shown.
    pub means: Means,
}

/// Whom to call, or how to wait.
#[derive(Debug, Clone)]
pub enum Who {
    /// Calls who is registered as this.
    Peer(PeerUid),
    /// Waits for whoever calls.
    Anybody,
    /// Calls who is found in the directory by this name or login.
    Found(String),
    /// Waits in the directory under this name.
    Listed(String),
}

impl Who {
    fn waits(&self) -> bool {
        matches!(self, Self::Anybody | Self::Listed(_))
    }
}

/// Calls, or waits for calls, until there is nothing more to do or its user quits.
pub async fn call(options: Options) -> Result<(), Error> {
    let mut caller = Caller::begin(options)?;
    let result = caller.run().await;
    caller.end().await;
    result
}

struct Caller {
    way: Way,
    /// What the one goes by who is called, or who waits.
    name: String,
    waits: bool,
    gate: Gate,
    muted: tell::Muted,
    home: Home,
    screen: Screen,
    media: Option<Media>,
    media_events: rt::Receiver<media::Event>,
    socket: Option<Socket>,
    /// The one that was left last, which may still be saying goodbye.
    left: Option<Socket>,
    sockets: u64,
    resume: Resume,
    socket_sender: rt::Sender<(u64, socket::Event)>,
    socket_events: rt::Receiver<(u64, socket::Event)>,
    is_far_here: bool,
    was_joined: bool,
    outage_told: bool,
    is_over: bool,
}

/// What the loop wakes up for.
enum Wake {
    Command(Option<Command>),
    Media(media::Event),
    Socket(u64, socket::Event),
    Deadline,
    Terminated,
}

impl Caller {
    fn begin(Options { who, name, gate, means }: Options) -> Result<Self, Error> {
        let Means { server, host, media, face, started } = means;
        let home = Home::open(server, &host)?;
        let screen = Screen::open(face, started)?;
        let waits = who.waits();
        let (way, name) = Way::to(who, name, gate)?;
        let (media_sender, media_events) = rt::channel(MEDIA_BACKLOG);
        let media = Media::start(media::Options { far: Far::Stock, ..media }, media_sender)?;
        ice::keep_asking(&home, &media);
        let (socket_sender, socket_events) = rt::channel(SOCKET_BACKLOG);
        let mut caller = Self {
            way,
            name,
            waits,
            gate,
            muted: tell::Muted::default(),
            home,
            screen,
            media: Some(media),
            media_events,
            socket: None,
            left: None,
            sockets: 0,
            resume: Resume::from_bits(random_id()?),
            socket_sender,
            socket_events,
            is_far_here: false,
            was_joined: false,
            outage_told: false,
            is_over: false,
        };
        caller.introduce();
        caller.handle(Input::Start)?;
        Ok(caller)
    }

    fn introduce(&mut self) {
        let name = self.name.clone();
        let unix_ms = unix_now().as_secs_f64() * 1000.0;
        let started =
            screen::Event::Started { version: env!("CARGO_PKG_VERSION").into(), unix_ms, conversation: None, name };
        let server = screen::Event::Server { url: self.home.page().to_string(), embedded: self.home.is_here() };
        let waiting = self.waits.then(|| screen::Event::Waiting { uid: self.name.clone() });
        let told = [started, server, screen::Event::Unsealed].into_iter().chain(waiting);
        told.for_each(|event| self.screen.show(&event));
    }

    async fn run(&mut self) -> Result<(), Error> {
        let terminated = rt::terminated()?.fuse();
        pin_mut!(terminated);
        while !self.is_over {
            let wake = {
                let command = self.screen.command().fuse();
                let media = self.media_events.recv().fuse();
                let socket = self.socket_events.recv().fuse();
                let timer = rt::sleep_until(self.way.deadline()).fuse();
                pin_mut!(command, media, socket, timer);
                // The user first: nothing that others say, however much, keeps this side from pausing or ending.
                select_biased! {
                    () = terminated => Wake::Terminated,
                    command = command => Wake::Command(command),
                    media = media => Wake::Media(media.unwrap_or(media::Event::Unusable(MediaError::Gone))),
                    socket = socket => socket.map_or(Wake::Deadline, |(number, event)| Wake::Socket(number, event)),
                    () = timer => Wake::Deadline,
                }
            };
            self.wake(wake)?;
        }
        Ok(())
    }

    fn wake(&mut self, wake: Wake) -> Result<(), Error> {
        match wake {
            Wake::Command(Some(command)) => self.command(command),
            Wake::Command(None) | Wake::Terminated => self.command(Command::Quit),
            Wake::Media(event) => self.media_event(event),
            Wake::Socket(number, event) if self.socket.as_ref().is_some_and(|socket| socket.number == number) => {
                self.socket_event(event)
            }
            Wake::Socket(..) => Ok(()),
            Wake::Deadline => self.handle(Input::Deadline),
        }
    }

    fn command(&mut self, command: Command) -> Result<(), Error> {
        match command {
            Command::Pause => self.handle(Input::Gate(Gate::Closed)),
            Command::Unpause => self.handle(Input::Gate(Gate::Open)),
            Command::Toggle if self.gate == Gate::Open => self.handle(Input::Gate(Gate::Closed)),
            Command::Toggle => self.handle(Input::Gate(Gate::Open)),
            Command::Mute { on } => self.switch(Track::Microphone, if on { Switch::Off } else { Switch::On }),
            Command::Camera { on } => self.switch(Track::Camera, if on { Switch::On } else { Switch::Off }),
            Command::HangUp => self.handle(Input::HangUp),
            Command::TakeOver => Ok(()),
            Command::Volume { percent } => {
                self.media.iter().for_each(|media| media.set_volume(percent));
                self.screen.show(&screen::Event::Volume { percent });
                Ok(())
            }
            Command::Quit => {
                self.handle(Input::HangUp)?;
                self.is_over = true;
                Ok(())
            }
        }
    }

    fn switch(&mut self, track: Track, switch: Switch) -> Result<(), Error> {
        self.media.iter().for_each(|media| media.switch(track, switch));
        self.screen.show(&self.muted.note(track, switch));
        Ok(())
    }

    fn media_event(&mut self, event: media::Event) -> Result<(), Error> {
        match event {
            media::Event::Call(connection, event) => self.handle(Input::Media(connection, event)),
            media::Event::Unusable(error) => Err(error.into()),
            media::Event::Ready(_)
            | media::Event::Level { .. }
            | media::Event::Tone(_)
            | media::Event::Picture(_)
            | media::Event::Notice(_)
            | media::Event::Heard(..)
            | media::Event::Seen(..)
            | media::Event::Tones(_) => {
                tell::media(event).iter().for_each(|event| self.screen.show(event));
                Ok(())
            }
        }
    }

    fn socket_event(&mut self, event: socket::Event) -> Result<(), Error> {
        match event {
            socket::Event::Open => self.handle(Input::SocketOpen),
            socket::Event::Line(line) => self.handle(Input::Line(line)),
            socket::Event::Closed(error) => {
                self.socket = None;
                match error {
                    Some(error) => self.server_gone(error),
                    None => self.handle(Input::SocketClosed),
                }
            }
        }
    }

    fn server_gone(&mut self, error: socket::SocketError) -> Result<(), Error> {
        if let socket::SocketError::Restarts(back_in) = error {
            self.handle(Input::ServerStops(back_in))?;
        }
        let why = format!("the server {} has gone ({error})", self.home.connect_origin());
        self.no_line(error)?;
        self.handle(Input::ServerGone(why))
    }

    /// Ends the program if the server never answered; otherwise says once what is wrong, and goes on.
    fn no_line(&mut self, source: socket::SocketError) -> Result<(), Error> {
        let origin = self.home.connect_origin().clone();
        if matches!(source, socket::SocketError::Ended(_)) {
            return Ok(()); // Another may have its place already; if not, the next try tells.
        }
        if !self.was_joined {
            return Err(Error::Socket { origin, source });
        }
        if self.waits && !std::mem::replace(&mut self.outage_told, true) {
            self.screen.show(&notice(format!("{origin}: {source}; trying again")));
        }
        Ok(())
    }

    fn handle(&mut self, input: Input) -> Result<(), Error> {
        self.way.handle(rt::now(), input);
        while let Some(output) = self.way.poll() {
            self.carry_out(output)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, output: Output) -> Result<(), Error> {
        match output {
            Output::Connect => self.connect(),
            Output::Disconnect => self.left = self.socket.take(),
            Output::Send(line) => self.socket.iter().for_each(|socket| socket.send(line.clone())),
            Output::Media(connection, command) => {
                self.media.iter().for_each(|media| media.call(connection.clone(), command.clone()));
            }
            Output::Gate(gate) => {
                self.gate = gate;
                self.media.iter().for_each(|media| media.set_gate(gate));
            }
            Output::Event(event) => self.tell(event),
            Output::Over(None) => self.is_over = true,
            Output::Over(Some(why)) => {
                let name = self.name.clone();
                return Err(if self.waits { Error::NotWaiting { name, why } } else { Error::NoCall { name, why } });
            }
        }
        Ok(())
    }

    fn connect(&mut self) {
        self.home.revive().into_iter().for_each(|said| self.screen.show(&notice(said)));
        self.sockets += 1;
        let (origin, events) = (self.home.connect_origin(), self.socket_sender.clone());
        self.socket = Some(self.way.connect(origin, &self.resume, self.sockets, events));
    }

    fn tell(&mut self, event: Event) {
        let shown = match event {
            Event::Line(state) => {
                if state == crate::conversation::LineState::Joined {
                    (self.was_joined, self.outage_told) = (true, false);
                }
                tell::line(state)
            }
            Event::Gate(gate) => screen::Event::Paused { paused: gate == Gate::Closed },
            Event::Notice(text) => notice(text),
            Event::ServerError(text) => notice(format!("the server says: {text}")),
            Event::Call(phase, ending) => {
                let here = phase != Phase::Idle;
                if std::mem::replace(&mut self.is_far_here, here) != here {
                    self.screen.show(&screen::Event::Far { here });
                }
                tell::call(phase, ending)
            }
        };
        self.screen.show(&shown);
    }

    /// Lets go of everything.
    async fn end(mut self) {
        let media = self.media.take();
        for socket in [self.left.take(), self.socket.take()].into_iter().flatten() {
            socket.close().await;
        }
        super::close(media).await;
        self.screen.show(&screen::Event::Ended);
    }
}
