//! Many schedules on all processors, and the story of one that fails.

use std::{
    any::Any,
    cell::Cell,
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe},
    sync::{
        Mutex, Once,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use fastrand::Rng;

use crate::{
    check::Tally,
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
        hush();
        let began = Instant::now();
        let (next, found) = (AtomicU64::new(0), AtomicBool::new(false));
        let (failed, total) = (Mutex::new(Vec::new()), Mutex::new(Tally::default()));
        let work = || {
            let mut tally = Tally::default();
            while !found.load(Ordering::Relaxed) {
                let from = next.fetch_add(PORTION, Ordering::Relaxed);
                if from >= self.seeds {
                    break;
                }
                for seed in from..(from + PORTION).min(self.seeds) {
                    match self.schedule(self.first + seed) {
                        Ok(came) => tally.add(came),
                        Err(why) => {
                            failed.lock().expect("no thread dies").push((self.first + seed, why));
                            found.store(!self.goes_on, Ordering::Relaxed);
                        }
                    }
                }
            }
            total.lock().expect("no thread dies").add(tally);
        };
        thread::scope(|scope| {
            let threads = thread::available_parallelism().map_or(1, usize::from);
            (0..threads).for_each(|_| drop(scope.spawn(work)));
        });
        let taken = began.elapsed().as_secs_f64();
        let run = next.load(Ordering::Relaxed).min(self.seeds);
        println!("{}: {run} schedules in {taken:.1} s, {:.0} a second", self.name, run as f64 / taken);
        let total = total.into_inner().expect("no thread dies");
        println!("{}: {total:?}", self.name);
        let failed = failed.into_inner().expect("no thread dies");
        if self.goes_on {
            list(&failed);
        } else if let Some((seed, why)) = failed.into_iter().min() {
            self.tell(seed, run, &why);
        } else {
            assert!(run < 300 || total.is_varied(self.server), "the schedules do not do what they are to do");
        }
    }

    fn schedule(self, seed: u64) -> Result<Tally, String> {
        let run = || {
            crypto::seed(seed);
            let mut random = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x7717);
            let plan = Plan::draw(&mut random, self.crypto, self.server);
            World::new(plan, random, self.crypto).run()
        };
        HUSHED.set(true);
        let came = panic::catch_unwind(AssertUnwindSafe(run)).map_err(|why| text(why.as_ref()));
        HUSHED.set(false);
        came
    }

    fn tell(self, seed: u64, run: u64, why: &str) {
        trace::begin();
        let again = self.schedule(seed);
        let lines = trace::end();
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

thread_local! {
    /// In a schedule a panic is a result, and shown with its trace.
    static HUSHED: Cell<bool> = const { Cell::new(false) };
}

fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !HUSHED.get() {
                loud(info);
            }
        }));
    });
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
