//! `twocan room`: several in one room, by ROOM at a rendezvous server, with peers of any make.

mod tell;

use futures_util::{FutureExt, pin_mut, select_biased};

use super::{Error, MEDIA_BACKLOG, Means, SOCKET_BACKLOG, home::Home, ice, notice, random_bytes, random_id, unix_now};
use crate::{
    conversation::{Gate, LineState, Switch, Track},
    ids::RoomId,
    media::{self, Media, MediaError},
    network,
    rendezvous::{Resume, ServerLine},
    room::{Event, Input, Output, Room, Setup},
    rt,
    screen::{self, Command, Screen},
    socket::{self, Socket},
};

/// What `twocan room` was asked for.
pub struct Options {
    /// Which room.
    pub room: RoomId,
    /// Whether to begin unpaused.
    pub gate: Gate,
    /// Where to meet, with what, and how it is shown.
    pub means: Means,
}

/// Enters a room, and stays there until its user quits.
pub async fn room(options: Options) -> Result<(), Error> {
    let mut visit = Visit::begin(options)?;
    let result = visit.run().await;
    visit.end().await;
    result
}

struct Visit {
    name: RoomId,
    room: Room,
    gate: Gate,
    muted: super::tell::Muted,
    home: Home,
    screen: Screen,
    media: Option<Media>,
    media_events: rt::Receiver<media::Event>,
    /// None once there is nobody who would tell.
    network_changes: Option<rt::Receiver<()>>,
    _network: network::Watch,
    socket: Option<Socket>,
    /// The one that was left last, which may still be saying goodbye.
    left: Option<Socket>,
    sockets: u64,
    resume: Resume,
    socket_sender: rt::Sender<(u64, socket::Event)>,
    socket_events: rt::Receiver<(u64, socket::Event)>,
    was_joined: bool,
    outage_told: bool,
    is_over: bool,
}

/// What the loop wakes up for.
enum Wake {
    Command(Option<Command>),
    Media(media::Event),
    Socket(u64, socket::Event),
    Network(Option<()>),
    Deadline,
    Terminated,
}

impl Visit {
    fn begin(Options { room: name, gate, means }: Options) -> Result<Self, Error> {
        let Means { server, host, media, face, started } = means;
        let home = Home::open(server, &host)?;
        let screen = Screen::open(face, started)?;
        let seed = u64::from_ne_bytes(random_bytes()?);
        let room = Room::new(Setup { room: name.clone(), seed });
        let (media_sender, media_events) = rt::channel(MEDIA_BACKLOG);
        let media = Media::start_room(media, media_sender)?;
        ice::keep_asking(&home, &media);
        let (socket_sender, socket_events) = rt::channel(SOCKET_BACKLOG);
        // One that waits stands for all that came meanwhile.
        let (network_sender, network_changes) = rt::channel(1);
        let mut visit = Self {
            name,
            room,
            gate: Gate::Closed,
            muted: super::tell::Muted::default(),
            home,
            screen,
            media: Some(media),
            media_events,
            network_changes: Some(network_changes),
            _network: network::watch(network_sender),
            socket: None,
            left: None,
            sockets: 0,
            resume: Resume::from_bits(random_id()?),
            socket_sender,
            socket_events,
            was_joined: false,
            outage_told: false,
            is_over: false,
        };
        visit.introduce();
        visit.handle(Input::Start)?;
        visit.handle(Input::Gate(gate))?;
        Ok(visit)
    }

    fn introduce(&mut self) {
        let unix_ms = unix_now().as_secs_f64() * 1000.0;
        let (version, name) = (env!("CARGO_PKG_VERSION").into(), self.name.to_string());
        let link = self.home.link_origin().room(&self.name).to_string();
        let local = self.home.page().room(&self.name).to_string();
        let local = (local != link).then_some(local);
        for event in [
            screen::Event::Started { version, unix_ms, conversation: None, name: name.clone() },
            screen::Event::Server { url: self.home.page().to_string(), embedded: self.home.is_here() },
            screen::Event::Unsealed,
            screen::Event::Room { name, link, local },
        ] {
            self.screen.show(&event);
        }
    }

    async fn run(&mut self) -> Result<(), Error> {
        let terminated = rt::terminated()?.fuse();
        pin_mut!(terminated);
        while !self.is_over {
            let wake = {
                let command = self.screen.command().fuse();
                let media = self.media_events.recv().fuse();
                let socket = self.socket_events.recv().fuse();
                let network = super::next_change(self.network_changes.as_ref()).fuse();
                let timer = rt::sleep_until(self.room.deadline()).fuse();
                pin_mut!(command, media, socket, network, timer);
                // The user first: nothing that others say, however much, keeps this side from pausing or ending.
                select_biased! {
                    () = terminated => Wake::Terminated,
                    command = command => Wake::Command(command),
                    media = media => Wake::Media(media.unwrap_or(media::Event::Unusable(MediaError::Gone))),
                    socket = socket => socket.map_or(Wake::Deadline, |(number, event)| Wake::Socket(number, event)),
                    changed = network => Wake::Network(changed),
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
            Wake::Network(Some(())) => self.handle(Input::NetworkChanged),
            Wake::Network(None) => {
                self.network_changes = None;
                Ok(())
            }
            Wake::Deadline => self.handle(Input::Deadline),
        }
    }

    fn command(&mut self, command: Command) -> Result<(), Error> {
        match command {
            Command::Pause => self.handle(Input::Gate(Gate::Closed)),
            Command::Unpause => self.handle(Input::Gate(Gate::Open)),
            Command::Toggle if self.gate == Gate::Open => self.handle(Input::Gate(Gate::Closed)),
            Command::Toggle => self.handle(Input::Gate(Gate::Open)),
            Command::Mute { on } => {
                self.handle(Input::Track(Track::Microphone, if on { Switch::Off } else { Switch::On }))
            }
            Command::Camera { on } => {
                self.handle(Input::Track(Track::Camera, if on { Switch::On } else { Switch::Off }))
            }
            // There is no one call that could be ended: to end it is to leave the room.
            Command::HangUp | Command::TakeOver => Ok(()),
            Command::Volume { percent } => {
                self.media.iter().for_each(|media| media.set_volume(percent));
                self.screen.show(&screen::Event::Volume { percent });
                Ok(())
            }
            Command::Quit => {
                self.is_over = true;
                Ok(())
            }
        }
    }

    fn media_event(&mut self, event: media::Event) -> Result<(), Error> {
        match event {
            media::Event::Call(connection, event) => self.handle(Input::Media(connection, event)),
            media::Event::Unusable(error) => Err(error.into()),
            media::Event::Ready(_)
            | media::Event::Level { .. }
            | media::Event::Tone(_)
            | media::Event::Picture(_)
            | media::Event::Heard(..)
            | media::Event::Seen(..)
            | media::Event::Tones(_)
            | media::Event::Notice(_) => {
                tell::media(event, &self.room).iter().for_each(|event| self.screen.show(event));
                Ok(())
            }
        }
    }

    fn socket_event(&mut self, event: socket::Event) -> Result<(), Error> {
        match event {
            socket::Event::Open => self.handle(Input::SocketOpen),
            socket::Event::Line(line) => match line.parse::<ServerLine>() {
                Ok(line) => self.handle(Input::Line(line)),
                Err(error) => {
                    tracing::debug!(%error, "the server says what nobody understands");
                    Ok(())
                }
            },
            socket::Event::Closed(error) => {
                self.socket = None;
                if let Some(error) = error {
                    if let socket::SocketError::Restarts(back_in) = error {
                        self.handle(Input::ServerStops(back_in))?;
                    }
                    self.no_line(error)?;
                }
                self.handle(Input::SocketClosed)
            }
        }
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
        if !std::mem::replace(&mut self.outage_told, true) {
            self.screen.show(&notice(format!("{origin}: {source}; trying again")));
        }
        Ok(())
    }

    fn handle(&mut self, input: Input) -> Result<(), Error> {
        self.room.handle(rt::now(), input);
        while let Some(output) = self.room.poll() {
            self.carry_out(output);
        }
        Ok(())
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Connect => self.connect(),
            Output::Disconnect => self.left = self.socket.take(),
            Output::Send(line) => self.socket.iter().for_each(|socket| socket.send(line.to_string())),
            Output::Media(connection, command) => {
                self.media.iter().for_each(|media| media.call(connection.clone(), command.clone()));
            }
            Output::Gate(gate) => {
                self.gate = gate;
                self.media.iter().for_each(|media| media.set_gate(gate));
            }
            Output::Track(track, switch) => self.media.iter().for_each(|media| media.switch(track, switch)),
            Output::Event(event) => {
                if event == Event::Line(LineState::Joined) {
                    (self.was_joined, self.outage_told) = (true, false);
                }
                self.screen.show(&tell::room(event, &mut self.muted));
            }
        }
    }

    fn connect(&mut self) {
        self.home.revive().into_iter().for_each(|said| self.screen.show(&notice(said)));
        self.sockets += 1;
        let (origin, events) = (self.home.connect_origin(), self.socket_sender.clone());
        self.socket = Some(Socket::connect(origin, &self.resume, self.sockets, events));
    }

    /// Lets go of everything; the line first, so that the others hear of it at once.
    async fn end(mut self) {
        let media = self.media.take();
        for socket in [self.left.take(), self.socket.take()].into_iter().flatten() {
            socket.close().await;
        }
        super::close(media).await;
        self.screen.show(&screen::Event::Ended);
    }
}
