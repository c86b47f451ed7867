//! Who shakes hands with whom, and when.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{
    BEGIN_INTERVAL, Channel, HANDSHAKE_LIMIT,
    live::{Greeting, Live, Pending},
};
use crate::{
    ids::{InstanceId, SessionId},
    seal::{Frame, Handshake, NoiseError, Output, Pattern, PublicKey, Role, Step, Suspicion, Terms, Trust},
};

/// A handshake that this side has begun.
#[derive(Debug)]
pub(super) struct Attempt {
    pattern: Pattern,
    id: SessionId,
    handshake: Handshake,
    pub(super) until: Instant,
}

/// A handshake of somebody who holds the key of this side's code.
#[derive(Debug)]
pub(super) struct Joining {
    from: InstanceId,
    id: SessionId,
    handshake: Handshake,
}

/// What travels in the last message of a pairing: between whom it is.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Claim {
    Accept { from: InstanceId, to: InstanceId },
}

impl Trust {
    /// The side that is believed, or would be if it proves itself.
    pub fn far(&self) -> Option<&InstanceId> {
        match self {
            Self::Owner { .. } | Self::Closed { .. } => None,
            Self::Reader { far, .. } | Self::Paired { far, .. } => Some(far),
        }
    }

    fn key(&self) -> Option<&PublicKey> {
        match self {
            Self::Owner { .. } | Self::Closed { .. } => None,
            Self::Reader { key, .. } => key.as_ref(),
            Self::Paired { key, .. } => Some(key),
        }
    }
}

impl Channel {
    /// Begins a handshake, at once or as soon as may be.
    pub(super) fn begin(&mut self, now: Instant) {
        if !self.is_here {
            return;
        }
        if let Some(next) = self.begun.map(|begun| begun + BEGIN_INTERVAL)
            && next > now
        {
            self.due = Some(next);
            return;
        }
        let (pattern, step, terms) = match &self.trust {
            Trust::Reader { code, .. } => (Pattern::XxPsk0, Step::Xx1, Terms::Code(code)),
            Trust::Paired { key, .. } => (Pattern::Kk, Step::Kk1, Terms::Key(key)),
            Trust::Owner { .. } | Trust::Closed { .. } => return,
        };
        let made = self.handshake(Role::Initiator, terms).and_then(|mut handshake| {
            let data = handshake.write(&[])?;
            Ok((handshake, data))
        });
        self.begun = Some(now);
        self.due = None;
        let Ok((handshake, data)) = made else {
            return tracing::warn!("cannot begin a handshake");
        };
        let id = SessionId::from_bits(self.random.u64(..));
        self.send(&Frame::Noise { step, id: id.clone(), data });
        self.attempt = Some(Attempt { pattern, id, handshake, until: now + self.patience() });
    }

    pub(super) fn begin_unless_under_way(&mut self, now: Instant) {
        let is_awaited = self.pending.as_ref().is_some_and(|pending| pending.until > now);
        if self.attempt.is_none() && !is_awaited {
            self.begin(now);
        }
    }

    pub(super) fn noise(&mut self, now: Instant, from: &InstanceId, (step, id): (Step, SessionId), data: &[u8]) {
        let is_far = self.trust.far() == Some(from);
        match step {
            Step::Xx1 => self.asked_to_pair(now, from, id, data),
            Step::Xx3 => self.asked_finally(from, &id, data),
            Step::Xx2 if is_far => self.owner_answered(now, &id, data),
            Step::Kk1 if is_far => self.asked_to_meet(now, id, data),
            Step::Kk2 if is_far => self.far_answered(&id, data),
            Step::Xx2 | Step::Kk1 | Step::Kk2 => tracing::debug!("ignored a handshake of somebody else"),
        }
    }

    /// Somebody says that it read this side's code.
    fn asked_to_pair(&mut self, now: Instant, from: &InstanceId, id: SessionId, data: &[u8]) {
        match &self.trust {
            Trust::Owner { code } => {
                if self.joining.as_ref().is_some_and(|joining| joining.from == *from && joining.id == id) {
                    return tracing::debug!("ignored a repeated handshake");
                }
                match self.answer(Terms::Code(code), data) {
                    Ok((handshake, data)) => {
                        let frame = Frame::Noise { step: Step::Xx2, id: id.clone(), data };
                        self.outputs.push_back(Output::Send(from.clone(), frame.to_string()));
                        self.joining = Some(Joining { from: from.clone(), id, handshake });
                    }
                    Err(_) => tracing::debug!("ignored who does not hold the code's key"),
                }
            }
            // It was accepted, and does not know it.
            Trust::Paired { far, .. } if far == from => self.begin(now),
            Trust::Paired { spent: Some(spent), .. } | Trust::Closed { spent: Some(spent) } => {
                let frame = Frame::Refused { proof: spent.refusal(&self.conversation, from) };
                self.outputs.push_back(Output::Send(from.clone(), frame.to_string()));
            }
            Trust::Paired { spent: None, .. } | Trust::Closed { spent: None } | Trust::Reader { .. } => {
                tracing::debug!("ignored who has a code of somebody else");
            }
        }
    }

    /// Who read this side's code says who it is, and whom it means.
    fn asked_finally(&mut self, from: &InstanceId, id: &SessionId, data: &[u8]) {
        let Trust::Owner { code } = &self.trust else { return };
        let spent = code.spent();
        let Some(mut joining) = self.joining.take_if(|joining| joining.from == *from && joining.id == *id) else {
            return tracing::debug!("ignored a handshake that is over");
        };
        let claim = joining.handshake.read(data).ok().and_then(|payload| serde_json::from_slice(&payload).ok());
        let session = match claim {
            Some(Claim::Accept { from, to }) if from == joining.from && to == self.instance => {
                joining.handshake.finish()
            }
            Some(Claim::Accept { .. }) | None => Err(NoiseError::Forged),
        };
        let Ok(session) = session else {
            return self.suspect(Suspicion::Forged);
        };
        let mut live = Live { id: joining.id, session };
        self.pair(joining.from, live.session.far(), Some(spent));
        if let Some(frame) = live.seal(Greeting::Accepted.text()) {
            self.send(&frame);
        }
        self.stand(live);
    }

    /// The owner of the code proves that it is that.
    fn owner_answered(&mut self, now: Instant, id: &SessionId, data: &[u8]) {
        let Some(mut attempt) = self.take_attempt(Pattern::XxPsk0, id) else { return };
        let Ok(_) = attempt.handshake.read(data) else {
            self.attempt = Some(attempt);
            return self.suspect(Suspicion::Forged);
        };
        let Trust::Reader { far, key, .. } = &mut self.trust else { return };
        let claim = Claim::Accept { from: self.instance.clone(), to: far.clone() };
        let written = serde_json::to_vec(&claim).map_err(|_| NoiseError::Misused);
        let finished = written.and_then(|claim| {
            let data = attempt.handshake.write(&claim)?;
            Ok((data, attempt.handshake.finish()?))
        });
        let Ok((data, session)) = finished else {
            return tracing::warn!("cannot finish a handshake");
        };
        match key {
            Some(key) if *key != session.far() => return self.suspect(Suspicion::Forged),
            Some(_) => {}
            None => {
                *key = Some(session.far());
                self.outputs.push_back(Output::Learned(session.far()));
            }
        }
        self.send(&Frame::Noise { step: Step::Xx3, id: attempt.id.clone(), data });
        self.await_greeting(now, Live { id: attempt.id, session }, Greeting::Accepted);
    }

    /// The far side begins a meeting. Nothing is believed yet: it may be the repeat of an old message.
    fn asked_to_meet(&mut self, now: Instant, id: SessionId, data: &[u8]) {
        let Some(key) = self.trust.key() else { return };
        if self.knows(&id) {
            return tracing::debug!("ignored a repeated handshake");
        }
        let is_ours = matches!(&self.attempt, Some(attempt) if attempt.pattern == Pattern::Kk);
        if is_ours && self.trust.far().is_some_and(|far| self.instance > *far) {
            return; // Both began at once, and ours stands.
        }
        let answered = self.answer(Terms::Key(key), data).and_then(|(handshake, data)| Ok((handshake.finish()?, data)));
        let Ok((session, data)) = answered else {
            return self.suspect(Suspicion::Forged);
        };
        self.send(&Frame::Noise { step: Step::Kk2, id: id.clone(), data });
        self.await_greeting(now, Live { id, session }, Greeting::Met);
        (self.attempt, self.due) = (None, None);
    }

    /// The far side meets this one.
    fn far_answered(&mut self, id: &SessionId, data: &[u8]) {
        let Some(mut attempt) = self.take_attempt(Pattern::Kk, id) else { return };
        let Ok(_) = attempt.handshake.read(data) else {
            self.attempt = Some(attempt);
            return self.suspect(Suspicion::Forged);
        };
        let Ok(session) = attempt.handshake.finish() else { return };
        let mut live = Live { id: attempt.id, session };
        let greeting = live.seal(Greeting::Met.text());
        self.previous = self.current.take();
        self.stand(live);
        if let Some(frame) = greeting {
            self.send(&frame);
        }
    }

    /// The far side says that its code is used.
    pub(super) fn refused(&mut self, proof: &str) {
        if let Trust::Reader { code, .. } = &self.trust
            && code.is_refusal(&self.conversation, &self.instance, proof)
        {
            self.trust = Trust::Closed { spent: None };
            self.let_go();
            self.outputs.push_back(Output::Refused);
        }
    }

    /// A reader whose session is confirmed is paired with who confirmed it.
    pub(super) fn pair_by(&mut self, live: &Live) {
        if let Trust::Reader { far, .. } = &self.trust {
            self.pair(far.clone(), live.session.far(), None);
        }
    }

    fn pair(&mut self, far: InstanceId, key: PublicKey, spent: Option<crate::pairing::SpentCode>) {
        self.trust = Trust::Paired { far: far.clone(), key, spent: spent.clone() };
        self.outputs.push_back(Output::Paired { far, key, spent });
    }

    fn await_greeting(&mut self, now: Instant, live: Live, greeting: Greeting) {
        self.pending = Some(Pending { live, greeting, until: now + HANDSHAKE_LIMIT });
    }

    fn take_attempt(&mut self, pattern: Pattern, id: &SessionId) -> Option<Attempt> {
        self.attempt.take_if(|attempt| attempt.pattern == pattern && attempt.id == *id)
    }

    /// Whether this handshake was answered before, or is this side's own.
    fn knows(&self, id: &SessionId) -> bool {
        let attempt = self.attempt.as_ref().map(|attempt| &attempt.id);
        let pending = self.pending.as_ref().map(|pending| &pending.live.id);
        let [current, previous] = [&self.current, &self.previous].map(|live| live.as_ref().map(|live| &live.id));
        let retired = self.retired.as_ref().map(|(id, _)| id);
        [attempt, pending, current, previous, retired].contains(&Some(id))
    }

    fn handshake(&self, role: Role, terms: Terms<'_>) -> Result<Handshake, NoiseError> {
        let prologue = format!("twocan 1\n{}", self.conversation);
        Handshake::new(self.resolver, role, terms, &self.secret, prologue.as_bytes())
    }

    /// Reads somebody's first message, and writes the second.
    fn answer(&self, terms: Terms<'_>, data: &[u8]) -> Result<(Handshake, Vec<u8>), NoiseError> {
        let mut handshake = self.handshake(Role::Responder, terms)?;
        handshake.read(data)?;
        let data = handshake.write(&[])?;
        Ok((handshake, data))
    }
}
