//! Calls between Workrooms clients: placing them, what is said in them, and their end.

use sha2::{Digest, Sha256};

use super::{Member, Workrooms};
use crate::{
    ids::{Callid, Sessionid},
    switchboard::ConnectionId,
    workrooms::{CALL_LIMIT, Call, Ended, Placed, ServerEvent, Signal},
};

/// How many calls the same two may hold with each other, so that one cannot fill up what the other may hold: 16.
const PAIR_LIMIT: usize = 16;

impl Workrooms {
    pub(super) fn place(&mut self, from: ConnectionId, to: &Sessionid) {
        let Some(&other) = self.sessions.get(to) else {
            return self.refuse(from, &format!("no client '{to}' is here"));
        };
        let is_too_many = self.calls_with(from, to) >= PAIR_LIMIT
            || !(self.makes_room(from) || self.lets_go_of_halves(from))
            || !self.makes_room(other);
        if is_too_many {
            return self.refuse(from, &format!("too many calls to have another with '{to}'"));
        }
        let (Some(caller), Some(callee)) = (self.member(from), self.member(other)) else { return };
        let call = Call { callid: callid(&self.secret, self.placed), from: caller.session.clone(), to: to.clone() };
        let outbound = Placed { call: call.clone(), profiles: callee.profiles.clone() };
        let inbound = Placed { call: call.clone(), profiles: caller.profiles.clone() };
        self.placed += 1;
        self.live += 1;
        for side in [from, other] {
            if let Some(member) = self.member_mut(side) {
                member.hold(call.clone());
                if side != from {
                    member.unanswered.push(call.callid.clone());
                }
            }
        }
        self.send(from, &ServerEvent::OutboundCall(outbound));
        self.send(other, &ServerEvent::InboundCall(inbound));
    }

    /// How many calls the client holds that are with `other`.
    fn calls_with(&self, id: ConnectionId, other: &Sessionid) -> usize {
        let with =
            |member: &Member| member.calls.iter().filter(|call| call.other(&member.session) == Some(other)).count();
        self.member(id).map_or(0, with)
    }

    /// Lets go of the calls that the other side does not hold, for one who wants another; tells whether there were any.
    fn lets_go_of_halves(&mut self, id: ConnectionId) -> bool {
        let Some(member) = self.member(id) else { return false };
        let halves: Vec<_> = member.calls.iter().filter(|call| !self.is_live(id, call)).cloned().collect();
        if let Some(member) = self.member_mut(id) {
            halves.iter().for_each(|call| member.let_go(call));
        }
        !halves.is_empty()
    }

    /// Whether the client may hold another call, perhaps by ending one that it never answered: so strangers' calls keep
    /// nobody from calling and being called. The oldest goes, of whoever has placed the most of them.
    fn makes_room(&mut self, id: ConnectionId) -> bool {
        let Some(member) = self.member(id) else { return false };
        if member.calls.len() < CALL_LIMIT {
            return true;
        }
        let unanswered = member.calls.iter().filter(|call| member.unanswered.contains(&call.callid));
        let of_same = |call: &Call| unanswered.clone().filter(|other| other.from == call.from).count();
        // From the back, for the last of several maxima is taken.
        let oldest = unanswered.clone().collect::<Vec<_>>().into_iter().rev().max_by_key(|call| of_same(call));
        let Some(callid) = oldest.map(|call| call.callid.clone()) else { return false };
        self.hang_up(id, &[callid]);
        true
    }

    pub(super) fn relay(&mut self, from: ConnectionId, signal: Signal) {
        let Some(member) = self.member_mut(from) else { return };
        member.unanswered.retain(|callid| *callid != signal.callid);
        let Some(member) = self.member(from) else { return };
        let call = member.calls.iter().find(|call| call.callid == signal.callid);
        match call.and_then(|call| self.other_side(&member.session, call)) {
            Some(other) => self.send(other, &ServerEvent::Signal(signal)),
            None => self.refuse(from, &format!("nobody is at the other end of the call '{}'", signal.callid)),
        }
    }

    pub(super) fn hang_up(&mut self, from: ConnectionId, calls: &[Callid]) {
        // Who is told of which calls; the first is who hung up.
        let mut told: Vec<(ConnectionId, Vec<Ended>)> = vec![(from, Vec::new())];
        for callid in calls {
            let Some(member) = self.member(from) else { return };
            let Some(call) = member.calls.iter().find(|call| call.callid == *callid).cloned() else { continue };
            let ended = Ended { callid: callid.clone(), by: member.session.clone() };
            let other = self.other_side(&member.session, &call);
            self.live -= usize::from(other.is_some());
            for side in [Some(from), other.filter(|other| *other != from)].into_iter().flatten() {
                if let Some(member) = self.member_mut(side) {
                    member.let_go(&call);
                }
                match told.iter_mut().find(|(id, _)| *id == side) {
                    Some((_, calls)) => calls.push(ended.clone()),
                    None => told.push((side, vec![ended.clone()])),
                }
            }
        }
        for (side, calls) in told.into_iter().filter(|(_, calls)| !calls.is_empty()) {
            self.send(side, &ServerEvent::Hangup(calls));
        }
    }
}

/// What the call of this number is called: nobody can guess it who does not know the secret.
fn callid(secret: &[u8; 32], number: u64) -> Callid {
    let digest = Sha256::new().chain_update(secret).chain_update(number.to_be_bytes()).finalize();
    Callid::from_bits(digest[..16].iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte)))
}
