//! One standing conversation: pairing, presence, pause, and its call.
//!
//! Sans-IO: whoever owns one feeds it [`Input`]s, drains [`Conversation::poll`] after each, and wakes it at
//! [`Conversation::deadline`]. Everything that the two sides say by the server goes through a sealed [`Channel`]; the
//! page's `conversation.js` is its twin.

mod backoff;
mod exchange;
mod wish;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

pub use exchange::{CodeGone, Event, Gate, Input, LineState, Output, Presence, Setup, Switch, Track};
pub use wish::{RETURN_LIMIT, TRIES};

use crate::{
    call::{self, Call, Ending, Phase, Precedence, Props},
    ids::{ConversationId, InstanceId, PeerUid, SessionId},
    pairing::SpentCode,
    rendezvous::{ClientLine, ServerLine, UID_TAKEN},
    seal::{self, Channel, Order, PublicKey, Trust},
};
use backoff::Backoff;
use wish::Wish;

/// How long the server may take to register this side: 6 s, twice its check of a half-dead holder.
pub const REGISTER_LIMIT: Duration = Duration::from_secs(6);
/// How often the server is asked who is there while somebody who is wanted is not: every 5 s. It may have told wrongly.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// The longest error text of a server that is shown: 200 characters.
const ERROR_SHOWN: usize = 200;

/// How far this side is from having a far side.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pairing {
    /// It shows a code, until this moment.
    Waiting { expires: Instant },
    /// Its code expired unused.
    Expired,
    /// It read the code of `far`, and waits for its word.
    Accepting { far: InstanceId },
    /// For ever with `far`.
    Paired { far: InstanceId },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Not begun, or given up.
    Idle,
    Connecting,
    Registering {
        until: Instant,
    },
    Joining {
        until: Instant,
    },
    Joined,
    Offline {
        retry: Instant,
    },
    Taken,
}

/// One side of one standing conversation.
#[derive(Debug)]
pub struct Conversation {
    id: ConversationId,
    instance: InstanceId,
    pairing: Pairing,
    line: Line,
    joined_before: bool,
    backoff: Backoff,
    channel: Channel,
    /// Whether the channel is up: the far side is there, and has proved it.
    met: bool,
    far: Presence,
    /// When to look whether the far side is in the room after all.
    look: Option<Instant>,
    gate: Gate,
    microphone: Switch,
    camera: Switch,
    /// What there is: a microphone, a camera.
    equipped: [bool; 2],
    call: Call,
    /// What the far side told of itself last, in this call.
    far_props: Option<Props>,
    wish: Wish,
    /// How far the call has got, as last told.
    shown: Phase,
    random: fastrand::Rng,
    outputs: VecDeque<Output>,
}

impl Conversation {
    /// A conversation that has not begun: paused, off the line.
    pub fn new(setup: Setup) -> Self {
        let Setup { conversation: id, instance, secret, trust, expires, seed, resolver } = setup;
        let pairing = match &trust {
            Trust::Owner { .. } => Pairing::Waiting { expires },
            Trust::Closed { .. } => Pairing::Expired,
            Trust::Reader { far, .. } => Pairing::Accepting { far: far.clone() },
            Trust::Paired { far, .. } => Pairing::Paired { far: far.clone() },
        };
        let mut random = fastrand::Rng::with_seed(seed);
        let channel = Channel::new(seal::Setup {
            conversation: id.clone(),
            instance: instance.clone(),
            secret,
            trust,
            seed: random.u64(..),
            resolver,
        });
        let mut conversation = Self {
            call: Call::new(precedence(&instance, pairing.far())),
            id,
            instance,
            pairing,
            line: Line::Idle,
            joined_before: false,
            backoff: Backoff::default(),
            channel,
            met: false,
            far: Presence::Away,
            look: None,
            gate: Gate::Closed,
            microphone: Switch::On,
            camera: Switch::On,
            equipped: [true; 2],
            far_props: None,
            wish: Wish::default(),
            shown: Phase::Idle,
            random,
            outputs: VecDeque::new(),
        };
        conversation.sync_props();
        conversation
    }

    /// Takes note of what happened; drain [`Conversation::poll`] afterwards.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Start => self.start(),
            Input::SocketOpen => self.socket_open(now),
            Input::SocketClosed => self.socket_closed(now),
            Input::Line(line) => self.line(now, line),
            Input::Unpause => self.set_gate(Gate::Open),
            Input::Pause => self.set_gate(Gate::Closed),
            Input::Equipped { microphone, camera } => {
                self.equipped = [microphone, camera];
                self.sync_props();
            }
            Input::Microphone(switch) => self.switch(Track::Microphone, switch),
            Input::Camera(switch) => self.switch(Track::Camera, switch),
            Input::HangUp => self.hang_up(now),
            Input::TakeOver => self.take_over(),
            Input::NetworkChanged => self.network_changed(now),
            Input::Media(connection, event) => self.call.handle(now, call::Input::Media(connection, event)),
            Input::Deadline => self.expire(now),
        }
        self.drain(now);
        self.begin_if_wanted(now);
        self.drain(now);
        self.set_look(now);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Deadline`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let line = match self.line {
            Line::Registering { until } | Line::Joining { until } | Line::Offline { retry: until } => Some(until),
            Line::Idle | Line::Connecting | Line::Joined | Line::Taken => None,
        };
        let code = match &self.pairing {
            Pairing::Waiting { expires } => Some(*expires),
            Pairing::Expired | Pairing::Accepting { .. } | Pairing::Paired { .. } => None,
        };
        let call = self.call.deadline().map(|(due, _)| due);
        [line, code, self.look, self.channel.deadline(), call, self.wish.deadline()].into_iter().flatten().min()
    }

    fn start(&mut self) {
        if let Pairing::Waiting { .. } = self.pairing {
            self.event(Event::CodeShown);
        }
        self.event(Event::Gate(self.gate));
        if self.line == Line::Idle {
            self.connect();
        }
    }

    fn take_over(&mut self) {
        if self.line == Line::Taken {
            self.connect();
        }
    }

    fn connect(&mut self) {
        self.line = Line::Connecting;
        self.event(Event::Line(LineState::Connecting));
        self.outputs.push_back(Output::Connect);
    }

    fn socket_open(&mut self, now: Instant) {
        if self.line == Line::Connecting {
            self.line = Line::Registering { until: now + REGISTER_LIMIT };
            self.send(ClientLine::Hello(self.instance.uid(&self.id)));
        }
    }

    fn socket_closed(&mut self, now: Instant) {
        match self.line {
            Line::Idle | Line::Taken | Line::Offline { .. } => return,
            Line::Connecting | Line::Registering { .. } | Line::Joining { .. } | Line::Joined => {}
        }
        let retry = self.backoff.next(now, &mut self.random);
        self.line = Line::Offline { retry };
        self.event(Event::Line(LineState::Offline { retry }));
        self.far_unreachable(now);
    }

    /// The line to the server is made anew at once, and the call gets a new connection when the two meet.
    fn network_changed(&mut self, now: Instant) {
        match self.line {
            Line::Idle | Line::Taken => return,
            Line::Offline { .. } => {}
            Line::Connecting | Line::Registering { .. } | Line::Joining { .. } | Line::Joined => {
                self.outputs.push_back(Output::Disconnect);
                self.far_unreachable(now);
            }
        }
        self.backoff.reset();
        self.call.handle(now, call::Input::Renew);
        self.connect();
    }

    fn line(&mut self, now: Instant, line: ServerLine) {
        match line {
            ServerLine::Hello => self.registered(now),
            ServerLine::RoomOk(members) => self.joined(now, &members),
            ServerLine::RoomPeerJoined(uid) if self.is_far(&uid) => self.far_arrived(now, Order::Waits),
            ServerLine::RoomPeerLeft(uid) if self.is_far(&uid) => self.far_left(now),
            ServerLine::RoomPeerMsg { from, text } => self.frame(now, &from, text),
            ServerLine::RoomPeerList(members) => self.looked(now, &members),
            ServerLine::Error(text) => self.server_error(text),
            ServerLine::RoomPeerJoined(_) | ServerLine::RoomPeerLeft(_) | ServerLine::SessionOk => {}
        }
    }

    fn registered(&mut self, now: Instant) {
        if let Line::Registering { .. } = self.line {
            self.line = Line::Joining { until: now + REGISTER_LIMIT };
            self.send(ClientLine::Room(self.id.room()));
        }
    }

    fn joined(&mut self, now: Instant, members: &[PeerUid]) {
        if !matches!(self.line, Line::Joining { .. }) {
            return;
        }
        self.line = Line::Joined;
        self.joined_before = true;
        self.backoff.reset();
        self.event(Event::Line(LineState::Joined));
        if members.iter().any(|uid| self.is_far(uid)) {
            self.far_arrived(now, Order::Begins);
        }
    }

    /// While this side waits for the far one, it looks for it now and then.
    fn set_look(&mut self, now: Instant) {
        let is_wanted = self.gate == Gate::Open || self.wish.is_wanted() || !self.is_paired();
        let is_missed = self.line == Line::Joined && !self.met && self.pairing.far().is_some();
        self.look = (is_wanted && is_missed).then(|| self.look.unwrap_or(now + LOOK_INTERVAL));
    }

    fn looked(&mut self, now: Instant, members: &[PeerUid]) {
        if members.iter().any(|uid| self.is_far(uid)) {
            self.far_arrived(now, Order::Begins);
        } else if !self.met {
            self.far_unreachable(now);
        }
    }

    fn server_error(&mut self, text: String) {
        let is_registering = matches!(self.line, Line::Registering { .. } | Line::Joining { .. });
        match text.as_str() {
            // Our own half-dead connection may hold the uid for a while after a break: then it is only tried again.
            UID_TAKEN if self.joined_before => {}
            UID_TAKEN => {
                self.line = Line::Taken;
                self.event(Event::Line(LineState::Taken));
                self.outputs.push_back(Output::Disconnect);
            }
            // In the room it only says that somebody has just left it.
            _ if !is_registering => tracing::debug!("the server could not deliver a message"),
            _ => self.event(Event::ServerError(text.chars().filter(|c| !c.is_control()).take(ERROR_SHOWN).collect())),
        }
    }

    fn far_arrived(&mut self, now: Instant, order: Order) {
        if self.line == Line::Joined {
            self.channel.handle(now, seal::Input::Here(order));
        }
    }

    fn far_left(&mut self, now: Instant) {
        self.call.handle(now, call::Input::FarLeft);
        self.far_unreachable(now);
    }

    fn far_unreachable(&mut self, now: Instant) {
        self.channel.handle(now, seal::Input::Away);
        self.drain(now);
        self.set_far(Presence::Away);
    }

    fn set_far(&mut self, presence: Presence) {
        if self.far != presence {
            self.far = presence;
            self.event(Event::Far(presence));
        }
    }

    /// Somebody in the room says something; the channel judges who it is.
    fn frame(&mut self, now: Instant, from: &PeerUid, text: String) {
        if let Some(from) = self.instance_of(from).filter(|_| self.line == Line::Joined) {
            self.channel.handle(now, seal::Input::Frame(from, text));
        }
    }

    fn channel_says(&mut self, now: Instant, output: seal::Output) {
        match output {
            seal::Output::Send(to, text) => {
                let to = to.uid(&self.id);
                if self.line == Line::Joined {
                    self.send(ClientLine::RoomPeerMsg { to, text });
                }
            }
            seal::Output::Learned(key) => self.outputs.push_back(Output::Learned(key)),
            seal::Output::Paired { far, key, spent } => self.pair(far, key, spent),
            seal::Output::Up(words) => {
                self.met = true;
                self.event(Event::Sealed(words));
                self.set_far(Presence::Here);
                self.wish.met();
                self.call.handle(now, call::Input::SignallingUp);
            }
            seal::Output::Down => {
                self.met = false;
                self.call.handle(now, call::Input::SignallingDown);
            }
            seal::Output::Heard(text) => match call::Signal::parse(&text) {
                Ok(signal) => self.call.handle(now, call::Input::Far(signal)),
                Err(error) => tracing::debug!(%error, "dropped a message"),
            },
            seal::Output::Refused => self.refused(),
            seal::Output::Suspicious(suspicion) => self.event(Event::Suspicious(suspicion)),
        }
    }

    fn pair(&mut self, far: InstanceId, key: PublicKey, spent: Option<SpentCode>) {
        if let Pairing::Waiting { .. } = self.pairing {
            self.event(Event::CodeGone(CodeGone::Paired));
        }
        self.call = Call::new(precedence(&self.instance, Some(&far)));
        self.sync_props();
        self.pairing = Pairing::Paired { far: far.clone() };
        self.outputs.push_back(Output::Remember { far, key, spent });
        self.event(Event::Paired);
    }

    fn refused(&mut self) {
        if let Pairing::Accepting { .. } = self.pairing {
            self.line = Line::Idle;
            self.event(Event::Refused);
            self.outputs.push_back(Output::Disconnect);
        }
    }

    fn set_gate(&mut self, gate: Gate) {
        if self.gate != gate {
            self.gate = gate;
            self.outputs.push_back(Output::Gate(gate));
            self.event(Event::Gate(gate));
            self.sync_props();
        }
    }

    fn switch(&mut self, track: Track, switch: Switch) {
        let current = match track {
            Track::Microphone => &mut self.microphone,
            Track::Camera => &mut self.camera,
        };
        if *current != switch {
            *current = switch;
            self.outputs.push_back(Output::Track(track, switch));
            self.event(Event::Track(track, switch));
            self.sync_props();
        }
    }

    fn hang_up(&mut self, now: Instant) {
        self.set_gate(Gate::Closed);
        if !self.call.is_over() {
            self.call.handle(now, call::Input::HangUp);
        } else if self.wish.is_lost() {
            self.show_call(Phase::Idle, Some(Ending::HungUp));
        }
        self.wish.forget();
    }

    /// The first to unpause offers; so does whoever is unpaused, or was in a call, when the two meet.
    fn begin_if_wanted(&mut self, now: Instant) {
        let ready = self.is_paired() && self.met && self.line == Line::Joined && self.wish.may_try();
        if ready && (self.gate == Gate::Open || self.wish.is_wanted()) && self.call.is_over() {
            let session = SessionId::from_bits(self.random.u64(..));
            self.call.handle(now, call::Input::Begin(session));
        }
    }

    fn expire(&mut self, now: Instant) {
        match self.line {
            Line::Registering { until } | Line::Joining { until } if until <= now => {
                self.outputs.push_back(Output::Disconnect);
                self.socket_closed(now);
            }
            Line::Offline { retry } if retry <= now => self.connect(),
            Line::Idle
            | Line::Connecting
            | Line::Registering { .. }
            | Line::Joining { .. }
            | Line::Joined
            | Line::Offline { .. }
            | Line::Taken => {}
        }
        if let Pairing::Waiting { expires } = &self.pairing
            && *expires <= now
        {
            self.pairing = Pairing::Expired;
            self.channel.handle(now, seal::Input::Expired);
            self.outputs.push_back(Output::ForgetKey);
            self.event(Event::CodeGone(CodeGone::Expired));
        }
        if self.look.take_if(|due| *due <= now).is_some() {
            self.send(ClientLine::RoomPeerList);
        }
        if self.wish.expire(now) {
            self.set_gate(Gate::Closed);
            self.show_call(Phase::Idle, Some(Ending::FarClosed));
        }
        self.channel.handle(now, seal::Input::Deadline);
        self.call.handle(now, call::Input::Deadline);
    }

    fn sync_props(&mut self) {
        let text = |yes: bool| String::from(if yes { "true" } else { "false" });
        let open = self.gate == Gate::Open;
        let [microphone, camera] = self.equipped;
        let props = Props::from([
            ("paused".into(), text(!open)),
            ("audiosend".into(), text(open && microphone && self.microphone == Switch::On)),
            ("videosend".into(), text(open && camera && self.camera == Switch::On)),
            ("holding".into(), text(false)),
            ("behind".into(), "0".into()),
        ]);
        self.call.set_props(props);
    }

    fn drain(&mut self, now: Instant) {
        loop {
            if let Some(output) = self.channel.poll() {
                self.channel_says(now, output);
            } else if let Some(output) = self.call.poll() {
                self.call_says(now, output);
            } else {
                break;
            }
        }
    }

    fn call_says(&mut self, now: Instant, output: call::Output) {
        match output {
            call::Output::Signal(signal) => self.channel.handle(now, seal::Input::Say(signal.to_string())),
            call::Output::Media(connection, command) => self.outputs.push_back(Output::Media(connection, command)),
            call::Output::FarProps(props) if self.far_props.as_ref() == Some(&props) => {}
            call::Output::FarProps(props) => {
                self.far_props = Some(props.clone());
                self.event(Event::FarProps(props));
            }
            call::Output::Phase(phase, ending) => {
                let (phase, ending) = self.wish.note(now, phase, ending);
                if matches!(phase, Phase::Idle | Phase::Reconnecting) {
                    self.far_props = None;
                }
                if !self.wish.is_wanted() {
                    self.set_gate(Gate::Closed);
                }
                self.show_call(phase, ending);
            }
        }
    }

    fn show_call(&mut self, phase: Phase, ending: Option<Ending>) {
        if ending.is_some() || phase != self.shown {
            self.shown = phase;
            self.event(Event::Call(phase, ending));
        }
    }

    fn is_paired(&self) -> bool {
        matches!(self.pairing, Pairing::Paired { .. })
    }

    fn far_uid(&self) -> Option<PeerUid> {
        self.pairing.far().map(|far| far.uid(&self.id))
    }

    fn is_far(&self, uid: &PeerUid) -> bool {
        self.far_uid().as_ref() == Some(uid)
    }

    /// The instance behind a uid of this conversation, if it is one and not this side's own.
    fn instance_of(&self, uid: &PeerUid) -> Option<InstanceId> {
        let (instance, conversation) = uid.as_str().split_once(':')?;
        let instance: InstanceId = instance.parse().ok()?;
        (conversation == self.id.as_str() && instance != self.instance).then_some(instance)
    }

    fn send(&mut self, line: ClientLine) {
        self.outputs.push_back(Output::Send(line));
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}

impl Pairing {
    fn far(&self) -> Option<&InstanceId> {
        match self {
            Self::Accepting { far } | Self::Paired { far } => Some(far),
            Self::Waiting { .. } | Self::Expired => None,
        }
    }
}

fn precedence(own: &InstanceId, far: Option<&InstanceId>) -> Precedence {
    if far.is_some_and(|far| own < far) { Precedence::Theirs } else { Precedence::Ours }
}

#[cfg(test)]
mod tests;
