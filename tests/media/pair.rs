//! Two media in one process, with nothing but their own words between them.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use twocan::{
    call::{Connection, MediaCommand, MediaEvent},
    conversation::Gate,
    ids::SessionId,
    media::{Choice, Event, Media, Options},
    negotiation::{Sdp, SdpType},
    rt,
};

/// How long anything may take before a test gives up: thirty times what it needs and more.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Has the threads stay that GStreamer has no more work for.
///
/// A test program ends when its last test has, whatever else goes on, and each thread that ends gives back what OpenSSL
/// keeps for it: one that does so during OpenSSL's exit handler ends the program by a signal.
pub fn keep_threads() {
    glib::ThreadPool::set_max_unused_threads(None);
    glib::ThreadPool::set_max_idle_time(0);
}

pub struct Pair {
    pub sides: [Side; 2],
    pub connection: Connection,
    calls: u64,
}

pub struct Side {
    pub media: Media,
    pub events: rt::Receiver<Event>,
}

/// How an update went.
#[derive(Debug)]
pub struct Update {
    /// From its beginning until both channels were open.
    pub took: Duration,
    /// The longest time between the ends of two frames of sound at either side; 20 ms when there is none.
    pub gap: Duration,
}

impl Side {
    /// A side that keeps to this address, or uses whichever there are.
    pub fn new(tone: &str, colour: &str, address: Option<IpAddr>) -> Self {
        let test = |detail: &str| Choice::Test(Some(detail.to_owned()));
        let options = Options {
            microphone: test(tone),
            camera: test(colour),
            speaker: Choice::Test(None),
            window: Choice::Test(None),
            address,
            ..Options::default()
        };
        Self::with(options)
    }

    pub fn with(options: Options) -> Self {
        keep_threads();
        let (sender, events) = rt::channel(65_536);
        let media = Media::start(options, sender).expect("media");
        let side = Self { media, events };
        side.wait("ready", |event| matches!(event, Event::Ready(_)));
        side
    }

    /// The first event that fits; others before it are dropped.
    pub fn wait(&self, what: &str, fits: impl Fn(&Event) -> bool) -> Event {
        let until = Instant::now() + LIMIT;
        loop {
            match self.events.try_recv() {
                Ok(event) if fits(&event) => return event,
                Ok(Event::Unusable(error)) => panic!("{error}"),
                Ok(Event::Notice(error)) => panic!("{error}"),
                Ok(Event::Call(_, MediaEvent::Failed(why))) => panic!("waiting for {what}: {why}"),
                Ok(_) => {}
                Err(_) if Instant::now() > until => panic!("waited in vain for {what}"),
                Err(_) => std::thread::sleep(Duration::from_micros(200)),
            }
        }
    }
}

impl Side {
    /// Everything that happens until so many events have fitted.
    pub fn collect(&self, count: usize, fits: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut all = Vec::new();
        for _ in 0..count {
            let last = self.wait("more", |event| fits(event) || matches!(event, Event::Tone(_) | Event::Picture(_)));
            all.push(last);
        }
        all
    }
}

impl Pair {
    /// Two sides on loopback.
    pub fn new() -> Self {
        Self::on(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)))
    }

    /// Two sides that keep to this address, or use every one there is.
    pub fn on(address: Option<IpAddr>) -> Self {
        let sides = [Side::new("440", "red", address), Side::new("660", "blue", address)];
        Self { sides, connection: Connection::first(SessionId::from_bits(0)), calls: 0 }
    }

    pub fn connected() -> Self {
        let mut pair = Self::new();
        pair.connect(0);
        pair
    }

    /// Lets `offerer` begin a call, and carries words until both channels are open.
    pub fn connect(&mut self, offerer: usize) {
        self.next_session();
        self.command(offerer, MediaCommand::Offer);
        let mut open = [false; 2];
        let until = Instant::now() + LIMIT;
        while open != [true; 2] {
            assert!(Instant::now() < until, "not connected: {open:?}");
            for side in [0, 1] {
                while let Ok(event) = self.sides[side].events.try_recv() {
                    open[side] |= self.carry(side, event);
                }
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Lets `offerer` put a new connection in the place of the one that is up, as an UPDATE does: each side closes the
    /// last as soon as the channel of the next is open. Ends when both sides have heard so many frames over the next.
    pub fn update(&mut self, offerer: usize, wanted: usize) -> Update {
        let begun = Instant::now();
        let last = self.connection.clone();
        self.connection.generation += 1;
        self.command(offerer, MediaCommand::Offer);
        let mut opened = [None; 2];
        let mut frames = [0; 2];
        let mut last_frame = [None; 2];
        let mut gap = [Duration::ZERO; 2];
        while opened.contains(&None) || frames.iter().any(|frames| *frames < wanted) {
            assert!(begun.elapsed() < LIMIT, "not updated: {opened:?}, heard {frames:?}");
            for side in [0, 1] {
                while let Ok(event) = self.sides[side].events.try_recv() {
                    if matches!(event, Event::Tone(Some(_))) {
                        let now = Instant::now();
                        let before = last_frame[side].replace(now).unwrap_or(now);
                        gap[side] = gap[side].max(now - before);
                        frames[side] += usize::from(opened != [None; 2] && opened.iter().flatten().all(|at| *at < now));
                    } else if self.carry(side, event) {
                        opened[side] = Some(Instant::now());
                        frames = [0; 2];
                        self.sides[side].media.call(last.clone(), MediaCommand::Close);
                    }
                }
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        let opened = opened.map(|at| at.unwrap() - begun);
        Update { took: opened[0].max(opened[1]), gap: gap[0].max(gap[1]) }
    }

    fn carry(&mut self, from: usize, event: Event) -> bool {
        let Event::Call(connection, event) = event else { return false };
        if connection != self.connection {
            return false;
        }
        let command = match event {
            MediaEvent::Described(SdpType::Offer, sdp) => MediaCommand::Answer(sdp),
            MediaEvent::Described(SdpType::Answer, sdp) => MediaCommand::TakeAnswer(sdp),
            MediaEvent::Candidate(candidate) => MediaCommand::AddCandidate(candidate),
            MediaEvent::DataOpen => return true,
            MediaEvent::Connected | MediaEvent::DataText(_) | MediaEvent::Disconnected => return false,
            MediaEvent::Closed => panic!("closed"),
            MediaEvent::Failed(why) => panic!("{why}"),
        };
        self.command(1 - from, command);
        false
    }

    pub fn command(&self, side: usize, command: MediaCommand) {
        self.sides[side].media.call(self.connection.clone(), command);
    }

    pub fn set_gate(&self, side: usize, gate: Gate) {
        self.sides[side].media.set_gate(gate);
    }

    pub fn next_session(&mut self) {
        self.calls += 1;
        self.connection = Connection::first(SessionId::from_bits(self.calls));
    }

    pub fn close(&self) {
        self.command(0, MediaCommand::Close);
        self.command(1, MediaCommand::Close);
    }

    pub fn described(&self, side: usize, kind: SdpType) -> Sdp {
        let is_it =
            |event: &Event| matches!(event, Event::Call(_, MediaEvent::Described(described, _)) if *described == kind);
        match self.sides[side].wait("a description", is_it) {
            Event::Call(_, MediaEvent::Described(_, sdp)) => sdp,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until nothing but silence has reached `side` for 10 frames' time.
    pub fn hear_nothing_more(&self, side: usize) {
        let until = Instant::now() + LIMIT;
        let mut last = Instant::now();
        while last.elapsed() < Duration::from_millis(200) {
            assert!(Instant::now() < until, "still heard");
            match self.sides[side].events.try_recv() {
                Ok(Event::Tone(Some(_))) => last = Instant::now(),
                Ok(_) => {}
                Err(_) => std::thread::sleep(Duration::from_micros(200)),
            }
        }
    }

    /// Waits until `side` sees a picture of this colour.
    pub fn see(&self, side: usize, colour: [u8; 3]) {
        let near = |seen: &[u8; 3]| seen.iter().zip(colour).all(|(seen, wanted)| seen.abs_diff(wanted) < 40);
        let seen = |event: &Event| matches!(event, Event::Picture(picture) if near(&picture.rgb));
        self.sides[side].wait(&format!("{colour:?}"), seen);
    }

    /// Waits until `side` hears a tone of `hz`.
    pub fn hear(&self, side: usize, hz: f64) {
        let heard = |event: &Event| matches!(event, Event::Tone(Some((heard, _))) if (heard - hz).abs() < hz * 0.03);
        self.sides[side].wait(&format!("{hz} Hz"), heard);
    }
}
