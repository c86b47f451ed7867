//! `twocan talk` as a script drives it: JSON lines on pipes, without devices.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{Home, id};

/// How long anything may take before a test gives up.
const LIMIT: Duration = Duration::from_secs(60);

/// A running program; killed when dropped.
pub(super) struct Line {
    child: Child,
    input: Option<ChildStdin>,
    events: Receiver<Value>,
    seen: Vec<Value>,
}

impl Line {
    pub(super) fn open(home: &Home, arguments: &[&str]) -> Self {
        Self::open_with_log(home, arguments, Stdio::piped())
    }

    /// Another command that takes the same.
    pub(super) fn run(home: &Home, command: &str, arguments: &[&str]) -> Self {
        Self::run_with_log(home, command, arguments, Stdio::piped())
    }

    /// `twocan talk` with standard error going there.
    pub(super) fn open_with_log(home: &Home, arguments: &[&str], log: impl Into<Stdio>) -> Self {
        Self::run_with_log(home, "talk", arguments, log)
    }

    fn run_with_log(home: &Home, command: &str, arguments: &[&str], log: impl Into<Stdio>) -> Self {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("twocan"))
            .env_clear()
            .env("HOME", home.folder.path())
            .env("TWOCAN_STATE", home.state())
            .args([command, "--json", "--address", "127.0.0.1"])
            .args(arguments)
            // Not what decides on the log.
            .env("RUST_LOG", "trace")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let (sender, events) = mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        let input = child.stdin.take();
        Self { child, input, events, seen: Vec::new() }
    }

    fn local(home: &Home, arguments: &[&str]) -> Self {
        Self::open(home, &[arguments, &["--listen", "127.0.0.1", "--port", "0"]].concat())
    }

    /// The next event of this name whose fields are these.
    pub(super) fn wait(&mut self, name: &str, fields: Value) -> Value {
        self.wait_for(&format!("{name} {fields}"), |event| {
            event["event"] == name && fields.as_object().unwrap().iter().all(|(key, value)| event[key] == *value)
        })
    }

    /// The next event that fits.
    pub(super) fn wait_for(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + LIMIT;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left);
            let event = event.unwrap_or_else(|_| panic!("waited in vain for {what}; saw {:#?}", self.seen));
            self.seen.push(event.clone());
            if fits(&event) {
                return event;
            }
        }
    }

    fn say(&mut self, command: Value) {
        writeln!(self.input.as_mut().unwrap(), "{command}").unwrap();
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    pub(super) fn command(&mut self, name: &str) {
        self.say(json!({ "v": 1, "cmd": name }));
    }

    /// Waits for the end: the exit code, and what was said on standard error.
    pub(super) fn end(mut self) -> (Option<i32>, String) {
        let until = Instant::now() + LIMIT;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "it does not end; saw {:#?}", self.seen);
            self.seen.extend(self.events.recv_timeout(Duration::from_millis(50)));
        }
        let mut said = String::new();
        self.child.stderr.take().map(|mut log| log.read_to_string(&mut said).unwrap());
        (self.child.wait().unwrap().code(), said)
    }

    fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_machine_with_no_device_at_all_comes_to_the_line_and_says_what_it_does_without() {
    let mut line = Line::local(&Home::new(), &["tim"]);
    line.wait("line", json!({ "state": "joined" }));
    line.wait("devices", json!({ "microphone": null, "camera": null, "speaker": null, "window": null }));
    for missing in ["microphone", "camera", "speaker", "display"] {
        let named = |event: &&Value| event["message"].as_str().is_some_and(|message| message.contains(missing));
        assert_eq!(line.seen.iter().filter(named).count(), 1, "{missing}: {:#?}", line.seen);
    }
    line.command("quit");
    line.wait("ended", json!({}));
    assert_eq!(line.end().0, Some(0));
}

#[test]
fn two_programs_pair_by_link_talk_and_come_back_by_name() {
    let (first_home, second_home) = (Home::new(), Home::new());
    let test = |tone: &'static str| ["--mic", tone, "--speaker", "test", "--camera", "none", "--window", "none"];
    let mut first = Line::local(&first_home, &[&["tim"], &test("test:440")[..]].concat());
    let link = first.wait("code", json!({}))["link"].as_str().unwrap().to_owned();
    let mut second = Line::open(&second_home, &[&[link.as_str()], &test("test:660")[..]].concat());
    first.wait("code_gone", json!({ "reason": "paired" }));
    second.wait("paired", json!({}));
    first.wait("far", json!({ "here": true }));

    first.command("unpause");
    second.wait("call", json!({ "state": "connected" }));
    second.command("unpause");
    hear(&mut second, 440.0);
    hear(&mut first, 660.0);
    second.command("hang_up");
    first.wait("paused", json!({ "paused": true }));
    first.wait("call", json!({ "state": "idle", "reason": "far_hung_up" }));
    second.command("quit");
    assert_eq!(second.end().0, Some(0));
    first.wait("far", json!({ "here": false }));

    let mut second = Line::open(&second_home, &test("test:660"));
    second.wait("far", json!({ "here": true }));
    first.wait("far", json!({ "here": true }));
    assert!(!second.seen.iter().any(|event| event["event"] == "code"), "{:#?}", second.seen);

    // The same code again, in the hand of a third.
    let mut third = Line::open(&Home::new(), &[&link]);
    third.wait("ended", json!({}));
    let (code, said) = third.end();
    assert_eq!(code, Some(8), "{said}");
    assert!(said.contains("used already"), "{said}");
}

#[test]
fn two_who_meet_are_sealed_and_have_the_same_words() {
    let (first_home, second_home) = (Home::new(), Home::new());
    let mut first = Line::local(&first_home, &["tim"]);
    let link = first.wait("code", json!({}))["link"].as_str().unwrap().to_owned();
    let mut second = Line::open(&second_home, &[&link]);
    let words = first.wait("sealed", json!({}))["words"].clone();
    assert_eq!(words.as_str().unwrap().split(' ').count(), 4, "{words}");
    second.wait("sealed", json!({ "words": words }));
    first.wait("far", json!({ "here": true }));
}

#[test]
fn a_conversation_paired_before_calls_were_sealed_is_listed_so_and_shows_a_new_code() {
    let home = Home::new().with(1, "tim");
    home.bookmarks().update(&id(1), |bookmark| (bookmark.key, bookmark.far_key) = (None, None)).unwrap();
    assert!(home.run(&["list"]).out.contains("to be paired again"));
    let mut line = Line::local(&home, &["tim"]);
    line.wait("code", json!({}));
    let told =
        |event: &Value| event["message"].as_str().is_some_and(|message| message.contains("before calls were sealed"));
    assert!(line.seen.iter().any(told), "{:#?}", line.seen);
}

#[test]
fn a_link_on_standard_input_pairs_and_the_commands_behind_it_are_heard() {
    let (first_home, second_home) = (Home::new(), Home::new());
    let mut first = Line::local(&first_home, &["tim"]);
    let link = first.wait("code", json!({}))["link"].as_str().unwrap().to_owned();
    let mut second = Line::open(&second_home, &["-"]);
    let unpause = json!({ "v": 1, "cmd": "unpause" });
    write!(second.input.as_mut().unwrap(), "{link}\n{unpause}\n").unwrap();
    second.wait("paused", json!({ "paused": false }));
    first.wait("code_gone", json!({ "reason": "paired" }));
}

#[test]
fn standard_input_that_is_no_link_is_code_3_and_makes_nothing() {
    let home = Home::new();
    for said in ["tim\n", "", "https://host/\n"] {
        let mut line = Line::open(&home, &["-"]);
        line.input.take().unwrap().write_all(said.as_bytes()).unwrap();
        let (code, said) = line.end();
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("hint: copy the whole link"), "{said}");
    }
    assert_eq!(home.names(), [""; 0]);
}

/// Waits for a tone that is not one of the last call.
pub(super) fn hear(line: &mut Line, hz: f64) {
    let until = Instant::now() + LIMIT;
    while Instant::now() < until {
        let tone = line.wait("tone", json!({}));
        if tone["hz"].as_f64().is_some_and(|heard| (heard - hz).abs() < hz * 0.03) {
            return;
        }
    }
    panic!("{hz} Hz was not heard");
}

#[test]
fn the_end_of_the_input_hangs_up_and_ends_the_program_also_in_a_call() {
    let (first_home, second_home) = (Home::new(), Home::new());
    let test = ["--mic", "test", "--speaker", "test", "--camera", "none", "--window", "none"];
    let mut first = Line::local(&first_home, &[&["tim"], &test[..]].concat());
    let link = first.wait("code", json!({}))["link"].as_str().unwrap().to_owned();
    let mut second = Line::open(&second_home, &[&[link.as_str()], &test[..]].concat());
    second.wait("sealed", json!({}));
    first.command("unpause");
    second.wait("call", json!({ "state": "connected" }));
    drop(first.input.take());
    second.wait("call", json!({ "state": "idle", "reason": "far_hung_up" }));
    assert_eq!(first.end().0, Some(0));
}

#[test]
fn a_conversation_is_taken_over_from_the_window_that_has_it() {
    let home = Home::new();
    let mut first = Line::local(&home, &["tim"]);
    first.wait("line", json!({ "state": "joined" }));
    let mut second = Line::local(&home, &["tim", "--take-over"]);
    first.wait("ended", json!({}));
    second.wait("line", json!({ "state": "joined" }));
    assert_eq!(first.end().0, Some(0));
}

#[test]
fn a_second_program_shares_the_server_and_takes_it_over_when_the_first_ends() {
    let (first_home, second_home) = (Home::new(), Home::new());
    let mut first = Line::local(&first_home, &["tim"]);
    let url = first.wait("server", json!({ "embedded": true }))["url"].as_str().unwrap().to_owned();
    let port = url.rsplit(':').next().unwrap();
    first.wait("line", json!({ "state": "joined" }));
    let mut second = Line::open(&second_home, &["anna", "--listen", "127.0.0.1", "--port", port]);
    second.wait("server", json!({ "embedded": false }));
    second.wait("line", json!({ "state": "joined" }));
    drop(first);
    second.wait("line", json!({ "state": "offline" }));
    second.wait("line", json!({ "state": "joined" }));
}

#[test]
fn a_server_that_is_none_is_code_4_and_leaves_no_conversation_behind() {
    let home = Home::new();
    let nobody = "http://127.0.0.1:1";
    let (code, said) = Line::open(&home, &["tim", "--server", nobody]).end();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("cannot use the server") && said.contains("hint: "), "{said}");

    let stranger = serve_once(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    let (code, said) = Line::open(&home, &["tim", "--server", &stranger]).end();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("no rendezvous server at this address"), "{said}");
    assert_eq!(home.names(), [""; 0]);

    assert_eq!(home.run(&["talk", "tim", "--server", "nonsense"]).code, Some(2));
}

/// A server that gives everybody the same answer; its address.
fn serve_once(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().take(3).map_while(Result::ok) {
            let _ = answer_to(stream, answer);
        }
    });
    address
}

fn answer_to(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request)?;
    stream.write_all(answer)
}

#[test]
fn a_server_that_talks_nonsense_is_borne() {
    let home = Home::new().with(1, "tim");
    let server = nonsense();
    let mut line = Line::open(&home, &["tim", "--server", &server]);
    line.wait("line", json!({ "state": "joined" }));
    let before = line.memory_kib();
    // The server ends only once this side has begun to shake hands: what comes after the nonsense is still understood.
    line.wait("line", json!({ "state": "offline" }));
    let believed = |event: &Value| event["event"] == "far" || event["event"] == "sealed" || event["event"] == "call";
    assert!(!line.seen.iter().any(believed), "{:#?}", line.seen);
    assert!(line.memory_kib() < before + 40 * 1024);
    line.command("quit");
    assert_eq!(line.end().0, Some(0));
}

/// A rendezvous server that says everything wrong before it says that the far side is there, and then 1 MB at once.
fn nonsense() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().take(2).map_while(Result::ok) {
            let _ = talk_nonsense(stream);
        }
    });
    address
}

fn talk_nonsense(stream: TcpStream) -> Result<(), Box<dyn std::error::Error>> {
    use tokio_tungstenite::tungstenite::{Message, accept};
    let mut socket = accept(stream).map_err(|_| "no handshake")?;
    let far = twocan::ids::InstanceId::from_bits(99).uid(&id(1));
    socket.read()?;
    socket.send(Message::text("HELLO"))?;
    socket.read()?;
    socket.send(Message::text("ROOM_OK "))?;
    let offer = |sdp: &str| json!({ "sdp": { "type": "offer", "sdp": sdp, "sessid": "abcd" } }).to_string();
    for text in [
        String::new(),
        "ROOM_OK".into(),
        "\u{0}\u{1}".into(),
        "ROOM_PEER_MSG".into(),
        format!("ROOM_PEER_MSG {far}"),
        format!("ROOM_PEER_MSG {far} {{"),
        format!("ROOM_PEER_MSG {far} {}", "[".repeat(60_000)),
        format!("ROOM_PEER_MSG {far} {}", offer("v=0\r\n")),
        format!("ROOM_PEER_MSG {far} {}", offer("v=0\r\na=fingerprint:sha-256 00\r\nm=audio x y z\r\n")),
        format!("ROOM_PEER_MSG {far} {{\"ice\":{{\"candidate\":\"x\",\"sdpMLineIndex\":99,\"sessid\":\"abcd\"}}}}"),
        "ERROR \u{1b}[2J".into(),
        format!("ROOM_PEER_JOINED {far}"),
    ] {
        socket.send(Message::text(text))?;
    }
    while !socket.read()?.to_text()?.contains("\"noise\"") {}
    socket.send(Message::text("x".repeat(1_000_000)))?;
    while socket.read().is_ok() {}
    Ok(())
}

#[test]
fn a_command_that_is_none_is_told_and_the_next_is_heard() {
    let mut line = Line::local(&Home::new(), &["tim"]);
    line.wait("line", json!({ "state": "joined" }));
    for bad in [json!("dance"), json!({ "v": 1, "cmd": "dance" }), json!({ "v": 9, "cmd": "pause" })] {
        line.say(bad);
        line.wait("notice", json!({}));
    }
    line.command("unpause");
    line.wait("paused", json!({ "paused": false }));
}

#[test]
fn a_polite_end_comes_from_the_system_too() {
    let mut line = Line::local(&Home::new(), &["tim"]);
    line.wait("line", json!({ "state": "joined" }));
    line.signal("TERM");
    line.wait("ended", json!({}));
    assert_eq!(line.end().0, Some(0));
}
