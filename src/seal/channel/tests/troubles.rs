//! Frames that are lost, repeated, swapped and forged, and sessions that one side has lost.

use super::*;

/// Two that have met.
fn met() -> World {
    let mut world = World::paired();
    world.meet([Order::Begins, Order::Waits]);
    world.run(secs(2));
    assert_eq!(world.ups(0), world.ups(1));
    world
}

fn say(world: &mut World, side: usize, texts: &[&str]) -> Vec<String> {
    world.drain_sent(side);
    for text in texts {
        world.handle(side, Input::Say((*text).to_owned()));
    }
    world.drain_sent(side).into_iter().map(|(_, text)| text).collect()
}

fn give(world: &mut World, side: usize, texts: &[&String]) {
    for text in texts {
        world.handle(side, Input::Frame(instance(1 - side), (*text).clone()));
    }
}

#[test]
fn a_repeated_text_is_heard_once() {
    let mut world = met();
    let sent = say(&mut world, 0, &["one", "two"]);
    give(&mut world, 1, &[&sent[0], &sent[0], &sent[1], &sent[0], &sent[1]]);
    assert_eq!(world.heard(1), ["one", "two"]);
    assert_eq!(world.suspicions(1), 0);
    world.assert_talk();
}

#[test]
fn a_lost_text_breaks_the_session_and_another_takes_its_place() {
    let mut world = met();
    let sent = say(&mut world, 0, &["one", "two", "three"]);
    give(&mut world, 1, &[&sent[0], &sent[2]]);
    assert_eq!(world.heard(1), ["one"]);
    assert_eq!(world.told(1).last(), Some(&Output::Down));
    world.run(secs(2));
    assert_eq!(world.ups(1).len(), 2);
    // What comes too late is not heard any more.
    give(&mut world, 1, &[&sent[1], &sent[2]]);
    assert_eq!(world.heard(1), ["one"]);
    world.assert_talk();
}

#[test]
fn swapped_texts_are_never_heard_out_of_order() {
    let mut world = met();
    let sent = say(&mut world, 0, &["one", "two"]);
    give(&mut world, 1, &[&sent[1], &sent[0]]);
    assert_eq!(world.heard(1), [""; 0]);
    world.run(secs(2));
    world.assert_talk();
}

#[test]
fn a_forged_text_is_not_heard_and_does_no_harm() {
    let mut world = met();
    let sent = say(&mut world, 0, &["one"]);
    let Ok(Frame::Sealed { id, n, mut data }) = Frame::parse(&sent[0]) else { panic!("not sealed") };
    data[0] ^= 1;
    for _ in 0..3 {
        world.inject(1, 0, Frame::Sealed { id: id.clone(), n, data: data.clone() });
    }
    assert_eq!(world.told(1).last(), Some(&Output::Suspicious(Suspicion::Forged)));
    assert_eq!(world.suspicions(1), 1);
    give(&mut world, 1, &[&sent[0]]);
    assert_eq!(world.heard(1), ["one"]);
    world.assert_talk();
}

#[test]
fn a_side_does_not_take_its_own_texts_for_the_far_sides() {
    let mut world = met();
    let sent = say(&mut world, 0, &["one"]);
    give(&mut world, 0, &[&sent[0]]);
    assert_eq!(world.heard(0), [""; 0]);
}

#[test]
fn a_repeated_first_step_displaces_no_session() {
    let mut world = met();
    let first = world.log.iter().find(|passed| step_of(&passed.text) == "Kk1").cloned().unwrap();
    let Ok(Frame::Noise { step, data, .. }) = Frame::parse(&first.text) else { panic!("no handshake") };
    for bits in 0..20 {
        give(&mut world, 1, &[&first.text]);
        world.inject(1, 0, Frame::Noise { step, id: SessionId::from_bits(bits), data: data.clone() });
        world.run(secs(1));
    }
    assert_eq!((world.ups(0).len(), world.ups(1).len()), (1, 1));
    assert_eq!((world.count(0, "Kk1"), world.count(1, "Kk1")), (1, 0));
    world.assert_talk();
}

#[test]
fn repeating_a_whole_meeting_makes_nobody_believe_in_it() {
    let mut old = met();
    say(&mut old, 0, &["pay the plumber"]);
    let old: Vec<_> = old.log.iter().filter(|passed| passed.from == 0).map(|passed| passed.text.clone()).collect();
    let mut world = World::paired();
    world.enter(1, Order::Waits);
    for text in &old {
        give(&mut world, 1, &[text]);
    }
    assert_eq!(world.heard(1), [""; 0]);
    assert!(!world.sides[1].is_up());
    assert_eq!(world.ups(1), []);
}

#[test]
fn what_is_said_while_a_session_is_replaced_is_heard() {
    // Side 1 begins anew although side 0 has nothing to complain of, and both go on talking.
    let mut world = met();
    world.inject(1, 0, Frame::Sealed { id: SessionId::from_bits(9), n: 0, data: vec![0; 20] });
    for at in 0..30 {
        world.handle(0, Input::Say(format!("a{at}")));
        world.handle(1, Input::Say(format!("b{at}")));
        world.run(Duration::from_millis(3));
    }
    world.run(secs(5));
    assert_eq!(world.heard(0), (0..30).map(|at| format!("b{at}")).collect::<Vec<_>>());
    assert_eq!(world.heard(1), (0..30).map(|at| format!("a{at}")).collect::<Vec<_>>());
    assert_eq!((world.ups(0).len(), world.ups(1).len()), (2, 2));
    assert!(world.told(0).iter().chain(&world.told(1)).all(|told| *told != Output::Down));
    world.assert_talk();
}

#[test]
fn a_session_that_one_side_has_lost_is_made_anew() {
    for (loser, order) in [(0, Order::Waits), (0, Order::Begins), (1, Order::Waits), (1, Order::Begins)] {
        let mut world = met();
        world.restart(loser);
        world.enter(loser, order);
        // The other side noticed nothing, and talks on.
        world.handle(1 - loser, Input::Say("into the void".into()));
        world.run(secs(4));
        world.assert_talk();
        assert_eq!(world.heard(loser).iter().filter(|text| text.contains("void")).count(), 0);
    }
}

#[test]
fn a_greeting_that_is_lost_is_made_up_for() {
    for lost in 0..3 {
        let mut world = World::paired();
        world.fate = Box::new(move |at, _, text| if at == lost { Fate::Lost } else { Fate::Arrives(text.into()) });
        world.meet([Order::Begins, Order::Waits]);
        world.run(secs(6));
        world.assert_talk();
    }
}

#[test]
fn a_text_behind_a_lost_greeting_makes_the_session_anew_at_once() {
    let mut world = World::paired();
    world.fate = Box::new(|at, _, text| if at == 2 { Fate::Lost } else { Fate::Arrives(text.into()) });
    world.meet([Order::Begins, Order::Waits]);
    world.run(Duration::from_millis(100));
    assert!(world.sides[0].is_up() && !world.sides[1].is_up());
    world.handle(0, Input::Say("hello".into()));
    world.run(Duration::from_millis(900));
    assert_eq!(world.heard(1), [""; 0]);
    world.assert_talk();
}

#[test]
fn handshakes_are_begun_at_most_once_a_second() {
    let mut world = met();
    world.fate = Box::new(|_, _, _| Fate::Lost);
    let start = world.now;
    for bits in 0..2000 {
        let frame = match bits % 3 {
            0 => Frame::Sealed { id: SessionId::from_bits(bits), n: 0, data: vec![0; 20] },
            1 => Frame::Noise { step: Step::Xx1, id: SessionId::from_bits(bits), data: vec![0; 48] },
            _ => Frame::Noise { step: Step::Kk1, id: SessionId::from_bits(bits), data: vec![0; 48] },
        };
        world.inject(0, 1, frame);
        if bits % 200 == 0 {
            world.handle(0, Input::Away);
            world.enter(0, Order::Begins);
        }
        world.run(Duration::from_millis(5));
    }
    let begun: Vec<Instant> = world
        .log
        .iter()
        .filter(|passed| passed.from == 0 && passed.at >= start && step_of(&passed.text) == "Kk1")
        .map(|passed| passed.at)
        .collect();
    assert!(begun.len() >= 9, "{}", begun.len());
    assert!(begun.windows(2).all(|two| two[1] - two[0] >= BEGIN_INTERVAL));
}

#[test]
fn a_reader_that_comes_with_its_used_code_again_is_met() {
    let mut world = World::unpaired();
    world.meet([Order::Waits, Order::Begins]);
    world.run(secs(2));
    // It lost all it had stored but the code and the key it had learned.
    let trust = Trust::Reader { far: instance(0), code: code(), key: Some(secret(0).public()) };
    world.sides[1] = World::channel(1, 50, trust);
    world.forget(1);
    world.handle(0, Input::Away);
    world.meet([Order::Begins, Order::Waits]);
    world.run(secs(3));
    assert_eq!(world.paired_with(1).map(|(far, ..)| far), Some(instance(0)));
    world.assert_talk();
}

#[test]
fn an_owner_with_another_key_than_was_learned_is_suspicious() {
    let mut world = World::unpaired();
    world.sides[1] =
        World::channel(1, 50, Trust::Reader { far: instance(0), code: code(), key: Some(secret(5).public()) });
    world.meet([Order::Waits, Order::Begins]);
    world.run(secs(1));
    assert_eq!(world.told(1), [Output::Suspicious(Suspicion::Forged)]);
    assert_eq!(world.paired_with(0), None);
}

#[test]
fn the_first_of_two_readers_is_paired_and_the_second_refused() {
    let mut world = World::unpaired();
    let second = world.add(World::reader());
    world.meet([Order::Waits, Order::Begins]);
    world.enter(second, Order::Begins);
    world.run(secs(6));
    let winner = world.paired_with(0).map(|(far, ..)| far);
    let (paired, refused) = if winner == Some(instance(1)) { (1, second) } else { (second, 1) };
    assert!(world.paired_with(paired).is_some());
    assert_eq!(world.paired_with(refused), None);
    assert_eq!(world.told(refused).last(), Some(&Output::Refused));
}

#[test]
fn each_suspicion_is_told_once_until_a_session_stands() {
    let mut world = World::paired();
    world.fate = Box::new(|_, _, text| {
        let forged = match Frame::parse(text) {
            Ok(Frame::Noise { step, id, mut data }) => {
                data[0] ^= 1;
                Frame::Noise { step, id, data }.to_string()
            }
            _ => text.to_owned(),
        };
        Fate::Arrives(forged)
    });
    world.meet([Order::Begins, Order::Waits]);
    world.run(secs(4));
    assert_eq!(world.told(1), [Output::Suspicious(Suspicion::Forged)]);
    world.run(secs(60));
    let mut told = world.told(1);
    told.extend(world.told(0));
    assert_eq!(told.len(), 4, "{told:?}");
    world.be_kind();
    world.run(secs(4));
    world.assert_talk();
    // And again once there was a session.
    let sent = say(&mut world, 0, &["one"]);
    let before = world.suspicions(1);
    give(&mut world, 1, &[&sent[0].replace("data\":\"", "data\":\"AAAA")]);
    assert_eq!(world.suspicions(1), before + 1);
}

#[test]
fn silence_is_told_after_five_seconds_and_not_before() {
    let mut world = World::paired();
    world.fate = Box::new(|_, _, _| Fate::Lost);
    world.meet([Order::Begins, Order::Waits]);
    world.run(SILENCE_LIMIT - Duration::from_millis(1));
    assert_eq!((world.told(0), world.told(1)), (vec![], vec![]));
    world.run(Duration::from_millis(1));
    assert_eq!(world.told(0), [Output::Suspicious(Suspicion::Silent)]);
    world.run(secs(20));
    assert_eq!(world.told(1), [Output::Suspicious(Suspicion::Silent)]);
}

/// Half a minute of everything at once, then a good line.
#[test]
fn after_any_trouble_the_two_talk_again_and_nothing_was_heard_that_was_not_said() {
    for seed in 0..60 {
        let mut world = if seed % 2 == 0 { World::unpaired() } else { World::paired() };
        let mut random = fastrand::Rng::with_seed(seed);
        let mut kept: Vec<[Vec<String>; 2]> = vec![Default::default()];
        world.fate = Box::new(move |_, from, text| {
            kept[0][from].push(text.to_owned());
            let old = kept[0][from][random.usize(..kept[0][from].len())].clone();
            match random.u8(..20) {
                0..4 => Fate::Lost,
                4..7 => Fate::Become(vec![text.to_owned(), text.to_owned()]),
                7..10 => Fate::Become(vec![old, text.to_owned()]),
                10..12 => Fate::Become(vec![text.replacen(r#"data":"A"#, r#"data":"B"#, 1), text.to_owned()]),
                _ => Fate::Arrives(text.to_owned()),
            }
        });
        world.meet([Order::Begins, Order::Begins]);
        let mut said: [Vec<String>; 2] = Default::default();
        for at in 0..60 {
            for (side, said) in said.iter_mut().enumerate() {
                let text = format!("{side} says {at}");
                world.handle(side, Input::Say(text.clone()));
                said.push(text);
            }
            world.run(Duration::from_millis(500));
        }
        for side in [0, 1] {
            let heard = world.heard(side);
            let mut said = said[1 - side].iter();
            assert!(heard.iter().all(|text| said.any(|one| one == text)), "seed {seed}: once and in order: {heard:?}");
        }
        world.be_kind();
        // That a last text was lost shows with the next.
        for side in [0, 1] {
            world.handle(side, Input::Say("hello?".into()));
            world.run(secs(5));
        }
        world.assert_talk();
    }
}

#[test]
fn whoever_speaks_is_here_though_the_server_says_otherwise() {
    let mut world = met();
    world.handle(1, Input::Away);
    world.run(secs(5));
    let sent = say(&mut world, 0, &["lost"]);
    give(&mut world, 1, &[&sent[0]]);
    world.run(secs(2));
    world.assert_talk();
}

#[test]
fn a_pairing_that_the_server_did_not_announce_is_refused_or_met_all_the_same() {
    let mut world = met();
    world.handle(0, Input::Away);
    let mut reader = World::channel(1, 9, World::reader());
    reader.handle(world.now, Input::Here(Order::Begins));
    let Some(Output::Send(_, first)) = reader.poll() else { panic!("no first step") };
    world.run(secs(2));
    give(&mut world, 0, &[&first]);
    assert!(world.drain_sent(0).iter().any(|(_, text)| step_of(text) == "Kk1"));
}

#[test]
fn sides_that_took_each_others_session_for_the_old_one_agree_on_another() {
    let mut world = met();
    let first = world.sides[0].current.take();
    let second = world.sides[1].current.take();
    // Another meeting, whose ends are then swapped with the first's: as crossed handshakes leave them.
    world.handle(1, Input::Away);
    world.handle(0, Input::Away);
    world.meet([Order::Begins, Order::Waits]);
    world.run(secs(3));
    world.sides[0].previous = first;
    world.sides[1].previous = world.sides[1].current.take();
    world.sides[1].current = second;
    for _ in 0..3 {
        world.handle(0, Input::Say("hello".into()));
        world.handle(1, Input::Say("hello".into()));
        world.run(secs(2));
    }
    let [one, other] = [0, 1].map(|side| world.sides[side].current.as_ref().map(|live| live.id.clone()));
    assert!(one.is_some() && one == other);
    world.assert_talk();
}
