//! The server's brain among Workrooms clients that say and do anything.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use twocan::{
    rendezvous::MESSAGE_LIMIT,
    switchboard::{ConnectionId, Dialect, Input, Limits, Output, Switchboard},
    workrooms::{ClientEvent, ServerEvent},
};

use super::bytes::Bytes;

const SESSIONS: [&str; 4] = ["a", "b", "Łu ß", "made-up"];
/// What is told of one event is at most so long: ten profiles of 8 KiB and a search, or a signal as it came.
const LONGEST: usize = 10 * 10_000 + 3 * MESSAGE_LIMIT;

/// Reads `data` as what happens on several connections; also reads it as an event itself, in either direction.
pub fn run(data: &[u8]) {
    read(&String::from_utf8_lossy(data));
    let mut bytes = Bytes(data);
    let mut board = Board::new();
    while !bytes.is_empty() {
        board.step(&mut bytes);
    }
    board.pass(Duration::from_secs(20));
    assert_eq!(board.switchboard.deadline(), None, "something is due for ever");
    for id in board.clients.keys().copied().collect::<Vec<_>>() {
        board.clients.remove(&id);
        board.input(id, Input::Closed);
    }
    assert_eq!(board.switchboard.census().calls, 0, "a call is left of those who have gone");
}

/// What can be read says the same when it is read again as it is written.
fn read(text: &str) {
    if let Ok(event) = ClientEvent::parse(text) {
        assert_eq!(ClientEvent::parse(&event.to_string()), Ok(event), "{text}");
    }
    if let Ok(event) = ServerEvent::parse(text) {
        assert_eq!(ServerEvent::parse(&event.to_string()), Ok(event), "{text}");
    }
}

struct Board {
    switchboard: Switchboard,
    now: Instant,
    opened: u64,
    /// The sessionids that were asked for on each connection.
    clients: BTreeMap<u64, Vec<String>>,
    /// The calls that were placed: what they are called, who called whom.
    calls: Vec<(String, String, String)>,
}

impl Board {
    fn new() -> Self {
        let switchboard = Switchboard::new(Limits::default(), [7; 32]);
        Self { switchboard, now: Instant::now(), opened: 0, clients: BTreeMap::new(), calls: Vec::new() }
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) {
        let id = 1 + bytes.below(usize::try_from(self.opened).unwrap_or(0) + 1) as u64;
        match bytes.below(16) {
            0 | 1 => {
                self.opened += 1;
                self.clients.insert(self.opened, Vec::new());
                self.input(self.opened, Input::Opened(Dialect::Workrooms));
            }
            2 => self.pass(Duration::from_millis(bytes.milliseconds())),
            3 => {
                self.clients.remove(&id);
                self.input(id, Input::Closed);
            }
            4 => self.input(id, Input::Frame),
            5 => self.input(id, [Input::Binary, Input::TooLarge][bytes.below(2)]),
            6 => self.say(id, &bytes.text()),
            7 => {
                let kind =
                    ["register", "userprofile", "call", "ice", "hangup", "autocomplete", "error"][bytes.below(7)];
                self.say(id, &format!("{{\"type\":\"{kind}\",\"detail\":{}}}", bytes.text()));
            }
            _ => {
                let event = self.event(bytes);
                self.say(id, &event);
            }
        }
    }

    /// Something of the protocol.
    fn event(&self, bytes: &mut Bytes<'_>) -> String {
        let session = SESSIONS[bytes.below(SESSIONS.len())];
        let made_up = ("made-up".to_owned(), session.to_owned(), "a".to_owned());
        let (callid, from, to) = self.calls.get(bytes.below(8)).unwrap_or(&made_up);
        let call = json!({ "callid": callid, "fromsessionid": from, "tosessionid": to });
        let (kind, detail) = match bytes.below(9) {
            0 | 1 => ("register", json!({ "sessionid": session, "calls": [] })),
            2 => ("register", json!({ "sessionid": ([from, to][bytes.below(2)]), "calls": [call] })),
            3 => {
                let (source, name) = (bytes.text(), bytes.text());
                ("userprofile", json!({ (source): { "name": name, "login": session, "x": bytes.byte() } }))
            }
            4 => ("call", json!({ "to": session })),
            5 => ("offer", json!({ "callid": callid, "sdp": bytes.text() })),
            6 => ("ice", json!({ "callid": callid })),
            7 => ("hangup", json!({ "calls": [call, { "callid": bytes.text() }] })),
            _ => ("autocomplete", json!({ "search": bytes.text() })),
        };
        json!({ "type": kind, "detail": detail }).to_string()
    }

    fn say(&mut self, id: u64, text: &str) {
        if let (Ok(ClientEvent::Register { session, .. }), Some(asked)) =
            (ClientEvent::parse(text), self.clients.get_mut(&id))
        {
            asked.push(session.to_string());
        }
        self.input(id, Input::Text(text));
    }

    fn input(&mut self, id: u64, input: Input<'_>) {
        self.switchboard.handle(self.now, ConnectionId(id), input);
        self.drain();
        assert!(self.switchboard.deadline().is_none_or(|due| due >= self.now), "what is due lies in the past");
    }

    fn drain(&mut self) {
        // A newcomer that gets its sessionid is heard with all that it has said meanwhile.
        let most = 4096 * (self.clients.len() + 1);
        let mut outputs = 0;
        while let Some(output) = self.switchboard.poll_output() {
            outputs += 1;
            assert!(outputs <= most, "one input brings about too much");
            match output {
                Output::Send { to: ConnectionId(to), text, .. } => self.hear(to, &text),
                Output::Ping { to } => assert!(self.clients.contains_key(&to.0), "a ping to nobody"),
                Output::Close { to, .. } => assert!(self.clients.remove(&to.0).is_some(), "closed twice"),
            }
        }
    }

    /// Whatever is said is an event of the server's, to somebody who is there, and about a call of theirs.
    fn hear(&mut self, to: u64, text: &str) {
        assert!(text.len() <= LONGEST, "what is said grows too much");
        let asked = self.clients.get(&to).expect("something is said to nobody");
        let is_of = |callid: &str| {
            let call = self.calls.iter().find(|(known, _, _)| known == callid);
            // What was made up is passed on only between those who made it up.
            call.is_none_or(|(_, from, to)| asked.contains(from) || asked.contains(to))
        };
        match ServerEvent::parse(text).expect("an event of the server's") {
            ServerEvent::OutboundCall(placed) => {
                assert!(asked.contains(&placed.call.from.to_string()));
                let call = placed.call;
                self.calls.push((call.callid.to_string(), call.from.to_string(), call.to.to_string()));
            }
            ServerEvent::InboundCall(placed) => assert!(asked.contains(&placed.call.to.to_string())),
            ServerEvent::Signal(signal) => assert!(is_of(signal.callid.as_str()), "a signal of others"),
            ServerEvent::Hangup(calls) => {
                assert!(!calls.is_empty() && calls.iter().all(|call| is_of(call.callid.as_str())), "a call of others");
            }
            ServerEvent::Autocomplete { results, .. } => {
                assert!(results.len() <= 10 && results.iter().all(|found| !found.profiles.is_empty()));
            }
            ServerEvent::Error { message } => {
                assert!(!message.is_empty() && message.chars().count() < 600, "{message}");
                assert!(serde_json::from_str::<Value>(text).is_ok());
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.switchboard.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.switchboard.handle_deadline(self.now);
            assert!(self.switchboard.deadline().is_none_or(|next| next > self.now), "a deadline stays in the past");
            self.drain();
        }
        self.now = end;
    }
}
