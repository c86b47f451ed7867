//! Which microphone, camera, speaker and window are used.

use std::{convert::Infallible, str::FromStr};

use gstreamer::{self as gst, prelude::*};
use thiserror::Error;

use super::{MediaError, complaint};

/// What a person chose for one device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Choice {
    /// The system's own choice, or none where there is none.
    #[default]
    Auto,
    /// The one of this name, or with this in its name.
    Named(String),
    /// A test element: a tone of so many Hz, a colour, or one that reports what reaches it.
    Test(Option<String>),
    /// None.
    None,
}

impl FromStr for Choice {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.split_once(':') {
            _ if text == "auto" => Self::Auto,
            _ if text == "none" => Self::None,
            _ if text == "test" => Self::Test(None),
            Some(("test", detail)) => Self::Test(Some(detail.to_owned())),
            _ => Self::Named(text.to_owned()),
        })
    }
}

/// A test element that there is none of.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no test {} \"{detail}\"", kind.noun())]
pub struct BadChoice {
    /// For what.
    pub kind: Kind,
    /// Which.
    pub detail: String,
}

impl Choice {
    /// What a person wrote for this kind of device.
    pub fn of(kind: Kind, text: &str) -> Result<Self, BadChoice> {
        let choice = text.parse().unwrap_or_default();
        match &choice {
            Self::Test(Some(detail)) if test_origin(kind, Some(detail)).is_err() => {
                Err(BadChoice { kind, detail: detail.clone() })
            }
            Self::Auto | Self::Named(_) | Self::Test(_) | Self::None => Ok(choice),
        }
    }
}

/// The colour of a test picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    /// 0 to 255.
    pub red: u8,
    /// 0 to 255.
    pub green: u8,
    /// 0 to 255.
    pub blue: u8,
}

impl FromStr for Colour {
    type Err = MediaError;
    fn from_str(text: &str) -> Result<Self, MediaError> {
        let (red, green, blue) = match text.to_ascii_lowercase().as_str() {
            "red" => (255, 0, 0),
            "green" => (0, 255, 0),
            "blue" => (0, 0, 255),
            "white" => (255, 255, 255),
            "black" => (0, 0, 0),
            _ => return Err(MediaError::Setup(format!("no test picture is \"{text}\""))),
        };
        Ok(Self { red, green, blue })
    }
}

/// What one end of the media is made of.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    Device(gst::Device),
    Tone(f64),
    Picture(Option<Colour>),
    /// A sink that reports what reaches it.
    Report,
    /// A window, whichever the display offers.
    Window,
}

/// The four ends, as chosen.
#[derive(Debug, Clone, Default)]
pub(super) struct Ends {
    pub(super) microphone: Option<Origin>,
    pub(super) camera: Option<Origin>,
    pub(super) speaker: Option<Origin>,
    pub(super) window: Option<Origin>,
}

/// The names of what is used; `None` goes without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Where sound comes from.
    pub microphone: Option<String>,
    /// Where pictures come from.
    pub camera: Option<String>,
    /// Where the far side's sound goes.
    pub speaker: Option<String>,
    /// Where the far side's picture goes.
    pub window: Option<String>,
}

/// One device of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Microphone, camera or speaker.
    pub kind: Kind,
    /// As the system names it.
    pub name: String,
    /// Whether the system would choose it.
    pub is_default: bool,
}

/// What a device is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Takes sound in.
    Microphone,
    /// Takes pictures in.
    Camera,
    /// Plays sound.
    Speaker,
}

impl Kind {
    fn class(self) -> &'static str {
        match self {
            Self::Microphone => "Audio/Source",
            Self::Camera => "Video/Source",
            Self::Speaker => "Audio/Sink",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Microphone => "microphone",
            Self::Camera => "camera",
            Self::Speaker => "speaker",
        }
    }
}

/// The devices of this machine.
///
/// Errors: GStreamer does not start.
pub fn list() -> Result<Vec<Device>, MediaError> {
    complaint::listen();
    gst::init().map_err(|error| MediaError::Start(error.to_string()))?;
    let found = [Kind::Microphone, Kind::Camera, Kind::Speaker].map(|kind| (kind, probe(kind)));
    let describe = |kind, device: &gst::Device| Device {
        kind,
        name: device.display_name().to_string(),
        is_default: is_default(device),
    };
    Ok(found.iter().flat_map(|(kind, devices)| devices.iter().map(|device| describe(*kind, device))).collect())
}

/// Finds what was chosen; a line for each thing that is not there.
pub(super) fn choose(options: &super::Options) -> (Ends, Inventory, Vec<String>) {
    let mut notices = Vec::new();
    let mut device = |kind, choice: &Choice| find(kind, choice, &mut notices);
    let microphone = device(Kind::Microphone, &options.microphone);
    let camera = device(Kind::Camera, &options.camera);
    let speaker = device(Kind::Speaker, &options.speaker);
    let window = window(&options.window, &mut notices);
    let name = |end: &Option<(Origin, String)>| end.as_ref().map(|(_, name)| name.clone());
    let inventory = Inventory {
        microphone: name(&microphone),
        camera: name(&camera),
        speaker: name(&speaker),
        window: name(&window),
    };
    let origin = |end: Option<(Origin, String)>| end.map(|(origin, _)| origin);
    let ends = Ends {
        microphone: origin(microphone),
        camera: origin(camera),
        speaker: origin(speaker),
        window: origin(window),
    };
    (ends, inventory, notices)
}

fn find(kind: Kind, choice: &Choice, notices: &mut Vec<String>) -> Option<(Origin, String)> {
    let noun = kind.noun();
    match choice {
        Choice::None => None,
        Choice::Test(detail) => match test_origin(kind, detail.as_deref()) {
            Ok(origin) => Some((origin, format!("test {noun}"))),
            Err(error) => {
                notices.push(error.to_string());
                None
            }
        },
        Choice::Auto => {
            let devices = probe(kind);
            let device = devices.iter().find(|device| is_default(device)).or(devices.first());
            if device.is_none() {
                notices.push(format!("no {noun} on this machine: going on without"));
            }
            device.map(named)
        }
        Choice::Named(name) => {
            let devices = probe(kind);
            let wanted = name.to_lowercase();
            let holds = |device: &&gst::Device| device.display_name().to_lowercase().contains(&wanted);
            let exact = devices.iter().find(|device| device.display_name().to_lowercase() == wanted);
            let device = exact.or_else(|| devices.iter().find(holds));
            if device.is_none() {
                notices.push(format!("no {noun} is called \"{name}\": going on without"));
            }
            device.map(named)
        }
    }
}

fn named(device: &gst::Device) -> (Origin, String) {
    (Origin::Device(device.clone()), device.display_name().to_string())
}

fn test_origin(kind: Kind, detail: Option<&str>) -> Result<Origin, MediaError> {
    match kind {
        Kind::Microphone => {
            let hz = detail.unwrap_or("440").parse().ok().filter(|hz| (20.0..=8000.0).contains(hz));
            let error = || MediaError::Setup("a test tone has 20 to 8000 Hz".into());
            hz.map(Origin::Tone).ok_or_else(error)
        }
        Kind::Camera => detail.map(str::parse).transpose().map(Origin::Picture),
        Kind::Speaker if detail.is_some() => Err(MediaError::Setup("a test speaker takes nothing behind it".into())),
        Kind::Speaker => Ok(Origin::Report),
    }
}

fn window(choice: &Choice, notices: &mut Vec<String>) -> Option<(Origin, String)> {
    match choice {
        Choice::None => None,
        Choice::Test(_) => Some((Origin::Report, "test window".into())),
        Choice::Auto | Choice::Named(_) => {
            let there = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
            let display = there("DISPLAY") || there("WAYLAND_DISPLAY");
            if !display {
                notices.push("no display: nobody else's picture is shown".into());
            }
            display.then(|| (Origin::Window, "window".into()))
        }
    }
}

/// Looks once, and stops looking: nothing watches while a conversation waits.
fn probe(kind: Kind) -> Vec<gst::Device> {
    let monitor = gst::DeviceMonitor::new();
    monitor.add_filter(Some(kind.class()), None);
    // Devices are listed whether or not the monitor could start to watch.
    let started = monitor.start().is_ok();
    let devices = monitor.devices().iter().filter(|device| !is_echo(device)).cloned().collect();
    if started {
        monitor.stop();
    }
    devices
}

/// Whether this "microphone" only repeats what a speaker plays.
fn is_echo(device: &gst::Device) -> bool {
    property(device, "device.class").is_some_and(|class| class == "monitor")
}

fn is_default(device: &gst::Device) -> bool {
    device.properties().is_some_and(|properties| properties.get::<bool>("is-default").unwrap_or(false))
}

fn property(device: &gst::Device, name: &str) -> Option<String> {
    device.properties()?.get::<String>(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_read_from_one_word() {
        for (text, choice) in [
            ("auto", Choice::Auto),
            ("none", Choice::None),
            ("test", Choice::Test(None)),
            ("test:523", Choice::Test(Some("523".into()))),
            ("Headset: left", Choice::Named("Headset: left".into())),
        ] {
            assert_eq!(text.parse(), Ok(choice));
        }
    }

    #[test]
    fn a_test_device_that_there_is_none_of_is_refused() {
        for (kind, good, bad) in [
            (Kind::Microphone, "test:523.25", "test:abc"),
            (Kind::Camera, "test:RED", "test:pinkish"),
            (Kind::Speaker, "test", "test:1"),
        ] {
            assert!(Choice::of(kind, good).is_ok_and(|choice| matches!(choice, Choice::Test(_))), "{good}");
            let detail = bad.replace("test:", "");
            assert_eq!(Choice::of(kind, bad), Err(BadChoice { kind, detail }));
            assert_eq!(Choice::of(kind, "Test room: left"), Ok(Choice::Named("Test room: left".into())));
        }
    }

    #[test]
    fn a_test_tone_stays_audible() {
        for detail in ["0", "-1", "NaN", "90000", "red"] {
            assert!(test_origin(Kind::Microphone, Some(detail)).is_err(), "{detail}");
        }
        assert!(test_origin(Kind::Microphone, None).is_ok());
    }
}
