//! What the media tell a call: what to say of its connections, and what the far side says on them.

use std::time::Instant;

use super::{
    Attempt, Body, CLOSE_DELAY, CONNECTION_LIMIT, Call, Connection, Ending, Heartbeat, Link, MediaCommand, MediaEvent,
    Message, Output, Signal, State, Turn, far::CANDIDATES,
};
use crate::negotiation::{Candidate, Sdp, SdpType};

impl Call {
    pub(super) fn media(&mut self, now: Instant, connection: &Connection, event: MediaEvent) {
        let is_next = self.state.attempt().is_some_and(|attempt| attempt.connection == *connection);
        if !is_next && self.state.connected() != Some(connection) {
            return; // A connection that is closed has nothing more to tell.
        }
        match event {
            MediaEvent::Described(kind, sdp) => self.described(now, connection, kind, sdp),
            MediaEvent::Candidate(candidate) => self.found(connection, candidate),
            MediaEvent::Connected => {} // The data channel follows, and counts.
            MediaEvent::DataOpen if is_next => self.data_open(now, connection),
            MediaEvent::DataOpen => self.out_of_turn("data channel"),
            MediaEvent::DataText(text) => self.data_text(now, connection, &text),
            MediaEvent::Disconnected => self.disconnected(now, connection),
            MediaEvent::Closed => self.broken(connection, Ending::FarClosed),
            MediaEvent::Failed(why) => self.broken(connection, Ending::Failed(why)),
        }
    }

    fn described(&mut self, now: Instant, connection: &Connection, kind: SdpType, sdp: Sdp) {
        // Where both offered an update, what is answered has the name of this side's own that was dropped.
        let fits = |attempt: &&mut Attempt| attempt.connection == *connection && attempt.role.describes() == kind;
        let Some(attempt) = self.state.attempt_mut().filter(fits) else {
            return self.out_of_turn("description");
        };
        attempt.own = Some(sdp);
        let attempt = attempt.clone();
        self.tell_description(&attempt);
        if let State::PendingIncoming(attempt) = self.state.clone() {
            self.enter(State::Answered(Attempt { until: now + CONNECTION_LIMIT, ..attempt }));
        }
    }

    fn found(&mut self, connection: &Connection, candidate: Candidate) {
        if let Some(attempt) = self.state.attempt_mut().filter(|attempt| attempt.connection == *connection) {
            if attempt.candidates.len() >= CANDIDATES {
                return;
            }
            attempt.candidates.push(candidate.clone());
        }
        self.outputs.push_back(Output::Signal(Signal::Candidate(connection.clone(), candidate)));
    }

    /// The connection in the making is up, and takes the place of the one before.
    fn data_open(&mut self, now: Instant, connection: &Connection) {
        match self.state {
            State::Answered(_) => {}
            State::UpdateSent(..) | State::UpdateRecv(..) => {
                if let Some(before) = self.state.connected().cloned() {
                    self.media_command(&before, MediaCommand::Close);
                }
            }
            State::Idle
            | State::PendingOutgoing(_)
            | State::ConflictResolution(_)
            | State::PendingIncoming(_)
            | State::DatachanEstablished(_)
            | State::HangupSent { .. }
            | State::Terminating { .. } => return self.out_of_turn("data channel"),
        }
        self.say(connection, Turn::Request, Body::PropSync(self.props.clone()));
        self.enter(State::DatachanEstablished(Link::new(now, connection.clone())));
    }

    fn data_text(&mut self, now: Instant, connection: &Connection, text: &str) {
        if let Some(link) = self.state.link_mut().filter(|link| link.connection == *connection)
            && let Some(life) = &mut link.life
        {
            life.dead = now + super::LIFE_LIMIT;
        }
        match Heartbeat::parse(text) {
            Some(Heartbeat::Ping) => return self.send_data(connection, Heartbeat::Pong.to_string()),
            Some(Heartbeat::Pong) => return,
            None => {}
        }
        match Message::parse(text) {
            Ok(message) if message.session == connection.session => self.far_says(now, connection, message),
            Ok(_) => self.out_of_turn("message of another call"),
            Err(error) => tracing::debug!(%error, "dropped what came on the data channel"),
        }
    }

    fn far_says(&mut self, now: Instant, connection: &Connection, Message { turn, body, .. }: Message) {
        match (body, turn) {
            (Body::PropSync(props), turn) => {
                if turn == Turn::Request {
                    self.say(connection, Turn::Response, Body::PropSync(self.props.clone()));
                }
                self.outputs.push_back(Output::FarProps(props));
            }
            (Body::Hangup, Turn::Request) => self.far_hangs_up(now, connection),
            (Body::Hangup, Turn::Response) if matches!(self.state, State::HangupSent { .. }) => self.close(),
            (Body::Hangup, Turn::Response)
            | (Body::Setup { .. } | Body::Update { .. } | Body::Cancel | Body::Reject, _) => {
                self.out_of_turn("message");
            }
        }
    }

    fn far_hangs_up(&mut self, now: Instant, connection: &Connection) {
        let ending = match self.state {
            State::Terminating { .. } | State::Idle => return self.out_of_turn("repeated hang-up"),
            State::HangupSent { .. } => Ending::HungUp,
            State::PendingOutgoing(_)
            | State::ConflictResolution(_)
            | State::PendingIncoming(_)
            | State::Answered(_)
            | State::DatachanEstablished(_)
            | State::UpdateSent(..)
            | State::UpdateRecv(..) => Ending::FarHungUp,
        };
        self.say(connection, Turn::Response, Body::Hangup);
        let others = [self.state.attempt().map(|attempt| &attempt.connection), self.state.connected()];
        let others: Vec<_> = others.into_iter().flatten().filter(|other| *other != connection).cloned().collect();
        for other in others {
            self.media_command(&other, MediaCommand::Close);
        }
        let terminating = State::Terminating { connection: connection.clone(), until: now + CLOSE_DELAY };
        self.enter_because(terminating, Some(ending));
    }

    /// The way is in doubt: another one is tried before it is certain.
    fn disconnected(&mut self, now: Instant, connection: &Connection) {
        match self.state.clone() {
            State::DatachanEstablished(link) if link.connection == *connection => self.update(now, link),
            State::Idle
            | State::PendingOutgoing(_)
            | State::ConflictResolution(_)
            | State::PendingIncoming(_)
            | State::Answered(_)
            | State::DatachanEstablished(_)
            | State::UpdateSent(..)
            | State::UpdateRecv(..)
            | State::HangupSent { .. }
            | State::Terminating { .. } => {}
        }
    }

    fn broken(&mut self, connection: &Connection, ending: Ending) {
        match &self.state {
            State::UpdateSent(_, attempt) | State::UpdateRecv(_, attempt) if attempt.connection == *connection => {
                self.give_up_update(ending);
            }
            State::PendingOutgoing(attempt)
            | State::ConflictResolution(attempt)
            | State::PendingIncoming(attempt)
            | State::Answered(attempt) => {
                let session = attempt.connection.session.clone();
                self.give_up(&session, ending);
            }
            // The far side has changed over to the next connection already.
            State::UpdateSent(..) | State::UpdateRecv(..) if ending == Ending::FarClosed => {}
            State::Idle
            | State::DatachanEstablished(_)
            | State::UpdateSent(..)
            | State::UpdateRecv(..)
            | State::HangupSent { .. }
            | State::Terminating { .. } => self.lose_link(ending),
        }
    }
}
