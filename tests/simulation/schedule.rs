//! What a seed stands for: who there is, what people press, and what goes wrong.

use std::time::Duration;

use fastrand::Rng;
use twocan::{
    conversation::{Switch, Track},
    ids::{ConversationId, InstanceId},
    pairing::PairingKey,
};

use crate::{
    crypto::{self, Kind},
    hostile::Malice,
    server::Weather,
    side::{Disk, Press},
};

/// How long after the last fault and the last press all has to be well: 15 s.
pub const SETTLED: Duration = Duration::from_secs(15);
/// The longest a fault goes on having an effect: what is held up, or dead and not noticed.
const AFTERMATH: Duration = Duration::from_secs(6);

/// What goes wrong at a certain moment.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    Server { is_up: bool },
    LoseLine(usize),
    HalfDead(usize),
    Lie { side: usize, has_joined: bool },
    Cut(bool),
}

#[derive(Debug)]
pub struct Plan {
    pub disks: Vec<Disk>,
    /// Which disk is used at each place.
    pub places: Vec<usize>,
    pub latency: Duration,
    pub jitter: Duration,
    pub weather: Weather,
    pub server: Server,
    pub malice: Malice,
    /// The server says who is there, and it is not so.
    pub lies: bool,
    pub media_fail: f64,
    pub media_slow: f64,
    /// The run that ends in the middle of saying something.
    pub dies: Option<(usize, u32)>,
    pub presses: Vec<(Duration, usize, Press)>,
    pub faults: Vec<(Duration, Fault)>,
    /// Nothing goes wrong from then on.
    pub quiet: Duration,
    /// Nor does what went wrong before have an effect from then on.
    pub settled_from: Duration,
    /// Everything has to be settled then.
    pub end: Duration,
}

/// What kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// It means well, and fails.
    Faulty,
    /// It means harm.
    Hostile,
}

/// Who there is besides the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Third {
    Nobody,
    /// Reads the code too.
    Reader,
    /// A second run of the first side.
    SecondRun,
}

impl Plan {
    pub fn draw(random: &mut Rng, crypto: Kind, server: Server) -> Self {
        let is_paired = random.u8(..) < 180;
        let third = match random.u8(0..10) {
            0 if is_paired => Third::SecondRun,
            0..=3 if !is_paired => Third::Reader,
            _ => Third::Nobody,
        };
        let (disks, places) = people(random, crypto, is_paired, third);
        let milliseconds = [1, 5, 20, 60, 150][random.usize(0..5)];
        // A third of the schedules have no faults, so that what needs none is met often.
        let is_calm = server == Server::Faulty && random.u8(..) < 85;
        let trouble = if is_calm { Duration::ZERO } else { millis(random, 500, 20_000) };
        let pressing = millis(random, 500, 20_000);
        let mut plan = Self {
            disks,
            latency: Duration::from_millis(milliseconds),
            jitter: Duration::from_millis(milliseconds),
            weather: Weather::default(),
            server,
            malice: Malice::None,
            lies: false,
            media_fail: 0.0,
            media_slow: 0.0,
            dies: None,
            presses: Vec::new(),
            faults: Vec::new(),
            quiet: trouble,
            settled_from: if trouble.is_zero() { trouble } else { trouble + SETTLED },
            end: (trouble + AFTERMATH).max(pressing) + SETTLED,
            places,
        };
        if server == Server::Hostile {
            plan.draw_malice(random, crypto);
        }
        plan.draw_presses(random, pressing);
        if !plan.quiet.is_zero() {
            plan.draw_faults(random, trouble);
        }
        // What is restarted comes back a little later.
        let last = plan.presses.iter().map(|(at, ..)| *at).max().unwrap_or_default();
        plan.end = plan.end.max(last + SETTLED + Duration::from_secs(2));
        plan
    }

    /// Whether the server hands on all it gets, or breaks off.
    pub fn is_reliable(&self) -> bool {
        let Weather { drop, reorder, truncate, repeat, .. } = self.weather;
        drop + reorder + truncate + repeat == 0.0 && !self.lies && self.malice == Malice::None
    }

    /// Whether the server says things again much later.
    pub fn replays(&self) -> bool {
        self.weather.repeat + self.weather.reorder > 0.0
    }

    /// Whether nothing goes wrong at all.
    pub fn is_calm(&self) -> bool {
        self.quiet.is_zero()
    }

    fn draw_malice(&mut self, random: &mut Rng, crypto: Kind) {
        if random.u8(..) < 64 {
            // One frame is changed, and nothing else goes wrong: somebody has to notice.
            self.malice = Malice::Once(random.u32(0..8));
            self.quiet = Duration::ZERO;
            self.places.truncate(2);
            return;
        }
        self.malice = Malice::Busy;
        if random.u8(..) < 64 {
            // Another conversation, whose frames can be mixed in.
            let is_paired = random.bool();
            let (disks, _) = people(random, crypto, is_paired, Third::Nobody);
            self.places.extend([self.disks.len(), self.disks.len() + 1]);
            self.disks.extend(disks);
        }
    }

    fn draw_presses(&mut self, random: &mut Rng, until: Duration) {
        for side in 0..self.places.len() {
            let at = millis(random, 0, 2000);
            self.presses.push((at, side, Press::Start));
        }
        let first = millis(random, 0, 3000);
        if matches!(self.malice, Malice::Once(_)) {
            return self.presses.push((first, 0, Press::Unpause));
        }
        if self.places.len() > 3 {
            self.presses.push((first, self.places.len() - 1, Press::Unpause));
        }
        self.presses.push((first, random.usize(0..2), Press::Unpause));
        for _ in 0..random.usize(0..8) {
            let at = Duration::from_micros(random.u64(0..until.as_micros() as u64));
            let side = random.usize(0..self.places.len());
            let press = draw_press(random);
            self.presses.push((at, side, press));
            if matches!(press, Press::Quit | Press::Kill) && random.u8(..) < 200 {
                let back = at + millis(random, 10, 6000);
                self.presses.push((back, side, Press::Start));
                if random.bool() {
                    self.presses.push((back + millis(random, 0, 500), side, Press::Unpause));
                }
            }
        }
        // In the midst of what an unpausing begins.
        if random.u8(..) < 80 {
            let at = millis(random, 1000, until.as_millis() as u64 + 12_000);
            let side = random.usize(0..2);
            self.presses.push((at, side, Press::Unpause));
            self.presses.push((at + millis(random, 0, 1500), random.usize(0..2), Press::HangUp));
        }
        // At once on both sides, or nearly so: glare is rare otherwise.
        if random.u8(..) < 80 {
            let at = millis(random, 1000, until.as_millis() as u64 + 1000);
            let press = [Press::Unpause, Press::HangUp, Press::Network { is_told: true }][random.usize(0..3)];
            self.presses.push((at, 0, press));
            self.presses.push((at + millis(random, 0, 200), 1, press));
        }
    }

    fn draw_faults(&mut self, random: &mut Rng, until: Duration) {
        let mut share = || if random.u8(..) < 100 { random.f64() * 0.25 } else { 0.0 };
        self.weather = Weather { drop: share(), delay: share(), repeat: share(), reorder: share(), truncate: share() };
        (self.media_fail, self.media_slow) = (share(), share());
        if random.u8(..) < 80 {
            self.dies = Some((random.usize(0..2), random.u32(1..3)));
        }
        for _ in 0..random.usize(0..5) {
            let at = Duration::from_micros(random.u64(0..until.as_micros() as u64));
            let side = random.usize(0..self.places.len());
            let later = at + millis(random, 10, 8000);
            match random.u8(0..5) {
                0 => {
                    self.faults.push((at, Fault::Server { is_up: false }));
                    self.faults.push((later.min(until), Fault::Server { is_up: true }));
                }
                1 => self.faults.push((at, Fault::LoseLine(side))),
                2 => self.faults.push((at, Fault::HalfDead(side))),
                3 => {
                    self.lies = true;
                    self.faults.push((at, Fault::Lie { side, has_joined: random.bool() }));
                }
                _ => {
                    self.faults.push((at, Fault::Cut(true)));
                    self.faults.push((later.min(until), Fault::Cut(false)));
                }
            }
        }
    }
}

fn draw_press(random: &mut Rng) -> Press {
    let switch = if random.bool() { Switch::On } else { Switch::Off };
    match random.u8(0..28) {
        0..=7 => Press::Unpause,
        8..=10 => Press::Pause,
        11..=13 => Press::HangUp,
        14 => Press::Switch(Track::Microphone, switch),
        15 => Press::Switch(Track::Camera, switch),
        16 => Press::TakeOver,
        17 | 18 => Press::Quit,
        19 | 20 => Press::Kill,
        21..=23 => Press::Reload,
        24 | 25 => Press::Network { is_told: true },
        26 => Press::Network { is_told: false },
        _ => Press::Equipped { camera: random.bool() },
    }
}

fn people(random: &mut Rng, crypto: Kind, is_paired: bool, third: Third) -> (Vec<Disk>, Vec<usize>) {
    let conversation = ConversationId::from_bits(random.u128(..));
    let code = PairingKey::from_bytes(bytes(random));
    let count = if third == Third::Reader { 3 } else { 2 };
    let mut disks: Vec<Disk> = (0..count)
        .map(|_| Disk {
            conversation: conversation.clone(),
            instance: InstanceId::from_bits(random.u128(..)),
            secret: bytes(random),
            code: (!is_paired).then(|| code.clone()),
            far: None,
            far_key: None,
            spent: None,
            is_paired,
        })
        .collect();
    let owner = disks[0].instance.clone();
    disks[1..].iter_mut().for_each(|disk| disk.far = Some(owner.clone()));
    if is_paired {
        disks[0].far = Some(disks[1].instance.clone());
        for side in [0, 1] {
            disks[side].far_key = Some(public(crypto, disks[1 - side].secret));
        }
    }
    let places = match third {
        Third::Nobody => vec![0, 1],
        Third::Reader => vec![0, 1, 2],
        Third::SecondRun => vec![0, 1, 0],
    };
    (disks, places)
}

/// The public half of a key, in the cryptography that the schedule uses.
pub fn public(crypto: Kind, secret: [u8; 32]) -> twocan::seal::PublicKey {
    match crypto {
        Kind::Toy => crypto::public(secret),
        Kind::Real => twocan::seal::SecretKey::from_bytes(secret).public(),
    }
}

fn bytes(random: &mut Rng) -> [u8; 32] {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    bytes
}

fn millis(random: &mut Rng, from: u64, to: u64) -> Duration {
    Duration::from_micros(random.u64(from * 1000..=to * 1000))
}
