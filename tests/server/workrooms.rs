//! Workrooms, line by line.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::{Client, Running, SOON, within};

impl Running {
    async fn workrooms(&self) -> Client {
        self.client_at("/workrooms").await
    }

    /// A client that is registered.
    async fn member(&self, session: &str) -> Client {
        let mut client = self.workrooms().await;
        client.tells("register", json!({ "sessionid": session, "calls": [] })).await;
        client.has_heard_all().await;
        client
    }

    /// A client that is registered and has a profile.
    async fn person(&self, session: &str, name: &str) -> Client {
        let mut client = self.member(session).await;
        client.tells("userprofile", json!({ "github": { "name": name, "login": session } })).await;
        client.has_heard_all().await;
        client
    }

    /// Two clients in a call, and what the call is called.
    async fn call(&self, caller: &str, callee: &str) -> (Client, Client, String) {
        let (mut one, mut other) = (self.member(caller).await, self.member(callee).await);
        let callid = one.calls(&mut other, callee).await;
        (one, other, callid)
    }
}

impl Client {
    async fn tells(&mut self, kind: &str, detail: Value) {
        self.says(&json!({ "type": kind, "detail": detail }).to_string()).await;
    }

    /// The next event, which is to be of this type.
    async fn is_told(&mut self, kind: &str) -> Value {
        let Some(Message::Text(text)) = self.next().await else { panic!("no {kind}") };
        let mut event: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(event["type"], kind, "{event}");
        assert_eq!(event.as_object().unwrap().len(), 2, "{event}");
        event["detail"].take()
    }

    /// Is told that something cannot be done, and goes on.
    async fn is_refused(&mut self, why: &str) {
        let detail = self.is_told("error").await;
        let message = detail["message"].as_str().unwrap();
        assert!(message.contains(why), "{message:?} does not say {why:?}");
        self.has_heard_all().await;
    }

    async fn calls(&mut self, other: &mut Client, to: &str) -> String {
        self.tells("call", json!({ "to": to })).await;
        let (outbound, inbound) = (self.is_told("outboundcall").await, other.is_told("inboundcall").await);
        assert_eq!(outbound["callid"], inbound["callid"]);
        outbound["callid"].as_str().unwrap().to_owned()
    }

    /// The next call that comes; calls may end before it.
    async fn rings(&mut self) -> Value {
        loop {
            let Some(Message::Text(text)) = self.next().await else { panic!("no inboundcall") };
            let mut event: Value = serde_json::from_str(&text).unwrap();
            if event["type"] == "inboundcall" {
                return event["detail"].take();
            }
            assert!(event["type"] == "hangup" || event["type"] == "outboundcall", "{event}");
        }
    }

    /// Whom a search finds.
    async fn finds(&mut self, search: &str) -> Vec<String> {
        self.tells("autocomplete", json!({ "search": search })).await;
        let detail = self.is_told("autocomplete").await;
        assert_eq!((&detail["search"], detail.as_object().unwrap().len()), (&json!(search), 2));
        let results = detail["results"].as_array().unwrap();
        results.iter().map(|result| result["sessionid"].as_str().unwrap().to_owned()).collect()
    }
}

fn metadata(callid: &str, from: &str, to: &str) -> Value {
    json!({ "callid": callid, "fromsessionid": from, "tosessionid": to, "outbound": true, "userprofiles": {} })
}

#[tokio::test]
async fn nothing_is_acknowledged_and_a_path_with_a_slash_will_do() {
    let running = Running::start();
    let mut client = running.client_at("/workrooms/?x=1").await;
    client.tells("register", json!({ "sessionid": "a", "calls": [] })).await;
    client.tells("userprofile", json!({ "github": { "login": "a" } })).await;
    client.has_heard_all().await;
    assert_eq!(client.finds("b").await, [""; 0]);
}

#[tokio::test]
async fn the_dialects_know_nothing_of_each_other() {
    let running = Running::start();
    let _same = running.registered("a").await;
    let mut client = running.member("a").await;
    client.says("HELLO b").await;
    client.is_refused("not an event").await;
    running.registered("b").await.asks("SESSION a", "SESSION_OK").await;
}

#[tokio::test]
async fn whatever_comes_before_register_is_an_error_and_the_connection_goes_on() {
    let running = Running::start();
    let mut client = running.workrooms().await;
    for (kind, detail) in [
        ("userprofile", json!({})),
        ("call", json!({ "to": "a" })),
        ("offer", json!({ "callid": "c" })),
        ("hangup", json!({ "calls": [] })),
        ("autocomplete", json!({ "search": "a" })),
    ] {
        client.tells(kind, detail).await;
        client.is_refused("register first").await;
    }
    client.says("{").await;
    client.is_refused("not an event").await;
    client.tells("register", json!({ "sessionid": "a" })).await;
    assert_eq!(client.finds("a").await, [""; 0], "now it is registered");
}

#[tokio::test]
async fn no_client_is_thrown_out_for_not_registering() {
    let running = Running::start();
    let mut client = running.workrooms().await;
    let eleven = Duration::from_secs(11); // More than a rendezvous client has; the silence is what is tested.
    assert!(tokio::time::timeout(eleven, client.next()).await.is_err(), "something was said to it");
}

#[tokio::test]
async fn an_unknown_type_wrong_fields_and_bad_json_are_errors_and_the_connection_goes_on() {
    let running = Running::start();
    let mut client = running.member("a").await;
    for text in ["", "{}", "[]", "nonsense", r#"{"type":"call","detail":{"to":"a"}"#, r#"{"type":7,"detail":{}}"#] {
        client.says(text).await;
        client.is_refused("not an event").await;
    }
    for kind in ["error", "inboundcall", "connection", "close", "__proto__"] {
        client.tells(kind, json!({ "callid": "c", "message": "m" })).await;
        client.is_refused(&format!("no event '{kind}'")).await;
    }
    for (kind, detail) in [
        (
            "register",
            json!({ "sessionid": "a", "calls": [{ "callid": "c", "fromsessionid": "x", "tosessionid": "y" }] }),
        ),
        ("userprofile", json!({ "github": "me" })),
        ("call", json!({ "to": { "sessionid": "a" } })),
        ("ice", json!({ "candidate": "" })),
        ("hangup", json!({ "callid": null })),
        ("autocomplete", json!({ "search": ["a"] })),
        ("autocomplete", json!(null)),
    ] {
        client.tells(kind, detail).await;
        client.is_refused(&format!("'{kind}' does not fit")).await;
    }
    client.sends(Message::binary(vec![1])).await;
    client.is_closed(1002, "invalid protocol").await;
}

#[tokio::test]
async fn a_client_may_name_itself_as_old_clients_do() {
    let running = Running::start();
    let mut old = running.workrooms().await;
    old.says(r#"{"type":"register","from":"old","detail":{"calls":[]}}"#).await;
    old.has_heard_all().await;
    let mut other = running.member("other").await;
    let callid = other.calls(&mut old, "old").await;
    // What it names itself later counts for nothing: the server knows it by its connection.
    old.says(&format!(r#"{{"type":"hangup","from":"other","detail":{{"callid":"{callid}"}}}}"#)).await;
    assert_eq!(other.is_told("hangup").await, json!({ "calls": [{ "callid": callid, "sessionid": "old" }] }));
    old.is_told("hangup").await;
}

#[tokio::test]
async fn a_connection_has_one_sessionid_for_good() {
    let running = Running::start();
    let mut client = running.member("a").await;
    client.tells("register", json!({ "sessionid": "b", "calls": [] })).await;
    client.is_refused("registered as 'a' already").await;
    client.tells("register", json!({ "sessionid": "a", "calls": [] })).await;
    client.has_heard_all().await;
    running.member("b").await;
}

#[tokio::test]
async fn a_call_is_told_to_both_with_one_id_and_the_profiles_of_the_other() {
    let running = Running::start();
    let (mut anna, mut bo) = (running.person("a", "Anna").await, running.person("b", "Bo").await);
    let mut third = running.member("c").await;
    anna.tells("call", json!({ "to": "b" })).await;
    let outbound = anna.is_told("outboundcall").await;
    let callid = outbound["callid"].clone();
    assert!(callid.as_str().unwrap().len() >= 22, "it cannot be guessed");
    let call = |direction: &str, name, login| {
        json!({ (direction): true, "callid": callid, "fromsessionid": "a", "tosessionid": "b",
            "userprofiles": { "github": { "name": name, "login": login } } })
    };
    assert_eq!(outbound, call("outbound", "Bo", "b"));
    assert_eq!(bo.is_told("inboundcall").await, call("inbound", "Anna", "a"));
    third.has_heard_all().await;
    let again = anna.calls(&mut bo, "b").await;
    assert_ne!(callid, json!(again), "each call is another");
}

#[tokio::test]
async fn who_calls_itself_is_both_sides() {
    let running = Running::start();
    let mut client = running.person("a", "Anna").await;
    client.tells("call", json!({ "to": "a" })).await;
    let (outbound, inbound) = (client.is_told("outboundcall").await, client.is_told("inboundcall").await);
    assert_eq!((&outbound["callid"], &outbound["userprofiles"]), (&inbound["callid"], &inbound["userprofiles"]));
    let callid = &outbound["callid"];
    client.tells("offer", json!({ "callid": callid, "sdp": "x" })).await;
    assert_eq!(client.is_told("offer").await, json!({ "callid": callid, "sdp": "x" }));
    client.tells("hangup", json!({ "calls": [{ "callid": callid }] })).await;
    client.is_told("hangup").await;
    client.has_heard_all().await;
}

#[tokio::test]
async fn calling_whom_nobody_knows_or_who_has_gone_is_an_error_that_names_them() {
    let running = Running::start();
    let mut client = running.member("a").await;
    running.member("gone for good").await.leaves().await;
    for to in ["nobody", "gone for good"] {
        client.tells("call", json!({ "to": to })).await;
        client.is_refused(&format!("'{to}'")).await;
    }
}

#[tokio::test]
async fn offers_answers_and_candidates_go_unchanged_to_the_other_side_alone() {
    let running = Running::start();
    let (mut one, mut other, callid) = running.call("a", "b").await;
    let mut third = running.member("c").await;
    for kind in ["offer", "answer", "ice"] {
        for detail in [
            format!(r#"{{"callid":"{callid}"}}"#),
            format!("{{ \"x\" : [1.0e0, \"\\u00e9\\/\"],\t\"callid\":\"{callid}\" , \"x\":null, \"to\":\"c\"}}"),
            format!(r#"{{"callid":"{callid}","sdp":"{}"}}"#, "x".repeat(60_000)),
        ] {
            for _ in 0..2 {
                let (from, to) = (&mut one, &mut other);
                // Spelt differently outside the detail, which is the server's to write.
                from.says(&format!("{{ \"detail\": {detail}, \"from\": \"c\",\"type\":\"{kind}\" }}")).await;
                to.hears(&format!("{{\"type\":\"{kind}\",\"detail\":{detail}}}")).await;
                from.has_heard_all().await;
                std::mem::swap(&mut one, &mut other);
            }
        }
    }
    third.tells("offer", json!({ "callid": callid })).await;
    third.is_refused(&callid).await;
    for client in [&mut one, &mut other, &mut third] {
        client.has_heard_all().await;
    }
}

#[tokio::test]
async fn a_hangup_is_told_to_each_side_once_and_a_repeated_or_unknown_one_to_nobody() {
    let running = Running::start();
    let (mut one, mut other, first) = running.call("a", "b").await;
    let second = other.calls(&mut one, "a").await;
    let mut third = running.member("c").await;
    let elsewhere = one.calls(&mut third, "c").await;
    let named = |callids: &[&String]| json!({ "calls": callids.iter().map(|id| json!({ "callid": id, "sessionid": "z" })).collect::<Vec<_>>() });
    let ended = |by: &str, callids: &[&String]| json!({ "calls": callids.iter().map(|id| json!({ "callid": id, "sessionid": by })).collect::<Vec<_>>() });
    third.tells("hangup", named(&[&first, &second])).await;
    third.has_heard_all().await;
    one.has_heard_all().await;
    one.tells("hangup", named(&[&first, &"unknown".into(), &second, &elsewhere, &first])).await;
    assert_eq!(one.is_told("hangup").await, ended("a", &[&first, &second, &elsewhere]));
    assert_eq!(other.is_told("hangup").await, ended("a", &[&first, &second]));
    assert_eq!(third.is_told("hangup").await, ended("a", &[&elsewhere]));
    one.tells("hangup", named(&[&first])).await;
    other.tells("hangup", json!({ "callid": second })).await;
    other.tells("offer", json!({ "callid": first })).await;
    other.is_refused(&first).await;
    for client in [&mut one, &mut other, &mut third] {
        client.has_heard_all().await;
    }
}

#[tokio::test]
async fn crossed_hangups_end_a_call_once() {
    let running = Running::start();
    let (mut one, mut other, callid) = running.call("a", "b").await;
    let hangup = json!({ "calls": [{ "callid": callid }] });
    tokio::join!(one.tells("hangup", hangup.clone()), other.tells("hangup", hangup));
    one.is_told("hangup").await;
    other.is_told("hangup").await;
    one.has_heard_all().await;
    other.has_heard_all().await;
}

#[tokio::test]
async fn a_client_that_comes_back_with_its_calls_goes_on_with_them() {
    let running = Running::start();
    let (one, mut other, callid) = running.call("a", "b").await;
    one.leaves().await;
    other.has_heard_all().await;
    other.tells("ice", json!({ "callid": callid })).await;
    other.is_refused(&callid).await;
    let mut again = running.workrooms().await;
    again.tells("register", json!({ "sessionid": "a", "calls": [metadata(&callid, "a", "b")] })).await;
    again.has_heard_all().await;
    other.tells("ice", json!({ "callid": callid, "n": 1 })).await;
    assert_eq!(again.is_told("ice").await, json!({ "callid": callid, "n": 1 }));
    again.tells("answer", json!({ "callid": callid, "n": 2 })).await;
    assert_eq!(other.is_told("answer").await, json!({ "callid": callid, "n": 2 }));
    again.tells("hangup", json!({ "calls": [{ "callid": callid }] })).await;
    other.is_told("hangup").await;
}

#[tokio::test]
async fn both_sides_bring_a_call_back_to_a_server_that_knows_nothing_of_it() {
    let running = Running::start();
    let (mut one, mut other) = (running.workrooms().await, running.workrooms().await);
    one.tells("register", json!({ "sessionid": "a", "calls": [metadata("c", "a", "b")] })).await;
    one.tells("offer", json!({ "callid": "c" })).await;
    one.is_refused("'c'").await;
    other.tells("register", json!({ "sessionid": "b", "calls": [metadata("c", "a", "b")] })).await;
    other.tells("offer", json!({ "callid": "c" })).await;
    one.is_told("offer").await;
}

#[tokio::test]
async fn nobody_can_forge_a_call() {
    let running = Running::start();
    let (mut one, mut other, callid) = running.call("a", "b").await;
    let mut forger = running.workrooms().await;
    let calls = [metadata(&callid, "x", "a"), metadata("made-up", "x", "b")];
    forger.tells("register", json!({ "sessionid": "x", "calls": calls })).await;
    for id in [&callid, "made-up"] {
        forger.tells("offer", json!({ "callid": id })).await;
        forger.is_refused(id).await;
        // It holds the half that it brought along; so it alone is told.
        forger.tells("hangup", json!({ "calls": [{ "callid": id }] })).await;
        forger.is_told("hangup").await;
    }
    for client in [&mut one, &mut other] {
        client.has_heard_all().await;
    }
    one.tells("offer", json!({ "callid": callid })).await;
    other.is_told("offer").await;
}

#[tokio::test]
async fn who_names_a_live_call_takes_its_session_over_at_once() {
    let running = Running::start();
    let (mut old, mut other, callid) = running.call("a", "b").await;
    let mut again = running.workrooms().await;
    again.tells("register", json!({ "sessionid": "a", "calls": [metadata(&callid, "a", "b")] })).await;
    old.is_closed(1001, "taken over").await;
    again.has_heard_all().await;
    drop(old); // The late close of the old socket.
    other.tells("ice", json!({ "callid": callid })).await;
    again.is_told("ice").await;
    other.calls(&mut again, "a").await;
}

#[tokio::test]
async fn who_names_no_live_call_of_a_living_session_is_refused_and_may_try_again() {
    let running = Running::start();
    let (mut held, mut other, callid) = running.call("a", "b").await;
    let mut ended = other.calls(&mut held, "a").await;
    other.tells("hangup", json!({ "callid": ended })).await;
    held.is_told("hangup").await;
    other.is_told("hangup").await;
    ended.push('x');
    // A call that its own second half makes look alive.
    let mut accomplice = running.workrooms().await;
    accomplice.tells("register", json!({ "sessionid": "x", "calls": [metadata("made-up", "a", "x")] })).await;
    let mut newcomer = running.workrooms().await;
    for calls in
        [json!([]), json!([metadata(&ended, "a", "b"), metadata("made-up", "a", "x"), metadata(&callid, "b", "a")])]
    {
        newcomer.tells("register", json!({ "sessionid": "a", "calls": calls })).await;
        // Hearing that it has heard all, the holder has answered the ping.
        newcomer.has_heard_all().await;
        held.tells("autocomplete", json!({ "search": "" })).await;
        held.is_told("autocomplete").await;
        newcomer.is_refused("another connection holds this sessionid").await;
    }
    newcomer.tells("register", json!({ "sessionid": "n", "calls": [] })).await;
    other.calls(&mut newcomer, "n").await;
    other.calls(&mut held, "a").await;
}

#[tokio::test]
async fn a_session_is_free_after_its_holder_has_not_answered_for_three_seconds() {
    let running = Running::start();
    let half_dead = running.member("a").await; // It is not read from, so it answers no ping.
    let mut newcomer = running.workrooms().await;
    let began = tokio::time::Instant::now();
    newcomer.tells("register", json!({ "sessionid": "a", "calls": [] })).await;
    newcomer.tells("autocomplete", json!({ "search": "x" })).await;
    newcomer.has_heard_all().await;
    let mut further = running.workrooms().await;
    further.tells("register", json!({ "sessionid": "a", "calls": [] })).await;
    further.is_refused("another connection holds this sessionid").await;
    newcomer.is_told("autocomplete").await;
    let took = began.elapsed();
    assert!((Duration::from_secs(3)..Duration::from_secs(5)).contains(&took), "{took:?}");
    drop(half_dead);
    further.tells("register", json!({ "sessionid": "f", "calls": [] })).await;
    further.calls(&mut newcomer, "a").await;
}

#[tokio::test]
async fn profiles_are_merged_by_their_source_and_kept_as_they_came() {
    let running = Running::start();
    let (mut one, mut other) = (running.member("a").await, running.member("b").await);
    other
        .says(r#"{"type":"userprofile","detail":{"github":{"login":"bo","x":1.50},"gitlab":{ "name" : "Bo" }}}"#)
        .await;
    other.says(r#"{"type":"userprofile","detail":{"github":{"name":"B"},"extra":{}}}"#).await;
    other.has_heard_all().await;
    one.tells("autocomplete", json!({ "search": "bo" })).await;
    one.hears(concat!(
        r#"{"type":"autocomplete","detail":{"search":"bo","results":[{"sessionid":"b","userprofiles":"#,
        r#"{"extra":{},"github":{"name":"B"},"gitlab":{ "name" : "Bo" }}}]}}"#
    ))
    .await;
    let large = json!({ "github": { "name": "C", "x": "y".repeat(9000) } });
    other.tells("userprofile", large).await;
    other.is_refused("8192 bytes").await;
    assert_eq!(one.finds("bo").await, ["b"], "what was too much has changed nothing");
}

#[tokio::test]
async fn a_search_always_gets_one_reply() {
    let running = Running::start();
    let mut client = running.member("a").await;
    let long = "x".repeat(60_000);
    for search in ["", " ", "nobody", "\"\\", "🎈", &long] {
        assert_eq!(client.finds(search).await, [""; 0]);
    }
    client.has_heard_all().await;
}

#[tokio::test]
async fn a_search_finds_at_most_ten_with_beginnings_first_never_oneself_and_nobody_who_has_gone() {
    let running = Running::start();
    let mut asker = running.person("asker", "Anna").await;
    let mut people = Vec::new();
    for (session, name) in
        [("1", "Anna Holm"), ("2", "Joanna"), ("3", "Łukasz Großmann"), ("4", "Søren"), ("5", "Anna"), ("6", "Hannah")]
    {
        people.push(running.person(session, name).await);
    }
    assert_eq!(asker.finds("anna").await, ["5", "1", "2", "6"]);
    assert_eq!(asker.finds("lukasz grossmann").await, ["3"]);
    assert_eq!(asker.finds("SOREN").await, ["4"]);
    assert_eq!(asker.finds("soern").await, ["4"], "one typo");
    assert_eq!(asker.finds("grosmnan").await, ["3"], "two typos");
    assert_eq!(asker.finds("").await, [""; 0]);
    people.remove(4).leaves().await;
    assert_eq!(asker.finds("anna").await, ["1", "2", "6"]);
    let mut many = Vec::new();
    for n in 0..12 {
        many.push(running.person(&format!("m{n}"), "Anna").await);
    }
    assert_eq!(asker.finds("anna").await.len(), 10);
    assert_eq!(asker.finds("m7").await[0], "m7", "a login is as good as a name");
}

#[tokio::test]
async fn one_client_cannot_fill_up_another_with_calls() {
    let running = Running::start();
    let (mut one, mut other, _) = running.call("a", "b").await;
    for _ in 1..16 {
        one.calls(&mut other, "b").await;
    }
    one.tells("call", json!({ "to": "b" })).await;
    one.is_refused("too many calls").await;
    running.member("c").await.calls(&mut other, "b").await;
    for _ in 0..10 {
        let mut passing = running.member("passing").await;
        for _ in 0..16 {
            passing.tells("call", json!({ "to": "b" })).await;
            passing.is_told("outboundcall").await;
            other.rings().await;
        }
        within(SOON, "leaving", passing.leaves()).await;
    }
    running.member("d").await.tells("call", json!({ "to": "b" })).await;
    assert_eq!(other.rings().await["fromsessionid"], "d");
}

#[tokio::test]
async fn strangers_end_no_call_that_was_answered_and_keep_nobody_from_calling() {
    let running = Running::start();
    let (mut one, mut victim, callid) = running.call("friend", "v").await;
    victim.tells("answer", json!({ "callid": callid, "sdp": "v=0" })).await;
    one.is_told("answer").await;
    let mut absent = running.member("absent").await;
    let kept = victim.calls(&mut absent, "absent").await;
    within(SOON, "leaving", absent.leaves()).await;
    let mut strangers = Vec::new();
    for n in 0..5 {
        let mut stranger = running.member(&format!("s{n}")).await;
        for _ in 0..16 {
            stranger.tells("call", json!({ "to": "v" })).await;
            assert_eq!(victim.rings().await["fromsessionid"], format!("s{n}"));
        }
        strangers.push(stranger);
    }
    let mut other = running.member("other").await;
    victim.tells("call", json!({ "to": "other" })).await;
    assert_eq!(other.is_told("inboundcall").await["fromsessionid"], "v");
    let mut late = running.member("late").await;
    late.tells("call", json!({ "to": "v" })).await;
    assert_eq!(victim.rings().await["fromsessionid"], "late");
    one.tells("offer", json!({ "callid": callid, "sdp": "v=0" })).await;
    assert_eq!(victim.is_told("offer").await["callid"], callid, "what was answered goes on");
    let mut back = running.workrooms().await;
    let calls = json!([metadata(&kept, "v", "absent")]);
    back.tells("register", json!({ "sessionid": "absent", "calls": calls })).await;
    back.tells("offer", json!({ "callid": kept, "sdp": "v=0" })).await;
    assert_eq!(victim.is_told("offer").await["callid"], kept, "and so does what it had placed");
}
