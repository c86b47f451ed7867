//! Which tones are in a mixture: what the test speaker of a room tells.

use std::{f64::consts::TAU, sync::Mutex};

use gstreamer::{self as gst, prelude::*};

use super::{Event, MediaError, Tone, capture::element, playback::unwaiting};
use crate::rt::Sender;

/// Samples that are looked at together: 85 ms at 48 kHz, which tells tones 24 Hz apart.
const BLOCK: usize = 4096;
/// Samples a second.
const RATE: f64 = 48_000.0;
/// The quietest tone that is told, in dB below full scale.
const QUIETEST: f64 = -50.0;
/// How far a tone may stand below the loudest and still be one, in dB: what the window leaks is further below.
const DEPTH: f64 = 30.0;

/// A sink that tells the tones that it hears, and once that there are none; it takes mono 32-bit floats at 48 kHz.
pub(super) fn tones_report(events: Sender<Event>) -> Result<gst::Element, MediaError> {
    let sink = element("fakesink").property("sync", true).property("signal-handoffs", true).build()?;
    unwaiting(&sink);
    let heard = Mutex::new((Vec::with_capacity(BLOCK), false));
    sink.connect("handoff", false, move |values| {
        let buffer = values.get(1)?.get::<gst::Buffer>().ok()?;
        let bytes = buffer.map_readable().ok()?;
        let mut heard = heard.lock().ok()?;
        let (samples, was_heard) = &mut *heard;
        for four in bytes.chunks_exact(4) {
            samples.push(f64::from(f32::from_le_bytes([four[0], four[1], four[2], four[3]])));
            if samples.len() == BLOCK {
                let tones = tones(samples);
                samples.clear();
                if !tones.is_empty() || *was_heard {
                    *was_heard = !tones.is_empty();
                    let _ = events.try_send(Event::Tones(tones));
                }
            }
        }
        None
    });
    Ok(sink)
}

/// The tones in a block of samples, by their frequency.
fn tones(samples: &[f64]) -> Vec<Tone> {
    let window = |at: usize| 0.5 - 0.5 * (TAU * at as f64 / BLOCK as f64).cos();
    let mut re: Vec<f64> = samples.iter().enumerate().map(|(at, sample)| sample * window(at)).collect();
    let mut im = vec![0.0; re.len()];
    transform(&mut re, &mut im);
    // A sine of full scale has -3 dB; the window takes half of its amplitude, and its other half is in the mirror image.
    let scale = 4.0 / re.len() as f64 / 2.0_f64.sqrt();
    let level = |at: usize| 20.0 * (re[at].hypot(im[at]) * scale).max(1e-10).log10();
    let levels: Vec<f64> = (0..re.len() / 2).map(level).collect();
    let loudest = levels.iter().copied().fold(f64::MIN, f64::max);
    let is_peak = |at: &usize| {
        let around = &levels[at - 2..=at + 2];
        around.iter().all(|level| *level <= levels[*at]) && levels[*at] > QUIETEST.max(loudest - DEPTH)
    };
    let tone = |at: usize| {
        let (before, here, after) = (levels[at - 1], levels[at], levels[at + 1]);
        let aside = 0.5 * (before - after) / (before - 2.0 * here + after);
        Tone { hz: (at as f64 + aside) * RATE / re.len() as f64, db: here }
    };
    (2..levels.len().saturating_sub(2)).filter(is_peak).map(tone).collect()
}

/// The discrete Fourier transform, in place; as many values as a power of two.
fn transform(re: &mut [f64], im: &mut [f64]) {
    let count = re.len();
    let bits = count.trailing_zeros();
    for at in 0..count {
        let other = at.reverse_bits() >> (usize::BITS - bits);
        if at < other {
            re.swap(at, other);
            im.swap(at, other);
        }
    }
    let mut half = 1;
    while half < count {
        for at in 0..half {
            let (sin, cos) = (-TAU * at as f64 / (2 * half) as f64).sin_cos();
            for low in (at..count).step_by(2 * half) {
                let high = low + half;
                let (r, i) = (re[high] * cos - im[high] * sin, re[high] * sin + im[high] * cos);
                (re[high], im[high]) = (re[low] - r, im[low] - i);
                (re[low], im[low]) = (re[low] + r, im[low] + i);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tones_in_a_mixture_are_told_apart() {
        let wanted = [(440.0, 0.5), (523.0, 0.25), (587.0, 0.1), (659.0, 0.5), (2000.0, 0.05)];
        let sample = |at: usize| wanted.iter().map(|(hz, loud)| (at as f64 * hz * TAU / RATE).sin() * loud).sum();
        let samples: Vec<f64> = (0..BLOCK).map(sample).collect();
        let heard = tones(&samples);
        assert_eq!(heard.len(), wanted.len(), "{heard:?}");
        for (tone, (hz, loud)) in heard.iter().zip(wanted) {
            assert!((tone.hz - hz).abs() < 3.0, "{hz} was heard as {tone:?}");
            let db = 20.0 * (loud / 2.0_f64.sqrt()).log10();
            assert!((tone.db - db).abs() < 2.0, "{db} dB was heard as {tone:?}");
        }
    }

    #[test]
    fn in_silence_there_is_no_tone() {
        assert_eq!(tones(&vec![0.0; BLOCK]), []);
        assert_eq!(tones(&vec![0.001; BLOCK]), []);
    }
}
