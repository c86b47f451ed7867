//! Random walks of a call: from every state with every kind of input, and on from there.

use std::fmt::Write;

use serde_json::{Value, json};

use super::call::Stage;

/// Steps at random behind the one that the walk is about.
const TAIL: usize = 4;
const SEED: u64 = 7;

/// What can happen; `@` is the connection that the walk is about, `=` its call, `+` its next connection.
const KINDS: [&str; 28] = [
    "begin zzzz",
    "renew",
    "hangUp",
    "signallingUp",
    "signallingDown",
    "farLeft",
    "deadline",
    "props3",
    "far SETUP? # sdp5 props5",
    "far SETUP! = sdp6 props6",
    "far UPDATE? + sdp7 props7",
    "far UPDATE! @ sdp8 props8",
    "far CANCEL? =",
    "far REJECT? =",
    "far CANCEL! =",
    "far ice @ c5",
    "@ describes",
    "@ found c6",
    "@ open",
    "@ doubtful",
    "@ closed",
    "@ failed why",
    "@ hears ping",
    "@ hears pong",
    "@ hears PROPSYNC? = props9",
    "@ hears PROPSYNC! = props9",
    "@ hears HANGUP? =",
    "@ hears HANGUP! =",
];

/// The way into each state, by who calls.
fn ways() -> Vec<(&'static str, Vec<&'static str>)> {
    let out = ["signallingUp", "props1", "begin aaaa", "aaaa/0 offers sdp1", "aaaa/0 found c1"];
    let answered = [&out[..], &["far SETUP! aaaa sdp2 props2"]].concat();
    let coming = ["signallingUp", "props1", "far SETUP? aaaa sdp2 props2"];
    let answering = [&coming[..], &["aaaa/0 answers sdp1"]].concat();
    let up = [&answered[..], &["aaaa/0 open"]].concat();
    let with = |steps: &[&'static str], more: &[&'static str]| [steps, more].concat();
    vec![
        ("ours", vec!["props1"]),
        ("theirs", with(&up, &["hangUp", "aaaa/0 hears HANGUP! aaaa"])),
        ("theirs", out.to_vec()),
        ("ours", with(&out, &["far SETUP? bbbb sdp2 props2"])),
        ("ours", coming.to_vec()),
        ("theirs", answered.clone()),
        ("ours", answering.clone()),
        ("ours", up.clone()),
        ("theirs", with(&answering, &["aaaa/0 open"])),
        ("ours", with(&up, &["renew", "aaaa/1 offers sdp3"])),
        ("theirs", with(&up, &["aaaa/0 doubtful", "aaaa/1 offers sdp3"])),
        ("theirs", with(&up, &["far UPDATE? aaaa/1 sdp4 props2", "aaaa/1 answers sdp3"])),
        ("ours", with(&up, &["hangUp"])),
        ("ours", with(&up, &["aaaa/0 hears HANGUP? aaaa"])),
    ]
}

struct Walk {
    stage: Stage,
    random: fastrand::Rng,
    at: u64,
    steps: Vec<Value>,
    /// Names of calls that are still free.
    calls: std::vec::IntoIter<&'static str>,
}

impl Walk {
    fn go(&mut self, input: &str) {
        self.steps.push(self.stage.step(self.at, input));
    }

    /// Lets some time pass, as it may: none, some, until something is due, or much more.
    fn wait(&mut self) {
        let due = self.steps.last().and_then(|step| step["deadline"].as_u64()).filter(|due| *due >= self.at);
        self.at = match (self.random.u32(0..10), due) {
            (0..4, _) => self.at,
            (4..6, _) | (6.., None) => self.at + self.random.u64(0..1500),
            (6..9, Some(due)) => due,
            (_, Some(due)) => due + self.random.u64(0..4000),
        };
    }

    /// `kind` with its signs filled in: mostly for the connection in the making, or the one that is up.
    fn fill(&mut self, kind: &str) -> Option<String> {
        let stray = self.random.u32(0..8) == 0;
        let made: Vec<String> = self.stage.made.keys().cloned().collect();
        let among = if stray || self.stage.open.is_empty() { &made } else { &self.stage.open };
        let name = self.random.choice(among.iter()).cloned().unwrap_or_else(|| "yyyy/0".into());
        let (call, generation) = name.split_once('/')?;
        let next = generation.parse::<u32>().ok()? + self.random.u32(0..2);
        let update = if kind.starts_with("far UPDATE!") { &format!("{call}/{}", next.max(1)) } else { &name };
        let answers = self.stage.made.get(&name) == Some(&twocan::negotiation::SdpType::Answer);
        let describes = if answers { "answers sdp4" } else { "offers sdp4" };
        let fresh = if stray { call } else { self.calls.next()? };
        let signs = [("@", update.as_str()), ("+", &format!("{call}/{}", next.max(1))), ("=", call), ("#", fresh)];
        let words = kind.replace("describes", describes).replace("zzzz", fresh);
        Some(signs.into_iter().fold(words, |words, (sign, name)| words.replace(sign, name)))
    }
}

fn walk(name: String, (precedence, way): &(&'static str, Vec<&'static str>), kind: &str, seed: u64) -> Value {
    let mut walk = Walk {
        stage: Stage::new(precedence),
        random: fastrand::Rng::with_seed(seed),
        at: 0,
        steps: Vec::new(),
        calls: vec!["cccc", "dddd", "eeee", "ffff", "gggg", "hhhh"].into_iter(),
    };
    for input in way {
        walk.go(input);
        walk.at += 40;
    }
    for step in 0..=TAIL {
        let next = if step == 0 { kind } else { KINDS[walk.random.usize(..KINDS.len())] };
        if let Some(input) = walk.fill(next) {
            walk.go(&input);
        }
        walk.wait();
        // Time is kept mostly, as by whoever owns the call.
        if walk.steps.last().is_some_and(|step| step["deadline"].as_u64().is_some_and(|due| due <= walk.at)) {
            walk.go("deadline");
        }
    }
    json!({ "name": name, "precedence": precedence, "steps": walk.steps })
}

/// Writes `call_walks.json` anew where that is asked for.
pub(super) fn write_if_asked() {
    if std::env::var_os("TWOCAN_BLESS").is_none() {
        return;
    }
    let about = "What a call does on random walks, one from every state with every kind of input; see call.json.";
    let mut lines = Vec::new();
    for (number, way) in ways().iter().enumerate() {
        for (kind_number, kind) in KINDS.iter().enumerate() {
            let seed = SEED + (number * KINDS.len() + kind_number) as u64;
            lines.push(format!("    {}", line(&walk(format!("walk {seed}"), way, kind, seed))));
        }
    }
    let text = format!("{{\n  \"about\": \"{about}\",\n  \"scripts\": [\n{}\n  ]\n}}\n", lines.join(",\n"));
    let path = format!("{}/tests/vectors/call_walks.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::write(path, text).unwrap();
}

/// A script on one line, in the order in which it is read, without what is as it was.
fn line(script: &Value) -> String {
    let mut line = format!("{{\"name\":{},\"precedence\":{},\"steps\":[", script["name"], script["precedence"]);
    let mut before = &json!({ "deadline": null, "phase": "idle" });
    for (at, step) in script["steps"].as_array().unwrap().iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(line, r#"{comma}{{"at":{},"input":{}"#, step["at"], step["input"]);
        if step["outputs"] != json!([]) {
            let _ = write!(line, r#","outputs":{}"#, step["outputs"]);
        }
        for name in ["deadline", "phase"].into_iter().filter(|name| step[*name] != before[*name]) {
            let _ = write!(line, r#","{name}":{}"#, step[name]);
        }
        line.push('}');
        before = step;
    }
    line + "]}"
}
