//! The fuzzing targets without a fuzzer: on what one has found worth keeping, and on changes of that.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a failure is told with what brings it about again")]

#[path = "../../fuzz/src/lib.rs"]
pub mod targets;

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::PathBuf,
};

use targets::{TARGETS, Target};

/// How many changed inputs each target gets.
const CHANGED: usize = 5000;
/// The longest of them: 2 KiB.
const LIMIT: usize = 2048;

/// What stands in `fuzz/corpus` for a target, in the order of its names.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fuzz", "corpus", name].iter().collect();
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect();
    files.sort();
    assert!(!files.is_empty(), "{name} has no corpus");
    files
}

/// Runs one input; if it fails, says how to have it again.
fn run(target: Target, data: &[u8], what: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(data))) {
        eprintln!("{what} fails: {}", data.escape_ascii());
        resume_unwind(panic);
    }
}

fn changed(random: &mut fastrand::Rng, corpus: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut data = corpus[random.usize(..corpus.len())].1.clone();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(..=data.len());
        let until = random.usize(at..=data.len().min(at + 16));
        match random.u8(..6) {
            0 => drop(data.drain(at..until)),
            1 => data.insert(at, random.u8(..)),
            2 => data.extend_from_within(at..until),
            3 => {
                let other = &corpus[random.usize(..corpus.len())].1;
                let from = random.usize(..=other.len());
                data.splice(at..until, other[from..other.len().min(from + 64)].iter().copied());
            }
            4 => data.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.u8(..8)),
            _ => data.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.u8(..)),
        }
    }
    data.truncate(LIMIT);
    data
}

#[test]
fn what_a_fuzzer_has_found_is_borne() {
    for (name, target) in TARGETS {
        for (path, data) in corpus(name) {
            run(target, &data, &path);
        }
    }
}

#[test]
fn what_is_like_it_is_borne() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one("seed"));
    println!("SEED={seed}");
    for (name, target) in TARGETS {
        let (mut random, corpus) = (fastrand::Rng::with_seed(seed), corpus(name));
        for number in 0..CHANGED {
            run(target, &changed(&mut random, &corpus), &format!("{name}, SEED={seed}, number {number},"));
        }
    }
}
