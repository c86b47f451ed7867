//! `twocan find` against a server with somebody in its directory.

use std::{
    net::Ipv4Addr,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use twocan::{
    rt,
    server::{Options, Server, Settings},
    socket::{Event, Socket},
    workrooms::{ClientEvent, ServerEvent},
};

use crate::run;

#[test]
fn who_is_in_the_directory_is_found_and_nobody_else() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    let server = Server::start(Options {
        listen: vec![Ipv4Addr::LOCALHOST.into()],
        port: 0,
        state: state.clone(),
        settings: Settings::default(),
    });
    let server = server.unwrap();
    let url = format!("http://localhost:{}", server.port());
    let course = async {
        let (sender, events) = rt::channel(16);
        let socket = Socket::connect_workrooms(&url.parse().unwrap(), 1, sender);
        let profiles = serde_json::from_str(r#"{"github":{"name":"Zoë Quinn","login":"zq"}}"#).unwrap();
        let soon = Duration::from_secs(30);
        assert!(matches!(rt::timeout(soon, events.recv()).await, Some(Ok((1, Event::Open)))));
        for event in [
            ClientEvent::Register { session: "zoe-1".parse().unwrap(), calls: vec![] },
            ClientEvent::UserProfile(profiles),
            ClientEvent::Autocomplete { search: String::new() },
        ] {
            socket.send(event.to_string());
        }
        // The answer to a search: so what came before it has been heard.
        let Some(Ok((_, Event::Line(line)))) = rt::timeout(soon, events.recv()).await else { panic!("no answer") };
        assert!(matches!(ServerEvent::parse(&line), Ok(ServerEvent::Autocomplete { .. })));
        looked_for(&state, &url);
        drop(socket);
    };
    rt::run(course).unwrap();
}

fn looked_for(state: &Path, url: &str) {
    let found = run(state, &["find", "zoe", "--server", url]);
    assert_eq!((found.code, found.err.as_str()), (Some(0), ""));
    assert_eq!(found.out, "NAME       LOGIN  SOURCE  SESSIONID\nZoë Quinn  zq     github  zoe-1\n");
    let found = run(state, &["find", "zq", "--json", "--server", url]);
    let line: Value = serde_json::from_str(&found.out).unwrap();
    assert_eq!((&line["sessionid"], &line["name"]), (&"zoe-1".into(), &"Zoë Quinn".into()));
    let means =
        ["--server", url, "--mic", "none", "--camera", "none", "--speaker", "none", "--window", "none", "--json"];
    let mut calling = Command::new(assert_cmd::cargo::cargo_bin!("twocan"))
        .env("TWOCAN_STATE", state)
        .args(["find", "wolfgang", "--call"])
        .args(means)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let input = calling.stdin.take(); // Its end would end the program before it has searched.
    let uncalled = calling.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&uncalled.stderr);
    assert_eq!(uncalled.status.code(), Some(9), "{said}");
    assert!(said.contains("wolfgang") && said.contains("hint: "), "{said}");
    drop(input);
    let nobody = run(state, &["find", "wolfgang", "--server", url]);
    assert_eq!((nobody.code, nobody.out.as_str()), (Some(3), ""));
    assert!(nobody.err.contains("nobody") && nobody.err.contains("hint: "), "{}", nobody.err);
}
