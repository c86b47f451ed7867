//! What the page's seal has to make of the same keys, byte for byte.

use std::time::Instant;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use twocan::{
    ids::{ConversationId, InstanceId, SessionId},
    pairing::PairingKey,
    seal::{
        Channel, Frame, Handshake, Input, Output, Pattern, PublicKey, Role, SafetyWords, SecretKey, Session, Setup,
        Step, Terms, Trust,
    },
};

use super::{
    list,
    noise::{fixed, set_ephemerals},
    text, vectors,
};

fn bytes(value: &Value) -> [u8; 32] {
    BASE64URL_NOPAD.decode(text(value).as_bytes()).unwrap().try_into().unwrap()
}

/// One side of a transcript.
struct Side {
    instance: InstanceId,
    secret: SecretKey,
    public: PublicKey,
    ephemeral: [u8; 32],
}

fn side(value: &Value) -> Side {
    let side = Side {
        instance: text(&value["instance"]).parse().unwrap(),
        secret: text(&value["secret"]).parse().unwrap(),
        public: text(&value["public"]).parse().unwrap(),
        ephemeral: bytes(&value["ephemeral"]),
    };
    assert_eq!(side.secret.public(), side.public);
    side
}

/// The two ends of a transcript, who begins in front.
struct Ends {
    hands: Vec<Handshake>,
    sessions: Vec<Session>,
    id: SessionId,
}

impl Ends {
    fn new(script: &Value, terms: [Terms<'_>; 2]) -> Self {
        let sides = [side(&script["initiator"]), side(&script["responder"])];
        set_ephemerals(sides.each_ref().map(|side| side.ephemeral));
        let prologue = format!("twocan 1\n{}", text(&script["convo"]));
        let end =
            |role, at: usize| Handshake::new(fixed, role, terms[at], &sides[at].secret, prologue.as_bytes()).unwrap();
        let hands = vec![end(Role::Initiator, 0), end(Role::Responder, 1)];
        Self { hands, sessions: Vec::new(), id: text(&script["id"]).parse().unwrap() }
    }

    fn hand(&mut self, from: usize, step: Step, plain: &str) -> Frame {
        let data = self.hands[from].write(plain.as_bytes()).unwrap();
        assert_eq!(self.hands[1 - from].read(&data).unwrap(), plain.as_bytes());
        Frame::Noise { step, id: self.id.clone(), data }
    }

    fn seal(&mut self, from: usize, plain: &str) -> Frame {
        if self.sessions.is_empty() {
            self.sessions = self.hands.drain(..).map(|end| end.finish().unwrap()).collect();
        }
        let n = u32::try_from(self.sessions[from].sends()).unwrap();
        let data = self.sessions[from].seal(plain.as_bytes()).unwrap();
        assert_eq!(self.sessions[1 - from].open(&data).unwrap(), plain.as_bytes());
        Frame::Sealed { id: self.id.clone(), n, data }
    }
}

/// Makes every frame of a transcript anew.
fn follow(script: &Value, terms: [Terms<'_>; 2], steps: &[Step]) {
    let mut ends = Ends::new(script, terms);
    for (at, frame) in list(script, "frames").iter().enumerate() {
        let from = usize::from(frame["from"] == "responder");
        let made = match steps.get(at) {
            Some(step) => ends.hand(from, *step, text(&frame["plain"])),
            None => ends.seal(from, text(&frame["plain"])),
        };
        assert_eq!(made.to_string(), text(&frame["text"]), "frame {at}");
        assert_eq!(Frame::parse(text(&frame["text"])), Ok(made));
    }
    for session in &ends.sessions {
        assert_eq!(session.hash(), bytes(&script["hash"]));
        assert_eq!(session.words().to_string(), text(&script["words"]));
    }
}

/// A channel in the responder's place must answer what the initiator says as it is written.
fn answer(script: &Value, trust: Trust) -> Vec<Output> {
    let (initiator, responder) = (side(&script["initiator"]), side(&script["responder"]));
    set_ephemerals([responder.ephemeral]);
    let mut channel = Channel::new(Setup {
        conversation: text(&script["convo"]).parse().unwrap(),
        instance: responder.instance,
        secret: responder.secret,
        trust,
        seed: 1,
        resolver: fixed,
    });
    #[expect(clippy::disallowed_methods, reason = "a test has to get its first instant from somewhere")]
    let now = Instant::now();
    let (mut told, mut said) = (Vec::new(), Vec::new());
    for frame in list(script, "frames") {
        if frame["from"] == "responder" {
            if said.is_empty() {
                channel.handle(now, Input::Say(text(&frame["plain"]).to_owned()));
                said.extend(std::iter::from_fn(|| channel.poll()));
            }
            assert_eq!(said.remove(0), Output::Send(initiator.instance.clone(), text(&frame["text"]).to_owned()));
        } else {
            channel.handle(now, Input::Frame(initiator.instance.clone(), text(&frame["text"]).to_owned()));
        }
        for output in std::iter::from_fn(|| channel.poll()) {
            let list = if matches!(output, Output::Send(..)) { &mut said } else { &mut told };
            list.push(output);
        }
    }
    told
}

fn heard(script: &Value, greetings: usize) -> Vec<Output> {
    let from = |frame: &&Value| frame["from"] == "initiator";
    let plain = |frame: &Value| Output::Heard(text(&frame["plain"]).to_owned());
    list(script, "frames").iter().filter(from).skip(greetings).map(plain).collect()
}

fn up(script: &Value) -> Output {
    Output::Up(SafetyWords::from_hash(&bytes(&script["hash"])))
}

#[test]
fn a_pairing_is_made_alike() {
    let vectors = vectors("seal");
    let script = &vectors["pairing"];
    let code: PairingKey = text(&script["code"]).parse().unwrap();
    follow(script, [Terms::Code(&code); 2], &[Step::Xx1, Step::Xx2, Step::Xx3]);
    let reader = side(&script["initiator"]);
    let paired = Output::Paired { far: reader.instance, key: reader.public, spent: Some(code.spent()) };
    let expected = [vec![paired, up(script)], heard(script, 2)].concat();
    assert_eq!(answer(script, Trust::Owner { code }), expected);
}

#[test]
fn a_meeting_is_made_alike() {
    let vectors = vectors("seal");
    let script = &vectors["meeting"];
    let (begins, waits) = (side(&script["initiator"]), side(&script["responder"]));
    follow(script, [Terms::Key(&waits.public), Terms::Key(&begins.public)], &[Step::Kk1, Step::Kk2]);
    let trust = Trust::Paired { far: begins.instance, key: begins.public, spent: None };
    assert_eq!(answer(script, trust), [vec![up(script)], heard(script, 2)].concat());
}

#[test]
fn codes_are_spent_and_refused_alike() {
    for spent in list(&vectors("seal"), "codes") {
        let code: PairingKey = text(&spent["code"]).parse().unwrap();
        let convo: ConversationId = text(&spent["convo"]).parse().unwrap();
        let to: InstanceId = text(&spent["to"]).parse().unwrap();
        assert_eq!(*code.spent().reveal(), text(&spent["spent"]));
        assert_eq!(code.spent().refusal(&convo, &to), text(&spent["refusal"]));
        assert!(code.is_refusal(&convo, &to, text(&spent["refusal"])));
    }
}

#[test]
fn safety_words_are_spelled_alike() {
    for spelled in list(&vectors("seal"), "words") {
        assert_eq!(SafetyWords::from_hash(&bytes(&spelled["hash"])).to_string(), text(&spelled["words"]));
    }
}

fn says(text: &str) -> Option<Value> {
    Some(match Frame::parse(text).ok()? {
        Frame::Noise { step, id, data } => {
            let (pattern, step) = match step {
                Step::Xx1 => (Pattern::XxPsk0, 1),
                Step::Xx2 => (Pattern::XxPsk0, 2),
                Step::Xx3 => (Pattern::XxPsk0, 3),
                Step::Kk1 => (Pattern::Kk, 1),
                Step::Kk2 => (Pattern::Kk, 2),
            };
            json!({ "type": "noise", "pattern": pattern, "id": id.as_str(), "step": step, "bytes": data.len() })
        }
        Frame::Sealed { id, n, data } => {
            json!({ "type": "sealed", "id": id.as_str(), "n": n, "bytes": data.len() })
        }
        Frame::Refused { proof } => json!({ "type": "refused", "proof": proof }),
    })
}

/// The text of a vector: an asterisk stands for as many letters A as `fill` says.
fn filled(vector: &Value) -> String {
    let fill = vector.get("fill").map_or(0, |fill| usize::try_from(fill.as_u64().unwrap()).unwrap());
    text(&vector["text"]).replace('*', &"A".repeat(fill))
}

#[test]
fn frames_are_read_alike() {
    let vectors = vectors("seal");
    for valid in list(&vectors, "valid") {
        assert_eq!(says(&filled(valid)).as_ref(), Some(&valid["says"]), "{valid}");
    }
    for refused in list(&vectors, "refused") {
        assert_eq!(says(&filled(refused)), None, "{}", refused["why"]);
    }
}
