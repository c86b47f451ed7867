//! What the far side says of a call, by the server and on the data channel.

use twocan::{
    call::{Heartbeat, Message, Signal},
    negotiation::{Candidate, DESCRIPTION_LIMIT, Sdp},
};

/// Reads `data` as any of it.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    signal(&text);
    message(&text);
    heartbeat(&text);
    description(&text);
    candidate(&text);
}

fn signal(text: &str) {
    let Ok(signal) = Signal::parse(text) else { return };
    let again = signal.to_string();
    assert_eq!(Signal::parse(&again), Ok(signal.clone()), "{again}");
    match signal {
        Signal::Message(_) => assert!(Message::parse(text).is_err(), "it belongs in one place only"),
        Signal::Candidate(_, candidate) => {
            candidate.is_mdns();
            assert!(candidate.candidate.len() <= DESCRIPTION_LIMIT);
        }
    }
}

fn message(text: &str) {
    if let Ok(message) = Message::parse(text) {
        let again = message.to_string();
        assert_eq!(Message::parse(&again), Ok(message), "{again}");
        assert!(Heartbeat::parse(text).is_none());
    }
}

fn heartbeat(text: &str) {
    if let Some(heartbeat) = Heartbeat::parse(text) {
        assert_eq!(Heartbeat::parse(&heartbeat.to_string()), Some(heartbeat));
    }
}

fn description(text: &str) {
    if let Ok(sdp) = Sdp::try_from(text.to_owned()) {
        assert!(sdp.as_str() == text && text.starts_with("v=0") && text.len() <= DESCRIPTION_LIMIT);
        assert!(text.contains("a=fingerprint:"));
        assert!(!format!("{sdp:?}").contains("v=0"));
    }
}

fn candidate(text: &str) {
    if let Ok(candidate) = serde_json::from_str::<Candidate>(text) {
        let again = serde_json::to_string(&candidate).expect("it can be said");
        assert_eq!(serde_json::from_str::<Candidate>(&again).expect("it can be said again"), candidate);
        candidate.is_mdns();
    }
}
