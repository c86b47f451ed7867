//! The network from inside a namespace of its own, where links come and go and nobody else notices.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::wildcard_enum_match_arm)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "figures, and what could not be tested, are to be read")]
#![allow(clippy::disallowed_methods, reason = "a test waits by the real clock")]

#[allow(dead_code, reason = "the pair is shared with the media tests, which use more of it")]
#[path = "../media/pair.rs"]
mod pair;

use std::{
    process::Command,
    time::{Duration, Instant},
};

use pair::Pair;
use twocan::{
    call::{MediaCommand, MediaEvent},
    conversation::Gate,
    media::Event,
    network, rt,
};

/// How long a change may take to be noticed.
const SOON: Duration = Duration::from_secs(20);
/// How long to listen where nothing is to come: five times what a volley takes to settle.
const QUIET: Duration = Duration::from_millis(500);

/// Whether this process is in a namespace of its own; runs the test once more in one if not.
fn is_apart(test: &str) -> bool {
    const INSIDE: &str = "TWOCAN_TEST_NAMESPACE";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let unshare = || {
        let mut command = Command::new("unshare");
        command.arg("-Urn");
        command
    };
    let able = unshare().args(["ip", "link", "add", "lan0", "type", "veth", "peer", "name", "lan1"]).output();
    if !able.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: {test}: this system gives no network namespace with links to try");
        return false;
    }
    let this = std::env::current_exe().unwrap();
    let inside = unshare().arg(this).args(["--exact", test, "--nocapture"]).env(INSIDE, "1").status().unwrap();
    assert!(inside.success(), "inside the namespace");
    false
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The loopback and a link without an address.
fn with_link() {
    for line in ["link set lo up", "link add lan0 type veth peer name lan1", "link set lan0 up", "link set lan1 up"] {
        ip(line);
    }
}

/// Waits for a change, and makes sure that none follows it.
async fn is_told_once(changes: &rt::Receiver<()>, what: &str) {
    let begun = Instant::now();
    assert!(rt::timeout(SOON, changes.recv()).await.is_some(), "{what}: not told");
    println!("{what}: told after {:?}", begun.elapsed());
    is_told_nothing(changes, what).await;
}

async fn is_told_nothing(changes: &rt::Receiver<()>, what: &str) {
    assert!(rt::timeout(QUIET, changes.recv()).await.is_none(), "{what}: told too much");
}

#[test]
fn every_change_of_addresses_and_routes_is_told_once() {
    if !is_apart("every_change_of_addresses_and_routes_is_told_once") {
        return;
    }
    with_link();
    let course = async {
        let (sender, changes) = rt::channel(16);
        let watch = network::watch(sender);
        is_told_nothing(&changes, "nothing").await;
        for (line, told) in [
            ("addr add 10.9.0.1/24 dev lan0", true),
            ("addr change 10.9.0.1/24 dev lan0 valid_lft 600 preferred_lft 300", false),
            ("addr add 10.9.0.2/24 dev lan0", true),
            ("route add default via 10.9.0.9 dev lan0", true),
            ("route add 10.77.0.0/16 via 10.9.0.9 dev lan0", false),
            ("addr add 2001:db8:1::1/64 dev lan0 nodad", true),
            ("addr add 2001:db8:1::2/64 dev lan0 nodad", false),
            ("addr add 2001:db8:2::1/64 dev lan0", true), // Tried out first, and told of when it can be used.
            ("addr del 2001:db8:2::1/64 dev lan0", true),
            ("link set lan1 down", true), // The cable is pulled out.
            ("link set lan1 up", true),
            ("addr del 10.9.0.2/24 dev lan0", true),
            ("link del lan0", true),
        ] {
            ip(line);
            if told { is_told_once(&changes, line).await } else { is_told_nothing(&changes, line).await }
        }
        drop(watch);
        assert!(rt::timeout(SOON, changes.recv()).await.is_some_and(|end| end.is_err()), "it ends with its handle");
    };
    rt::run(course).unwrap();
}

#[test]
fn an_update_goes_on_over_the_address_that_has_come_when_the_first_is_gone() {
    if !is_apart("an_update_goes_on_over_the_address_that_has_come_when_the_first_is_gone") {
        return;
    }
    with_link();
    ip("addr add 10.9.0.1/24 dev lan0");
    let mut pair = Pair::on(None);
    pair.connect(0);
    pair.set_gate(0, Gate::Open);
    pair.set_gate(1, Gate::Open);
    pair.hear(1, 440.0);
    ip("addr add 10.9.0.2/24 dev lan0");
    ip("addr del 10.9.0.1/24 dev lan0");
    pair.hear_nothing_more(1);
    pair.update(1, 20);
    pair.hear(1, 440.0);
    pair.hear(0, 660.0);
}

#[test]
fn a_machine_that_had_no_network_at_first_uses_the_one_that_comes() {
    if !is_apart("a_machine_that_had_no_network_at_first_uses_the_one_that_comes") {
        return;
    }
    with_link();
    let pair = Pair::on(None);
    ip("addr add 10.9.0.1/24 dev lan0");
    pair.command(0, MediaCommand::Offer);
    pair.sides[0].wait(
        "a candidate on the network",
        |event| matches!(event, Event::Call(_, MediaEvent::Candidate(found)) if found.candidate.contains(" 10.9.0.1 ")),
    );
}
