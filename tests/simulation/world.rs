//! Sides, server and media on one virtual clock: what happens, when, in which order.

use std::{
    cmp::Ordering,
    collections::BinaryHeap,
    sync::OnceLock,
    time::{Duration, Instant},
};

use fastrand::Rng;
use twocan::{call::MediaEvent, conversation::Output};

use crate::{
    check::{Tally, Watch},
    crypto,
    hostile::Adversary,
    medium::Medium,
    schedule::{Fault, Plan},
    server::{Down, Server, Up},
    side::{Disk, Press, Side},
    trace,
};

/// Everything there is, in one place; the other modules are parts of it.
#[derive(Debug)]
pub struct World {
    pub now: Instant,
    pub start: Instant,
    pub random: Rng,
    pub crypto: crypto::Kind,
    pub plan: Plan,
    pub disks: Vec<Disk>,
    pub sides: Vec<Side>,
    pub server: Server,
    pub medium: Medium,
    pub adversary: Adversary,
    pub watch: Watch,
    /// What a side says at the moment; kept here so that it need not be allocated each time.
    pub outputs: Vec<Output>,
    queue: BinaryHeap<Entry>,
    order: u64,
    steps: u64,
}

/// What happens by itself.
#[derive(Debug)]
pub enum Happening {
    Press(usize, Press),
    /// A program that was to end ends now.
    End(usize, u32),
    ToSide(usize, Down),
    ToServer(usize, Up),
    Media(usize, MediaEvent),
    Fault(Fault),
    /// From now on nothing goes wrong any more.
    Quiet,
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    order: u64,
    what: Happening,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The heap gives the greatest first, which is to be the earliest.
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// Steps that a schedule may take: more is a storm of messages.
const STEPS: u64 = 30_000;

fn first_instant() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

impl World {
    pub fn new(plan: Plan, mut random: Rng, crypto: crypto::Kind) -> Self {
        let start = first_instant();
        let adversary = Adversary::new(&plan, &mut random, crypto);
        let mut world = Self {
            now: start,
            start,
            random,
            crypto,
            disks: plan.disks.clone(),
            sides: plan.places.iter().map(|disk| Side::new(*disk)).collect(),
            plan,
            server: Server::new(),
            medium: Medium::default(),
            adversary,
            watch: Watch::default(),
            outputs: Vec::new(),
            queue: BinaryHeap::new(),
            order: 0,
            steps: 0,
        };
        world.server.weather = world.plan.weather;
        (world.medium.fails, world.medium.slow) = (world.plan.media_fail, world.plan.media_slow);
        for (at, side, press) in std::mem::take(&mut world.plan.presses) {
            world.at(start + at, Happening::Press(side, press));
        }
        for (at, fault) in std::mem::take(&mut world.plan.faults) {
            world.at(start + at, Happening::Fault(fault));
        }
        world.at(start + world.plan.quiet, Happening::Quiet);
        world
    }

    /// Runs the schedule to its end; panics where something is not as it must be.
    pub fn run(&mut self) -> Tally {
        let end = self.start + self.plan.end;
        while let Some(next) = self.next().filter(|next| *next <= end) {
            self.steps += 1;
            assert!(self.steps < STEPS, "a storm: {STEPS} steps");
            self.now = self.now.max(next);
            self.step();
            self.check_step();
        }
        self.now = end;
        self.check_end();
        self.watch.tally
    }

    pub fn at(&mut self, at: Instant, what: Happening) {
        self.order += 1;
        self.queue.push(Entry { at, order: self.order, what });
    }

    /// How long something takes to get from one side to the server, or to the other side.
    pub fn latency(&mut self) -> Duration {
        self.plan.latency + self.plan.jitter.mul_f64(self.random.f64())
    }

    pub fn span(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_micros(self.random.u64(from * 1000..=to * 1000))
    }

    /// Some time from now, in milliseconds.
    pub fn soon(&mut self, from: u64, to: u64) -> Instant {
        self.now + self.span(from, to)
    }

    pub fn clock(&self) -> String {
        format!("{:>9.4}", (self.now - self.start).as_secs_f64())
    }

    fn next(&self) -> Option<Instant> {
        let deadlines = self.sides.iter().filter_map(|side| side.run.as_ref()?.conversation.deadline());
        deadlines.chain(self.server.switchboard.deadline()).chain(self.queue.peek().map(|entry| entry.at)).min()
    }

    fn step(&mut self) {
        if self.queue.peek().is_some_and(|entry| entry.at <= self.now) {
            if let Some(entry) = self.queue.pop() {
                self.happen(entry.what);
            }
            return;
        }
        if self.server.switchboard.deadline().is_some_and(|due| due <= self.now) {
            self.server.switchboard.handle_deadline(self.now);
            self.serve();
        }
        for side in 0..self.sides.len() {
            let due = self.sides[side].run.as_ref().and_then(|run| run.conversation.deadline());
            if due.is_some_and(|due| due <= self.now) {
                self.tell(side, twocan::conversation::Input::Deadline);
            }
        }
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Press(side, press) => self.press(side, press),
            Happening::End(side, run) => {
                if self.sides[side].run.is_some() && self.sides[side].runs == run {
                    self.end_run(side);
                }
            }
            Happening::ToSide(socket, down) => self.arrive_at_side(socket, down),
            Happening::ToServer(socket, up) => self.arrive_at_server(socket, up),
            Happening::Media(end, event) => self.media_event(end, event),
            Happening::Fault(fault) => self.fault(fault),
            Happening::Quiet => self.fall_quiet(),
        }
    }

    fn fault(&mut self, fault: Fault) {
        trace::note(|| format!("{} fault: {fault:?}", self.clock()));
        match fault {
            Fault::Server { is_up } => self.restart_server(is_up),
            Fault::LoseLine(side) => self.lose_socket(side),
            Fault::HalfDead(side) => self.half_kill(side),
            Fault::Lie { side, has_joined } => self.lie(side, has_joined),
            Fault::Cut(is_cut) => self.cut(is_cut),
        }
    }

    fn fall_quiet(&mut self) {
        trace::note(|| format!("{} == quiet", self.clock()));
        self.server.weather = crate::server::Weather::default();
        (self.medium.fails, self.medium.slow) = (0.0, 0.0);
        self.plan.dies = None;
        self.become_honest();
        if !self.server.is_up {
            self.restart_server(true);
        }
        if self.medium.is_cut {
            self.cut(false);
        }
    }
}
