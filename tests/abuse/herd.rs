//! A server that ends without a word, and comes back: its clients come back too, and not all at once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;
use twocan::conversation::Backoff;

use crate::{ALONE, Running, line::Target, raise_file_limit};

const CLIENTS: usize = 5_000;

/// Within how long everybody has to be back: 5 s of a machine that has nothing else to do, and with a program that has
/// been optimised; debug builds and machines that are shared get four times as long.
const BACK: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 5 });

/// What part of all attempts may come within the same 100 ms.
const SHARE: f64 = 0.33;

/// What all clients tell of themselves.
#[derive(Default)]
struct Crowd {
    registered: AtomicUsize,
    lost: AtomicUsize,
    attempts: Mutex<Vec<Instant>>,
}

/// One client, for ever: it registers, and when it is cut off it comes back as ours do.
async fn live(target: Target, number: usize, crowd: Arc<Crowd>, first: Arc<Semaphore>) {
    let mut random = fastrand::Rng::with_seed(number as u64);
    let mut backoff = Backoff::default();
    let mut permit = Some(first.acquire_owned().await.unwrap());
    loop {
        crowd.attempts.lock().unwrap().push(Instant::now());
        if let Ok(mut line) = target.register(number, &format!("sheep-{number}")).await {
            backoff.reset();
            permit.take();
            crowd.registered.fetch_add(1, SeqCst);
            while line.hear().await.is_ok() {}
            crowd.registered.fetch_sub(1, SeqCst);
            crowd.lost.fetch_add(1, SeqCst);
        }
        let next = backoff.next(Instant::now(), &mut random);
        tokio::time::sleep_until(next.into()).await;
    }
}

impl Crowd {
    /// Waits until so many are registered.
    async fn reaches(&self, count: usize) {
        while self.registered.load(SeqCst) != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until so many have noticed that the server is gone.
    async fn loses(&self, count: usize) {
        while self.lost.load(SeqCst) < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How many attempts there were in each 100 ms since then.
    fn histogram(&self, since: Instant) -> BTreeMap<u128, usize> {
        let mut histogram = BTreeMap::new();
        for at in self.attempts.lock().unwrap().iter().filter(|at| **at >= since) {
            *histogram.entry(at.duration_since(since).as_millis() / 100).or_default() += 1;
        }
        histogram
    }
}

#[tokio::test]
async fn five_thousand_clients_come_back_after_a_kill_and_not_all_at_once() {
    let _alone = ALONE.lock().await;
    raise_file_limit();
    let mut running = Running::start();
    let (crowd, first) = (Arc::new(Crowd::default()), Arc::new(Semaphore::new(64)));
    for number in 0..CLIENTS {
        tokio::spawn(live(running.target(), number, crowd.clone(), first.clone()));
    }
    tokio::time::timeout(Duration::from_secs(60), crowd.reaches(CLIENTS)).await.expect("all are there");

    let killed = Instant::now();
    let restarting = tokio::task::spawn_blocking(move || {
        running.restart();
        running
    });
    let _running = restarting.await.unwrap();
    let started = killed.elapsed();
    tokio::time::timeout(BACK, async {
        crowd.loses(CLIENTS).await;
        crowd.reaches(CLIENTS).await;
    })
    .await
    .expect("all are back");
    let (back, histogram) = (killed.elapsed(), crowd.histogram(killed));
    let all: usize = histogram.values().sum();
    println!("{CLIENTS} clients: the server is back after {started:?}, all of them after {back:?}");
    for (tenth, count) in &histogram {
        println!("{:>5} ms {count:>6} attempts {}", tenth * 100, "#".repeat(count / 25));
    }
    let most = *histogram.values().max().unwrap() as f64 / all as f64;
    assert!(most <= SHARE, "{:.0} % of all attempts within 100 ms", 100.0 * most);
}
