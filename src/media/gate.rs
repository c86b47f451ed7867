//! The gate: the one place where devices are opened and closed.
//!
//! Closing takes effect at once, by a flag that every stream looks at; the devices follow on a thread of their own,
//! since opening one takes tens of milliseconds.

use std::{
    sync::mpsc::{self, Receiver},
    thread::{self, JoinHandle},
};

use gstreamer::{self as gst, prelude::*};

use super::{Event, capture, playback, probe::Flag};
use crate::{
    conversation::{Gate, Switch, Track},
    rt::Sender,
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

enum Command {
    Attach(Box<Devices>),
    Detach(mpsc::Sender<()>),
    /// Bring the devices to where the flag stands.
    Follow,
    Switch(Track, Switch),
    Volume(u32),
    Stop,
}

/// Tells the gate what to do.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    commands: mpsc::Sender<Command>,
    open: Flag,
}

impl Handle {
    /// What every stream looks at: set while the gate is open.
    pub(super) fn flag(&self) -> Flag {
        self.open.clone()
    }

    pub(super) fn set(&self, gate: Gate) {
        self.open.set(gate == Gate::Open);
        self.send(Command::Follow);
    }

    pub(super) fn switch(&self, track: Track, switch: Switch) {
        self.send(Command::Switch(track, switch));
    }

    pub(super) fn set_volume(&self, percent: u32) {
        self.send(Command::Volume(percent));
    }

    /// Puts the devices of a new connection behind the gate.
    pub(super) fn attach(&self, devices: Devices) {
        self.send(Command::Attach(Box::new(devices)));
    }

    /// Closes the devices of the connection and lets go of them, before it is torn down.
    pub(super) fn detach(&self) {
        let (done, wait) = mpsc::channel();
        self.send(Command::Detach(done));
        let _ = wait.recv();
    }

    pub(super) fn stop(&self) {
        self.open.set(false);
        self.send(Command::Stop);
    }

    fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }
}

/// Starts the gate's thread.
pub(super) fn start(events: Sender<Event>) -> std::io::Result<(Handle, JoinHandle<()>)> {
    let (commands, inbox) = mpsc::channel();
    let open = Flag::default();
    let worker =
        Worker { events, devices: None, open: open.clone(), microphone: Switch::On, camera: Switch::On, volume: 100 };
    let thread = thread::Builder::new().name("gate".into()).spawn(move || worker.run(&inbox))?;
    Ok((Handle { commands, open }, thread))
}

struct Worker {
    events: Sender<Event>,
    devices: Option<Box<Devices>>,
    open: Flag,
    microphone: Switch,
    camera: Switch,
    volume: u32,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<Command>) {
        while let Ok(command) = inbox.recv() {
            match command {
                Command::Attach(devices) => {
                    self.close();
                    self.devices = Some(devices);
                    self.apply();
                }
                Command::Detach(done) => {
                    self.close();
                    self.devices = None;
                    let _ = done.send(());
                }
                Command::Follow => self.apply(),
                Command::Switch(Track::Microphone, switch) => {
                    self.microphone = switch;
                    self.apply();
                }
                Command::Switch(Track::Camera, switch) => {
                    self.camera = switch;
                    self.apply();
                }
                Command::Volume(percent) => {
                    self.volume = percent;
                    self.apply();
                }
                Command::Stop => break,
            }
        }
        self.close();
    }

    /// Brings every device to where the gate and the switches want it.
    fn apply(&self) {
        let Some(devices) = &self.devices else { return };
        if let Some(volume) = &devices.microphone.volume {
            volume.set_property("mute", self.microphone == Switch::Off);
        }
        if let Some(volume) = &devices.speaker.volume {
            volume.set_property("volume", f64::from(self.volume) / 100.0);
        }
        // The flag as it stands now: a gate that was closed again meanwhile opens nothing.
        if self.open.is_set() { self.open(devices) } else { self.close() }
    }

    /// Opens everything at the same time: a person waits for it.
    fn open(&self, devices: &Devices) {
        let camera = devices.camera.source.as_ref();
        if self.camera == Switch::Off {
            devices.camera.shut();
        }
        let camera = camera.filter(|_| self.camera == Switch::On);
        let all = [
            ("microphone", devices.microphone.source.as_ref()),
            ("speaker", devices.speaker.sink.as_ref()),
            ("camera", camera),
            ("window", devices.window.sink.as_ref()),
        ];
        let pipeline = devices.pipeline.upgrade();
        let closed = all.into_iter().filter_map(|(name, element)| Some((name, element?)));
        let closed: Vec<_> = closed.filter(|(_, element)| element.is_locked_state()).collect();
        thread::scope(|scope| {
            for (name, element) in closed {
                let pipeline = pipeline.as_ref();
                scope.spawn(move || {
                    if !unlock(element, pipeline) {
                        shut(element);
                        let _ = self
                            .events
                            .try_send(Event::Notice(format!("the {name} cannot be opened: going on without")));
                    }
                });
            }
        });
        if let Some(pipeline) = pipeline {
            let _ = pipeline.recalculate_latency();
        }
        devices.speaker.admit();
        devices.window.admit();
        devices.window.request_key_frame();
    }

    fn close(&self) {
        let Some(devices) = &self.devices else { return };
        [&devices.camera, &devices.microphone].into_iter().for_each(capture::Chain::shut);
        [&devices.speaker, &devices.window].into_iter().for_each(playback::Chain::shut);
    }
}

fn unlock(element: &gst::Element, pipeline: Option<&gst::Pipeline>) -> bool {
    if let Some(pipeline) = pipeline {
        element.set_base_time(pipeline.base_time().unwrap_or_default());
        element.set_start_time(pipeline.start_time());
    }
    element.set_locked_state(false);
    element.sync_state_with_parent().is_ok()
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
        ids::SessionId,
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
        peer: Peer,
        devices: [gst::Element; 4],
    }

    impl Bench {
        fn new() -> Self {
            gst::init().expect("GStreamer");
            let (events, _) = rt::channel(64);
            let (gate, _) = start(events.clone()).expect("a thread");
            let ends = Ends {
                microphone: Some(Origin::Tone(440.0)),
                camera: Some(Origin::Picture(None)),
                speaker: Some(Origin::Report),
                window: Some(Origin::Report),
            };
            let mut peer = Peer::new(&Options::default(), &ends, &gate.flag(), &events).expect("a peer");
            let devices = peer.devices().expect("devices");
            let devices = [
                devices.microphone.source.clone().expect("a microphone"),
                devices.camera.source.clone().expect("a camera"),
                devices.speaker.sink.clone().expect("a speaker"),
                devices.window.sink.clone().expect("a window"),
            ];
            peer.assign(SessionId::from_bits(1), &gate);
            Self { gate, peer, devices }
        }

        /// Waits until the states of microphone, camera, speaker and window are these.
        fn wait(&self, states: [gst::State; 4]) {
            let until = Instant::now() + Duration::from_secs(5);
            while self.devices.iter().zip(states).any(|(device, state)| device.current_state() != state) {
                assert!(Instant::now() < until, "{:?}", self.states());
                thread::yield_now();
            }
        }

        fn states(&self) -> Vec<gst::State> {
            self.devices.iter().map(|device| device.current_state()).collect()
        }
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
            assert!(!bench.gate.flag().is_set(), "nothing passes from the moment that it closes");
            bench.wait(CLOSED);
            assert!(bench.devices.iter().all(|device| device.is_locked_state()));
        }
    }

    #[test]
    fn a_connection_that_comes_while_the_gate_is_open_gets_its_devices_at_once() {
        let bench = Bench::new();
        bench.gate.set(Gate::Open);
        bench.wait(OPEN);
        bench.gate.detach();
        assert_eq!(bench.states(), CLOSED, "let go of before the connection goes");
        assert!(bench.peer.belongs_to(&SessionId::from_bits(1)));
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
}
