use super::*;

/// A call on virtual time, with what it wants done.
struct Bench {
    now: Instant,
    call: Call,
}

impl Bench {
    fn new() -> Self {
        Self { now: Instant::now(), call: Call::new(7) }
    }

    fn give(&mut self, input: Input) -> Vec<Output> {
        self.call.handle(self.now, input);
        std::iter::from_fn(|| self.call.poll()).collect()
    }

    fn media(&mut self, event: MediaEvent) -> Vec<Output> {
        let connection = self.call.state.connection().expect("a connection").clone();
        self.give(Input::Media(connection, event))
    }

    fn wait(&mut self, time: Duration) -> Vec<Output> {
        self.now += time;
        self.give(Input::Deadline)
    }
}

fn sdp(text: &str) -> Sdp {
    Sdp::try_from(format!("v=0\r\na=fingerprint:{text}\r\n")).expect("a description")
}

fn far(kind: SdpType) -> Input {
    Input::Far(Message::Description(kind, sdp("far")))
}

fn candidate(name: &str) -> Candidate {
    Candidate { candidate: name.into(), mid: None, m_line_index: 1 }
}

fn far_candidate(name: &str) -> Input {
    Input::Far(Message::Candidate(candidate(name)))
}

/// What was done, without the names of connections.
fn done(outputs: &[Output]) -> Vec<String> {
    let show = |output: &Output| match output {
        Output::Say(Message::Description(kind, _)) => format!("say {kind:?}"),
        Output::Say(Message::Candidate(candidate)) => format!("say {}", candidate.candidate),
        Output::Media(_, MediaCommand::Offer) => "offer".into(),
        Output::Media(_, MediaCommand::Answer(_)) => "answer".into(),
        Output::Media(_, MediaCommand::TakeAnswer(_)) => "take answer".into(),
        Output::Media(_, MediaCommand::AddCandidate(candidate)) => format!("add {}", candidate.candidate),
        Output::Media(_, MediaCommand::Close) => "close".into(),
        Output::Media(_, MediaCommand::SendData(_)) => "send".into(),
        Output::Phase(phase, None) => format!("{phase:?}"),
        Output::Phase(phase, Some(ending)) => format!("{phase:?}: {ending:?}"),
    };
    outputs.iter().map(show).collect()
}

#[test]
fn a_caller_offers_and_is_connected_when_the_media_are() {
    let mut bench = Bench::new();
    assert_eq!(done(&bench.give(Input::Begin)), ["offer", "Calling"]);
    assert_eq!(done(&bench.media(MediaEvent::Described(SdpType::Offer, sdp("own")))), ["say Offer"]);
    assert_eq!(done(&bench.media(MediaEvent::Candidate(candidate("own")))), ["say own"]);
    assert_eq!(done(&bench.give(far(SdpType::Answer))), ["take answer", "Connecting"]);
    assert_eq!(done(&bench.give(far_candidate("far"))), ["add far"]);
    assert_eq!(done(&bench.media(MediaEvent::Connected)), ["Connected"]);
    assert_eq!(bench.call.deadline(), None);
    assert_eq!(done(&bench.give(Input::End(Ending::FarClosed))), ["close", "Idle: FarClosed"]);
    assert!(!bench.call.is_on());
}

#[test]
fn who_is_called_answers_whoever_offers() {
    let mut bench = Bench::new();
    assert_eq!(done(&bench.give(far(SdpType::Offer))), ["answer", "Connecting"]);
    assert_eq!(done(&bench.media(MediaEvent::Described(SdpType::Answer, sdp("own")))), ["say Answer"]);
    assert_eq!(done(&bench.media(MediaEvent::Connected)), ["Connected"]);
}

#[test]
fn an_offer_is_made_on_request_but_not_during_a_call() {
    let mut bench = Bench::new();
    assert_eq!(done(&bench.give(Input::OfferRequest)), ["offer", "Calling"]);
    assert_eq!(done(&bench.give(Input::OfferRequest)), [""; 0]);
    bench.give(far(SdpType::Answer));
    assert_eq!(done(&bench.give(Input::OfferRequest)), [""; 0]);
    bench.media(MediaEvent::Connected);
    assert_eq!(done(&bench.give(Input::OfferRequest)), [""; 0]);
}

#[test]
fn candidates_that_are_early_wait_for_their_description_and_only_so_many() {
    let mut called = Bench::new();
    for number in 0..100 {
        assert_eq!(done(&called.give(far_candidate(&number.to_string()))), [""; 0]);
    }
    let outputs = done(&called.give(far(SdpType::Offer)));
    assert_eq!(outputs.iter().filter(|output| output.starts_with("add ")).count(), CANDIDATES);
    assert_eq!(outputs[..2], ["answer", "add 0"]);

    let mut caller = Bench::new();
    caller.give(Input::Begin);
    assert_eq!(done(&caller.give(far_candidate("x"))), [""; 0]);
    assert_eq!(done(&caller.give(far(SdpType::Answer))), ["take answer", "add x", "Connecting"]);
}

#[test]
fn another_offer_takes_the_place_of_the_call_a_limited_number_of_times() {
    let mut bench = Bench::new();
    bench.give(far(SdpType::Offer));
    bench.media(MediaEvent::Connected);
    let former = bench.call.state.connection().cloned().expect("a connection");
    for _ in 1..OFFERS {
        assert_eq!(done(&bench.give(far(SdpType::Offer)))[..2], ["close", "answer"]);
    }
    assert_eq!(done(&bench.give(far(SdpType::Offer))), [""; 0]);
    let late = bench.give(Input::Media(former, MediaEvent::Failed("late".into())));
    assert_eq!(done(&late), [""; 0], "what is closed has nothing more to tell");
}

#[test]
fn descriptions_out_of_turn_are_passed_over() {
    let mut bench = Bench::new();
    assert_eq!(done(&bench.give(far(SdpType::Answer))), [""; 0]);
    bench.give(Input::Begin);
    assert_eq!(done(&bench.give(far(SdpType::Offer))), [""; 0]);
    bench.give(far(SdpType::Answer));
    assert_eq!(done(&bench.give(far(SdpType::Answer))), [""; 0]);
}

#[test]
fn an_offer_waits_60_s_and_a_connection_20() {
    let mut bench = Bench::new();
    bench.give(Input::Begin);
    assert_eq!(done(&bench.wait(ANSWER_LIMIT - Duration::from_millis(1))), [""; 0]);
    assert_eq!(done(&bench.wait(Duration::from_millis(1))), ["close", "Idle: NoAnswer"]);
    bench.give(far(SdpType::Offer));
    assert_eq!(done(&bench.wait(CONNECTION_LIMIT)), ["close", "Idle: NoConnection"]);
}

#[test]
fn a_way_in_doubt_is_shown_and_comes_back_or_fails() {
    let mut bench = Bench::new();
    bench.give(far(SdpType::Offer));
    bench.media(MediaEvent::Connected);
    assert_eq!(done(&bench.media(MediaEvent::Disconnected)), ["Reconnecting"]);
    assert_eq!(done(&bench.media(MediaEvent::Connected)), ["Connected"]);
    bench.media(MediaEvent::Disconnected);
    assert_eq!(done(&bench.media(MediaEvent::Failed("no".into()))), ["close", "Idle: Failed(\"no\")"]);
}

#[test]
fn the_end_of_a_call_is_told_once_and_the_next_begins_from_nothing() {
    let mut bench = Bench::new();
    bench.give(far_candidate("stale"));
    assert_eq!(done(&bench.give(Input::End(Ending::FarClosed))), [""; 0]);
    assert_eq!(done(&bench.give(far(SdpType::Offer))), ["answer", "Connecting"], "no candidate of the one before");
}

#[test]
fn no_more_candidates_are_taken_than_anybody_has_whatever_the_state() {
    let count = |outputs: &[Output]| {
        let is = |output: &&Output| matches!(output, Output::Media(_, MediaCommand::AddCandidate(_)));
        outputs.iter().filter(is).count()
    };
    let flood = |bench: &mut Bench| (0..10_000).map(|_| count(&bench.give(far_candidate("far")))).sum::<usize>();
    let mut bench = Bench::new();
    flood(&mut bench);
    let begun = count(&bench.give(far(SdpType::Offer)));
    assert_eq!(begun + flood(&mut bench), CANDIDATES, "early ones count");
    bench.media(MediaEvent::Described(SdpType::Answer, sdp("own")));
    bench.media(MediaEvent::Connected);
    assert_eq!(flood(&mut bench), 0);
    assert_eq!(
        count(&bench.give(far(SdpType::Offer))) + flood(&mut bench),
        CANDIDATES,
        "the next connection has its own"
    );
}
