//! Rooms: many media in one process, with nothing but their own words between them.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use twocan::{
    call::{Connection, MediaCommand, MediaEvent},
    conversation::Gate,
    ids::SessionId,
    media::{Choice, Event, Far, Media, Options, Picture},
    negotiation::SdpType,
    rt,
};

use crate::pair::{LIMIT, keep_threads};

/// The members' tones: far enough from each other, and from each other's multiples.
pub const TONES: [u32; 8] = [440, 523, 587, 698, 784, 932, 1109, 1245];
const COLOURS: [&str; 5] = ["red", "green", "blue", "white", "black"];

pub struct Room {
    pub members: Vec<Member>,
    connections: u64,
}

pub struct Member {
    pub media: Media,
    pub events: rt::Receiver<Event>,
    /// To whom, by their place among the members.
    pub to: BTreeMap<usize, Connection>,
    pub connected: Vec<usize>,
    /// The tones heard last.
    pub tones: Vec<u32>,
    pub pictures: BTreeMap<usize, Picture>,
    /// How loud each connection was last.
    pub heard: BTreeMap<SessionId, f64>,
}

impl Room {
    pub fn new(count: usize) -> Self {
        Self { members: (0..count).map(Member::new).collect(), connections: 0 }
    }

    pub fn connected(count: usize) -> Self {
        let mut room = Self::new(count);
        for newcomer in 0..count {
            (0..newcomer).for_each(|there| room.connect(newcomer, there));
        }
        room.wait("all connected", |room| room.members.iter().all(|member| member.connected.len() == count - 1));
        room
    }

    /// Lets `newcomer` offer to who is `there`.
    pub fn connect(&mut self, newcomer: usize, there: usize) {
        self.connections += 1;
        let connection = Connection::first(SessionId::from_bits(self.connections));
        self.members[newcomer].to.insert(there, connection.clone());
        self.members[there].to.insert(newcomer, connection.clone());
        self.members[newcomer].media.call(connection, MediaCommand::Offer);
    }

    /// Lets `one` go from `other`, at the other's side.
    pub fn close(&mut self, at: usize, to: usize) {
        let member = &mut self.members[at];
        member.connected.retain(|other| *other != to);
        if let Some(connection) = member.to.remove(&to) {
            member.media.call(connection, MediaCommand::Close);
        }
    }

    pub fn set_gates(&self, gate: Gate) {
        self.members.iter().for_each(|member| member.media.set_gate(gate));
    }

    /// Carries words until `done`.
    pub fn wait(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let until = Instant::now() + 2 * LIMIT;
        while !done(self) {
            if Instant::now() > until {
                let heard: Vec<_> = self.members.iter().map(|member| (&member.tones, &member.connected)).collect();
                panic!("waited in vain for: {what}; {heard:?}");
            }
            if !self.carry() {
                std::thread::sleep(Duration::from_micros(500));
            }
        }
    }

    /// Carries what is there; whether it was anything.
    pub fn carry(&mut self) -> bool {
        let mut any = false;
        for at in 0..self.members.len() {
            while let Ok(event) = self.members[at].events.try_recv() {
                any = true;
                self.take(at, event);
            }
        }
        any
    }

    fn take(&mut self, at: usize, event: Event) {
        let whose = |member: &Member, of: &Connection| {
            member.to.iter().find(|(_, connection)| *connection == of).map(|(other, _)| *other)
        };
        let member = &mut self.members[at];
        match event {
            Event::Call(connection, event) => {
                let Some(other) = whose(member, &connection) else { return };
                let command = match event {
                    MediaEvent::Described(SdpType::Offer, sdp) => MediaCommand::Answer(sdp),
                    MediaEvent::Described(SdpType::Answer, sdp) => MediaCommand::TakeAnswer(sdp),
                    MediaEvent::Candidate(candidate) => MediaCommand::AddCandidate(candidate),
                    MediaEvent::Connected => return member.connected.push(other),
                    MediaEvent::Failed(why) => panic!("{at}: {why}"),
                    MediaEvent::DataOpen | MediaEvent::DataText(_) | MediaEvent::Disconnected | MediaEvent::Closed => {
                        return;
                    }
                };
                let there = &self.members[other];
                if there.to.values().any(|of| *of == connection) {
                    there.media.call(connection, command);
                }
            }
            Event::Tones(tones) => member.tones = tones.iter().map(|tone| tone.hz.round() as u32).collect(),
            Event::Heard(connection, db) => drop(member.heard.insert(connection.session, db)),
            Event::Seen(connection, picture) => {
                if let Some(other) = whose(member, &connection) {
                    member.pictures.insert(other, picture);
                }
            }
            Event::Unusable(error) => panic!("{error}"),
            Event::Notice(text) => panic!("{text}"),
            _ => {}
        }
    }

    /// The longest time for which `at` does not hear `whom`, from before `event` until so long after it.
    pub fn longest_gap(&mut self, at: usize, whom: usize, after: Duration, event: impl FnOnce(&mut Self)) -> Duration {
        let connection = self.members[at].to[&whom].clone();
        let begun = Instant::now();
        let (mut event, mut last, mut longest) = (Some(event), begun, Duration::ZERO);
        while begun.elapsed() < after {
            if begun.elapsed() > after / 3
                && let Some(event) = event.take()
            {
                event(self);
            }
            self.members[at].heard.remove(&connection.session);
            self.carry();
            if let Some(db) = self.members[at].heard.get(&connection.session)
                && *db > -20.0
            {
                longest = longest.max(last.elapsed());
                last = Instant::now();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        longest.max(last.elapsed())
    }

    /// Waits until each of these hears all the others of them, and nothing else.
    pub fn hear_each_other(&mut self, members: &[usize]) {
        self.wait(&format!("{members:?} hear each other"), |room| {
            members.iter().all(|at| {
                let wanted = members.iter().filter(|other| *other != at).map(|other| TONES[*other]);
                are(&room.members[*at].tones, &wanted.collect::<Vec<_>>())
            })
        });
    }
}

/// Whether a picture has the colour of this member.
pub fn is_of(member: usize, picture: &Picture) -> bool {
    let colour = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255; 3], [0; 3]][member % COLOURS.len()];
    picture.rgb.iter().zip(colour).all(|(seen, wanted)| seen.abs_diff(wanted) < 40)
}

/// Whether these tones are heard, and no others.
pub fn are(heard: &[u32], wanted: &[u32]) -> bool {
    let mut wanted = wanted.to_vec();
    wanted.sort_unstable();
    heard.len() == wanted.len() && heard.iter().zip(&wanted).all(|(heard, wanted)| heard.abs_diff(*wanted) <= 8)
}

impl Member {
    pub fn new(at: usize) -> Self {
        keep_threads();
        let test = |detail: String| Choice::Test(Some(detail));
        let options = Options {
            microphone: test(TONES[at].to_string()),
            camera: test(COLOURS[at % COLOURS.len()].to_owned()),
            speaker: Choice::Test(None),
            window: Choice::Test(None),
            address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            far: Far::Stock,
            ..Options::default()
        };
        let (sender, events) = rt::channel(65_536);
        let media = Media::start_room(options, sender).expect("media");
        let (to, pictures, heard) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { media, events, to, connected: Vec::new(), tones: Vec::new(), pictures, heard }
    }
}
