//! One standing conversation: pairing, presence, pause, and its call.
//!
//! Sans-IO: whoever owns one feeds it [`Input`]s, drains [`Conversation::poll`] after each, and wakes it at
//! [`Conversation::deadline`]. Everything that the two sides say by the server goes through a sealed [`Channel`]; the
//! page's `conversation.js` is its twin.

mod backoff;
mod exchange;
mod line;
mod wish;

use std::{collections::VecDeque, time::Instant};

pub use backoff::Backoff;
pub use exchange::{CodeGone, Event, Gate, Input, LineState, Output, Presence, Setup, Switch, Track};
pub use line::{LOOK_INTERVAL, REGISTER_LIMIT};
pub use wish::{RETURN_LIMIT, TRIES};

use crate::{
    call::{self, Call, Ending, Phase, Precedence, Props},
    ids::{ConversationId, InstanceId, PeerUid, SessionId},
    pairing::SpentCode,
    rendezvous::ClientLine,
    seal::{self, Channel, PublicKey, Trust},
};
use line::Line;
use wish::Wish;

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
            Input::ServerStops(back_in) => self.backoff.told(back_in),
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
