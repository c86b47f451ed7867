//! The states of a call, and when each is over.

use std::time::{Duration, Instant};

use super::{Connection, LIFE_LIMIT, PING_INTERVAL, Phase, REPEAT_INTERVAL};
use crate::{
    ids::SessionId,
    negotiation::{Candidate, Sdp, SdpType},
};

/// What a call waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The answer to an offer.
    Setup,
    /// The data channel, once both descriptions are there, and before that the own answer.
    Connection,
    /// The next connection of a call that is up.
    Update,
    /// The answer to a hang-up.
    Hangup,
    /// The own answer to a hang-up, to be gone.
    Close,
    /// The moment to tell a request again.
    Repeat,
    /// The next ping.
    Ping,
    /// A sign of life.
    Life,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Idle,
    /// This side offered.
    PendingOutgoing(Attempt),
    /// Both did, and this side's offer stands.
    ConflictResolution(Attempt),
    /// The far side offered; the answer is being made.
    PendingIncoming(Attempt),
    Answered(Attempt),
    DatachanEstablished(Link),
    /// This side offered another connection.
    UpdateSent(Link, Attempt),
    /// The far side did.
    UpdateRecv(Link, Attempt),
    HangupSent {
        connection: Connection,
        until: Instant,
    },
    Terminating {
        connection: Connection,
        until: Instant,
    },
}

/// Who made the offer of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Offers,
    Answers,
}

impl Role {
    /// What a side in this role describes itself by.
    pub(super) fn describes(self) -> SdpType {
        match self {
            Self::Offers => SdpType::Offer,
            Self::Answers => SdpType::Answer,
        }
    }
}

/// A connection in the making, and all that this side told of it: some of it may have to be told again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) connection: Connection,
    pub(super) role: Role,
    pub(super) until: Instant,
    pub(super) repeat: Instant,
    pub(super) own: Option<Sdp>,
    pub(super) candidates: Vec<Candidate>,
    /// The far side's candidates, to know those that are told again.
    pub(super) heard: Vec<Candidate>,
    pub(super) is_answered: bool,
}

impl Attempt {
    pub(super) fn new(now: Instant, connection: Connection, role: Role, limit: Duration) -> Self {
        Self {
            connection,
            role,
            until: now + limit,
            repeat: now + REPEAT_INTERVAL,
            own: None,
            candidates: Vec::new(),
            heard: Vec::new(),
            is_answered: false,
        }
    }
}

/// The connection of a call that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) connection: Connection,
    /// None once it is lost.
    pub(super) life: Option<Life>,
}

impl Link {
    pub(super) fn new(now: Instant, connection: Connection) -> Self {
        Self { connection, life: Some(Life { ping: now + PING_INTERVAL, dead: now + LIFE_LIMIT }) }
    }
}

/// When to ask for a sign of life, and when to stop waiting for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) ping: Instant,
    pub(super) dead: Instant,
}

impl State {
    /// What is due next, and when; of what is due at the same moment, what ends the state comes first.
    pub(super) fn timer(&self) -> Option<(Instant, Timer)> {
        match self {
            Self::Idle => None,
            Self::PendingOutgoing(attempt) | Self::ConflictResolution(attempt) => attempt.timer(Timer::Setup),
            Self::PendingIncoming(attempt) | Self::Answered(attempt) => attempt.timer(Timer::Connection),
            Self::DatachanEstablished(link) => link.timer(),
            Self::UpdateSent(link, attempt) | Self::UpdateRecv(link, attempt) => {
                [link.timer(), attempt.timer(Timer::Update)].into_iter().flatten().min()
            }
            Self::HangupSent { until, .. } => Some((*until, Timer::Hangup)),
            Self::Terminating { until, .. } => Some((*until, Timer::Close)),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self {
            Self::Idle | Self::Terminating { .. } => Phase::Idle,
            Self::PendingOutgoing(_) | Self::ConflictResolution(_) => Phase::Calling,
            Self::PendingIncoming(_) | Self::Answered(_) => Phase::Connecting,
            Self::DatachanEstablished(_) => Phase::Connected,
            Self::UpdateSent(link, _) | Self::UpdateRecv(link, _) if link.life.is_some() => Phase::Connected,
            Self::UpdateSent(..) | Self::UpdateRecv(..) => Phase::Reconnecting,
            Self::HangupSent { .. } => Phase::Ending,
        }
    }

    pub(super) fn session(&self) -> Option<&SessionId> {
        self.connected().or_else(|| self.attempt().map(|attempt| &attempt.connection)).map(|it| &it.session)
    }

    /// The connection that is up, or that waits to be closed.
    pub(super) fn connected(&self) -> Option<&Connection> {
        match self {
            Self::HangupSent { connection, .. } | Self::Terminating { connection, .. } => Some(connection),
            Self::Idle
            | Self::PendingOutgoing(_)
            | Self::ConflictResolution(_)
            | Self::PendingIncoming(_)
            | Self::Answered(_)
            | Self::DatachanEstablished(_)
            | Self::UpdateSent(..)
            | Self::UpdateRecv(..) => self.link().map(|link| &link.connection),
        }
    }

    pub(super) fn link(&self) -> Option<&Link> {
        match self {
            Self::DatachanEstablished(link) | Self::UpdateSent(link, _) | Self::UpdateRecv(link, _) => Some(link),
            Self::Idle
            | Self::PendingOutgoing(_)
            | Self::ConflictResolution(_)
            | Self::PendingIncoming(_)
            | Self::Answered(_)
            | Self::HangupSent { .. }
            | Self::Terminating { .. } => None,
        }
    }

    pub(super) fn link_mut(&mut self) -> Option<&mut Link> {
        match self {
            Self::DatachanEstablished(link) | Self::UpdateSent(link, _) | Self::UpdateRecv(link, _) => Some(link),
            Self::Idle
            | Self::PendingOutgoing(_)
            | Self::ConflictResolution(_)
            | Self::PendingIncoming(_)
            | Self::Answered(_)
            | Self::HangupSent { .. }
            | Self::Terminating { .. } => None,
        }
    }

    pub(super) fn attempt(&self) -> Option<&Attempt> {
        match self {
            Self::PendingOutgoing(attempt)
            | Self::ConflictResolution(attempt)
            | Self::PendingIncoming(attempt)
            | Self::Answered(attempt)
            | Self::UpdateSent(_, attempt)
            | Self::UpdateRecv(_, attempt) => Some(attempt),
            Self::Idle | Self::DatachanEstablished(_) | Self::HangupSent { .. } | Self::Terminating { .. } => None,
        }
    }

    pub(super) fn attempt_mut(&mut self) -> Option<&mut Attempt> {
        match self {
            Self::PendingOutgoing(attempt)
            | Self::ConflictResolution(attempt)
            | Self::PendingIncoming(attempt)
            | Self::Answered(attempt)
            | Self::UpdateSent(_, attempt)
            | Self::UpdateRecv(_, attempt) => Some(attempt),
            Self::Idle | Self::DatachanEstablished(_) | Self::HangupSent { .. } | Self::Terminating { .. } => None,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::PendingOutgoing(_) => "pending outgoing",
            Self::ConflictResolution(_) => "conflict resolution",
            Self::PendingIncoming(_) => "pending incoming",
            Self::Answered(_) => "answered",
            Self::DatachanEstablished(_) => "data channel established",
            Self::UpdateSent(..) => "update sent",
            Self::UpdateRecv(..) => "update received",
            Self::HangupSent { .. } => "hang-up sent",
            Self::Terminating { .. } => "terminating",
        }
    }
}

impl Attempt {
    fn timer(&self, limit: Timer) -> Option<(Instant, Timer)> {
        let repeat = (self.role == Role::Offers).then_some((self.repeat, Timer::Repeat));
        [Some((self.until, limit)), repeat].into_iter().flatten().min()
    }
}

impl Link {
    fn timer(&self) -> Option<(Instant, Timer)> {
        // A far side that is silent for too long is not asked again: the end of its time stands first.
        let Life { ping, dead } = self.life?;
        Some(if dead <= ping { (dead, Timer::Life) } else { (ping, Timer::Ping) })
    }
}
