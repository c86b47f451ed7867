//! One calm line for each thing that happens, for logs and pipes; a word a line to tell it what to do.

use super::{
    command::{Command, VOLUME_LIMIT},
    event::{CallState, CodeEnd, Ending, Event, LineState, MemberState},
    status::{self, Seal, Status},
};
use crate::foreign;

/// What a typed line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Typed {
    /// Something that the program is to do.
    Command(Command),
    /// The safety words.
    Words,
    /// The way in for others.
    Link,
}

/// The line for `event`, if it is worth one; `before` and `status` are how things stood without it and stand with it.
pub(super) fn line(event: &Event, before: &Status, status: &Status) -> Option<String> {
    let name = status.who();
    let text = match event {
        Event::Started { version, conversation: Some(id), name, .. } => {
            format!("twocan {version}: conversation {name} ({id})")
        }
        Event::Started { version, conversation: None, name, .. } => format!("twocan {version}: {name}"),
        Event::Unsealed => status::unsealed().to_owned(),
        Event::Waiting { uid, command } => format!("waiting for whoever calls \"{uid}\"; in another twocan: {command}"),
        Event::Server { url, embedded: true } => format!("server: {url} (in this program)"),
        Event::Server { url, embedded: false } => format!("server: {url}"),
        Event::Devices { microphone, camera, speaker, window } => format!(
            "microphone: {}, camera: {}, speaker: {}, window: {}",
            or_none(microphone),
            or_none(camera),
            or_none(speaker),
            or_none(window)
        ),
        Event::Notice { message, hint } => noticed(message, hint.as_deref()),
        Event::Code { link, local: None } => format!("open this link on the other side: {link}"),
        Event::Code { link, local: Some(local) } => {
            format!("open this link on the other side: {link} (in a browser on this machine: {local})")
        }
        Event::CodeGone { reason: CodeEnd::Paired } => return None,
        Event::CodeGone { reason: CodeEnd::Expired } => noticed(status::expired(), Some(status::expired_hint())),
        Event::Paired => format!("paired with {name}"),
        Event::Refused => noticed(status::refused(), Some(status::refused_hint())),
        Event::Line { state, .. } => line_state(*state).to_owned(),
        Event::Far { here: true } => match status.seal {
            Seal::Unmet | Seal::Open => format!("{name} is here"),
            Seal::Sealed { .. } => format!("{name} is here; what you say is sealed from end to end"),
        },
        Event::Far { here: false } => format!("{name} is not here"),
        Event::FarProps { .. } => Some(far(status)).filter(|_| gist(status) != gist(before))?,
        Event::Paused { paused: true } => "paused".to_owned(),
        Event::Paused { paused: false } => "unpaused".to_owned(),
        Event::Muted { microphone, camera } => format!(
            "microphone {}, camera {}",
            if *microphone { "muted" } else { "not muted" },
            if *camera { "off" } else { "on" }
        ),
        Event::Call { state, reason, .. } => call(*state, *reason, before, status)?,
        Event::Suspicious { message, hint, .. }
            if (&before.suspicions, &before.notices) != (&status.suspicions, &status.notices) =>
        {
            noticed(message, Some(hint))
        }
        Event::Sealed { .. } if !before.suspicions.is_empty() => {
            format!("{name} has proved to be there: what was suspicious is over")
        }
        Event::Suspicious { .. } | Event::Sealed { .. } => return None,
        Event::Room { name, link, local: None } => format!("room {name}: others come in by {link}"),
        Event::Room { name, link, local: Some(local) } => {
            format!("room {name}: others come in by {link} (in a browser on this machine: {local})")
        }
        Event::Number { uid } => format!("you are {uid} in the room"),
        Event::Member { uid, state, message } => member(uid, *state, message.as_deref()),
        Event::Level { .. }
        | Event::Tone { .. }
        | Event::Picture { .. }
        | Event::MemberLevel { .. }
        | Event::MemberPicture { .. }
        | Event::Tones { .. } => return None,
        Event::Volume { percent } => format!("volume {percent} %"),
        Event::Ended => "ended".to_owned(),
    };
    Some(harmless(&text))
}

fn member(uid: &str, state: MemberState, message: Option<&str>) -> String {
    let text = match state {
        MemberState::Here => format!("{uid} is in the room, without a connection"),
        MemberState::Connecting => format!("connecting to {uid}"),
        MemberState::Connected => format!("connected to {uid}"),
        MemberState::TooMany => format!("{uid} is in the room, but one too many: you do not hear each other"),
        MemberState::Left => format!("{uid} has left"),
    };
    message.map_or_else(|| text.clone(), |why| format!("{text}: {why}"))
}

/// What the safety words are, for whoever asked.
pub(super) fn safety_words(status: &Status) -> String {
    match status.safety_words() {
        (None, text) => text.to_owned(),
        (Some(words), text) => format!("{words} (hint: {text})"),
    }
}

/// How others come to this side, for whoever asked.
pub(super) fn way_in(status: &Status) -> String {
    status.way_in().map_or_else(|| "there is no link for others here".to_owned(), harmless)
}

fn call(state: CallState, reason: Option<Ending>, before: &Status, status: &Status) -> Option<String> {
    let name = status.who();
    Some(match state {
        CallState::Idle => {
            let reason = reason.filter(|_| before.call != CallState::Idle || before.ended != status.ended)?;
            let text = &status.ended.as_ref()?.text;
            // The gate is closed first when it is over for good.
            if status.retries(reason) && !status.paused {
                format!("{text}: trying again")
            } else {
                format!("call ended: {text}")
            }
        }
        CallState::Calling if status.ended.is_some() => format!("calling {name} again"),
        CallState::Calling => format!("calling {name}"),
        CallState::Connecting => "connecting".to_owned(),
        CallState::Connected if before.call == CallState::Reconnecting => format!("connected again: {}", far(status)),
        CallState::Connected => format!("connected: {}", far(status)),
        CallState::Reconnecting => {
            let (was, is) = (lost(before), lost(status));
            Some(is.clone()).filter(|_| before.call != CallState::Reconnecting || was != is)?
        }
        CallState::Ending => "hanging up".to_owned(),
    })
}

/// What became of the connection, and what the gate means meanwhile.
fn lost(status: &Status) -> String {
    let headline = status.headline_lost();
    let text = headline.text.trim_end_matches(" …").replace(" — ", ": ");
    headline.gate.map_or_else(|| text.clone(), |gate| format!("{text}; {gate}"))
}

/// The other side, and what it hears only later.
fn far(status: &Status) -> String {
    std::iter::once(status.presence()).chain(status.delays()).collect::<Vec<_>>().join("; ")
}

/// What of that is worth a line when it changes; seconds alone are not.
fn gist(status: &Status) -> (String, bool, bool) {
    let props = status.far_props_now();
    (status.presence(), props.is_some_and(|props| props.holding), props.is_some_and(|props| props.behind > 0))
}

/// What a typed line means; the error says what may be typed.
pub(super) fn typed(line: &str) -> Result<Typed, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    Ok(Typed::Command(match words.as_slice() {
        ["pause"] => Command::Pause,
        ["unpause"] => Command::Unpause,
        ["toggle"] => Command::Toggle,
        ["mute"] => Command::Mute { on: true },
        ["unmute"] => Command::Mute { on: false },
        ["camera", "on"] => Command::Camera { on: true },
        ["camera", "off"] => Command::Camera { on: false },
        ["hang", "up"] => Command::HangUp,
        ["volume", percent] => volume(percent)?,
        ["take", "over"] => Command::TakeOver,
        ["quit"] => Command::Quit,
        ["words"] => return Ok(Typed::Words),
        ["link"] => return Ok(Typed::Link),
        _ => {
            return Err(
                "what can be typed: pause, unpause, toggle, mute, unmute, camera on, camera off, hang up, volume \
                        PERCENT, words, link, take over, quit"
                    .to_owned(),
            );
        }
    }))
}

fn volume(percent: &str) -> Result<Command, String> {
    match percent.parse() {
        Ok(percent) if percent <= VOLUME_LIMIT => Ok(Command::Volume { percent }),
        Ok(_) | Err(_) => Err(format!("the volume goes from 0 to {VOLUME_LIMIT} percent")),
    }
}

fn line_state(state: LineState) -> &'static str {
    match state {
        LineState::Connecting => "connecting to the server",
        LineState::Joined => "connected to the server",
        LineState::Offline => "no connection to the server: trying again",
        LineState::Taken => "this conversation is open on another machine: type \"take over\" to try again",
    }
}

fn noticed(message: &str, hint: Option<&str>) -> String {
    hint.map_or_else(|| message.to_owned(), |hint| format!("{message} (hint: {hint})"))
}

fn or_none(device: &Option<String>) -> &str {
    device.as_deref().unwrap_or("none")
}

/// Device names and far words may hold anything; a control character could drive the terminal the log is read on.
fn harmless(text: &str) -> String {
    foreign::shown(text, usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::event::Suspicion;

    /// What is said when these events happen one after the other.
    fn log(events: &[Event]) -> Vec<String> {
        let mut status = Status { name: "tim".into(), ..Status::default() };
        let said = events.iter().filter_map(|event| {
            let before = status.clone();
            status.handle(event);
            line(event, &before, &status)
        });
        said.collect()
    }

    fn call(state: CallState, reason: Option<Ending>) -> Event {
        let message = reason.map(|reason| reason.words("the other side"));
        Event::Call { state, reason, message }
    }

    fn props(paused: bool, holding: bool, behind: u32) -> Event {
        Event::FarProps { paused, audiosend: true, videosend: true, holding, behind }
    }

    fn sealed(words: &str) -> Event {
        Event::Sealed { words: words.into() }
    }

    const JOINED: Event = Event::Line { state: LineState::Joined, retry_ms: None };
    const UP: Event = Event::Call { state: CallState::Connected, reason: None, message: None };
    const HERE: Event = Event::Far { here: true };
    const GONE: Event = Event::Far { here: false };
    const UNPAUSED: Event = Event::Paused { paused: false };
    const PAUSED: Event = Event::Paused { paused: true };

    #[test]
    fn what_happens_is_one_line() {
        assert_eq!(log(&[HERE]), ["tim is here"]);
        assert_eq!(log(&[call(CallState::Idle, Some(Ending::FarHungUp))]), ["call ended: tim hung up"]);
        let notice = Event::Notice { message: "no microphone".into(), hint: Some("plug one in".into()) };
        assert_eq!(log(&[notice]), ["no microphone (hint: plug one in)"]);
    }

    #[test]
    fn a_taken_line_is_said_to_be_another_machines() {
        let taken = &log(&[Event::Line { state: LineState::Taken, retry_ms: None }])[0];
        assert!(taken.contains("on another machine") && taken.contains("\"take over\" to try again"), "{taken}");
    }

    #[test]
    fn what_the_other_side_repeats_is_told_once() {
        assert_eq!(log(&[UP, props(true, false, 0), props(true, false, 0)])[1..], ["tim is here, paused"]);
    }

    #[test]
    fn what_is_heard_later_is_told_when_it_begins_and_ends_and_not_every_second() {
        let told = [props(false, true, 0), props(false, true, 1), props(false, true, 2), props(false, false, 0)];
        let said = log(&[&[UP], &told[..]].concat());
        let wanted = [
            "tim is here, talking; tim keeps what you say while speaking, and hears it afterwards",
            "tim is here, talking; tim is 1 s behind; tim keeps what you say while speaking, and hears it afterwards",
            "tim is here, talking",
        ];
        assert_eq!(said[1..], wanted);
    }

    #[test]
    fn what_the_other_side_says_of_itself_before_it_can_be_heard_is_told_with_the_connection() {
        let said = log(&[HERE, call(CallState::Connecting, None), props(false, false, 0), UP]);
        assert_eq!(said[1..], ["connecting", "connected: tim is here, talking"]);
    }

    #[test]
    fn a_lost_call_says_so_once_and_that_the_gate_is_still_open() {
        let lost = [
            call(CallState::Reconnecting, None),
            call(CallState::Reconnecting, Some(Ending::FarGone)),
            GONE,
            HERE,
            call(CallState::Reconnecting, None),
            call(CallState::Reconnecting, None),
            props(true, false, 0),
            UP,
        ];
        let wanted = [
            "connection lost: making a new one; you are unpaused: you will be heard as soon as it is made",
            "tim is gone: waiting for the line to come back; you are unpaused: you will be heard as soon as it is back",
            "tim is not here",
            "tim is here",
            "connected again: tim is here, paused",
        ];
        assert_eq!(log(&[&[JOINED, UNPAUSED, UP, GONE], &lost[..]].concat())[4..], wanted);
    }

    #[test]
    fn a_far_side_that_left_for_good_is_told_of_twice_and_no_more() {
        let said = log(&[
            JOINED,
            HERE,
            UP,
            call(CallState::Reconnecting, Some(Ending::FarClosed)),
            GONE,
            PAUSED,
            call(CallState::Idle, Some(Ending::FarClosed)),
            call(CallState::Idle, Some(Ending::FarClosed)),
        ]);
        let wanted = ["tim has left; you are paused", "tim is not here", "paused", "call ended: tim has left"];
        assert_eq!(said[3..], wanted);
    }

    #[test]
    fn a_try_that_failed_is_followed_by_the_next_until_it_is_given_up() {
        let fails = call(CallState::Idle, Some(Ending::NoAnswer));
        let calling = call(CallState::Calling, None);
        let said = log(&[UNPAUSED, calling.clone(), fails.clone(), calling, PAUSED, fails]);
        let wanted = [
            "calling tim",
            "tim did not answer: trying again",
            "calling tim again",
            "paused",
            "call ended: tim did not answer",
        ];
        assert_eq!(said[1..], wanted);
    }

    #[test]
    fn that_it_is_sealed_is_said_with_the_arrival_and_the_words_on_request() {
        let said = log(&[sealed("a"), HERE, sealed("b")]);
        assert_eq!(said, ["tim is here; what you say is sealed from end to end"]);
        let mut status = Status::default();
        assert_eq!(safety_words(&status), "the safety words are there once the two of you have met");
        status.handle(&sealed("lusab babad gutih tugad"));
        let words = safety_words(&status);
        assert!(words.starts_with("lusab babad gutih tugad (hint: Say these four words"), "{words}");
    }

    #[test]
    fn what_is_suspicious_is_told_once_until_it_is_over() {
        let suspicious = Event::Suspicious { reason: Suspicion::Silent, message: "hm".into(), hint: "look".into() };
        let said = log(&[suspicious.clone(), suspicious.clone(), sealed("a"), suspicious]);
        assert_eq!(
            said,
            ["hm (hint: look)", "tim has proved to be there: what was suspicious is over", "hm (hint: look)"]
        );
    }

    #[test]
    fn a_forgery_is_told_once_also_if_the_two_meet_anew_again_and_again() {
        let forged = Event::Suspicious { reason: Suspicion::Forged, message: "hm".into(), hint: "look".into() };
        assert_eq!(log(&[forged.clone(), sealed("a"), forged.clone(), sealed("b"), forged]), ["hm (hint: look)"]);
    }

    #[test]
    fn levels_are_not_worth_a_line() {
        assert!(log(&[Event::Level { own: Some(-3.0), far: None }]).is_empty());
    }

    #[test]
    fn control_characters_do_not_reach_the_output() {
        let notice = Event::Notice { message: "a\u{1b}[2J\r\nb\u{9b}c".into(), hint: None };
        assert_eq!(log(&[notice]), ["a [2J  b c"]);
    }

    #[test]
    fn a_typed_word_is_a_command_or_a_question() {
        assert_eq!(typed(" hang  up "), Ok(Typed::Command(Command::HangUp)));
        assert_eq!(typed("volume 80"), Ok(Typed::Command(Command::Volume { percent: 80 })));
        assert_eq!(typed("words"), Ok(Typed::Words));
        assert!(typed("volume 401").unwrap_err().contains("400"));
        assert!(typed("sing").unwrap_err().contains("unpause"));
    }
}
