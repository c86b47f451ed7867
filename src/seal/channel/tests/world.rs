//! Channels, a clock, and a medium that does as it is told.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use snow::{
    params::{CipherChoice, DHChoice, HashChoice},
    resolvers::{BoxedCryptoResolver, CryptoResolver},
    types::{Cipher, Dh, Hash, Random},
};

use crate::{
    ids::{ConversationId, InstanceId},
    pairing::{PairingKey, SpentCode},
    seal::{Channel, Frame, Input, Order, Output, PublicKey, SafetyWords, SecretKey, Setup, Step, Trust, resolver},
};

thread_local! {
    static RANDOM: RefCell<fastrand::Rng> = const { RefCell::new(fastrand::Rng::with_seed(1)) };
}

/// The ephemeral keys of this thread follow from this; a test that does not set it has the same ones every time.
pub(super) fn set_seed(seed: u64) {
    RANDOM.set(fastrand::Rng::with_seed(seed));
}

/// The real cryptography, but the same at every run.
struct Repeatable(BoxedCryptoResolver);

struct Dice;

impl CryptoResolver for Repeatable {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Dice))
    }
    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        self.0.resolve_dh(choice)
    }
    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        self.0.resolve_hash(choice)
    }
    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        self.0.resolve_cipher(choice)
    }
}

impl Random for Dice {
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), snow::Error> {
        RANDOM.with_borrow_mut(|random| random.fill(bytes));
        Ok(())
    }
}

fn repeatable() -> BoxedCryptoResolver {
    Box::new(Repeatable(resolver()))
}

const LATENCY: Duration = Duration::from_millis(20);

pub(super) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(super) fn conversation() -> ConversationId {
    ConversationId::from_bits(1)
}

/// The side `at`; the later, the greater.
pub(super) fn instance(at: usize) -> InstanceId {
    InstanceId::from_bits(10 + at as u128)
}

pub(super) fn secret(at: usize) -> SecretKey {
    SecretKey::from_bytes([at as u8 + 1; 32])
}

pub(super) fn code() -> PairingKey {
    PairingKey::from_bytes([77; 32])
}

/// What becomes of a frame on its way.
pub(super) enum Fate {
    Arrives(String),
    Lost,
    /// All of these arrive, in this order.
    Become(Vec<String>),
}

/// A frame that was sent.
#[derive(Debug, Clone)]
pub(super) struct Passed {
    pub(super) at: Instant,
    pub(super) from: usize,
    pub(super) text: String,
}

/// By the how-manieth frame it is, who sent it, and the text.
type Medium = Box<dyn FnMut(usize, usize, &str) -> Fate>;

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) sides: Vec<Channel>,
    /// What each side asked for and told, in order.
    pub(super) outputs: Vec<Vec<Output>>,
    pub(super) log: Vec<Passed>,
    pub(super) fate: Medium,
    unsent: Vec<usize>,
    queue: Vec<(Instant, usize, InstanceId, String)>,
}

impl World {
    pub(super) fn new(trusts: impl IntoIterator<Item = Trust>) -> Self {
        let mut world = Self {
            now: Instant::now(),
            sides: Vec::new(),
            outputs: Vec::new(),
            log: Vec::new(),
            fate: Box::new(|_, _, text| Fate::Arrives(text.to_owned())),
            unsent: Vec::new(),
            queue: Vec::new(),
        };
        for trust in trusts {
            world.add(trust);
        }
        world
    }

    /// Side 0 shows a code, side 1 has read it.
    pub(super) fn unpaired() -> Self {
        Self::new([Trust::Owner { code: code() }, Self::reader()])
    }

    pub(super) fn reader() -> Trust {
        Trust::Reader { far: instance(0), code: code(), key: None }
    }

    /// Side 0 once showed the code.
    pub(super) fn paired() -> Self {
        Self::new([
            Trust::Paired { far: instance(1), key: secret(1).public(), spent: Some(code().spent()) },
            Trust::Paired { far: instance(0), key: secret(0).public(), spent: None },
        ])
    }

    pub(super) fn channel(at: usize, seed: u64, trust: Trust) -> Channel {
        Channel::new(Setup {
            conversation: conversation(),
            instance: instance(at),
            secret: secret(at),
            trust,
            seed,
            resolver: repeatable,
        })
    }

    pub(super) fn add(&mut self, trust: Trust) -> usize {
        let at = self.sides.len();
        self.sides.push(Self::channel(at, at as u64, trust));
        self.outputs.push(Vec::new());
        self.unsent.push(0);
        at
    }

    /// Starts a side anew from what it was told to store.
    pub(super) fn restart(&mut self, side: usize) {
        let mut trust = self.sides[side].trust.clone();
        for output in &self.outputs[side] {
            if let Output::Paired { far, key, spent } = output {
                trust = Trust::Paired { far: far.clone(), key: *key, spent: spent.clone() };
            } else if let (Output::Learned(learned), Trust::Reader { key, .. }) = (output, &mut trust) {
                *key = Some(*learned);
            }
        }
        self.sides[side] = Self::channel(side, 100 + self.log.len() as u64, trust);
    }

    /// What a side told and sent so far shall not count.
    pub(super) fn forget(&mut self, side: usize) {
        self.outputs[side].clear();
        self.unsent[side] = 0;
    }

    pub(super) fn move_to(&mut self, side: usize, conversation: ConversationId) {
        self.sides[side].conversation = conversation;
    }

    pub(super) fn replace_secret(&mut self, side: usize, secret: SecretKey) {
        self.sides[side].secret = secret;
    }

    pub(super) fn be_kind(&mut self) {
        self.fate = Box::new(|_, _, text| Fate::Arrives(text.to_owned()));
    }

    pub(super) fn handle(&mut self, side: usize, input: Input) {
        self.sides[side].handle(self.now, input);
        while let Some(output) = self.sides[side].poll() {
            self.outputs[side].push(output);
        }
    }

    /// What a side has sent since it was last asked; it is not delivered.
    pub(super) fn drain_sent(&mut self, side: usize) -> Vec<(InstanceId, String)> {
        let new = self.outputs[side][self.unsent[side]..].iter();
        let mut sent = Vec::new();
        for output in new {
            if let Output::Send(to, text) = output {
                sent.push((to.clone(), text.clone()));
            }
        }
        self.unsent[side] = self.outputs[side].len();
        sent
    }

    /// Puts what sides have sent on its way.
    pub(super) fn carry(&mut self) {
        for side in 0..self.sides.len() {
            for (to, text) in self.drain_sent(side) {
                self.log.push(Passed { at: self.now, from: side, text: text.clone() });
                let arriving = match (self.fate)(self.log.len() - 1, side, &text) {
                    Fate::Arrives(text) => vec![text],
                    Fate::Become(texts) => texts,
                    Fate::Lost => vec![],
                };
                let Some(to) = (0..self.sides.len()).find(|at| instance(*at) == to) else { continue };
                let at = self.now + LATENCY;
                self.queue.extend(arriving.into_iter().map(|text| (at, to, instance(side), text)));
            }
        }
    }

    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.carry();
            // In order of time, and of sending.
            let next = self.queue.iter().map(|(at, ..)| *at).min();
            let due = self.sides.iter().filter_map(Channel::deadline).min();
            let Some(at) = next.into_iter().chain(due).min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            if let Some(first) = self.queue.iter().position(|(due, ..)| Some(*due) == next && *due <= self.now) {
                let (_, to, from, text) = self.queue.remove(first);
                self.handle(to, Input::Frame(from, text));
            } else {
                for side in 0..self.sides.len() {
                    self.handle(side, Input::Deadline);
                }
            }
        }
        self.now = end;
    }

    pub(super) fn enter(&mut self, side: usize, order: Order) {
        self.handle(side, Input::Here(order));
    }

    pub(super) fn meet(&mut self, orders: [Order; 2]) {
        self.enter(0, orders[0]);
        self.enter(1, orders[1]);
    }

    /// Hands `to` a frame as if `from` had sent it.
    pub(super) fn inject(&mut self, to: usize, from: usize, frame: Frame) {
        self.handle(to, Input::Frame(instance(from), frame.to_string()));
    }

    /// What a side told besides what it sent.
    pub(super) fn told(&self, side: usize) -> Vec<Output> {
        self.outputs[side].iter().filter(|output| !matches!(output, Output::Send(..))).cloned().collect()
    }

    pub(super) fn heard(&self, side: usize) -> Vec<String> {
        let heard = self.outputs[side]
            .iter()
            .filter_map(|output| if let Output::Heard(text) = output { Some(text.clone()) } else { None });
        heard.collect()
    }

    pub(super) fn ups(&self, side: usize) -> Vec<SafetyWords> {
        let ups = self.outputs[side]
            .iter()
            .filter_map(|output| if let Output::Up(words) = output { Some(*words) } else { None });
        ups.collect()
    }

    pub(super) fn suspicions(&self, side: usize) -> usize {
        self.outputs[side].iter().filter(|output| matches!(output, Output::Suspicious(_))).count()
    }

    pub(super) fn paired_with(&self, side: usize) -> Option<(InstanceId, PublicKey, Option<SpentCode>)> {
        let mut paired = self.outputs[side].iter().filter_map(|output| {
            if let Output::Paired { far, key, spent } = output {
                Some((far.clone(), *key, spent.clone()))
            } else {
                None
            }
        });
        let first = paired.next();
        assert_eq!(paired.next(), None, "paired once");
        first
    }

    /// How many frames of a handshake's step a side has sent.
    pub(super) fn count(&self, side: usize, step: &str) -> usize {
        self.log.iter().filter(|passed| passed.from == side && step_of(&passed.text) == step).count()
    }

    /// Both sides have the same session, and each hears what the other says.
    pub(super) fn assert_talk(&mut self) {
        assert!(self.sides[0].is_up() && self.sides[1].is_up(), "{:?}", self.outputs);
        assert_eq!(self.ups(0).last(), self.ups(1).last());
        for side in [0, 1] {
            let before = self.heard(1 - side).len();
            for text in ["one", "two", ""] {
                self.handle(side, Input::Say(text.to_owned()));
            }
            self.run(LATENCY * 4);
            assert_eq!(self.heard(1 - side)[before..], ["one", "two", ""]);
        }
        assert!(self.sides[0].is_up() && self.sides[1].is_up());
    }
}

/// `Xx1` to `Kk2`, or nothing for another frame.
pub(super) fn step_of(text: &str) -> String {
    match Frame::parse(text) {
        Ok(Frame::Noise { step, .. }) => match step {
            Step::Xx1 | Step::Xx2 | Step::Xx3 | Step::Kk1 | Step::Kk2 => format!("{step:?}"),
        },
        Ok(Frame::Sealed { .. } | Frame::Refused { .. }) | Err(_) => String::new(),
    }
}
