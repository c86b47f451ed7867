//! Workrooms clients against a model that is too simple to be wrong: lists, searched from the front.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use serde_json::{Value, json};

use super::{Dialect, Input, Limits, model::Dice, tests::Board};

const SESSIONS: [&str; 6] = ["a", "b", "c", "d d", "e", "f"];

/// A call as the model knows it: what it is called, who called whom.
type Call = (String, String, String);

#[derive(Default)]
struct Model {
    clock: u64,
    clients: Vec<Modelled>,
    /// Everything that is to be said, by connection.
    said: BTreeMap<u64, Vec<String>>,
    /// Every callid that was ever told, so that old ones are tried again.
    callids: Vec<Call>,
    /// How many calls were placed, and of how many the name is known.
    placed: u32,
    named: u32,
}

#[derive(Clone, Default)]
struct Modelled {
    id: u64,
    session: Option<String>,
    profiles: BTreeMap<String, Value>,
    calls: Vec<Call>,
    /// Who wants the session, and until when its holder may show life.
    newcomer: Option<(u64, u64)>,
    /// With which calls it wants a session.
    waiting: Option<Vec<Call>>,
    kept: Vec<String>,
}

impl Modelled {
    fn other(&self, call: &Call) -> String {
        if self.session.as_deref() == Some(&call.1) { call.2.clone() } else { call.1.clone() }
    }
}

impl Model {
    fn emit(&mut self, id: u64, kind: &str, detail: Value) {
        self.said.entry(id).or_default().push(format!("{kind} {detail}"));
    }

    fn error(&mut self, id: u64) {
        self.said.entry(id).or_default().push("error".into());
    }

    fn at(&mut self, id: u64) -> Option<&mut Modelled> {
        self.clients.iter_mut().find(|client| client.id == id)
    }

    fn holder(&self, session: &str) -> Option<Modelled> {
        self.clients.iter().find(|client| client.session.as_deref() == Some(session)).cloned()
    }

    /// The other side of a call that `one` holds, if it holds it as well.
    fn far(&self, one: &Modelled, call: &Call) -> Option<Modelled> {
        let holds = one.calls.contains(call);
        self.holder(&one.other(call)).filter(|far| holds && far.calls.contains(call))
    }

    fn live(&self) -> usize {
        let called = self.clients.iter().map(|client| {
            let own = client.calls.iter().filter(|call| client.session.as_ref() == Some(&call.1));
            own.filter(|call| self.far(client, call).is_some()).count()
        });
        called.sum()
    }

    fn life(&mut self, id: u64) {
        let Some((newcomer, _)) = self.at(id).and_then(|client| client.newcomer.take()) else { return };
        let Some(waiting) = self.at(newcomer) else { return };
        waiting.waiting = None;
        let kept = std::mem::take(&mut waiting.kept);
        self.error(newcomer);
        for _ in kept {
            self.error(newcomer);
        }
    }

    fn close(&mut self, id: u64) {
        if self.at(id).is_some() {
            self.said.entry(id).or_default().push("close".into());
            self.remove(id);
        }
    }

    fn remove(&mut self, id: u64) {
        let Some(gone) = self.at(id).cloned() else { return };
        self.clients.retain(|client| client.id != id);
        for client in &mut self.clients {
            client.newcomer = client.newcomer.filter(|(newcomer, _)| *newcomer != id);
        }
        if let (Some((newcomer, _)), Some(session)) = (gone.newcomer, gone.session)
            && let Some(waiting) = self.at(newcomer)
        {
            waiting.session = Some(session);
            waiting.calls = waiting.waiting.take().unwrap_or_default();
            for text in std::mem::take(&mut waiting.kept) {
                self.text(newcomer, &text);
            }
        }
    }

    fn text(&mut self, id: u64, text: &str) {
        let Some(me) = self.at(id).cloned() else { return };
        if me.waiting.is_some() {
            return self.at(id).unwrap().kept.push(text.to_owned());
        }
        let Ok(event) = serde_json::from_str::<Value>(text) else { return self.error(id) };
        let detail = &event["detail"];
        match (event["type"].as_str().unwrap_or_default(), &me.session) {
            ("register", _) => self.register(&me, detail),
            (_, None) => self.error(id),
            ("userprofile", _) => {
                let profiles = &mut self.at(id).unwrap().profiles;
                profiles.extend(detail.as_object().unwrap().iter().map(|(key, value)| (key.clone(), value.clone())));
            }
            ("call", Some(session)) => self.place(&me, session, detail["to"].as_str().unwrap()),
            ("hangup", Some(session)) => self.hang_up(&me, session, detail),
            ("autocomplete", _) => self.find(&me, detail["search"].as_str().unwrap()),
            ("offer" | "ice", _) => {
                let call = me.calls.iter().find(|call| detail["callid"] == call.0.as_str());
                match call.and_then(|call| self.far(&me, call)) {
                    Some(far) => self.emit(far.id, event["type"].as_str().unwrap(), detail.clone()),
                    None => self.error(id),
                }
            }
            _ => self.error(id),
        }
    }

    fn register(&mut self, me: &Modelled, detail: &Value) {
        let session = detail["sessionid"].as_str().unwrap().to_owned();
        let calls: Vec<Call> = detail["calls"].as_array().unwrap().iter().map(of_wire).collect();
        if calls.iter().any(|call| call.1 != session && call.2 != session) {
            return self.error(me.id);
        }
        let mut own = me.calls.clone();
        for call in &calls {
            if own.iter().all(|held| held.0 != call.0) {
                own.push(call.clone());
            }
        }
        if let Some(held) = &me.session {
            return if *held == session { self.at(me.id).unwrap().calls = own } else { self.error(me.id) };
        }
        match self.holder(&session) {
            None => self.at(me.id).map(|me| (me.session, me.calls) = (Some(session), own)).unwrap(),
            Some(holder) if calls.iter().any(|call| self.far(&holder, call).is_some()) => {
                self.life(holder.id);
                self.close(holder.id);
                self.at(me.id).map(|me| (me.session, me.calls) = (Some(session), own)).unwrap();
            }
            Some(holder) if holder.newcomer.is_some() => self.error(me.id),
            Some(holder) => {
                self.said.entry(holder.id).or_default().push("ping".into());
                let until = self.clock + 3;
                self.at(holder.id).unwrap().newcomer = Some((me.id, until));
                self.at(me.id).unwrap().waiting = Some(own);
            }
        }
    }

    fn place(&mut self, me: &Modelled, session: &str, to: &str) {
        let Some(far) = self.holder(to) else { return self.error(me.id) };
        // Which callid it is the model cannot know: it is filled in from what the switchboard says.
        let unknown = format!("?{}", self.placed);
        self.placed += 1;
        let call: Call = (unknown.clone(), session.to_owned(), to.to_owned());
        let detail = |direction: &str, profiles: &BTreeMap<String, Value>| json!({ (direction): true, "callid": unknown, "fromsessionid": session, "tosessionid": to, "userprofiles": profiles });
        self.emit(me.id, "outboundcall", detail("outbound", &far.profiles));
        self.emit(far.id, "inboundcall", detail("inbound", &me.profiles));
        self.at(me.id).unwrap().calls.push(call.clone());
        if far.id != me.id {
            self.at(far.id).unwrap().calls.push(call);
        }
    }

    /// Tells the model what the next of the calls is called that were placed.
    fn name(&mut self, callid: &str) {
        let unknown = format!("?{}", self.named);
        self.named += 1;
        for text in self.said.values_mut().flatten() {
            *text = text.replace(&format!("\"callid\":\"{unknown}\""), &format!("\"callid\":\"{callid}\""));
        }
        for call in self.clients.iter_mut().flat_map(|client| &mut client.calls).filter(|call| call.0 == unknown) {
            call.0 = callid.to_owned();
            if self.callids.last() != Some(call) {
                self.callids.push(call.clone());
            }
        }
    }

    fn hang_up(&mut self, me: &Modelled, session: &str, detail: &Value) {
        let mut told: Vec<(u64, Vec<Value>)> = vec![(me.id, vec![])];
        for named in detail["calls"].as_array().unwrap() {
            let me = self.at(me.id).unwrap().clone();
            let Some(call) = me.calls.iter().find(|call| named["callid"] == call.0.as_str()) else { continue };
            let far = self.far(&me, call).map(|far| far.id);
            let sides = [Some(me.id), far.filter(|far| *far != me.id)];
            for side in sides.into_iter().flatten() {
                self.at(side).unwrap().calls.retain(|held| held != call);
                let ended = json!({ "callid": call.0, "sessionid": session });
                match told.iter_mut().find(|(id, _)| *id == side) {
                    Some((_, calls)) => calls.push(ended),
                    None => told.push((side, vec![ended])),
                }
            }
        }
        for (id, calls) in told.into_iter().filter(|(_, calls)| !calls.is_empty()) {
            self.emit(id, "hangup", json!({ "calls": calls }));
        }
    }

    /// Names here are of three letters or the same with a digit behind: whoever begins like it is found, the shorter first.
    fn find(&mut self, me: &Modelled, search: &str) {
        let fits = |client: &Modelled| {
            let names = client.profiles.values().filter_map(|profile| profile["name"].as_str().map(str::to_owned));
            let best = names.filter(|name| name.starts_with(search)).min_by_key(|name| (name.len(), name.clone()));
            best.map(|name| (name.len(), name, client.id))
        };
        let others = self.clients.iter().filter(|client| client.id != me.id && client.session.is_some());
        let mut found: Vec<_> = others.filter_map(|client| Some((fits(client)?, client.clone()))).collect();
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        let results = found
            .into_iter()
            .take(10)
            .map(|(_, client)| json!({ "sessionid": client.session, "userprofiles": client.profiles }));
        let results = results.collect::<Vec<_>>();
        self.emit(me.id, "autocomplete", json!({ "search": search, "results": results }));
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.clock += 1;
            let due = |client: &&Modelled| client.newcomer.is_some_and(|(_, until)| until == self.clock);
            let mut due: Vec<_> = self.clients.iter().filter(due).map(|client| client.id).collect();
            due.sort_unstable();
            for id in due {
                // What another that was due has brought about may have ended this.
                if self.at(id).is_some_and(|client| client.newcomer.is_some()) {
                    self.close(id);
                }
            }
        }
    }
}

fn of_wire(call: &Value) -> Call {
    let text = |key: &str| call[key].as_str().unwrap().to_owned();
    (text("callid"), text("fromsessionid"), text("tosessionid"))
}

fn on_wire((callid, from, to): &Call) -> Value {
    json!({ "callid": callid, "fromsessionid": from, "tosessionid": to, "userprofiles": { "x": [1] } })
}

impl Dice {
    fn event(&mut self, id: u64, model: &Model) -> String {
        let session = SESSIONS[self.roll(SESSIONS.len())];
        let own = model.clients.iter().find(|client| client.id == id).map_or(&[][..], |client| &client.calls);
        // Mostly one of its own, else one of the last that were placed.
        let mut call = || {
            let known = &model.callids[model.callids.len().saturating_sub(6)..];
            let calls = if own.is_empty() || self.roll(4) == 0 { known } else { own };
            let made_up = ("made-up".into(), "a".into(), "b".into());
            if calls.is_empty() { made_up } else { calls[self.roll(calls.len())].clone() }
        };
        let (one, other) = (call(), call());
        let is_registered = model.clients.iter().any(|client| client.id == id && client.session.is_some());
        let events = if is_registered || self.roll(3) == 0 { 12 } else { 2 }; // Who is not registered mostly does that.
        let (kind, detail) = match self.roll(events) {
            0 | 1 => ("register", json!({ "sessionid": session, "calls": [] })),
            2 => ("register", json!({ "sessionid": one.1, "calls": [on_wire(&one)] })),
            3 => ("register", json!({ "sessionid": one.2, "calls": [on_wire(&one), on_wire(&other)] })),
            4 => {
                let name = ["ann", "bob", "cyd"][self.roll(3)].to_owned() + ["", "1", "2"][self.roll(3)];
                ("userprofile", json!({ (["x", "y"][self.roll(2)]): { "name": name } }))
            }
            5 | 6 => ("call", json!({ "to": session })),
            7 => ("offer", json!({ "callid": one.0, "sdp": "v=0" })),
            8 => ("ice", json!({ "callid": other.0, "to": session })),
            9 => ("hangup", json!({ "calls": [{ "callid": one.0 }, { "callid": other.0, "sessionid": session }] })),
            10 => ("autocomplete", json!({ "search": (["ann", "bob", "cyd"][self.roll(3)]) })),
            _ => return ["{", r#"{"type":"error","detail":{}}"#][self.roll(2)].into(),
        };
        json!({ "type": kind, "detail": detail }).to_string()
    }
}

/// What the switchboard said, as the model puts it; errors are compared by their being there.
fn heard(lines: Vec<String>) -> BTreeMap<u64, Vec<String>> {
    let mut by_connection: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for line in lines {
        let (id, what) = line.split_once([':', ' ']).unwrap();
        let what = what.trim_start();
        let what = match serde_json::from_str::<Value>(what) {
            Ok(event) if event["type"] == "error" => "error".into(),
            Ok(event) => format!("{} {}", event["type"].as_str().unwrap(), event["detail"]),
            Err(_) => what.split(' ').next().unwrap().to_owned(),
        };
        by_connection.entry(id.parse().unwrap()).or_default().push(what);
    }
    by_connection
}

/// The callids of the calls that were placed, in the order in which it was said.
fn placed(lines: &[String]) -> Vec<String> {
    let events = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line.split_once(": ")?.1).ok());
    let placed = events.filter(|event| event["type"] == "outboundcall");
    placed.map(|event| event["detail"]["callid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn any_course_of_events_among_workrooms_clients_ends_as_in_the_simple_model() {
    let (mut dice, seed) = Dice::new();
    let mut happened: HashMap<String, usize> = HashMap::new();
    for round in 0..300 {
        let (mut board, mut model, mut opened) = (Board::limited(Limits::default()), Model::default(), 0);
        for step in 0..100 {
            let id = 1 + dice.roll(opened as usize + 1) as u64;
            let (what, lines) = match dice.roll(24) {
                0..=2 => {
                    opened += 1;
                    model.clients.push(Modelled { id: opened, ..Modelled::default() });
                    (format!("{opened} opens"), board.input(opened, Input::Opened(Dialect::Workrooms)))
                }
                3 => {
                    let seconds = 1 + dice.roll(3) as u64;
                    model.pass(seconds);
                    (format!("{seconds} s pass"), board.pass(Duration::from_secs(seconds)))
                }
                4 => {
                    model.remove(id);
                    (format!("{id} goes"), board.input(id, Input::Closed))
                }
                5 => {
                    model.life(id);
                    (format!("{id} pongs"), board.input(id, Input::Frame))
                }
                6 if dice.roll(4) == 0 => {
                    model.life(id);
                    model.close(id);
                    (format!("{id} says bytes"), board.input(id, Input::Binary))
                }
                _ => {
                    let text = dice.event(id, &model);
                    model.life(id);
                    model.text(id, &text);
                    (format!("{id} says {text}"), board.say(id, &text))
                }
            };
            let placed = placed(&lines);
            let heard = heard(lines);
            for text in heard.values().flatten() {
                *happened.entry(text.split(' ').next().unwrap().to_owned()).or_default() += 1;
            }
            for callid in placed {
                model.name(&callid);
            }
            let at = format!("SEED={seed}, round {round}, step {step}: {what}");
            assert_eq!(heard, std::mem::take(&mut model.said), "{at}");
            assert_eq!(board.switchboard.census().calls, model.live(), "{at}");
        }
    }
    for kind in ["outboundcall", "inboundcall", "offer", "ice", "hangup", "autocomplete", "error", "ping", "close"] {
        assert!(happened.get(kind).is_some_and(|times| *times > 60), "{kind} hardly ever happens: {happened:?}");
    }
}
