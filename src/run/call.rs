//! `twocan call`: a call with a WebRTC app of any make, by SESSION at a rendezvous server, or by its directory.

mod way;

use super::{
    Error, Means,
    home::Home,
    notice,
    station::{Station, Wake},
    tell,
};
use crate::{
    call::Phase,
    conversation::{Gate, LineState, Switch, Track},
    ids::PeerUid,
    media::{self, Far, Media},
    rt,
    screen::{self, Command, Screen},
    session::{Event, Input, Output},
    socket::{self, SocketError},
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
    caller.station.close().await;
    result
}

struct Caller {
    way: Way,
    /// What the one goes by who is called, or who waits.
    name: String,
    waits: bool,
    muted: tell::Muted,
    station: Station,
    is_far_here: bool,
    is_over: bool,
}

impl Caller {
    fn begin(Options { who, name, gate, means }: Options) -> Result<Self, Error> {
        let Means { server, host, media, face, started } = means;
        let home = Home::open(server, &host)?;
        let screen = Screen::open(face, started)?;
        let waits = who.waits();
        let (way, name) = Way::to(who, name, gate)?;
        let media = media::Options { far: Far::Stock, ..media };
        let station = Station::new(home, screen, |events| Media::start(media, events))?;
        let muted = tell::Muted::default();
        let mut caller = Self { way, name, waits, muted, station, is_far_here: false, is_over: false };
        caller.introduce();
        caller.handle(Input::Start)?;
        Ok(caller)
    }

    fn introduce(&mut self) {
        self.station.introduce(None, self.name.clone());
        self.show(&screen::Event::Unsealed);
        if self.waits {
            let (uid, server) = (self.name.clone(), self.station.home.link_origin());
            let command = self.way.command_for(&uid, &server);
            self.show(&screen::Event::Waiting { uid, command });
        }
    }

    async fn run(&mut self) -> Result<(), Error> {
        while !self.is_over {
            match self.station.wake(self.way.deadline()).await? {
                Wake::Command(command) => self.command(command)?,
                Wake::Call(connection, event) => self.handle(Input::Media(connection, event))?,
                Wake::Media(event) => tell::media(event).iter().for_each(|event| self.show(event)),
                Wake::Socket(event) => self.socket_event(event)?,
                // Apps of other makes know of no way to move a call.
                Wake::Network => {}
                Wake::Deadline => self.handle(Input::Deadline)?,
            }
        }
        Ok(())
    }

    fn command(&mut self, command: Command) -> Result<(), Error> {
        match command {
            Command::Pause => self.handle(Input::Gate(Gate::Closed)),
            Command::Unpause => self.handle(Input::Gate(Gate::Open)),
            Command::Toggle if self.station.gate() == Gate::Open => self.handle(Input::Gate(Gate::Closed)),
            Command::Toggle => self.handle(Input::Gate(Gate::Open)),
            Command::Mute { on } => self.switch(Track::Microphone, if on { Switch::Off } else { Switch::On }),
            Command::Camera { on } => self.switch(Track::Camera, if on { Switch::On } else { Switch::Off }),
            Command::HangUp => self.handle(Input::HangUp),
            Command::TakeOver => Ok(()),
            Command::Volume { percent } => {
                self.station.set_volume(percent);
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
        self.station.switch(track, switch);
        let told = self.muted.note(track, switch);
        self.show(&told);
        Ok(())
    }

    fn socket_event(&mut self, event: socket::Event) -> Result<(), Error> {
        match event {
            socket::Event::Open => self.handle(Input::SocketOpen),
            socket::Event::Line(line) => self.handle(Input::Line(line)),
            socket::Event::Closed(error) => {
                let why = error.as_ref().map(|error| self.station.gone(error));
                error.filter(SocketError::is_trouble).map_or(Ok(()), |error| self.no_line(error))?;
                self.handle(why.map_or(Input::SocketClosed, Input::ServerGone))
            }
        }
    }

    /// Ends the program if the server never answered; otherwise says once what is wrong, and goes on.
    fn no_line(&mut self, error: SocketError) -> Result<(), Error> {
        if !self.station.was_joined() && !error.was_spoken_to() {
            return Err(self.station.unusable(error));
        }
        if self.waits {
            self.station.tell_outage(&error);
        }
        error.back_in().map_or(Ok(()), |back_in| self.handle(Input::ServerStops(back_in)))
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
            Output::Connect => {
                let way = &self.way;
                self.station.connect(|origin, resume, number, events| way.connect(origin, resume, number, events));
            }
            Output::Disconnect => self.station.disconnect(),
            Output::Send(line) => self.station.send(line),
            Output::Media(connection, command) => self.station.call(connection, command),
            Output::Gate(gate) => self.station.set_gate(gate),
            Output::Event(event) => self.tell(event),
            Output::Over(None) => self.is_over = true,
            Output::Over(Some(why)) => {
                let name = self.name.clone();
                return Err(if self.waits { Error::NotWaiting { name, why } } else { Error::NoCall { name, why } });
            }
        }
        Ok(())
    }

    fn tell(&mut self, event: Event) {
        let shown = match event {
            Event::Line(state) => {
                if state == LineState::Joined {
                    self.station.joined();
                }
                tell::line(state)
            }
            Event::Gate(gate) => screen::Event::Paused { paused: gate == Gate::Closed },
            Event::Notice(text) => notice(text),
            Event::ServerError(text) => notice(format!("the server says: {text}")),
            Event::Call(phase, ending) => {
                let here = phase != Phase::Idle;
                if std::mem::replace(&mut self.is_far_here, here) != here {
                    self.show(&screen::Event::Far { here });
                }
                tell::call(phase, ending)
            }
        };
        self.show(&shown);
    }

    fn show(&mut self, event: &screen::Event) {
        self.station.screen.show(event);
    }
}
