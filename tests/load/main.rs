//! Measures what a server costs that runs as a process of its own: memory for each idle connection, processor time for
//! each connect and each relayed message, and what is left of a crowd that has gone.
//!
//! `load --twocan PROGRAM [--peer SCRIPT] [--clients N] [--rounds N] [--messages N] [--only SERVER]
//! [--json FILE]`. Run by `scripts/bench server`. Without arguments it measures the program that is built with it, with
//! fewer clients. Whatever costs more than it may fails it.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods, reason = "a program for people")]
#![allow(clippy::expect_used, reason = "a measurement that cannot be made is of no use")]

mod line;
mod measure;
mod process;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    process::Command,
};

use line::{Dialect, Target, any_certificate};
use measure::{Figures, Size, measure};
use process::Process;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Where several rounds were measured, this is what counts.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What an optimised build may cost: memory as it is promised, times ten times what they are on a machine that is used
/// by nobody else.
const OPTIMISED: [(&str, &str, f64); 8] = [
    ("twocan", "memory for each idle connection, KiB", 4.0),
    ("twocan, TLS", "memory for each idle connection, KiB", 14.0),
    ("twocan", "memory when all have gone, of that alone, %", 120.0),
    ("twocan, TLS", "memory when all have gone, of that alone, %", 120.0),
    ("twocan", "processor time for each message, µs", 150.0),
    ("twocan", "processor time for each connect, µs", 900.0),
    ("twocan, TLS", "processor time for each connect, µs", 4_700.0),
    ("twocan", "connected, registered and dropped, s", 50.0),
];

/// What any other may, which takes its time, and of which fewer clients are seen.
const IN_DEBUG: [(&str, &str, f64); 5] = [
    ("twocan", "memory for each idle connection, KiB", 4.0),
    ("twocan, TLS", "memory for each idle connection, KiB", 14.0),
    ("twocan", "memory when all have gone, of that alone, %", 130.0),
    ("twocan, TLS", "memory when all have gone, of that alone, %", 130.0),
    ("twocan", "processor time for each message, µs", 5_000.0),
];

/// One server under one name.
struct Subject {
    name: &'static str,
    start: Box<dyn Fn() -> io::Result<Process>>,
    dialect: Dialect,
    tls: bool,
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let flags: BTreeMap<_, _> =
        arguments.chunks_exact(2).map(|pair| (pair[0].trim_start_matches('-'), pair[1].as_str())).collect();
    let (usual, build) = match flags.get("twocan") {
        Some(_) => (Size { clients: 10_000, messages: 50_000 }, "release"),
        None => (Size { clients: 2_000, messages: 5_000 }, if cfg!(debug_assertions) { "debug" } else { "release" }),
    };
    let twocan = flags.get("twocan").copied().unwrap_or(env!("CARGO_BIN_EXE_twocan"));
    let number = |name, default| flags.get(name).map_or(default, |text| text.parse().expect("a number"));
    let size = Size { clients: number("clients", usual.clients), messages: number("messages", usual.messages) };
    let rounds = number("rounds", if flags.contains_key("twocan") { 3 } else { 1 });
    raise_file_limit();
    let state = tempfile::tempdir().expect("a folder for the server's key");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut results = BTreeMap::new();
    for round in 0..rounds {
        let only = flags.get("only").copied().unwrap_or_default();
        let all = subjects(twocan.into(), state.path(), flags.get("peer").map(PathBuf::from));
        for subject in all.iter().filter(|subject| only.is_empty() || subject.name == only) {
            eprintln!("── {} (round {})", subject.name, round + 1);
            let figures = runtime.block_on(once(subject, &size)).expect("a measurement");
            for (what, value) in figures {
                results.entry((what, subject.name)).or_insert_with(Vec::new).push(value);
            }
        }
    }
    let results: BTreeMap<_, _> = results.into_iter().map(|(key, values)| (key, median(values))).collect();
    println!("{}", table(&results, &size));
    let is_too_much = tell_excess(&results, if build == "debug" { &IN_DEBUG } else { &OPTIMISED });
    if let Some(path) = flags.get("json") {
        let plain: BTreeMap<_, _> =
            results.iter().map(|((what, who), value)| (format!("{who}: {what}"), value)).collect();
        std::fs::write(path, serde_json::to_string_pretty(&plain).expect("figures")).expect("a file for the figures");
    }
    if is_too_much {
        std::process::exit(1);
    }
}

/// Tells what costs more than it may, and whether anything does.
fn tell_excess(results: &BTreeMap<(&str, &str), f64>, most: &[(&str, &str, f64)]) -> bool {
    let excess = most.iter().filter(|(who, what, most)| results.get(&(*what, *who)).is_some_and(|cost| cost > most));
    excess.inspect(|(who, what, most)| println!("{who}: {what} is more than {most}")).count() > 0
}

fn subjects(twocan: PathBuf, state: &Path, peer: Option<PathBuf>) -> Vec<Subject> {
    let state = state.to_owned();
    // Idle clients are not looked after here, so they answer no ping; and those who talk do it as fast as they can.
    let flags = ["--idle-ping", "86400", "--message-rate", "1000000", "--address-message-rate", "1000000"];
    let start = move || Process::twocan(&twocan, &state, 0, &flags);
    let ours = |name, tls| Subject { name, start: Box::new(start.clone()), dialect: Dialect::Rendezvous, tls };
    let mut subjects = vec![ours("twocan", false), ours("twocan, TLS", true)];
    subjects.extend(peer.map(|script| {
        let start = move || {
            let mut command = Command::new("node");
            command.arg(&script);
            Process::start(command)
        };
        Subject { name: "peer (npm)", start: Box::new(start), dialect: Dialect::Peer, tls: false }
    }));
    subjects
}

async fn once(subject: &Subject, size: &Size) -> io::Result<Figures> {
    let process = (subject.start)()?;
    let tls = subject.tls.then(any_certificate).transpose().map_err(io::Error::other)?;
    measure(&process, &Target { address: process.address(), dialect: subject.dialect, tls }, size).await
}

fn table(results: &BTreeMap<(&str, &str), f64>, size: &Size) -> String {
    let mut columns: Vec<_> = results.keys().map(|(_, who)| *who).collect();
    columns.sort_by_key(|who| (!who.starts_with("twocan"), *who));
    columns.dedup();
    let mut text = format!("{:44}", format!("{} clients, {} messages", size.clients, size.messages));
    columns.iter().for_each(|who| text += &format!("{who:>14}"));
    let mut rows: Vec<_> = results.keys().map(|(what, _)| *what).collect();
    rows.dedup();
    for what in rows {
        text += &format!("\n{what:44}");
        for who in &columns {
            let value = results.get(&(what, *who));
            text += &value.map_or(format!("{:>14}", "–"), |value| format!("{value:>14.2}"));
        }
    }
    text
}

/// As many sockets as this user may have.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("a limit that is allowed");
}
