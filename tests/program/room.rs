//! `twocan room` as a script drives it: real programs, a real server, test tones.

use serde_json::{Value, json};

use super::{Home, talk::Line};

const TONES: [&str; 4] = ["440", "523", "587", "698"];

/// A member of the room, with a tone of its own.
fn member(home: &Home, server: &[&str], tone: &str) -> Line {
    let mic = format!("test:{tone}");
    let media = ["--mic", &mic, "--speaker", "test", "--camera", "none", "--window", "none"];
    Line::run(home, "room", &[&["tea"], server, &media[..]].concat())
}

/// Waits until these tones are heard, and no others.
fn hears(line: &mut Line, tones: &[&str]) {
    line.wait_for(&format!("tones {tones:?}"), |event| {
        let heard = event["tones"].as_array().filter(|heard| heard.len() == tones.len());
        event["event"] == "tones"
            && heard.is_some_and(|heard| {
                heard
                    .iter()
                    .zip(tones)
                    .all(|(tone, wanted)| (tone["hz"].as_f64().unwrap() - wanted.parse::<f64>().unwrap()).abs() < 8.0)
            })
    });
}

#[test]
fn four_meet_in_a_room_at_the_server_of_the_first_and_hear_each_other_until_they_pause_or_leave() {
    let homes: Vec<Home> = TONES.iter().map(|_| Home::new()).collect();
    let mut lines = vec![member(&homes[0], &["--listen", "127.0.0.1", "--port", "0"], TONES[0])];
    let server = lines[0].wait("server", json!({ "embedded": true }))["url"].as_str().unwrap().to_owned();
    let link = lines[0].wait("room", json!({ "name": "tea" }))["link"].as_str().unwrap().to_owned();
    assert!(link.ends_with("/?room=tea"), "{link}");
    let mut uid = lines[0].wait("number", json!({}))["uid"].clone();
    for (home, tone) in homes.iter().zip(TONES).skip(1) {
        lines.push(member(home, &["--server", &server], tone));
        uid = lines.last_mut().unwrap().wait("number", json!({}))["uid"].clone();
    }
    lines.iter_mut().for_each(|line| line.command("unpause"));
    for (at, line) in lines.iter_mut().enumerate() {
        hears(
            line,
            &TONES.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, tone)| *tone).collect::<Vec<_>>(),
        );
    }
    lines[1].command("pause");
    hears(&mut lines[0], &[TONES[2], TONES[3]]);
    lines[1].command("unpause");
    hears(&mut lines[0], &[TONES[1], TONES[2], TONES[3]]);
    let mut last = lines.pop().unwrap();
    last.command("quit");
    last.wait("ended", json!({}));
    assert_eq!(last.end().0, Some(0));
    lines[0].wait("member", json!({ "uid": uid, "state": "left" }));
    hears(&mut lines[0], &[TONES[1], TONES[2]]);
}

#[test]
fn a_room_says_that_it_is_not_sealed_and_under_which_number_one_is_in_it() {
    let home = Home::new();
    let mut line = member(&home, &["--listen", "127.0.0.1", "--port", "0"], "440");
    line.wait("unsealed", json!({}));
    let number = line.wait("number", json!({}));
    assert!(number["uid"].as_str().is_some_and(|uid| uid.len() == 9 && uid.parse::<u32>().is_ok()), "{number}");
    assert_eq!(number["v"], Value::from(1));
    line.command("quit");
    line.wait("ended", json!({}));
}

#[test]
fn a_member_that_stalls_holds_up_nobody_and_is_heard_again_when_it_goes_on() {
    let homes: Vec<Home> = (0..3).map(|_| Home::new()).collect();
    let mut first = member(&homes[0], &["--listen", "127.0.0.1", "--port", "0"], TONES[0]);
    let server = first.wait("server", json!({ "embedded": true }))["url"].as_str().unwrap().to_owned();
    let mut second = member(&homes[1], &["--server", &server], TONES[1]);
    let mut third = member(&homes[2], &["--server", &server], TONES[2]);
    for line in [&mut first, &mut second, &mut third] {
        line.command("unpause");
    }
    hears(&mut first, &[TONES[1], TONES[2]]);
    third.signal("STOP");
    // Ten times in a row: it is not a gap that is heard.
    (0..10).for_each(|_| hears(&mut first, &[TONES[1]]));
    hears(&mut second, &[TONES[0]]);
    third.signal("CONT");
    hears(&mut first, &[TONES[1], TONES[2]]);
}
