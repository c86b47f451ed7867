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
    Set(Gate),
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
        self.send(Command::Set(gate));
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
    let worker =
        Worker { events, devices: None, gate: Gate::Closed, microphone: Switch::On, camera: Switch::On, volume: 100 };
    let thread = thread::Builder::new().name("gate".into()).spawn(move || worker.run(&inbox))?;
    Ok((Handle { commands, open: Flag::default() }, thread))
}

struct Worker {
    events: Sender<Event>,
    devices: Option<Box<Devices>>,
    gate: Gate,
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
                Command::Set(gate) => {
                    self.gate = gate;
                    self.apply();
                }
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
        match self.gate {
            Gate::Open => self.open(devices),
            Gate::Closed => self.close(),
        }
    }

    /// Opens everything at the same time: a person waits for it.
    fn open(&self, devices: &Devices) {
        let camera = devices.camera.source.as_ref();
        if self.camera == Switch::Off {
            camera.into_iter().for_each(shut);
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
        devices.window.request_key_frame();
    }

    fn close(&self) {
        let Some(devices) = &self.devices else { return };
        let sources = [&devices.microphone.source, &devices.camera.source];
        let sinks = [&devices.speaker.sink, &devices.window.sink];
        sources.into_iter().chain(sinks).flatten().for_each(shut);
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

fn shut(element: &gst::Element) {
    element.set_locked_state(true);
    if element.set_state(gst::State::Null).is_err() {
        tracing::warn!(element = %element.name(), "a device does not close");
    }
}
