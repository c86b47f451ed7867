//! Two who talk while somebody else attacks the server, and what they notice.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use tokio_tungstenite::MaybeTlsStream;

use crate::{
    ALONE, Running,
    attacks::{Attack, Attacker},
    line::{Line, Target},
    process::Process,
    raise_file_limit,
};

/// Whatever takes no longer than this counts as unnoticed: machines that run tests have other things to do, and a server
/// that is not optimised takes half a millisecond for each of a hundred connections that come at once.
const UNNOTICED: Duration = Duration::from_millis(if cfg!(debug_assertions) { 150 } else { 25 });

/// How much more memory the server may take while it is attacked, in bytes.
const MEMORY: u64 = 24 << 20;

/// How often an attack has to be noticed, one time after the other, to count as noticed.
const TRIES: usize = 4;

/// How long each attack goes on at least, and how long quiet is measured.
const WHILE: Duration = Duration::from_millis(1_500);

/// The pause between two messages: with it, two who talk stay below the rate that each may send at.
const PAUSE: Duration = Duration::from_millis(3);

/// How many rooms one client makes: as many as a build makes in little more than a minute.
const ROOMS: usize = if cfg!(debug_assertions) { 20_000 } else { 100_000 };

/// Two clients in a session.
struct Pair([Line; 2]);

/// How long messages of 300 bytes took from the one to the other.
struct Latency(Vec<Duration>);

impl Pair {
    async fn new(target: &Target) -> io::Result<Self> {
        let other = target.register(0, "other").await?;
        let mut one = target.register(1, "one").await?;
        one.ask("SESSION other", "SESSION_OK").await?;
        Ok(Self([one, other]))
    }

    /// Talks by turns until told to stop.
    async fn talk(&mut self, stop: &AtomicBool) -> io::Result<Latency> {
        let text = "x".repeat(300);
        let mut took = Vec::new();
        while !stop.load(Relaxed) {
            let (from, to) = (took.len() % 2, 1 - took.len() % 2);
            let began = Instant::now();
            self.0[from].say(text.clone()).await?;
            self.0[to].expect(&text).await?;
            took.push(began.elapsed());
            tokio::time::sleep(PAUSE).await;
        }
        took.sort();
        Ok(Latency(took))
    }

    async fn talk_for(&mut self, time: Duration) -> io::Result<Latency> {
        let stop = AtomicBool::new(false);
        let ((), latency) = tokio::join!(
            async {
                tokio::time::sleep(time).await;
                stop.store(true, Relaxed);
            },
            self.talk(&stop)
        );
        latency
    }
}

impl Latency {
    fn p99(&self) -> Duration {
        self.0[self.0.len() * 99 / 100]
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let median = self.0[self.0.len() / 2];
        write!(f, "median {median:>9.1?}, p99 {:>9.1?} of {}", self.p99(), self.0.len())
    }
}

/// Says that the attack is over, also when it panics.
struct StopAtEnd(Arc<AtomicBool>);

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Attacks from a thread of its own, again and again; gives what the pair noticed and the most memory that was used.
async fn under(attack: Attack, attacker: Attacker, running: &Running, pair: &mut Pair) -> (Latency, u64) {
    let stop = Arc::new(AtomicBool::new(false));
    let attacking = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let _stop = StopAtEnd(stop);
            // Somewhere else in the world it would take no processor from the others.
            let _ = rustix::process::nice(10);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let began = Instant::now();
            runtime.block_on(async {
                while began.elapsed() < WHILE {
                    attack.run(&attacker).await;
                }
            });
            attacker.carried_out.into_inner()
        }
    });
    let (latency, memory) = tokio::join!(pair.talk(&stop), most_memory(&running.process, &stop));
    let carried_out = attacking.join().expect("the attack went as it was to go");
    assert!(carried_out > 0, "{attack:?} was never carried out");
    println!("{attack:?}, carried out {carried_out} times");
    (latency.expect("the session holds"), memory)
}

async fn most_memory(process: &Process, stop: &AtomicBool) -> u64 {
    let mut most = 0;
    while !stop.load(Relaxed) {
        most = most.max(process.memory().unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    most
}

#[tokio::test]
async fn whatever_somebody_tries_the_others_notice_nothing() {
    let _alone = ALONE.lock().await;
    raise_file_limit();
    let running = Running::start();
    let mut pair = Pair::new(&running.target()).await.unwrap();
    pair.talk_for(WHILE).await.unwrap(); // Warm up.
    let before = running.process.memory().unwrap();
    let mut noticed = Vec::new();
    for attack in Attack::ALL {
        let mut is_noticed = true;
        // What else the machine does is noticed as well, but not every time.
        for attempt in 0..TRIES {
            let quiet = pair.talk_for(WHILE).await.unwrap();
            let attacker = Attacker::new(running.target(), attack as usize * TRIES + attempt);
            let (loud, memory) = under(attack, attacker, &running, &mut pair).await;
            let more = memory.saturating_sub(before);
            println!("    quiet: {quiet}\n    loud:  {loud}\n    memory: {:+} KiB", more / 1024);
            assert!(more < MEMORY, "{attack:?} takes {} MiB", more >> 20);
            is_noticed = loud.p99() > UNNOTICED.max(2 * quiet.p99());
            if !is_noticed {
                break;
            }
        }
        noticed.extend(is_noticed.then_some(attack));
    }
    assert!(noticed.is_empty(), "noticed: {noticed:?}");
}

/// One client's next room; one connection can be in one room only.
async fn make_room(target: &Target, number: usize) -> io::Result<()> {
    let mut line = target.register(0, &format!("maker-{number}")).await?;
    line.ask(&format!("ROOM room-{number}"), "ROOM_OK ").await?;
    // Torn down, for there are fewer ports than rooms.
    if let MaybeTlsStream::Plain(tcp) = line.0.get_ref() { tcp.set_zero_linger() } else { Ok(()) }
}

#[tokio::test]
async fn rooms_without_end_leave_nothing_behind() {
    let _alone = ALONE.lock().await;
    raise_file_limit();
    let running = Running::start_with(&["--address-rate", "1000000", "--address-message-rate", "1000000"]);
    let (target, began) = (running.target(), Instant::now());
    let make = async |numbers: std::ops::Range<usize>| {
        let made = stream::iter(numbers.map(|number| make_room(&target, number))).buffer_unordered(64);
        made.for_each(async |made| made.unwrap()).await;
    };
    make(0..1_000).await; // Warm up.
    let before = running.process.settled_memory().await.unwrap();
    make(1_000..1_000 + ROOMS).await;
    let after = running.process.settled_memory().await.unwrap();
    let more = after.saturating_sub(before);
    println!("{ROOMS} rooms in {:?}, {} KiB more", began.elapsed(), more / 1024);
    assert!(more < MEMORY, "{} MiB are left", more >> 20);
    target.register(0, "maker-1").await.expect("the last who was called so has gone");
}
