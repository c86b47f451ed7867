//! `twocan serve` as a service: notices to the service manager, signals, the log, and what `--check` says.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, net::UnixDatagram},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{Home, Ran, assert_fails};

/// How long anything may take that is to happen at once.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A server by itself, with a service manager that listens; killed when dropped.
pub(crate) struct Service {
    child: Child,
    manager: UnixDatagram,
    pub(crate) port: u16,
    log: PathBuf,
}

impl Service {
    pub(crate) fn start(home: &Home, flags: &[&str]) -> Self {
        Self::start_under(&[], home, flags)
    }

    /// As an argument of another program, which ends as the server does.
    pub(crate) fn start_under(other: &[&str], home: &Home, flags: &[&str]) -> Self {
        let folder = home.folder.path();
        let manager = UnixDatagram::bind(folder.join("notify")).unwrap();
        manager.set_read_timeout(Some(SOON)).unwrap();
        let log = folder.join("log");
        let program = assert_cmd::cargo::cargo_bin!("twocan").to_str().unwrap();
        let words = [other, &[program]].concat();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder)
            .env("TWOCAN_STATE", home.state())
            .env("NOTIFY_SOCKET", folder.join("notify"))
            .args(["serve", "--listen", "127.0.0.1", "--port", "0"])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let line = said.lines().map_while(Result::ok).find(|line| line.contains("localhost:")).unwrap();
        let port = line.split("localhost:").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
        Self { child, manager, port, log }
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// What the service manager is told next.
    fn told(&self) -> String {
        let mut told = [0; 256];
        let length = self.manager.recv(&mut told).unwrap();
        String::from_utf8_lossy(&told[..length]).trim_end().to_owned()
    }

    /// The code that it ends with, and the log.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        (code, fs::read_to_string(&self.log).unwrap())
    }

    fn tcp(&self) -> TcpStream {
        let tcp = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        tcp.set_read_timeout(Some(SOON)).unwrap();
        tcp
    }

    /// A WebSocket, as bytes.
    pub(crate) fn socket(&self) -> TcpStream {
        let mut tcp = self.tcp();
        let head = "GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                    sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        tcp.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            tcp.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        tcp
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client's text frame, masked with nothing.
fn text(said: &str) -> Vec<u8> {
    let length = u16::try_from(said.len()).unwrap();
    let mut frame = vec![0x81];
    match length {
        0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
        126.. => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(said.as_bytes());
    frame
}

/// The next frame of the server: its first byte and what it holds, of at most 125 bytes.
fn frame(tcp: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    tcp.read_exact(&mut head).unwrap();
    let mut content = vec![0; usize::from(head[1])];
    tcp.read_exact(&mut content).unwrap();
    (head[0], content)
}

#[test]
fn the_service_manager_and_the_clients_are_told_how_it_is() {
    let home = Home::new();
    let service = Service::start(&home, &["--retry-after", "7"]);
    assert_eq!(service.told(), "READY=1");
    let mut client = service.socket();
    client.write_all(&text("HELLO a")).unwrap();
    assert_eq!(frame(&mut client), (0x81, b"HELLO".to_vec()));
    service.signal("-HUP");
    let reloading = service.told();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(service.told(), "READY=1");
    service.signal("-TERM");
    assert_eq!(service.told(), "STOPPING=1");
    assert_eq!(frame(&mut client), (0x88, [&1012_u16.to_be_bytes()[..], b"back in 7 s"].concat()));
    assert_eq!(service.end().0, Some(0));
}

#[test]
fn nobody_holds_a_second_signal_up() {
    let mut took = [(); 3].map(|()| ends_after_a_second_signal());
    took.sort();
    assert!(took[1] < Duration::from_millis(1_500), "{took:?}");
}

/// How long a server takes to end after a second signal, which waited for somebody after the first.
fn ends_after_a_second_signal() -> Duration {
    let home = Home::new();
    let mut service = Service::start(&home, &["--idle-ping", "600"]);
    let mut stuck = service.socket();
    stuck.write_all(&text("HELLO stuck")).unwrap();
    assert_eq!(frame(&mut stuck).1, b"HELLO");
    let mut sender = service.socket();
    sender.write_all(&text("HELLO sender")).unwrap();
    assert_eq!(frame(&mut sender).1, b"HELLO");
    sender.write_all(&text("SESSION stuck")).unwrap();
    assert_eq!(frame(&mut sender).1, b"SESSION_OK");
    // More than the system takes for one that does not read, and less than the server lets wait.
    let bulk = text(&"x".repeat(60_000));
    for _ in 0..17 {
        sender.write_all(&bulk).unwrap();
    }
    sender.write_all(&[0x89, 0x80, 0, 0, 0, 0]).unwrap();
    assert_eq!(frame(&mut sender).0, 0x8a, "the answer to a ping: all of it was heard");
    service.signal("-TERM");
    assert_eq!(service.told(), "READY=1");
    assert_eq!(service.told(), "STOPPING=1");
    std::thread::sleep(Duration::from_millis(300)); // That nothing happens can only be waited for.
    assert!(service.child.try_wait().unwrap().is_none(), "the server waits for the one that does not read");
    let began = Instant::now();
    service.signal("-INT");
    assert_eq!(service.end().0, Some(0));
    began.elapsed()
}

#[test]
fn the_log_has_a_line_for_the_start_and_the_stop_and_nothing_of_who_came() {
    let home = Home::new();
    let service = Service::start(&home, &["--log", "json"]);
    for said in ["HELLO uid-of-somebody", "junk-of-somebody"] {
        let mut client = service.socket();
        client.write_all(&text(said)).unwrap();
        frame(&mut client);
        client.write_all(&text("ROOM room-of-somebody")).ok();
        let mut tcp = service.tcp();
        tcp.write_all(b"POST /s HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 6\r\n\r\nsealed")
            .unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
    service.signal("-TERM");
    let (code, log) = service.end();
    assert_eq!(code, Some(0), "{log}");
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let said = |what: &str| lines.iter().filter(|line| line["fields"]["message"] == what).count();
    assert_eq!((said("the server is up"), said("the server stops")), (1, 1), "{log}");
    for part in ["somebody", "127.0.0.1", "sealed", "/s/"] {
        assert!(!log.contains(part), "{part} stands in the log:\n{log}");
    }
}

impl Home {
    fn write(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn check(&self, flags: &[&str]) -> Ran {
        self.run(&[&["serve", "--check"], flags].concat())
    }
}

#[test]
fn a_check_says_that_all_is_well_and_leaves_nothing_behind() {
    let home = Home::new();
    let secret = home.write("secret", "hush\n");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o640)).unwrap();
    let turn = ["--turn", "turn:turn.example", "--turn-secret-file", &secret];
    let ran = home.check(&[&["--port", "0", "--metrics", "127.0.0.1:0"], &turn[..]].concat());
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    for what in ["settings", "state folder", "certificate", "port", "connections", "metrics", "turn secret"] {
        assert!(ran.out.lines().any(|line| line.starts_with(&format!("good  {what}: "))), "{what}: {}", ran.out);
    }
    assert!(!ran.out.contains("hush"));
    assert!(!home.state().exists());
}

#[test]
fn a_check_says_each_thing_that_is_wrong_and_what_to_do() {
    let home = Home::new();
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap();
    let no_certificate = home.write("c.pem", "nonsense");
    fs::write(home.state(), "in the way").unwrap();
    let flags = [
        "--listen=127.0.0.1",
        &format!("--port={}", taken.port()),
        &format!("--metrics={taken}"),
        &format!("--certificate={no_certificate}"),
        "--key=missing.pem",
        "--turn=turn:turn.example",
        "--turn-secret-file=missing",
    ];
    let ran = home.check(&flags);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""), "{}", ran.out);
    for what in ["state folder", "certificate", "port", "metrics", "turn secret"] {
        let mut lines = ran.out.lines().skip_while(|line| !line.starts_with(&format!("BAD   {what}: ")));
        assert!(lines.next().is_some(), "{what}: {}", ran.out);
        assert!(lines.next().is_some_and(|line| line.starts_with("      hint: ")), "{what}: {}", ran.out);
    }
    let ran = home.check(&["--certificate", &no_certificate]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.starts_with("BAD   settings: a certificate needs its key"), "{}", ran.out);
}

#[test]
fn a_check_beside_the_running_server_knows_it() {
    let home = Home::new();
    let service = Service::start(&home, &[]);
    let ran = home.check(&["--listen", "127.0.0.1", "--port", &service.port.to_string()]);
    assert_eq!(ran.code, Some(0), "{}", ran.out);
    assert!(ran.out.contains("is served by twocan already"), "{}", ran.out);
    assert_doubts(&ran, "port", "served by twocan already", "stop that one first");
}

/// A line that warns of this thing, and one that says what to do.
#[track_caller]
fn assert_doubts(ran: &Ran, what: &str, message: &str, hint: &str) {
    let of_it = |line: &str| line.starts_with(&format!("warn  {what}: ")) && line.contains(message);
    let mut lines = ran.out.lines().skip_while(|line| !of_it(line));
    assert!(lines.next().is_some(), "{what}: {}", ran.out);
    let said = lines.next().and_then(|line| line.strip_prefix("      hint: "));
    assert!(said.is_some_and(|line| line.contains(hint)), "{what}: {}", ran.out);
}

/// A certificate that signs itself, of an authority or of a server, and its key: their files.
pub(crate) fn certificate(home: &Home, is_authority: bool) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    if is_authority {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    let paths =
        (home.write("c.pem", &params.self_signed(&key).unwrap().pem()), home.write("k.pem", &key.serialize_pem()));
    fs::set_permissions(&paths.1, fs::Permissions::from_mode(0o600)).unwrap();
    paths
}

#[test]
fn a_check_does_not_call_good_what_only_starts_and_the_start_says_it_too() {
    let home = Home::new();
    let secret = home.write("secret", "hush\n");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let (certificate, key) = certificate(&home, true);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let flags = ["--turn", "turn:turn.example", "--turn-secret-file", &secret, "--certificate", &certificate];
    // More than any system has room for, even where open files have no limit.
    let most = usize::MAX.to_string();
    let flags = [&flags[..], &["--key", &key, "--max-connections", &most]].concat();
    let too_many = format!("max-connections is {most}");
    let ran = home.check(&[&["--port", "0"], &flags[..]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.out);
    assert_doubts(&ran, "turn secret", "everybody on this machine can read it", "chmod o-r");
    assert_doubts(&ran, "certificate", "k.pem holds the private key", "chmod o-r");
    assert_doubts(&ran, "certificate", "CA:TRUE", "CA:FALSE");
    assert_doubts(&ran, "connections", &too_many, "LimitNOFILE");
    let service = Service::start(&home, &flags);
    service.signal("-TERM");
    let (_, log) = service.end();
    let [open_secret, open_key] =
        [&secret, &key].map(|path| format!("everybody on this machine can read it: chmod o-r {path}"));
    for said in [&open_secret, &open_key, "CA:TRUE", &too_many] {
        assert_eq!(log.lines().filter(|line| line.contains(said)).count(), 1, "{said}: {log}");
    }
}

#[test]
fn a_check_knows_a_servers_certificate_and_how_many_files_may_be_open() {
    let home = Home::new();
    let (certificate, key) = certificate(&home, false);
    let ran = home.check(&["--port=0", "--certificate", &certificate, "--key", &key, "--max-connections=9"]);
    assert!(ran.out.contains("good  certificate: ") && ran.out.contains("good  connections: 9 "), "{}", ran.out);
    assert!(!ran.out.contains("warn"), "{}", ran.out);
}

#[test]
fn figures_are_not_shown_where_the_server_itself_listens() {
    let home = Home::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    for (listen, figures) in [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0")] {
        let metrics = format!("{figures}:{port}");
        let flags = ["--listen", listen, "--port", &port, "--metrics", &metrics];
        let ran = home.check(&flags);
        assert_eq!(ran.code, Some(1), "{}", ran.out);
        let said = format!("BAD   metrics: the figures cannot be shown at {metrics}: the server itself listens there");
        assert!(ran.out.contains(&said), "{}", ran.out);
        let ran = home.run(&[&["serve"], &flags[..]].concat());
        assert_fails(&ran, 4, "the server itself listens there", "--metrics");
    }
}

#[test]
fn what_does_not_go_together_is_told_before_anything_starts() {
    let home = Home::new();
    let config = home.write("config.toml", "[serve]\nkey = \"k.pem\"\n");
    assert_fails(&home.run(&["serve", "--config", &config]), 3, "needs its key", "[serve]");
    let config = home.write("config.toml", "[serve]\nmax-conections = 1\n");
    assert_fails(
        &home.run(&["serve", "--config", &config]),
        3,
        "unknown key `max-conections`: did you mean `max-connections`?",
        "README",
    );
}

/// The README's `toml` blocks, and the unit's own words.
#[test]
fn the_examples_of_the_readme_are_good_settings() {
    let readme = fs::read_to_string("README.md").unwrap();
    let blocks: Vec<_> = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let serve = blocks.iter().find(|block| block.contains("[serve]")).expect("an example for a server");
    for block in &blocks {
        let home = Home::new();
        let path = home.write("config.toml", block);
        twocan::config::load(Some(path.as_ref())).unwrap();
    }
    let home = Home::new();
    let path = home.write("config.toml", serve);
    let settings = twocan::config::load(Some(path.as_ref())).unwrap().config.serve;
    twocan::run::serve::settings(&settings).unwrap();
    assert_ne!(settings, twocan::config::ServeSettings::default());
}

#[test]
fn the_unit_starts_what_there_is_and_is_told_how_it_is() {
    let unit = fs::read_to_string("packaging/twocan.service").unwrap();
    for line in [
        "Type=notify",
        "ExecStart=/usr/local/bin/twocan serve",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "DynamicUser=yes",
        "ProtectSystem=strict",
        "NoNewPrivileges=yes",
        "MemoryDenyWriteExecute=yes",
        "StateDirectory=twocan",
    ] {
        assert!(unit.lines().any(|said| said == line), "{line}");
    }
    let home = Home::new();
    let path = home.write("twocan.service", &unit.replace("/usr/local/bin/twocan", "/bin/true"));
    // On a machine without systemd there is nobody to ask.
    if let Ok(verified) = Command::new("systemd-analyze").args(["verify", "--man=no", &path]).output() {
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    }
}
