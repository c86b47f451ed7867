//! The line to the server, and who the server says is there.

use std::time::{Duration, Instant};

use super::{Conversation, Event, Gate, LineState, Output, Pairing, Presence};
use crate::{
    call,
    ids::PeerUid,
    rendezvous::{ClientLine, ServerLine, UID_TAKEN},
    seal::{self, Order},
};

/// How long the server may take to register this side: 6 s, twice its check of a half-dead holder.
pub const REGISTER_LIMIT: Duration = Duration::from_secs(6);
/// How often the server is asked who is there while somebody who is wanted is not: every 5 s. It may have told wrongly.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// How the line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// Not begun, or given up.
    Idle,
    Connecting,
    Registering {
        until: Instant,
    },
    Joining {
        until: Instant,
    },
    Joined,
    Offline {
        retry: Instant,
    },
    Taken,
}

impl Conversation {
    pub(super) fn start(&mut self) {
        if let Pairing::Waiting { .. } = self.pairing {
            self.event(Event::CodeShown);
        }
        self.event(Event::Gate(self.gate));
        if self.line == Line::Idle {
            self.connect();
        }
    }

    pub(super) fn take_over(&mut self) {
        if self.line == Line::Taken {
            self.connect();
        }
    }

    pub(super) fn connect(&mut self) {
        self.line = Line::Connecting;
        self.event(Event::Line(LineState::Connecting));
        self.outputs.push_back(Output::Connect);
    }

    pub(super) fn socket_open(&mut self, now: Instant) {
        if self.line == Line::Connecting {
            self.line = Line::Registering { until: now + REGISTER_LIMIT };
            self.send(ClientLine::Hello(self.instance.uid(&self.id)));
        }
    }

    pub(super) fn socket_closed(&mut self, now: Instant) {
        match self.line {
            Line::Idle | Line::Taken | Line::Offline { .. } => return,
            Line::Connecting | Line::Registering { .. } | Line::Joining { .. } | Line::Joined => {}
        }
        let retry = self.backoff.next(now, &mut self.random);
        self.line = Line::Offline { retry };
        self.event(Event::Line(LineState::Offline { retry }));
        self.far_unreachable(now);
    }

    /// The line to the server is made anew at once, and the call gets a new connection when the two meet.
    pub(super) fn network_changed(&mut self, now: Instant) {
        match self.line {
            Line::Idle | Line::Taken => return,
            Line::Offline { .. } => {}
            Line::Connecting | Line::Registering { .. } | Line::Joining { .. } | Line::Joined => {
                self.outputs.push_back(Output::Disconnect);
                self.far_unreachable(now);
            }
        }
        self.backoff.reset();
        self.call.handle(now, call::Input::Renew);
        self.connect();
    }

    pub(super) fn line(&mut self, now: Instant, line: ServerLine) {
        match line {
            ServerLine::Hello => self.registered(now),
            ServerLine::RoomOk(members) => self.joined(now, &members),
            ServerLine::RoomPeerJoined(uid) if self.is_far(&uid) => self.far_arrived(now, Order::Waits),
            ServerLine::RoomPeerLeft(uid) if self.is_far(&uid) => self.far_left(now),
            ServerLine::RoomPeerMsg { from, text } => self.frame(now, &from, text),
            ServerLine::RoomPeerList(members) => self.looked(now, &members),
            ServerLine::Error(text) => self.server_error(text),
            ServerLine::RoomPeerJoined(_) | ServerLine::RoomPeerLeft(_) | ServerLine::SessionOk => {}
        }
    }

    pub(super) fn registered(&mut self, now: Instant) {
        if let Line::Registering { .. } = self.line {
            self.line = Line::Joining { until: now + REGISTER_LIMIT };
            self.send(ClientLine::Room(self.id.room()));
        }
    }

    pub(super) fn joined(&mut self, now: Instant, members: &[PeerUid]) {
        if !matches!(self.line, Line::Joining { .. }) {
            return;
        }
        self.line = Line::Joined;
        self.joined_before = true;
        self.backoff.reset();
        self.event(Event::Line(LineState::Joined));
        if members.iter().any(|uid| self.is_far(uid)) {
            self.far_arrived(now, Order::Begins);
        }
    }

    /// While this side waits for the far one, it looks for it now and then.
    pub(super) fn set_look(&mut self, now: Instant) {
        let is_wanted = self.gate == Gate::Open || self.wish.is_wanted() || !self.is_paired();
        let is_missed = self.line == Line::Joined && !self.met && self.pairing.far().is_some();
        self.look = (is_wanted && is_missed).then(|| self.look.unwrap_or(now + LOOK_INTERVAL));
    }

    pub(super) fn looked(&mut self, now: Instant, members: &[PeerUid]) {
        if members.iter().any(|uid| self.is_far(uid)) {
            self.far_arrived(now, Order::Begins);
        } else if !self.met {
            self.far_unreachable(now);
        }
    }

    pub(super) fn server_error(&mut self, text: String) {
        let is_registering = matches!(self.line, Line::Registering { .. } | Line::Joining { .. });
        match text.as_str() {
            // Our own half-dead connection may hold the uid for a while after a break: then it is only tried again.
            UID_TAKEN if self.joined_before => {}
            UID_TAKEN => {
                self.line = Line::Taken;
                self.event(Event::Line(LineState::Taken));
                self.outputs.push_back(Output::Disconnect);
            }
            // In the room it only says that somebody has just left it.
            _ if !is_registering => tracing::debug!("the server could not deliver a message"),
            _ => self.event(Event::ServerError(text)),
        }
    }

    pub(super) fn far_arrived(&mut self, now: Instant, order: Order) {
        if self.line == Line::Joined {
            self.channel.handle(now, seal::Input::Here(order));
        }
    }

    pub(super) fn far_left(&mut self, now: Instant) {
        self.call.handle(now, call::Input::FarLeft);
        self.far_unreachable(now);
    }

    pub(super) fn far_unreachable(&mut self, now: Instant) {
        self.channel.handle(now, seal::Input::Away);
        self.drain(now);
        self.set_far(Presence::Away);
    }

    pub(super) fn set_far(&mut self, presence: Presence) {
        if self.far != presence {
            self.far = presence;
            self.event(Event::Far(presence));
        }
    }
}
