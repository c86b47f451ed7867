//! Many calls in one process, alone in theirs, so that what they leave behind can be measured.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::wildcard_enum_match_arm)]
#![allow(clippy::disallowed_methods, reason = "a test waits by the real clock")]
#![allow(dead_code, reason = "the pair is shared with the media tests, which use more of it")]

#[path = "../media/pair.rs"]
mod pair;

use std::sync::{Mutex, MutexGuard, PoisonError};

use pair::Pair;
use twocan::conversation::Gate;

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
    compare(&begun.unwrap(), &footprint());
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
    compare(&begun.unwrap(), &footprint());
}

fn compare(begun: &Footprint, ended: &Footprint) {
    assert!(ended.descriptors <= begun.descriptors + 8, "{begun:?} {ended:?}");
    assert!(ended.threads <= begun.threads + 8, "{begun:?} {ended:?}");
    assert!(ended.resident_kib <= begun.resident_kib + 8 * 1024, "{begun:?} {ended:?}");
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
