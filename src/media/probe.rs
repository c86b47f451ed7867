//! What watches the streams: who may pass, what comes too late, what a tone sounds like.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use gstreamer::{self as gst, prelude::*};

use super::gate::Passes;

/// How late sound may reach the payloader, or a picture its encoder: 100 ms.
///
/// After a pause the encoder of the sound hands out what was left in it, stamped with the time before the pause. Sent, it
/// would be heard, and would teach the far side's jitter buffer a delay as long as the pause.
const STALE: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// A switch that streaming threads look at.
#[derive(Debug, Clone, Default)]
pub(super) struct Flag(Arc<AtomicBool>);

impl Flag {
    pub(super) fn set(&self, on: bool) {
        self.0.store(on, Ordering::Release);
    }

    /// Sets it, and tells how it was.
    pub(super) fn swap(&self, on: bool) -> bool {
        self.0.swap(on, Ordering::AcqRel)
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Lets buffers, and word of missing ones, through `pad` only while every flag is set; what tells of the stream always,
/// but never its end: the call outlives a device. The flag it gives back is set once a buffer has passed.
pub(super) fn pass_while(pad: &gst::Pad, flags: Vec<Flag>) -> Flag {
    let begun = Flag::default();
    let passed = begun.clone();
    let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST | gst::PadProbeType::EVENT_DOWNSTREAM;
    pad.add_probe(mask, move |_, info| {
        let pass = match info.event() {
            Some(event) if event.type_().is_sticky() => event.type_() != gst::EventType::Eos,
            Some(_) => flags.iter().all(Flag::is_set),
            None => {
                flags.iter().all(Flag::is_set) && {
                    passed.set(true);
                    true
                }
            }
        };
        if pass { gst::PadProbeReturn::Ok } else { swallow(info) }
    });
    begun
}

/// How long silence is sent after a pause: three frames of 20 ms.
///
/// A receiver fills in for what does not come by stretching what came last, for a third of a second. Let it stretch
/// silence.
const TAIL: Duration = Duration::from_millis(60);

/// The silence behind a stretch of sound, as far as it is not sent yet.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    /// Nanoseconds.
    left: Arc<AtomicU64>,
    passes: Passes,
    /// Set once sound has passed that is more than silence.
    pub(super) begun: Flag,
}

impl Tail {
    /// Waits until it is sent, or can no longer be.
    #[expect(clippy::disallowed_methods, reason = "devices live by the real clock")]
    pub(super) fn wait(&self) {
        let until = Instant::now() + 2 * TAIL;
        while !self.passes.open.is_set() && self.left.load(Ordering::Acquire) > 0 && Instant::now() < until {
            thread::sleep(TAIL / 12);
        }
        self.left.store(0, Ordering::Release);
    }

    /// Whether a buffer of raw sound passes: as it is, made silent, or not.
    fn pass(&self, buffer: &mut gst::Buffer) -> bool {
        let open = self.passes.open.is_set();
        if open && self.passes.microphone.is_set() {
            self.left.store(u64::try_from(TAIL.as_nanos()).unwrap_or(u64::MAX), Ordering::Release);
            self.begun.set(true);
            return true;
        }
        let left = self.left.load(Ordering::Acquire);
        if !open {
            let length = buffer.duration().unwrap_or_default().nseconds();
            self.left.store(left.saturating_sub(length), Ordering::Release);
        }
        (open || left > 0) && buffer.make_mut().map_writable().map(|mut samples| samples.fill(0)).is_ok()
    }
}

/// Lets raw sound through `pad` once connected: while the gate is open, and for [`TAIL`] after it was closed as silence.
pub(super) fn pass_sound_while(pad: &gst::Pad, passes: Passes, connected: Flag) -> Tail {
    let tail = Tail { left: Arc::default(), passes, begun: Flag::default() };
    let watched = tail.clone();
    pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        let pass = match &mut info.data {
            Some(gst::PadProbeData::Event(event)) => event.type_() != gst::EventType::Eos,
            Some(gst::PadProbeData::Buffer(buffer)) => connected.is_set() && watched.pass(buffer),
            Some(_) | None => false,
        };
        if pass { gst::PadProbeReturn::Ok } else { swallow(info) }
    });
    tail
}

/// Drops at `pad` what comes sooner than `apart` after what has passed.
pub(super) fn thin_out(pad: &gst::Pad, apart: gst::ClockTime) {
    let next = AtomicU64::new(0);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(time) = info.buffer().and_then(|buffer| buffer.pts()) else { return gst::PadProbeReturn::Ok };
        if is_too_soon(time, gst::ClockTime::from_nseconds(next.load(Ordering::Relaxed))) {
            return swallow(info);
        }
        next.store((time + apart).nseconds(), Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
}

/// Whether a buffer of this time comes before the `next` that may pass, which a clock that has jumped does not put off.
fn is_too_soon(time: gst::ClockTime, next: gst::ClockTime) -> bool {
    time < next && next <= time + gst::ClockTime::SECOND
}

/// Drops at `pad` what is over 100 ms late, such as what is left over from before a pause, and what has no time.
pub(super) fn drop_stale(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if info.buffer().is_some_and(|buffer| is_stale(pad, buffer)) { swallow(info) } else { gst::PadProbeReturn::Ok }
    });
}

fn is_stale(pad: &gst::Pad, buffer: &gst::BufferRef) -> bool {
    let age = || {
        let now = pad.parent_element()?.current_running_time()?;
        let segment = pad.sticky_event::<gst::event::Segment>(0)?;
        let segment = segment.segment().downcast_ref::<gst::ClockTime>()?.clone();
        Some(now.saturating_sub(segment.to_running_time(buffer.pts()?)?))
    };
    age().is_none_or(|age| age > STALE)
}

/// Takes a buffer or event out of the stream as if it had arrived: upstream must not stop for it.
fn swallow(info: &mut gst::PadProbeInfo<'_>) -> gst::PadProbeReturn {
    info.flow_res = Ok(gst::FlowSuccess::Ok);
    info.data = None;
    gst::PadProbeReturn::Handled
}

/// The frequency in Hz and the level in dB of mono 16-bit samples at 48 kHz; `None` below -50 dB.
pub(super) fn tone(samples: &[u8]) -> Option<(f64, f64)> {
    const RATE: f64 = 48_000.0;
    let samples: Vec<f64> =
        samples.chunks_exact(2).map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0).collect();
    let power = samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len().max(1) as f64;
    let db = 10.0 * power.max(1e-10).log10();
    if db < -50.0 {
        return None;
    }
    let rises: Vec<f64> = samples
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[0] < 0.0 && pair[1] >= 0.0)
        .map(|(at, pair)| at as f64 + pair[0] / (pair[0] - pair[1]))
        .collect();
    let (first, last) = (rises.first()?, rises.last()?);
    let hz = if rises.len() < 2 { 0.0 } else { (rises.len() - 1) as f64 * RATE / (last - first) };
    Some((hz, db))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hz: f64, amplitude: f64) -> Vec<u8> {
        let sample = |at: usize| (at as f64 * hz * std::f64::consts::TAU / 48_000.0).sin() * amplitude * 32_767.0;
        (0..960).flat_map(|at| (sample(at) as i16).to_le_bytes()).collect()
    }

    #[test]
    fn one_picture_from_the_future_does_not_hold_the_later_ones_up() {
        let [time, later] = [7, 40].map(gst::ClockTime::from_seconds);
        let soon = gst::ClockTime::from_mseconds(1);
        assert!(is_too_soon(time, time + soon));
        assert!(!is_too_soon(time, time) && !is_too_soon(time, time - soon) && !is_too_soon(time, later));
    }

    #[test]
    fn a_tone_is_told_by_its_frequency_and_level() {
        for hz in [200.0, 440.0, 523.0, 2000.0] {
            let (heard, db) = tone(&sine(hz, 0.5)).expect("a tone");
            assert!((heard - hz).abs() < hz * 0.01, "{hz} was heard as {heard}");
            assert!((db + 9.0).abs() < 0.5, "{db}");
        }
        assert_eq!(tone(&sine(440.0, 0.001)), None);
        assert_eq!(tone(&[]), None);
    }
}
