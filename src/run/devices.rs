//! `twocan devices`: what this machine can speak, look and listen with.

use std::io::Write;

use super::Error;
use crate::{
    foreign,
    media::{Device, Kind, list},
};

/// Prints every microphone, camera and speaker, with the system's choice marked.
pub fn devices(out: &mut impl Write) -> Result<(), Error> {
    let text = shape(&list()?);
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Error::Output)
}

fn shape(devices: &[Device]) -> String {
    let kinds = [(Kind::Microphone, "Microphones"), (Kind::Camera, "Cameras"), (Kind::Speaker, "Speakers")];
    kinds.iter().map(|(kind, title)| section(devices, *kind, title)).collect()
}

fn section(devices: &[Device], kind: Kind, title: &str) -> String {
    let row = |device: &Device| {
        let name = foreign::shown(&device.name, foreign::NAME);
        format!("  {name}{}\n", if device.is_default { "  (default)" } else { "" })
    };
    let rows: String = devices.iter().filter(|device| device.kind == kind).map(row).collect();
    format!("{title}\n{}", if rows.is_empty() { "  none\n" } else { &rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_listed_with_its_default_marked() {
        let device = |kind, name: &str, is_default| Device { kind, name: name.to_owned(), is_default };
        let devices = [
            device(Kind::Speaker, "Built-in", true),
            device(Kind::Microphone, "Yeti\u{1b}[2J", false),
            device(Kind::Microphone, "Headset", true),
        ];
        assert_eq!(
            shape(&devices),
            "Microphones\n  Yeti [2J\n  Headset  (default)\nCameras\n  none\nSpeakers\n  Built-in  (default)\n"
        );
    }
}
