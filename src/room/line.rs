//! The line to the server: registering, entering the room, and coming back to it.

use std::time::Instant;

use super::{Event, Output, Room, number};
use crate::{
    conversation::{LineState, REGISTER_LIMIT},
    rendezvous::{ClientLine, ServerLine, UID_TAKEN},
};

/// How the line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// Not begun.
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
}

impl Line {
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Registering { until } | Self::Joining { until } => Some(*until),
            Self::Offline { retry } => Some(*retry),
            Self::Idle | Self::Connecting | Self::Joined => None,
        }
    }
}

impl Room {
    pub(super) fn connect(&mut self) {
        self.line = Line::Connecting;
        self.event(Event::Line(LineState::Connecting));
        self.outputs.push_back(Output::Connect);
    }

    pub(super) fn socket_open(&mut self, now: Instant) {
        if self.line == Line::Connecting {
            self.line = Line::Registering { until: now + REGISTER_LIMIT };
            self.outputs.push_back(Output::Send(ClientLine::Hello(self.uid.clone())));
        }
    }

    /// Connections that stand go on without the server; what was still to be said is not.
    pub(super) fn socket_closed(&mut self, now: Instant) {
        match self.line {
            Line::Idle | Line::Offline { .. } => return,
            Line::Connecting | Line::Registering { .. } | Line::Joining { .. } | Line::Joined => {}
        }
        let retry = self.backoff.next(now, &mut self.random);
        self.line = Line::Offline { retry };
        self.event(Event::Line(LineState::Offline { retry }));
        self.members.values_mut().for_each(|member| member.end_tries(now));
    }

    /// The line is made anew at once; who comes offers, so every connection is made anew too.
    pub(super) fn network_changed(&mut self, now: Instant) {
        match self.line {
            Line::Idle => return,
            Line::Offline { .. } => {}
            Line::Connecting | Line::Registering { .. } | Line::Joining { .. } | Line::Joined => {
                self.outputs.push_back(Output::Disconnect);
                self.socket_closed(now);
            }
        }
        self.backoff.reset();
        self.connect();
    }

    pub(super) fn line_expired(&mut self, now: Instant) {
        if let Line::Offline { .. } = self.line {
            self.connect();
        } else {
            self.outputs.push_back(Output::Disconnect);
            self.socket_closed(now);
        }
    }

    pub(super) fn server(&mut self, now: Instant, line: ServerLine) {
        match line {
            ServerLine::Hello => {
                if let Line::Registering { .. } = self.line {
                    self.line = Line::Joining { until: now + REGISTER_LIMIT };
                    self.outputs.push_back(Output::Send(ClientLine::Room(self.room.clone())));
                }
            }
            ServerLine::RoomOk(there) => {
                if let Line::Joining { .. } = self.line {
                    self.line = Line::Joined;
                    self.backoff.reset();
                    self.event(Event::Number(self.uid.clone()));
                    self.event(Event::Line(LineState::Joined));
                    self.joined(now, &there);
                }
            }
            ServerLine::RoomPeerJoined(uid) => self.arrived(now, uid),
            ServerLine::RoomPeerLeft(uid) => self.left(now, &uid),
            ServerLine::RoomPeerMsg { from, text } => self.said(now, &from, &text),
            ServerLine::Error(text) => self.refused(text),
            ServerLine::RoomPeerList(_) | ServerLine::SessionOk => {}
        }
    }

    fn refused(&mut self, text: String) {
        match self.line {
            // Somebody else has drawn the same number, or this side's own lost line still holds it.
            Line::Registering { .. } if text == UID_TAKEN => self.uid = number(&mut self.random),
            Line::Registering { .. } | Line::Joining { .. } => {
                self.event(Event::ServerError(text));
            }
            // In the room it only says that somebody has just left it.
            Line::Idle | Line::Connecting | Line::Joined | Line::Offline { .. } => {
                tracing::debug!("the server could not deliver a message");
            }
        }
    }
}
