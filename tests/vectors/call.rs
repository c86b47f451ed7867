//! What one call does at which moment: the page's `call.js` has to do the same (`tests/page/call.test.mjs`).
//!
//! `call.json` is written by hand; `call_walks.json` is what this side does on random walks, and is written anew by
//! `TWOCAN_BLESS=1 cargo test --test vectors calls`. The words of a script are explained in `call.json`.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use twocan::{
    call::{Call, Connection, Ending, Input, MediaCommand, MediaEvent, Output, Phase, Precedence, Props, Signal},
    negotiation::{Candidate, Sdp, SdpType},
};

use super::{list, text, vectors};

/// One call of a script.
pub(super) struct Stage {
    call: Call,
    start: Instant,
    /// Every connection that was asked for, with what its description is.
    pub(super) made: BTreeMap<String, SdpType>,
    /// Those that are not closed yet.
    pub(super) open: Vec<String>,
}

impl Stage {
    pub(super) fn new(precedence: &str) -> Self {
        let precedence = if precedence == "ours" { Precedence::Ours } else { Precedence::Theirs };
        Self { call: Call::new(precedence), start: Instant::now(), made: BTreeMap::new(), open: Vec::new() }
    }

    /// What the call does on `input`, as a step of a script.
    pub(super) fn step(&mut self, at: u64, input: &str) -> Value {
        let now = self.start + Duration::from_millis(at);
        match input.strip_prefix("props") {
            Some(name) => self.call.set_props(props(name)),
            None => self.call.handle(now, self.input(input)),
        }
        let mut outputs = Vec::new();
        while let Some(output) = self.call.poll() {
            outputs.push(self.told(output));
        }
        let deadline = self.call.deadline().map(|(due, _)| (due - self.start).as_millis() as u64);
        json!({ "at": at, "input": input, "outputs": outputs, "deadline": deadline, "phase": phase(self.call.phase()) })
    }

    fn input(&self, words: &str) -> Input {
        let (first, rest) = words.split_once(' ').unwrap_or((words, ""));
        match first {
            "begin" => Input::Begin(rest.parse().unwrap()),
            "renew" => Input::Renew,
            "hangUp" => Input::HangUp,
            "signallingUp" => Input::SignallingUp,
            "signallingDown" => Input::SignallingDown,
            "farLeft" => Input::FarLeft,
            "deadline" => Input::Deadline,
            "far" => Input::Far(Signal::parse(&spell(rest).to_string()).unwrap()),
            name => Input::Media(connection(name), self.event(name, rest)),
        }
    }

    fn event(&self, name: &str, words: &str) -> MediaEvent {
        let (first, rest) = words.split_once(' ').unwrap_or((words, ""));
        match first {
            "offers" => MediaEvent::Described(SdpType::Offer, sdp(rest)),
            "answers" => MediaEvent::Described(SdpType::Answer, sdp(rest)),
            "found" => MediaEvent::Candidate(candidate(rest)),
            "open" => MediaEvent::DataOpen,
            "hears" if rest == "nonsense" => MediaEvent::DataText(rest.into()),
            "hears" => MediaEvent::DataText(spell(rest).to_string()),
            "doubtful" => MediaEvent::Disconnected,
            "closed" => MediaEvent::Closed,
            "failed" => MediaEvent::Failed(rest.into()),
            other => panic!("{name}: {other}"),
        }
    }

    fn told(&mut self, output: Output) -> String {
        match output {
            Output::Signal(signal) => format!("say {}", read(&signal.to_string())),
            Output::Media(connection, command) => self.command(&connection, command),
            Output::Phase(now, None) => phase(now).into(),
            Output::Phase(now, Some(why)) => format!("{}: {}", phase(now), ending(&why)),
            Output::FarProps(props) => format!("farProps{}", props["n"]),
        }
    }

    fn command(&mut self, connection: &Connection, command: MediaCommand) -> String {
        let name = format!("{}/{}", connection.session, connection.generation);
        let said = match command {
            MediaCommand::Offer => "offer".to_owned(),
            MediaCommand::Answer(sdp) => format!("answer {}", number("sdp", sdp.as_str())),
            MediaCommand::TakeAnswer(sdp) => format!("takeAnswer {}", number("sdp", sdp.as_str())),
            MediaCommand::AddCandidate(found) => format!("add {}", number("c", &found.candidate)),
            MediaCommand::SendData(text) => format!("send {}", read(&text)),
            MediaCommand::Close => "close".to_owned(),
        };
        match said.split(' ').next().unwrap() {
            kind @ ("offer" | "answer") => {
                let kind = if kind == "offer" { SdpType::Offer } else { SdpType::Answer };
                self.made.insert(name.clone(), kind);
                self.open.push(name.clone());
            }
            "close" => self.open.retain(|other| *other != name),
            _ => {}
        }
        format!("{name} {said}")
    }
}

// ── words and what they stand for ──

fn connection(name: &str) -> Connection {
    let (session, generation) = name.split_once('/').unwrap();
    Connection { session: session.parse().unwrap(), generation: generation.parse().unwrap() }
}

fn props(name: &str) -> Props {
    Props::from([("n".into(), name.into())])
}

fn sdp(name: &str) -> Sdp {
    Sdp::try_from(format!("v=0\r\na=fingerprint:{name}\r\n")).unwrap()
}

fn candidate(name: &str) -> Candidate {
    Candidate { candidate: format!("candidate:{name}"), mid: Some("0".into()), m_line_index: 0 }
}

/// The name in a description or a candidate.
fn number(kind: &str, text: &str) -> String {
    let name = text.trim_end().rsplit(':').next().unwrap();
    assert!(name.starts_with(kind), "{text}");
    name.into()
}

/// What `words` stand for, as it goes over the wire.
fn spell(words: &str) -> Value {
    let words: Vec<&str> = words.split(' ').collect();
    if let ["ping" | "pong"] = words[..] {
        return json!({ words[0]: {} });
    }
    let (session, generation) = words[1].split_once('/').unwrap_or((words[1], "0"));
    let generation: u32 = generation.parse().unwrap();
    if words[0] == "ice" {
        let name = format!("candidate:{}", words[2]);
        let mut ice = json!({ "candidate": name, "sdpMid": "0", "sdpMLineIndex": 0, "sessid": session });
        if generation > 0 {
            ice["generation"] = json!(generation);
        }
        return json!({ "ice": ice });
    }
    let (kind, turn) = words[0].split_at(words[0].len() - 1);
    let mut said = json!({ "version": "3.0", "type": kind, "sessid": session, "resp": turn == "!" });
    if generation > 0 {
        said["generation"] = json!(generation);
    }
    for word in &words[2..] {
        match word.strip_prefix("props") {
            Some(name) => said["props"] = json!(props(name)),
            None => said["sdp"] = json!(sdp(word)),
        }
    }
    said
}

/// The words for what goes over the wire as `text`.
fn read(given: &str) -> String {
    let said: Value = serde_json::from_str(given).unwrap();
    let words = if let Some(ice) = said.get("ice") {
        format!("ice {}/{} {}", text(&ice["sessid"]), generation(ice), number("c", text(&ice["candidate"])))
    } else if let Some(kind) = said.get("type") {
        message(text(kind), &said)
    } else {
        said.as_object().unwrap().keys().next().unwrap().clone()
    };
    assert_eq!(spell(&words), said, "nothing more than {words}");
    words
}

fn message(kind: &str, said: &Value) -> String {
    let turn = if said["resp"] == true { "!" } else { "?" };
    let mut words = vec![format!("{kind}{turn}"), text(&said["sessid"]).into()];
    if said.get("generation").is_some() {
        words[1] += &format!("/{}", generation(said));
    }
    words.extend(said.get("sdp").map(|sdp| number("sdp", text(sdp))));
    words.extend(said.get("props").map(|props| format!("props{}", text(&props["n"]))));
    words.join(" ")
}

fn generation(said: &Value) -> u64 {
    said.get("generation").map_or(0, |generation| generation.as_u64().unwrap())
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "idle",
        Phase::Calling => "calling",
        Phase::Connecting => "connecting",
        Phase::Connected => "connected",
        Phase::Reconnecting => "reconnecting",
        Phase::Ending => "ending",
    }
}

fn ending(ending: &Ending) -> String {
    match ending {
        Ending::HungUp => "hung_up".into(),
        Ending::FarHungUp => "far_hung_up".into(),
        Ending::NoAnswer => "no_answer".into(),
        Ending::NoConnection => "no_connection".into(),
        Ending::FarGone => "far_gone".into(),
        Ending::FarClosed => "far_closed".into(),
        Ending::FarFailed => "far_failed".into(),
        Ending::Failed(why) => format!("failed {why}"),
    }
}

// ── the tests ──

fn play(script: &Value) {
    let mut stage = Stage::new(text(&script["precedence"]));
    let mut expected = json!({ "deadline": null, "phase": "idle" });
    for (at, step) in list(script, "steps").iter().enumerate() {
        // What a step does not tell is as before, or nothing.
        expected["outputs"] = json!([]);
        step.as_object().unwrap().iter().for_each(|(name, value)| expected[name.as_str()] = value.clone());
        let done = stage.step(step["at"].as_u64().unwrap(), text(&step["input"]));
        assert_eq!(done, expected, "{}: step {at}", script["name"]);
    }
}

#[test]
fn calls_go_as_they_are_written_down() {
    list(&vectors("call"), "scripts").iter().for_each(play);
}

#[test]
fn calls_go_on_random_walks_as_they_always_did() {
    super::walks::write_if_asked();
    list(&vectors("call_walks"), "scripts").iter().for_each(play);
}
