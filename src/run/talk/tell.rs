//! What happened, in the words of the screen.

use super::home::Home;
use crate::{
    call::{Ending, Phase, Props},
    conversation::{CodeGone, Event, Gate, LineState, Presence, Switch, Track},
    invite::Invite,
    media::{self, Picture, Side},
    rt,
    screen::{
        Event as Shown,
        event::{CallState, CodeEnd, Ending as ShownEnding, LineState as ShownLine},
    },
    seal::Suspicion,
};

/// What this side keeps back even while unpaused.
#[derive(Debug, Default)]
pub(super) struct Muted {
    microphone: bool,
    camera: bool,
}

/// What the conversation tells.
pub(super) fn conversation(event: Event, code: Option<&Invite>, home: &Home, muted: &mut Muted) -> Option<Shown> {
    Some(match event {
        Event::Line(state) => line(state),
        Event::CodeShown => {
            let invite = code?;
            let local = Invite { origin: home.page().clone(), ..invite.clone() };
            Shown::Code { link: invite.to_string(), local: (local.origin != invite.origin).then(|| local.to_string()) }
        }
        Event::CodeGone(reason) => Shown::CodeGone {
            reason: match reason {
                CodeGone::Paired => CodeEnd::Paired,
                CodeGone::Expired => CodeEnd::Expired,
            },
        },
        Event::Paired => Shown::Paired,
        Event::Refused => Shown::Refused,
        Event::Sealed(words) => Shown::Sealed { words: words.to_string() },
        Event::Suspicious(suspicion) => suspicious(suspicion),
        Event::Far(presence) => Shown::Far { here: presence == Presence::Here },
        Event::FarProps(props) => far_props(&props),
        Event::Gate(gate) => Shown::Paused { paused: gate == Gate::Closed },
        Event::Track(track, switch) => {
            match track {
                Track::Microphone => muted.microphone = switch == Switch::Off,
                Track::Camera => muted.camera = switch == Switch::Off,
            }
            Shown::Muted { microphone: muted.microphone, camera: muted.camera }
        }
        Event::Call(phase, ending) => call(phase, ending),
        Event::ServerError(text) => Shown::Notice { message: format!("the server says: {text}"), hint: None },
    })
}

/// What the media tell, besides what is for the call itself.
pub(super) fn media(event: media::Event) -> Option<Shown> {
    Some(match event {
        media::Event::Ready(media::Inventory { microphone, camera, speaker, window }) => {
            Shown::Devices { microphone, camera, speaker, window }
        }
        media::Event::Level { side: Side::Own, db } => Shown::Level { own: Some(db), far: None },
        media::Event::Level { side: Side::Far, db } => Shown::Level { own: None, far: Some(db) },
        media::Event::Tone(tone) => Shown::Tone { hz: tone.map(|(hz, _)| hz), db: tone.map(|(_, db)| db) },
        media::Event::Picture(Picture { width, height, frames, rgb: [red, green, blue] }) => {
            Shown::Picture { width, height, frames, red, green, blue }
        }
        media::Event::Notice(message) => Shown::Notice { message, hint: None },
        media::Event::Unusable(_) | media::Event::Call(..) => return None,
    })
}

fn line(state: LineState) -> Shown {
    let (state, retry) = match state {
        LineState::Connecting => (ShownLine::Connecting, None),
        LineState::Joined => (ShownLine::Joined, None),
        LineState::Taken => (ShownLine::Taken, None),
        LineState::Offline { retry } => (ShownLine::Offline, Some(retry.saturating_duration_since(rt::now()))),
    };
    Shown::Line { state, retry_ms: retry.and_then(|wait| u64::try_from(wait.as_millis()).ok()) }
}

fn far_props(props: &Props) -> Shown {
    let is = |name: &str| props.get(name).is_some_and(|value| value == "true");
    Shown::FarProps {
        paused: is("paused"),
        audiosend: is("audiosend"),
        videosend: is("videosend"),
        holding: is("holding"),
        behind: props.get("behind").and_then(|seconds| seconds.parse().ok()).unwrap_or_default(),
    }
}

fn suspicious(suspicion: Suspicion) -> Shown {
    let (message, hint) = match suspicion {
        Suspicion::Forged => (
            "something came in the other side's name that it did not send; it was thrown away",
            "the server, or somebody on the way, meddles; nothing that you say reaches it",
        ),
        Suspicion::Silent => (
            "somebody is there under the other side's name, and does not prove to be it; nothing is sent there",
            "if this lasts: has the other side lost its files, or is the link an old one? Then pair once more",
        ),
    };
    Shown::Suspicious { message: message.into(), hint: hint.into() }
}

fn call(phase: Phase, ending: Option<Ending>) -> Shown {
    let state = match phase {
        Phase::Idle => CallState::Idle,
        Phase::Calling => CallState::Calling,
        Phase::Connecting => CallState::Connecting,
        Phase::Connected => CallState::Connected,
        Phase::Reconnecting => CallState::Reconnecting,
        Phase::Ending => CallState::Ending,
    };
    let (reason, message) = match ending {
        None => (None, None),
        Some(Ending::HungUp) => (Some(ShownEnding::HungUp), Some("you hung up".into())),
        Some(Ending::FarHungUp) => (Some(ShownEnding::FarHungUp), Some("the other side hung up".into())),
        Some(Ending::NoAnswer) => (Some(ShownEnding::NoAnswer), Some("the other side did not answer".into())),
        Some(Ending::NoConnection) => (
            Some(ShownEnding::NoConnection),
            Some("no way through to the other side was found; a TURN server may help (--turn)".into()),
        ),
        Some(Ending::FarGone) => {
            (Some(ShownEnding::FarGone), Some("the other side is gone; the call goes on when it is back".into()))
        }
        Some(Ending::FarClosed) => (Some(ShownEnding::FarClosed), Some("the other side has left".into())),
        Some(Ending::FarFailed) => {
            (Some(ShownEnding::FarFailed), Some("the other side cannot take the call at the moment".into()))
        }
        Some(Ending::Failed(why)) => (Some(ShownEnding::Failed), Some(why)),
    };
    Shown::Call { state, reason, message }
}
