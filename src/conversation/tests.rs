//! Two sides, a server and their media on virtual time.

use std::collections::BTreeSet;

use super::*;
use crate::{
    call::{Ending, MediaCommand, MediaEvent, Phase},
    negotiation::{Sdp, SdpType},
    pairing::PairingKey,
};

const LATENCY: Duration = Duration::from_millis(10);

#[derive(Debug)]
enum Arrival {
    Input(usize, Input),
    ToServer(usize, ClientLine),
}

/// Both sides, a server that knows one room, and a medium that connects at once.
struct World {
    now: Instant,
    start: Instant,
    sides: [Conversation; 2],
    queue: Vec<(Instant, u64, Arrival)>,
    sent: u64,
    room: BTreeSet<usize>,
    server_up: bool,
    /// Per side: the call its media are in, and whether the channel is open.
    media: [Option<SessionId>; 2],
    /// Per side: what a person was told.
    told: [Vec<Event>; 2],
    remembered: [Option<InstanceId>; 2],
    gates: [Gate; 2],
    offers: usize,
}

fn instance(side: usize) -> InstanceId {
    InstanceId::from_bits(10 + side as u128)
}

fn key() -> PairingKey {
    PairingKey::from_bytes([3; 32])
}

fn side(now: Instant, side: usize, pairing: Pairing) -> Conversation {
    Conversation::new(Setup {
        conversation: ConversationId::from_bits(1),
        instance: instance(side),
        pairing: match &pairing {
            Pairing::Waiting { key, .. } => {
                Pairing::Waiting { key: key.clone(), expires: now + Duration::from_secs(86_400) }
            }
            Pairing::Expired | Pairing::Accepting { .. } | Pairing::Paired { .. } => pairing,
        },
        seed: side as u64,
    })
}

fn sdp() -> Sdp {
    Sdp::try_from("v=0\r\na=fingerprint:sha-256 AA\r\n".to_owned()).expect("an SDP")
}

impl World {
    fn new(pairings: [Pairing; 2]) -> Self {
        let now = Instant::now();
        let [first, second] = pairings;
        Self {
            now,
            start: now,
            sides: [side(now, 0, first), side(now, 1, second)],
            queue: Vec::new(),
            sent: 0,
            room: BTreeSet::new(),
            server_up: true,
            media: [None, None],
            told: [Vec::new(), Vec::new()],
            remembered: [None, None],
            gates: [Gate::Closed, Gate::Closed],
            offers: 0,
        }
    }

    /// Two that were paired long ago, both on the line.
    fn paired() -> Self {
        let mut world = Self::new([paired_with(1), paired_with(0)]);
        world.tell(0, Input::Start);
        world.tell(1, Input::Start);
        world.run(Duration::from_secs(1));
        world
    }

    /// The same in a call.
    fn connected() -> Self {
        let mut world = Self::paired();
        world.tell(0, Input::Unpause);
        world.run(Duration::from_secs(1));
        assert!(world.both(Phase::Connected), "{:?}", world.told);
        world
    }

    fn tell(&mut self, side: usize, input: Input) {
        self.sides[side].handle(self.now, input);
        while let Some(output) = self.sides[side].poll() {
            self.carry_out(side, output);
        }
    }

    fn later(&mut self, arrival: Arrival) {
        self.sent += 1;
        self.queue.push((self.now + LATENCY, self.sent, arrival));
    }

    fn carry_out(&mut self, side: usize, output: Output) {
        match output {
            Output::Connect if self.server_up => self.later(Arrival::Input(side, Input::SocketOpen)),
            Output::Connect => self.later(Arrival::Input(side, Input::SocketClosed)),
            Output::Disconnect => self.leave(side),
            Output::Send(line) => self.later(Arrival::ToServer(side, line)),
            Output::Media(session, command) => self.media(side, session, command),
            Output::Gate(gate) => self.gates[side] = gate,
            Output::Remember { far, .. } => self.remembered[side] = Some(far),
            Output::Event(event) => self.told[side].push(event),
            Output::Track(..) | Output::ForgetKey => {}
        }
    }

    fn media(&mut self, side: usize, session: SessionId, command: MediaCommand) {
        let reply = |event| Arrival::Input(side, Input::Media(session.clone(), event));
        match command {
            MediaCommand::Offer => {
                self.offers += 1;
                self.media[side] = Some(session.clone());
                self.later(reply(MediaEvent::Described(SdpType::Offer, sdp())));
            }
            MediaCommand::Answer(_) => {
                self.media[side] = Some(session.clone());
                self.later(reply(MediaEvent::Described(SdpType::Answer, sdp())));
            }
            MediaCommand::TakeAnswer(_) => {
                for end in [side, 1 - side] {
                    self.later(Arrival::Input(end, Input::Media(session.clone(), MediaEvent::DataOpen)));
                }
            }
            MediaCommand::SendData(text) if self.media[1 - side].as_ref() == Some(&session) => {
                self.later(Arrival::Input(1 - side, Input::Media(session, MediaEvent::DataText(text))));
            }
            MediaCommand::Close => self.media[side] = None,
            MediaCommand::SendData(_) | MediaCommand::AddCandidate(_) => {}
        }
    }

    fn serve(&mut self, side: usize, line: ClientLine) {
        if !self.server_up {
            return;
        }
        let uid = |side: usize| instance(side).uid(&ConversationId::from_bits(1));
        let other = 1 - side;
        let say = |line| Input::Line(line);
        match line {
            ClientLine::Hello(_) => self.later(Arrival::Input(side, say(ServerLine::Hello))),
            ClientLine::Room(_) => {
                let members = self.room.iter().map(|member| uid(*member)).collect();
                self.later(Arrival::Input(side, say(ServerLine::RoomOk(members))));
                if self.room.contains(&other) {
                    self.later(Arrival::Input(other, say(ServerLine::RoomPeerJoined(uid(side)))));
                }
                self.room.insert(side);
            }
            ClientLine::RoomPeerMsg { text, .. } if self.room.contains(&other) => {
                self.later(Arrival::Input(other, say(ServerLine::RoomPeerMsg { from: uid(side), text })));
            }
            ClientLine::RoomPeerMsg { .. } | ClientLine::Session(_) | ClientLine::RoomPeerList => {}
        }
    }

    fn leave(&mut self, side: usize) {
        let other = 1 - side;
        if self.room.remove(&side) && self.room.contains(&other) {
            let uid = instance(side).uid(&ConversationId::from_bits(1));
            self.later(Arrival::Input(other, Input::Line(ServerLine::RoomPeerLeft(uid))));
        }
    }

    fn set_server(&mut self, up: bool) {
        self.server_up = up;
        if !up {
            self.room.clear();
            for side in [0, 1] {
                self.tell(side, Input::SocketClosed);
            }
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.queue.sort_by_key(|(at, order, _)| (*at, *order));
            let arrival = self.queue.first().map(|(at, ..)| *at);
            let deadline = self.sides.iter().filter_map(Conversation::deadline).min();
            let Some(next) = [arrival, deadline].into_iter().flatten().min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(next);
            if arrival == Some(next) {
                let (_, _, arrival) = self.queue.remove(0);
                match arrival {
                    Arrival::Input(side, input) => self.tell(side, input),
                    Arrival::ToServer(side, line) => self.serve(side, line),
                }
            } else {
                for side in [0, 1] {
                    self.tell(side, Input::Deadline);
                }
            }
        }
        self.now = end;
    }

    fn phase(&self, side: usize) -> Phase {
        let last = |event: &Event| if let Event::Call(phase, _) = event { Some(*phase) } else { None };
        self.told[side].iter().rev().find_map(last).unwrap_or(Phase::Idle)
    }

    fn both(&self, phase: Phase) -> bool {
        [0, 1].iter().all(|side| self.phase(*side) == phase) && self.media[0] == self.media[1]
    }

    fn was_told(&self, side: usize, event: &Event) -> bool {
        self.told[side].contains(event)
    }
}

fn paired_with(far: usize) -> Pairing {
    Pairing::Paired { far: instance(far), accepted: None }
}

fn waiting() -> Pairing {
    Pairing::Waiting { key: key(), expires: Instant::now() }
}

#[test]
fn a_code_pairs_two_sides_and_goes_down_on_both() {
    let mut world = World::new([waiting(), Pairing::Accepting { far: instance(0), key: key() }]);
    world.tell(0, Input::Start);
    world.run(Duration::from_secs(1));
    world.tell(1, Input::Start);
    world.run(Duration::from_secs(1));
    assert_eq!(world.remembered, [Some(instance(1)), Some(instance(0))]);
    assert!(world.was_told(0, &Event::CodeGone(CodeGone::Paired)));
    assert!((0..2).all(|side| world.was_told(side, &Event::Paired)));
    assert!((0..2).all(|side| world.was_told(side, &Event::Far(Presence::Here))));
    assert_eq!(world.gates, [Gate::Closed; 2]);
}

#[test]
fn a_pairing_whose_word_was_lost_is_made_good_after_its_owner_came_back() {
    let mut world = World::new([waiting(), Pairing::Accepting { far: instance(0), key: key() }]);
    world.tell(0, Input::Start);
    world.tell(1, Input::Start);
    // Until the owner has remembered, but its word has not arrived.
    while world.remembered[0].is_none() {
        world.run(Duration::from_millis(1));
    }
    let pairing = world.sides[0].pairing.clone();
    assert_eq!(world.remembered[1], None);
    world.queue.clear();
    world.leave(0);
    world.sides[0] = side(world.now, 0, pairing);
    world.tell(0, Input::Start);
    world.run(Duration::from_secs(1));
    assert_eq!(world.remembered[1], Some(instance(0)));
}

#[test]
fn what_media_find_out_late_is_not_said_before_this_side_is_in_the_room() {
    let mut conversation = side(Instant::now(), 0, paired_with(1));
    let now = Instant::now();
    conversation.handle(now, Input::Start);
    conversation.handle(now, Input::SocketOpen);
    let uid = instance(1).uid(&ConversationId::from_bits(1));
    let session: SessionId = "abcd".parse().expect("an id");
    let offer = Message::Call(session.clone(), call::Signal::Description(SdpType::Offer, sdp()));
    conversation.handle(now, Input::Line(ServerLine::RoomPeerMsg { from: uid, text: offer.to_string() }));
    conversation.handle(now, Input::Media(session, MediaEvent::Described(SdpType::Answer, sdp())));
    let sent = std::iter::from_fn(|| conversation.poll()).filter(|output| matches!(output, Output::Send(_)));
    assert_eq!(sent.count(), 1, "HELLO and nothing else");
}

#[test]
fn an_answerer_that_fails_tells_the_side_that_waits() {
    let mut world = World::paired();
    world.tell(0, Input::Unpause);
    world.run(Duration::from_millis(40));
    let session = world.media[1].clone().expect("answering");
    world.tell(1, Input::Media(session, MediaEvent::Failed("why".into())));
    world.run(Duration::from_secs(1));
    assert_eq!(world.media, [None, None]);
    assert!(world.was_told(0, &Event::Call(Phase::Idle, Some(Ending::FarHungUp))));
}

#[test]
fn a_side_without_devices_does_not_say_that_it_sends() {
    let mut world = World::connected();
    world.tell(0, Input::Equipped { microphone: true, camera: false });
    world.run(Duration::from_secs(1));
    let says = |event: &Event| {
        let Event::FarProps(props) = event else { return None };
        Some((props["audiosend"].clone(), props["videosend"].clone()))
    };
    assert_eq!(world.told[1].iter().rev().find_map(says), Some(("true".into(), "false".into())));
}

#[test]
fn a_code_read_while_its_owner_is_away_pairs_when_it_comes() {
    let mut world = World::new([waiting(), Pairing::Accepting { far: instance(0), key: key() }]);
    world.tell(1, Input::Start);
    world.run(Duration::from_secs(5));
    world.tell(0, Input::Start);
    world.run(Duration::from_secs(1));
    assert_eq!(world.remembered, [Some(instance(1)), Some(instance(0))]);
}

#[test]
fn a_wrong_key_and_a_used_code_are_refused() {
    let other = PairingKey::from_bytes([4; 32]);
    let mut world = World::new([waiting(), Pairing::Accepting { far: instance(0), key: other }]);
    world.tell(0, Input::Start);
    world.tell(1, Input::Start);
    world.run(Duration::from_secs(1));
    assert_eq!(world.remembered, [None, None]);
    assert!(world.was_told(1, &Event::Refused));

    let used = paired_with(7);
    let mut world = World::new([used, Pairing::Accepting { far: instance(0), key: key() }]);
    world.tell(0, Input::Start);
    world.tell(1, Input::Start);
    world.run(Duration::from_secs(1));
    assert!(world.was_told(1, &Event::Refused));
    assert!(!world.was_told(0, &Event::Far(Presence::Here)));
}

#[test]
fn a_stranger_in_the_room_is_not_listened_to() {
    let mut world = World::new([paired_with(7), paired_with(0)]);
    world.tell(0, Input::Start);
    world.tell(1, Input::Start);
    world.run(Duration::from_secs(1));
    world.tell(1, Input::Unpause);
    world.run(Duration::from_secs(1));
    assert_eq!(world.media[0], None);
}

#[test]
fn an_unused_code_is_erased_after_a_day() {
    let mut world = World::new([waiting(), Pairing::Accepting { far: instance(0), key: key() }]);
    world.tell(0, Input::Start);
    world.run(Duration::from_secs(86_401));
    assert!(world.was_told(0, &Event::CodeGone(CodeGone::Expired)));
    world.tell(1, Input::Start);
    world.run(Duration::from_secs(1));
    assert!(world.was_told(1, &Event::Refused));
}

#[test]
fn the_first_to_unpause_offers_and_the_other_answers_paused() {
    let world = World::connected();
    assert_eq!(world.gates, [Gate::Open, Gate::Closed]);
    assert_eq!(world.offers, 1);
    let paused = |value: &str| {
        let flag = |open: bool| String::from(if open { "true" } else { "false" });
        let open = value == "false";
        Props::from([
            ("paused".into(), value.into()),
            ("audiosend".into(), flag(open)),
            ("videosend".into(), flag(open)),
        ])
    };
    assert!(world.was_told(0, &Event::FarProps(paused("true"))));
    assert!(world.was_told(1, &Event::FarProps(paused("false"))));
}

#[test]
fn the_second_to_unpause_negotiates_nothing() {
    let mut world = World::connected();
    let session = world.media[0].clone();
    world.tell(1, Input::Unpause);
    world.run(Duration::from_secs(1));
    assert_eq!(world.gates, [Gate::Open; 2]);
    assert_eq!((world.offers, &world.media[1]), (1, &session));
}

#[test]
fn both_unpausing_at_once_gives_one_call() {
    for apart in [0, 1, 5, 10, 15, 25] {
        let mut world = World::paired();
        world.tell(0, Input::Unpause);
        world.run(Duration::from_millis(apart));
        world.tell(1, Input::Unpause);
        world.run(Duration::from_secs(2));
        assert!(world.both(Phase::Connected), "{apart} ms apart: {:?}", world.told);
        assert_eq!(world.gates, [Gate::Open; 2]);
    }
}

#[test]
fn whoever_is_unpaused_already_offers_when_the_other_comes() {
    let mut world = World::new([paired_with(1), paired_with(0)]);
    world.tell(0, Input::Start);
    world.tell(0, Input::Unpause);
    world.run(Duration::from_secs(5));
    world.tell(1, Input::Start);
    world.run(Duration::from_secs(1));
    assert!(world.both(Phase::Connected));
}

#[test]
fn hanging_up_leaves_both_ready_and_paused() {
    for side in [0, 1] {
        let mut world = World::connected();
        world.tell(side, Input::HangUp);
        world.run(Duration::from_secs(1));
        assert!(world.both(Phase::Idle) && world.media == [None, None]);
        assert_eq!(world.gates, [Gate::Closed; 2]);
        assert!(world.was_told(side, &Event::Call(Phase::Idle, Some(Ending::HungUp))));
        assert!(world.was_told(1 - side, &Event::Call(Phase::Idle, Some(Ending::FarHungUp))));
        world.tell(1, Input::Unpause);
        world.run(Duration::from_secs(1));
        assert!(world.both(Phase::Connected), "the line is still there");
    }
}

#[test]
fn crossed_hang_ups_end_the_call_once_on_each_side() {
    let mut world = World::connected();
    world.tell(0, Input::HangUp);
    world.tell(1, Input::HangUp);
    world.run(Duration::from_secs(1));
    for side in [0, 1] {
        assert_eq!(world.told[side].iter().filter(|event| matches!(event, Event::Call(_, Some(_)))).count(), 1);
    }
    assert_eq!(world.media, [None, None]);
}

#[test]
fn hanging_up_before_the_answer_cancels_on_both_sides() {
    let mut world = World::paired();
    world.tell(0, Input::Unpause);
    world.run(Duration::from_millis(15));
    world.tell(0, Input::HangUp);
    world.run(Duration::from_secs(2));
    assert_eq!(world.media, [None, None]);
    assert!(world.both(Phase::Idle));
}

#[test]
fn unpausing_right_after_a_hang_up_begins_a_new_call() {
    let mut world = World::connected();
    world.tell(0, Input::HangUp);
    world.tell(0, Input::Unpause);
    world.run(Duration::from_secs(2));
    assert!(world.both(Phase::Connected));
    assert_eq!(world.gates[0], Gate::Open);
}

#[test]
fn a_far_side_that_dies_is_noticed_within_three_seconds() {
    let mut world = World::connected();
    let died = world.now;
    world.media[1] = None;
    world.leave(1);
    world.sides[1] = side(world.now, 1, paired_with(0));
    world.run(Duration::from_millis(1600));
    assert!(world.was_told(0, &Event::Call(Phase::Idle, Some(Ending::FarGone))), "after {:?}", world.now - died);
    assert_eq!(world.gates[0], Gate::Closed);
}

#[test]
fn a_silent_death_without_a_word_of_the_server_is_noticed_too() {
    let mut world = World::connected();
    world.media[1] = None;
    world.sides[1] = side(world.now, 1, paired_with(0));
    world.run(LIFE_LIMIT_AND_A_BIT);
    assert!(world.was_told(0, &Event::Call(Phase::Idle, Some(Ending::FarGone))));
}

const LIFE_LIMIT_AND_A_BIT: Duration = Duration::from_millis(3100);

#[test]
fn a_call_outlives_the_server_and_the_line_comes_back() {
    let mut world = World::connected();
    world.set_server(false);
    world.run(Duration::from_secs(30));
    assert!(world.both(Phase::Connected));
    world.set_server(true);
    let back = world.now;
    world.run(Duration::from_secs(3));
    assert_eq!(world.room.len(), 2, "{:?} after the server's return", world.now - back);
    assert!(world.both(Phase::Connected));
    assert!((0..2).all(|side| !world.told[side].iter().any(|event| matches!(event, Event::Call(_, Some(_))))));
}

#[test]
fn a_far_side_that_leaves_the_room_alone_stays_in_the_call() {
    let mut world = World::connected();
    world.leave(1);
    world.run(Duration::from_secs(20));
    assert!(world.both(Phase::Connected));
}

#[test]
fn an_offer_that_was_lost_with_its_addressee_is_made_again() {
    let mut world = World::paired();
    world.tell(0, Input::Unpause);
    world.leave(1);
    world.tell(1, Input::SocketClosed);
    world.run(Duration::from_secs(3));
    assert!(world.both(Phase::Connected), "{:?}", world.told[0]);
    assert_eq!(world.gates, [Gate::Open, Gate::Closed]);
}

#[test]
fn a_new_offer_in_a_call_replaces_it() {
    let mut world = World::connected();
    world.media[1] = None;
    world.sides[1] = side(world.now, 1, paired_with(0));
    world.tell(1, Input::Start);
    world.tell(1, Input::Unpause);
    world.run(Duration::from_secs(1));
    assert!(world.both(Phase::Connected), "{:?}", world.told);
    assert_eq!(world.gates, [Gate::Open; 2]);
}

#[test]
fn what_belongs_to_another_call_is_dropped() {
    let mut world = World::connected();
    let other: SessionId = "other".parse().expect("an id");
    let uid = instance(1).uid(&ConversationId::from_bits(1));
    for message in [
        Message::Call(other.clone(), call::Signal::Cancel),
        Message::Call(other.clone(), call::Signal::Description(SdpType::Answer, sdp())),
    ] {
        let line = ServerLine::RoomPeerMsg { from: uid.clone(), text: message.to_string() };
        world.tell(0, Input::Line(line));
    }
    world.tell(0, Input::Media(other, MediaEvent::Closed));
    assert!(world.both(Phase::Connected));
}

#[test]
fn an_unanswered_offer_ends_after_a_minute_in_plain_words() {
    let mut world = World::paired();
    world.sides[1] = side(world.now, 1, Pairing::Expired);
    world.tell(0, Input::Unpause);
    world.run(Duration::from_secs(61));
    assert!(world.was_told(0, &Event::Call(Phase::Idle, Some(Ending::NoAnswer))));
    assert_eq!(world.gates[0], Gate::Closed);
}

#[test]
fn a_conversation_open_elsewhere_is_told_and_can_be_taken_over() {
    let mut world = World::new([paired_with(1), paired_with(0)]);
    world.tell(0, Input::Start);
    world.run(Duration::from_millis(15));
    world.tell(0, Input::Line(ServerLine::Error("peer uid taken".into())));
    world.tell(0, Input::SocketClosed);
    assert!(world.was_told(0, &Event::Line(LineState::Taken)));
    world.queue.clear();
    world.run(Duration::from_secs(100));
    assert!(!world.room.contains(&0), "it does not try by itself");
    world.tell(0, Input::TakeOver);
    world.run(Duration::from_secs(1));
    assert!(world.room.contains(&0));
}

#[test]
fn a_side_that_was_on_the_line_keeps_trying_when_its_own_old_connection_holds_the_uid() {
    let mut world = World::paired();
    world.set_server(false);
    world.run(Duration::from_millis(10));
    world.tell(0, Input::Line(ServerLine::Error("peer uid taken".into())));
    world.set_server(true);
    world.run(Duration::from_secs(5));
    assert_eq!(world.room.len(), 2);
    assert!(world.now > world.start);
}

#[test]
fn a_server_that_says_nothing_is_given_up_and_tried_again() {
    let mut conversation = side(Instant::now(), 0, paired_with(1));
    let now = Instant::now();
    conversation.handle(now, Input::Start);
    conversation.handle(now, Input::SocketOpen);
    conversation.handle(now + REGISTER_LIMIT, Input::Deadline);
    let outputs: Vec<_> = std::iter::from_fn(|| conversation.poll()).collect();
    assert!(outputs.contains(&Output::Disconnect));
    assert!(matches!(outputs.last(), Some(Output::Event(Event::Line(LineState::Offline { .. })))));
}

#[test]
fn media_that_fail_end_the_call_and_pause() {
    let mut world = World::connected();
    let session = world.media[0].clone().expect("a call");
    world.tell(0, Input::Media(session, MediaEvent::Failed("why".into())));
    assert!(world.was_told(0, &Event::Call(Phase::Idle, Some(Ending::Failed("why".into())))));
    assert_eq!(world.gates[0], Gate::Closed);
}
