//! Frames, and sealed channels between which somebody sits: what is sent is lost, repeated, put in another order,
//! changed and made up, while time passes and sides come, go and begin anew.

mod world;

use std::time::Duration;

use twocan::{
    ids::SessionId,
    seal::{Frame, Input, Order, Step},
};

use crate_root::bytes::Bytes;
use world::{SIDES, World, instance};

use super as crate_root;

const STEPS: [Step; 5] = [Step::Xx1, Step::Xx2, Step::Xx3, Step::Kk1, Step::Kk2];

/// Reads `data` as a frame, and as the course of events between three sides.
pub fn run(data: &[u8]) {
    frame(&String::from_utf8_lossy(data));
    let mut bytes = Bytes(data);
    let kind = bytes.byte();
    let mut world = World::new(kind);
    while !bytes.is_empty() {
        step(&mut world, &mut bytes);
    }
    // It takes far longer than what went before.
    if kind & 0x80 != 0 {
        world.settle();
    }
}

fn frame(text: &str) {
    if let Ok(frame) = Frame::parse(text) {
        let again = frame.to_string();
        assert_eq!(Frame::parse(&again), Ok(frame), "{again}");
    }
}

fn step(world: &mut World, bytes: &mut Bytes<'_>) {
    let side = bytes.below(SIDES);
    match bytes.below(16) {
        0 | 1 => world.pump(bytes.below(8)),
        2 => world.tell(side, Input::Here(Order::Begins)),
        3 => world.tell(side, Input::Here(Order::Waits)),
        4 => world.tell(side, Input::Away),
        5 | 6 => world.say(side),
        7 => world.expire(side),
        8 => world.restart(side),
        9 => world.pass(Duration::from_millis(bytes.milliseconds())),
        10 => world.now += Duration::from_millis(bytes.milliseconds()),
        11 => world.lose(bytes.below(8)),
        12 => {
            let sender = bytes.below(SIDES);
            let text = if bytes.flip() { forged(bytes).to_string() } else { bytes.text() };
            world.tell(side, Input::Frame(instance(sender), text));
        }
        13 => repeat(world, bytes, side),
        14 => change(world, bytes, side),
        _ => garble(world, bytes, side),
    }
}

/// A frame that nobody's key has made.
fn forged(bytes: &mut Bytes<'_>) -> Frame {
    let id = SessionId::from_bits(bytes.byte().into());
    match (bytes.below(7), bytes.chunk()) {
        (0, data) => Frame::Sealed { id, n: 0, data },
        (1, _) => Frame::Refused { proof: "A".repeat(43) },
        (other, data) => Frame::Noise { step: STEPS[other - 2], id, data },
    }
}

/// A frame of the past, to whom it was for or to somebody else, in its sender's name or in another.
fn repeat(world: &mut World, bytes: &mut Bytes<'_>, side: usize) {
    let Some((from, to, text)) = past(world, bytes) else { return };
    let (from, to) = if bytes.flip() { (from, to) } else { (bytes.below(SIDES), side) };
    world.tell(to, Input::Frame(instance(from), text));
}

/// A frame of the past with a part of it changed.
fn change(world: &mut World, bytes: &mut Bytes<'_>, side: usize) {
    let Some((from, to, text)) = past(world, bytes) else { return };
    let to = if bytes.flip() { to } else { side };
    let Ok(mut frame) = Frame::parse(&text) else { return };
    match &mut frame {
        Frame::Noise { step, id, data } => match bytes.below(4) {
            0 => *step = STEPS[bytes.below(STEPS.len())],
            1 => rename(id, world, bytes),
            _ => damage(data, bytes),
        },
        Frame::Sealed { id, n, data } => match bytes.below(4) {
            0 => *n = n.wrapping_add_signed(i32::from(bytes.byte().cast_signed())),
            1 => rename(id, world, bytes),
            2 => (*n, *data) = (0, vec![bytes.byte(); bytes.below(40)]),
            _ => damage(data, bytes),
        },
        Frame::Refused { proof } => *proof = proof.chars().rev().collect(),
    }
    world.tell(to, Input::Frame(instance(from), frame.to_string()));
}

fn rename(id: &mut SessionId, world: &World, bytes: &mut Bytes<'_>) {
    let other = past(world, bytes).and_then(|(_, _, text)| match Frame::parse(&text) {
        Ok(Frame::Noise { id, .. } | Frame::Sealed { id, .. }) => Some(id),
        Ok(Frame::Refused { .. }) | Err(_) => None,
    });
    *id = other.unwrap_or_else(|| SessionId::from_bits(bytes.byte().into()));
}

fn damage(data: &mut Vec<u8>, bytes: &mut Bytes<'_>) {
    let at = bytes.below(data.len());
    match bytes.below(3) {
        0 => data.truncate(at),
        1 => data.extend(bytes.chunk()),
        _ => data.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bytes.byte()),
    }
}

/// A frame of the past whose text is changed in one place.
fn garble(world: &mut World, bytes: &mut Bytes<'_>, side: usize) {
    let Some((from, to, text)) = past(world, bytes) else { return };
    let to = if bytes.flip() { to } else { side };
    let mut text = text.into_bytes();
    let at = usize::from(u16::from_be_bytes([bytes.byte(), bytes.byte()])) % text.len();
    let until = (at + bytes.below(4)).min(text.len());
    text.splice(at..until, bytes.chunk());
    world.tell(to, Input::Frame(instance(from), String::from_utf8_lossy(&text).into_owned()));
}

/// One of the latest frames: who sent it to whom, and its text.
fn past(world: &World, bytes: &mut Bytes<'_>) -> Option<(usize, usize, String)> {
    world.sent.iter().rev().nth(bytes.byte().into()).cloned()
}
