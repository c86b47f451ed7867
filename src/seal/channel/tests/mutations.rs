//! Ten thousand frames that are almost right.

use std::collections::BTreeSet;

use super::*;

/// A stage of the two sides' story, and the frames that were said up to it.
struct Stage {
    /// Which side is to be given what was mutated.
    victim: usize,
    trusts: [Trust; 2],
    /// The far side's frames up to now that the victim has taken.
    taken: usize,
}

fn story(trusts: [Trust; 2]) -> World {
    let mut world = World::new(trusts);
    world.meet([Order::Waits, Order::Begins]);
    world.run(secs(1));
    for text in ["one", "two"] {
        world.handle(0, Input::Say(text.into()));
        world.handle(1, Input::Say(text.into()));
        world.run(Duration::from_millis(200));
    }
    assert_eq!((world.heard(0), world.heard(1)), (vec!["one".into(), "two".into()], vec!["one".into(), "two".into()]));
    world
}

fn unpaired() -> [Trust; 2] {
    [Trust::Owner { code: code() }, World::reader()]
}

fn paired() -> [Trust; 2] {
    [
        Trust::Paired { far: instance(1), key: secret(1).public(), spent: Some(code().spent()) },
        Trust::Paired { far: instance(0), key: secret(0).public(), spent: None },
    ]
}

/// One frame, made a little or wholly different.
fn mutate(random: &mut fastrand::Rng, text: &str, others: &[String]) -> String {
    let other = &others[random.usize(..others.len())];
    match (random.u8(..10), Frame::parse(text), Frame::parse(other)) {
        (0, ..) => flip(random, text),
        (1, ..) => text[..floor(text, random.usize(..text.len()))].to_owned(),
        (2, ..) => format!("{text}{}", &other[..floor(other, random.usize(..other.len()))]),
        (3, ..) => {
            let at = random.usize(..text.len().min(other.len()));
            format!("{}{}", &text[..floor(text, at)], &other[floor(other, at)..])
        }
        (4, ..) => other.clone(),
        (5, Ok(Frame::Noise { step, id, .. }), Ok(Frame::Noise { data, .. })) => {
            Frame::Noise { step, id, data }.to_string()
        }
        (6, Ok(Frame::Sealed { id, n, .. }), Ok(Frame::Sealed { data, .. })) => {
            Frame::Sealed { id, n, data }.to_string()
        }
        (7, Ok(Frame::Sealed { n, data, .. }), Ok(Frame::Sealed { id, .. } | Frame::Noise { id, .. })) => {
            Frame::Sealed { id, n, data }.to_string()
        }
        (_, Ok(Frame::Noise { step, id, data }), _) => Frame::Noise { step, id, data: bend(random, data) }.to_string(),
        (_, Ok(Frame::Sealed { id, n, data }), _) => Frame::Sealed { id, n, data: bend(random, data) }.to_string(),
        _ => flip(random, text),
    }
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn flip(random: &mut fastrand::Rng, text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let at = random.usize(..bytes.len());
    bytes[at] ^= 1 << random.u8(..7);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn bend(random: &mut fastrand::Rng, mut data: Vec<u8>) -> Vec<u8> {
    match random.u8(..4) {
        0 => data.truncate(random.usize(..=data.len())),
        1 => data.extend((0..random.usize(1..40)).map(|_| 0)),
        _ if data.is_empty() => data.push(0),
        _ => {
            let at = random.usize(..data.len());
            data[at] ^= 1 << random.u8(..8);
        }
    }
    data
}

/// Leads the two to a stage, gives the victim one mutated frame, and says what it heard or believed by it.
fn try_one(random: &mut fastrand::Rng, stage: &Stage, others: &[String]) -> Result<(), String> {
    let mut world = World::new(stage.trusts.clone());
    let (victim, far) = (stage.victim, 1 - stage.victim);
    world.meet([Order::Waits, Order::Begins]);
    let (mut given, mut true_ones) = (0, BTreeSet::new());
    let mut said = ["one", "two"].iter();
    for _ in 0..8 {
        for (_, text) in world.drain_sent(victim) {
            world.handle(far, Input::Frame(instance(victim), text));
        }
        if world.sides[far].is_up() && given >= 1 {
            let text = said.next().map_or("three", |text| text);
            world.handle(far, Input::Say(text.to_owned()));
        }
        for (_, text) in world.drain_sent(far) {
            true_ones.insert(text.clone());
            if given == stage.taken {
                let before = world.told(victim);
                let mutated = mutate(random, &text, others);
                if !true_ones.contains(&mutated) {
                    world.handle(victim, Input::Frame(instance(far), mutated.clone()));
                }
                let after = &world.told(victim)[before.len()..];
                let allowed = |told: &Output| match told {
                    Output::Suspicious(Suspicion::Forged) | Output::Down => true,
                    // A frame that says the same in other words says the same.
                    Output::Heard(_) | Output::Up(_) | Output::Paired { .. } | Output::Learned(_) => {
                        Frame::parse(&mutated) == Frame::parse(&text)
                    }
                    Output::Send(..) | Output::Refused | Output::Suspicious(Suspicion::Silent) => false,
                };
                return if after.iter().all(allowed) { Ok(()) } else { Err(format!("{after:?}\n{text}\n{mutated}")) };
            }
            given += 1;
            world.handle(victim, Input::Frame(instance(far), text));
        }
    }
    Err(format!("the story ended early: {given} of {}", stage.taken))
}

#[test]
fn ten_thousand_mutated_frames_convince_nobody_of_anything() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    set_seed(seed);
    let mut random = fastrand::Rng::with_seed(seed);
    let others: Vec<String> = [story(unpaired()), story(paired())]
        .iter()
        .flat_map(|world| world.log.iter().map(|p| p.text.clone()))
        .collect();
    // The owner gets two frames of the handshake, the reader one and the acceptance, then there are texts.
    let stages: Vec<Stage> = [(0, true, 4), (1, true, 4), (0, false, 4), (1, false, 3)]
        .into_iter()
        .flat_map(|(victim, new, frames)| {
            (0..frames).map(move |taken| Stage { victim, trusts: if new { unpaired() } else { paired() }, taken })
        })
        .collect();
    for at in 0..10_000 {
        let tried = try_one(&mut random, &stages[at % stages.len()], &others);
        assert_eq!(tried, Ok(()), "SEED={seed}, frame {at}");
    }
}
