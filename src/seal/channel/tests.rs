//! Two channels and more on virtual time, and a medium that loses, repeats, swaps and forges.

mod mutations;
mod troubles;
mod world;

use super::*;
use crate::{
    pairing::PairingKey,
    seal::{SafetyWords, Step},
};
use world::{Fate, World, code, instance, secret, secs, set_seed, step_of};

#[test]
fn who_read_the_code_pairs_with_who_showed_it() {
    let mut world = World::unpaired();
    world.meet([Order::Begins, Order::Waits]);
    world.run(secs(1));
    let [owner, reader] = [0, 1].map(|side| world.paired_with(side));
    assert_eq!(owner, Some((instance(1), secret(1).public(), Some(code().spent()))));
    assert_eq!(reader, Some((instance(0), secret(0).public(), None)));
    world.assert_talk();
    assert_eq!(world.count(0, "Xx1") + world.count(1, "Kk1"), 0);
    assert_eq!(world.ups(0), world.ups(1));
    assert_eq!(world.ups(0).len(), 1);
}

#[test]
fn what_is_to_be_stored_comes_before_what_follows_is_sent() {
    let mut world = World::unpaired();
    world.meet([Order::Waits, Order::Waits]);
    world.run(secs(1));
    let position = |side: usize, what: &str| world.outputs[side].iter().position(|o| format!("{o:?}").contains(what));
    assert!(position(1, "Learned") < position(1, r#"step\":3"#));
    assert!(position(0, "Paired") < position(0, "sealed"));
    assert!(position(1, "Paired") < position(1, "Up("));
}

#[test]
fn a_pairing_survives_the_loss_of_any_one_message() {
    for lost in 0..4 {
        let mut world = World::unpaired();
        world.fate = Box::new(move |at, _, text| if at == lost { Fate::Lost } else { Fate::Arrives(text.into()) });
        world.meet([Order::Waits, Order::Begins]);
        world.run(secs(4));
        assert!(world.paired_with(0).is_some() && world.paired_with(1).is_some(), "without message {lost}");
        world.assert_talk();
    }
}

#[test]
fn an_owner_that_remembers_what_its_reader_never_heard_meets_it() {
    let mut world = World::unpaired();
    world.fate = Box::new(|_, _, text| if text.contains("sealed") { Fate::Lost } else { Fate::Arrives(text.into()) });
    world.meet([Order::Waits, Order::Begins]);
    world.run(secs(1));
    assert!(world.paired_with(0).is_some() && world.paired_with(1).is_none());
    // The reader is started anew from what it has stored.
    world.be_kind();
    world.restart(1);
    world.meet([Order::Begins, Order::Waits]);
    world.run(secs(4));
    assert_eq!(world.paired_with(1), Some((instance(0), secret(0).public(), None)));
    assert!(world.count(0, "Kk1") > 0);
    world.assert_talk();
}

#[test]
fn a_used_code_is_refused_and_the_pair_is_not_disturbed() {
    let mut world = World::unpaired();
    world.meet([Order::Waits, Order::Begins]);
    world.run(secs(1));
    let late = world.add(Trust::Reader { far: instance(0), code: code(), key: None });
    world.enter(late, Order::Begins);
    world.run(secs(4));
    assert_eq!(world.told(late), [Output::Refused]);
    assert_eq!(world.count(late, "Xx1"), 1);
    assert_eq!(world.ups(0).len(), 1);
    world.assert_talk();
}

#[test]
fn a_code_that_expired_is_refused_and_one_that_did_not_is_not() {
    let mut world = World::unpaired();
    world.handle(0, Input::Expired);
    world.meet([Order::Waits, Order::Begins]);
    world.run(secs(1));
    assert_eq!(world.told(1), [Output::Refused]);

    let mut world = World::unpaired();
    world.meet([Order::Waits, Order::Begins]);
    world.run(secs(1));
    world.handle(0, Input::Expired);
    world.assert_talk();
}

#[test]
fn a_closed_side_without_a_spent_code_says_nothing() {
    let mut world = World::new([Trust::Closed { spent: None }, World::reader()]);
    world.meet([Order::Begins, Order::Begins]);
    world.run(secs(10));
    assert_eq!(world.outputs[0], []);
    assert_eq!(world.told(1), [Output::Suspicious(Suspicion::Silent)]);
}

#[test]
fn a_refusal_is_believed_from_who_can_prove_it_only() {
    let spent = code().spent();
    let (here, other) = (world::conversation(), ConversationId::from_bits(99));
    let strange = PairingKey::from_bytes([9; 32]).spent();
    let forgeries =
        [spent.refusal(&here, &instance(0)), spent.refusal(&other, &instance(1)), strange.refusal(&here, &instance(1))];
    for proof in forgeries {
        let mut world = World::unpaired();
        world.inject(1, 0, Frame::Refused { proof });
        world.meet([Order::Waits, Order::Begins]);
        world.run(secs(1));
        world.assert_talk();
    }
    let mut world = World::unpaired();
    world.inject(1, 2, Frame::Refused { proof: spent.refusal(&here, &instance(1)) });
    assert_eq!(world.told(1), []);
    world.inject(1, 0, Frame::Refused { proof: spent.refusal(&here, &instance(1)) });
    assert_eq!(world.told(1), [Output::Refused]);
    assert_eq!(world.sides[1].deadline(), None);
}

#[test]
fn a_paired_side_believes_no_refusal() {
    let mut world = World::paired();
    world.meet([Order::Begins, Order::Waits]);
    world.run(secs(1));
    world.inject(1, 0, Frame::Refused { proof: code().spent().refusal(&world::conversation(), &instance(1)) });
    world.assert_talk();
}

#[test]
fn who_has_another_key_or_is_elsewhere_is_not_paired() {
    let stranger = Trust::Reader { far: instance(0), code: PairingKey::from_bytes([9; 32]), key: None };
    let mut strange = World::new([Trust::Owner { code: code() }, stranger]);
    let mut elsewhere = World::unpaired();
    elsewhere.move_to(1, ConversationId::from_bits(99));
    for world in [&mut strange, &mut elsewhere] {
        world.meet([Order::Begins, Order::Begins]);
        world.run(secs(20));
        assert_eq!(world.outputs[0], []);
        assert_eq!(world.told(1), [Output::Suspicious(Suspicion::Silent)]);
    }
}

#[test]
fn who_pretends_to_be_somebody_else_in_a_pairing_is_not_paired() {
    // The server hands the reader's frames on in the name of a third side.
    let mut world = World::unpaired();
    world.enter(1, Order::Begins);
    let (_, first) = world.drain_sent(1).remove(0);
    world.handle(0, Input::Frame(instance(2), first));
    let (to, second) = world.drain_sent(0).remove(0);
    assert_eq!(to, instance(2));
    world.handle(1, Input::Frame(instance(0), second));
    let (_, third) = world.drain_sent(1).remove(0);
    world.handle(0, Input::Frame(instance(2), third));
    assert_eq!(world.told(0), [Output::Suspicious(Suspicion::Forged)]);
    assert_eq!(world.drain_sent(0), []);
}

#[test]
fn two_that_know_each_other_meet_in_either_order() {
    for orders in [[Order::Begins, Order::Waits], [Order::Waits, Order::Begins]] {
        let mut world = World::paired();
        world.meet(orders);
        world.run(secs(1));
        assert_eq!(world.ups(0).len(), 1);
        assert_eq!(world.ups(0), world.ups(1));
        let began = usize::from(orders[1] == Order::Begins);
        assert_eq!((world.count(began, "Kk1"), world.count(1 - began, "Kk1")), (1, 0));
        world.assert_talk();
    }
}

#[test]
fn every_meeting_has_other_words() {
    let words: Vec<SafetyWords> = (0..3)
        .map(|_| {
            let mut world = World::paired();
            world.meet([Order::Begins, Order::Waits]);
            world.run(secs(1));
            world.ups(0)[0]
        })
        .collect();
    assert!(words[0] != words[1] && words[1] != words[2] && words[0] != words[2]);
}

#[test]
fn when_both_begin_one_session_comes_of_it() {
    let mut world = World::paired();
    world.meet([Order::Begins, Order::Begins]);
    world.run(secs(10));
    assert_eq!(world.ups(0).len(), 1);
    assert_eq!(world.ups(0), world.ups(1));
    // The greater instance id's stands.
    assert!(instance(1) > instance(0));
    assert_eq!((world.count(0, "Kk2"), world.count(1, "Kk2")), (1, 0));
    world.assert_talk();
}

#[test]
fn who_waits_in_vain_begins() {
    let mut world = World::paired();
    world.meet([Order::Waits, Order::Waits]);
    assert_eq!(world.log.len(), 0);
    world.run(HANDSHAKE_LIMIT - secs(1));
    assert_eq!(world.log.len(), 0);
    world.run(secs(3));
    world.assert_talk();
}

#[test]
fn who_is_not_the_far_side_is_not_listened_to() {
    let mut world = World::paired();
    let other = world.add(Trust::Paired { far: instance(0), key: secret(0).public(), spent: None });
    world.enter(other, Order::Begins);
    world.run(secs(3));
    world.inject(0, other, Frame::Sealed { id: SessionId::from_bits(1), n: 0, data: vec![0; 40] });
    assert_eq!(world.outputs[0], []);
    assert!(!world.sides[0].is_up() && !world.sides[other].is_up());
}

#[test]
fn another_static_key_is_suspicious() {
    let mut world = World::paired();
    world.sides[1] = World::channel(1, 7, Trust::Paired { far: instance(0), key: secret(0).public(), spent: None });
    world.replace_secret(1, secret(5));
    world.meet([Order::Waits, Order::Begins]);
    world.run(secs(4));
    assert!(world.told(0).contains(&Output::Suspicious(Suspicion::Forged)));
    assert!(!world.sides[0].is_up() && !world.sides[1].is_up());
}

#[test]
fn leaving_ends_the_session_and_nothing_is_due() {
    let mut world = World::paired();
    world.meet([Order::Begins, Order::Waits]);
    world.run(secs(1));
    world.handle(0, Input::Away);
    assert_eq!(world.told(0).last(), Some(&Output::Down));
    assert_eq!(world.sides[0].deadline(), None);
    world.handle(0, Input::Away);
    assert_eq!(world.count(0, "Down"), 0);
    world.handle(0, Input::Say("lost".into()));
    assert_eq!(world.drain_sent(0), []);
    // It comes back, and its line too.
    world.handle(1, Input::Away);
    world.meet([Order::Waits, Order::Begins]);
    world.run(secs(2));
    world.assert_talk();
}

#[test]
fn the_longest_text_is_sealed_and_a_longer_one_is_not() {
    let mut world = World::paired();
    world.meet([Order::Begins, Order::Waits]);
    world.run(secs(1));
    let longest = "ß".repeat(PLAINTEXT_LIMIT / 2);
    world.handle(0, Input::Say(longest.clone()));
    world.handle(0, Input::Say(format!("{longest}.")));
    world.run(secs(1));
    assert!(world.log.iter().all(|passed| passed.text.len() <= 64 * 1024));
    assert_eq!(world.heard(1), [longest]);
    world.assert_talk();
}

#[test]
fn nothing_is_said_without_a_session() {
    let mut world = World::paired();
    world.handle(0, Input::Say("secret".into()));
    world.meet([Order::Begins, Order::Waits]);
    world.handle(0, Input::Say("secret".into()));
    world.run(secs(2));
    assert_eq!(world.heard(1), [""; 0]);
}

#[test]
fn deadlines_that_are_stale_or_early_change_nothing() {
    let mut world = World::paired();
    world.handle(0, Input::Deadline);
    world.meet([Order::Waits, Order::Waits]);
    for _ in 0..10 {
        world.handle(0, Input::Deadline);
    }
    assert_eq!(world.outputs[0], []);
}

#[test]
fn nothing_secret_shows_in_debug() {
    let mut world = World::unpaired();
    world.meet([Order::Waits, Order::Begins]);
    world.run(secs(1));
    for (side, channel) in world.sides.iter().enumerate() {
        let shown = format!("{channel:?}");
        assert!(!shown.contains(secret(side).reveal().as_str()) && !shown.contains(code().reveal().as_str()));
    }
}
