//! The network from inside a namespace of its own, where links come and go and nobody else notices.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::wildcard_enum_match_arm)]
#![allow(clippy::disallowed_methods, reason = "a test waits by the real clock")]

use std::{
    process::Command,
    time::{Duration, Instant},
};

use twocan::{network, rt};

/// How long a change may take to be noticed.
const SOON: Duration = Duration::from_secs(5);
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
    for line in ["link set lo up", "link add lan0 type veth peer name lan1", "link set lan0 up", "link set lan1 up"] {
        ip(line);
    }
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
