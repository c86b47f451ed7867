//! A room on virtual time: this side, and members that are played by hand.

use super::*;
use crate::negotiation::{Candidate, Message, Sdp, SdpType};

struct World {
    room: Room,
    now: Instant,
    outputs: Vec<Output>,
}

impl World {
    /// A side that is in a room with these.
    fn joined(there: &[&str]) -> Self {
        let mut world = Self::new();
        world.join(there);
        world
    }

    fn new() -> Self {
        let setup = Setup { room: "tea".parse().unwrap(), seed: 7 };
        let mut world = Self { room: Room::new(setup), now: Instant::now(), outputs: Vec::new() };
        world.input(Input::Start);
        world
    }

    fn join(&mut self, there: &[&str]) {
        self.input(Input::SocketOpen);
        self.line("HELLO");
        self.line(&format!("ROOM_OK {}", there.join(" ")));
    }

    fn input(&mut self, input: Input) {
        self.room.handle(self.now, input);
        self.outputs.extend(std::iter::from_fn(|| self.room.poll()));
    }

    fn line(&mut self, line: &str) {
        self.input(Input::Line(line.parse().unwrap()));
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.room.deadline().filter(|due| *due <= until) {
            assert!(due >= self.now, "a deadline that is over stays due");
            self.now = due;
            self.input(Input::Deadline);
            assert!(self.room.deadline().is_none_or(|next| next > due), "a deadline is never done with");
        }
        self.now = until;
    }

    fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// What the media were told, and what was shown, since this was asked last.
    fn media(&mut self) -> Vec<(Connection, MediaCommand)> {
        let media = |output| match output {
            Output::Media(connection, command) => Some((connection, command)),
            Output::Connect
            | Output::Disconnect
            | Output::Send(_)
            | Output::Gate(_)
            | Output::Track(..)
            | Output::Event(_) => None,
        };
        self.take().into_iter().filter_map(media).collect()
    }

    fn events(&mut self) -> Vec<Event> {
        let event = |output| match output {
            Output::Event(event) => Some(event),
            Output::Connect
            | Output::Disconnect
            | Output::Send(_)
            | Output::Gate(_)
            | Output::Track(..)
            | Output::Media(..) => None,
        };
        self.take().into_iter().filter_map(event).collect()
    }

    fn lines(&mut self) -> Vec<String> {
        let line = |output| match output {
            Output::Send(line) => Some(line.to_string()),
            Output::Connect
            | Output::Disconnect
            | Output::Media(..)
            | Output::Gate(_)
            | Output::Track(..)
            | Output::Event(_) => None,
        };
        self.take().into_iter().filter_map(line).collect()
    }

    /// Brings what was begun with a member up; its connection.
    fn up(&mut self, uid: &str) -> Connection {
        let (connection, command) = self.media().pop().expect("something was begun");
        match command {
            MediaCommand::Offer => {
                self.input(Input::Media(connection.clone(), MediaEvent::Described(SdpType::Offer, sdp())));
                self.says(uid, &Message::Description(SdpType::Answer, sdp()));
            }
            MediaCommand::Answer(_) => {
                self.input(Input::Media(connection.clone(), MediaEvent::Described(SdpType::Answer, sdp())));
            }
            MediaCommand::TakeAnswer(_)
            | MediaCommand::AddCandidate(_)
            | MediaCommand::SendData(_)
            | MediaCommand::Close => panic!("{command:?}"),
        }
        self.input(Input::Media(connection.clone(), MediaEvent::Connected));
        connection
    }

    fn says(&mut self, uid: &str, message: &Message) {
        self.line(&format!("ROOM_PEER_MSG {uid} {message}"));
    }

    fn offers(&mut self, uid: &str) {
        self.says(uid, &Message::Description(SdpType::Offer, sdp()));
    }
}

fn sdp() -> Sdp {
    Sdp::try_from("v=0\r\na=fingerprint:sha-256 AB\r\n".to_owned()).unwrap()
}

fn uid(text: &str) -> PeerUid {
    text.parse().unwrap()
}

fn is(uid: &str, state: MemberState) -> Event {
    Event::Member(uid.parse().unwrap(), state, None)
}

#[test]
fn who_comes_registers_by_a_number_and_offers_to_everybody_who_is_there() {
    let mut world = World::new();
    world.input(Input::SocketOpen);
    let hello = world.lines().pop().unwrap();
    let number = hello.strip_prefix("HELLO ").unwrap();
    assert!(number.len() == 9 && number.bytes().all(|digit| digit.is_ascii_digit()), "{hello}");
    world.line("HELLO");
    assert_eq!(world.lines(), ["ROOM tea"]);
    world.line("ROOM_OK 1 2");
    let media = world.media();
    assert_eq!(media.iter().map(|(_, command)| command.clone()).collect::<Vec<_>>(), vec![MediaCommand::Offer; 2]);
    let connection = media[1].0.clone();
    world.input(Input::Media(connection, MediaEvent::Described(SdpType::Offer, sdp())));
    let offer = Message::Description(SdpType::Offer, sdp());
    assert_eq!(world.lines(), [format!("ROOM_PEER_MSG 2 {offer}")]);
}

#[test]
fn who_is_there_waits_for_the_newcomer_and_answers() {
    let mut world = World::joined(&[]);
    world.line("ROOM_PEER_JOINED 5");
    assert!(world.events().contains(&is("5", MemberState::Here)));
    assert_eq!(world.media(), [], "who comes offers");
    world.offers("5");
    let connection = world.up("5");
    assert!(world.events().ends_with(&[is("5", MemberState::Connected)]));
    assert_eq!(world.room.member(&connection), Some(&uid("5")));
}

#[test]
fn what_nobody_need_understand_is_not_answered() {
    let mut world = World::joined(&["1"]);
    let _ = world.up("1");
    world.take();
    for text in
        ["OFFER_REQUEST", "", "{", "{}", "ERROR x", "{\"msg\":1}", "{\"sdp\":{\"type\":\"offer\",\"sdp\":\"x\"}}"]
    {
        world.line(&format!("ROOM_PEER_MSG 1 {text}"));
        world.line(&format!("ROOM_PEER_MSG stranger {text}"));
    }
    world.offers("stranger");
    world.line("ERROR peer '9' not found");
    world.line("SESSION_OK");
    assert_eq!(world.take(), []);
}

#[test]
fn who_leaves_is_told_at_once_and_its_connection_goes_soon() {
    let mut world = World::joined(&["1"]);
    let connection = world.up("1");
    world.take();
    world.line("ROOM_PEER_LEFT 1");
    assert_eq!(world.take(), [Output::Event(is("1", MemberState::Left))]);
    world.pass(LEAVE_GRACE);
    assert_eq!(world.media(), [(connection, MediaCommand::Close)]);
    assert_eq!(world.room.deadline(), None);
}

#[test]
fn a_member_that_only_lost_its_line_keeps_its_connection_until_the_next_stands() {
    let mut world = World::joined(&["1"]);
    let first = world.up("1");
    world.take();
    world.line("ROOM_PEER_LEFT 1");
    world.pass(LEAVE_GRACE / 2);
    world.line("ROOM_PEER_JOINED 1");
    world.pass(LEAVE_GRACE);
    assert_eq!(world.media(), [], "kept");
    world.offers("1");
    let second = world.up("1");
    assert_ne!(first, second);
    assert_eq!(world.media(), [(first, MediaCommand::Close)]);
}

#[test]
fn a_page_that_is_loaded_again_is_here_and_connecting_before_it_is_connected() {
    let mut world = World::joined(&[]);
    let states = |world: &mut World| {
        let state = |event| if let Event::Member(_, state, _) = event { Some(state) } else { None };
        world.events().into_iter().filter_map(state).collect::<Vec<_>>()
    };
    world.line("ROOM_PEER_JOINED 1");
    world.take();
    world.offers("1");
    world.up("1");
    world.take();
    world.line("ROOM_PEER_LEFT 1");
    world.line("ROOM_PEER_JOINED 1");
    assert_eq!(states(&mut world), [MemberState::Left, MemberState::Here]);
    world.offers("1");
    let before = world.take();
    let told = |output: &Output| matches!(output, Output::Event(Event::Member(_, MemberState::Connecting, None)));
    assert!(before.iter().any(told), "{before:?}");
    world.outputs = before.into_iter().filter(|output| !told(output)).collect();
    world.up("1");
    assert_eq!(states(&mut world), [MemberState::Connected]);
}

#[test]
fn a_lost_line_is_made_anew_and_the_connections_go_on_meanwhile() {
    let mut world = World::joined(&["1", "2"]);
    let media = world.media();
    for (connection, member) in media.iter().map(|(connection, _)| connection.clone()).zip(["1", "2"]) {
        world.input(Input::Media(connection.clone(), MediaEvent::Described(SdpType::Offer, sdp())));
        world.says(member, &Message::Description(SdpType::Answer, sdp()));
        world.input(Input::Media(connection, MediaEvent::Connected));
    }
    world.take();
    world.input(Input::SocketClosed);
    world.pass(Duration::from_secs(1));
    assert!(world.outputs.contains(&Output::Connect));
    assert_eq!(world.media(), []);
    world.join(&["2"]);
    let began = world.media();
    assert_eq!(began.len(), 1, "only who is there is offered to: {began:?}");
    world.pass(RETURN_GRACE - Duration::from_secs(1));
    assert!(!world.media().contains(&(media[0].0.clone(), MediaCommand::Close)), "1 may yet come back");
    world.line("ROOM_PEER_JOINED 1");
    world.pass(RETURN_GRACE);
    assert!(!world.media().contains(&(media[0].0.clone(), MediaCommand::Close)), "it has");
}

#[test]
fn who_does_not_come_back_is_forgotten() {
    let mut world = World::joined(&["1"]);
    let connection = world.up("1");
    world.take();
    world.input(Input::SocketClosed);
    world.pass(Duration::from_secs(1));
    world.join(&[]);
    world.pass(RETURN_GRACE);
    assert_eq!(world.media(), [(connection, MediaCommand::Close)]);
}

#[test]
fn a_connection_that_breaks_is_made_anew_by_who_came_later_and_not_for_ever() {
    let mut world = World::joined(&["1"]);
    let connection = world.up("1");
    world.take();
    world.input(Input::Media(connection.clone(), MediaEvent::Failed("broken".into())));
    assert!(world.events().contains(&Event::Member(uid("1"), MemberState::Here, Some("broken".into()))));
    let mut tries = 0;
    loop {
        world.pass(Duration::from_secs(90));
        let offers: Vec<_> = world.media().into_iter().filter(|(_, command)| *command == MediaCommand::Offer).collect();
        let Some((connection, _)) = offers.last() else { break };
        tries += offers.len();
        world.input(Input::Media(connection.clone(), MediaEvent::Failed("broken".into())));
    }
    assert!((5..=8).contains(&tries), "{tries}");
    let mut other = World::joined(&[]);
    other.line("ROOM_PEER_JOINED 1");
    other.offers("1");
    let connection = other.up("1");
    other.take();
    other.input(Input::Media(connection, MediaEvent::Failed("broken".into())));
    other.pass(Duration::from_secs(600));
    assert!(!other.media().iter().any(|(_, command)| *command == MediaCommand::Offer), "the other offers");
}

#[test]
fn the_ninth_is_connected_to_nobody_until_one_leaves_and_both_sides_say_so() {
    let there = ["1", "2", "3", "4", "5", "6", "7", "8"];
    let mut ninth = World::joined(&there);
    let said = ninth.take();
    assert!(said.contains(&Output::Event(Event::Full(true))));
    assert!(!said.iter().any(|output| matches!(output, Output::Media(..))), "{said:?}");
    ninth.line("ROOM_PEER_JOINED 10");
    ninth.offers("10");
    assert_eq!(ninth.media(), [], "who comes after the ninth is no better off");
    ninth.line("ROOM_PEER_LEFT 3");
    let said = ninth.take();
    assert!(said.contains(&Output::Event(Event::Full(false))));
    let offers = said.iter().filter(|output| matches!(output, Output::Media(_, MediaCommand::Offer)));
    assert_eq!(offers.count(), 7);

    let mut eighth = World::joined(&there[..7]);
    // Connected to all of them, of whom one is kept for a while after it has left.
    for (at, (connection, _)) in eighth.media().into_iter().enumerate() {
        eighth.input(Input::Media(connection.clone(), MediaEvent::Described(SdpType::Offer, sdp())));
        eighth.says(there[at], &Message::Description(SdpType::Answer, sdp()));
        eighth.input(Input::Media(connection, MediaEvent::Connected));
    }
    eighth.take();
    eighth.line("ROOM_PEER_JOINED 9");
    assert_eq!(eighth.events(), [is("9", MemberState::TooMany)]);
    eighth.offers("9");
    assert_eq!(eighth.media(), []);
    eighth.line("ROOM_PEER_LEFT 3");
    eighth.take();
    eighth.offers("9");
    assert!(matches!(eighth.media()[..], [(_, MediaCommand::Answer(_))]));
}

#[test]
fn a_number_that_is_taken_is_drawn_anew() {
    let mut world = World::new();
    world.input(Input::SocketOpen);
    let first = world.lines();
    world.line("ERROR peer uid taken");
    world.input(Input::SocketClosed);
    world.pass(Duration::from_secs(1));
    world.input(Input::SocketOpen);
    let second = world.lines();
    assert!(first != second && second[0].starts_with("HELLO "), "{first:?} {second:?}");
}

#[test]
fn a_server_that_says_nothing_is_tried_again() {
    let mut world = World::new();
    world.input(Input::SocketOpen);
    world.take();
    world.pass(Duration::from_secs(10));
    let said = world.take();
    assert!(said.contains(&Output::Disconnect) && said.contains(&Output::Connect), "{said:?}");
}

#[test]
fn a_member_that_offers_without_end_costs_no_more_than_so_many_connections() {
    let mut world = World::joined(&[]);
    world.line("ROOM_PEER_JOINED 1");
    (0..1000).for_each(|_| world.offers("1"));
    let media = world.media();
    let count = |is: fn(&MediaCommand) -> bool| media.iter().filter(|(_, command)| is(command)).count();
    assert_eq!(count(|command| matches!(command, MediaCommand::Answer(_))), 16);
    assert_eq!(count(|command| *command == MediaCommand::Close), 15, "one at a time");
}

#[test]
fn a_server_that_names_everybody_is_not_believed() {
    let names: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
    let mut world = World::joined(&names.iter().map(String::as_str).collect::<Vec<_>>());
    names.iter().for_each(|name| world.line(&format!("ROOM_PEER_JOINED x{name}")));
    assert!(world.room.members.len() <= MEMBERS_KNOWN);
}

#[test]
fn the_gate_and_what_is_kept_back_are_told_and_done() {
    let mut world = World::joined(&["1"]);
    world.take();
    world.input(Input::Gate(Gate::Open));
    world.input(Input::Gate(Gate::Open));
    assert_eq!(world.take(), [Output::Gate(Gate::Open), Output::Event(Event::Gate(Gate::Open))]);
    world.input(Input::Track(Track::Camera, Switch::Off));
    let track = [Output::Track(Track::Camera, Switch::Off), Output::Event(Event::Track(Track::Camera, Switch::Off))];
    assert_eq!(world.take(), track);
}

/// Whatever comes, in whatever order: never more connections than there may be, and every one is closed in the end.
#[test]
fn connections_stay_within_bounds_and_are_all_closed_whatever_comes() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut world = World::new();
        let mut open = std::collections::BTreeMap::new();
        for _ in 0..200 {
            let who = random.u32(1..12).to_string();
            match random.u32(0..12) {
                0 => world.input(Input::SocketOpen),
                1 => world.input(Input::SocketClosed),
                2 => world.line("HELLO"),
                3 => world.line(&format!("ROOM_OK {who} {}", random.u32(1..12))),
                4 | 5 => world.line(&format!("ROOM_PEER_JOINED {who}")),
                6 => world.line(&format!("ROOM_PEER_LEFT {who}")),
                7 | 8 => world.offers(&who),
                9 => world.says(&who, &Message::Description(SdpType::Answer, sdp())),
                10 => world.pass(Duration::from_millis(random.u64(0..5000))),
                _ => {
                    let all: Vec<Connection> = open.values().cloned().collect();
                    if let Some(connection) = random.choice(&all).cloned() {
                        let failed = || MediaEvent::Failed("x".into());
                        let event = if random.u32(0..4) == 0 { failed() } else { MediaEvent::Connected };
                        world.input(Input::Media(connection, event));
                    }
                }
            }
            for (connection, command) in world.media() {
                let name = connection.session.clone();
                match command {
                    MediaCommand::Offer | MediaCommand::Answer(_) => drop(open.insert(name, connection)),
                    MediaCommand::Close => assert!(open.remove(&name).is_some(), "seed {seed}"),
                    MediaCommand::TakeAnswer(_) | MediaCommand::AddCandidate(_) | MediaCommand::SendData(_) => {
                        assert!(open.contains_key(&name), "seed {seed}: {command:?}");
                    }
                }
            }
            // Each member has one connection, and a second that is to take its place.
            assert!(open.len() <= 2 * 11, "seed {seed}: {}", open.len());
        }
        world.input(Input::SocketClosed);
        world.pass(Duration::from_secs(10));
        world.join(&[]);
        world.pass(Duration::from_secs(120));
        for (connection, command) in world.media() {
            if command == MediaCommand::Close {
                open.remove(&connection.session);
            } else {
                open.insert(connection.session.clone(), connection);
            }
        }
        assert!(open.is_empty(), "seed {seed}: {open:?}");
        assert!(world.room.members.is_empty(), "seed {seed}");
    }
}

#[test]
fn what_comes_before_the_offer_is_kept_for_it() {
    let candidate = |name: String| Candidate { candidate: name, mid: None, m_line_index: 0 };
    let mut world = World::joined(&[]);
    world.line("ROOM_PEER_JOINED 1");
    (0..1000).for_each(|number| world.says("1", &Message::Candidate(candidate(number.to_string()))));
    assert_eq!(world.media(), []);
    world.offers("1");
    let media = world.media();
    assert!(matches!(media[0].1, MediaCommand::Answer(_)));
    let added: Vec<_> = media[1..].iter().map(|(_, command)| command.clone()).collect();
    let wanted: Vec<_> = (0..64).map(|number| MediaCommand::AddCandidate(candidate(number.to_string()))).collect();
    assert_eq!(added, wanted);

    // The member offers anew beside what stands, its candidates first.
    let mut world = World::joined(&["1"]);
    let first = world.up("1");
    world.take();
    world.says("1", &Message::Candidate(candidate("x".into())));
    world.offers("1");
    let add = MediaCommand::AddCandidate(candidate("x".into()));
    assert!(world.media().iter().any(|(connection, command)| *connection != first && *command == add));
}

#[test]
fn a_server_that_says_when_it_is_back_is_left_in_peace_until_then() {
    let mut world = World::joined(&[]);
    world.input(Input::ServerStops(BackIn::new(Duration::from_secs(8))));
    world.input(Input::SocketClosed);
    world.take();
    world.pass(Duration::from_secs(7));
    assert!(!world.take().contains(&Output::Connect));
    world.pass(Duration::from_secs(5));
    assert!(world.take().contains(&Output::Connect));
}

/// Two rooms against each other: what the one says the other hears, later.
struct Pair {
    rooms: [Room; 2],
    now: Instant,
    said: VecDeque<(usize, String)>,
    /// Per side, the connections that are offered, answered, and up.
    offered: [usize; 2],
    answered: [usize; 2],
    up: [Vec<Connection>; 2],
    open: [Vec<Connection>; 2],
}

impl Pair {
    fn new(seeds: [u64; 2]) -> Self {
        let room = |seed| Room::new(Setup { room: "tea".parse().unwrap(), seed });
        let (rooms, said) = (seeds.map(room), VecDeque::new());
        let (up, open) = Default::default();
        let mut pair = Self { rooms, now: Instant::now(), said, offered: [0; 2], answered: [0; 2], up, open };
        for side in 0..2 {
            let other = pair.rooms[1 - side].uid.clone();
            pair.give(side, Input::Start);
            pair.give(side, Input::SocketOpen);
            pair.give(side, Input::Line(ServerLine::Hello));
            // Each came back to find the other there: both offer.
            pair.give(side, Input::Line(ServerLine::RoomOk(vec![other])));
        }
        pair
    }

    fn give(&mut self, side: usize, input: Input) {
        self.rooms[side].handle(self.now, input);
        while let Some(output) = self.rooms[side].poll() {
            match output {
                Output::Send(ClientLine::RoomPeerMsg { text, .. }) => self.said.push_back((side, text)),
                Output::Media(connection, command) => self.media(side, connection, command),
                Output::Send(_)
                | Output::Connect
                | Output::Disconnect
                | Output::Gate(_)
                | Output::Track(..)
                | Output::Event(_) => {}
            }
        }
    }

    fn media(&mut self, side: usize, connection: Connection, command: MediaCommand) {
        let described = |kind| Input::Media(connection.clone(), MediaEvent::Described(kind, sdp()));
        match command {
            MediaCommand::Offer => {
                self.offered[side] += 1;
                self.open[side].push(connection.clone());
                self.give(side, described(SdpType::Offer));
            }
            MediaCommand::Answer(_) => {
                self.answered[side] += 1;
                self.open[side].push(connection.clone());
                self.give(side, described(SdpType::Answer));
                self.up[side].push(connection);
            }
            MediaCommand::TakeAnswer(_) => self.up[side].push(connection),
            MediaCommand::Close => {
                self.open[side].retain(|open| *open != connection);
                self.up[side].retain(|up| *up != connection);
            }
            MediaCommand::AddCandidate(_) | MediaCommand::SendData(_) => {}
        }
    }

    /// Has everything arrive that was said.
    fn settle(&mut self) {
        while let Some((side, text)) = self.said.pop_front() {
            let from = self.rooms[side].uid.clone();
            self.give(1 - side, Input::Line(ServerLine::RoomPeerMsg { from, text }));
        }
    }
}

#[test]
fn of_two_offers_that_cross_the_greater_uids_stands() {
    for seed in 0..100 {
        let mut pair = Pair::new([seed, seed + 1000]);
        assert_eq!(pair.offered, [1, 1], "they cross");
        pair.settle();
        let greater = usize::from(pair.rooms[1].uid > pair.rooms[0].uid);
        let mut answered = [1, 1];
        answered[greater] = 0;
        assert_eq!(pair.answered, answered, "seed {seed}");
        for side in 0..2 {
            assert_eq!((pair.up[side].len(), pair.open[side].len()), (1, 1), "seed {seed}: one connection each");
            let connection = pair.up[side][0].clone();
            pair.give(side, Input::Media(connection, MediaEvent::Connected));
        }
        let states = pair.rooms.each_mut().map(|room| room.members.values_mut().all(|member| member.is_on()));
        assert_eq!((states, pair.offered), ([true, true], [1, 1]), "seed {seed}: nothing is tried again");
    }
}
