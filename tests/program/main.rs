//! The program from outside: help, bookmarks, bad input, exit codes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test waits by the real clock")]

mod acme;
mod ca;
mod call;
mod find;
mod log;
mod room;
mod sandbox;
mod scripts;
mod serve;
mod talk;

use std::{
    fs,
    path::{Path, PathBuf},
};

use assert_cmd::Command;
use tempfile::TempDir;
use twocan::{
    bookmarks::{Bookmark, Bookmarks},
    ids::{ConversationId, InstanceId},
    seal::SecretKey,
};

struct Home {
    folder: TempDir,
}

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn with(self, bits: u128, name: &str) -> Self {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let key = SecretKey::from_bytes([5; 32]);
        let mut bookmark = Bookmark::new(id(bits), InstanceId::from_bits(bits), key, name.parse().unwrap(), now);
        bookmark.far = Some(InstanceId::from_bits(99));
        bookmark.far_key = Some(SecretKey::from_bytes([6; 32]).public());
        bookmark.last_talked = Some(now - 7200);
        self.bookmarks().create(&bookmark).unwrap();
        self
    }

    fn bookmarks(&self) -> Bookmarks {
        Bookmarks::open(&self.state()).unwrap()
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        run(&self.state(), arguments)
    }

    fn names(&self) -> Vec<String> {
        self.bookmarks().list().unwrap().bookmarks.into_iter().map(|bookmark| bookmark.name.into()).collect()
    }
}

/// Runs the program with nothing of this machine's user in sight.
fn run(state: &Path, arguments: &[&str]) -> Ran {
    let home = state.parent().unwrap();
    let output = Command::new(assert_cmd::cargo::cargo_bin!("twocan"))
        .env_clear()
        .env("HOME", home)
        .env("TWOCAN_STATE", state)
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn id(bits: u128) -> ConversationId {
    ConversationId::from_bits(bits)
}

/// One line of what is wrong, one line of what to do, nothing on standard output, and the right code.
#[track_caller]
fn assert_fails(ran: &Ran, code: i32, what: &str, hint: &str) {
    assert_eq!(ran.code, Some(code), "{}", ran.err);
    assert_eq!(ran.out, "");
    let lines: Vec<&str> = ran.err.lines().collect();
    let [first, second] = lines.as_slice() else { panic!("two lines: {}", ran.err) };
    assert!(first.starts_with("twocan: ") && first.contains(what), "{first}");
    assert!(second.starts_with("hint: ") && second.contains(hint), "{second}");
}

#[test]
fn alone_it_shows_help() {
    let ran = Home::new().run(&[]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(ran.out.contains("twocan talk tim") && ran.out.contains("forget"), "{}", ran.out);
}

#[test]
fn help_and_version_are_no_failures() {
    let home = Home::new();
    for arguments in [&["--help"][..], &["talk", "--help"], &["--version"]] {
        let ran = home.run(arguments);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(!ran.out.is_empty());
    }
    assert!(!home.state().exists(), "asking for help leaves nothing behind");
}

#[test]
fn a_wrong_flag_is_code_2() {
    for (arguments, what, hint) in [
        (&["--sing"][..], "'--sing'", "it goes: twocan"),
        (&["sing"], "'sing'", "it goes: twocan"),
        (&["talk", "--port", "x"], "a whole number", "--help"),
        (&["talk", "--server", "nonsense"], "not a web address", "--help"),
        (&["serve", "--origin", "https://site.example/talk"], "nothing behind it", "--help"),
        (&["call", "bob", "--as", "bob"], "call yourself", "another name"),
        (&["find", ""], "nobody is meant; give a name or login", "--help"),
        (&["find", " ", "--call"], "nobody is meant; give a name or login", "--help"),
        (&["call", "--find", " "], "nobody is meant; give a name or login", "--help"),
        (&["find", "anna", "--mic", "none"], "--call", "it goes: twocan find"),
    ] {
        assert_fails(&Home::new().run(arguments), 2, what, hint);
    }
}

#[test]
fn a_test_device_that_there_is_none_of_is_told_before_anything_begins() {
    let home = Home::new();
    let file = home.folder.path().join("config.toml");
    fs::write(&file, "camera = 'test:pinkish'").unwrap();
    for (flags, what, hint) in [
        (["--camera", "test:pinkish"], "no test camera \"pinkish\"", "red, green, blue"),
        (["--mic", "test:abc"], "no test microphone \"abc\"", "20 to 8000"),
        (["--speaker", "test:x"], "no test speaker \"x\"", "or test"),
    ] {
        assert_fails(&home.run(&[&["talk", "tim"][..], &flags].concat()), 2, what, hint);
    }
    let ran = home.run(&["talk", "tim", "--config", file.to_str().unwrap()]);
    assert_fails(&ran, 3, "config.toml, line 1: there is no test camera \"pinkish\"", "correct that line");
    assert!(!home.state().exists(), "nothing was made");
}

#[test]
fn the_list_shows_name_other_side_last_talked_and_where() {
    let home = Home::new();
    assert_eq!(home.run(&["list"]).out, "No conversations yet. Begin one:  twocan talk NAME\n");
    let ran = home.with(1, "tim").run(&["list"]);
    let table = format!(
        "NAME  OTHER SIDE  LAST TALKED  WHERE         ID\n\
         tim   paired      2 hours ago  this machine  {}\n",
        id(1)
    );
    assert_eq!(ran.out, table);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
}

#[test]
fn the_list_is_json_for_scripts() {
    let home = Home::new().with(1, "tim").with(2, "anna");
    let _claim = home.bookmarks().claim(&id(2)).unwrap();
    let ran = home.run(&["list", "--json"]);
    let lines: Vec<serde_json::Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> = lines.iter().map(|line| (line["name"].as_str().unwrap(), line["open"] == true)).collect();
    assert_eq!(seen, [("anna", true), ("tim", false)]);
    assert_eq!(lines[0]["v"], 1);
    assert!(!ran.out.contains("key"));
}

#[test]
fn renaming_keeps_the_conversation() {
    let home = Home::new().with(1, "tim");
    let ran = home.run(&["rename", "TIM", " Tim at home "]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "\"tim\" is now \"Tim at home\"\n"));
    assert_eq!(home.bookmarks().find("tim at home").unwrap().0.unwrap().id, id(1));
}

#[test]
fn renaming_what_is_unknown_or_to_what_cannot_be_fails() {
    let home = Home::new().with(1, "tim").with(2, "anna");
    assert_fails(&home.run(&["rename", "bob", "x"]), 3, "no conversation \"bob\"", "twocan list");
    assert_fails(&home.run(&["rename", "tim", "Anna"]), 3, "called \"Anna\" already", "another name");
    assert_fails(&home.run(&["rename", "tim", ""]), 3, "cannot be empty", "name");
    assert_fails(&home.run(&["rename", "tim", id(3).as_str()]), 3, "id", "name");
    assert_fails(&home.run(&["rename", "tim", "a\u{1b}[2Jb"]), 3, "control", "name");
    assert_eq!(home.names(), ["anna", "tim"]);
}

#[test]
fn a_strange_name_does_not_reach_the_terminal() {
    let ran = Home::new().run(&["rename", "a\u{1b}]0;x\u{7}\n", "x"]);
    assert!(!ran.err.contains(['\u{1b}', '\u{7}']), "{:?}", ran.err);
    assert_fails(&ran, 3, "no conversation", "twocan list");
}

#[test]
fn forgetting_is_confirmed_and_then_final() {
    let home = Home::new().with(1, "tim").with(2, "anna");
    assert_fails(&home.run(&["forget", "tim"]), 2, "confirm", "--yes");
    assert_eq!(home.names(), ["anna", "tim"]);
    let ran = home.run(&["forget", id(1).as_str(), "--yes"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "forgot \"tim\"\n"));
    assert_eq!(home.names(), ["anna"]);
    assert_fails(&home.run(&["forget", "tim", "--yes"]), 3, "no conversation \"tim\"", "twocan list");
}

#[test]
fn an_open_conversation_is_not_forgotten() {
    let home = Home::new().with(1, "tim");
    let _claim = home.bookmarks().claim(&id(1)).unwrap();
    assert_fails(&home.run(&["forget", "tim", "--yes"]), 7, "open in another window", "close it");
    assert_eq!(home.names(), ["tim"]);
}

#[test]
fn a_damaged_file_is_told_once_and_harms_no_other() {
    let home = Home::new().with(1, "tim").with(2, "anna");
    let file = home.state().join(format!("conversations/{}.json", id(1)));
    fs::write(&file, "garbage").unwrap();
    let ran = home.run(&["list"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.err.starts_with("twocan: ") && ran.err.contains("set aside as"), "{}", ran.err);
    assert!(ran.out.contains("anna") && !ran.out.contains("tim"), "{}", ran.out);
    assert_eq!(fs::read_to_string(file.with_extension("json.damaged-1")).unwrap(), "garbage");
    assert_eq!(home.run(&["list"]).err, "");
}

#[test]
fn talking_by_the_id_of_a_damaged_file_tells_of_the_file() {
    let invite = format!("https://host/?convoId={}&farInstanceId={}#key={}", id(1), id(7), "A".repeat(43));
    for what in [id(1).to_string(), format!("https://host/?convoId={}", id(1)), invite] {
        let home = Home::new().with(1, "tim");
        fs::write(home.state().join(format!("conversations/{}.json", id(1))), "garbage").unwrap();
        assert_fails(&home.run(&["talk", &what]), 5, "set aside as", "good copy");
        assert_eq!(home.names(), [""; 0], "and nothing is made in its place");
    }
}

#[test]
fn another_damaged_file_is_told_before_why_talking_fails() {
    let home = Home::new().with(1, "tim");
    fs::write(home.state().join(format!("conversations/{}.json", id(1))), "garbage").unwrap();
    let ran = home.run(&["talk", id(3).as_str()]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    let lines: Vec<&str> = ran.err.lines().collect();
    let [first, second, hint] = lines.as_slice() else { panic!("three lines: {}", ran.err) };
    assert!(first.starts_with("twocan: ") && first.contains("set aside as"), "{first}");
    assert!(second.contains("not known here") && hint.starts_with("hint: "), "{}", ran.err);
}

#[test]
fn a_state_folder_that_cannot_be_made_is_code_5() {
    let home = Home::new();
    fs::write(home.state(), "a file where the folder should be").unwrap();
    assert_fails(&home.run(&["list"]), 5, "cannot make", "--state");
}

#[test]
fn talking_by_a_broken_link_or_id_is_code_3() {
    let home = Home::new();
    let key = "A".repeat(43);
    let link = |far: &str, key: &str| format!("https://host/?convoId={}&farInstanceId={far}#key={key}", id(1));
    let own = InstanceId::from_bits(1);
    for (what, said, hint) in [
        ("https://host/", "convoId", "whole link"),
        ("ftp://host/?convoId=x", "https://", "whole link"),
        ("host/?convoId=x", "not a web address", "whole link"),
        (&link("x", &key), "farInstanceId", "whole link"),
        (&link(own.as_str(), &key[1..]), "key", "whole link"),
        (&link(own.as_str(), ""), "key", "whole link"),
        (id(1).as_str(), "not known here", "twocan list"),
        ("aebagbafaydqqcikbmga2dqpc", "id", "26 letters"),
        (&"x".repeat(65), "64 characters", "such as tim"),
        (" ", "empty", "such as tim"),
        ("a\u{1b}[2Jb", "control", "such as tim"),
    ] {
        assert_fails(&home.run(&["talk", what]), 3, said, hint);
    }
    assert_eq!(home.names(), [""; 0], "nothing was made");
}

#[test]
fn the_link_that_was_given_away_is_not_for_its_giver() {
    let home = Home::new().with(1, "tim");
    let own = InstanceId::from_bits(1);
    let link = format!("https://host/?convoId={}&farInstanceId={own}#key={}", id(1), "A".repeat(43));
    assert_fails(&home.run(&["talk", &link]), 3, "for them to open", "by its name");
}

#[test]
fn talking_without_a_name_asks_which_if_there_are_several() {
    let home = Home::new().with(1, "tim").with(2, "anna");
    assert_fails(&home.run(&["talk"]), 2, "anna, tim", "twocan talk NAME");
}

#[test]
fn a_conversation_that_is_open_is_not_opened_twice() {
    let home = Home::new().with(1, "tim");
    let _claim = home.bookmarks().claim(&id(1)).unwrap();
    assert_fails(&home.run(&["talk", "tim"]), 7, "open in another window", "close it");
}

#[test]
fn a_taken_port_is_code_4() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let home = Home::new().with(1, "tim");
    for arguments in [&["talk", "tim"][..], &["serve"]] {
        let ran = home.run(&[arguments, &["--listen", "127.0.0.1", "--port", &port]].concat());
        assert_fails(&ran, 4, &format!("port {port} is taken"), "--port");
    }
}

#[test]
fn settings_are_checked_before_anything_begins() {
    let home = Home::new();
    let file = home.folder.path().join("config.toml");
    let path = file.to_str().unwrap();
    assert_fails(&home.run(&["talk", "tim", "--config", path]), 5, "config.toml", "--config");
    fs::write(&file, "port = 1\nprot = 2\n").unwrap();
    assert_fails(
        &home.run(&["talk", "tim", "--config", path]),
        3,
        "line 2: unknown key `prot`: did you mean `port`?",
        "that line",
    );
    fs::write(&file, "").unwrap();
    let turn = ["talk", "tim", "--config", path, "--turn", "turn:me:secret@host"];
    assert_fails(&home.run(&turn), 2, "command line", "README");
    assert!(!home.state().exists(), "nothing was made");
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let home = Home::new().with(1, "tim");
    let line = format!("{} list | true; exit ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_twocan"));
    let output = Command::new("bash").args(["-c", &line]).env("TWOCAN_STATE", home.state()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}
