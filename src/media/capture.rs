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
/// Pictures between the camera and the codec: as often as the camera makes them, 30 times a second if it can.
const RAW_PICTURE: &str = "video/x-raw,width=640,height=480,pixel-aspect-ratio=1/1,framerate=30/1;\
    video/x-raw,width=640,height=480,pixel-aspect-ratio=1/1";
/// How close pictures may follow each other: at 20 ms a camera of 30 a second loses none, even one that is 13 ms early,
/// and one of 60 every other.
const PICTURES_APART: gst::ClockTime = gst::ClockTime::from_mseconds(20);

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

    /// VP8 from the camera, 640×480 at 30 frames a second or fewer; passes once connected, while the gate is open.
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
            // The clock of RTP, whatever a camera says of its rate.
            .property("timebase", gst::Fraction::new(1, 90_000))
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
        // Not by `videorate`: opened anew, it fills in all the time since the start with the last picture it had.
        probe::thin_out(&pad(&newest, "sink")?, PICTURES_APART);
        let chain = [
            newest,
            element("videoconvert").build()?,
            element("videoscale").build()?,
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

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    /// A pipeline with the picture's chain, from a test source, for ever open to what comes.
    fn picture() -> (gst::Pipeline, Chain) {
        gst::init().expect("GStreamer");
        let pipeline = gst::Pipeline::new();
        let set = Flag::default();
        set.set(true);
        let passes = Passes { open: set.clone(), microphone: set.clone(), camera: set.clone() };
        let chain = Chain::picture(&pipeline, Some(&Origin::Picture(None)), &passes, &set).expect("a chain");
        let end = element("fakesink").property("sync", false).property("async", false).build().expect("a sink");
        pipeline.add(&end).expect("in the pipeline");
        chain.encoder.link(&end).expect("linked");
        pipeline.set_state(gst::State::Playing).expect("playing");
        (pipeline, chain)
    }

    /// The times of the pictures that come to the encoder.
    fn watch(chain: &Chain) -> mpsc::Receiver<Option<gst::ClockTime>> {
        let (tell, told) = mpsc::channel();
        let before = pad(&chain.encoder, "sink").expect("a pad").peer().expect("linked");
        before.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let _ = tell.send(info.buffer().and_then(|buffer| buffer.pts()));
            gst::PadProbeReturn::Ok
        });
        told
    }

    #[test]
    fn a_camera_that_is_opened_again_gives_pictures_of_now_and_none_for_the_time_between() {
        let (pipeline, chain) = picture();
        let pictures = watch(&chain);
        for _ in 0..3 {
            let opened = pipeline.current_running_time().expect("a time");
            chain.open(&pipeline).expect("open");
            let mut older = 0;
            for _ in 0..10 {
                let time = pictures.recv_timeout(Duration::from_secs(10)).expect("a picture").expect("with its time");
                older += usize::from(time < opened);
            }
            // One that waited, and one that was being converted.
            assert!(older <= 2, "{older} of ten are from before, but at most two were still under way");
            chain.shut();
            pictures.try_iter().for_each(drop);
        }
        pipeline.set_state(gst::State::Null).expect("closed");
    }

    /// How many of 60 pictures of this rate are encoded.
    fn encoded(rate: &str) -> usize {
        gst::init().expect("GStreamer");
        let description = format!(
            "videotestsrc num-buffers=60 ! video/x-raw,width=64,height=48,framerate={rate} ! identity name=first \
             ! videoscale ! capsfilter caps=\"{RAW_PICTURE}\" ! vp8enc deadline=1 timebase=1/90000 name=last ! fakesink"
        );
        let pipeline = gst::parse::launch(&description).expect(&description).downcast::<gst::Pipeline>().expect("one");
        let end = |name: &str, side: &str| pad(&pipeline.by_name(name).expect(name), side).expect(side);
        probe::thin_out(&end("first", "sink"), PICTURES_APART);
        let (tell, told) = mpsc::channel();
        end("last", "src").add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            let _ = tell.send(());
            gst::PadProbeReturn::Ok
        });
        pipeline.set_state(gst::State::Playing).expect("playing");
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        let over = pipeline.bus().expect("a bus").timed_pop_filtered(gst::ClockTime::from_seconds(30), &ends);
        pipeline.set_state(gst::State::Null).expect("closed");
        assert_eq!(over.expect("an end").type_(), gst::MessageType::Eos, "{rate}");
        told.try_iter().count()
    }

    #[test]
    fn cameras_of_any_rate_fit_and_no_picture_is_made_up() {
        for (rate, pictures) in [("15/1", 60), ("25/1", 60), ("30/1", 60), ("60/1", 30)] {
            assert_eq!(encoded(rate), pictures, "{rate}");
        }
        assert!(encoded("0/1") > 0, "a camera that does not say");
    }
}
