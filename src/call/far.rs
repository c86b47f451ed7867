//! What the far side says of a call by the server.

use std::time::Instant;

use super::{
    Attempt, Body, CONNECTION_LIMIT, Call, Connection, Ending, Link, MediaCommand, Message, Output, Phase, Precedence,
    Role, Signal, State, Turn,
};
use crate::{
    ids::SessionId,
    negotiation::{Candidate, Sdp},
};

/// How many candidates of one connection are remembered, on either side: 64, as many as the media take.
pub(super) const CANDIDATES: usize = 64;

impl Call {
    pub(super) fn far(&mut self, now: Instant, signal: Signal) {
        match signal {
            Signal::Candidate(connection, candidate) => self.far_candidate(connection, candidate),
            Signal::Message(Message { session, turn, body }) => match (body, turn) {
                (Body::Setup { sdp, props }, Turn::Request) => {
                    if self.far_sets_up(now, session, sdp) {
                        self.outputs.push_back(Output::FarProps(props));
                    }
                }
                (Body::Update { generation, sdp, props }, Turn::Request) => {
                    if self.far_updates(now, Connection { session, generation }, sdp) {
                        self.outputs.push_back(Output::FarProps(props));
                    }
                }
                (Body::Setup { sdp, props }, Turn::Response) => {
                    self.far_answers(now, &Connection::first(session), sdp, props);
                }
                (Body::Update { generation, sdp, props }, Turn::Response) => {
                    self.far_answers(now, &Connection { session, generation }, sdp, props);
                }
                (Body::Cancel, Turn::Request) if self.is_current(&session) => {
                    self.ended = Some((session, Body::Cancel));
                    self.far_ends(Ending::FarHungUp);
                }
                (Body::Reject, Turn::Request) if self.is_current(&session) => {
                    self.ended = Some((session, Body::Reject));
                    self.far_ends(Ending::FarFailed);
                }
                // Its connection had closed before its word was here.
                (Body::Cancel, Turn::Request) if self.broken.take_if(|broken| *broken == session).is_some() => {
                    if self.state == State::Idle {
                        self.outputs.push_back(Output::Phase(Phase::Idle, Some(Ending::FarHungUp)));
                    }
                }
                (Body::Cancel | Body::Reject | Body::PropSync(_) | Body::Hangup, _) => self.out_of_turn("message"),
            },
        }
    }

    fn far_candidate(&mut self, connection: Connection, candidate: Candidate) {
        if let Some(attempt) = self.state.attempt_mut().filter(|attempt| attempt.connection == connection) {
            if attempt.heard.len() >= CANDIDATES || attempt.heard.contains(&candidate) {
                return;
            }
            attempt.heard.push(candidate.clone());
        } else if self.state.connected() != Some(&connection) {
            return self.out_of_turn("candidate of another connection");
        }
        self.media_command(&connection, MediaCommand::AddCandidate(candidate));
    }

    /// Whether the offer was taken.
    fn far_sets_up(&mut self, now: Instant, session: SessionId, sdp: Sdp) -> bool {
        if self.is_current(&session) {
            // Told again: it may not have got the answer.
            self.repeat_answer(&Connection::first(session));
            return false;
        }
        if let Some((_, word)) = self.ended.clone().filter(|(ended, _)| *ended == session) {
            self.tell(&session, word);
            return false;
        }
        match self.state.clone() {
            // A call that a person ended here is not begun anew by a far side that has not heard of it yet.
            State::HangupSent { .. } => {
                self.tell(&session, Body::Cancel);
                return false;
            }
            // Both offered at once, and ours stands.
            State::PendingOutgoing(attempt) if self.precedence == Precedence::Ours => {
                self.enter(State::ConflictResolution(attempt));
                return false;
            }
            State::ConflictResolution(_) => return false,
            // Theirs stands, or the far side begins anew: its page was reloaded, say.
            State::Idle
            | State::PendingOutgoing(_)
            | State::PendingIncoming(_)
            | State::Answered(_)
            | State::DatachanEstablished(_)
            | State::UpdateSent(..)
            | State::UpdateRecv(..)
            | State::Terminating { .. } => {}
        }
        self.disconnect();
        self.generation = 0;
        let connection = Connection::first(session);
        self.media_command(&connection, MediaCommand::Answer(sdp));
        self.enter(State::PendingIncoming(Attempt::new(now, connection, Role::Answers, CONNECTION_LIMIT)));
        true
    }

    /// Whether the offer was taken.
    fn far_updates(&mut self, now: Instant, connection: Connection, sdp: Sdp) -> bool {
        if !self.is_current(&connection.session) {
            self.tell(&connection.session, Body::Reject);
            return false;
        }
        let is_old = self.state.connected().is_some_and(|current| current.generation >= connection.generation);
        // Behind the last number no other could follow.
        if is_old || connection.generation == u32::MAX {
            self.out_of_turn("update of another time");
            return false;
        }
        let link = match self.state.clone() {
            State::DatachanEstablished(link) => link,
            State::UpdateRecv(_, attempt) if attempt.connection == connection => {
                self.repeat_answer(&connection);
                return false;
            }
            // Whoever made the later one knew of the earlier, and has given it up.
            State::UpdateSent(_, attempt) | State::UpdateRecv(_, attempt)
                if attempt.connection.generation > connection.generation =>
            {
                self.out_of_turn("update that another has replaced");
                return false;
            }
            // Both offered at once, and ours stands.
            State::UpdateSent(_, attempt)
                if attempt.connection == connection && self.precedence == Precedence::Ours =>
            {
                return false;
            }
            State::UpdateSent(link, attempt) | State::UpdateRecv(link, attempt) => {
                self.media_command(&attempt.connection, MediaCommand::Close);
                link
            }
            State::Idle
            | State::PendingOutgoing(_)
            | State::ConflictResolution(_)
            | State::PendingIncoming(_)
            | State::Answered(_)
            | State::HangupSent { .. }
            | State::Terminating { .. } => {
                self.out_of_turn("update");
                return false;
            }
        };
        self.receive_update(now, link, connection, sdp);
        true
    }

    fn receive_update(&mut self, now: Instant, link: Link, connection: Connection, sdp: Sdp) {
        self.generation = self.generation.max(connection.generation);
        self.media_command(&connection, MediaCommand::Answer(sdp));
        self.enter(State::UpdateRecv(link, Attempt::new(now, connection, Role::Answers, CONNECTION_LIMIT)));
    }

    fn far_answers(&mut self, now: Instant, connection: &Connection, sdp: Sdp, props: super::Props) {
        let is_awaited = |attempt: &Attempt| {
            attempt.connection == *connection && attempt.role == Role::Offers && !attempt.is_answered
        };
        if !self.state.attempt().is_some_and(is_awaited) {
            // Who answers what is given up would wait in vain.
            if !self.is_current(&connection.session) {
                self.tell(&connection.session, Body::Reject);
            }
            return self.out_of_turn("answer");
        }
        self.media_command(connection, MediaCommand::TakeAnswer(sdp));
        self.outputs.push_back(Output::FarProps(props));
        match self.state.clone() {
            State::PendingOutgoing(attempt) | State::ConflictResolution(attempt) => {
                let until = now + CONNECTION_LIMIT;
                self.enter(State::Answered(Attempt { until, is_answered: true, ..attempt }));
            }
            State::Idle
            | State::PendingIncoming(_)
            | State::Answered(_)
            | State::DatachanEstablished(_)
            | State::UpdateSent(..)
            | State::UpdateRecv(..)
            | State::HangupSent { .. }
            | State::Terminating { .. } => {
                self.state.attempt_mut().into_iter().for_each(|attempt| attempt.is_answered = true);
            }
        }
    }

    /// The far side ends the call; also one that is up here, as it may not have seen the data channel open.
    fn far_ends(&mut self, ending: Ending) {
        if self.is_over() { self.close() } else { self.end(ending) }
    }

    /// Tells the far side again what it has been told of the connection in the making.
    pub(super) fn repeat(&mut self, now: Instant) {
        let Some(attempt) = self.state.attempt_mut() else { return };
        attempt.repeat = now + super::REPEAT_INTERVAL;
        let attempt = attempt.clone();
        self.tell_description(&attempt);
        for candidate in attempt.candidates {
            self.outputs.push_back(Output::Signal(Signal::Candidate(attempt.connection.clone(), candidate)));
        }
    }

    fn repeat_answer(&mut self, connection: &Connection) {
        let Some(attempt) = self.state.attempt() else { return };
        if attempt.role == Role::Answers && attempt.connection == *connection {
            let now = attempt.repeat;
            self.repeat(now);
        }
    }

    /// Tells the own description, once it is made.
    pub(super) fn tell_description(&mut self, attempt: &Attempt) {
        let Some(sdp) = attempt.own.clone() else { return };
        let (props, Connection { session, generation }) = (self.props.clone(), attempt.connection.clone());
        let turn = match attempt.role {
            Role::Offers => Turn::Request,
            Role::Answers => Turn::Response,
        };
        let body = match generation {
            0 => Body::Setup { sdp, props },
            generation => Body::Update { generation, sdp, props },
        };
        self.signal(Message { session, turn, body });
    }
}
