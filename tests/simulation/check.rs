//! What has to hold after every step, and at the end.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use twocan::{
    call::{Ending, Phase},
    conversation::{Event, Gate},
    ids::InstanceId,
    seal::{PublicKey, SafetyWords, Suspicion},
};

use crate::{
    medium::End,
    schedule::{self, Server},
    side::{Cause, Press, Side},
    world::World,
};

/// How long a side may believe itself connected after the other end is gone: 3 s of silence, and what was on its way.
const LONELY: Duration = Duration::from_millis(3700);

/// What came of schedules: for each pair of sides that were both on the line at the end, and on the way there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    pub connected: u64,
    pub idle: u64,
    pub alone: u64,
    pub refused: u64,
    pub suspicious: u64,
    /// Connections that took the place of others of the same call.
    pub moved: u64,
    pub hung_up: u64,
}

impl Tally {
    pub fn add(&mut self, other: Self) {
        self.connected += other.connected;
        self.idle += other.idle;
        self.alone += other.alone;
        self.refused += other.refused;
        self.suspicious += other.suspicious;
        self.moved += other.moved;
        self.hung_up += other.hung_up;
    }

    /// Whether everything that is to happen in some schedules does.
    pub fn is_varied(self, server: Server) -> bool {
        let ends = self.connected > 0 && self.idle > 0 && self.alone > 0 && self.moved > 0;
        ends && match server {
            Server::Faulty => self.hung_up > 0,
            Server::Hostile => self.suspicious > 0,
        }
    }
}

/// What is watched over several steps.
#[derive(Debug, Default)]
pub struct Watch {
    pub tally: Tally,
    /// Since when a side has been connected to nobody.
    lonely: [Option<Instant>; 6],
    /// What was shown of each session by who sealed something in it.
    words: BTreeMap<String, SafetyWords>,
    /// Who hung up a call, where nobody has pressed anything since.
    hung_up: Option<usize>,
    /// When somebody last pressed something else.
    pressed: Option<Instant>,
    /// When something last happened that may keep a hang-up from the far side.
    pub disturbed: Option<Instant>,
}

impl Side {
    pub fn new(disk: usize) -> Self {
        Self { disk, run: None, runs: 0, wants: Gate::Closed, network: 0, has_hung_up: false, has_closed: false }
    }
}

impl World {
    /// Whether these are the two sides of a conversation, each one's disk naming the other.
    pub fn are_two(&self, side: usize, far: usize) -> bool {
        let (own, far) = (&self.disks[self.sides[side].disk], &self.disks[self.sides[far].disk]);
        own.is_paired && own.conversation == far.conversation && own.far.as_ref() == Some(&far.instance)
    }

    /// One connection, or two of one call while it moves from one to the next.
    pub fn check_connections(&self, side: usize) {
        let living: Vec<&End> = self.medium.living(side, self.sides[side].runs).map(|(_, end)| end).collect();
        let names = || living.iter().map(|end| crate::medium::name(&end.connection)).collect::<Vec<_>>();
        assert!(living.len() <= 2, "side {side} has connections {:?}", names());
        if let [a, b] = living[..] {
            assert_eq!(a.connection.session, b.connection.session, "side {side} has two calls");
            assert_ne!(a.connection.generation, b.connection.generation, "side {side} has one connection twice");
        }
    }

    /// Who is stored as the far side has to hold the code's key, and stays the far side.
    pub fn check_pairing(&self, side: usize, far: &InstanceId, key: PublicKey) {
        let own = &self.disks[self.sides[side].disk];
        assert!(!own.is_paired, "side {side} is paired twice");
        let found = self.disks.iter().find(|disk| disk.instance == *far && disk.conversation == own.conversation);
        let Some(disk) = found else { panic!("side {side} is paired with nobody") };
        assert!(disk.instance != own.instance, "side {side} is paired with itself");
        assert_eq!(key, schedule::public(self.crypto, disk.secret), "side {side} is paired with another's key");
    }

    /// Both sides of a session show the same words: whoever seals in it has shown them.
    pub fn check_sealed(&mut self, side: usize, line: &str) {
        let Some((_, rest)) = line.split_once(r#" {"sealed":{"id":""#) else { return };
        // The very first text of a pairing is sealed before the words are shown.
        let (Some(id), false) = (rest.get(..13), rest.contains(r#""n":0,"#)) else { return };
        let words = self.sides[side].run.as_ref().and_then(|run| run.words).expect("no words, but a session");
        let shown = self.watch.words.entry(id.to_owned()).or_insert(words);
        assert_eq!(*shown, words, "the two sides of a session show different words");
    }

    /// A gate opens when a person unpauses, and at no other time.
    pub fn set_gate(&mut self, side: usize, gate: Gate, cause: Cause) {
        assert!(gate == Gate::Closed || cause == Cause::Unpause, "the gate of side {side} opens by itself");
        if gate == Gate::Closed && cause == Cause::Other && self.plan.is_calm() && self.watch.disturbed.is_none() {
            let far_ended = self.far_did(side, |far| far.has_hung_up || far.has_closed);
            assert!(far_ended, "the gate of side {side} closes by itself");
        }
        self.sides[side].run.iter_mut().for_each(|run| run.gate = gate);
        // A hang-up, or a call that did not come about, closes it without a person of this side.
        if gate == Gate::Closed {
            self.sides[side].wants = Gate::Closed;
        }
    }

    fn far_did(&self, side: usize, what: fn(&Side) -> bool) -> bool {
        let disk = self.sides[side].disk;
        self.sides.iter().any(|far| far.disk != disk && what(far))
    }

    pub fn note_press(&mut self, press: Press) {
        self.watch.hung_up = None;
        if press != Press::HangUp {
            self.watch.pressed = Some(self.now);
        }
        match press {
            Press::TakeOver | Press::Quit | Press::Kill | Press::Start | Press::Reload | Press::Network { .. } => {
                self.watch.disturbed = Some(self.now);
            }
            Press::Unpause | Press::Pause | Press::HangUp | Press::Switch(..) | Press::Equipped { .. } => {}
        }
    }

    /// A hang-up in quiet times holds until somebody presses something else.
    pub fn note_hang_up(&mut self, side: usize) {
        let is_quiet = self.now >= self.start + self.plan.settled_from;
        let is_long_ago = |at: Option<Instant>, limit: Duration| at.is_none_or(|at| self.now - at > limit);
        // What was pressed before has got to the other side.
        let arrived = (self.plan.latency + self.plan.jitter) * 6 + Duration::from_millis(100);
        let is_stable =
            is_long_ago(self.watch.disturbed, Duration::from_secs(10)) && is_long_ago(self.watch.pressed, arrived);
        let in_call = self.sides[side].run.as_ref().is_some_and(|run| run.phase != Phase::Idle);
        // Where both have offered, the hang-up of one offer does not take back the other.
        let is_glare =
            self.sides.iter().filter_map(|it| it.run.as_ref()).filter(|run| run.phase == Phase::Calling).count() > 1;
        if is_quiet && is_stable && in_call && !is_glare {
            self.watch.hung_up = Some(side);
            self.watch.tally.hung_up += 1;
        }
    }

    pub fn check_event(&mut self, side: usize, event: &Event) {
        match event {
            Event::Call(Phase::Idle, Some(Ending::FarHungUp)) => {
                assert!(self.far_did(side, |far| far.has_hung_up), "side {side} is told of a hang-up that nobody did");
            }
            Event::Call(_, Some(Ending::HungUp)) => {
                assert!(self.sides[side].has_hung_up, "side {side} is told that it hung up, which it did not");
            }
            Event::FarProps(props) => {
                assert!(!props.contains_key(crate::hostile::MARK), "side {side} believes what the server made up");
            }
            Event::Suspicious(suspicion) => {
                let is_honest =
                    self.plan.server == Server::Faulty && !self.plan.replays() && *suspicion == Suspicion::Forged;
                assert!(!is_honest, "side {side} takes for forged what was only lost or late");
                self.watch.tally.suspicious += 1;
            }
            Event::Refused => {
                self.watch.tally.refused += 1;
                let disk = &self.disks[self.sides[side].disk];
                let owner = self.disks.iter().find(|other| disk.far.as_ref() == Some(&other.instance));
                assert!(!disk.is_paired, "side {side} is paired, and refused");
                assert!(owner.is_some_and(|owner| owner.code.is_none()), "side {side} is refused by nobody");
            }
            _ => {}
        }
    }

    pub fn check_step(&mut self) {
        for side in 0..self.sides.len() {
            let it = &self.sides[side];
            let Some(run) = &it.run else {
                self.watch.lonely[side] = None;
                continue;
            };
            assert!(
                run.gate == Gate::Closed || it.wants == Gate::Open,
                "sound passes the gate of side {side}, which its person has closed"
            );
            let is_lonely = run.phase == Phase::Connected && !self.has_company(side);
            let since = self.watch.lonely[side].get_or_insert(self.now);
            if !is_lonely {
                self.watch.lonely[side] = None;
            } else if self.now - *since > LONELY {
                panic!("side {side} believes itself connected, and has been alone for {:?}", self.now - *since);
            }
        }
    }

    fn has_company(&self, side: usize) -> bool {
        self.company(side).is_some()
    }

    /// The side to which a connection of this side is open at both ends.
    fn company(&self, side: usize) -> Option<usize> {
        self.medium.living(side, self.sides[side].runs).find_map(|(mark, end)| {
            let far = end.far?;
            let other = &self.medium.ends[far];
            let is_running = self.sides[other.side].run.is_some() && self.sides[other.side].runs == other.run;
            let is_open = is_running && end.is_open && other.is_open && self.medium.are_paired(mark, far);
            is_open.then_some(other.side)
        })
    }

    pub fn check_end(&mut self) {
        let joined = |side: &usize| self.sides[*side].run.as_ref().is_some_and(|run| run.is_joined && !run.is_refused);
        let waits = |side: &usize| {
            self.sides[*side].run.as_ref().is_some_and(|run| !run.is_taken && !run.is_refused && !run.is_joined)
        };
        let is_doubled =
            self.sides.iter().any(|other| self.sides.iter().filter(|side| side.disk == other.disk).count() > 1);
        for side in (0..self.sides.len()).filter(waits) {
            assert!(is_doubled, "side {side} is not on the line");
        }
        let here: Vec<usize> = (0..self.sides.len()).filter(joined).collect();
        for &side in &here {
            let far = here.iter().copied().find(|far| self.are_two(side, *far));
            match far {
                Some(far) if self.are_two(far, side) => self.check_settled(side, far),
                _ => self.check_alone(side, &here),
            }
        }
    }

    fn check_settled(&mut self, side: usize, far: usize) {
        // A run that has lost its line to another of the same side goes on with the call that it has.
        let is_elsewhere = |one: usize, other: usize| self.company(one).is_some_and(|company| company != other);
        if is_elsewhere(side, far) || is_elsewhere(far, side) {
            return;
        }
        let (Some(run), Some(far_run)) = (&self.sides[side].run, &self.sides[far].run) else { return };
        // A server that loses what it is given can leave them with a session each, until either says something.
        if self.plan.is_reliable() && run.words.is_some() && far_run.words.is_some() {
            assert_eq!(run.words, far_run.words, "sides {side} and {far} have different words");
        }
        let wanted = run.gate == Gate::Open || far_run.gate == Gate::Open;
        let phases = (run.phase, far_run.phase);
        assert!(
            matches!(phases, (Phase::Connected, Phase::Connected))
                || (matches!(phases, (Phase::Idle, Phase::Idle)) && !wanted),
            "sides {side} and {far} end as {phases:?}, the gates {:?} and {:?}",
            run.gate,
            far_run.gate
        );
        let is_hung_up = self.watch.hung_up.is_some_and(|who| who == side || who == far);
        assert!(run.phase == Phase::Idle || !is_hung_up, "a call goes on that was hung up");
        self.watch.tally.connected += u64::from(run.phase == Phase::Connected);
        self.watch.tally.idle += u64::from(run.phase == Phase::Idle);
        let living: Vec<_> = self.medium.living(side, self.sides[side].runs).collect();
        if run.phase == Phase::Connected {
            let [(mark, end)] = living[..] else { panic!("side {side} has {} connections", living.len()) };
            let other = end.far.expect("an end that is open has another");
            self.watch.tally.moved += u64::from(end.connection.generation > 0);
            assert!(self.medium.are_paired(mark, other) && self.medium.ends[other].side == far, "side {side} is alone");
        } else {
            assert!(living.is_empty(), "side {side} keeps {} connections", living.len());
        }
    }

    /// A side whose far side is not on the line: it has no call, and whoever's code is used is told so.
    fn check_alone(&mut self, side: usize, here: &[usize]) {
        self.watch.tally.alone += 1;
        let it = &self.sides[side];
        let disk = &self.disks[it.disk];
        let Some(run) = &it.run else { return };
        assert!(run.phase != Phase::Connected || self.has_company(side), "side {side} is connected with nobody");
        let owner = here.iter().map(|other| &self.disks[self.sides[*other].disk]);
        let Some(owner) = owner.into_iter().find(|owner| disk.far.as_ref() == Some(&owner.instance)) else { return };
        assert!(disk.is_paired, "side {side} waits for an owner that is there, and is not told off");
        assert!(owner.is_paired, "side {side} is paired with one that does not know it");
    }
}
