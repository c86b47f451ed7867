//! Descriptions and candidates as no browser makes them: whatever they say, this side goes on.

use std::{
    hash::{BuildHasher, RandomState},
    io::{self, Write},
};

use super::*;
use crate::{
    call::{Connection, MediaEvent},
    ids::SessionId,
    media::{
        Event, Options,
        devices::{Ends, Origin},
        gate::Passes,
        peer::Peer,
        probe::Flag,
    },
    negotiation::Candidate,
    rt::{self, Receiver},
};

/// What GStreamer's parser and ours are given.
const PARSED: usize = 5000;
/// What a whole webrtcbin is given, which takes some 20 ms.
const ANSWERED: usize = 100;
/// What stands where something else should.
const STRANGE: [&str; 12] =
    ["", "0", "-1", "255", "65536", "4294967296", "99999999999999999999", "x", "é", "%s%n", "a=b:c", " "];

/// What Chromium offers, shortened.
const CHROMIUM: &str = "v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1 2
a=extmap-allow-mixed
a=msid-semantic: WMS s
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1 1 udp 2113937151 127.0.0.1 9 typ host generation 0 network-cost 999
a=ice-ufrag:ETEn
a=ice-pwd:OtSK0WpNtpUjkY4+86js7Z/l
a=ice-options:trickle
a=fingerprint:sha-256 19:E2:1C:3B:4B:9F:81:E6:B8:5C:F4:A5:A8:D8:73:04:BB:05:2F:70:9F:04:A9:0E:05:E9:26:33:E8:70:88:A2
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=sendrecv
a=msid:s a
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=ssrc:3735928559 cname:c
m=video 9 UDP/TLS/RTP/SAVPF 96 97
c=IN IP4 0.0.0.0
a=ice-ufrag:ETEn
a=ice-pwd:OtSK0WpNtpUjkY4+86js7Z/l
a=fingerprint:sha-256 19:E2:1C:3B:4B:9F:81:E6:B8:5C:F4:A5:A8:D8:73:04:BB:05:2F:70:9F:04:A9:0E:05:E9:26:33:E8:70:88:A2
a=setup:actpass
a=mid:1
a=sendrecv
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=ssrc-group:FID 1 2
a=ssrc:1 cname:c
a=rid:h send
a=simulcast:send h
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=ice-ufrag:ETEn
a=ice-pwd:OtSK0WpNtpUjkY4+86js7Z/l
a=fingerprint:sha-256 19:E2:1C:3B:4B:9F:81:E6:B8:5C:F4:A5:A8:D8:73:04:BB:05:2F:70:9F:04:A9:0E:05:E9:26:33:E8:70:88:A2
a=setup:actpass
a=mid:2
a=sctp-port:5000
a=max-message-size:262144
";

fn random() -> (u64, fastrand::Rng) {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one("seed"));
    (seed, fastrand::Rng::with_seed(seed))
}

/// The text with lines of it gone, doubled, exchanged, cut, or with something else in them.
fn changed(random: &mut fastrand::Rng, text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..random.usize(1..5) {
        // The first line stays, or nothing would look at the others.
        let [at, other] = [0, 1].map(|_| random.usize(1..lines.len()));
        match random.u8(..7) {
            0 if lines.len() > 2 => drop(lines.remove(at)),
            1 => lines.insert(other, lines[at].clone()),
            2 => lines.swap(at, other),
            3 => lines[at] = lines[at].chars().take(random.usize(..20)).collect(),
            4 => lines[at].push_str(STRANGE[random.usize(..STRANGE.len())]),
            _ => lines[at] = exchanged(random, &lines[at]),
        }
    }
    lines.join("\r\n") + "\r\n"
}

/// The line with another word in the place of one.
fn exchanged(random: &mut fastrand::Rng, line: &str) -> String {
    let mut words: Vec<&str> = line.split_inclusive([' ', ':', '=', '/', ';', ',']).collect();
    if !words.is_empty() {
        let at = random.usize(..words.len());
        words[at] = STRANGE[random.usize(..STRANGE.len())];
    }
    words.concat()
}

#[test]
fn whatever_a_description_says_the_payload_types_can_be_used() {
    gstreamer::init().expect("GStreamer");
    let (seed, mut random) = random();
    for number in 0..PARSED {
        let Ok(sdp) = Sdp::try_from(changed(&mut random, CHROMIUM)) else { continue };
        let Ok(message) = parse(&sdp, Far::Twocan) else { continue };
        let PayloadTypes { opus, vp8 } = payload_types(&message);
        assert!([opus, vp8].iter().all(is_payload_type), "SEED={seed}, number {number}: {}", sdp.as_str());
        assert_eq!(mids(&message).len(), message.medias().count());
    }
}

/// A connection of test elements, and what it tells.
fn peer() -> (Peer, Receiver<Event>) {
    peer_for(Far::Twocan, Layout::OFFERED)
}

fn peer_for(far: Far, layout: Layout) -> (Peer, Receiver<Event>) {
    let ends = Ends {
        microphone: Some(Origin::Tone(440.0)),
        camera: Some(Origin::Picture(None)),
        speaker: Some(Origin::Report),
        window: Some(Origin::Report),
    };
    let (sender, events) = rt::channel(1024);
    let passes = Passes { open: Flag::default(), microphone: Flag::default(), camera: Flag::default() };
    let options = Options { address: Some([127, 0, 0, 1].into()), far, ..Options::default() };
    (Peer::laid_out(&options, layout, &ends, &passes, &sender).expect("a peer"), events)
}

/// What this side offers, and what says yes to all of it.
fn offer(peer: &Peer, events: &Receiver<Event>) -> (String, String) {
    peer.assign(Connection::first(SessionId::from_bits(1)));
    peer.offer().expect("an offer");
    while let Ok(event) = events.try_recv() {
        if let Event::Call(_, MediaEvent::Described(_, sdp)) = event {
            let offer = sdp.as_str().to_owned();
            return (offer.clone(), offer.replace("setup:actpass", "setup:active"));
        }
    }
    panic!("no offer is told");
}

fn add_candidates(peer: &mut Peer, random: &mut fastrand::Rng) {
    for _ in 0..3 {
        let line = changed(random, "\ncandidate:1 1 udp 2113937151 127.0.0.1 9 typ host generation 0");
        let m_line_index = [0, 1, 2, 7, u32::MAX][random.usize(..5)];
        peer.add_candidate(&Candidate { candidate: line.trim().to_owned(), mid: None, m_line_index });
    }
}

/// The head of a description, and its sections.
fn taken_apart(text: &str) -> (String, Vec<String>) {
    let mut parts = text.split("m=").map(str::to_owned);
    let head = parts.next().expect("a head");
    (head, parts.map(|part| format!("m={part}")).collect())
}

/// A description of any shape that stock peers have: some of the sections, in any order, bundled or not, going any way.
fn reshaped(random: &mut fastrand::Rng, text: &str) -> String {
    let (mut head, mut sections) = taken_apart(text);
    random.shuffle(&mut sections);
    sections.truncate(random.usize(1..=sections.len()));
    let way = ["sendrecv", "sendonly", "recvonly", "inactive"][random.usize(..4)];
    let mids = sections
        .iter()
        .filter_map(|section| Some(section.split("a=mid:").nth(1)?.split_whitespace().next()?.to_owned()));
    let group = format!("a=group:BUNDLE {}", mids.collect::<Vec<_>>().join(" "));
    let kept: Vec<&str> = head.lines().filter(|line| !line.starts_with("a=group")).collect();
    head = kept.join("\n") + "\n" + &if random.bool() { format!("{group}\n") } else { String::new() };
    let body = sections.concat();
    head + &if random.bool() { body.replacen("a=sendrecv", &format!("a={way}"), 1) } else { body }
}

fn with_breaks(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

#[test]
fn whatever_a_stock_peer_says_a_connection_only_fails() {
    gstreamer::init().expect("GStreamer");
    let (seed, mut random) = random();
    let _ = writeln!(io::stderr(), "SEED={seed}");
    let mut answered = 0;
    for number in 0..ANSWERED {
        let damage = number % 3 != 0;
        if number % 2 == 0 {
            let mut text = with_breaks(&reshaped(&mut random, CHROMIUM));
            if damage {
                text = changed(&mut random, &text);
            }
            let Ok(sdp) = Sdp::try_from(text) else { continue };
            let Ok(message) = parse(&sdp, Far::Stock) else { continue };
            let (mut peer, _events) = peer_for(Far::Stock, layout(&message));
            let outcome = peer.answer(&sdp);
            answered += usize::from(outcome.is_ok());
            // A machine that is too busy may be late, which is a failure like any other.
            let is_late = outcome.as_ref().is_err_and(|error| error.to_string().contains("no reply"));
            assert!(damage || outcome.is_ok() || is_late, "{outcome:?}: {}", sdp.as_str());
            add_candidates(&mut peer, &mut random);
        } else {
            let (mut peer, events) = peer_for(Far::Stock, Layout::OFFERED);
            let (_, mut answer) = offer(&peer, &events);
            if random.bool() {
                answer = with_breaks(&reshaped(&mut random, &answer));
            }
            if damage {
                answer = changed(&mut random, &answer);
            }
            let _ = Sdp::try_from(answer).map(|sdp| peer.take_answer(&sdp));
            add_candidates(&mut peer, &mut random);
        }
    }
    assert!(answered > ANSWERED / 10, "SEED={seed}: only {answered} were answered");
}

#[test]
fn whatever_a_description_says_a_connection_only_fails() {
    gstreamer::init().expect("GStreamer");
    let (seed, mut random) = random();
    // Not by print, which a test that is ended as a whole never shows.
    let _ = writeln!(io::stderr(), "SEED={seed}");
    let (first, events) = peer();
    let (ours, _) = offer(&first, &events);
    for number in 0..ANSWERED {
        let (mut peer, events) = peer();
        if number % 2 == 0 {
            let text = if random.bool() { CHROMIUM } else { &ours };
            let _ = Sdp::try_from(changed(&mut random, text)).map(|sdp| peer.answer(&sdp));
        } else {
            let (_, answer) = offer(&peer, &events);
            let _ = Sdp::try_from(changed(&mut random, &answer)).map(|sdp| peer.take_answer(&sdp));
        }
        add_candidates(&mut peer, &mut random);
    }
    let (mut peer, _events) = peer();
    let sdp = Sdp::try_from(CHROMIUM.replace('\n', "\r\n")).expect("a description");
    peer.answer(&sdp).expect("what makes sense is answered as ever");
}

#[test]
fn a_section_without_a_direction_or_with_two_is_refused() {
    gstreamer::init().expect("GStreamer");
    let read = |text: String| parse(&Sdp::try_from(text).expect("a description"), Far::Twocan);
    assert!(read(CHROMIUM.into()).is_ok());
    for instead in ["a=x", "a=sendrecv\na=recvonly", "b=sendrecv"] {
        assert!(read(CHROMIUM.replacen("a=sendrecv", instead, 1)).is_err(), "{instead}");
        assert!(read(CHROMIUM.replace("a=sendrecv", instead)).is_err(), "{instead}");
    }
    assert!(read(CHROMIUM.replace("a=sendrecv", "a=inactive")).is_ok());
}

#[test]
fn sections_that_are_not_ours_or_in_another_order_than_their_bundle_are_refused() {
    gstreamer::init().expect("GStreamer");
    let read = |text: String| parse(&Sdp::try_from(text).expect("a description"), Far::Twocan);
    for (old, new) in [
        ("BUNDLE 0 1 2", "BUNDLE 2 1 0"),
        ("BUNDLE 0 1 2", "BUNDLE 0 1"),
        ("BUNDLE 0 1 2", "BUNDLE 0 1 2 3"),
        ("BUNDLE 0 1 2", "LS 0 1 2"),
        ("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 0 1 2\na=group:BUNDLE 0 1 2"),
        ("a=mid:0", "a=mid:2"),
        ("a=mid:2", "a=x"),
        ("m=audio 9", "m=audio 0"),
        ("m=audio", "m=video"),
        ("m=application", "m=text"),
    ] {
        assert!(read(CHROMIUM.replace(old, new)).is_err(), "{new}");
    }
}

#[test]
fn an_answer_to_another_offer_is_refused() {
    gstreamer::init().expect("GStreamer");
    let take = |change: &dyn Fn(&str) -> String| {
        let (mut peer, events) = peer_for(Far::Stock, Layout::OFFERED);
        let (_, answer) = offer(&peer, &events);
        peer.take_answer(&Sdp::try_from(change(&answer)).expect("a description"))
    };
    let swapped = |answer: &str| {
        let (head, sections) = taken_apart(answer);
        head + &sections[1] + &sections[0]
    };
    let first_only = |answer: &str| {
        let (head, sections) = taken_apart(answer);
        head + &sections[0]
    };
    let bundled = |answer: &str| {
        let mids: Vec<_> = answer.lines().filter_map(|line| line.strip_prefix("a=mid:")).collect();
        let group = format!("t=0 0\r\na=group:BUNDLE {}\r\n", mids.join(" "));
        let text = answer.replacen("t=0 0\r\n", &group, 1);
        assert_ne!(text, answer);
        text
    };
    assert!(take(&str::to_owned).is_ok());
    for change in [
        &swapped as &dyn Fn(&str) -> String,
        &first_only,
        &bundled,
        &|answer| answer.replace("m=video", "m=application"),
        &|answer| answer.replace("m=audio 9", "m=audio 0"),
        &|answer| answer.replacen("a=mid:", "a=mid:x", 1),
    ] {
        assert!(take(change).is_err());
    }
    // Without pictures it is one.
    assert!(take(&|answer| answer.replace("m=video 9", "m=video 0")).is_ok());
}

#[test]
fn candidates_inside_a_description_are_counted_as_all_others_are() {
    gstreamer::init().expect("GStreamer");
    let line = "a=candidate:1 1 udp 2113937151 127.0.0.1 9 typ host\n";
    let text = CHROMIUM.replacen("a=ice-ufrag", &format!("{}a=ice-ufrag", line.repeat(100)), 1);
    let mut message = parse(&Sdp::try_from(text).expect("a description"), Far::Twocan).expect("a message");
    let taken = take_candidates(&mut message);
    assert_eq!(taken.len(), 101);
    assert!(taken.iter().all(|it| it.candidate.starts_with("candidate:1 1 udp") && it.m_line_index == 0));
    assert!(!message.as_text().expect("a text").contains("a=candidate"));
    assert_eq!(mids(&message), ["0", "1", "2"]);
}
