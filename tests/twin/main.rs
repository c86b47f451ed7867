//! The native side's channel on standard input and output, for the page's tests to hold theirs against.
//!
//! With the argument `speak`: each line in is JSON, `{"setup": …}` for a new channel or `{"now": ms, "input": …}`; each
//! line out is what came of it, `{"told": […], "deadline": ms}`. Inputs and outputs are spelled as the page spells them
//! (`assets/page/seal.js`). Without an argument it does nothing, so that it may be run among the other tests.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{self, BufRead, Write},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use twocan::seal::{Channel, Input, Order, Output, Setup, Suspicion, Trust, resolver};

fn main() {
    if std::env::args().nth(1).as_deref() != Some("speak") {
        return;
    }
    #[expect(clippy::disallowed_methods, reason = "only the beginning of the time that the page's tests tell")]
    let start = Instant::now();
    let mut channel = None;
    for line in io::stdin().lock().lines() {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if let Some(setup) = line.get("setup") {
            channel = Some(Channel::new(read_setup(setup)));
        } else {
            let now = start + Duration::from_millis(line["now"].as_u64().unwrap());
            channel.as_mut().unwrap().handle(now, read_input(&line["input"]));
        }
        let channel = channel.as_mut().unwrap();
        let told: Vec<Value> = std::iter::from_fn(|| channel.poll()).map(write_output).collect();
        // Rounded up, so that whoever comes back at that time does not come too early.
        let deadline = channel.deadline().map(|at| (at - start).as_nanos().div_ceil(1_000_000) as u64);
        let mut out = io::stdout().lock();
        writeln!(out, "{}", json!({ "told": told, "deadline": deadline })).unwrap();
        out.flush().unwrap();
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn read_setup(setup: &Value) -> Setup {
    Setup {
        conversation: text(&setup["convo"]).parse().unwrap(),
        instance: text(&setup["me"]).parse().unwrap(),
        secret: text(&setup["secret"]).parse().unwrap(),
        trust: read_trust(&setup["trust"]),
        seed: setup["seed"].as_u64().unwrap(),
        resolver,
    }
}

fn read_trust(trust: &Value) -> Trust {
    let far = || text(&trust["far"]).parse().unwrap();
    let code = || text(&trust["code"]).parse().unwrap();
    let key = || trust["key"].as_str().map(|key| key.parse().unwrap());
    let spent = || trust["spent"].as_str().map(|spent| spent.parse().unwrap());
    match text(&trust["kind"]) {
        "owner" => Trust::Owner { code: code() },
        "closed" => Trust::Closed { spent: spent() },
        "reader" => Trust::Reader { far: far(), code: code(), key: key() },
        "paired" => Trust::Paired { far: far(), key: key().unwrap(), spent: spent() },
        other => panic!("no trust: {other}"),
    }
}

fn read_input(input: &Value) -> Input {
    let said = || text(&input["text"]).to_owned();
    match text(&input["type"]) {
        "here" if input["order"] == "begins" => Input::Here(Order::Begins),
        "here" => Input::Here(Order::Waits),
        "away" => Input::Away,
        "frame" => Input::Frame(text(&input["from"]).parse().unwrap(), said()),
        "say" => Input::Say(said()),
        "expired" => Input::Expired,
        "deadline" => Input::Deadline,
        other => panic!("no input: {other}"),
    }
}

fn write_output(output: Output) -> Value {
    match output {
        Output::Send(to, text) => json!({ "type": "send", "to": to.as_str(), "text": text }),
        Output::Learned(key) => json!({ "type": "learned", "key": key.to_string() }),
        Output::Paired { far, key, spent } => {
            let spent = spent.map(|spent| spent.reveal().to_string());
            json!({ "type": "paired", "far": far.as_str(), "key": key.to_string(), "spent": spent })
        }
        Output::Up(words) => json!({ "type": "up", "words": words.to_string() }),
        Output::Down => json!({ "type": "down" }),
        Output::Heard(text) => json!({ "type": "heard", "text": text }),
        Output::Refused => json!({ "type": "refused" }),
        Output::Suspicious(Suspicion::Forged) => json!({ "type": "suspicious", "why": "forged" }),
        Output::Suspicious(Suspicion::Silent) => json!({ "type": "suspicious", "why": "silent" }),
    }
}
