//! Who is in the room, and how that is said.

use super::{Code, Headline, Mood, Status};
use crate::screen::event::{Event, LineState, MemberState};

/// What is quieter than this, in dBFS, is nobody talking.
const TALKING: f64 = -45.0;

/// The room that this side is in.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::screen) struct Room {
    code: Code,
    pub(in crate::screen) members: Vec<Member>,
}

/// Somebody else in it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::screen) struct Member {
    uid: String,
    pub(in crate::screen) state: MemberState,
    level: Option<f64>,
}

impl Room {
    fn member(&mut self, uid: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.uid == uid)
    }

    fn connected(&self) -> usize {
        self.members.iter().filter(|member| member.state == MemberState::Connected).count()
    }
}

impl Member {
    /// Who it is, and how it stands with it.
    pub(in crate::screen) fn words(&self) -> String {
        let is_heard = self.level.is_some_and(|level| level > TALKING);
        let state = match self.state {
            MemberState::Here => "is here, without a connection",
            MemberState::Connecting => "is being connected …",
            MemberState::Connected if is_heard => "is heard",
            MemberState::Connected => "is connected",
            MemberState::TooMany => "is one too many",
            MemberState::Left => "has left",
        };
        format!("{} {state}", self.uid)
    }
}

impl Status {
    /// Takes in what happened in the room.
    pub(super) fn handle_room(&mut self, event: &Event) {
        match (event, &mut self.room) {
            (Event::Room { link, local, .. }, _) => {
                let code = Code { link: link.clone(), local: local.clone() };
                self.room = Some(Room { code, members: Vec::new() });
            }
            (Event::Member { uid, state, message }, Some(room)) => {
                room.members.retain(|member| member.uid != *uid || *state != MemberState::Left);
                match room.member(uid) {
                    Some(member) => (member.state, member.level) = (*state, member.level),
                    None if *state == MemberState::Left => {}
                    None => room.members.push(Member { uid: uid.clone(), state: *state, level: None }),
                }
                if let Some(message) = message {
                    self.notice(format!("{uid}: {message}"), None);
                }
            }
            (Event::MemberLevel { uid, db }, Some(room)) => {
                room.member(uid).into_iter().for_each(|member| member.level = Some(*db));
                self.far_level = room.members.iter().filter_map(|member| member.level).reduce(f64::max);
            }
            (Event::Paused { paused: true }, Some(room)) => {
                room.members.iter_mut().for_each(|member| member.level = None);
            }
            _ => {}
        }
        self.show_way_in();
    }

    /// The way into the room is shown for as long as nobody has found it, or whenever it is asked for.
    fn show_way_in(&mut self) {
        if let Some(room) = &self.room {
            self.code = Some(room.code.clone()).filter(|_| room.members.is_empty() || self.link_open);
        }
    }

    /// Shows the way into the room, or no longer.
    pub(in crate::screen) fn toggle_link(&mut self) {
        self.link_open = self.room.is_some() && !self.link_open;
        self.show_way_in();
    }

    /// How others come to this side: by a link, or by what they type.
    pub(in crate::screen) fn way_in(&self) -> Option<&str> {
        let code = self.room.as_ref().map(|room| &room.code).or(self.code.as_ref());
        code.map(|code| code.link.as_str()).or(self.waits.as_deref())
    }

    /// How things stand in the room.
    pub(super) fn headline_room(&self, room: &Room) -> Headline {
        let count = room.connected();
        let others = if count == 1 { "one other".into() } else { format!("{count} others") };
        let (mood, text) = match (self.line, count, self.paused) {
            (LineState::Connecting, 0, _) => (Mood::Waiting, "connecting to the server …".into()),
            (LineState::Offline | LineState::Taken, 0, _) => {
                (Mood::Trouble, "no connection to the server — trying again".into())
            }
            (LineState::Joined, 0, true) => (Mood::Waiting, "paused and ready — waiting for others".into()),
            (LineState::Joined, 0, false) => (Mood::Waiting, "waiting for others".into()),
            (_, _, true) => (Mood::Paused, "paused — press space to talk".into()),
            (_, _, false) if self.microphone_muted => (Mood::Open, "microphone muted — press m to be heard".into()),
            (_, _, false) => (Mood::Open, format!("talking with {others}")),
        };
        let gate = (count == 0 && !self.paused).then(|| self.gate("as soon as somebody is here"));
        Headline { mood, text, gate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(events: &[Event]) -> Status {
        let mut status = Status::default();
        let room = Event::Room { name: "tea".into(), link: "https://h/?room=tea".into(), local: None };
        let joined = Event::Line { state: LineState::Joined, retry_ms: None };
        [room, joined].iter().chain(events).for_each(|event| status.handle(event));
        status
    }

    fn member(uid: &str, state: MemberState) -> Event {
        Event::Member { uid: uid.into(), state, message: None }
    }

    fn words(status: &Status) -> Vec<String> {
        status.room.iter().flat_map(|room| &room.members).map(Member::words).collect()
    }

    #[test]
    fn members_come_are_heard_and_go() {
        let connected = member("1", MemberState::Connected);
        let heard = Event::MemberLevel { uid: "1".into(), db: -20.0 };
        let events = [member("1", MemberState::Connecting), member("2", MemberState::Here), connected, heard];
        let now = status(&events);
        assert_eq!(words(&now), ["1 is heard", "2 is here, without a connection"]);
        assert_eq!(now.far_level, Some(-20.0));
        let gone = status(&[&events[..], &[member("1", MemberState::Left)]].concat());
        assert_eq!(words(&gone), ["2 is here, without a connection"]);
    }

    #[test]
    fn the_way_in_is_shown_while_nobody_else_is_there() {
        assert!(status(&[]).code.is_some());
        let come = [member("1", MemberState::Here)];
        assert!(status(&come).code.is_none());
        assert!(status(&[&come[..], &[member("1", MemberState::Left)]].concat()).code.is_some());
        let mut asked = status(&come);
        asked.toggle_link();
        assert!(asked.code.is_some(), "it was asked for");
        asked.handle(&member("2", MemberState::Here));
        assert!(asked.code.is_some(), "and stays");
        asked.toggle_link();
        assert!(asked.code.is_none());
        assert_eq!(asked.way_in(), Some("https://h/?room=tea"));
    }

    #[test]
    fn the_headline_says_with_how_many_one_talks() {
        let said = |events: &[Event]| status(events).headline().text;
        let unpaused = Event::Paused { paused: false };
        assert_eq!(said(&[]), "paused and ready — waiting for others");
        assert_eq!(said(std::slice::from_ref(&unpaused)), "waiting for others");
        let one = member("1", MemberState::Connected);
        assert_eq!(said(std::slice::from_ref(&one)), "paused — press space to talk");
        assert_eq!(said(&[unpaused.clone(), one.clone()]), "talking with one other");
        assert_eq!(said(&[unpaused, one, member("2", MemberState::Connected)]), "talking with 2 others");
    }
}
