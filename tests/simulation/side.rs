//! One side: what it keeps on disk, and the program that runs on it, if one does.

use twocan::{
    call::Phase,
    conversation::{Conversation, Event, Gate, Input, LineState, Output, Setup, Switch, Track},
    ids::{ConversationId, InstanceId},
    pairing::{PairingKey, SpentCode},
    seal::{self, PublicKey, SafetyWords, SecretKey, Suspicion, Trust},
};

use crate::{
    crypto, medium, trace,
    world::{Happening, World},
};

/// What a side keeps, whatever becomes of its program.
#[derive(Debug, Clone)]
pub struct Disk {
    pub conversation: ConversationId,
    pub instance: InstanceId,
    pub secret: [u8; 32],
    /// The code that it shows, or has read.
    pub code: Option<PairingKey>,
    pub far: Option<InstanceId>,
    pub far_key: Option<PublicKey>,
    pub spent: Option<SpentCode>,
    /// Its word is stored: it is paired for good.
    pub is_paired: bool,
}

/// A place where a program of a side may run. A paired peer's second run has a place of its own and the same disk.
#[derive(Debug)]
pub struct Side {
    pub disk: usize,
    pub run: Option<Run>,
    /// How many programs were started here; names the present one.
    pub runs: u32,
    /// What the person last asked for, as far as no hang-up has come in between.
    pub wants: Gate,
    /// The network it is on: another number, another address.
    pub network: u32,
    /// Somebody here has hung up or gone away, so that the far side may rightly be told so.
    pub has_hung_up: bool,
    pub has_closed: bool,
}

/// A program that runs.
#[derive(Debug)]
pub struct Run {
    pub conversation: Conversation,
    pub socket: Option<usize>,
    pub gate: Gate,
    pub tracks: [Switch; 2],
    pub phase: Phase,
    pub is_joined: bool,
    pub is_taken: bool,
    pub is_refused: bool,
    pub words: Option<SafetyWords>,
    pub suspicions: Vec<Suspicion>,
    /// It ends when the call is over, or then.
    pub is_quitting: bool,
}

/// What moved a side to say something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    Unpause,
    Pause,
    Other,
}

/// What a person does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    Unpause,
    Pause,
    HangUp,
    Switch(Track, Switch),
    TakeOver,
    /// Ends the program as it should be.
    Quit,
    /// The program ends in the middle of what it does: no goodbye at all.
    Kill,
    Start,
    /// A page goes and comes back, as paused as it was.
    Reload,
    /// Another network; the program is told of it, or not.
    Network {
        is_told: bool,
    },
    /// A camera or microphone is plugged in or out.
    Equipped {
        camera: bool,
    },
}

impl Disk {
    fn trust(&self) -> Trust {
        match (&self.far, self.far_key, &self.code) {
            (Some(far), Some(key), _) if self.is_paired => {
                Trust::Paired { far: far.clone(), key, spent: self.spent.clone() }
            }
            (Some(far), key, Some(code)) => Trust::Reader { far: far.clone(), code: code.clone(), key },
            (None, _, Some(code)) => Trust::Owner { code: code.clone() },
            (_, _, None) => Trust::Closed { spent: self.spent.clone() },
        }
    }
}

impl World {
    pub fn press(&mut self, side: usize, press: Press) {
        trace::note(|| format!("{} side {side}: ** {press:?}", self.clock()));
        if press == Press::Start {
            return self.start_run(side);
        }
        if self.sides[side].run.is_none() {
            return;
        }
        self.note_press(press);
        match press {
            Press::Unpause => {
                self.sides[side].wants = Gate::Open;
                self.tell(side, Input::Unpause);
            }
            Press::Pause => {
                self.sides[side].wants = Gate::Closed;
                self.tell(side, Input::Pause);
            }
            Press::HangUp => self.press_hang_up(side),
            Press::Switch(Track::Microphone, switch) => self.tell(side, Input::Microphone(switch)),
            Press::Switch(Track::Camera, switch) => self.tell(side, Input::Camera(switch)),
            Press::TakeOver => self.take_over(side),
            Press::Quit => self.quit(side),
            Press::Kill => self.kill(side),
            Press::Reload => self.reload(side),
            Press::Network { is_told } => self.change_network(side, is_told),
            Press::Equipped { camera } => self.tell(side, Input::Equipped { microphone: true, camera }),
            Press::Start => {}
        }
    }

    fn press_hang_up(&mut self, side: usize) {
        self.sides[side].wants = Gate::Closed;
        self.sides[side].has_hung_up = true;
        self.note_hang_up(side);
        self.tell(side, Input::HangUp);
    }

    fn start_run(&mut self, side: usize) {
        if self.sides[side].run.is_some() {
            return;
        }
        let disk = self.disks[self.sides[side].disk].clone();
        let conversation = Conversation::new(Setup {
            conversation: disk.conversation.clone(),
            instance: disk.instance.clone(),
            secret: SecretKey::from_bytes(disk.secret),
            trust: disk.trust(),
            expires: self.start + std::time::Duration::from_secs(86_400),
            seed: self.random.u64(..),
            resolver: match self.crypto {
                crypto::Kind::Toy => crypto::toy,
                crypto::Kind::Real => seal::resolver,
            },
        });
        let it = &mut self.sides[side];
        it.runs += 1;
        it.wants = Gate::Closed;
        it.run = Some(Run {
            conversation,
            socket: None,
            gate: Gate::Closed,
            tracks: [Switch::On; 2],
            phase: Phase::Idle,
            is_joined: false,
            is_taken: false,
            is_refused: false,
            words: None,
            suspicions: Vec::new(),
            is_quitting: false,
        });
        self.tell(side, Input::Start);
    }

    /// The program of the other run is ended first: that is what taking over means on one machine.
    fn take_over(&mut self, side: usize) {
        let disk = self.sides[side].disk;
        let is_taken = self.sides[side].run.as_ref().is_some_and(|run| run.is_taken);
        for other in 0..self.sides.len() {
            if is_taken && other != side && self.sides[other].disk == disk && self.sides[other].run.is_some() {
                self.sides[other].has_hung_up = true;
                self.end_run(other);
            }
        }
        self.tell(side, Input::TakeOver);
    }

    fn quit(&mut self, side: usize) {
        if let Some(run) = &mut self.sides[side].run {
            run.is_quitting = true;
            let at = self.now + std::time::Duration::from_millis(500);
            let run = self.sides[side].runs;
            self.at(at, Happening::End(side, run));
            self.press_hang_up(side);
            self.end_if_quitting(side);
        }
    }

    fn end_if_quitting(&mut self, side: usize) {
        if self.sides[side].run.as_ref().is_some_and(|run| run.is_quitting && run.phase == Phase::Idle) {
            self.end_run(side);
        }
    }

    /// The program ends, and says so wherever it is connected.
    pub fn end_run(&mut self, side: usize) {
        let ends: Vec<usize> = self.medium.living(side, self.sides[side].runs).map(|(end, _)| end).collect();
        for end in ends {
            self.close_end(end);
        }
        self.sides[side].has_closed = true;
        self.disconnect(side);
        self.sides[side].run = None;
        trace::note(|| format!("{} side {side}: has ended", self.clock()));
    }

    fn kill(&mut self, side: usize) {
        self.drop_ends(side);
        self.disconnect(side);
        self.sides[side].run = None;
    }

    fn reload(&mut self, side: usize) {
        let wants = self.sides[side].wants;
        self.end_run(side);
        let at = self.soon(50, 1500);
        self.at(at, Happening::Press(side, Press::Start));
        if wants == Gate::Open {
            self.at(at, Happening::Press(side, Press::Unpause));
        }
    }

    fn change_network(&mut self, side: usize, is_told: bool) {
        self.sides[side].network += 1;
        let ends: Vec<_> = self.medium.living(side, self.sides[side].runs).map(|(end, it)| (end, it.far)).collect();
        for (end, far) in ends {
            self.doubt(end);
            far.into_iter().for_each(|far| self.doubt(far));
        }
        self.half_kill(side);
        if is_told {
            self.tell(side, Input::NetworkChanged);
        }
    }

    /// Hands an input to the program of a side, and carries out what it says to it.
    pub fn tell(&mut self, side: usize, input: Input) {
        let Some(run) = &mut self.sides[side].run else { return };
        let is_deadline = matches!(input, Input::Deadline);
        let cause = match input {
            Input::Unpause => Cause::Unpause,
            Input::Pause | Input::HangUp => Cause::Pause,
            _ => Cause::Other,
        };
        run.conversation.handle(self.now, input);
        let mut outputs = std::mem::take(&mut self.outputs);
        outputs.extend(std::iter::from_fn(|| run.conversation.poll()));
        if is_deadline {
            let next = run.conversation.deadline();
            assert!(next.is_none_or(|next| next > self.now), "side {side} wants to be woken in the past");
        }
        assert!(outputs.len() <= 100, "side {side} says {} things at once", outputs.len());
        for output in outputs.drain(..) {
            if self.plan.dies == Some((side, self.sides[side].runs)) && self.random.u8(..) < 8 {
                self.plan.dies = None;
                trace::note(|| format!("{} side {side}: dies before it says {output:?}", self.clock()));
                self.kill(side);
                let at = self.soon(10, 3000);
                self.at(at, Happening::Press(side, Press::Start));
                break;
            }
            self.carry_out(side, output, cause);
        }
        outputs.clear();
        self.outputs = outputs;
        self.end_if_quitting(side);
    }

    fn carry_out(&mut self, side: usize, output: Output, cause: Cause) {
        trace::note(|| match &output {
            Output::Media(connection, command) => {
                format!("{} side {side}:   -> media {} {command:?}", self.clock(), medium::name(connection))
            }
            Output::Send(line) => format!("{} side {side}:   -> {:.170}", self.clock(), line.to_string()),
            other => format!("{} side {side}:   -> {other:?}", self.clock()),
        });
        match output {
            Output::Connect => self.connect(side),
            Output::Disconnect => self.disconnect(side),
            Output::Send(line) => {
                let line = line.to_string();
                self.check_sealed(side, &line);
                self.say(side, line);
            }
            Output::Media(connection, command) => self.media_command(side, &connection, command),
            Output::Gate(gate) => self.set_gate(side, gate, cause),
            Output::Track(track, switch) => {
                if let Some(run) = &mut self.sides[side].run {
                    run.tracks[usize::from(track == Track::Camera)] = switch;
                }
            }
            Output::Learned(key) => self.disk(side).far_key = Some(key),
            Output::Remember { far, key, spent } => self.remember(side, far, key, spent),
            Output::ForgetKey => self.disk(side).code = None,
            Output::Event(event) => self.show(side, event),
        }
    }

    fn remember(&mut self, side: usize, far: InstanceId, key: PublicKey, spent: Option<SpentCode>) {
        self.check_pairing(side, &far, key);
        let disk = self.disk(side);
        disk.spent = spent;
        (disk.far, disk.far_key, disk.code, disk.is_paired) = (Some(far), Some(key), None, true);
    }

    fn show(&mut self, side: usize, event: Event) {
        self.check_event(side, &event);
        let Some(run) = &mut self.sides[side].run else { return };
        match event {
            Event::Line(state) => {
                run.is_joined = state == LineState::Joined;
                run.is_taken = state == LineState::Taken;
            }
            Event::Refused => run.is_refused = true,
            Event::Sealed(words) => {
                run.words = Some(words);
                run.suspicions.clear();
            }
            Event::Suspicious(suspicion) => run.suspicions.push(suspicion),
            Event::Call(phase, _) => run.phase = phase,
            Event::CodeShown
            | Event::CodeGone(_)
            | Event::Paired
            | Event::Far(_)
            | Event::FarProps(_)
            | Event::Gate(_)
            | Event::Track(..)
            | Event::ServerError(_) => {}
        }
    }

    fn disk(&mut self, side: usize) -> &mut Disk {
        &mut self.disks[self.sides[side].disk]
    }
}
