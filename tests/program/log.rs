//! The log is for others to read, so what a call is made of stays out of it.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::IpAddr,
    process::{Child, Command, Stdio},
};

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use serde_json::json;

use super::{
    Home,
    talk::{Line, hear},
};

/// A server by itself; stopped when dropped.
struct Server {
    child: Child,
    address: String,
}

/// What the three programs of a conversation have logged, and what it was made of.
struct Logs {
    /// Of the server, the first, the second and a third.
    logs: [String; 4],
    /// The code's, the two sides' secret and public ones, and what is left of the code.
    keys: Vec<Vec<u8>>,
    /// Of the conversation and the two sides.
    ids: Vec<String>,
}

impl Server {
    fn start(home: &Home, verbosity: &str, log: File) -> Self {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("twocan"))
            .env_clear()
            .env("HOME", home.folder.path())
            .env("TWOCAN_STATE", home.state())
            .env("RUST_LOG", "trace")
            .args(["serve", verbosity, "--listen", "127.0.0.1", "--port", "0"])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let line = said.lines().map_while(Result::ok).find(|line| line.contains("://")).unwrap();
        let address = line.split_whitespace().next().unwrap().trim_end_matches('/').to_owned();
        Self { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A conversation from the code to the end: paired, met, talked, hung up, met again, and a third with the used code.
fn talk(verbosity: &str) -> Logs {
    let homes = [(); 4].map(|()| Home::new());
    let path = |home: &Home| home.folder.path().join("log");
    let log = |home: &Home| File::options().create(true).append(true).open(path(home)).unwrap();
    let server = Server::start(&homes[0], verbosity, log(&homes[0]));
    let open = |side: usize, what: &[&str]| {
        let tone = ["", "test:440", "test:660", "none"][side];
        let devices = ["--mic", tone, "--speaker", "test", "--window", "test", "--camera", "test"];
        Line::open_with_log(&homes[side], &[what, &devices, &[verbosity]].concat(), log(&homes[side]))
    };
    let mut first = open(1, &["tim", "--server", &server.address]);
    let link = first.wait("code", json!({}))["link"].as_str().unwrap().to_owned();
    let mut second = open(2, &[&link]);
    second.wait("paired", json!({}));
    first.wait("far", json!({ "here": true }));
    first.command("unpause");
    second.command("unpause");
    hear(&mut second, 440.0);
    hear(&mut first, 660.0);
    second.command("hang_up");
    first.wait("call", json!({ "state": "idle" }));
    second.command("quit");
    assert_eq!(second.end().0, Some(0));
    let mut second = open(2, &[]);
    second.wait("far", json!({ "here": true }));
    assert_eq!(open(3, &[&link]).end().0, Some(8), "the code is used");
    for mut line in [first, second] {
        line.command("quit");
        assert_eq!(line.end().0, Some(0));
    }
    drop(server);
    assert!(fs::read_to_string(path(&homes[0])).unwrap().contains("the server is up"), "there is a log");
    let (keys, ids) = made_of(&link, &homes[1..3]);
    Logs { logs: homes.each_ref().map(|home| fs::read_to_string(path(home)).unwrap()), keys, ids }
}

/// All the keys and ids of this conversation.
fn made_of(link: &str, homes: &[Home]) -> (Vec<Vec<u8>>, Vec<String>) {
    let key = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
    let (mut keys, mut ids) = (vec![key(link.split_once("#key=").unwrap().1)], Vec::new());
    for home in homes {
        let bookmark = home.bookmarks().list().unwrap().bookmarks.remove(0);
        keys.push(key(&bookmark.key.unwrap().reveal()));
        keys.push(key(&bookmark.far_key.unwrap().to_string()));
        keys.extend(bookmark.spent.map(|spent| key(&spent.reveal())));
        ids.extend([bookmark.id.to_string(), bookmark.own.to_string()]);
    }
    assert!(keys.len() == 6 && keys.iter().all(|key| key.len() == 32), "{}", keys.len());
    (keys, ids)
}

impl Logs {
    /// No key stands there, however it is written.
    fn assert_without_keys(&self) {
        for key in &self.keys {
            let base64 = BASE64.encode(key);
            for written in [BASE64URL_NOPAD.encode(key), base64, HEXLOWER.encode(key), format!("{key:?}")] {
                self.assert_without(&written);
            }
        }
        ["#key=", "resume=", "ice-pwd", "password"].iter().for_each(|word| self.assert_without(word));
        for log in &self.logs {
            // As a word: an id may have these letters by chance.
            let mut words = log.split(|c: char| !c.is_ascii_alphanumeric());
            assert!(words.all(|word| word != "psk"), "a key's name stands in the log:\n{log}");
        }
    }

    fn assert_without(&self, what: &str) {
        for log in &self.logs {
            assert!(!log.contains(what), "{what} stands in the log:\n{log}");
        }
    }
}

/// Four numbers with points between them, or groups of hexadecimal ones with colons.
fn is_address(word: &str) -> bool {
    let word = word.trim_start_matches('[').split([']', '/']).next().unwrap_or_default();
    let host = word.rsplit_once(':').map_or(word, |(host, _)| host);
    [word, host].iter().any(|text| text.parse::<IpAddr>().is_ok())
}

#[test]
fn the_log_has_no_key_description_address_or_uid() {
    let logs = talk("-v");
    logs.assert_without_keys();
    for id in &logs.ids {
        logs.assert_without(id);
    }
    for part in ["a=", "candidate:", "fingerprint", "ROOM", "sealed", "noise", "SETUP"] {
        logs.assert_without(part);
    }
    for log in &logs.logs {
        let words = log.split(|c: char| c.is_whitespace() || matches!(c, '"' | '=' | '(' | ')' | ',' | '@'));
        let addresses: Vec<_> = words.filter(|word| is_address(word)).collect();
        assert_eq!(addresses, [""; 0], "{log}");
    }
}

#[test]
fn not_even_the_longest_log_has_a_key_or_what_a_library_carries() {
    let logs = talk("-vvv");
    logs.assert_without_keys();
    for part in ["TRACE tungstenite", "TRACE rustls", "TRACE hyper", "ROOM_PEER_MSG", "candidate:"] {
        logs.assert_without(part);
    }
}
