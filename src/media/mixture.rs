//! From many connections into one device: sound is added up, pictures are laid side by side.

use std::sync::{Arc, Mutex, PoisonError};

use gstreamer::{self as gst, prelude::*};
use gstreamer_app::AppSrc;

use super::{
    Event, MediaError,
    capture::{element, filter, pad},
    devices::Origin,
    playback::{self, Chain, Entries, unwaiting},
    probe::Flag,
    spectrum::tones_report,
    tap::{sample, source},
};
use crate::rt::Sender;

/// How long after its time sound comes to the mixer at most: the jitter buffer's depth.
const LATE: gst::ClockTime = gst::ClockTime::from_mseconds(20);
/// The sound that is added up in one go: 10 ms.
const BLOCK: gst::ClockTime = gst::ClockTime::from_mseconds(10);
/// How long after its time the sum is played: a block more than what may be late, and as much again for the work.
pub(super) const PLAYOUT: gst::ClockTime = gst::ClockTime::from_mseconds(40);
/// What may wait for the mixer: 200 ms.
const WAITING: gst::ClockTime = gst::ClockTime::from_mseconds(200);
/// The sum: in numbers that several loud voices do not overflow.
const SUM: &str = "audio/x-raw,format=F32LE,rate=48000,channels=1,layout=interleaved";
/// The window, in pixels.
const WINDOW: (i32, i32) = (1280, 720);

/// What is mixed into one device; a clone is another handle to the same.
#[derive(Debug, Clone)]
pub(super) struct Mixture {
    bin: gst::Bin,
    mixer: gst::Element,
    entries: Entries,
    shown: Shown,
    leaving: Leaving,
}

/// Ways into the mixer that nothing comes by any more.
///
/// GStreamer's mixer of sound goes through its ways without holding on to them: one that is taken away meanwhile by
/// another thread ends the program. So it is done on the mixer's own, between two blocks.
#[derive(Debug, Clone, Default)]
struct Leaving(Arc<Mutex<Vec<gst::Pad>>>);

impl Leaving {
    /// Takes them away whenever `mixer` has a block ready.
    fn between_blocks_of(&self, mixer: &gst::Element) -> Result<(), MediaError> {
        let (leaving, weak) = (self.clone(), mixer.downgrade());
        pad(mixer, "src")?.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            if let Some(mixer) = weak.upgrade() {
                leaving.release(&mixer);
            }
            gst::PadProbeReturn::Ok
        });
        Ok(())
    }

    fn push(&self, pad: gst::Pad) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(pad);
    }

    fn release(&self, mixer: &gst::Element) {
        let pads = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        pads.iter().for_each(|pad| mixer.release_request_pad(pad));
    }
}

/// The pictures that have a place in the window: those of which any has come, in this order.
#[derive(Debug, Clone, Default)]
struct Shown(Arc<Mutex<Vec<gst::glib::WeakRef<gst::Pad>>>>);

impl Shown {
    /// Has others shown, and gives each its place.
    fn change(&self, change: impl FnOnce(&mut Vec<gst::glib::WeakRef<gst::Pad>>)) {
        let mut pads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut pads);
        pads.retain(|pad| pad.upgrade().is_some());
        let pictures = pads.iter().filter_map(gst::glib::WeakRef::upgrade);
        for (pad, place) in pictures.filter(|pad| pad.find_property("xpos").is_some()).zip(places(pads.len())) {
            for (name, value) in ["xpos", "ypos", "width", "height"].into_iter().zip(place) {
                pad.set_property(name, value);
            }
        }
    }
}

/// One stream's way into the mixture, until it is dropped.
#[derive(Debug)]
pub(super) struct Part {
    mixture: Mixture,
    source: AppSrc,
    /// Where it enters the mixer, once it does.
    into: Option<gst::Pad>,
    /// Set once anything has come.
    begun: Flag,
}

impl Mixture {
    /// All sound, added up, into the speaker; what the test speaker hears is told.
    pub(super) fn sound(
        pipeline: &gst::Pipeline,
        to: &Origin,
        events: &Sender<Event>,
    ) -> Result<(Chain, Self), MediaError> {
        let mixer = element("audiomixer")
            .property("force-live", true)
            // Who has not been heard yet is not waited for.
            .property("ignore-inactive-pads", true)
            .property("output-buffer-duration", BLOCK.nseconds())
            .property("min-upstream-latency", LATE.nseconds())
            // Or it would make up for all the time since the pipeline began.
            .property_from_str("start-time-selection", "first")
            .build()?;
        let volume = element("volume").build()?;
        let sink = match to {
            Origin::Device(device) => limited(&playback::loudspeaker(device)?)?,
            Origin::Report | Origin::Tone(_) | Origin::Picture(_) | Origin::Window => tones_report(events.clone())?,
        };
        let mixture = Self::assemble(pipeline, "speaker", &[mixer, filter(SUM)?, volume.clone(), sink])?;
        Ok((Chain { volume: Some(volume), ..mixture.chain() }, mixture))
    }

    /// All pictures, side by side, into one window.
    pub(super) fn picture(pipeline: &gst::Pipeline) -> Result<(Chain, Self), MediaError> {
        Self::picture_into(pipeline, "autovideosink sync=false")
    }

    fn picture_into(pipeline: &gst::Pipeline, sink: &str) -> Result<(Chain, Self), MediaError> {
        let (width, height) = WINDOW;
        let mixer = element("compositor")
            .property("force-live", true)
            .property("ignore-inactive-pads", true)
            .property("min-upstream-latency", PLAYOUT.nseconds())
            .property_from_str("start-time-selection", "first")
            .property_from_str("background", "black")
            .build()?;
        let size = filter(&format!(
            "video/x-raw,format=I420,width={width},height={height},framerate=30/1,pixel-aspect-ratio=1/1"
        ))?;
        let screen = playback::parsed(&format!("queue max-size-buffers=2 leaky=downstream ! videoconvert ! {sink}"))?;
        let mixture = Self::assemble(pipeline, "window", &[mixer, size, screen.upcast()])?;
        Ok((mixture.chain(), mixture))
    }

    /// A locked bin of these, of which the first mixes.
    fn assemble(pipeline: &gst::Pipeline, name: &str, chain: &[gst::Element]) -> Result<Self, MediaError> {
        let mixer = chain.first().cloned().ok_or_else(|| MediaError::Setup("an empty mixture".into()))?;
        let bin = gst::Bin::with_name(name);
        bin.add_many(chain)?;
        gst::Element::link_many(chain)?;
        bin.set_locked_state(true);
        pipeline.add(&bin)?;
        let leaving = Leaving::default();
        leaving.between_blocks_of(&mixer)?;
        Ok(Self { bin, mixer, entries: Entries::default(), shown: Shown::default(), leaving })
    }

    fn chain(&self) -> Chain {
        Chain { sink: Some(self.bin.clone().upcast()), entries: self.entries.clone(), ..Chain::default() }
    }

    /// Adds what passes `raw`, which comes in at `entry`.
    pub(super) fn add(&self, raw: &gst::Pad, entry: &gst::Pad) -> Result<Part, MediaError> {
        let source = source(WAITING);
        source.set_min_latency(i64::try_from(LATE.nseconds()).unwrap_or(0));
        // Before the lock, which it takes when it is dropped.
        let mut part = Part { mixture: self.clone(), source: source.clone(), into: None, begun: Flag::default() };
        // While the gate opens or closes, nothing is added.
        let mut entries = self.entries.hold();
        self.bin.add(&source)?;
        let into = self.mixer.request_pad_simple("sink_%u");
        let into = part.into.insert(into.ok_or_else(|| MediaError::Setup("the mixer takes no more".into()))?);
        if into.find_property("sizing-policy").is_some() {
            into.set_property_from_str("sizing-policy", "keep-aspect-ratio");
        }
        let link = pad(source.upcast_ref(), "src")?.link(into);
        link.map_err(|error| MediaError::Setup(format!("the mixer: {error}")))?;
        source.sync_state_with_parent()?;
        let (shown, begun) = (self.shown.clone(), part.begun.clone());
        let place = into.downgrade();
        raw.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            if let Some(sample) = info.buffer().and_then(|buffer| sample(pad, buffer)) {
                if !begun.swap(true) {
                    shown.change(|pads| pads.push(place.clone()));
                }
                // Refused while the gate is closed.
                let _ = source.push_sample(&sample);
            }
            gst::PadProbeReturn::Ok
        });
        entries.retain(|entry| entry.upgrade().is_some());
        entries.push(entry.downgrade());
        Ok(part)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let Self { mixture, source, into, begun: _ } = self;
        mixture.shown.change(|pads| pads.retain(|pad| into.as_ref().is_some_and(|into| pad != into)));
        let _entries = mixture.entries.hold();
        // First the pad takes nothing more, and holds up nobody: a source that met no pad at all would call that a failure.
        let is_shut = into.as_ref().is_none_or(|into| into.set_active(false).is_ok());
        let is_in = source.parent().is_some();
        let is_still = source.set_state(gst::State::Null).is_ok();
        into.take().into_iter().for_each(|pad| mixture.leaving.push(pad));
        // The gate is held: what is closed now stays so.
        if mixture.mixer.current_state() < gst::State::Paused {
            mixture.leaving.release(&mixture.mixer);
        }
        if !is_shut || !is_still || is_in && mixture.bin.remove(source.upcast_ref::<gst::Element>()).is_err() {
            tracing::warn!("a member's stream is left over");
        }
    }
}

/// The speaker behind a limiter, which rounds off what is too loud for it.
fn limited(speaker: &gst::Element) -> Result<gst::Element, MediaError> {
    unwaiting(speaker);
    let bin = playback::parsed("rglimiter ! audioconvert ! audioresample name=last")?;
    bin.add(speaker)?;
    let last = bin.by_name("last").ok_or_else(|| MediaError::Setup("no limiter".into()))?;
    if let Some(open) = bin.static_pad("src") {
        bin.remove_pad(&open)?;
    }
    last.link(speaker)?;
    Ok(bin.upcast())
}

/// Where so many pictures stand in the window: x, y, width, height.
fn places(count: usize) -> Vec<[i32; 4]> {
    let columns = (1..).find(|columns| columns * columns >= count).unwrap_or(1).max(1);
    let rows = count.div_ceil(columns).max(1);
    let part = |whole: i32, parts: usize| whole / i32::try_from(parts).unwrap_or(1);
    let (width, height) = (part(WINDOW.0, columns), part(WINDOW.1, rows));
    let place = |at: usize| {
        let cell = |at: usize| i32::try_from(at).unwrap_or(0);
        [cell(at % columns) * width, cell(at / columns) * height, width, height]
    };
    (0..count).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_mixer_does_not_take_leaves_nothing_behind_and_holds_up_nobody() {
        gst::init().expect("GStreamer");
        // In another bin, so that nothing can be linked to it; and one that gives no pads.
        for (mixer, elsewhere) in [("audiomixer", true), ("fakesink", false)] {
            let (bin, other) = (gst::Bin::new(), gst::Bin::new());
            let mixer = element(mixer).build().expect("a mixer");
            if elsewhere { &other } else { &bin }.add(&mixer).expect("a bin");
            let (entries, shown, leaving) = Default::default();
            let mixture = Mixture { bin: bin.clone(), mixer: mixer.clone(), entries, shown, leaving };
            let (done, wait) = std::sync::mpsc::channel();
            std::thread::spawn(move || {
                let raw = gst::Pad::new(gst::PadDirection::Sink);
                let _ = done.send(mixture.add(&raw, &raw).is_err());
                drop(mixture.entries.hold());
                let _ = done.send(true);
            });
            for _ in 0..2 {
                assert_eq!(wait.recv_timeout(std::time::Duration::from_secs(10)), Ok(true), "it hangs");
            }
            assert!(elsewhere && bin.children().is_empty() || !elsewhere && bin.children() == [mixer]);
        }
    }

    /// A pipeline's source of pictures of one colour, none if there is none, and where they can be taken from.
    fn camera(pipeline: &gst::Pipeline, colour: Option<&str>) -> gst::Pad {
        let end = element("fakesink").property("sync", false).property("async", false).build().expect("an end");
        pipeline.add(&end).expect("a pipeline");
        if let Some(colour) = colour {
            let size = "capsfilter caps=video/x-raw,format=I420,width=64,height=48,framerate=30/1";
            let source = playback::parsed(&format!("videotestsrc is-live=true pattern={colour} ! {size}"));
            let source = source.expect("a source");
            pipeline.add(&source).expect("a pipeline");
            source.link(&end).expect("a link");
        }
        pad(&end, "sink").expect("a pad")
    }

    #[test]
    fn who_has_no_picture_takes_no_place_in_the_window() {
        gst::init().expect("GStreamer");
        let pipeline = gst::Pipeline::new();
        pipeline.use_clock(Some(&gst::SystemClock::obtain()));
        let sink = "capsfilter caps=video/x-raw,format=RGB ! appsink name=seen sync=false max-buffers=1 drop=true";
        let (_, mixture) = Mixture::picture_into(&pipeline, sink).expect("a mixture");
        let pads = [None, Some("red"), None, Some("blue"), None].map(|colour| camera(&pipeline, colour));
        let parts: Vec<_> = pads.iter().map(|pad| mixture.add(pad, pad).expect("a part")).collect();
        mixture.bin.set_locked_state(false);
        pipeline.set_state(gst::State::Playing).expect("playing");
        let seen =
            mixture.bin.by_name("seen").expect("a sink").downcast::<gstreamer_app::AppSink>().expect("an appsink");
        let mut colours = [[0; 3]; 2];
        // Whoever came first with a picture is on the left.
        for _ in 0..300 {
            let Some(sample) = seen.try_pull_sample(gst::ClockTime::from_seconds(10)) else { break };
            let pixels = sample.buffer().expect("a buffer").map_readable().expect("pixels").to_vec();
            colours = [320, 960].map(|x| {
                let at = 3 * (400 * 1280 + x);
                [pixels[at], pixels[at + 1], pixels[at + 2]]
            });
            colours.sort();
            if colours[0][2] > 200 && colours[1][0] > 200 {
                break;
            }
        }
        drop(parts);
        pipeline.set_state(gst::State::Null).expect("an end");
        let [blue, red] = colours;
        assert!(blue[2] > 200 && blue[0] < 50 && red[0] > 200 && red[2] < 50, "{colours:?}");
    }

    #[test]
    fn pictures_fill_the_window_without_lying_upon_each_other() {
        for count in 1..=8 {
            let places = places(count);
            assert_eq!(places.len(), count);
            for (at, [x, y, width, height]) in places.iter().enumerate() {
                assert!(*x >= 0 && *y >= 0 && x + width <= WINDOW.0 && y + height <= WINDOW.1, "{places:?}");
                let apart = |[a, b, w, h]: &[i32; 4]| x + width <= *a || a + w <= *x || y + height <= *b || b + h <= *y;
                assert!(places[..at].iter().all(apart), "{places:?}");
            }
        }
        assert_eq!(places(2), [[0, 0, 640, 720], [640, 0, 640, 720]]);
    }
}
