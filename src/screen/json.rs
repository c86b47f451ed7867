//! One JSON object a line, both ways, for scripts.
//!
//! Out: `{"v":1,"t":12.345,"event":"paused","paused":true}`; `t` is milliseconds since the program began, on a clock
//! that never jumps. In: `{"v":1,"cmd":"mute","on":true}`. Fields a reader does not know are to be passed over.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    command::{Command, VOLUME_LIMIT},
    event::Event,
};

/// The version of the lines, in both directions.
pub const VERSION: u64 = 1;

/// Why a line is no command.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadCommand {
    /// Not a JSON object, or not one that names a command with its values.
    #[error("not a command: {0}")]
    Malformed(String),
    /// Without `"v":1`.
    #[error("a command needs \"v\":{VERSION}")]
    Version,
    /// A volume above the limit.
    #[error("the volume goes from 0 to {VOLUME_LIMIT} percent")]
    Volume,
}

#[derive(Serialize)]
struct Out<'a> {
    v: u64,
    t: f64,
    #[serde(flatten)]
    event: &'a Event,
}

#[derive(Deserialize)]
struct Version {
    v: u64,
}

/// The line for `event`, without a line break; `millis` have passed since the program began.
pub fn line(event: &Event, millis: f64) -> String {
    let out = Out { v: VERSION, t: (millis * 1000.0).round() / 1000.0, event };
    // Strings and numbers in a struct always serialise; an empty line is passed over by every reader.
    serde_json::to_string(&out).unwrap_or_default()
}

/// The command that `line` holds.
pub fn command(line: &str) -> Result<Command, BadCommand> {
    let object: serde_json::Value = serde_json::from_str(line).map_err(malformed)?;
    if !object.is_object() {
        return Err(BadCommand::Malformed("a command is a JSON object".to_owned()));
    }
    match Version::deserialize(&object) {
        Ok(Version { v: VERSION }) => {}
        Ok(_) | Err(_) => return Err(BadCommand::Version),
    }
    let command = Command::deserialize(&object).map_err(malformed)?;
    let too_loud = matches!(command, Command::Volume { percent } if percent > VOLUME_LIMIT);
    if too_loud { Err(BadCommand::Volume) } else { Ok(command) }
}

fn malformed(error: serde_json::Error) -> BadCommand {
    BadCommand::Malformed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::ConversationId,
        screen::event::{CallState, CodeEnd, Ending, LineState, MemberState, Suspicion, Tone},
    };

    fn every_event() -> Vec<Event> {
        let conversation = ConversationId::from_bits(7);
        let text = || "a \"b\"\n\u{1b}ä".to_owned();
        let mut events = vec![
            Event::Started { version: "0.1.0".into(), unix_ms: 1.25, conversation: Some(conversation), name: text() },
            Event::Started { version: "0.1.0".into(), unix_ms: 1_700_000_000_000.25, conversation: None, name: text() },
            Event::Unsealed,
            Event::Waiting { uid: text(), command: text() },
            Event::Server { url: "http://localhost:8443/".into(), embedded: true },
            Event::Devices { microphone: Some(text()), camera: None, speaker: None, window: None },
            Event::Notice { message: text(), hint: Some(text()) },
            Event::Notice { message: text(), hint: None },
            Event::Code { link: "https://h/?convoId=a#key=b".into(), local: None },
            Event::Code { link: "https://h/?convoId=a#key=b".into(), local: Some(text()) },
            Event::Paired,
            Event::Refused,
            Event::Line { state: LineState::Offline, retry_ms: Some(250) },
            Event::Line { state: LineState::Joined, retry_ms: None },
            Event::Line { state: LineState::Connecting, retry_ms: None },
            Event::Line { state: LineState::Taken, retry_ms: None },
            Event::Far { here: true },
            Event::FarProps { paused: true, audiosend: false, videosend: true, holding: true, behind: 4 },
            Event::Sealed { words: "lusab babad gutih tugad".into() },
            Event::Paused { paused: false },
            Event::Muted { microphone: true, camera: false },
            Event::Level { own: Some(-12.5), far: None },
            Event::Tone { hz: Some(440.0), db: Some(-20.0) },
            Event::Tone { hz: None, db: None },
            Event::Picture { width: 640, height: 480, frames: 9, red: 255, green: 0, blue: 1 },
            Event::Room { name: "tea".into(), link: "https://h/?room=tea".into(), local: Some(text()) },
            Event::Number { uid: "123".into() },
            Event::MemberLevel { uid: "123".into(), db: -20.5 },
            Event::MemberPicture { uid: "1".into(), width: 640, height: 480, frames: 9, red: 255, green: 0, blue: 1 },
            Event::Tones { tones: vec![Tone { hz: 440.0, db: -9.0 }] },
            Event::Volume { percent: 80 },
            Event::Ended,
        ];
        events.extend([CodeEnd::Paired, CodeEnd::Expired].map(|reason| Event::CodeGone { reason }));
        for state in [MemberState::Here, MemberState::Connecting, MemberState::Connected]
            .into_iter()
            .chain([MemberState::TooMany, MemberState::Left])
        {
            events.push(Event::Member { uid: "123".into(), state, message: Some(text()) });
        }
        for reason in [Suspicion::Forged, Suspicion::Silent] {
            events.push(Event::Suspicious { reason, message: text(), hint: text() });
        }
        for state in [CallState::Idle, CallState::Calling, CallState::Connecting, CallState::Connected]
            .into_iter()
            .chain([CallState::Reconnecting, CallState::Ending])
        {
            events.push(Event::Call { state, reason: None, message: None });
        }
        for reason in [Ending::FarHungUp, Ending::HungUp, Ending::NoAnswer, Ending::NoConnection].into_iter().chain([
            Ending::FarGone,
            Ending::FarClosed,
            Ending::FarFailed,
            Ending::Failed,
        ]) {
            for state in [CallState::Idle, CallState::Reconnecting] {
                events.push(Event::Call { state, reason: Some(reason), message: Some(text()) });
            }
        }
        events
    }

    #[test]
    fn every_event_survives_the_round_trip_on_one_line() {
        for event in every_event() {
            let line = line(&event, 1.5);
            assert!(!line.contains('\n'), "{line}");
            let object: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(object["v"], 1);
            assert_eq!(object["t"], 1.5);
            assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
        }
    }

    const EVERY_COMMAND: [Command; 9] = [
        Command::Pause,
        Command::Unpause,
        Command::Toggle,
        Command::Mute { on: true },
        Command::Camera { on: false },
        Command::HangUp,
        Command::Volume { percent: 150 },
        Command::TakeOver,
        Command::Quit,
    ];

    #[test]
    fn the_readme_names_every_event_and_command() {
        let readme = include_str!("../../README.md");
        let events = every_event().into_iter().map(|event| serde_json::to_value(event).unwrap());
        for value in events.chain(EVERY_COMMAND.map(|command| serde_json::to_value(command).unwrap())) {
            for (field, value) in value.as_object().unwrap() {
                let is_word = matches!(field.as_str(), "event" | "cmd" | "state" | "reason");
                let name = if is_word { value.as_str().unwrap() } else { field };
                assert!(readme.contains(&format!("`{name}`")), "{name}");
            }
        }
    }

    #[test]
    fn every_command_survives_the_round_trip() {
        for command in EVERY_COMMAND {
            let mut object = serde_json::to_value(command).unwrap();
            object["v"] = 1.into();
            assert_eq!(super::command(&object.to_string()), Ok(command));
        }
    }

    #[test]
    fn the_lines_look_as_documented() {
        assert_eq!(
            line(&Event::Paused { paused: true }, 12.345_678),
            r#"{"v":1,"t":12.346,"event":"paused","paused":true}"#
        );
        assert_eq!(
            line(&Event::Tone { hz: None, db: None }, 0.0),
            r#"{"v":1,"t":0.0,"event":"tone","hz":null,"db":null}"#
        );
        let ended = Event::Call { state: CallState::Idle, reason: Some(Ending::FarHungUp), message: None };
        assert_eq!(line(&ended, 1.0), r#"{"v":1,"t":1.0,"event":"call","state":"idle","reason":"far_hung_up"}"#);
        let sealed = Event::Sealed { words: "lusab babad gutih tugad".into() };
        assert_eq!(line(&sealed, 1.0), r#"{"v":1,"t":1.0,"event":"sealed","words":"lusab babad gutih tugad"}"#);
        assert_eq!(command(r#"{"v":1,"cmd":"hang_up"}"#), Ok(Command::HangUp));
        assert_eq!(command(r#" {"cmd":"mute","on":true,"v":1,"later":[]} "#), Ok(Command::Mute { on: true }));
    }

    #[test]
    fn a_line_that_is_no_command_says_why() {
        for (text, wanted) in [
            ("", "not a command"),
            ("pause", "not a command"),
            ("[1]", "a command is a JSON object"),
            ("{\"v\":1}", "missing field `cmd`"),
            (r#"{"v":1,"cmd":"sing"}"#, "unknown variant `sing`"),
            (r#"{"v":1,"cmd":"mute"}"#, "missing field `on`"),
            (r#"{"v":1,"cmd":"mute","on":1}"#, "invalid type"),
            (r#"{"v":1,"cmd":"volume","percent":-1}"#, "invalid value"),
            (r#"{"v":1,"cmd":"volume","percent":401}"#, "0 to 400"),
            (r#"{"cmd":"pause"}"#, "\"v\":1"),
            (r#"{"v":2,"cmd":"pause"}"#, "\"v\":1"),
            (&"[".repeat(4000), "recursion limit"),
        ] {
            let error = command(text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{text:.40}: {error}");
        }
    }
}
