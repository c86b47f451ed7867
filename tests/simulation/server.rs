//! The real switchboard behind links that are as bad as the schedule wants them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use twocan::{
    conversation::Input,
    rendezvous::{Resume, ServerLine},
    switchboard::{self, ConnectionId, Dialect, Limits, Output, Switchboard},
};

use crate::{
    trace,
    world::{Happening, World},
};

/// How a line of text fares, each with this probability.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    pub drop: f64,
    pub delay: f64,
    pub repeat: f64,
    pub reorder: f64,
    pub truncate: f64,
}

/// What goes over a link to the server.
#[derive(Debug, Clone)]
pub enum Up {
    Opened,
    Text(String),
    Pong,
    Closed,
}

/// What comes back.
#[derive(Debug, Clone)]
pub enum Down {
    Open,
    Line(Arc<str>),
    Closed,
}

#[derive(Debug)]
pub struct Socket {
    pub side: usize,
    run: u32,
    /// Which of the server's lives it belongs to.
    life: u32,
    at_server: bool,
    pub at_side: bool,
    /// Nothing gets through, and neither end knows.
    is_half_dead: bool,
    last_up: Instant,
    last_down: Instant,
}

#[derive(Debug)]
pub struct Server {
    pub switchboard: Switchboard,
    pub sockets: Vec<Socket>,
    pub is_up: bool,
    pub life: u32,
    pub weather: Weather,
}

impl Server {
    /// One that is up, with nobody there.
    pub fn new() -> Self {
        Self { switchboard: empty(), sockets: Vec::new(), is_up: true, life: 0, weather: Weather::default() }
    }
}

fn empty() -> Switchboard {
    Switchboard::new(Limits::default(), [7; 32])
}

impl World {
    pub fn connect(&mut self, side: usize) {
        self.disconnect(side);
        let socket = self.server.sockets.len();
        self.server.sockets.push(Socket {
            side,
            run: self.sides[side].runs,
            life: self.server.life,
            at_server: false,
            at_side: true,
            is_half_dead: false,
            last_up: self.now,
            last_down: self.now,
        });
        if let Some(run) = &mut self.sides[side].run {
            run.socket = Some(socket);
        }
        let at = self.now + self.latency();
        if self.server.is_up {
            self.at(at, Happening::ToServer(socket, Up::Opened));
        } else {
            self.at(at, Happening::ToSide(socket, Down::Closed));
        }
    }

    /// The side lets go of its connection; the server hears of it, unless nothing gets through.
    pub fn disconnect(&mut self, side: usize) {
        let Some(socket) = self.sides[side].run.as_mut().and_then(|run| run.socket.take()) else { return };
        self.server.sockets[socket].at_side = false;
        self.up(socket, Up::Closed);
    }

    pub fn say(&mut self, side: usize, text: String) {
        if let Some(socket) = self.sides[side].run.as_ref().and_then(|run| run.socket) {
            self.send_up(socket, text);
        }
    }

    fn send_up(&mut self, socket: usize, text: String) {
        let texts = self.weather(socket, text);
        for (text, wait, in_order) in texts {
            if in_order {
                self.hold_up(socket, wait);
                self.up(socket, Up::Text(text));
            } else {
                let at = self.now + wait;
                self.at(at, Happening::ToServer(socket, Up::Text(text)));
            }
        }
    }

    /// Sends something to the server, in order.
    fn up(&mut self, socket: usize, up: Up) {
        let at = (self.now + self.latency()).max(self.server.sockets[socket].last_up);
        self.server.sockets[socket].last_up = at;
        if !self.server.sockets[socket].is_half_dead {
            self.at(at, Happening::ToServer(socket, up));
        }
    }

    pub fn down(&mut self, socket: usize, down: Down) {
        let at = (self.now + self.latency()).max(self.server.sockets[socket].last_down);
        self.server.sockets[socket].last_down = at;
        if !self.server.sockets[socket].is_half_dead {
            self.at(at, Happening::ToSide(socket, down));
        }
    }

    pub fn send_down(&mut self, socket: usize, text: &str) {
        let texts = self.weather(socket, text.to_owned());
        for (text, wait, in_order) in texts {
            if in_order {
                self.hold_up(socket, wait);
                self.down(socket, Down::Line(text.into()));
            } else {
                let at = self.now + wait;
                self.at(at, Happening::ToSide(socket, Down::Line(text.into())));
            }
        }
    }

    /// Nothing gets through for a while; then all of it, in order.
    fn hold_up(&mut self, socket: usize, wait: Duration) {
        let (until, socket) = (self.now + wait, &mut self.server.sockets[socket]);
        if !wait.is_zero() {
            socket.last_up = socket.last_up.max(until);
            socket.last_down = socket.last_down.max(until);
        }
    }

    /// What becomes of a text on its way: none, one or two, how long each is held up, and whether in order.
    fn weather(&mut self, socket: usize, text: String) -> Vec<(String, Duration, bool)> {
        let weather = self.server.weather;
        let draw = self.random.f64();
        let mut below = 0.0;
        let mut is = |share: f64| {
            below += share;
            draw < below
        };
        let what;
        let mut texts = Vec::with_capacity(2);
        if is(weather.drop) {
            what = "drops";
        } else if is(weather.delay) {
            what = "delays";
            texts.push((text.clone(), self.span(100, 3000), true));
        } else if is(weather.repeat) {
            what = "repeats";
            texts.push((text.clone(), Duration::ZERO, true));
            texts.push((text.clone(), self.span(0, 3000), false));
        } else if is(weather.reorder) {
            what = "reorders";
            texts.push((text.clone(), self.span(0, 2000), false));
        } else if is(weather.truncate) && !is_name(&text) {
            what = "truncates";
            let mut end = self.random.usize(0..=text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            texts.push((text[..end].to_owned(), Duration::ZERO, true));
        } else {
            texts.push((text, Duration::ZERO, true));
            return texts;
        }
        trace::note(|| {
            let side = self.server.sockets[socket].side;
            format!("{} server {what}, of side {side}: {text:.100}", self.clock())
        });
        texts
    }

    pub fn arrive_at_side(&mut self, socket: usize, down: Down) {
        let it = &self.server.sockets[socket];
        let side = it.side;
        if !it.at_side || self.sides[side].runs != it.run || (it.is_half_dead && !matches!(down, Down::Closed)) {
            return;
        }
        match down {
            Down::Open => {
                trace::note(|| format!("{} side {side}: line open", self.clock()));
                self.tell(side, Input::SocketOpen);
            }
            Down::Line(text) => {
                trace::note(|| format!("{} side {side}: hears {text:.170}", self.clock()));
                if let Ok(line) = text.parse::<ServerLine>() {
                    self.tell(side, Input::Line(line));
                    self.check_spoilt(socket, &text);
                }
            }
            Down::Closed => {
                trace::note(|| format!("{} side {side}: line closed", self.clock()));
                self.server.sockets[socket].at_side = false;
                self.sides[side].run.iter_mut().for_each(|run| run.socket = None);
                self.tell(side, Input::SocketClosed);
            }
        }
    }

    pub fn arrive_at_server(&mut self, socket: usize, up: Up) {
        let it = &mut self.server.sockets[socket];
        if it.life != self.server.life || !self.server.is_up {
            return;
        }
        let id = ConnectionId(socket as u64);
        // A program is known again by the server when it comes back.
        let resume = Resume::from_bits((it.side as u128) << 32 | u128::from(it.run));
        let input = match &up {
            _ if it.is_half_dead && !matches!(up, Up::Closed) => return,
            Up::Opened => {
                it.at_server = true;
                switchboard::Input::Opened(Dialect::Rendezvous(Some(&resume)))
            }
            _ if !it.at_server => return,
            Up::Text(text) => switchboard::Input::Text(text),
            Up::Pong => switchboard::Input::Frame,
            Up::Closed => {
                it.at_server = false;
                switchboard::Input::Closed
            }
        };
        self.server.switchboard.handle(self.now, id, input);
        if matches!(up, Up::Opened) {
            self.down(socket, Down::Open);
        }
        self.serve();
    }

    pub fn serve(&mut self) {
        while let Some(output) = self.server.switchboard.poll_output() {
            match output {
                Output::Send { to, text, .. } => self.route(to.0 as usize, &text),
                Output::Ping { to } => {
                    let socket = to.0 as usize;
                    if self.server.sockets[socket].at_side {
                        let at = self.now + self.latency();
                        self.server.sockets[socket].last_up = self.server.sockets[socket].last_up.max(at);
                        self.up(socket, Up::Pong);
                    }
                }
                Output::Close { to, .. } => {
                    let socket = to.0 as usize;
                    self.server.sockets[socket].at_server = false;
                    self.down(socket, Down::Closed);
                }
            }
        }
    }

    pub fn restart_server(&mut self, is_up: bool) {
        trace::note(|| format!("{} server is {}", self.clock(), if is_up { "up" } else { "down" }));
        self.server.is_up = is_up;
        if !is_up {
            self.server.life += 1;
            self.server.switchboard = empty();
            for socket in 0..self.server.sockets.len() {
                if self.server.sockets[socket].at_side {
                    self.server.sockets[socket].at_server = false;
                    self.down(socket, Down::Closed);
                }
            }
        }
    }

    /// A connection breaks, and both ends are told.
    pub fn lose_socket(&mut self, side: usize) {
        if let Some(socket) = self.sides[side].run.as_ref().and_then(|run| run.socket) {
            self.up(socket, Up::Closed);
            self.down(socket, Down::Closed);
        }
    }

    /// A connection dies without a word; both ends notice after a while, each for itself.
    pub fn half_kill(&mut self, side: usize) {
        if let Some(socket) = self.sides[side].run.as_ref().and_then(|run| run.socket) {
            trace::note(|| format!("{} server: the line of side {side} is half dead", self.clock()));
            self.server.sockets[socket].is_half_dead = true;
            let (up, down) = (self.soon(200, 6000), self.soon(200, 6000));
            self.at(up, Happening::ToServer(socket, Up::Closed));
            self.at(down, Happening::ToSide(socket, Down::Closed));
        }
    }

    /// The server says what is not so.
    pub fn lie(&mut self, side: usize, has_joined: bool) {
        let Some(socket) = self.sides[side].run.as_ref().and_then(|run| run.socket) else { return };
        let other = self.random.usize(0..self.disks.len());
        let disk = &self.disks[other];
        let uid = disk.instance.uid(&disk.conversation);
        let line = if has_joined { ServerLine::RoomPeerJoined(uid) } else { ServerLine::RoomPeerLeft(uid) };
        self.down(socket, Down::Line(line.to_string().into()));
    }
}

/// Whoever comes under half a name, or into half a room, is found by nobody: no server does that by accident.
fn is_name(text: &str) -> bool {
    text.starts_with("HELLO ") || text.starts_with("ROOM ")
}
