use super::*;
use crate::negotiation::{Sdp, SdpType};

/// One side on virtual time.
struct Bench {
    now: Instant,
    session: Session,
}

impl Bench {
    fn new(role: Role) -> Self {
        let setup = Setup { uid: "me".parse().expect("a uid"), role, gate: Gate::Closed, seed: 1 };
        let mut bench = Self { now: Instant::now(), session: Session::new(setup) };
        assert_eq!(done(&bench.give(Input::Start)), ["gate Closed", "connect"]);
        bench
    }

    fn calling() -> Self {
        let mut bench = Self::new(Role::Calls("tim".parse().expect("a uid")));
        assert_eq!(done(&bench.give(Input::SocketOpen)), ["HELLO me"]);
        assert_eq!(done(&bench.line("HELLO")), ["SESSION tim"]);
        bench
    }

    fn waiting() -> Self {
        let mut bench = Self::new(Role::Waits);
        bench.give(Input::SocketOpen);
        assert_eq!(done(&bench.line("HELLO")), [""; 0]);
        bench
    }

    fn give(&mut self, input: Input) -> Vec<Output> {
        self.session.handle(self.now, input);
        std::iter::from_fn(|| self.session.poll()).collect()
    }

    fn line(&mut self, line: &str) -> Vec<Output> {
        self.give(Input::Line(line.into()))
    }

    /// The line that offers, or answers, in the far side's name.
    fn description(kind: SdpType) -> String {
        let sdp = Sdp::try_from("v=0\r\na=fingerprint:far\r\n".to_owned()).expect("a description");
        Message::Description(kind, sdp).to_string()
    }

    fn media(&mut self, connection: &Connection, event: MediaEvent) -> Vec<Output> {
        self.give(Input::Media(connection.clone(), event))
    }

    fn wait(&mut self, time: Duration) -> Vec<Output> {
        self.now += time;
        self.give(Input::Deadline)
    }
}

fn connection(outputs: &[Output]) -> Connection {
    let of = |output: &Output| if let Output::Media(it, _) = output { Some(it.clone()) } else { None };
    outputs.iter().find_map(of).expect("a connection")
}

/// What was done; what is only shown of line and gate is left out.
fn done(outputs: &[Output]) -> Vec<String> {
    let show = |output: &Output| {
        Some(match output {
            Output::Connect => "connect".into(),
            Output::Disconnect => "disconnect".into(),
            Output::Send(line) => line.clone(),
            Output::Media(_, MediaCommand::Offer) => "offer".into(),
            Output::Media(_, MediaCommand::Answer(_)) => "answer".into(),
            Output::Media(_, MediaCommand::TakeAnswer(_)) => "take answer".into(),
            Output::Media(_, MediaCommand::AddCandidate(_)) => "add".into(),
            Output::Media(_, MediaCommand::SendData(_)) => "send".into(),
            Output::Media(_, MediaCommand::Close) => "close".into(),
            Output::Gate(gate) => format!("gate {gate:?}"),
            Output::Event(Event::Call(phase, ending)) => format!("{phase:?} {ending:?}"),
            Output::Event(Event::ServerError(text)) => format!("server: {text}"),
            Output::Event(Event::Notice(text)) => text.clone(),
            Output::Event(Event::Line(_) | Event::Gate(_)) => return None,
            Output::Over(failure) => format!("over {failure:?}"),
        })
    };
    outputs.iter().filter_map(show).collect()
}

#[test]
fn a_call_goes_from_the_session_to_the_close_of_the_line() {
    let mut bench = Bench::calling();
    let outputs = bench.line("SESSION_OK");
    assert_eq!(done(&outputs), ["offer", "Calling None"]);
    let on = connection(&outputs);
    let sdp = Sdp::try_from("v=0\r\na=fingerprint:own\r\n".to_owned()).expect("a description");
    let said = done(&bench.media(&on, MediaEvent::Described(SdpType::Offer, sdp)));
    assert_eq!(said, [r#"{"sdp":{"type":"offer","sdp":"v=0\r\na=fingerprint:own\r\n"}}"#]);
    bench.line(&Bench::description(SdpType::Answer));
    assert_eq!(done(&bench.media(&on, MediaEvent::Connected)), ["Connected None"]);
    assert_eq!(done(&bench.give(Input::Gate(Gate::Open))), ["gate Open"]);
    let ended = done(&bench.give(Input::SocketClosed));
    assert_eq!(ended, ["close", "Idle Some(FarClosed)", "gate Closed", "over None"]);
}

#[test]
fn a_server_that_goes_during_a_call_is_not_the_far_side_leaving() {
    for is_up in [true, false] {
        let mut bench = Bench::calling();
        let on = connection(&bench.line("SESSION_OK"));
        if is_up {
            bench.line(&Bench::description(SdpType::Answer));
            bench.media(&on, MediaEvent::Connected);
        }
        let ended = done(&bench.give(Input::ServerGone("it went".into())));
        assert_eq!(ended, ["close", r#"Idle Some(Failed("it went"))"#, r#"over Some(CutOff("it went"))"#]);
    }
}

#[test]
fn to_hang_up_is_to_close_the_line() {
    let mut bench = Bench::calling();
    let on = connection(&bench.line("SESSION_OK"));
    bench.line(&Bench::description(SdpType::Answer));
    bench.media(&on, MediaEvent::Connected);
    assert_eq!(done(&bench.give(Input::HangUp)), ["close", "Idle Some(HungUp)", "disconnect", "over None"]);
}

#[test]
fn why_there_was_no_call_is_told_apart() {
    for (line, failure) in [
        ("ERROR peer 'tim' not found", Failure::NotFound),
        ("ERROR peer 'tim' busy", Failure::Busy),
        ("ERROR no", Failure::Refused("no".into())),
    ] {
        let outputs = Bench::calling().line(line);
        assert_eq!(outputs, [Output::Disconnect, Output::Over(Some(failure))], "{line}");
    }
    let failed = |mut bench: Bench, input: Input| bench.give(input).pop().expect("an output");
    assert_eq!(failed(Bench::calling(), Input::SocketClosed), Output::Over(Some(Failure::ServerGone(None))));
    let why = "enough".to_owned();
    let gone = failed(Bench::calling(), Input::ServerGone(why.clone()));
    assert_eq!(gone, Output::Over(Some(Failure::ServerGone(Some(why)))));
    assert_eq!(Bench::calling().wait(REPLY_LIMIT).pop(), Some(Output::Over(Some(Failure::ServerGone(None)))));
    let mut taken = Bench::new(Role::Waits);
    taken.give(Input::SocketOpen);
    assert_eq!(taken.line("ERROR peer uid taken").pop(), Some(Output::Over(Some(Failure::UidTaken))));
    let mut silent = Bench::calling();
    silent.line("SESSION_OK");
    let over = Some(Output::Over(Some(Failure::Ended(Ending::NoAnswer))));
    assert_eq!(silent.wait(stock::ANSWER_LIMIT).pop(), over);
}

#[test]
fn who_waits_answers_and_waits_again_paused() {
    let mut bench = Bench::waiting();
    let outputs = bench.line(&Bench::description(SdpType::Offer));
    assert_eq!(done(&outputs), ["answer", "Connecting None"]);
    bench.media(&connection(&outputs), MediaEvent::Connected);
    bench.give(Input::Gate(Gate::Open));
    let ended = done(&bench.give(Input::SocketClosed));
    assert_eq!(ended, ["close", "Idle Some(FarClosed)", "gate Closed", "connect"]);
    bench.give(Input::SocketOpen);
    bench.line("HELLO");
    assert_eq!(done(&bench.line("OFFER_REQUEST")), ["offer", "Calling None"]);
    let ended = done(&bench.give(Input::HangUp));
    assert_eq!(ended, ["close", "Idle Some(HungUp)", "disconnect", "connect"]);
}

#[test]
fn who_waits_comes_back_to_a_server_that_was_gone_even_if_it_still_holds_the_last_line() {
    let mut bench = Bench::waiting();
    assert_eq!(done(&bench.give(Input::SocketClosed)), [""; 0]);
    assert_eq!(done(&bench.wait(Duration::from_millis(600))), ["connect"]);
    bench.give(Input::SocketOpen);
    assert_eq!(done(&bench.line("ERROR peer uid taken")), ["disconnect"]);
    assert_eq!(done(&bench.wait(Duration::from_secs(2))), ["connect"]);
    bench.give(Input::SocketOpen);
    assert_eq!(done(&bench.line("HELLO")), [""; 0]);
}

#[test]
fn what_nobody_understands_is_passed_over_and_nothing_is_said_of_it() {
    let mut bench = Bench::waiting();
    for text in ["", "hello", "{}", "{\"msg\":1}", "SESSION_OK", "HELLO", "[", "{\"sdp\":{}}", "OFFER_REQUEST now"] {
        assert_eq!(done(&bench.line(text)), [""; 0], "{text}");
    }
    assert_eq!(done(&bench.line("ERROR no")), ["server: no"]);
    bench.line(&Bench::description(SdpType::Offer));
    assert_eq!(done(&bench.line("ERROR says the far side")), [""; 0]);
}

#[test]
fn no_end_of_a_call_opens_what_its_user_has_closed() {
    for role in [Role::Waits, Role::Calls("tim".parse().expect("a uid"))] {
        let setup = Setup { uid: "me".parse().expect("a uid"), role: role.clone(), gate: Gate::Open, seed: 1 };
        let mut bench = Bench { now: Instant::now(), session: Session::new(setup) };
        assert_eq!(done(&bench.give(Input::Start)), ["gate Open", "connect"]);
        bench.give(Input::SocketOpen);
        bench.line("HELLO");
        let outputs = match role {
            Role::Waits => bench.line(&Bench::description(SdpType::Offer)),
            Role::Calls(_) => bench.line("SESSION_OK"),
        };
        bench.media(&connection(&outputs), MediaEvent::Connected);
        assert_eq!(done(&bench.give(Input::Gate(Gate::Closed))), ["gate Closed"]);
        let ended = done(&bench.give(Input::SocketClosed));
        assert!(!ended.iter().any(|what| what.starts_with("gate")), "{ended:?}");
    }
}

#[test]
fn what_a_server_says_is_fit_to_be_shown() {
    let mut bench = Bench::waiting();
    assert_eq!(done(&bench.line("ERROR ERROR \u{1b}[2Jno")), ["server: ERROR  [2Jno"]);
    let long = format!("ERROR {}", "x".repeat(60_000));
    assert!(done(&bench.line(&long)).concat().len() < 1000);
    let outputs = Bench::calling().line("ERROR \u{1b}]0;x\u{7}");
    assert_eq!(outputs.last(), Some(&Output::Over(Some(Failure::Refused(" ]0;x ".into())))));
}

#[test]
fn a_call_that_broke_off_is_not_one_that_never_was() {
    let mut bench = Bench::calling();
    let on = connection(&bench.line("SESSION_OK"));
    bench.line(&Bench::description(SdpType::Answer));
    bench.media(&on, MediaEvent::Connected);
    let over = bench.media(&on, MediaEvent::Failed("why".into())).pop();
    assert_eq!(over, Some(Output::Over(Some(Failure::Broken("why".into())))));
}

#[test]
fn a_server_that_says_when_it_is_back_is_left_in_peace_until_then() {
    let mut bench = Bench::waiting();
    bench.give(Input::ServerStops(BackIn::new(Duration::from_secs(8))));
    bench.give(Input::SocketClosed);
    assert_eq!(done(&bench.wait(Duration::from_secs(7))), [""; 0]);
    assert_eq!(done(&bench.wait(Duration::from_secs(5))), ["connect"]);
}
