//! Many calls in one process, alone in theirs, so that what they leave behind can be measured.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::wildcard_enum_match_arm)]
#![allow(clippy::disallowed_methods, reason = "a test waits by the real clock")]
#![allow(dead_code, reason = "the pair is shared with the media tests, which use more of it")]

#[path = "../media/pair.rs"]
mod pair;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use pair::Pair;
use twocan::conversation::Gate;

/// How long what was closed may take until nothing of it is left.
const SETTLED: Duration = Duration::from_secs(20);

/// One at a time, or each would count what the other holds.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn twenty_updates_of_one_call_leave_nothing_behind() {
    let _alone = alone();
    let mut pair = Pair::connected();
    pair.set_gate(0, Gate::Open);
    pair.set_gate(1, Gate::Open);
    pair.hear(1, 440.0);
    pair.hear(0, 660.0);
    let mut begun = None;
    for update in 0..30 {
        pair.update(update % 2, 20);
        if update == 9 {
            begun = Some(footprint());
        }
    }
    assert_no_more_than(&begun.unwrap());
}

#[test]
fn fifty_calls_in_one_process_leave_nothing_behind() {
    let _alone = alone();
    let mut pair = Pair::new();
    let mut begun = None;
    for call in 0..50 {
        pair.connect(call % 2);
        pair.set_gate(0, Gate::Open);
        pair.set_gate(1, Gate::Open);
        pair.hear(1, 440.0);
        pair.set_gate(0, Gate::Closed);
        pair.set_gate(1, Gate::Closed);
        pair.close();
        if call == 9 {
            begun = Some(footprint());
        }
    }
    assert_no_more_than(&begun.unwrap());
}

/// Nothing is left of what was closed since; it is taken apart on threads of its own, which may take a while.
fn assert_no_more_than(begun: &Footprint) {
    let is_as_before = |now: &Footprint| {
        now.descriptors <= begun.descriptors + 8
            && now.threads <= begun.threads + 8
            && now.resident_kib <= begun.resident_kib + 8 * 1024
    };
    let deadline = Instant::now() + SETTLED;
    let mut now = footprint();
    while !is_as_before(&now) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
        now = footprint();
    }
    assert!(is_as_before(&now), "{begun:?} {now:?}");
}

#[derive(Debug)]
struct Footprint {
    resident_kib: u64,
    threads: u64,
    descriptors: usize,
}

fn footprint() -> Footprint {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let number = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    Footprint {
        resident_kib: number("VmRSS:"),
        threads: number("Threads:"),
        descriptors: std::fs::read_dir("/proc/self/fd").unwrap().count(),
    }
}
