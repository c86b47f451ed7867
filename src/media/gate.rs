//! The gate: the one place where devices are opened and closed.
//!
//! Closing takes effect at once, by a flag that every stream looks at; the devices follow on a thread of their own,
//! since opening one takes tens of milliseconds.

use std::{
    sync::mpsc::{self, Receiver},
    thread::{self, JoinHandle, Scope},
    time::Duration,
};

use gstreamer::{self as gst, prelude::*};

use super::{Event, capture, playback, probe::Flag};
use crate::{
    conversation::{Gate, Switch, Track},
    rt::{self, Sender},
};

/// What of one connection is behind the gate.
#[derive(Debug)]
pub(super) struct Devices {
    pub(super) pipeline: gst::glib::WeakRef<gst::Pipeline>,
    pub(super) microphone: capture::Chain,
    pub(super) camera: capture::Chain,
    pub(super) speaker: playback::Chain,
    pub(super) window: playback::Chain,
}

impl Devices {
    fn all(&self) -> [(&'static str, &dyn Device); 4] {
        let Self { microphone, camera, speaker, window, .. } = self;
        [("camera", camera), ("microphone", microphone), ("speaker", speaker), ("window", window)]
    }

    fn shut(&self) {
        self.all().into_iter().for_each(|(_, device)| device.shut());
    }
}

/// Something that the gate opens and closes.
pub(super) trait Device: Sync {
    /// Opens it, if it is there and closed; says whether it could not be.
    fn open(&self, pipeline: &gst::Pipeline) -> Result<(), Unopened>;

    /// Closes it, if it is open.
    fn shut(&self);

    /// Whether it can be opened here while it is still open on another connection.
    fn is_shareable(&self) -> bool {
        false
    }

    /// Whether anything has passed since it was opened first.
    fn has_begun(&self) -> bool {
        false
    }
}

/// How long both connections have a device while nothing comes over the next: 500 ms. The slowest microphone takes 200
/// to begin, and a far side that is silent never does.
const OVERLAP_LIMIT: Duration = Duration::from_millis(500);

/// A device is in use elsewhere, or broken.
#[derive(Debug)]
pub(super) struct Unopened;

/// What streams look at: who may pass.
#[derive(Debug, Clone)]
pub(super) struct Passes {
    /// Set while the gate is open.
    pub(super) open: Flag,
    /// Set while the microphone is not muted.
    pub(super) microphone: Flag,
    /// Set while the camera is on.
    pub(super) camera: Flag,
}

enum Command {
    Attach(Box<Devices>),
    HandOver(Box<Devices>, Box<dyn Send>),
    Detach(mpsc::Sender<()>),
    /// Bring the devices to where the flags stand.
    Follow,
    Volume(u32),
    Stop,
}

/// Tells the gate what to do.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    commands: mpsc::Sender<Command>,
    passes: Passes,
}

impl Handle {
    pub(super) fn passes(&self) -> &Passes {
        &self.passes
    }

    pub(super) fn set(&self, gate: Gate) {
        self.passes.open.set(gate == Gate::Open);
        self.send(Command::Follow);
    }

    pub(super) fn switch(&self, track: Track, switch: Switch) {
        match track {
            // Muted, it stays open and silence is sent: only pausing closes it.
            Track::Microphone => self.passes.microphone.set(switch == Switch::On),
            Track::Camera => {
                self.passes.camera.set(switch == Switch::On);
                self.send(Command::Follow);
            }
        }
    }

    pub(super) fn set_volume(&self, percent: u32) {
        self.send(Command::Volume(percent));
    }

    /// Puts the devices of a new connection behind the gate.
    pub(super) fn attach(&self, devices: Devices) {
        self.send(Command::Attach(Box::new(devices)));
    }

    /// Puts the devices of the next connection in the place of those of the last, and tears that down once its devices
    /// are closed.
    pub(super) fn hand_over(&self, devices: Devices, last: impl Send + 'static) {
        self.send(Command::HandOver(Box::new(devices), Box::new(last)));
    }

    /// Closes the devices of the connection and lets go of them, before it is torn down.
    pub(super) fn detach(&self) {
        let (done, wait) = mpsc::channel();
        self.send(Command::Detach(done));
        let _ = wait.recv();
    }

    pub(super) fn stop(&self) {
        self.passes.open.set(false);
        self.send(Command::Stop);
    }

    fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }
}

/// Starts the gate's thread.
pub(super) fn start(events: Sender<Event>) -> std::io::Result<(Handle, JoinHandle<()>)> {
    let (commands, inbox) = mpsc::channel();
    let passes = Passes { open: Flag::default(), microphone: Flag::default(), camera: Flag::default() };
    passes.microphone.set(true);
    passes.camera.set(true);
    let worker = Worker { events, devices: None, passes: passes.clone(), volume: 100 };
    let thread = thread::Builder::new().name("gate".into()).spawn(move || worker.run(&inbox))?;
    Ok((Handle { commands, passes }, thread))
}

struct Worker {
    events: Sender<Event>,
    devices: Option<Box<Devices>>,
    passes: Passes,
    volume: u32,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<Command>) {
        while let Ok(command) = inbox.recv() {
            match command {
                Command::Attach(devices) => {
                    self.close();
                    self.devices = Some(devices);
                    self.set_volume();
                    self.follow();
                }
                Command::HandOver(devices, last) => {
                    let former = self.devices.replace(devices);
                    self.set_volume();
                    self.hand_over(former.as_deref());
                    drop(last);
                }
                Command::Detach(done) => {
                    self.close();
                    self.devices = None;
                    let _ = done.send(());
                }
                Command::Follow => self.follow(),
                Command::Volume(percent) => {
                    self.volume = percent;
                    self.set_volume();
                }
                Command::Stop => break,
            }
        }
        self.close();
    }

    fn set_volume(&self) {
        if let Some(volume) = self.devices.as_ref().and_then(|devices| devices.speaker.volume.as_ref()) {
            volume.set_property("volume", f64::from(self.volume) / 100.0);
        }
    }

    /// Brings every device to where the flags stand now: a gate that was closed again meanwhile opens nothing.
    fn follow(&self) {
        let Some(devices) = &self.devices else { return };
        if self.passes.open.is_set() { self.open(devices) } else { self.close() }
    }

    /// Opens everything at the same time, as a person waits for it; none waits for another.
    fn open(&self, devices: &Devices) {
        let Some(pipeline) = devices.pipeline.upgrade() else { return };
        thread::scope(|scope| {
            for (name, device) in devices.all() {
                let pipeline = &pipeline;
                if self.is_wanted(name) {
                    beside(scope, name, move || self.open_one(name, device, pipeline));
                } else {
                    device.shut();
                }
            }
        });
    }

    /// Brings the devices to where the flags stand, and closes those of the connection before.
    fn hand_over(&self, former: Option<&Devices>) {
        let Some(devices) = &self.devices else { return };
        let (Some(former), Some(pipeline)) = (former, devices.pipeline.upgrade()) else { return self.follow() };
        thread::scope(|scope| {
            for ((name, device), (_, before)) in devices.all().into_iter().zip(former.all()) {
                let pipeline = &pipeline;
                if !beside(scope, name, move || self.hand_over_one(name, before, device, pipeline)) {
                    before.shut();
                }
            }
        });
    }

    /// Opens a device, and closes it where it was before: the other way round, if it can be open only once.
    fn hand_over_one(&self, name: &str, before: &dyn Device, device: &dyn Device, pipeline: &gst::Pipeline) {
        let is_wanted = || self.passes.open.is_set() && self.is_wanted(name);
        if is_wanted() && device.is_shareable() {
            self.open_one(name, device, pipeline);
            let until = rt::now() + OVERLAP_LIMIT;
            while !device.has_begun() && is_wanted() && rt::now() < until {
                thread::sleep(Duration::from_millis(2));
            }
            before.shut();
        } else {
            before.shut();
            if is_wanted() {
                self.open_one(name, device, pipeline);
            }
        }
    }

    fn is_wanted(&self, name: &str) -> bool {
        name != "camera" || self.passes.camera.is_set()
    }

    fn open_one(&self, name: &str, device: &dyn Device, pipeline: &gst::Pipeline) {
        if device.open(pipeline).is_err() {
            let notice = format!("the {name} cannot be opened: going on without");
            let _ = self.events.try_send(Event::Notice(notice));
        }
    }

    fn close(&self) {
        self.devices.iter().for_each(|devices| devices.shut());
    }
}

/// Does something to one device while the others are being seen to; whether there is a thread for it.
fn beside<'scope>(scope: &'scope Scope<'scope, '_>, device: &str, work: impl FnOnce() + Send + 'scope) -> bool {
    let thread = thread::Builder::new().name(device.into()).spawn_scoped(scope, work);
    thread.inspect_err(|error| tracing::warn!(%error, "no thread for the {device}")).is_ok()
}

/// Opens a device that the pipeline is kept from opening.
pub(super) fn unlock(element: &gst::Element, pipeline: &gst::Pipeline) -> Result<(), Unopened> {
    element.set_base_time(pipeline.base_time().unwrap_or_default());
    element.set_start_time(pipeline.start_time());
    element.set_locked_state(false);
    element.sync_state_with_parent().map_err(|_| {
        shut(element);
        Unopened
    })
}

/// Closes a device, and keeps the pipeline from opening it.
pub(super) fn shut(element: &gst::Element) {
    element.set_locked_state(true);
    if element.set_state(gst::State::Null).is_err() {
        tracing::warn!(element = %element.name(), "a device does not close");
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::{
        media::{
            Options,
            devices::{Ends, Origin},
            peer::Peer,
        },
        rt,
    };

    /// A connection of test elements whose devices the test can look at.
    struct Bench {
        gate: Handle,
        /// Keeps the pipeline.
        peer: Peer,
        devices: [gst::Element; 4],
    }

    impl Bench {
        fn new() -> Self {
            gst::init().expect("GStreamer");
            let (gate, _) = start(rt::channel(64).0).expect("a thread");
            let (mut peer, devices) = connection(&gate);
            gate.attach(peer.take_devices().expect("devices"));
            Self { gate, peer, devices }
        }

        /// Hands the devices over to another connection; what it gives back are those of the former.
        fn move_on(&mut self) -> [gst::Element; 4] {
            let (mut peer, devices) = connection(&self.gate);
            let devices_of_next = peer.take_devices().expect("devices");
            self.gate.hand_over(devices_of_next, std::mem::replace(&mut self.peer, peer));
            std::mem::replace(&mut self.devices, devices)
        }

        /// Waits until the states of microphone, camera, speaker and window are these.
        fn wait(&self, states: [gst::State; 4]) {
            let until = Instant::now() + Duration::from_secs(30);
            while self.devices.iter().zip(states).any(|(device, state)| device.current_state() != state) {
                assert!(Instant::now() < until, "{:?}", self.states());
                thread::sleep(Duration::from_millis(1));
            }
        }

        fn states(&self) -> Vec<gst::State> {
            self.devices.iter().map(|device| device.current_state()).collect()
        }
    }

    /// A connection with test elements, which the gate does not have yet.
    fn connection(gate: &Handle) -> (Peer, [gst::Element; 4]) {
        let ends = Ends {
            microphone: Some(Origin::Tone(440.0)),
            camera: Some(Origin::Picture(None)),
            speaker: Some(Origin::Report),
            window: Some(Origin::Report),
        };
        let peer = Peer::new(&Options::default(), &ends, gate.passes(), &rt::channel(64).0).expect("a peer");
        let devices = peer.devices().expect("devices");
        let elements = [
            devices.microphone.source.clone().expect("a microphone"),
            devices.camera.source.clone().expect("a camera"),
            devices.speaker.sink.clone().expect("a speaker"),
            devices.window.sink.clone().expect("a window"),
        ];
        (peer, elements)
    }

    impl Drop for Bench {
        fn drop(&mut self) {
            self.gate.detach();
            self.gate.stop();
        }
    }

    const CLOSED: [gst::State; 4] = [gst::State::Null; 4];
    const OPEN: [gst::State; 4] = [gst::State::Playing; 4];

    #[test]
    fn every_device_is_closed_until_the_gate_opens_and_when_it_closes() {
        let bench = Bench::new();
        assert_eq!(bench.states(), CLOSED, "made ready, but not opened");
        for _ in 0..3 {
            bench.gate.set(Gate::Open);
            bench.wait(OPEN);
            bench.gate.set(Gate::Closed);
            assert!(!bench.gate.passes().open.is_set(), "nothing passes from the moment that it closes");
            bench.wait(CLOSED);
            assert!(bench.devices.iter().all(|device| device.is_locked_state()));
        }
    }

    #[test]
    fn a_connection_that_comes_while_the_gate_is_open_gets_its_devices_at_once() {
        let mut bench = Bench::new();
        bench.gate.set(Gate::Open);
        bench.wait(OPEN);
        bench.gate.detach();
        assert_eq!(bench.states(), CLOSED, "let go of before the connection goes");
        (bench.peer, bench.devices) = connection(&bench.gate);
        assert_eq!(bench.states(), CLOSED, "not the gate's yet");
        bench.gate.attach(bench.peer.take_devices().expect("devices"));
        bench.wait(OPEN);
    }

    #[test]
    fn a_camera_that_is_switched_off_stays_closed_behind_the_open_gate() {
        let bench = Bench::new();
        bench.gate.switch(Track::Camera, Switch::Off);
        bench.gate.set(Gate::Open);
        let [playing, closed] = [gst::State::Playing, gst::State::Null];
        bench.wait([playing, closed, playing, playing]);
        bench.gate.switch(Track::Camera, Switch::On);
        bench.wait(OPEN);
        bench.gate.switch(Track::Camera, Switch::Off);
        bench.wait([playing, closed, playing, playing]);
    }

    #[test]
    fn devices_change_over_to_the_next_connection_as_the_gate_stands() {
        let mut bench = Bench::new();
        bench.gate.set(Gate::Open);
        bench.gate.switch(Track::Camera, Switch::Off);
        let [playing, closed] = [gst::State::Playing, gst::State::Null];
        bench.wait([playing, closed, playing, playing]);
        let former = bench.move_on();
        bench.wait([playing, closed, playing, playing]);
        bench.gate.set(Gate::Closed);
        bench.wait(CLOSED);
        assert!(former.iter().all(|device| device.current_state() == closed && device.is_locked_state()));
        bench.move_on();
        bench.gate.set(Gate::Open);
        bench.gate.switch(Track::Camera, Switch::On);
        bench.wait(OPEN);
    }
}
