//! One standing conversation: pairing, presence, pause, and its call.
//!
//! Sans-IO: whoever owns one feeds it [`Input`]s, drains [`Conversation::poll`] after each, and wakes it at
//! [`Conversation::deadline`]. The page's `conversation.js` is its twin.

mod backoff;
mod exchange;
mod message;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

pub use exchange::{CodeGone, Event, Gate, Input, LineState, Output, Pairing, Presence, Setup, Switch, Track};
pub use message::{MESSAGE_LIMIT, Message, MessageError};

use crate::{
    call::{self, Call, Precedence, Props},
    ids::{ConversationId, InstanceId, PeerUid, SessionId},
    pairing::{Bond, Step},
    rendezvous::{ClientLine, ServerLine, UID_TAKEN},
};
use backoff::Backoff;

/// How long the server may take to register this side: 15 s, with room for its check of a half-dead holder.
pub const REGISTER_LIMIT: Duration = Duration::from_secs(15);
/// The longest error text of a server that is shown: 200 characters.
const ERROR_SHOWN: usize = 200;

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
    far: Presence,
    gate: Gate,
    microphone: Switch,
    camera: Switch,
    /// What there is: a microphone, a camera.
    equipped: [bool; 2],
    call: Call,
    random: fastrand::Rng,
    outputs: VecDeque<Output>,
}

impl Conversation {
    /// A conversation that has not begun: paused, off the line.
    pub fn new(setup: Setup) -> Self {
        let far = match &setup.pairing {
            Pairing::Accepting { far, .. } | Pairing::Paired { far, .. } => Some(far.clone()),
            Pairing::Waiting { .. } | Pairing::Expired => None,
        };
        let mut conversation = Self {
            call: Call::new(precedence(&setup.instance, far.as_ref())),
            id: setup.conversation,
            instance: setup.instance,
            pairing: setup.pairing,
            line: Line::Idle,
            joined_before: false,
            backoff: Backoff::default(),
            far: Presence::Away,
            gate: Gate::Closed,
            microphone: Switch::On,
            camera: Switch::On,
            equipped: [true; 2],
            random: fastrand::Rng::with_seed(setup.seed),
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
            Input::Media(session, event) => self.call.handle(now, call::Input::Media(session, event)),
            Input::Deadline => self.expire(now),
        }
        self.drain_call();
        self.begin_if_wanted(now);
        self.drain_call();
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
            Pairing::Waiting { expires, .. } => Some(*expires),
            Pairing::Expired | Pairing::Accepting { .. } | Pairing::Paired { .. } => None,
        };
        [line, code, self.call.deadline()].into_iter().flatten().min()
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
        self.call.handle(now, call::Input::LineLost);
        self.set_far(Presence::Away);
    }

    fn line(&mut self, now: Instant, line: ServerLine) {
        match line {
            ServerLine::Hello => self.registered(now),
            ServerLine::RoomOk(members) => self.joined(&members),
            ServerLine::RoomPeerJoined(uid) if self.is_far(&uid) => self.far_arrived(),
            ServerLine::RoomPeerLeft(uid) if self.is_far(&uid) => self.far_left(now),
            ServerLine::RoomPeerMsg { from, text } => self.message(now, &from, &text),
            ServerLine::Error(text) => self.server_error(text),
            ServerLine::RoomPeerJoined(_)
            | ServerLine::RoomPeerLeft(_)
            | ServerLine::RoomPeerList(_)
            | ServerLine::SessionOk => {}
        }
    }

    fn registered(&mut self, now: Instant) {
        if let Line::Registering { .. } = self.line {
            self.line = Line::Joining { until: now + REGISTER_LIMIT };
            self.send(ClientLine::Room(self.id.room()));
        }
    }

    fn joined(&mut self, members: &[PeerUid]) {
        if !matches!(self.line, Line::Joining { .. }) {
            return;
        }
        self.line = Line::Joined;
        self.joined_before = true;
        self.backoff.reset();
        self.event(Event::Line(LineState::Joined));
        if members.iter().any(|uid| self.is_far(uid)) {
            self.far_arrived();
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

    fn far_arrived(&mut self) {
        self.set_far(Presence::Here);
        if let Pairing::Accepting { far, key } = &self.pairing {
            let bond = Bond { step: Step::Accept, conversation: &self.id, from: &self.instance, to: far };
            let message = Message::Accept(key.prove(bond));
            let to = far.uid(&self.id);
            self.send_message(to, &message);
        }
    }

    fn far_left(&mut self, now: Instant) {
        self.call.handle(now, call::Input::FarLeft);
        self.set_far(Presence::Away);
    }

    fn set_far(&mut self, presence: Presence) {
        if self.far != presence {
            self.far = presence;
            self.event(Event::Far(presence));
        }
    }

    fn message(&mut self, now: Instant, from: &PeerUid, text: &str) {
        let message = match Message::parse(text) {
            Ok(message) => message,
            Err(error) => return tracing::debug!(%error, "dropped a message"),
        };
        match message {
            Message::Accept(proof) => self.accept(from, &proof),
            Message::Accepted(proof) if self.is_far(from) => self.accepted(&proof),
            Message::Refused if self.is_far(from) => self.refused(),
            Message::Call(session, signal) if self.is_far(from) && self.is_paired() => {
                self.call.handle(now, call::Input::Far(session, signal));
            }
            Message::Accepted(_) | Message::Refused | Message::Call(..) => {
                tracing::debug!("ignored a message of somebody else");
            }
        }
    }

    /// Somebody says that it read this side's code.
    fn accept(&mut self, from: &PeerUid, proof: &str) {
        let Some(far) = self.instance_of(from) else { return };
        match &self.pairing {
            Pairing::Waiting { key, .. } => {
                let bond = Bond { step: Step::Accept, conversation: &self.id, from: &far, to: &self.instance };
                if !key.verify(bond, proof) {
                    return self.send_message(from.clone(), &Message::Refused);
                }
                let bond = Bond { step: Step::Accepted, conversation: &self.id, from: &self.instance, to: &far };
                let answer = key.prove(bond);
                self.event(Event::CodeGone(CodeGone::Paired));
                self.pair(far, Some(answer.clone()));
                self.send_message(from.clone(), &Message::Accepted(answer));
            }
            Pairing::Paired { far: known, accepted: Some(answer) } if *known == far => {
                let answer = Message::Accepted(answer.clone());
                self.send_message(from.clone(), &answer);
            }
            Pairing::Paired { .. } | Pairing::Expired | Pairing::Accepting { .. } => {
                self.send_message(from.clone(), &Message::Refused);
            }
        }
    }

    fn accepted(&mut self, proof: &str) {
        if let Pairing::Accepting { far, key } = &self.pairing {
            let bond = Bond { step: Step::Accepted, conversation: &self.id, from: far, to: &self.instance };
            if key.verify(bond, proof) {
                let far = far.clone();
                self.pair(far, None);
            }
        }
    }

    fn pair(&mut self, far: InstanceId, accepted: Option<String>) {
        self.call = Call::new(precedence(&self.instance, Some(&far)));
        self.sync_props();
        self.pairing = Pairing::Paired { far: far.clone(), accepted: accepted.clone() };
        self.outputs.push_back(Output::Remember { far, accepted });
        self.event(Event::Paired);
        self.set_far(Presence::Here);
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
        }
    }

    /// The first to unpause offers; so does whoever is unpaused already when the far side arrives.
    fn begin_if_wanted(&mut self, now: Instant) {
        let ready = self.is_paired() && self.far == Presence::Here && self.line == Line::Joined;
        if ready && self.gate == Gate::Open && self.call.is_over() {
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
        if let Pairing::Waiting { expires, .. } = &self.pairing
            && *expires <= now
        {
            self.pairing = Pairing::Expired;
            self.outputs.push_back(Output::ForgetKey);
            self.event(Event::CodeGone(CodeGone::Expired));
        }
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
        ]);
        self.call.set_props(props);
    }

    fn drain_call(&mut self) {
        while let Some(output) = self.call.poll() {
            match output {
                call::Output::Signal(session, signal) => {
                    if let Some(to) = self.far_uid() {
                        self.send_message(to, &Message::Call(session, signal));
                    }
                }
                call::Output::Media(session, command) => self.outputs.push_back(Output::Media(session, command)),
                call::Output::Phase(phase, ending) => {
                    if ending.is_some() {
                        self.set_gate(Gate::Closed);
                    }
                    self.event(Event::Call(phase, ending));
                }
                call::Output::FarProps(props) => self.event(Event::FarProps(props)),
            }
        }
    }

    fn is_paired(&self) -> bool {
        matches!(self.pairing, Pairing::Paired { .. })
    }

    fn far_uid(&self) -> Option<PeerUid> {
        match &self.pairing {
            Pairing::Accepting { far, .. } | Pairing::Paired { far, .. } => Some(far.uid(&self.id)),
            Pairing::Waiting { .. } | Pairing::Expired => None,
        }
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

    /// Tells another member of the room; whoever is not in it has nobody to tell.
    fn send_message(&mut self, to: PeerUid, message: &Message) {
        if self.line != Line::Joined {
            return tracing::debug!("not on the line: a message is lost");
        }
        self.send(ClientLine::RoomPeerMsg { to, text: message.to_string() });
    }

    fn send(&mut self, line: ClientLine) {
        self.outputs.push_back(Output::Send(line));
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}

fn precedence(own: &InstanceId, far: Option<&InstanceId>) -> Precedence {
    if far.is_some_and(|far| own < far) { Precedence::Theirs } else { Precedence::Ours }
}

#[cfg(test)]
mod tests;
