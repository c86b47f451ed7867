//! From the microphone and the camera to the codec, with the device behind a lock; [`super::sender`] has what follows.
//!
//! The chains are complete before any device is open, so that opening one needs no negotiation.

use gstreamer::{self as gst, prelude::*};

use super::{
    MediaError,
    devices::{Colour, Origin},
    gate::{self, Device, Passes, Unopened},
    probe::{self, Flag, Tail},
};

/// Sound between the device and the codec.
pub(super) const RAW_SOUND: &str = "audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved";
/// Pictures between the camera and the codec.
const RAW_PICTURE: &str = "video/x-raw,width=640,height=480,framerate=30/1,pixel-aspect-ratio=1/1";

/// One chain that ends at an encoder.
#[derive(Debug)]
pub(super) struct Chain {
    /// The device, locked and closed; `None` when there is none.
    pub(super) source: Option<gst::Element>,
    /// What comes out of it is encoded, and not older than [`probe::drop_stale`] lets pass if it is a picture.
    pub(super) encoder: gst::Element,
    /// The silence that ends what was said; sound only.
    tail: Option<Tail>,
}

impl Chain {
    /// Opus from the microphone, in frames of 20 ms; passes once connected, while the gate is open.
    pub(super) fn sound(
        pipeline: &gst::Pipeline,
        from: Option<&Origin>,
        passes: &Passes,
        connected: &Flag,
    ) -> Result<Self, MediaError> {
        let level = element("level").name("own-level").property("interval", 100_000_000_u64).build()?;
        let encoder = element("opusenc")
            .property_from_str("audio-type", "voice")
            .property("inband-fec", true)
            .property("packet-loss-percentage", 10_i32)
            .build()?;
        let source = from.map(|origin| source(origin, "microphone")).transpose()?;
        let chain = [
            element("audioconvert").build()?,
            element("audioresample").build()?,
            filter(RAW_SOUND)?,
            level,
            encoder.clone(),
        ];
        assemble(pipeline, source.as_ref(), &chain)?;
        let tail = probe::pass_sound_while(&pad(&encoder, "sink")?, passes.clone(), connected.clone());
        Ok(Self { source, encoder, tail: Some(tail) })
    }

    /// VP8 from the camera, 640×480 at 30 frames a second; passes once connected, while the gate is open.
    pub(super) fn picture(
        pipeline: &gst::Pipeline,
        from: Option<&Origin>,
        passes: &Passes,
        connected: &Flag,
    ) -> Result<Self, MediaError> {
        let encoder = element("vp8enc")
            .property("deadline", 1_i64)
            .property("cpu-used", 8_i32)
            .property("threads", 1_i32)
            .property("target-bitrate", 1_000_000_i32)
            .property("keyframe-max-dist", 3000_i32)
            .property("lag-in-frames", 0_i32)
            .property_from_str("end-usage", "cbr")
            .property_from_str("error-resilient", "default")
            .build()?;
        let source = from.map(|origin| source(origin, "camera")).transpose()?;
        // On a machine that is too busy, whole pictures are left out before any work is done on them.
        let newest = element("queue")
            .property_from_str("leaky", "downstream")
            .property("max-size-buffers", 1_u32)
            .property("max-size-time", 0_u64)
            .property("max-size-bytes", 0_u32)
            .build()?;
        let chain = [
            newest,
            element("videoconvert").build()?,
            element("videoscale").build()?,
            element("videorate").property("drop-only", false).property("skip-to-first", true).build()?,
            filter(RAW_PICTURE)?,
            encoder.clone(),
        ];
        assemble(pipeline, source.as_ref(), &chain)?;
        probe::pass_while(&pad(&encoder, "sink")?, vec![passes.open.clone(), passes.camera.clone(), connected.clone()]);
        // Before the encoder: a picture that was encoded is one that later ones build upon.
        probe::drop_stale(&pad(&encoder, "sink")?);
        Ok(Self { source, encoder, tail: None })
    }
}

impl Device for Chain {
    fn open(&self, pipeline: &gst::Pipeline) -> Result<(), Unopened> {
        match self.source.as_ref().filter(|source| source.is_locked_state()) {
            Some(source) => gate::unlock(source, pipeline),
            None => Ok(()),
        }
    }

    /// Closes the device, once what was said is rounded off with silence.
    fn shut(&self) {
        let Some(source) = self.source.as_ref().filter(|source| !source.is_locked_state()) else { return };
        self.tail.iter().for_each(Tail::wait);
        gate::shut(source);
    }

    fn is_shareable(&self) -> bool {
        self.source.as_ref().is_some_and(is_shareable)
    }

    fn has_begun(&self) -> bool {
        self.tail.as_ref().is_some_and(|tail| tail.begun.is_set())
    }
}

/// Whether this device is a sound server's, or a test's: those can be open twice.
pub(super) fn is_shareable(device: &gst::Element) -> bool {
    const SHAREABLE: [&str; 6] = ["pulsesrc", "pulsesink", "pipewiresrc", "pipewiresink", "audiotestsrc", "fakesink"];
    device.factory().is_some_and(|factory| SHAREABLE.contains(&factory.name().as_str()))
}

fn source(origin: &Origin, name: &str) -> Result<gst::Element, MediaError> {
    let source = match origin {
        Origin::Device(device) => {
            let source = device.create_element(None)?;
            set_device_buffer(&source);
            source
        }
        Origin::Tone(hz) => element("audiotestsrc")
            .property("is-live", true)
            .property("freq", *hz)
            .property("volume", 0.5)
            .property("samplesperbuffer", 480_i32)
            .build()?,
        Origin::Picture(colour) => {
            let source = element("videotestsrc").property("is-live", true);
            match colour {
                Some(Colour { red, green, blue }) => {
                    let argb = u32::from_be_bytes([255, *red, *green, *blue]);
                    source.property_from_str("pattern", "solid-color").property("foreground-color", argb).build()?
                }
                None => source.property_from_str("pattern", "ball").build()?,
            }
        }
        Origin::Report | Origin::Window => return Err(MediaError::Setup("nothing to record from".into())),
    };
    source.set_property("name", name);
    // Locked, the pipeline leaves it closed whatever the pipeline itself does.
    source.set_locked_state(true);
    Ok(source)
}

/// Buffers of 40 ms in steps of 10: the defaults add 100 ms and more.
pub(super) fn set_device_buffer(device: &gst::Element) {
    for (name, microseconds) in [("buffer-time", 40_000_i64), ("latency-time", 10_000)] {
        if device.find_property(name).is_some() {
            device.set_property(name, microseconds);
        }
    }
}

/// Adds the chain to the pipeline and links it, behind `source` if there is one.
fn assemble(pipeline: &gst::Pipeline, source: Option<&gst::Element>, chain: &[gst::Element]) -> Result<(), MediaError> {
    pipeline.add_many(chain)?;
    gst::Element::link_many(chain)?;
    if let (Some(source), Some(first)) = (source, chain.first()) {
        pipeline.add(source)?;
        source.link(first)?;
    }
    Ok(())
}

pub(super) fn element(factory: &'static str) -> gst::element_factory::ElementBuilder<'static> {
    gst::ElementFactory::make(factory)
}

pub(super) fn filter(caps: &str) -> Result<gst::Element, MediaError> {
    let caps: gst::Caps = caps.parse()?;
    Ok(element("capsfilter").property("caps", caps).build()?)
}

pub(super) fn pad(element: &gst::Element, name: &str) -> Result<gst::Pad, MediaError> {
    element.static_pad(name).ok_or_else(|| MediaError::Setup(format!("{} has no pad \"{name}\"", element.name())))
}
