//! What the members of a room share: one microphone and one camera, each encoded once, one speaker and one window.
//!
//! It has a pipeline of its own, and so has each member. Between them streams pass by sources that drop what is not taken
//! in time: whatever one member does, or does not do, holds up no other.

use gstreamer::{self as gst, prelude::*};

use super::{
    Event, MediaError, Options, capture,
    capture::{element, filter, pad},
    description::Layout,
    devices::{Ends, Origin},
    gate::{Devices, Passes},
    mixture::{self, Mixture, Part},
    peer::{Peer, Ways},
    playback::{self, Chain, Entries, assemble, picture_decoder, sound_decoder, unwaiting},
    probe::Flag,
    report::{self, Reporter},
    sender::Sender as RtpSender,
    tap::{Share, Tap},
};
use crate::rt::Sender;

/// The shared part of a room's media.
#[derive(Debug)]
pub(super) struct Studio {
    pipeline: gst::Pipeline,
    /// Set while there is somebody to encode for.
    occupied: Flag,
    microphone: Tap,
    camera: Tap,
    speaker: Option<Mixture>,
    window: Window,
    /// Set while each can be played, or shown: the gate is open, and the device is.
    hearing: Vec<Flag>,
    seeing: Vec<Flag>,
    events: Sender<Event>,
}

/// Where the members' pictures go.
#[derive(Debug)]
enum Window {
    None,
    /// Side by side.
    Grid(Mixture),
    /// Each is told of by itself.
    Report(Entries),
}

/// One member's connection, and its ways from and to what is shared.
#[derive(Debug)]
pub(super) struct Member {
    _shares: [Share; 2],
    _parts: Vec<Part>,
    pub(super) peer: Peer,
}

impl Studio {
    /// Makes it, with everything closed; the devices are for the gate.
    pub(super) fn new(ends: &Ends, passes: &Passes, events: &Sender<Event>) -> Result<(Self, Devices), MediaError> {
        let pipeline = gst::Pipeline::new();
        pipeline.use_clock(Some(&gst::SystemClock::obtain()));
        pipeline.set_latency(mixture::PLAYOUT);
        let occupied = Flag::default();
        let microphone = capture::Chain::sound(&pipeline, ends.microphone.as_ref(), passes, &occupied)?;
        let camera = capture::Chain::picture(&pipeline, ends.camera.as_ref(), passes, &occupied)?;
        // Several may miss a picture at the same time: one whole one serves them all.
        camera.encoder.set_property("min-force-key-unit-interval", 300_000_000_u64);
        let taps = [Tap::new(&pipeline, &microphone.encoder)?, Tap::new(&pipeline, &camera.encoder)?];
        let mixed = ends.speaker.as_ref().map(|origin| Mixture::sound(&pipeline, origin, events)).transpose()?;
        let (speaker, sound) = mixed.map_or_else(Default::default, |(chain, mixture)| (chain, Some(mixture)));
        let (window, pictures) = window(&pipeline, ends.window.as_ref())?;
        let flags = |chain: &Chain| vec![passes.open.clone(), chain.ready.clone()];
        let [hearing, seeing] = [flags(&speaker), flags(&window)];
        let outlets = vec![("speaker", speaker.ready.clone()), ("window", window.ready.clone())];
        report::listen(&pipeline, &Reporter::new(events.clone()), outlets);
        pipeline.set_state(gst::State::Playing).map_err(|error| MediaError::Setup(error.to_string()))?;
        let devices = Devices { pipeline: pipeline.downgrade(), microphone, camera, speaker, window };
        let [microphone, camera] = taps;
        let events = events.clone();
        let studio =
            Self { pipeline, occupied, microphone, camera, speaker: sound, window: pictures, hearing, seeing, events };
        Ok((studio, devices))
    }

    /// A connection for one more member, laid out as this.
    pub(super) fn member(&self, options: &Options, layout: Layout) -> Result<Member, MediaError> {
        let (mut shares, mut parts) = (None, Vec::new());
        let base_time = self.pipeline.base_time().unwrap_or_default();
        let peer = Peer::sharing(options, layout, base_time, &self.events, |pipeline, connected, reporter| {
            let [sound, picture] =
                [self.microphone.share(pipeline, connected)?, self.camera.share(pipeline, connected)?];
            let senders = [
                RtpSender::sound(pipeline, sound.source.upcast_ref())?,
                RtpSender::picture(pipeline, picture.source.upcast_ref())?,
            ];
            shares = Some([sound, picture]);
            let sound = self.hear(pipeline, connected, &mut parts)?;
            let picture = self.see(pipeline, connected, reporter, &mut parts)?;
            Ok(Ways { senders, sound, picture, outlets: Vec::new() })
        })?;
        let shares = shares.ok_or_else(|| MediaError::Setup("no share".into()))?;
        Ok(Member { _shares: shares, _parts: parts, peer })
    }

    /// Encodes while there is somebody to encode for.
    pub(super) fn set_occupied(&self, is_occupied: bool) {
        self.occupied.set(is_occupied);
    }

    /// Takes in a member's sound; where it comes in. What comes before it is known who sends it is not played.
    fn hear(&self, pipeline: &gst::Pipeline, connected: &Flag, parts: &mut Vec<Part>) -> Result<gst::Pad, MediaError> {
        let level = element("level").name("member-level").property("interval", 100_000_000_u64).build()?;
        let (end, raw) = end()?;
        let chain = [&sound_decoder()?[..], &[level]].concat();
        let (entry, _) = assemble(pipeline, &chain, Some(&end), with(&self.hearing, connected))?;
        if let Some(speaker) = &self.speaker {
            parts.push(speaker.add(&raw, &entry)?);
        }
        Ok(entry)
    }

    /// Takes in a member's pictures, likewise.
    fn see(
        &self,
        pipeline: &gst::Pipeline,
        connected: &Flag,
        reporter: &Reporter,
        parts: &mut Vec<Part>,
    ) -> Result<gst::Pad, MediaError> {
        let mut chain = picture_decoder()?;
        let flags = with(&self.seeing, connected);
        match &self.window {
            Window::None => Ok(assemble(pipeline, &chain, None, flags)?.0),
            Window::Grid(grid) => {
                chain.push(filter("video/x-raw,format=I420")?);
                let (end, raw) = end()?;
                let (entry, _) = assemble(pipeline, &chain, Some(&end), flags)?;
                parts.push(grid.add(&raw, &entry)?);
                Ok(entry)
            }
            Window::Report(entries) => {
                let reporter = reporter.clone();
                let end = playback::picture_report(move |picture| reporter.tell_of(Event::Seen, picture))?;
                let (entry, _) = assemble(pipeline, &chain, Some(&end), flags)?;
                let mut entries = entries.hold();
                entries.retain(|entry| entry.upgrade().is_some());
                entries.push(entry.downgrade());
                Ok(entry)
            }
        }
    }
}

impl Drop for Studio {
    /// The gate must have let go of the devices before.
    fn drop(&mut self) {
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn window(pipeline: &gst::Pipeline, to: Option<&Origin>) -> Result<(Chain, Window), MediaError> {
    match to {
        None => Ok((Chain::default(), Window::None)),
        Some(Origin::Window | Origin::Device(_)) => {
            let (chain, grid) = Mixture::picture(pipeline)?;
            Ok((chain, Window::Grid(grid)))
        }
        Some(Origin::Report | Origin::Tone(_) | Origin::Picture(_)) => {
            // Opened and closed like any other, though nothing ever comes to it.
            let sink = element("fakesink").name("window").property("async", false).build()?;
            sink.set_locked_state(true);
            pipeline.add(&sink)?;
            let chain = Chain { sink: Some(sink), ..Chain::default() };
            let entries = chain.entries.clone();
            Ok((chain, Window::Report(entries)))
        }
    }
}

fn with(flags: &[Flag], connected: &Flag) -> Vec<Flag> {
    flags.iter().chain([connected]).cloned().collect()
}

/// The end of a member's chain, and where to watch what reaches it.
fn end() -> Result<(gst::Element, gst::Pad), MediaError> {
    let end = element("fakesink").property("sync", false).build()?;
    unwaiting(&end);
    let raw = pad(&end, "sink")?;
    Ok((end, raw))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{media::Far, rt};

    #[test]
    fn for_however_many_sound_and_pictures_are_encoded_once() {
        gst::init().expect("GStreamer");
        let ends = Ends {
            microphone: Some(Origin::Tone(440.0)),
            camera: Some(Origin::Picture(None)),
            speaker: Some(Origin::Report),
            window: Some(Origin::Report),
        };
        let (sender, _events) = rt::channel(1024);
        let passes = Passes { open: Flag::default(), microphone: Flag::default(), camera: Flag::default() };
        let (studio, _devices) = Studio::new(&ends, &passes, &sender).expect("a studio");
        let options = Options { address: Some([127, 0, 0, 1].into()), far: Far::Stock, ..Options::default() };
        let member = || studio.member(&options, Layout::OFFERED).expect("a member");
        let members = [member(), member(), member()];
        for (factory, each) in [("vp8enc", 0), ("opusenc", 0), ("rtpvp8pay", 1), ("rtpopuspay", 1)] {
            let here = studio.pipeline.iterate_all_by_element_factory_name(factory).into_iter().count();
            assert_eq!(here, 1 - each, "{factory}");
            assert!(members.iter().all(|member| member.peer.count(factory) == each), "{factory}");
        }
    }
}
