use super::*;
use crate::{
    call::{Connection, MediaCommand, MediaEvent},
    negotiation::{Message, Sdp, SdpType},
};

/// One side on virtual time.
struct Bench {
    now: Instant,
    listed: Listed,
}

impl Bench {
    fn new(role: Role) -> Self {
        let setup = Setup { session: "me".parse().expect("an id"), role, gate: Gate::Closed, seed: 1 };
        let mut bench = Self { now: Instant::now(), listed: Listed::new(setup) };
        bench.give(Input::Start);
        bench
    }

    fn finding() -> Self {
        let mut bench = Self::new(Role::Finds("anna".into()));
        let said = sent(&bench.give(Input::SocketOpen));
        assert_eq!(said[0], r#"{"type":"register","detail":{"calls":[],"sessionid":"me"}}"#);
        assert_eq!(said[1], r#"{"type":"autocomplete","detail":{"search":"anna"}}"#);
        bench
    }

    fn waiting() -> Self {
        let profiles = serde_json::from_str(r#"{"twocan":{"name":"Tim"}}"#).expect("profiles");
        let mut bench = Self::new(Role::Waits(profiles));
        let said = sent(&bench.give(Input::SocketOpen));
        assert_eq!(said[1], r#"{"type":"userprofile","detail":{"twocan":{"name":"Tim"}}}"#);
        bench
    }

    fn give(&mut self, input: Input) -> Vec<Output> {
        self.listed.handle(self.now, input);
        std::iter::from_fn(|| self.listed.poll()).collect()
    }

    fn line(&mut self, line: &str) -> Vec<Output> {
        self.give(Input::Line(line.into()))
    }
}

fn sent(outputs: &[Output]) -> Vec<String> {
    let of = |output: &Output| if let Output::Send(line) = output { Some(line.clone()) } else { None };
    outputs.iter().filter_map(of).collect()
}

fn connection(outputs: &[Output]) -> (Connection, MediaCommand) {
    let of =
        |output: &Output| if let Output::Media(it, what) = output { Some((it.clone(), what.clone())) } else { None };
    outputs.iter().find_map(of).expect("a connection")
}

fn sdp() -> Sdp {
    Sdp::try_from("v=0\r\na=fingerprint:x y\r\n".to_owned()).expect("a description")
}

fn results(names: &[&str]) -> String {
    let found: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(at, name)| serde_json::json!({ "sessionid": format!("s{at}"), "userprofiles": { "x": { "name": name } } }))
        .collect();
    serde_json::json!({ "type": "autocomplete", "detail": { "search": "anna", "results": found } }).to_string()
}

const OUTBOUND: &str = r#"{"type":"outboundcall","detail":{"callid":"c","fromsessionid":"me","tosessionid":"s0"}}"#;
const INBOUND: &str = r#"{"type":"inboundcall","detail":{"callid":"c","fromsessionid":"s0","tosessionid":"me",
    "userprofiles":{"x":{"name":"Anna"}}}}"#;
const OVER: &str = r#"{"type":"hangup","detail":{"calls":[{"callid":"c","sessionid":"s0"}]}}"#;

#[test]
fn who_is_found_is_called_and_offered_to() {
    let mut bench = Bench::finding();
    assert_eq!(sent(&bench.line(&results(&["Anna B."]))), [r#"{"type":"call","detail":{"to":"s0"}}"#]);
    let (on, what) = connection(&bench.line(OUTBOUND));
    assert_eq!(what, MediaCommand::Offer);
    let said = sent(&bench.give(Input::Media(on.clone(), MediaEvent::Described(SdpType::Offer, sdp()))));
    let wanted = r#"{"type":"offer","detail":{"callid":"c","sdp":"v=0\r\na=fingerprint:x y\r\n","type":"offer"}}"#;
    assert_eq!(said, [wanted]);
    let answer = wanted.replace("offer", "answer");
    assert!(matches!(connection(&bench.line(&answer)).1, MediaCommand::TakeAnswer(_)));
    bench.give(Input::Media(on, MediaEvent::Connected));
    let ended = bench.line(OVER);
    assert!(sent(&ended).is_empty(), "it is over already");
    assert_eq!(ended.last(), Some(&Output::Over(None)));
}

#[test]
fn nobody_and_several_are_told_apart_and_an_exact_name_decides() {
    let over = |names: &[&str]| Bench::finding().line(&results(names)).pop();
    assert_eq!(over(&[]), Some(Output::Over(Some(Failure::NotFound))));
    let several = Failure::Several("Anna B., Anna C.".into());
    assert_eq!(over(&["Anna B.", "Anna C."]), Some(Output::Over(Some(several))));
    let said = sent(&Bench::finding().line(&results(&["Anna B.", "ANNA"])));
    assert_eq!(said, [r#"{"type":"call","detail":{"to":"s1"}}"#]);
}

#[test]
fn who_is_listed_answers_one_call_at_a_time() {
    let mut bench = Bench::waiting();
    let nameless = INBOUND.replace("name", "title");
    let told = Output::Event(Event::Notice("somebody who gives no name calls".into()));
    assert_eq!(Bench::waiting().line(&nameless), [told]);
    assert_eq!(bench.line(INBOUND), [Output::Event(Event::Notice("Anna calls".into()))]);
    let other = INBOUND.replace("\"c\"", "\"d\"");
    assert_eq!(sent(&bench.line(&other)), [r#"{"type":"hangup","detail":{"calls":[{"callid":"d"}]}}"#]);
    let offer =
        r#"{"type":"offer","detail":{"callid":"c","sdp":{"type":"offer","sdp":"v=0\r\na=fingerprint:x y\r\n"}}}"#;
    assert!(bench.line(&offer.replace("\"c\"", "\"d\"")).is_empty(), "of another call");
    let (_, what) = connection(&bench.line(offer));
    assert_eq!(what, MediaCommand::Answer(sdp()));
    let ice = r#"{"type":"ice","detail":{"callid":"c","candidate":{"candidate":"x","sdpMLineIndex":"1"}}}"#;
    assert!(matches!(connection(&bench.line(ice)).1, MediaCommand::AddCandidate(_)));
    let ended = bench.give(Input::HangUp);
    assert_eq!(sent(&ended), [r#"{"type":"hangup","detail":{"calls":[{"callid":"c"}]}}"#]);
    assert!(!bench.line(INBOUND).is_empty(), "the next one may call");
}

#[test]
fn a_call_outlives_its_line_and_is_named_when_that_is_back() {
    let mut bench = Bench::waiting();
    bench.line(INBOUND);
    let said = bench.give(Input::SocketClosed);
    assert!(!said.iter().any(|output| matches!(output, Output::Media(..) | Output::Over(_))), "{said:?}");
    bench.now += Duration::from_millis(600);
    assert!(bench.give(Input::Deadline).contains(&Output::Connect));
    let said = sent(&bench.give(Input::SocketOpen));
    assert!(said[0].contains(r#""callid":"c""#), "{said:?}");
}

#[test]
fn what_does_not_come_is_not_waited_for_for_ever() {
    let mut bench = Bench::finding();
    bench.now += REPLY_LIMIT;
    assert_eq!(bench.give(Input::Deadline).pop(), Some(Output::Over(Some(Failure::ServerGone(None)))));
    let mut bench = Bench::waiting();
    bench.line(INBOUND);
    bench.now += OFFER_LIMIT;
    assert_eq!(sent(&bench.give(Input::Deadline)).len(), 1, "it is hung up");
    assert_eq!(bench.listed.deadline(), None);
}

#[test]
fn a_message_goes_into_an_event_and_comes_out_again() {
    let candidate = crate::negotiation::Candidate { candidate: "x".into(), mid: Some("0".into()), m_line_index: 1 };
    for message in [Message::Description(SdpType::Answer, sdp()), Message::Candidate(candidate)] {
        let signal = envelope::seal("c".parse().expect("an id"), message.clone());
        assert_eq!(envelope::open(&signal), Some(message));
    }
}

#[test]
fn no_end_of_a_call_opens_what_its_user_has_closed() {
    let profiles = serde_json::from_str("{}").expect("profiles");
    let setup = Setup { session: "me".parse().expect("an id"), role: Role::Waits(profiles), gate: Gate::Open, seed: 1 };
    let mut bench = Bench { now: Instant::now(), listed: Listed::new(setup) };
    bench.give(Input::Start);
    bench.give(Input::SocketOpen);
    bench.line(INBOUND);
    bench.give(Input::Gate(Gate::Closed));
    let ended = bench.line(OVER);
    assert!(!ended.is_empty() || bench.listed.placed.is_none());
    assert!(!ended.contains(&Output::Gate(Gate::Open)), "{ended:?}");
}

#[test]
fn nobody_drives_the_terminal_by_a_name() {
    let name = "Anna\u{1b}]0;x\u{7}\u{1b}[2J";
    let Some(Output::Over(Some(Failure::Several(names)))) = Bench::finding().line(&results(&[name; 10])).pop() else {
        panic!("several are found");
    };
    assert!(!names.contains(char::is_control), "{names:?}");
    assert_eq!(names.matches("Anna").count(), NAMES_SHOWN);
}
