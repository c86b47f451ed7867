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
        event::{CallState, CodeEnd, Ending as ShownEnding, LineState as ShownLine, Suspicion as ShownSuspicion},
    },
    seal::Suspicion,
};

/// What this side keeps back even while unpaused.
#[derive(Debug, Default)]
pub(super) struct Muted {
    microphone: bool,
    camera: bool,
}

impl Muted {
    /// Takes note of a switch, and says how things stand.
    pub(super) fn note(&mut self, track: Track, switch: Switch) -> Shown {
        match track {
            Track::Microphone => self.microphone = switch == Switch::Off,
            Track::Camera => self.camera = switch == Switch::Off,
        }
        Shown::Muted { microphone: self.microphone, camera: self.camera }
    }
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
        Event::Track(track, switch) => muted.note(track, switch),
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
        media::Event::Unusable(_)
        | media::Event::Call(..)
        | media::Event::Heard(..)
        | media::Event::Seen(..)
        | media::Event::Tones(_) => return None,
    })
}

/// The line to the server.
pub(super) fn line(state: LineState) -> Shown {
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
    let (reason, message, hint) = match suspicion {
        Suspicion::Forged => (
            ShownSuspicion::Forged,
            "a message in the other side's name was not its own, and was thrown away",
            "nobody can listen; but if it goes on, somebody on the way tampers: meet at another server (--server)",
        ),
        Suspicion::Silent => (
            ShownSuspicion::Silent,
            "somebody is in the other side's place and does not prove to be it; nothing is said there",
            "if it stays so, a link is too old or keys are lost: begin a new conversation, and open its link there",
        ),
    };
    Shown::Suspicious { reason, message: message.into(), hint: hint.into() }
}

/// How the call stands.
pub(super) fn call(phase: Phase, ending: Option<Ending>) -> Shown {
    let state = match phase {
        Phase::Idle => CallState::Idle,
        Phase::Calling => CallState::Calling,
        Phase::Connecting => CallState::Connecting,
        Phase::Connected => CallState::Connected,
        Phase::Reconnecting => CallState::Reconnecting,
        Phase::Ending => CallState::Ending,
    };
    let (reason, message) = ending.map(ended).unzip();
    Shown::Call { state, reason, message }
}

fn ended(ending: Ending) -> (ShownEnding, String) {
    let reason = match ending {
        Ending::HungUp => ShownEnding::HungUp,
        Ending::FarHungUp => ShownEnding::FarHungUp,
        Ending::NoAnswer => ShownEnding::NoAnswer,
        Ending::NoConnection => ShownEnding::NoConnection,
        Ending::FarGone => ShownEnding::FarGone,
        Ending::FarClosed => ShownEnding::FarClosed,
        Ending::FarFailed => ShownEnding::FarFailed,
        Ending::Failed(why) => return (ShownEnding::Failed, why),
    };
    (reason, reason.words("the other side"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_far_side_says_of_itself_is_read_and_what_is_nonsense_is_nothing() {
        let props = |behind: &str| {
            let pairs = [("paused", "false"), ("audiosend", "true"), ("holding", "true"), ("behind", behind)];
            far_props(&pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
        };
        let shown =
            |behind| Shown::FarProps { paused: false, audiosend: true, videosend: false, holding: true, behind };
        assert_eq!(props("4"), shown(4));
        for nonsense in ["", "-4", "4 s", "1e9", "99999999999999999999"] {
            assert_eq!(props(nonsense), shown(0), "{nonsense}");
        }
    }

    #[test]
    fn every_ending_and_suspicion_has_words_and_only_a_failure_has_its_own() {
        let reconnecting = call(Phase::Reconnecting, Some(Ending::FarGone));
        let message = Some("the other side is gone; the call goes on when the line is back".to_owned());
        let (state, reason) = (CallState::Reconnecting, Some(ShownEnding::FarGone));
        assert_eq!(reconnecting, Shown::Call { state, reason, message });
        assert_eq!(ended(Ending::Failed("why".into())), (ShownEnding::Failed, "why".into()));
        let Shown::Suspicious { reason, message, hint } = suspicious(Suspicion::Silent) else { unreachable!() };
        assert_eq!(reason, ShownSuspicion::Silent);
        assert!(message.contains("the other side") && hint.contains("new conversation"), "{message} {hint}");
    }
}
