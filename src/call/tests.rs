//! Calls against calls, with media that do at once what they are asked.

use super::*;
use crate::negotiation::{Sdp, SdpType};

fn sdp() -> Sdp {
    Sdp::try_from("v=0\r\na=fingerprint:sha-256 AA\r\n".to_owned()).expect("an SDP")
}

/// Two sides of one call, and what is on its way between them.
struct Pair {
    calls: [Call; 2],
    queue: VecDeque<(usize, Input)>,
    messages: [Vec<Message>; 2],
}

impl Pair {
    fn new(now: Instant) -> Self {
        let mut pair = Self {
            calls: [Call::new(Precedence::Theirs), Call::new(Precedence::Ours)],
            queue: VecDeque::new(),
            messages: [vec![], vec![]],
        };
        (0..2).for_each(|side| pair.tell(now, side, Input::SignallingUp));
        pair
    }

    fn tell(&mut self, now: Instant, side: usize, input: Input) {
        self.calls[side].handle(now, input);
        while let Some(output) = self.calls[side].poll() {
            match output {
                Output::Signal(signal) => self.queue.push_back((1 - side, Input::Far(signal))),
                Output::Media(connection, command) => self.media(side, connection, command),
                Output::Phase(..) | Output::FarProps(_) => {}
            }
        }
    }

    fn media(&mut self, side: usize, connection: Connection, command: MediaCommand) {
        let tell = |event| Input::Media(connection.clone(), event);
        match command {
            MediaCommand::Offer => self.queue.push_back((side, tell(MediaEvent::Described(SdpType::Offer, sdp())))),
            MediaCommand::Answer(_) => {
                self.queue.push_back((side, tell(MediaEvent::Described(SdpType::Answer, sdp()))))
            }
            MediaCommand::TakeAnswer(_) => {
                self.queue.extend([(side, tell(MediaEvent::DataOpen)), (1 - side, tell(MediaEvent::DataOpen))]);
            }
            MediaCommand::SendData(text) => {
                self.messages[side].extend(Message::parse(&text));
                self.queue.push_back((1 - side, tell(MediaEvent::DataText(text))));
            }
            MediaCommand::AddCandidate(_) | MediaCommand::Close => {}
        }
    }

    /// Lets one thing arrive; whether there was one.
    fn step(&mut self, now: Instant) -> bool {
        let next = self.queue.pop_front();
        let any = next.is_some();
        next.into_iter().for_each(|(side, input)| self.tell(now, side, input));
        any
    }

    fn settle(&mut self, now: Instant) {
        while self.step(now) {}
    }

    fn phases(&self) -> [Phase; 2] {
        [self.calls[0].phase(), self.calls[1].phase()]
    }

    fn hangups(&self, side: usize) -> Vec<Turn> {
        let hangups = self.messages[side].iter().filter(|message| message.body == Body::Hangup);
        hangups.map(|message| message.turn).collect()
    }
}

fn session(number: u64) -> SessionId {
    SessionId::from_bits(number)
}

#[test]
fn a_thousand_calls_side_by_side_know_nothing_of_each_other() {
    let now = Instant::now();
    let mut pairs: Vec<Pair> = (0..1000).map(|_| Pair::new(now)).collect();
    // Every kind at once: the one side begins, the other, both, and some hang up in between.
    for (number, pair) in pairs.iter_mut().enumerate() {
        for side in [0, 1].into_iter().filter(|side| number % 3 == 2 || number % 3 == *side) {
            pair.tell(now, side, Input::Begin(session((2 * number + side) as u64)));
        }
    }
    let mut round = 0;
    // One step of each at a time, so that they are as mixed as can be.
    while pairs.iter_mut().map(|pair| pair.step(now)).filter(|any| *any).count() > 0 {
        round += 1;
        if round == 5 {
            pairs.iter_mut().step_by(7).for_each(|pair| pair.tell(now, 0, Input::HangUp));
        }
    }
    for (number, pair) in pairs.iter().enumerate() {
        let phase = if number % 7 == 0 { Phase::Idle } else { Phase::Connected };
        assert_eq!(pair.phases(), [phase; 2], "pair {number}");
        let own = |call: &Call| {
            call.state.session().is_none_or(|it| (0..2).any(|side| *it == session((2 * number + side) as u64)))
        };
        assert!(pair.calls.iter().all(own), "pair {number}");
    }
}

#[test]
fn a_hang_up_is_answered_once_and_its_answer_never() {
    let now = Instant::now();
    let mut pair = Pair::new(now);
    pair.tell(now, 0, Input::Begin(session(1)));
    pair.settle(now);
    pair.tell(now, 0, Input::HangUp);
    pair.settle(now);
    assert_eq!((pair.hangups(0), pair.hangups(1)), (vec![Turn::Request], vec![Turn::Response]));
}

#[test]
fn crossed_hang_ups_are_answered_once_each() {
    let now = Instant::now();
    let mut pair = Pair::new(now);
    pair.tell(now, 0, Input::Begin(session(1)));
    pair.settle(now);
    (0..2).for_each(|side| pair.tell(now, side, Input::HangUp));
    pair.settle(now);
    for side in [0, 1] {
        assert_eq!(pair.hangups(side), [Turn::Request, Turn::Response]);
    }
    assert_eq!(pair.phases(), [Phase::Idle; 2]);
}

#[test]
fn an_update_for_a_call_that_is_not_known_is_rejected_and_the_call_begun_anew() {
    let now = Instant::now();
    let mut pair = Pair::new(now);
    pair.tell(now, 0, Input::Begin(session(1)));
    pair.settle(now);
    pair.calls[1] = Call::new(Precedence::Ours);
    pair.tell(now, 0, Input::Renew);
    pair.settle(now);
    assert_eq!(pair.phases(), [Phase::Idle; 2]);
}

#[test]
fn every_deadline_moves_on_when_it_fires() {
    let start = Instant::now();
    let mut pair = Pair::new(start);
    pair.tell(start, 0, Input::Begin(session(1)));
    let mut now = start;
    while let Some((due, timer)) = pair.calls[0].deadline() {
        now = due;
        pair.tell(now, 0, Input::Deadline);
        assert!(pair.calls[0].deadline().is_none_or(|(next, _)| next > due), "{timer:?}");
        // Nobody answers.
        while let Some((side, input)) = pair.queue.pop_front() {
            if side == 0 {
                pair.tell(now, side, input);
            }
        }
    }
    assert_eq!((now - start, pair.calls[0].phase()), (SETUP_LIMIT, Phase::Idle));
}

/// Two whose call is up, with what one has offered for the next connection of it on its way.
fn updating(now: Instant, side: usize) -> Pair {
    let mut pair = Pair::new(now);
    pair.tell(now, 0, Input::Begin(session(1)));
    pair.settle(now);
    pair.tell(now, side, Input::Renew);
    pair.step(now);
    pair
}

#[test]
fn a_later_update_stands_whoever_made_it() {
    let now = Instant::now();
    for side in [0, 1] {
        let mut pair = updating(now, side);
        let offer = pair.queue.front().cloned().expect("an offer");
        // It arrives, and the other side's network changes before it has answered; then the offer is told again.
        pair.step(now);
        pair.queue.clear();
        pair.tell(now, 1 - side, Input::Renew);
        pair.queue.push_back(offer);
        pair.settle(now);
        let generations = pair.calls.each_ref().map(|call| call.state.link().map(|link| link.connection.generation));
        assert_eq!(generations, [Some(2); 2]);
    }
}

#[test]
fn an_offer_that_is_told_again_after_a_hang_up_begins_nothing() {
    let now = Instant::now();
    let mut pair = Pair::new(now);
    pair.tell(now, 0, Input::Begin(session(1)));
    pair.step(now);
    let offer = pair.queue.front().cloned().expect("an offer");
    pair.step(now);
    pair.tell(now, 1, Input::HangUp);
    pair.queue.push_front(offer);
    pair.settle(now);
    assert_eq!(pair.phases(), [Phase::Idle; 2]);
}

#[test]
fn a_hang_up_whose_word_comes_after_the_connection_closed_is_one() {
    let now = Instant::now();
    let mut pair = Pair::new(now);
    pair.tell(now, 0, Input::Begin(session(1)));
    pair.settle(now);
    pair.calls[1].handle(now, Input::Media(Connection::first(session(1)), MediaEvent::Closed));
    let cancel = Message { session: session(1), turn: Turn::Request, body: Body::Cancel };
    pair.calls[1].handle(now, Input::Far(Signal::Message(cancel)));
    let outputs: Vec<_> = std::iter::from_fn(|| pair.calls[1].poll()).collect();
    assert_eq!(outputs.last(), Some(&Output::Phase(Phase::Idle, Some(Ending::FarHungUp))));
}

#[test]
fn a_call_that_has_lost_its_connection_and_its_network_is_not_called_connected() {
    let now = Instant::now();
    let mut pair = updating(now, 0);
    let silent = now + LIFE_LIMIT;
    pair.calls[0].handle(silent, Input::Deadline);
    assert_eq!(pair.calls[0].phase(), Phase::Reconnecting);
    pair.calls[0].handle(silent, Input::SignallingDown);
    pair.calls[0].handle(silent, Input::Renew);
    assert_eq!(pair.calls[0].phase(), Phase::Idle);
    let last = std::iter::from_fn(|| pair.calls[0].poll()).last();
    assert_eq!(last, Some(Output::Phase(Phase::Idle, Some(Ending::FarGone))));
}

#[test]
fn who_answers_an_offer_that_is_given_up_is_told_so() {
    let now = Instant::now();
    let mut pair = Pair::new(now);
    pair.tell(now, 0, Input::Begin(session(1)));
    pair.step(now);
    pair.step(now);
    assert_eq!(pair.calls[1].phase(), Phase::Connecting);
    // The offering side has lost its call meanwhile, and heard of nothing.
    pair.calls[0] = Call::new(Precedence::Theirs);
    pair.tell(now, 0, Input::SignallingUp);
    pair.settle(now);
    assert_eq!(pair.phases(), [Phase::Idle; 2]);
}
