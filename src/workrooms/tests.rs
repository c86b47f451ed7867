//! What either side says survives the way over the wire, and what it may not say is told.

use super::*;

fn session(text: &str) -> Sessionid {
    text.parse().unwrap()
}

fn call(id: &str, from: &str, to: &str) -> Call {
    Call { callid: id.parse().unwrap(), from: session(from), to: session(to) }
}

fn profiles(text: &str) -> Profiles {
    serde_json::from_str(text).unwrap()
}

fn signal(kind: SignalKind) -> Signal {
    let Value::Object(members) = serde_json::json!({ "sdp": "v=0\r\n", "x": [1, 2.50] }) else { unreachable!() };
    Signal::new(kind, "c".parse().unwrap(), members)
}

fn fault(text: &str) -> Fault {
    ClientEvent::parse(text).unwrap_err()
}

#[test]
fn every_client_event_survives_the_round_trip() {
    for (event, text) in [
        (
            ClientEvent::Register { session: session("a"), calls: vec![] },
            r#"{"type":"register","detail":{"calls":[],"sessionid":"a"}}"#,
        ),
        (
            ClientEvent::Register { session: session("a"), calls: vec![call("c", "b", "a")] },
            r#"{"type":"register","detail":{"calls":[{"callid":"c","fromsessionid":"b","tosessionid":"a"}],"sessionid":"a"}}"#,
        ),
        (
            ClientEvent::UserProfile(profiles(r#"{"github":{"login":"b","name" : "B"}}"#)),
            r#"{"type":"userprofile","detail":{"github":{"login":"b","name" : "B"}}}"#,
        ),
        (ClientEvent::Call { to: session("b") }, r#"{"type":"call","detail":{"to":"b"}}"#),
        (
            ClientEvent::Signal(signal(SignalKind::Offer)),
            r#"{"type":"offer","detail":{"callid":"c","sdp":"v=0\r\n","x":[1,2.5]}}"#,
        ),
        (
            ClientEvent::Hangup(vec!["c".parse().unwrap(), "d".parse().unwrap()]),
            r#"{"type":"hangup","detail":{"calls":[{"callid":"c"},{"callid":"d"}]}}"#,
        ),
        (ClientEvent::Autocomplete { search: "\"ø".into() }, r#"{"type":"autocomplete","detail":{"search":"\"ø"}}"#),
    ] {
        assert_eq!(event.to_string(), text);
        assert_eq!(ClientEvent::parse(text), Ok(event));
    }
}

#[test]
fn every_server_event_survives_the_round_trip() {
    let placed = |profiles| Placed { call: call("c", "a", "b"), profiles };
    for (event, text) in [
        (
            ServerEvent::OutboundCall(placed(profiles(r#"{"x":{ "name": "B" }}"#))),
            r#"{"type":"outboundcall","detail":{"outbound":true,"callid":"c","fromsessionid":"a","tosessionid":"b","userprofiles":{"x":{ "name": "B" }}}}"#,
        ),
        (
            ServerEvent::InboundCall(placed(Profiles::default())),
            r#"{"type":"inboundcall","detail":{"inbound":true,"callid":"c","fromsessionid":"a","tosessionid":"b","userprofiles":{}}}"#,
        ),
        (
            ServerEvent::Signal(signal(SignalKind::Ice)),
            r#"{"type":"ice","detail":{"callid":"c","sdp":"v=0\r\n","x":[1,2.5]}}"#,
        ),
        (
            ServerEvent::Hangup(vec![Ended { callid: "c".parse().unwrap(), by: session("a") }]),
            r#"{"type":"hangup","detail":{"calls":[{"callid":"c","sessionid":"a"}]}}"#,
        ),
        (
            ServerEvent::Autocomplete {
                search: "b".into(),
                results: vec![Found { session: session("b"), profiles: profiles(r#"{"x":{ }}"#) }],
            },
            r#"{"type":"autocomplete","detail":{"search":"b","results":[{"sessionid":"b","userprofiles":{"x":{ }}}]}}"#,
        ),
        (ServerEvent::Error { message: "no".into() }, r#"{"type":"error","detail":{"message":"no"}}"#),
    ] {
        assert_eq!(event.to_string(), text);
        assert_eq!(ServerEvent::parse(text), Ok(event));
    }
}

#[test]
fn a_signal_keeps_its_detail_to_the_byte() {
    let detail = "{ \"b\" : 1.0e+0,\t\"callid\":\"c\\u0041\", \"a\":\"\\ud800\",\"b\":2}";
    let text = format!("{{\"detail\": {detail} ,\"extra\":[],\"type\":\"\\u0069ce\"}}");
    let Ok(ClientEvent::Signal(signal)) = ClientEvent::parse(&text) else { panic!("no signal") };
    assert_eq!((signal.kind, signal.callid.as_str(), signal.detail()), (SignalKind::Ice, "cA", detail));
    assert_eq!(ServerEvent::Signal(signal).to_string(), format!("{{\"type\":\"ice\",\"detail\":{detail}}}"));
}

#[test]
fn an_old_client_names_itself_beside_the_detail() {
    let registered = Ok(ClientEvent::Register { session: session("a"), calls: vec![] });
    for text in [
        r#"{"type":"register","from":"a"}"#,
        r#"{"type":"register","from":"a","detail":null}"#,
        r#"{"type":"register","from":"a","detail":{}}"#,
        r#"{"type":"register","from":"b","detail":{"sessionid":"a","calls":null}}"#,
        r#"{"type":"register","from":{},"detail":{"sessionid":"a"}}"#,
    ] {
        assert_eq!(ClientEvent::parse(text), registered, "{text}");
    }
    assert_eq!(ClientEvent::parse(r#"{"type":"hangup","detail":{"callid":"c"}}"#), {
        Ok(ClientEvent::Hangup(vec!["c".parse().unwrap()]))
    });
}

#[test]
fn what_is_no_event_is_told_so() {
    for text in [
        "",
        "x",
        "[]",
        "7",
        "null",
        "{}",
        r#"{"type":1}"#,
        r#"{"detail":{}}"#,
        r#"{"type":"a","type":"b"}"#,
        "{\"type\":\"call\"",
    ] {
        assert!(matches!(fault(text), Fault::NotAnEvent(_)), "{text}: {:?}", fault(text));
    }
    for kind in ["error", "inboundcall", "outboundcall", "", "REGISTER", "connection"] {
        let text = format!(r#"{{"type":"{kind}","detail":{{}}}}"#);
        assert_eq!(fault(&text), Fault::UnknownType(kind.into()));
    }
}

#[test]
fn wrong_fields_are_told_by_their_event() {
    let long = "x".repeat(257);
    let many = vec![call("c", "a", "b"); CALL_LIMIT + 1];
    for (kind, detail) in [
        ("register", "null".into()),
        ("register", "{}".into()),
        ("register", r#"{"sessionid":7}"#.into()),
        ("register", r#"{"sessionid":""}"#.into()),
        ("register", format!(r#"{{"sessionid":"{long}"}}"#)),
        ("register", r#"{"sessionid":"a","calls":{}}"#.into()),
        ("register", r#"{"sessionid":"a","calls":["c"]}"#.into()),
        ("register", r#"{"sessionid":"a","calls":[{"callid":"c","fromsessionid":"b","tosessionid":"c"}]}"#.into()),
        ("register", serde_json::json!({ "sessionid": "a", "calls": many }).to_string()),
        ("userprofile", "[]".into()),
        ("userprofile", "null".into()),
        ("userprofile", r#"{"x":7}"#.into()),
        ("userprofile", r#"{"":{}}"#.into()),
        ("userprofile", format!(r#"{{"x":{{"a":{}}}}}"#, "[".repeat(200) + &"]".repeat(200))),
        ("userprofile", format!(r#"{{"x":{{"a":"{}"}}}}"#, "y".repeat(8192))),
        ("call", "{}".into()),
        ("call", r#"{"to":["b"]}"#.into()),
        ("offer", "{}".into()),
        ("answer", r#"{"callid":7}"#.into()),
        ("ice", r#"{"callid":"a","callid":"b"}"#.into()),
        ("hangup", "{}".into()),
        ("hangup", r#"{"calls":"c"}"#.into()),
        ("autocomplete", "{}".into()),
        ("autocomplete", r#"{"search":1}"#.into()),
    ] {
        let found = fault(&format!(r#"{{"type":"{kind}","detail":{detail}}}"#));
        assert!(matches!(&found, Fault::Detail { kind: told, .. } if *told == kind), "{kind} {detail}: {found:?}");
        assert!(found.to_string().len() < 2 * SHOWN, "{found}");
    }
}

#[test]
fn what_is_shown_of_a_mistake_is_short() {
    let long = "\u{1}ü".repeat(10_000);
    let text = |value: Value| value.to_string();
    for text in [
        text(serde_json::json!({ "type": long, "detail": {} })),
        text(serde_json::json!({ "type": "call", "detail": { "to": 7, (long.clone()): 1 } })),
        text(serde_json::json!({ "type": "call", "detail": long })),
    ] {
        let shown = fault(&text).to_string();
        assert!(shown.chars().count() < SHOWN + 100 && !shown.contains(char::is_control), "{shown}");
    }
}

#[test]
fn a_profile_replaces_what_came_from_the_same_source() {
    let mut mine = profiles(r#"{"github":{"name":"A","login":"a"},"x":{}}"#);
    mine.merge(profiles(r#"{"github":{"name":"B"},"y":{"login":7}}"#)).unwrap();
    assert_eq!(mine, profiles(r#"{"github":{"name":"B"},"x":{},"y":{"login":7}}"#));
    let names: Vec<_> = mine.names().map(|(source, names)| (source, names.name, names.login)).collect();
    assert_eq!(names, [("github", Some("B".into()), None), ("x", None, None), ("y", None, None)]);
}

#[test]
fn profiles_that_grow_too_large_stay_as_they_were() {
    let mut mine = profiles(r#"{"a":{"name":"A"}}"#);
    let before = mine.clone();
    let large = |source: &str| profiles(&format!(r#"{{"{source}":{{"x":"{}"}}}}"#, "y".repeat(8180)));
    assert_eq!(mine.merge(large("b")), Err(TooLarge));
    assert_eq!(mine, before);
    mine.merge(large("a")).unwrap();
    let mut many = Profiles::default();
    let merged = (0..100).take_while(|n| many.merge(profiles(&format!(r#"{{"{n}":{{}}}}"#))).is_ok()).count();
    assert_eq!(merged, 16);
}

#[test]
fn the_path_is_known_with_and_without_a_slash() {
    for (path, is) in
        [("/workrooms", true), ("/workrooms/", true), ("/workrooms/x", false), ("/ws", false), ("/", false)]
    {
        assert_eq!(is_path(path), is, "{path}");
    }
}
