//! The media's connections as real ones behave, without sound or picture: descriptions, candidates, a data channel.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use twocan::{
    call::{Connection, MediaCommand, MediaEvent},
    conversation::Input,
    negotiation::{Candidate, Sdp, SdpType},
};

use crate::{
    trace,
    world::{Happening, World},
};

/// How long after an end is closed its description may still arrive: what a server holds up, and more.
const STALE: Duration = Duration::from_secs(10);

/// One end of a connection; its place in the list is the mark in its description.
#[derive(Debug)]
pub struct End {
    pub side: usize,
    pub run: u32,
    pub connection: Connection,
    /// The end whose description this one took.
    pub far: Option<usize>,
    pub is_closed: bool,
    closed: Option<Instant>,
    /// The data channel is open here.
    pub is_open: bool,
    is_described: bool,
    has_candidate: bool,
    is_opening: bool,
    /// The network that it was made on.
    network: u32,
    last: Instant,
    /// Requests on the data channel that are not answered: PROPSYNC, HANGUP.
    asked: [u32; 2],
    held: VecDeque<String>,
}

/// Every end there ever was, and how well ends are made at the moment.
#[derive(Debug, Default)]
pub struct Medium {
    pub ends: Vec<End>,
    /// Nothing gets through between the two at the moment.
    pub is_cut: bool,
    /// How often making a description fails, and how often it takes seconds.
    pub fails: f64,
    pub slow: f64,
}

impl Medium {
    /// The ends of a side's present run that are not closed.
    pub fn living(&self, side: usize, run: u32) -> impl Iterator<Item = (usize, &End)> {
        self.ends.iter().enumerate().filter(move |(_, end)| end.side == side && end.run == run && !end.is_closed)
    }

    /// Whether the two ends took each other's descriptions and neither is closed.
    pub fn are_paired(&self, end: usize, far: usize) -> bool {
        let (a, b) = (&self.ends[end], &self.ends[far]);
        a.far == Some(far) && b.far == Some(end) && !a.is_closed && !b.is_closed
    }
}

fn describe(mark: usize) -> Sdp {
    Sdp::try_from(format!("v=0\r\na=fingerprint:sha-256 {mark}\r\n")).expect("a description")
}

/// The end that made this description.
pub fn mark(sdp: &Sdp) -> Option<usize> {
    sdp.as_str().strip_prefix("v=0\r\na=fingerprint:sha-256 ")?.strip_suffix("\r\n")?.parse().ok()
}

impl World {
    pub fn media_command(&mut self, side: usize, connection: &Connection, command: MediaCommand) {
        let run = self.sides[side].runs;
        let known = self
            .medium
            .ends
            .iter()
            .rposition(|end| end.side == side && end.run == run && end.connection == *connection && !end.is_closed);
        match (command, known) {
            (MediaCommand::Offer, _) => self.make_end(side, connection, SdpType::Offer, None),
            (MediaCommand::Answer(sdp), _) => {
                let far = self.check_description(side, connection, &sdp);
                self.make_end(side, connection, SdpType::Answer, Some(far));
            }
            (MediaCommand::TakeAnswer(sdp), Some(end)) => {
                let far = self.check_description(side, connection, &sdp);
                self.medium.ends[end].far = Some(far);
                self.try_to_open(end);
            }
            (MediaCommand::AddCandidate(_), Some(end)) => {
                self.medium.ends[end].has_candidate = true;
                self.try_to_open(end);
            }
            (MediaCommand::SendData(text), Some(end)) => self.send_data(end, text),
            (MediaCommand::Close, Some(end)) => self.close_end(end),
            (MediaCommand::TakeAnswer(_) | MediaCommand::AddCandidate(_), None) => {
                panic!("side {side} takes for {} what cannot be for it", name(connection));
            }
            (MediaCommand::SendData(_) | MediaCommand::Close, None) => {}
        }
    }

    /// The end that made the description; it has to be the far side's, of this very connection.
    fn check_description(&self, side: usize, connection: &Connection, sdp: &Sdp) -> usize {
        let Some(far) = mark(sdp) else {
            panic!("side {side} takes a description that no side made: {}", sdp.as_str())
        };
        let end = &self.medium.ends[far];
        assert!(self.are_two(side, end.side), "side {side} takes a description of side {}", end.side);
        assert_eq!(end.connection, *connection, "side {side} takes a description of another connection");
        let is_old = end.closed.is_some_and(|closed| self.now - closed > STALE);
        assert!(!is_old, "side {side} takes a description of long ago");
        far
    }

    fn make_end(&mut self, side: usize, connection: &Connection, role: SdpType, far: Option<usize>) {
        let mark = self.medium.ends.len();
        self.medium.ends.push(End {
            side,
            run: self.sides[side].runs,
            connection: connection.clone(),
            far,
            is_closed: false,
            closed: None,
            is_open: false,
            is_described: false,
            has_candidate: false,
            is_opening: false,
            network: self.sides[side].network,
            last: self.now,
            asked: [0; 2],
            held: VecDeque::new(),
        });
        self.check_connections(side);
        if self.random.f64() < self.medium.fails {
            let at = self.soon(5, 3000);
            return self.at(at, Happening::Media(mark, MediaEvent::Failed("broken".into())));
        }
        let slowest = if self.random.f64() < self.medium.slow { 12_000 } else { 60 };
        let at = self.soon(1, slowest);
        self.at(at, Happening::Media(mark, MediaEvent::Described(role, describe(mark))));
        for number in 0..self.random.u32(1..=2) {
            let candidate = Candidate {
                candidate: format!("candidate:{number} 1 udp 1 192.0.2.1 {mark} typ host"),
                mid: Some("0".into()),
                m_line_index: 0,
            };
            let found = at + self.span(1, 100);
            self.at(found, Happening::Media(mark, MediaEvent::Candidate(candidate)));
        }
    }

    /// Whether anything gets from one end to the other.
    fn is_way(&self, end: usize, far: usize) -> bool {
        let on_its_network = |end: usize| {
            let end = &self.medium.ends[end];
            self.sides[end.side].network == end.network
        };
        !self.medium.is_cut && on_its_network(end) && on_its_network(far)
    }

    fn try_to_open(&mut self, end: usize) {
        let Some(far) = self.medium.ends[end].far else { return };
        let ends = &self.medium.ends;
        let ready = self.medium.are_paired(end, far)
            && ends[end].is_described
            && ends[far].is_described
            && (ends[end].has_candidate || ends[far].has_candidate)
            && !ends[end].is_opening
            && !ends[far].is_opening
            && self.is_way(end, far);
        if ready {
            let at = self.soon(20, 300);
            for end in [end, far] {
                self.medium.ends[end].is_opening = true;
                let at = at + self.latency();
                self.at(at, Happening::Media(end, MediaEvent::DataOpen));
            }
        }
    }

    fn send_data(&mut self, end: usize, text: String) {
        self.check_answer(end, &text);
        let Some(far) = self.medium.ends[end].far else { return };
        if self.medium.ends[end].is_open && self.medium.are_paired(end, far) {
            self.medium.ends[far].held.push_back(text);
            self.pump(far);
        }
    }

    /// A request is answered at most once, a response never.
    fn check_answer(&mut self, end: usize, text: &str) {
        if let Some((kind, true)) = exchange(text) {
            let end = &mut self.medium.ends[end];
            assert!(end.asked[kind] > 0, "side {} answers what nobody asked: {text}", end.side);
            end.asked[kind] -= 1;
        }
    }

    /// Lets what waits for an end go on its way; who closed its end takes along what did not get through.
    fn pump(&mut self, end: usize) {
        let Some(far) = self.medium.ends[end].far else { return };
        if self.medium.ends[far].is_closed {
            return self.medium.ends[end].held.clear();
        }
        if !self.medium.ends[end].is_open || !self.is_way(end, far) {
            return;
        }
        while let Some(text) = self.medium.ends[end].held.pop_front() {
            let at = self.arrival(end);
            self.at(at, Happening::Media(end, MediaEvent::DataText(text)));
        }
    }

    /// When what is sent now arrives at an end: in order.
    fn arrival(&mut self, end: usize) -> Instant {
        let at = (self.now + self.latency()).max(self.medium.ends[end].last);
        self.medium.ends[end].last = at;
        at
    }

    pub fn close_end(&mut self, end: usize) {
        self.medium.ends[end].is_closed = true;
        self.medium.ends[end].closed = Some(self.now);
        let Some(far) = self.medium.ends[end].far else { return };
        let (a, b) = (&self.medium.ends[end], &self.medium.ends[far]);
        let was_up = a.is_open || b.is_open;
        if was_up && b.far == Some(end) && !b.is_closed && self.is_way(end, far) {
            let at = self.arrival(far);
            self.at(at, Happening::Media(far, MediaEvent::Closed));
        }
    }

    /// The side's process is gone: its ends fall silent.
    pub fn drop_ends(&mut self, side: usize) {
        let run = self.sides[side].runs;
        let ends: Vec<usize> = self.medium.living(side, run).map(|(end, _)| end).collect();
        for end in ends {
            self.medium.ends[end].is_closed = true;
            self.medium.ends[end].closed = Some(self.now);
            if let Some(far) = self.medium.ends[end].far {
                self.doubt(far);
            }
        }
    }

    /// The way to the other end is gone: the media notice after a while, in two steps.
    pub fn doubt(&mut self, end: usize) {
        let at = self.soon(500, 6000);
        self.at(at, Happening::Media(end, MediaEvent::Disconnected));
        let at = at + self.span(3000, 20_000);
        self.at(at, Happening::Media(end, MediaEvent::Failed("ICE failed".into())));
    }

    /// Cuts the way between the two, or joins it again.
    pub fn cut(&mut self, is_cut: bool) {
        self.medium.is_cut = is_cut;
        for end in 0..self.medium.ends.len() {
            if self.medium.ends[end].is_closed {
            } else if is_cut {
                self.doubt(end);
            } else {
                self.try_to_open(end);
                self.pump(end);
            }
        }
    }

    pub fn media_event(&mut self, mark: usize, event: MediaEvent) {
        let End { side, run, connection, far, .. } = &self.medium.ends[mark];
        let (side, connection, far) = (*side, connection.clone(), *far);
        if self.sides[side].run.is_none() || self.sides[side].runs != *run {
            return;
        }
        let is_way = far.is_some_and(|far| self.medium.are_paired(mark, far) && self.is_way(mark, far));
        // A closed end says nothing, but for what was on its way when it was closed.
        if self.medium.ends[mark].is_closed && self.random.u8(..) > 8 {
            return;
        }
        let end = &mut self.medium.ends[mark];
        match &event {
            // The way was found again.
            MediaEvent::Disconnected | MediaEvent::Failed(_) if is_way && end.is_described => return,
            MediaEvent::DataOpen if !is_way => return end.is_opening = false,
            MediaEvent::Described(..) => end.is_described = true,
            MediaEvent::DataOpen => end.is_open = true,
            MediaEvent::DataText(text) => {
                if let Some((kind, false)) = exchange(text) {
                    end.asked[kind] += 1;
                }
            }
            MediaEvent::Candidate(_)
            | MediaEvent::Connected
            | MediaEvent::Disconnected
            | MediaEvent::Closed
            | MediaEvent::Failed(_) => {}
        }
        trace::note(|| format!("{} side {side}: media {}: {event:?}", self.clock(), name(&connection)));
        self.tell(side, Input::Media(connection, event));
        self.try_to_open(mark);
        self.pump(mark);
    }
}

/// Which exchange of the data channel a text belongs to, and whether it is the response.
fn exchange(text: &str) -> Option<(usize, bool)> {
    let kinds = [r#""type":"PROPSYNC""#, r#""type":"HANGUP""#];
    let kind = kinds.iter().position(|kind| text.contains(kind))?;
    Some((kind, text.contains(r#""resp":true"#)))
}

/// A connection as a trace calls it.
pub fn name(connection: &Connection) -> String {
    format!("{}.{}", &connection.session.as_str()[..4], connection.generation)
}
