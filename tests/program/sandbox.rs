//! The system calls that a server makes, against what its systemd unit lets it make.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use super::{
    Home,
    serve::{SOON, Service},
};

#[expect(clippy::print_stderr, reason = "that it is not tried is to be seen")]
fn skipped(why: &str) {
    eprintln!("SKIPPED: the unit's filter: {why}");
}

#[test]
fn a_server_makes_no_system_call_that_its_unit_forbids() {
    let unit = fs::read_to_string("packaging/twocan.service").unwrap();
    let Some(allowed) = allowed(&unit) else { return skipped("there is no systemd") };
    let traced = Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    if !traced.is_ok_and(|status| status.success()) {
        return skipped("strace cannot be had, or may not trace");
    }
    let home = Home::new();
    let report = home.folder.path().join("calls");
    // -D: the server is our own child, and the tracer is not.
    let tracer = ["strace", "-D", "-f", "-qq", "-c", "-U", "name", "-o", report.to_str().unwrap()];
    let service = Service::start_under(&tracer, &home, &["--metrics", "127.0.0.1:0"]);
    drop(service.socket());
    for path in ["/", "/ice", "/ca", "/s/aaaaaaaa"] {
        let mut tcp = TcpStream::connect(("127.0.0.1", service.port)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        tcp.write_all(request.as_bytes()).unwrap();
        tcp.read_to_end(&mut Vec::new()).unwrap();
    }
    for signal in ["-HUP", "-TERM"] {
        service.signal(signal);
    }
    assert_eq!(service.end().0, Some(0));
    let used = used(&report);
    assert!(used.contains("accept4") && used.contains("execve"), "{used:?}");
    assert_eq!(used.difference(&allowed).collect::<Vec<_>>(), [""; 0], "the unit forbids these");
}

/// What strace has counted, once it has written that down.
fn used(report: &std::path::Path) -> BTreeSet<String> {
    let until = Instant::now() + SOON;
    loop {
        let told = fs::read_to_string(report).unwrap_or_default();
        let names = told.lines().map(str::trim).skip_while(|line| !line.starts_with("---")).skip(1);
        let names: BTreeSet<_> = names.take_while(|line| !line.starts_with("---")).map(str::to_owned).collect();
        if !names.is_empty() {
            return names;
        }
        assert!(Instant::now() < until, "strace tells nothing");
        std::thread::sleep(Duration::from_millis(20)); // A file says nothing of itself.
    }
}

/// What the unit's filter leaves, as systemd here knows its groups; nothing without systemd.
fn allowed(unit: &str) -> Option<BTreeSet<String>> {
    let mut allowed = BTreeSet::new();
    for filter in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (names, forbids) = filter.strip_prefix('~').map_or((filter, false), |names| (names, true));
        for name in names.split(' ') {
            let group = members(name)?;
            if forbids {
                allowed.retain(|call| !group.contains(call));
            } else {
                allowed.extend(group);
            }
        }
    }
    allowed.extend(members("@default")?);
    Some(allowed)
}

/// The system calls of a group, those of the groups in it among them.
fn members(name: &str) -> Option<BTreeSet<String>> {
    if !name.starts_with('@') {
        return Some(BTreeSet::from([name.to_owned()]));
    }
    let told = Command::new("systemd-analyze").args(["--no-pager", "syscall-filter", name]).output().ok()?;
    let told = String::from_utf8(told.stdout).ok().filter(|_| told.status.success())?;
    let named = told.lines().filter_map(|line| line.strip_prefix("    ")).filter(|line| !line.starts_with('#'));
    named.map(members).collect::<Option<Vec<_>>>().map(|groups| groups.into_iter().flatten().collect())
}
