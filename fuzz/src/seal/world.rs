//! Three sides, what they have sent, and what must hold whatever happens to it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use twocan::{
    ids::{ConversationId, InstanceId},
    pairing::PairingKey,
    seal::{self, Channel, Frame, Input, Order, Output, Resolver, SafetyWords, SecretKey, Setup, Suspicion, Trust},
};

use super::super::crypto;

/// The third one holds the code too, or only says so.
pub(super) const SIDES: usize = 3;
/// What one input may bring about at most.
const OUTPUTS: usize = 8;
const LATENCY: Duration = Duration::from_millis(10);
/// How long the network works before two who believe each other must have met, and heard each other.
const SETTLED: Duration = Duration::from_secs(12);

/// Who sent what to whom.
type Sent = (usize, usize, String);

struct Side {
    channel: Channel,
    /// What it has stored: it begins anew with that.
    trust: Trust,
    words: Option<SafetyWords>,
    told: Vec<Suspicion>,
    said: u64,
    /// The last that it has heard of each.
    heard: [u64; SIDES],
}

pub(super) struct World {
    pub(super) now: Instant,
    /// Everything that was ever sent.
    pub(super) sent: Vec<Sent>,
    /// What is still under way.
    flying: VecDeque<(Instant, Sent)>,
    sides: [Side; SIDES],
    resolver: Resolver,
    /// Who holds the key of the code, or did.
    holders: [bool; SIDES],
    begun: u64,
}

pub(super) fn instance(side: usize) -> InstanceId {
    InstanceId::from_bits(10 + side as u128)
}

fn number(instance_of: &InstanceId) -> Option<usize> {
    (0..SIDES).find(|side| instance(*side) == *instance_of)
}

fn secret(side: usize) -> [u8; 32] {
    [50 + side as u8; 32]
}

fn code() -> PairingKey {
    PairingKey::from_bytes([3; 32])
}

impl World {
    pub(super) fn new(kind: u8) -> Self {
        crypto::seed(kind.into());
        // The real group is slow, so it gets few of the runs.
        let resolver = if kind & 0x78 == 0x78 { seal::resolver } else { crypto::resolver };
        let now = Instant::now();
        let trusts = trusts(kind & 7, resolver);
        let holders = trusts.clone().map(|trust| match trust {
            Trust::Owner { code: held } | Trust::Reader { code: held, .. } => held == code(),
            Trust::Closed { spent } | Trust::Paired { spent, .. } => spent.is_some(),
        });
        let sides = [0, 1, 2].map(|side| {
            let trust = trusts[side].clone();
            let channel = channel(side, trust.clone(), resolver, side as u64);
            Side { channel, trust, words: None, told: Vec::new(), said: 0, heard: [0; SIDES] }
        });
        Self { now, sent: Vec::new(), flying: VecDeque::new(), sides, resolver, holders, begun: 3 }
    }

    /// Feeds an input in, and carries out what comes of it.
    pub(super) fn tell(&mut self, side: usize, input: Input) {
        let is_deadline = matches!(input, Input::Deadline);
        self.sides[side].channel.handle(self.now, input);
        let mut outputs = 0;
        while let Some(output) = self.sides[side].channel.poll() {
            outputs += 1;
            assert!(outputs <= OUTPUTS, "one input brings about too much");
            self.carry_out(side, output);
        }
        let deadline = self.sides[side].channel.deadline();
        assert!(!is_deadline || deadline.is_none_or(|due| due > self.now), "a deadline stays in the past");
        assert_eq!(self.sides[side].channel.is_up(), self.sides[side].words.is_some());
    }

    fn carry_out(&mut self, side: usize, output: Output) {
        let resolver = self.resolver;
        let key = |far: &InstanceId| number(far).map(|far| public(far, resolver));
        match output {
            Output::Send(to, text) => self.send(side, &to, text),
            Output::Learned(learned) => {
                // Whoever holds the code may speak in its owner's name, as far as this.
                let may_teach = |side: usize| self.holders[side] && public(side, resolver) == learned;
                assert!((0..SIDES).any(may_teach), "learned of somebody without the code");
                let Trust::Reader { key: stored, .. } = &mut self.sides[side].trust else {
                    panic!("only who read a code learns of a key")
                };
                assert_eq!(*stored, None, "learned twice");
                *stored = Some(learned);
            }
            Output::Paired { far, key: paired, spent } => {
                assert_eq!(key(&far), Some(paired), "paired with somebody else's key");
                assert!(self.may_pair(side, &far), "paired with somebody without the code");
                self.sides[side].trust = Trust::Paired { far, key: paired, spent };
            }
            Output::Up(words) => {
                self.sides[side].words = Some(words);
                self.sides[side].told.clear();
            }
            Output::Down => assert!(self.sides[side].words.take().is_some(), "down without having been up"),
            Output::Heard(text) => self.hear(side, &text),
            Output::Refused => {
                let Trust::Reader { far, .. } = &self.sides[side].trust else { panic!("refused without a code") };
                let owner = number(far).map(|far| &self.sides[far].trust);
                assert!(!matches!(owner, Some(Trust::Owner { .. })), "refused, though the code is good");
                self.sides[side].trust = Trust::Closed { spent: None };
            }
            Output::Suspicious(suspicion) => {
                assert!(!self.sides[side].told.contains(&suspicion), "told twice");
                self.sides[side].told.push(suspicion);
            }
        }
    }

    fn may_pair(&self, side: usize, far: &InstanceId) -> bool {
        self.holders[side] && number(far).is_some_and(|far| self.holders[far])
    }

    fn send(&mut self, from: usize, to: &InstanceId, text: String) {
        assert!(Frame::parse(&text).is_ok() && text.len() <= 64 * 1024, "it sends what is no frame: {text}");
        let to = number(to).expect("a side of this conversation");
        assert_ne!(from, to, "it sends to itself");
        self.sent.push((from, to, text.clone()));
        self.flying.push_back((self.now + LATENCY, (from, to, text)));
    }

    /// Everything that is heard was said, by the far side and to this one, and is heard once and in order.
    fn hear(&mut self, side: usize, text: &str) {
        let numbers: Vec<u64> = text.split(' ').map(|word| word.parse().expect("what nobody said")).collect();
        let [from, to, number] = numbers[..] else { panic!("what nobody said: {text}") };
        assert_eq!(self.sides[side].trust.far(), Some(&instance(from as usize)), "said by somebody else");
        assert_eq!(to, side as u64, "said to somebody else");
        let heard = &mut self.sides[side].heard[from as usize];
        assert!(number > *heard, "heard twice, or out of order");
        *heard = number;
    }

    /// Says the next text to whomever it believes.
    pub(super) fn say(&mut self, side: usize) {
        if let Some(far) = self.sides[side].trust.far().and_then(number) {
            self.sides[side].said += 1;
            let text = format!("{side} {far} {}", self.sides[side].said);
            self.tell(side, Input::Say(text));
        }
    }

    /// Lets the next few texts arrive, and what is sent in answer.
    pub(super) fn pump(&mut self, number: usize) {
        for _ in 0..number {
            let Some((due, (from, to, text))) = self.flying.pop_front() else { return };
            self.now = self.now.max(due);
            self.tell(to, Input::Frame(instance(from), text));
        }
    }

    /// The text after so many others is lost.
    pub(super) fn lose(&mut self, at: usize) {
        self.flying.remove(at);
    }

    /// Lets time pass, every deadline kept; nothing arrives meanwhile.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for side in 0..SIDES {
            self.keep_deadlines(side, end);
        }
        self.now = end;
    }

    fn keep_deadlines(&mut self, side: usize, end: Instant) {
        let begin = self.now;
        // Something every second for as long as it lasts, and once more.
        for _ in 0..=3 * ((end - begin).as_secs() + 1) {
            let Some(due) = self.sides[side].channel.deadline().filter(|due| *due <= end) else {
                self.now = begin;
                return;
            };
            self.now = self.now.max(due);
            self.tell(side, Input::Deadline);
        }
        panic!("it is woken too often");
    }

    /// The time of a side's code is over.
    pub(super) fn expire(&mut self, side: usize) {
        self.tell(side, Input::Expired);
        if let Trust::Owner { code } = &self.sides[side].trust {
            self.sides[side].trust = Trust::Closed { spent: Some(code.spent()) };
        }
    }

    /// The program of a side is started again: what is left is what it has stored.
    pub(super) fn restart(&mut self, side: usize) {
        self.begun += 1;
        let Side { channel: before, trust, words, told, .. } = &mut self.sides[side];
        *before = channel(side, trust.clone(), self.resolver, self.begun);
        (*words, *told) = (None, Vec::new());
    }

    /// From here on everything arrives: two who believe each other meet, whatever has happened before.
    pub(super) fn settle(&mut self) {
        if !self.can_meet() {
            return;
        }
        self.flying.clear();
        for side in [0, 1] {
            self.tell(side, Input::Here(Order::Waits));
        }
        let end = self.now + SETTLED;
        let mut speak = self.now;
        while self.now < end {
            let arrival = self.flying.front().map(|(due, _)| *due);
            let deadlines = [0, 1].map(|side| self.sides[side].channel.deadline());
            let next = [Some(speak), arrival, deadlines[0], deadlines[1]].into_iter().flatten().min().unwrap_or(end);
            self.now = self.now.max(next);
            if arrival.is_some_and(|due| due <= self.now) {
                self.arrive();
            } else if let Some(side) = [0, 1].into_iter().find(|side| deadlines[*side].is_some_and(|at| at <= self.now))
            {
                self.tell(side, Input::Deadline);
            } else {
                [0, 1].into_iter().for_each(|side| self.say(side));
                speak = self.now + Duration::from_secs(1);
            }
        }
        self.assert_met();
    }

    fn arrive(&mut self) {
        if let Some((_, (from, to, text))) = self.flying.pop_front()
            && from < 2
            && to < 2
        {
            self.tell(to, Input::Frame(instance(from), text));
        }
    }

    /// Whether the first two would believe each other, and nobody else.
    fn can_meet(&self) -> bool {
        let mean = |side: usize, far: usize| self.sides[side].trust.far() == Some(&instance(far));
        match (&self.sides[0].trust, &self.sides[1].trust) {
            (Trust::Paired { .. }, Trust::Paired { .. } | Trust::Reader { key: Some(_), .. }) => {
                mean(0, 1) && mean(1, 0)
            }
            (Trust::Owner { .. }, Trust::Reader { code: held, .. }) => mean(1, 0) && *held == code(),
            _ => false,
        }
    }

    fn assert_met(&self) {
        let [first, second, _] = &self.sides;
        assert!(first.words.is_some() && first.words == second.words, "the two do not meet");
        for (side, far) in [(first, second), (second, first)] {
            let far_at = usize::from(std::ptr::eq(far, second));
            assert!(side.heard[far_at] + 1 >= far.said, "the two do not hear each other");
        }
    }
}

fn public(side: usize, resolver: Resolver) -> seal::PublicKey {
    if std::ptr::fn_addr_eq(resolver, seal::resolver as Resolver) {
        SecretKey::from_bytes(secret(side)).public()
    } else {
        crypto::public(secret(side))
    }
}

fn channel(side: usize, trust: Trust, resolver: Resolver, seed: u64) -> Channel {
    let conversation = ConversationId::from_bits(1);
    let secret = SecretKey::from_bytes(secret(side));
    Channel::new(Setup { conversation, instance: instance(side), secret, trust, seed, resolver })
}

/// Whom the three believe at first.
fn trusts(kind: u8, resolver: Resolver) -> [Trust; SIDES] {
    let reader = |far, code| Trust::Reader { far: instance(far), code, key: None };
    let learned = |far| Trust::Reader { far: instance(far), code: code(), key: Some(public(far, resolver)) };
    let paired = |far, spent| Trust::Paired { far: instance(far), key: public(far, resolver), spent };
    let wrong = PairingKey::from_bytes([4; 32]);
    let spent = Some(code().spent());
    match kind {
        0 => [Trust::Owner { code: code() }, reader(0, code()), reader(0, wrong)],
        1 => [Trust::Owner { code: code() }, reader(0, code()), reader(0, code())],
        2 => [Trust::Owner { code: code() }, learned(0), Trust::Closed { spent: None }],
        3 => [paired(1, spent), paired(0, None), reader(0, code())],
        4 => [paired(1, spent), learned(0), reader(0, code())],
        5 => [paired(1, None), paired(0, spent), paired(0, None)],
        6 => [Trust::Closed { spent }, reader(0, code()), reader(0, wrong)],
        _ => [reader(1, code()), reader(0, code()), Trust::Owner { code: code() }],
    }
}
