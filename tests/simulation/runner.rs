//! Many schedules on all processors, and the story of one that fails.

use std::{
    any::Any,
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use fastrand::Rng;

use crate::{
    crypto,
    schedule::{Plan, Server},
    trace,
    world::World,
};

/// Which schedules.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    pub name: &'static str,
    pub first: u64,
    pub seeds: u64,
    pub crypto: crypto::Kind,
    pub server: Server,
    /// Goes on after a failure, and lists the failing seeds by what is wrong.
    pub goes_on: bool,
}

/// Seeds that a thread takes at a time.
const PORTION: u64 = 32;

impl Batch {
    /// The schedules of the test of this name; the environment may ask for others.
    pub fn new(name: &'static str, seeds: u64, crypto: crypto::Kind, server: Server) -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
        Self {
            name,
            first: number("TWOCAN_SEED").unwrap_or(0),
            seeds: number("TWOCAN_SEEDS").unwrap_or(seeds),
            crypto,
            server,
            goes_on: number("TWOCAN_GO_ON").is_some(),
        }
    }

    /// Runs them all; panics with the story of the first that fails.
    pub fn run(self) {
        panic::set_hook(Box::new(|_| {}));
        let began = Instant::now();
        let (next, found) = (AtomicU64::new(0), AtomicBool::new(false));
        let failed = Mutex::new(Vec::new());
        let work = || {
            while !found.load(Ordering::Relaxed) {
                let from = next.fetch_add(PORTION, Ordering::Relaxed);
                if from >= self.seeds {
                    break;
                }
                for seed in from..(from + PORTION).min(self.seeds) {
                    if let Err(why) = self.schedule(self.first + seed) {
                        failed.lock().expect("no thread dies").push((self.first + seed, why));
                        found.store(!self.goes_on, Ordering::Relaxed);
                    }
                }
            }
        };
        thread::scope(|scope| {
            let threads = thread::available_parallelism().map_or(1, usize::from);
            (0..threads).for_each(|_| drop(scope.spawn(work)));
        });
        let _ = panic::take_hook();
        let taken = began.elapsed().as_secs_f64();
        let run = next.load(Ordering::Relaxed).min(self.seeds);
        println!("{}: {run} schedules in {taken:.1} s, {:.0} a second", self.name, run as f64 / taken);
        let failed = failed.into_inner().expect("no thread dies");
        if self.goes_on {
            list(&failed);
        } else if let Some((seed, why)) = failed.into_iter().min() {
            self.tell(seed, run, &why);
        }
    }

    fn schedule(self, seed: u64) -> Result<(), String> {
        let run = || {
            crypto::seed(seed);
            let mut random = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x7717);
            let plan = Plan::draw(&mut random, self.crypto, self.server);
            World::new(plan, random, self.crypto).run();
        };
        panic::catch_unwind(AssertUnwindSafe(run)).map_err(|why| text(why.as_ref()))
    }

    fn tell(self, seed: u64, run: u64, why: &str) {
        panic::set_hook(Box::new(|_| {}));
        trace::begin();
        let again = self.schedule(seed);
        let lines = trace::end();
        let _ = panic::take_hook();
        for line in lines {
            println!("{line}");
        }
        println!("failed seed: {seed} after {run} schedules: {why}");
        if again.is_ok() {
            println!("it does not fail again: something in it is not deterministic");
        }
        println!(
            "again: TWOCAN_SEED={seed} TWOCAN_SEEDS=1 cargo test --profile simulation --no-default-features --test simulation {} -- --nocapture",
            self.name
        );
        panic!("seed {seed}: {why}");
    }
}

/// The failing seeds, by what is wrong.
fn list(failed: &[(u64, String)]) {
    let mut kinds = BTreeMap::<String, Vec<u64>>::new();
    for (seed, why) in failed {
        kinds.entry(why.chars().filter(|c| !c.is_ascii_digit()).take(150).collect()).or_default().push(*seed);
    }
    for (why, mut seeds) in kinds {
        seeds.sort_unstable();
        let first = seeds.iter().take(8).map(u64::to_string).collect::<Vec<_>>().join(" ");
        println!("{} times: {why}\n    seeds {first}", seeds.len());
    }
}

fn text(why: &(dyn Any + Send)) -> String {
    let text = why.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| why.downcast_ref::<&str>().copied()).unwrap_or("it panics").to_owned()
}
