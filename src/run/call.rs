//! `twocan call`: a call with a WebRTC app of any make, by SESSION at a rendezvous server.

use futures_util::{FutureExt, pin_mut, select_biased};

use super::{
    CLOSE_LIMIT, Error, MEDIA_BACKLOG, Means, SOCKET_BACKLOG, home::Home, ice, notice, random_bytes, random_id, tell,
    unix_now,
};
use crate::{
    call::Phase,
    conversation::{Gate, Switch, Track},
    ids::PeerUid,
    media::{self, Far, Media, MediaError},
    rendezvous::Resume,
    rt,
    screen::{self, Command, Screen},
    session::{Event, Input, Output, Role, Session, Setup},
    socket::{self, Socket},
};

/// What `twocan call` was asked for.
pub struct Options {
    /// Whom to call; nothing to wait for whoever calls.
    pub peer: Option<PeerUid>,
    /// What to be registered as; nothing for a random number.
    pub name: Option<PeerUid>,
    /// How the gate stands at the beginning of every call.
    pub gate: Gate,
    /// Where to meet, with what, and how it is shown.
    pub means: Means,
}

/// Calls, or waits for calls, until there is nothing more to do or its user quits.
pub async fn call(options: Options) -> Result<(), Error> {
    let mut caller = Caller::begin(options)?;
    let result = caller.run().await;
    caller.end().await;
    result
}

struct Caller {
    session: Session,
    uid: PeerUid,
    peer: Option<PeerUid>,
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
    fn begin(Options { peer, name, gate, means }: Options) -> Result<Self, Error> {
        let Means { server, host, media, face, started } = means;
        let home = Home::open(server, &host)?;
        let screen = Screen::open(face, started)?;
        let seed = u64::from_ne_bytes(random_bytes()?);
        let uid = name.map_or_else(|| random_uid(seed), Ok)?;
        let role = peer.clone().map_or(Role::Waits, Role::Calls);
        let session = Session::new(Setup { uid: uid.clone(), role, gate, seed });
        let (media_sender, media_events) = rt::channel(MEDIA_BACKLOG);
        let media = Media::start(media::Options { far: Far::Stock, ..media }, media_sender)?;
        ice::keep_asking(&home, &media);
        let (socket_sender, socket_events) = rt::channel(SOCKET_BACKLOG);
        let mut caller = Self {
            session,
            uid,
            peer,
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
        let name = self.peer.as_ref().unwrap_or(&self.uid).to_string();
        let unix_ms = unix_now().as_secs_f64() * 1000.0;
        let started =
            screen::Event::Started { version: env!("CARGO_PKG_VERSION").into(), unix_ms, conversation: None, name };
        let server = screen::Event::Server { url: self.home.page().to_string(), embedded: self.home.is_here() };
        let waiting = self.peer.is_none().then(|| screen::Event::Waiting { uid: self.uid.to_string() });
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
                let timer = rt::sleep_until(self.session.deadline()).fuse();
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
                if let Some(error) = error {
                    self.no_line(error)?;
                }
                self.handle(Input::SocketClosed)
            }
        }
    }

    /// Ends the program if the server never answered; otherwise says once what is wrong, and goes on.
    fn no_line(&mut self, source: socket::SocketError) -> Result<(), Error> {
        let origin = self.home.connect_origin().clone();
        if !self.was_joined {
            return Err(Error::Socket { origin, source });
        }
        if self.peer.is_none() && !std::mem::replace(&mut self.outage_told, true) {
            self.screen.show(&notice(format!("{origin}: {source}; trying again")));
        }
        Ok(())
    }

    fn handle(&mut self, input: Input) -> Result<(), Error> {
        self.session.handle(rt::now(), input);
        while let Some(output) = self.session.poll() {
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
                return Err(match self.peer.clone() {
                    Some(peer) => Error::NoCall { peer, why },
                    None => Error::NotWaiting { uid: self.uid.clone(), why },
                });
            }
        }
        Ok(())
    }

    fn connect(&mut self) {
        self.home.revive();
        self.sockets += 1;
        let (origin, events) = (self.home.connect_origin(), self.socket_sender.clone());
        self.socket = Some(Socket::connect(origin, &self.resume, self.sockets, events));
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
        // A device that hangs in closing must not keep the program: the system takes it back.
        let _ = rt::timeout(CLOSE_LIMIT, rt::blocking(move || drop(media))).await;
        self.screen.show(&screen::Event::Ended);
    }
}

/// A number, as stock peers have it: some of them read nothing else.
fn random_uid(seed: u64) -> Result<PeerUid, Error> {
    let number = 1 + seed % 1_000_000_000;
    number.to_string().parse().map_err(|_| Error::Unknown)
}
