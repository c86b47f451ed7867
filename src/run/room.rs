//! `twocan room`: several in one room, by ROOM at a rendezvous server, with peers of any make.

mod tell;

use super::{
    Error, Means,
    home::Home,
    random_bytes,
    station::{Station, Wake, understood},
};
use crate::{
    conversation::{Gate, LineState, Switch, Track},
    ids::RoomId,
    media::Media,
    room::{Event, Input, Output, Room, Setup},
    rt,
    screen::{self, Command, Screen},
    socket::{self, Socket, SocketError},
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
    visit.station.close().await;
    result
}

struct Visit {
    room: Room,
    muted: super::tell::Muted,
    station: Station,
    is_over: bool,
}

impl Visit {
    fn begin(Options { room: name, gate, means }: Options) -> Result<Self, Error> {
        let Means { server, host, media, face, started } = means;
        let home = Home::open(server, &host)?;
        let screen = Screen::open(face, started)?;
        let seed = u64::from_ne_bytes(random_bytes()?);
        let room = Room::new(Setup { room: name.clone(), seed });
        let station = Station::new(home, screen, |events| Media::start_room(media, events))?;
        let mut visit = Self { room, muted: super::tell::Muted::default(), station, is_over: false };
        visit.introduce(&name);
        visit.handle(Input::Start)?;
        visit.handle(Input::Gate(gate))?;
        Ok(visit)
    }

    fn introduce(&mut self, name: &RoomId) {
        self.station.introduce(None, name.to_string());
        let link = self.station.home.link_origin().room(name).to_string();
        let local = self.station.home.page().room(name).to_string();
        let local = (local != link).then_some(local);
        self.show(&screen::Event::Unsealed);
        self.show(&screen::Event::Room { name: name.to_string(), link, local });
    }

    async fn run(&mut self) -> Result<(), Error> {
        while !self.is_over {
            match self.station.wake(self.room.deadline()).await? {
                Wake::Command(command) => self.command(command)?,
                Wake::Call(connection, event) => self.handle(Input::Media(connection, event))?,
                Wake::Media(event) => tell::media(event, &self.room).iter().for_each(|event| self.show(event)),
                Wake::Socket(event) => self.socket_event(event)?,
                Wake::Network => self.handle(Input::NetworkChanged)?,
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
            Command::Mute { on } => {
                self.handle(Input::Track(Track::Microphone, if on { Switch::Off } else { Switch::On }))
            }
            Command::Camera { on } => {
                self.handle(Input::Track(Track::Camera, if on { Switch::On } else { Switch::Off }))
            }
            // There is no one call that could be ended: to end it is to leave the room.
            Command::HangUp | Command::TakeOver => Ok(()),
            Command::Volume { percent } => {
                self.station.set_volume(percent);
                Ok(())
            }
            Command::Quit => {
                self.is_over = true;
                Ok(())
            }
        }
    }

    fn socket_event(&mut self, event: socket::Event) -> Result<(), Error> {
        match event {
            socket::Event::Open => self.handle(Input::SocketOpen),
            socket::Event::Line(line) => understood(&line).map_or(Ok(()), |line| self.handle(Input::Line(line))),
            socket::Event::Closed(error) => {
                error.filter(SocketError::is_trouble).map_or(Ok(()), |error| self.no_line(error))?;
                self.handle(Input::SocketClosed)
            }
        }
    }

    /// Ends the program if the server never answered; otherwise says once what is wrong, and goes on.
    fn no_line(&mut self, error: SocketError) -> Result<(), Error> {
        if !self.station.was_joined() && !error.was_spoken_to() {
            return Err(self.station.unusable(error));
        }
        self.station.tell_outage(&error);
        error.back_in().map_or(Ok(()), |back_in| self.handle(Input::ServerStops(back_in)))
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
            Output::Connect => self.station.connect(Socket::connect),
            Output::Disconnect => self.station.disconnect(),
            Output::Send(line) => self.station.send(line.to_string()),
            Output::Media(connection, command) => self.station.call(connection, command),
            Output::Gate(gate) => self.station.set_gate(gate),
            Output::Track(track, switch) => self.station.switch(track, switch),
            Output::Event(event) => {
                if event == Event::Line(LineState::Joined) {
                    self.station.joined();
                }
                let told = tell::room(event, &mut self.muted);
                self.show(&told);
            }
        }
    }

    fn show(&mut self, event: &screen::Event) {
        self.station.screen.show(event);
    }
}
