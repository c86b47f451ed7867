//! Two sides, a server and their media on virtual time.

use std::{collections::BTreeSet, time::Duration};

use super::*;
use crate::{
    call::{Connection, Ending, MediaCommand, MediaEvent, Phase},
    negotiation::{Sdp, SdpType},
    pairing::PairingKey,
    rendezvous::ServerLine,
    seal::SecretKey,
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
    /// Per side: the connections its media have, the one that sends and plays first.
    media: [Vec<Connection>; 2],
    /// Per side: what a person was told.
    told: [Vec<Event>; 2],
    remembered: [Option<InstanceId>; 2],
    gates: [Gate; 2],
    offers: usize,
    /// A side that what is said does not reach.
    deaf: Option<usize>,
    /// A side whose media do not work.
    broken: Option<usize>,
}

fn instance(side: usize) -> InstanceId {
    InstanceId::from_bits(10 + side as u128)
}

fn key() -> PairingKey {
    PairingKey::from_bytes([3; 32])
}

fn secret(side: usize) -> SecretKey {
    SecretKey::from_bytes([50 + side as u8; 32])
}

fn side(now: Instant, side: usize, trust: Trust) -> Conversation {
    Conversation::new(Setup {
        conversation: ConversationId::from_bits(1),
        instance: instance(side),
        secret: secret(side),
        trust,
        expires: now + Duration::from_secs(86_400),
        seed: side as u64,
        resolver: seal::resolver,
    })
}

fn sdp() -> Sdp {
    Sdp::try_from("v=0\r\na=fingerprint:sha-256 AA\r\n".to_owned()).expect("an SDP")
}

impl World {
    fn new(trusts: [Trust; 2]) -> Self {
        let now = Instant::now();
        let [first, second] = trusts;
        Self {
            now,
            start: now,
            sides: [side(now, 0, first), side(now, 1, second)],
            queue: Vec::new(),
            sent: 0,
            room: BTreeSet::new(),
            server_up: true,
            media: [vec![], vec![]],
            told: [Vec::new(), Vec::new()],
            remembered: [None, None],
            gates: [Gate::Closed, Gate::Closed],
            offers: 0,
            deaf: None,
            broken: None,
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
            Output::Media(connection, command) => self.media(side, connection, command),
            Output::Gate(gate) => self.gates[side] = gate,
            Output::Remember { far, .. } => self.remembered[side] = Some(far),
            Output::Event(event) => self.told[side].push(event),
            Output::Track(..) | Output::ForgetKey | Output::Learned(_) => {}
        }
    }

    fn media(&mut self, side: usize, connection: Connection, command: MediaCommand) {
        let reply = |event| Arrival::Input(side, Input::Media(connection.clone(), event));
        match command {
            MediaCommand::Offer | MediaCommand::Answer(_) if self.broken == Some(side) => {
                self.later(reply(MediaEvent::Failed("why".into())));
            }
            MediaCommand::Offer => {
                self.offers += 1;
                self.media[side].push(connection.clone());
                self.later(reply(MediaEvent::Described(SdpType::Offer, sdp())));
            }
            MediaCommand::Answer(_) => {
                self.media[side].push(connection.clone());
                self.later(reply(MediaEvent::Described(SdpType::Answer, sdp())));
            }
            MediaCommand::TakeAnswer(_) => {
                for end in [side, 1 - side] {
                    self.later(Arrival::Input(end, Input::Media(connection.clone(), MediaEvent::DataOpen)));
                }
            }
            MediaCommand::SendData(text) if self.media[1 - side].contains(&connection) => {
                self.later(Arrival::Input(1 - side, Input::Media(connection, MediaEvent::DataText(text))));
            }
            MediaCommand::Close => self.media[side].retain(|other| *other != connection),
            MediaCommand::SendData(_) | MediaCommand::AddCandidate(_) => {}
        }
    }

    /// The program of a side is gone, and another takes its place, not begun yet.
    fn replace(&mut self, side_: usize, trust: Trust) {
        self.media[side_].clear();
        self.told[side_].clear();
        self.sides[side_] = side(self.now, side_, trust);
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
            ClientLine::RoomPeerMsg { text, .. } if self.room.contains(&other) && self.deaf != Some(other) => {
                self.later(Arrival::Input(other, say(ServerLine::RoomPeerMsg { from: uid(side), text })));
            }
            ClientLine::RoomPeerList => {
                let members = self.room.iter().filter(|member| **member != side).map(|member| uid(*member)).collect();
                self.later(Arrival::Input(side, say(ServerLine::RoomPeerList(members))));
            }
            ClientLine::RoomPeerMsg { .. } | ClientLine::Session(_) => {}
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

fn paired_with(far: usize) -> Trust {
    Trust::Paired { far: instance(far), key: secret(far).public(), spent: None }
}

fn waiting() -> Trust {
    Trust::Owner { code: key() }
}

fn reading(code: PairingKey) -> Trust {
    Trust::Reader { far: instance(0), code, key: None }
}

#[test]
fn a_code_pairs_two_sides_and_goes_down_on_both() {
    let mut world = World::new([waiting(), reading(key())]);
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
    let mut world = World::new([waiting(), reading(key())]);
    world.tell(0, Input::Start);
    world.tell(1, Input::Start);
    // Until the owner has remembered, but its word has not arrived.
    while world.remembered[0].is_none() {
        world.run(Duration::from_millis(1));
    }
    assert_eq!(world.remembered[1], None);
    world.queue.clear();
    world.leave(0);
    world.replace(0, Trust::Paired { far: instance(1), key: secret(1).public(), spent: Some(key().spent()) });
    world.tell(0, Input::Start);
    world.run(Duration::from_secs(5));
    assert_eq!(world.remembered[1], Some(instance(0)));
}

#[test]
fn what_media_find_out_late_is_not_said_before_the_two_have_met() {
    let mut conversation = side(Instant::now(), 0, paired_with(1));
    let now = Instant::now();
    conversation.handle(now, Input::Start);
    conversation.handle(now, Input::SocketOpen);
    let connection = Connection::first("abcd".parse().expect("an id"));
    conversation.handle(now, Input::Media(connection, MediaEvent::Described(SdpType::Answer, sdp())));
    let sent = std::iter::from_fn(|| conversation.poll()).filter(|output| matches!(output, Output::Send(_)));
    assert_eq!(sent.count(), 1, "HELLO and nothing else");
}

#[test]
fn media_that_always_fail_are_given_up_after_a_few_tries() {
    let mut world = World::paired();
    world.broken = Some(1);
    world.tell(0, Input::Unpause);
    world.run(Duration::from_secs(60));
    assert!(world.was_told(0, &Event::Call(Phase::Idle, Some(Ending::FarFailed))));
    assert!(world.was_told(1, &Event::Call(Phase::Idle, Some(Ending::Failed("why".into())))));
    assert!(world.both(Phase::Idle));
    assert_eq!(world.gates, [Gate::Closed; 2]);
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
    let mut world = World::new([waiting(), reading(key())]);
    world.tell(1, Input::Start);
    world.run(Duration::from_secs(5));
    world.tell(0, Input::Start);
    world.run(Duration::from_secs(1));
    assert_eq!(world.remembered, [Some(instance(1)), Some(instance(0))]);
}

#[test]
fn a_wrong_key_pairs_nobody_and_is_told_after_a_while() {
    let mut world = World::new([waiting(), reading(PairingKey::from_bytes([4; 32]))]);
    world.tell(0, Input::Start);
    world.tell(1, Input::Start);
    world.run(Duration::from_secs(10));
    assert_eq!(world.remembered, [None, None]);
    assert!(world.was_told(1, &Event::Suspicious(seal::Suspicion::Silent)));
}

#[test]
fn a_used_code_is_refused() {
    let used = Trust::Paired { far: instance(7), key: secret(7).public(), spent: Some(key().spent()) };
    let mut world = World::new([used, reading(key())]);
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
    assert!(world.media[0].is_empty());
}

#[test]
fn an_unused_code_is_erased_after_a_day() {
    let mut world = World::new([waiting(), reading(key())]);
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
            ("holding".into(), "false".into()),
            ("behind".into(), "0".into()),
        ])
    };
    assert!(world.was_told(0, &Event::FarProps(paused("true"))));
    assert!(world.was_told(1, &Event::FarProps(paused("false"))));
}

#[test]
fn the_second_to_unpause_negotiates_nothing() {
    let mut world = World::connected();
    let connections = world.media[0].clone();
    world.tell(1, Input::Unpause);
    world.run(Duration::from_secs(1));
    assert_eq!(world.gates, [Gate::Open; 2]);
    assert_eq!((world.offers, &world.media[1]), (1, &connections));
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
        assert!(world.both(Phase::Idle) && world.media == [vec![], vec![]]);
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
    assert_eq!(world.media, [vec![], vec![]]);
}

#[test]
fn hanging_up_before_the_answer_cancels_on_both_sides() {
    let mut world = World::paired();
    world.tell(0, Input::Unpause);
    world.run(Duration::from_millis(15));
    world.tell(0, Input::HangUp);
    world.run(Duration::from_secs(2));
    assert_eq!(world.media, [vec![], vec![]]);
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
fn a_far_side_that_dies_is_noticed_and_the_call_goes_on_when_it_is_back() {
    let mut world = World::connected();
    world.leave(1);
    world.replace(1, paired_with(0));
    world.run(Duration::from_millis(1600));
    assert!(world.was_told(0, &Event::Call(Phase::Reconnecting, Some(Ending::FarGone))));
    world.run(Duration::from_secs(3600));
    assert_eq!((world.gates[0], world.phase(0)), (Gate::Open, Phase::Reconnecting));
    world.tell(1, Input::Start);
    world.run(Duration::from_secs(1));
    assert!(world.both(Phase::Connected), "{:?}", world.told);
    assert_eq!(world.gates, [Gate::Open, Gate::Closed]);
}

#[test]
fn a_silent_death_without_a_word_of_the_server_is_noticed_within_three_seconds_too() {
    let mut world = World::connected();
    world.replace(1, paired_with(0));
    world.run(LIFE_LIMIT_AND_A_BIT);
    assert!(world.was_told(0, &Event::Call(Phase::Reconnecting, Some(Ending::FarGone))));
}

const LIFE_LIMIT_AND_A_BIT: Duration = Duration::from_millis(3100);

#[test]
fn a_far_side_that_closes_its_end_and_stays_away_has_hung_up() {
    let mut world = World::connected();
    let connection = world.media[0][0].clone();
    world.leave(1);
    world.replace(1, paired_with(0));
    world.tell(0, Input::Media(connection, MediaEvent::Closed));
    world.run(RETURN_LIMIT - Duration::from_millis(100));
    assert_eq!((world.gates[0], world.phase(0)), (Gate::Open, Phase::Reconnecting));
    world.run(Duration::from_millis(200));
    assert!(world.was_told(0, &Event::Call(Phase::Idle, Some(Ending::FarClosed))));
    assert_eq!((world.gates[0], world.phase(0)), (Gate::Closed, Phase::Idle));
}

#[test]
fn a_page_that_is_reloaded_is_back_in_the_call_as_paused_as_it_was() {
    for open in [0, 1] {
        let mut world = World::paired();
        world.tell(open, Input::Unpause);
        world.run(Duration::from_secs(1));
        let connection = world.media[0][0].clone();
        world.leave(1);
        world.replace(1, paired_with(0));
        world.tell(0, Input::Media(connection, MediaEvent::Closed));
        world.run(Duration::from_millis(500));
        world.tell(1, Input::Start);
        if open == 1 {
            world.gates[1] = Gate::Closed;
            world.tell(1, Input::Unpause);
        }
        world.run(Duration::from_secs(1));
        assert!(world.both(Phase::Connected), "{:?}", world.told);
        world.run(RETURN_LIMIT * 2);
        assert!(
            world.both(Phase::Connected) && world.gates[open] == Gate::Open && world.gates[1 - open] == Gate::Closed
        );
    }
}

#[test]
fn hanging_up_on_a_far_side_that_is_gone_ends_what_was_to_go_on() {
    let mut world = World::connected();
    world.leave(1);
    world.replace(1, paired_with(0));
    world.run(Duration::from_secs(4));
    world.tell(0, Input::HangUp);
    assert!(world.was_told(0, &Event::Call(Phase::Idle, Some(Ending::HungUp))));
    world.tell(1, Input::Start);
    world.run(Duration::from_secs(5));
    assert!(world.both(Phase::Idle));
}

#[test]
fn another_network_gets_another_connection_without_a_pause() {
    for side in [0, 1] {
        let mut world = World::connected();
        let before = world.media.clone();
        world.leave(side);
        world.tell(side, Input::NetworkChanged);
        world.run(Duration::from_secs(1));
        assert!(world.both(Phase::Connected), "{:?}", world.told);
        assert_eq!(world.media[0].len(), 1);
        assert_eq!(world.media[0][0], Connection { generation: 1, ..before[0][0].clone() });
        assert_eq!(world.gates, [Gate::Open, Gate::Closed]);
        let interrupted = |event: &Event| matches!(event, Event::Call(Phase::Idle | Phase::Reconnecting, _));
        assert!((0..2).all(|side| !world.told[side].iter().any(interrupted)));
    }
}

#[test]
fn a_way_that_both_doubt_is_made_anew_once() {
    let mut world = World::connected();
    for side in [0, 1] {
        let connection = world.media[side][0].clone();
        world.tell(side, Input::Media(connection, MediaEvent::Disconnected));
    }
    world.run(Duration::from_secs(5));
    assert!(world.both(Phase::Connected));
    assert_eq!((world.media[0].len(), world.media[0][0].generation), (1, 1));
}

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
    world.replace(1, paired_with(0));
    world.leave(1);
    world.tell(1, Input::Start);
    world.tell(1, Input::Unpause);
    world.run(Duration::from_secs(1));
    assert!(world.both(Phase::Connected), "{:?}", world.told);
    assert_eq!(world.gates, [Gate::Open; 2]);
}

#[test]
fn what_belongs_to_another_call_is_dropped() {
    let mut world = World::connected();
    let other = Connection::first("other".parse().expect("an id"));
    world.tell(0, Input::Media(other, MediaEvent::Closed));
    assert!(world.both(Phase::Connected));
}

#[test]
fn an_unanswered_offer_is_tried_three_times_and_ends_in_plain_words() {
    let mut world = World::paired();
    let away = world.sides[1].far_uid().expect("a far side");
    assert!(world.sides[0].met, "{away}");
    world.deaf = Some(1);
    world.tell(0, Input::Unpause);
    world.run(Duration::from_secs(61));
    assert!(world.was_told(0, &Event::Call(Phase::Idle, Some(Ending::NoAnswer))));
    assert_eq!(world.gates[0], Gate::Open);
    world.run(Duration::from_secs(200));
    assert_eq!((world.gates[0], world.offers), (Gate::Closed, 3));
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
fn media_that_fail_in_a_call_make_it_begin_anew() {
    let mut world = World::connected();
    let connection = world.media[0][0].clone();
    world.tell(0, Input::Media(connection, MediaEvent::Failed("why".into())));
    assert!(world.was_told(0, &Event::Call(Phase::Reconnecting, Some(Ending::Failed("why".into())))));
    world.run(Duration::from_secs(5));
    assert!(world.both(Phase::Connected));
    assert_eq!(world.gates, [Gate::Open, Gate::Closed]);
}

#[test]
fn a_far_side_that_the_server_did_not_announce_is_looked_for() {
    let mut world = World::paired();
    world.tell(0, Input::Line(ServerLine::RoomPeerLeft(instance(1).uid(&ConversationId::from_bits(1)))));
    world.run(Duration::from_secs(60));
    assert!(!world.sides[0].met, "nobody wants anything");
    world.tell(0, Input::Unpause);
    world.run(LOOK_INTERVAL + Duration::from_secs(1));
    assert!(world.both(Phase::Connected), "{:?}", world.told);
}

#[test]
fn a_far_side_that_is_not_there_after_all_is_not_suspicious() {
    let mut world = World::new([paired_with(1), paired_with(0)]);
    world.tell(0, Input::Start);
    world.tell(0, Input::Unpause);
    world.run(Duration::from_secs(1));
    world.tell(0, Input::Line(ServerLine::RoomPeerJoined(instance(1).uid(&ConversationId::from_bits(1)))));
    world.run(Duration::from_secs(60));
    assert!(!world.was_told(0, &Event::Suspicious(seal::Suspicion::Silent)));
}

#[test]
fn a_far_side_that_closes_its_end_may_say_yet_that_it_hung_up() {
    let mut world = World::connected();
    let connection = world.media[0][0].clone();
    world.tell(0, Input::Media(connection, MediaEvent::Closed));
    world.run(Duration::from_millis(900));
    assert_eq!((world.offers, world.phase(0)), (1, Phase::Reconnecting));
    world.run(Duration::from_secs(1));
    assert!(world.both(Phase::Connected), "{:?}", world.told);
}
