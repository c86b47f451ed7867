//! From one encoder to many connections: what it makes is given to each of them that stands.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gstreamer::{self as gst, prelude::*};
use gstreamer_app::{AppLeakyType, AppSrc};

use super::{
    MediaError,
    capture::{element, pad},
    probe::{self, Flag},
};

/// What may wait for one connection: 200 ms; it loses the oldest, and no other waits for it.
const WAITING: gst::ClockTime = gst::ClockTime::from_mseconds(200);

/// Where an encoder's work is handed out; a clone is another handle to the same.
#[derive(Debug, Clone)]
pub(super) struct Tap {
    outlets: Arc<Mutex<Vec<Outlet>>>,
    /// Where the encoder is asked for a whole picture.
    encoder: gst::Pad,
}

/// One connection's share, until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    /// What comes of it, in the connection's own pipeline.
    pub(super) source: AppSrc,
    tap: Tap,
}

#[derive(Debug, Clone)]
struct Outlet {
    source: AppSrc,
    /// Set while the connection stands.
    connected: Flag,
    /// Set once it has had a picture that needs none before it.
    begun: Flag,
}

impl Tap {
    /// Hands out what `encoder` makes, as long as it is fresh.
    pub(super) fn new(pipeline: &gst::Pipeline, encoder: &gst::Element) -> Result<Self, MediaError> {
        let end = element("fakesink").property("sync", false).property("async", false).build()?;
        pipeline.add(&end)?;
        encoder.link(&end)?;
        let tap = Self { outlets: Arc::default(), encoder: pad(encoder, "src")? };
        let end = pad(&end, "sink")?;
        probe::drop_stale(&end);
        let outlets = Arc::clone(&tap.outlets);
        end.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            if let Some(sample) = info.buffer().and_then(|buffer| sample(pad, buffer)) {
                // Handed out without the lock.
                let outlets = hold(&outlets).clone();
                outlets.iter().for_each(|outlet| outlet.give(pad, &sample));
            }
            gst::PadProbeReturn::Ok
        });
        Ok(tap)
    }

    /// A share for one more connection: of what is made while `connected` is set.
    pub(super) fn share(&self, pipeline: &gst::Pipeline, connected: &Flag) -> Result<Share, MediaError> {
        let source = source(WAITING);
        pipeline.add(&source)?;
        let encoder = self.encoder.downgrade();
        pad(source.upcast_ref(), "src")?.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
            // The far side misses a picture: the encoder is not in its pipeline.
            if let (Some(event), Some(encoder)) = (info.event(), encoder.upgrade())
                && event.type_() == gst::EventType::CustomUpstream
            {
                encoder.send_event(event.to_owned());
            }
            gst::PadProbeReturn::Ok
        });
        let outlet = Outlet { source: source.clone(), connected: connected.clone(), begun: Flag::default() };
        hold(&self.outlets).push(outlet);
        Ok(Share { source, tap: self.clone() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        hold(&self.tap.outlets).retain(|outlet| outlet.source != self.source);
    }
}

impl Outlet {
    fn give(&self, pad: &gst::Pad, sample: &gst::Sample) {
        if !self.connected.is_set() {
            return;
        }
        let is_whole = sample.buffer().is_some_and(|buffer| !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT));
        if is_whole || self.begun.is_set() {
            self.begun.set(true);
            // A connection that is going takes nothing any more.
            let _ = self.source.push_sample(sample);
        } else {
            let request = gst::Structure::builder("GstForceKeyUnit").field("all-headers", true).build();
            let _ = pad.push_event(gst::event::CustomUpstream::new(request));
        }
    }
}

fn hold(outlets: &Mutex<Vec<Outlet>>) -> MutexGuard<'_, Vec<Outlet>> {
    outlets.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A source that is fed from another pipeline of the same base time, and drops the oldest rather than wait.
pub(super) fn source(waiting: gst::ClockTime) -> AppSrc {
    AppSrc::builder()
        .format(gst::Format::Time)
        .is_live(true)
        .leaky_type(AppLeakyType::Downstream)
        .max_time(waiting)
        .max_bytes(0)
        .build()
}

/// A buffer at `pad`, stamped with the time at which it was or is to be heard or seen, for pipelines of this base time.
pub(super) fn sample(pad: &gst::Pad, buffer: &gst::BufferRef) -> Option<gst::Sample> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    let segment = segment.segment().downcast_ref::<gst::ClockTime>()?.clone();
    let mut buffer = buffer.copy();
    let mutable = buffer.get_mut()?;
    mutable.set_pts(segment.to_running_time(mutable.pts()?)?);
    mutable.set_dts(gst::ClockTime::NONE);
    Some(gst::Sample::builder().buffer(&buffer).caps(&pad.current_caps()?).build())
}
