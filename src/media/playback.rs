//! From the network to the speaker and the window, with both behind a lock.

use std::{
    ops::ControlFlow,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use gstreamer::{self as gst, prelude::*};

use super::{
    Event, MediaError,
    capture::{RAW_SOUND, element, filter, is_shareable, pad, set_device_buffer},
    devices::Origin,
    gate::{self, Device, Unopened},
    probe::{self, Flag},
};
use crate::rt::Sender;

/// What the test window saw last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// How many pictures came since the call began.
    pub frames: u64,
    /// The mean of red, green and blue, 0 to 255.
    pub rgb: [u8; 3],
}

/// Pictures between two reports of the test window.
const REPORT_EVERY: u64 = 5;

/// A speaker or a window, behind a lock, with what stands before it.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// The device or window, locked and closed; `None` when there is none.
    pub(super) sink: Option<gst::Element>,
    /// How loud it plays; sound only.
    pub(super) volume: Option<gst::Element>,
    /// Set while the sink can take what passes.
    pub(super) ready: Flag,
    /// Set once something has passed.
    pub(super) begun: Flag,
    /// Where pictures come in that are to be whole once it is open.
    pub(super) entries: Entries,
}

/// Where streams come in; held while what takes them is opened or closed, or another one is added.
#[derive(Debug, Clone, Default)]
pub(super) struct Entries(Arc<Mutex<Vec<gst::glib::WeakRef<gst::Pad>>>>);

impl Entries {
    pub(super) fn hold(&self) -> MutexGuard<'_, Vec<gst::glib::WeakRef<gst::Pad>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chain {
    /// The far side's sound, and where it comes in; passes only while all `flags` are set.
    pub(super) fn sound(
        pipeline: &gst::Pipeline,
        to: Option<&Origin>,
        mut flags: Vec<Flag>,
        events: &Sender<Event>,
    ) -> Result<(Self, gst::Pad), MediaError> {
        let level = element("level").name("far-level").property("interval", 100_000_000_u64).build()?;
        let volume = element("volume").build()?;
        let sink = to.map(|origin| speaker(origin, events)).transpose()?;
        // Without a sink it is never set: nothing is even decoded.
        let ready = Flag::default();
        flags.push(ready.clone());
        let chain = [&sound_decoder()?[..], &[level, volume.clone()]].concat();
        let (entry, begun) = assemble(pipeline, &chain, sink.as_ref(), flags)?;
        Ok((Self { sink, volume: Some(volume), ready, begun, ..Self::default() }, entry))
    }

    /// The far side's picture, and where it comes in; passes only while all `flags` are set.
    pub(super) fn picture(
        pipeline: &gst::Pipeline,
        to: Option<&Origin>,
        mut flags: Vec<Flag>,
        events: &Sender<Event>,
    ) -> Result<(Self, gst::Pad), MediaError> {
        let events = events.clone();
        let told = move |picture| drop(events.try_send(Event::Picture(picture)));
        let sink = to.map(|origin| window(origin, told)).transpose()?;
        let ready = Flag::default();
        flags.push(ready.clone());
        let (entry, begun) = assemble(pipeline, &picture_decoder()?, sink.as_ref(), flags)?;
        let chain = Self { sink, ready, begun, ..Self::default() };
        chain.entries.hold().push(entry.downgrade());
        Ok((chain, entry))
    }
}

impl Device for Chain {
    fn open(&self, pipeline: &gst::Pipeline) -> Result<(), Unopened> {
        let Some(sink) = self.sink.as_ref().filter(|sink| sink.is_locked_state()) else { return Ok(()) };
        let entries = self.entries.hold();
        gate::unlock(sink, pipeline)?;
        // It was not there when the pipeline's latency was told.
        let _ = pipeline.recalculate_latency();
        tell_again(sink);
        self.ready.set(true);
        if self.volume.is_none() {
            entries.iter().filter_map(gst::glib::WeakRef::upgrade).for_each(|entry| request_key_frame(&entry));
        }
        Ok(())
    }

    /// What is on its way to it is refused, which the way in forgives.
    fn shut(&self) {
        let Some(sink) = self.sink.as_ref().filter(|sink| !sink.is_locked_state()) else { return };
        let _entries = self.entries.hold();
        self.ready.set(false);
        gate::shut(sink);
    }

    /// Never a window: two of them would lie upon each other.
    fn is_shareable(&self) -> bool {
        self.volume.is_some() && self.sink.as_ref().is_some_and(is_shareable)
    }

    fn has_begun(&self) -> bool {
        self.begun.is_set()
    }
}

/// From packets to raw sound.
pub(super) fn sound_decoder() -> Result<Vec<gst::Element>, MediaError> {
    Ok(vec![
        element("rtpopusdepay").build()?,
        // Decoding what lost packets' successors carry of them would hold back every packet for 120 ms.
        element("opusdec").property("use-inband-fec", false).property("plc", true).build()?,
        element("audioconvert").build()?,
        element("audioresample").build()?,
        filter(RAW_SOUND)?,
    ])
}

/// From packets to raw pictures.
pub(super) fn picture_decoder() -> Result<Vec<gst::Element>, MediaError> {
    Ok(vec![element("rtpvp8depay").build()?, element("vp8dec").build()?, element("videoconvert").build()?])
}

/// Asks the far side for a whole picture, since those that passed while the gate was closed are missing.
pub(super) fn request_key_frame(entry: &gst::Pad) {
    let request = gst::Structure::builder("GstForceKeyUnit").field("all-headers", true).build();
    // Without a link yet there is nobody to ask, and no need: a first picture is whole.
    let _ = entry.push_event(gst::event::CustomUpstream::new(request));
}

/// Tells a sink that was shut what its stream is: it forgot format and segment, and nobody says them twice.
fn tell_again(sink: &gst::Element) {
    let Some((pad, before)) = sink.static_pad("sink").and_then(|pad| Some((pad.clone(), pad.peer()?))) else { return };
    before.sticky_events_foreach(|event| {
        pad.send_event(event.clone());
        ControlFlow::Continue(gst::EventForeachAction::Keep)
    });
    // What refused something before is asked again.
    before.mark_reconfigure();
}

/// A bin of this chain and the sink behind it, in the pipeline: where it is entered, which is open while all flags are
/// set, and a flag that is set once something has passed.
pub(super) fn assemble(
    pipeline: &gst::Pipeline,
    chain: &[gst::Element],
    sink: Option<&gst::Element>,
    flags: Vec<Flag>,
) -> Result<(gst::Pad, Flag), MediaError> {
    let (Some(first), Some(last)) = (chain.first(), chain.last()) else {
        return Err(MediaError::Setup("an empty chain".into()));
    };
    let bin = gst::Bin::new();
    bin.add_many(chain)?;
    gst::Element::link_many(chain)?;
    if let Some(sink) = sink {
        bin.add(sink)?;
        last.link(sink)?;
    }
    let entry = forgiving(&pad(first, "sink")?)?;
    bin.add_pad(&entry)?;
    pipeline.add(&bin)?;
    let entry: gst::Pad = entry.upcast();
    let begun = probe::pass_while(&entry, flags);
    Ok((entry, begun))
}

fn speaker(origin: &Origin, events: &Sender<Event>) -> Result<gst::Element, MediaError> {
    let sink = match origin {
        Origin::Device(device) => loudspeaker(device)?,
        Origin::Report | Origin::Tone(_) | Origin::Picture(_) | Origin::Window => tone_report(events.clone())?,
    };
    Ok(locked(sink, "speaker"))
}

/// The element that plays on a device.
pub(super) fn loudspeaker(device: &gst::Device) -> Result<gst::Element, MediaError> {
    let sink = device.create_element(None)?;
    set_device_buffer(&sink);
    Ok(sink)
}

fn window(origin: &Origin, told: impl Fn(Picture) + Send + Sync + 'static) -> Result<gst::Element, MediaError> {
    let sink = match origin {
        Origin::Window => {
            parsed("queue max-size-buffers=2 leaky=downstream ! videoscale ! videoconvert ! autovideosink sync=false")?
                .upcast()
        }
        Origin::Report | Origin::Tone(_) | Origin::Picture(_) | Origin::Device(_) => picture_report(told)?,
    };
    Ok(locked(sink, "window"))
}

/// The sink, locked, so that the pipeline leaves it closed. It is never waited for, as it opens while everything else is
/// running, and goes without the 20 ms that sinks like to have in hand.
fn locked(sink: gst::Element, name: &str) -> gst::Element {
    sink.set_property("name", name);
    unwaiting(&sink);
    sink.set_locked_state(true);
    sink
}

/// Has a sink wait for nothing but its time.
pub(super) fn unwaiting(sink: &gst::Element) {
    if sink.find_property("async").is_some() {
        sink.set_property("async", false);
    }
    if sink.find_property("processing-deadline").is_some() {
        sink.set_property("processing-deadline", 0_u64);
    }
}

/// A bin out of a description, with its open ends as pads.
pub(super) fn parsed(description: &str) -> Result<gst::Bin, MediaError> {
    gst::parse::bin_from_description(description, true).map_err(|error| MediaError::Setup(error.to_string()))
}

/// A way in to `target` that takes every buffer without complaint: a device that breaks must not stop the transport.
fn forgiving(target: &gst::Pad) -> Result<gst::GhostPad, MediaError> {
    let way_in = gst::GhostPad::builder(gst::PadDirection::Sink)
        .name("sink")
        .chain_function(|pad, parent, buffer| {
            if let Err(error) = gst::ProxyPad::chain_default(pad, parent, buffer) {
                tracing::debug!(%error, "what came is not taken");
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .build();
    way_in.set_target(Some(target))?;
    Ok(way_in)
}

fn tone_report(events: Sender<Event>) -> Result<gst::Element, MediaError> {
    let sink = element("fakesink").property("sync", true).property("signal-handoffs", true).build()?;
    let heard = AtomicBool::new(false);
    sink.connect("handoff", false, move |values| {
        let buffer = values.get(1)?.get::<gst::Buffer>().ok()?;
        let samples = buffer.map_readable().ok()?;
        let tone = probe::tone(&samples);
        if heard.swap(tone.is_some(), Ordering::Relaxed) || tone.is_some() {
            let _ = events.try_send(Event::Tone(tone));
        }
        None
    });
    Ok(sink)
}

/// A sink that tells what it sees.
pub(super) fn picture_report(told: impl Fn(Picture) + Send + Sync + 'static) -> Result<gst::Element, MediaError> {
    let bin = parsed(
        "videoconvert ! video/x-raw,format=RGB ! fakesink name=report sync=false async=false signal-handoffs=true",
    )?;
    let sink = bin.by_name("report").ok_or_else(|| MediaError::Setup("no test window".into()))?;
    let frames = AtomicU64::new(0);
    sink.connect("handoff", false, move |values| {
        let frames = frames.fetch_add(1, Ordering::Relaxed) + 1;
        if frames % REPORT_EVERY == 1 {
            let buffer = values.get(1)?.get::<gst::Buffer>().ok()?;
            let pad = values.get(2)?.get::<gst::Pad>().ok()?;
            told(picture(&pad, &buffer, frames)?);
        }
        None
    });
    Ok(bin.upcast())
}

fn picture(pad: &gst::Pad, buffer: &gst::Buffer, frames: u64) -> Option<Picture> {
    let caps = pad.current_caps()?;
    let structure = caps.structure(0)?;
    let size = |name| structure.get::<i32>(name).ok().and_then(|size| u32::try_from(size).ok());
    let pixels = buffer.map_readable().ok()?;
    let mut sums = [0_u64; 3];
    let mut count = 0_u64;
    for pixel in pixels.chunks_exact(3).step_by(97) {
        count += 1;
        for (sum, value) in sums.iter_mut().zip(pixel) {
            *sum += u64::from(*value);
        }
    }
    let rgb = sums.map(|sum| u8::try_from(sum / count.max(1)).unwrap_or(u8::MAX));
    Some(Picture { width: size("width")?, height: size("height")?, frames, rgb })
}
