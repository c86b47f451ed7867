//! What happens in a room, in the words of the screen.

use crate::{
    conversation::Gate,
    media::{self, Picture},
    room::{Event, MemberState, ROOM_LIMIT, Room},
    run::tell::{self, Muted},
    screen::{Event as Shown, event::MemberState as ShownMember, event::Tone},
};

/// What the room tells.
pub(super) fn room(event: Event, muted: &mut Muted) -> Shown {
    match event {
        Event::Line(state) => tell::line(state),
        Event::Number(uid) => Shown::Number { uid: uid.to_string() },
        Event::Member(uid, state, message) => {
            let state = match state {
                MemberState::Here => ShownMember::Here,
                MemberState::Connecting => ShownMember::Connecting,
                MemberState::Connected => ShownMember::Connected,
                MemberState::TooMany => ShownMember::TooMany,
                MemberState::Left => ShownMember::Left,
            };
            Shown::Member { uid: uid.to_string(), state, message }
        }
        Event::Gate(gate) => Shown::Paused { paused: gate == Gate::Closed },
        Event::Track(track, switch) => muted.note(track, switch),
        Event::Full(true) => Shown::Notice {
            message: format!("{ROOM_LIMIT} are in the room already, as many as there can be: you hear none of them"),
            hint: Some("stay, and you are connected as soon as one leaves; or meet in a room of another name".into()),
        },
        Event::Full(false) => Shown::Notice { message: "there is a place in the room now".into(), hint: None },
        Event::ServerError(text) => Shown::Notice { message: format!("the server says: {text}"), hint: None },
    }
}

/// What the media tell, besides what is for the room itself.
pub(super) fn media(event: media::Event, room: &Room) -> Option<Shown> {
    Some(match event {
        media::Event::Heard(connection, db) => Shown::MemberLevel { uid: room.member(&connection)?.to_string(), db },
        media::Event::Seen(connection, Picture { width, height, frames, rgb: [red, green, blue] }) => {
            let uid = room.member(&connection)?.to_string();
            Shown::MemberPicture { uid, width, height, frames, red, green, blue }
        }
        media::Event::Tones(tones) => {
            Shown::Tones { tones: tones.iter().map(|tone| Tone { hz: tone.hz.round(), db: tone.db.round() }).collect() }
        }
        media::Event::Ready(_)
        | media::Event::Unusable(_)
        | media::Event::Call(..)
        | media::Event::Level { .. }
        | media::Event::Tone(_)
        | media::Event::Picture(_)
        | media::Event::Notice(_) => return tell::media(event),
    })
}
