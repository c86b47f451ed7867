//! The words for how things stand.

use super::{FarProps, Mood, Seal, Status};
use crate::screen::event::{CallState, Ending, LineState};

const PRESS_SPACE: &str = "paused — press space to talk";

/// How things stand, at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::screen) struct Headline {
    pub(in crate::screen) mood: Mood,
    pub(in crate::screen) text: String,
    /// What the gate means meanwhile, where the text does not say it.
    pub(in crate::screen) gate: Option<String>,
}

impl Headline {
    fn new(mood: Mood, text: impl Into<String>) -> Self {
        Self { mood, text: text.into(), gate: None }
    }
}

impl Status {
    /// The one line that says how things stand, and one for the gate.
    pub(in crate::screen) fn headline(&self) -> Headline {
        if let Some(room) = &self.room {
            return self.headline_room(room);
        }
        if self.line == LineState::Taken && self.call != CallState::Connected {
            return Headline::new(Mood::Trouble, "open on another machine — press t to try again");
        }
        match (self.call, self.paused) {
            (CallState::Calling | CallState::Connecting, true) if self.seal == Seal::Open => {
                Headline { gate: Some(self.gate("")), ..Headline::new(Mood::Waiting, self.on_the_way()) }
            }
            (CallState::Calling | CallState::Connecting | CallState::Connected, true) => {
                Headline::new(Mood::Paused, PRESS_SPACE)
            }
            (CallState::Calling, false) if self.ended.is_some() => Headline {
                mood: Mood::Waiting,
                text: format!("calling {} again …", self.who()),
                gate: Some(self.gate("as soon as you are connected")),
            },
            (CallState::Calling | CallState::Connecting, false) => Headline::new(Mood::Waiting, self.on_the_way()),
            (CallState::Connected, false) if self.microphone_muted => {
                Headline::new(Mood::Open, "microphone muted — press m to be heard")
            }
            (CallState::Connected, false) if self.far_props.is_some_and(|far| far.paused) => {
                Headline::new(Mood::Open, format!("you are live — {} is paused", self.who()))
            }
            (CallState::Connected, false) => Headline::new(Mood::Open, "talking"),
            (CallState::Reconnecting, _) => self.headline_lost(),
            (CallState::Ending, _) => Headline::new(Mood::Waiting, "hanging up …"),
            (CallState::Idle, _) => self.headline_idle(),
        }
    }

    fn on_the_way(&self) -> String {
        if self.call == CallState::Calling { format!("calling {} …", self.who()) } else { "connecting …".into() }
    }

    /// The other side, by the conversation's name; one that nobody named says nothing of who is there.
    pub(in crate::screen) fn who(&self) -> &str {
        match self.room {
            Some(_) => "the others",
            None if self.waits.is_some() || self.name.starts_with("conversation") => "the other side",
            None => &self.name,
        }
    }

    /// The same while a call that was up is missed.
    pub(in crate::screen) fn headline_lost(&self) -> Headline {
        let name = self.who();
        let reason = self.ended.as_ref().map(|ended| ended.reason);
        let (text, then) = match (reason, self.line) {
            (Some(Ending::FarClosed), _) => (format!("{name} has left …"), format!("if {name} comes right back")),
            (Some(Ending::FarGone), LineState::Joined) if !self.far_here => {
                (format!("{name} is gone — waiting for the line to come back"), "as soon as it is back".into())
            }
            (_, LineState::Joined) => ("connection lost — making a new one …".into(), "as soon as it is made".into()),
            (_, LineState::Connecting | LineState::Offline | LineState::Taken) => {
                ("connection lost — the call goes on when it is back".into(), "as soon as it is back".into())
            }
        };
        Headline { mood: Mood::Trouble, text, gate: Some(self.gate(&then)) }
    }

    fn headline_idle(&self) -> Headline {
        let name = self.who();
        let open = |then: &str| (!self.paused).then(|| self.gate(then));
        let (mood, text) = match (self.line, self.far_here, self.paused) {
            (LineState::Connecting, ..) => (Mood::Waiting, "connecting to the server …".into()),
            (LineState::Offline, ..) => (Mood::Trouble, "no connection to the server — trying again".into()),
            _ if self.waits.is_some() => (Mood::Waiting, format!("waiting for a call to {}", self.name)),
            _ if self.code.is_some() => (Mood::Waiting, "waiting for the other side to open the link".into()),
            (_, true, true) => (Mood::Paused, PRESS_SPACE.into()),
            (_, true, false) => (Mood::Waiting, self.again()),
            (_, false, true) => (Mood::Waiting, format!("paused and ready — waiting for {name}")),
            (_, false, false) => (Mood::Waiting, format!("waiting for {name}")),
        };
        let then =
            if self.far_here { "as soon as you are connected".into() } else { format!("as soon as {name} is here") };
        Headline { mood, text, gate: open(&then) }
    }

    /// What happens between two tries.
    fn again(&self) -> String {
        match self.ended.as_ref().filter(|ended| self.retries(ended.reason)) {
            Some(_) => "trying again in a moment …".into(),
            None => format!("calling {} …", self.who()),
        }
    }

    /// What the gate means while there is no connection; `then` is when that changes.
    pub(super) fn gate(&self, then: &str) -> String {
        let no_microphone = self.devices.as_ref().is_some_and(|devices| devices.microphone.is_none());
        match (self.paused, no_microphone, self.microphone_muted) {
            (true, ..) => "you are paused".into(),
            (false, true, _) => "you are unpaused, without a microphone".into(),
            (false, false, true) => "you are unpaused, but your microphone is muted".into(),
            (false, false, false) => format!("you are unpaused: you will be heard {then}"),
        }
    }

    /// Where the other side is and what it does.
    pub(in crate::screen) fn presence(&self) -> String {
        let name = self.who();
        match (self.far_here, self.far_props_now()) {
            (_, Some(FarProps { paused: true, .. })) => format!("{name} is here, paused"),
            (_, Some(FarProps { audiosend: false, .. })) => format!("{name} is here, sends no sound"),
            (_, Some(_)) => format!("{name} is here, talking"),
            (true, None) => format!("{name} is here"),
            (false, None) if self.code.is_some() => "nobody is paired yet; both sides start paused".into(),
            (false, None) if self.call == CallState::Reconnecting => format!("{name} is out of reach"),
            (false, None) => format!("{name} is not here"),
        }
    }

    /// What is heard only later, if anything is.
    pub(in crate::screen) fn delays(&self) -> Vec<String> {
        let name = self.who();
        let Some(props) = self.far_props_now() else { return Vec::new() };
        let behind = (props.behind > 0).then(|| format!("{name} is {} s behind", props.behind));
        let holding =
            props.holding.then(|| format!("{name} keeps what you say while speaking, and hears it afterwards"));
        behind.into_iter().chain(holding).collect()
    }

    /// Whether the other side is known to be there.
    pub(in crate::screen) fn is_far_here(&self) -> bool {
        self.far_here || self.far_props_now().is_some()
    }

    /// What the other side says of itself; nothing while there is no connection.
    pub(in crate::screen) fn far_props_now(&self) -> Option<FarProps> {
        self.far_props.filter(|_| self.call == CallState::Connected)
    }

    /// Whether what the two say is sealed, in a word; nothing before they have met.
    pub(in crate::screen) fn seal_mark(&self) -> Option<&'static str> {
        match self.seal {
            Seal::Unmet => None,
            Seal::Open => Some(unsealed()),
            Seal::Sealed { .. } => Some("sealed"),
        }
    }

    /// The safety words, and what to do with them.
    pub(in crate::screen) fn safety_words(&self) -> (Option<&str>, &'static str) {
        match &self.seal {
            Seal::Unmet => (None, "the safety words are there once the two of you have met"),
            Seal::Open => (None, "there are no safety words where nothing is sealed"),
            Seal::Sealed { words } => (
                Some(words),
                "Say these four words to each other: if they are the same on both sides, nobody sits between you.",
            ),
        }
    }

    /// Why a call ended; a failure says so in its own words.
    pub(super) fn ending(&self, reason: Ending, message: Option<&str>) -> String {
        match (reason, message) {
            (Ending::Failed, Some(message)) => message.to_owned(),
            (_, _) => reason.words(self.who()),
        }
    }
}

/// What to say where nothing is sealed.
pub(in crate::screen) fn unsealed() -> &'static str {
    "not sealed: who runs the server could listen in"
}

/// What to say when a link was used already.
pub(in crate::screen) fn refused() -> &'static str {
    "this link was used already"
}

/// What to do when a link was used already.
pub(in crate::screen) fn refused_hint() -> &'static str {
    "ask the other side for a new link"
}

/// What to say when nobody used a link in time.
pub(in crate::screen) fn expired() -> &'static str {
    "the link has expired: nobody used it for a day"
}

/// What to do when nobody used a link in time.
pub(in crate::screen) fn expired_hint() -> &'static str {
    "start again to get a new one"
}
