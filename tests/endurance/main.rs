//! Many calls in one process, alone in theirs, so that what they leave behind can be measured.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::wildcard_enum_match_arm)]
#![allow(clippy::disallowed_methods, reason = "a test waits by the real clock")]
#![allow(clippy::print_stdout, reason = "figures are to be read")]
#![allow(dead_code, reason = "pairs and rooms are shared with the media tests, which use more of them")]

#[path = "../media/many.rs"]
mod many;
#[path = "../media/pair.rs"]
mod pair;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use many::{Member, Room};
use pair::Pair;
use twocan::conversation::Gate;

/// How long what was closed may take until nothing of it is left.
const SETTLED: Duration = Duration::from_secs(20);
/// How long nothing may have changed until all is closed: a thread without work counts as in use for half of it.
const STILL: Duration = Duration::from_secs(1);
/// How often the same is tried: what is left behind is so each time, what a busy moment took in memory only once.
const TRIES: usize = 3;

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
    assert_nothing_is_left(10, 20, |update| {
        pair.update(update % 2, 20);
    });
}

#[test]
fn fifty_calls_in_one_process_leave_nothing_behind() {
    let _alone = alone();
    let mut pair = Pair::new();
    assert_nothing_is_left(10, 40, |call| {
        pair.connect(call % 2);
        pair.set_gate(0, Gate::Open);
        pair.set_gate(1, Gate::Open);
        pair.hear(1, 440.0);
        pair.set_gate(0, Gate::Closed);
        pair.set_gate(1, Gate::Closed);
        pair.close();
    });
}

#[test]
fn twenty_come_to_a_room_and_go_and_leave_nothing_behind() {
    let _alone = alone();
    let mut room = Room::connected(2);
    room.set_gates(Gate::Open);
    room.hear_each_other(&[0, 1]);
    room.members.push(Member::new(2));
    room.members[2].media.set_gate(Gate::Open);
    assert_nothing_is_left(5, 15, |_| {
        room.connect(2, 0);
        room.connect(2, 1);
        room.hear_each_other(&[0, 1, 2]);
        for other in [0, 1] {
            room.close(2, other);
            room.close(other, 2);
        }
        room.members[2].tones.clear();
        room.hear_each_other(&[0, 1]);
    });
}

/// After some that are the first, so many more leave nothing behind.
fn assert_nothing_is_left(first: usize, more: usize, mut round: impl FnMut(usize)) {
    (0..first).for_each(&mut round);
    let mut seen = vec![settled(|_| false)];
    for _ in 0..TRIES {
        let before = seen[seen.len() - 1];
        (first..first + more).for_each(&mut round);
        let is_as_before = |now: &Footprint| {
            now.descriptors <= before.descriptors + 8
                && now.threads <= before.threads + 4
                && now.resident_kib <= before.resident_kib + 8 * 1024
        };
        seen.push(settled(is_as_before));
        if is_as_before(&seen[seen.len() - 1]) {
            return println!("{seen:?}");
        }
    }
    panic!("each time more: {seen:?}");
}

/// What is in use once that is `enough`, or stays the same: what was closed is taken apart on threads of its own.
fn settled(enough: impl Fn(&Footprint) -> bool) -> Footprint {
    let begun = Instant::now();
    let (mut last, mut since) = (footprint(), begun);
    while !enough(&last) && since.elapsed() < STILL && begun.elapsed() < SETTLED {
        std::thread::sleep(Duration::from_millis(50));
        let now = footprint();
        if (now.threads, now.descriptors) != (last.threads, last.descriptors) {
            since = Instant::now();
        }
        last = now;
    }
    last
}

#[derive(Debug, Clone, Copy)]
struct Footprint {
    resident_kib: u64,
    /// Those that have work.
    threads: u64,
    descriptors: usize,
}

fn footprint() -> Footprint {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let number = |name: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    Footprint {
        resident_kib: number("VmRSS:"),
        threads: number("Threads:") - u64::from(glib::ThreadPool::num_unused_threads()),
        descriptors: std::fs::read_dir("/proc/self/fd").unwrap().count(),
    }
}
