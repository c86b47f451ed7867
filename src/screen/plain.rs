//! One calm line for each thing that happens, for logs and pipes; a word a line to tell it what to do.

use super::{
    command::{Command, VOLUME_LIMIT},
    event::{CallState, CodeEnd, Event, LineState},
    status::{self, Status},
};

/// The line for `event`, if it is worth one; `before` and `status` are how things stood without it and stand with it.
pub(super) fn line(event: &Event, before: &Status, status: &Status) -> Option<String> {
    let name = status.who();
    let text = match event {
        Event::Started { version, conversation, name, .. } => {
            format!("twocan {version}: conversation {name} ({conversation})")
        }
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
        Event::Far { here: true } => format!("{name} is here"),
        Event::Far { here: false } => format!("{name} is not here"),
        Event::FarProps { .. } => Some(status.presence()).filter(|now| *now != before.presence())?,
        Event::Paused { paused: true } => "paused".to_owned(),
        Event::Paused { paused: false } => "unpaused".to_owned(),
        Event::Muted { microphone, camera } => format!(
            "microphone {}, camera {}",
            if *microphone { "muted" } else { "not muted" },
            if *camera { "off" } else { "on" }
        ),
        Event::Call { state: CallState::Idle, reason: Some(reason), message } => {
            format!("call ended: {}", status::ending(name, *reason, message.as_deref()))
        }
        Event::Call { state: CallState::Idle, reason: None, .. } => return None,
        Event::Call { state: CallState::Calling, .. } => format!("calling {name}"),
        Event::Call { state: CallState::Connecting, .. } => "connecting".to_owned(),
        Event::Call { state: CallState::Connected, .. } => format!("connected to {name}"),
        Event::Call { state: CallState::Reconnecting, .. } => {
            "connection lost: the call goes on when it is back".to_owned()
        }
        Event::Call { state: CallState::Ending, .. } => "hanging up".to_owned(),
        Event::Suspicious { message, hint } => noticed(message, Some(hint)),
        Event::Sealed { .. } => return None,
        Event::Level { .. } | Event::Tone { .. } | Event::Picture { .. } => return None,
        Event::Volume { percent } => format!("volume {percent} %"),
        Event::Ended => "ended".to_owned(),
    };
    Some(harmless(&text))
}

/// The command that a typed line means; the error says what may be typed.
pub(super) fn command(line: &str) -> Result<Command, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["pause"] => Ok(Command::Pause),
        ["unpause"] => Ok(Command::Unpause),
        ["toggle"] => Ok(Command::Toggle),
        ["mute"] => Ok(Command::Mute { on: true }),
        ["unmute"] => Ok(Command::Mute { on: false }),
        ["camera", "on"] => Ok(Command::Camera { on: true }),
        ["camera", "off"] => Ok(Command::Camera { on: false }),
        ["hang", "up"] => Ok(Command::HangUp),
        ["volume", percent] => volume(percent),
        ["take", "over"] => Ok(Command::TakeOver),
        ["quit"] => Ok(Command::Quit),
        _ => Err("what can be typed: pause, unpause, toggle, mute, unmute, camera on, camera off, hang up, volume \
                  PERCENT, take over, quit"
            .to_owned()),
    }
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
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::event::Ending;

    fn said(event: Event) -> Option<String> {
        let mut status = Status { name: "tim".into(), ..Status::default() };
        let before = status.clone();
        status.handle(&event);
        line(&event, &before, &status)
    }

    #[test]
    fn what_happens_is_one_line() {
        assert_eq!(said(Event::Far { here: true }).as_deref(), Some("tim is here"));
        assert_eq!(
            said(Event::Call { state: CallState::Idle, reason: Some(Ending::FarGone), message: None }).as_deref(),
            Some("call ended: tim is gone")
        );
        let notice = Event::Notice { message: "no microphone".into(), hint: Some("plug one in".into()) };
        assert_eq!(said(notice).as_deref(), Some("no microphone (hint: plug one in)"));
    }

    #[test]
    fn a_taken_line_is_said_to_be_another_machines() {
        let taken = said(Event::Line { state: LineState::Taken, retry_ms: None }).unwrap();
        assert!(taken.contains("on another machine") && taken.contains("\"take over\" to try again"), "{taken}");
    }

    #[test]
    fn what_the_other_side_repeats_is_told_once() {
        let props = Event::FarProps { paused: true, audiosend: true, videosend: true, holding: false, behind: 0 };
        let mut status = Status { name: "tim".into(), ..Status::default() };
        let before = status.clone();
        status.handle(&props);
        assert_eq!(line(&props, &before, &status).as_deref(), Some("tim is here, paused"));
        assert_eq!(line(&props, &status, &status), None);
    }

    #[test]
    fn levels_are_not_worth_a_line() {
        assert_eq!(said(Event::Level { own: Some(-3.0), far: None }), None);
    }

    #[test]
    fn control_characters_do_not_reach_the_output() {
        let notice = Event::Notice { message: "a\u{1b}[2J\r\nb\u{9b}c".into(), hint: None };
        assert_eq!(said(notice).as_deref(), Some("a [2J  b c"));
    }

    #[test]
    fn a_typed_word_is_a_command() {
        assert_eq!(command(" hang  up "), Ok(Command::HangUp));
        assert_eq!(command("volume 80"), Ok(Command::Volume { percent: 80 }));
        assert!(command("volume 401").unwrap_err().contains("400"));
        assert!(command("sing").unwrap_err().contains("unpause"));
    }
}
