//! The lines of the rendezvous: what a server says to a client, and a client to the server.

use twocan::{
    ids::{ConversationId, InstanceId, NAME_LIMIT, PeerUid, RoomId, SessionId},
    rendezvous::{ClientLine, Refusal, Request, Resume, ServerLine},
};

/// Reads `data` as either.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    server_line(&text);
    request(&text);
    names(&text);
    refusals(&text);
    resume(&text);
}

/// What is understood is said again in the same words, or in words that are understood alike.
fn server_line(text: &str) {
    if let Ok(line) = text.parse::<ServerLine>() {
        let again = line.to_string();
        assert_eq!(again.parse(), Ok(line), "{again:?}");
    }
}

/// What is taken for names stands in the text; where the names can be such, a client would have said it so.
fn request(text: &str) {
    let line = match Request::parse(text) {
        Request::Hello(name) => name.parse().map(ClientLine::Hello),
        Request::Session(name) => name.parse().map(ClientLine::Session),
        Request::Room(name) => name.parse().map(ClientLine::Room),
        Request::RoomPeerMsg { to, text } => to.parse().map(|to| ClientLine::RoomPeerMsg { to, text: text.into() }),
        Request::RoomPeerList => Ok(ClientLine::RoomPeerList),
        Request::Other => return,
    };
    if let Ok(line) = line {
        assert_eq!(line.to_string().trim_end_matches(' '), text.trim_end_matches(' '));
    }
}

fn names(text: &str) {
    if let Ok(uid) = text.parse::<PeerUid>() {
        assert!(uid.as_str() == text && (1..=NAME_LIMIT).contains(&text.len()));
        assert!(!text.contains(char::is_whitespace));
    }
    if let Ok(room) = text.parse::<RoomId>() {
        assert!(room.as_str() == text && text != "session" && text.parse::<PeerUid>().is_ok());
    }
    if let Ok(session) = text.parse::<SessionId>() {
        assert!(session.as_str() == text && text.parse::<PeerUid>().is_ok());
    }
    if let Ok(id) = text.parse::<ConversationId>() {
        assert_eq!(id.as_str(), text.to_ascii_lowercase());
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        assert_eq!(text.parse::<InstanceId>().expect("an id all the same").as_str(), id.as_str());
    }
}

/// A refusal quotes what was said; in a way that is not much longer, and harmless on a terminal.
fn refusals(text: &str) {
    for refusal in [
        Refusal::PeerNotFound(text),
        Refusal::PeerBusy(text),
        Refusal::InvalidRoomId(text),
        Refusal::PeerNotInRoom(text),
        Refusal::InvalidMsg(text),
    ] {
        let line = ServerLine::Error(refusal.to_string()).to_string();
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(line.len() <= 4 * text.len() + 64, "{line:?}");
        assert!(matches!(line.parse(), Ok(ServerLine::Error(_))));
    }
}

fn resume(text: &str) {
    if let Some(resume) = Resume::from_query(text) {
        assert!(text.contains(resume.query().as_str()));
        assert_eq!(Resume::from_query(&resume.query()).as_ref(), Some(&resume));
        assert!(!format!("{resume:?}").contains('='));
    }
    if let Ok(resume) = text.parse::<Resume>() {
        assert_eq!(resume.query().as_str(), format!("resume={text}"));
    }
}
