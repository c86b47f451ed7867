//! What is known at a moment, gathered from the events, and the words for it.

use std::collections::VecDeque;

use super::event::{CallState, CodeEnd, Ending, Event, LineState};

/// Notices that stay in sight.
const NOTICES: usize = 4;

/// What the other side last said of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FarProps {
    pub(super) paused: bool,
    pub(super) audiosend: bool,
    pub(super) videosend: bool,
}

/// What is used once unpaused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Devices {
    pub(super) microphone: Option<String>,
    pub(super) camera: Option<String>,
    pub(super) speaker: Option<String>,
}

/// The link that pairs the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) link: String,
    pub(super) local: Option<String>,
}

/// A line that somebody should read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// How a headline feels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// Nothing leaves this side.
    Paused,
    /// This side is heard.
    Open,
    /// On the way to something.
    Waiting,
    /// Something is wrong.
    Trouble,
}

/// Everything a screen shows.
#[derive(Debug, Clone)]
pub(super) struct Status {
    pub(super) name: String,
    pub(super) server: Option<String>,
    pub(super) devices: Option<Devices>,
    pub(super) code: Option<Code>,
    pub(super) line: LineState,
    pub(super) far_here: bool,
    pub(super) far_props: Option<FarProps>,
    pub(super) paused: bool,
    pub(super) microphone_muted: bool,
    pub(super) camera_off: bool,
    pub(super) call: CallState,
    pub(super) last_ending: Option<String>,
    pub(super) own_level: Option<f64>,
    pub(super) far_level: Option<f64>,
    pub(super) volume: u32,
    pub(super) notices: VecDeque<Notice>,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            name: String::new(),
            server: None,
            devices: None,
            code: None,
            line: LineState::Connecting,
            far_here: false,
            far_props: None,
            paused: true,
            microphone_muted: false,
            camera_off: false,
            call: CallState::Idle,
            last_ending: None,
            own_level: None,
            far_level: None,
            volume: 100,
            notices: VecDeque::new(),
        }
    }
}

impl Status {
    /// Takes in what happened.
    pub(super) fn handle(&mut self, event: &Event) {
        match event {
            Event::Started { name, .. } => self.name.clone_from(name),
            Event::Server { url, .. } => self.server = Some(url.clone()),
            Event::Devices { microphone, camera, speaker, window: _ } => {
                let (microphone, camera, speaker) = (microphone.clone(), camera.clone(), speaker.clone());
                self.devices = Some(Devices { microphone, camera, speaker });
            }
            Event::Notice { message, hint } => self.notice(message.clone(), hint.clone()),
            Event::Code { link, local } => self.code = Some(Code { link: link.clone(), local: local.clone() }),
            Event::CodeGone { reason } => self.code_gone(*reason),
            Event::Paired => self.notice(format!("paired with {}", self.who()), None),
            Event::Refused => self.notice(refused().to_owned(), Some(refused_hint().to_owned())),
            Event::Line { state, .. } => self.line = *state,
            Event::Far { here } => self.far_here = *here,
            Event::FarProps { paused, audiosend, videosend, .. } => {
                let (paused, audiosend, videosend) = (*paused, *audiosend, *videosend);
                self.far_props = Some(FarProps { paused, audiosend, videosend });
            }
            Event::Paused { paused } => self.paused(*paused),
            Event::Muted { microphone, camera } => {
                (self.microphone_muted, self.camera_off) = (*microphone, *camera);
            }
            Event::Call { state, reason, message } => self.call(*state, *reason, message.as_deref()),
            Event::Level { own, far } => {
                self.own_level = own.or(self.own_level);
                self.far_level = far.or(self.far_level);
            }
            Event::Volume { percent } => self.volume = *percent,
            Event::Suspicious { message, hint } => self.notice(message.clone(), Some(hint.clone())),
            Event::Sealed { .. } | Event::Tone { .. } | Event::Picture { .. } | Event::Ended => {}
        }
    }

    /// The one line that says how things stand.
    pub(super) fn headline(&self) -> (Mood, String) {
        let name = self.who();
        if self.line == LineState::Taken {
            return (Mood::Trouble, "open on another machine — press t to try again".into());
        }
        match (self.call, self.paused) {
            (CallState::Calling, _) => (Mood::Waiting, format!("calling {name} …")),
            (CallState::Connecting, false) => (Mood::Waiting, "connecting …".into()),
            (CallState::Ending, _) => (Mood::Waiting, "hanging up …".into()),
            (CallState::Connected, false) if self.microphone_muted => {
                (Mood::Open, "microphone muted — press m to be heard".into())
            }
            (CallState::Connected, false) => (Mood::Open, "talking".into()),
            (CallState::Connected | CallState::Connecting, true) => (Mood::Paused, PRESS_SPACE.into()),
            (CallState::Reconnecting, _) => {
                (Mood::Trouble, "connection lost — the call goes on when it is back".into())
            }
            (CallState::Idle, _) => self.headline_idle(),
        }
    }

    /// The other side, by the conversation's name; one that nobody named says nothing of who is there.
    pub(super) fn who(&self) -> &str {
        if self.name.starts_with("conversation") { "the other side" } else { &self.name }
    }

    fn headline_idle(&self) -> (Mood, String) {
        let name = self.who();
        match (self.line, self.far_here, self.paused) {
            (LineState::Connecting, ..) => (Mood::Waiting, "connecting to the server …".into()),
            (LineState::Offline, ..) => (Mood::Trouble, "no connection to the server — trying again".into()),
            _ if self.code.is_some() => (Mood::Waiting, "waiting for the other side to open the link".into()),
            (_, true, true) => (Mood::Paused, PRESS_SPACE.into()),
            (_, true, false) => (Mood::Waiting, format!("calling {name} …")),
            (_, false, true) => (Mood::Waiting, format!("waiting for {name}")),
            (_, false, false) => (Mood::Waiting, format!("waiting for {name} — open, heard on arrival")),
        }
    }

    /// Where the other side is and what it does.
    pub(super) fn presence(&self) -> String {
        let name = self.who();
        match (self.far_here, self.far_props) {
            (_, Some(FarProps { paused: true, .. })) => format!("{name} is here, paused"),
            (_, Some(FarProps { audiosend: false, .. })) => format!("{name} is here, microphone muted"),
            (_, Some(_)) => format!("{name} is here, talking"),
            (true, None) => format!("{name} is here"),
            (false, None) if self.code.is_some() => "nobody is paired yet; both sides start paused".into(),
            (false, None) => format!("{name} is not here"),
        }
    }

    fn notice(&mut self, message: String, hint: Option<String>) {
        let notice = Notice { message, hint };
        self.notices.retain(|old| *old != notice);
        self.notices.push_back(notice);
        while self.notices.len() > NOTICES {
            self.notices.pop_front();
        }
    }

    fn code_gone(&mut self, reason: CodeEnd) {
        self.code = None;
        match reason {
            CodeEnd::Paired => {}
            CodeEnd::Expired => self.notice(expired().to_owned(), Some(expired_hint().to_owned())),
        }
    }

    fn paused(&mut self, paused: bool) {
        self.paused = paused;
        if paused {
            (self.own_level, self.far_level) = (None, None);
        }
    }

    fn call(&mut self, state: CallState, reason: Option<Ending>, message: Option<&str>) {
        self.call = state;
        match state {
            CallState::Idle => {
                (self.far_props, self.far_level) = (None, None);
                if let Some(reason) = reason {
                    self.last_ending = Some(ending(self.who(), reason, message));
                }
            }
            CallState::Calling | CallState::Connecting | CallState::Connected => self.last_ending = None,
            CallState::Reconnecting => self.far_level = None,
            CallState::Ending => {}
        }
    }
}

const PRESS_SPACE: &str = "paused — press space to talk";

/// Why a call with `name` ended, in plain words.
pub(super) fn ending(name: &str, reason: Ending, message: Option<&str>) -> String {
    match (reason, message) {
        (_, Some(message)) => message.to_owned(),
        (Ending::FarHungUp, None) => format!("{name} hung up"),
        (Ending::HungUp, None) => "you hung up".into(),
        (Ending::NoAnswer, None) => format!("{name} did not answer"),
        (Ending::NoConnection, None) => format!("no connection to {name} was found"),
        (Ending::FarGone, None) => format!("{name} is gone"),
        (Ending::FarClosed, None) => format!("{name} has left"),
        (Ending::FarFailed, None) => format!("{name} cannot take the call at the moment"),
        (Ending::Failed, None) => "the connection failed".into(),
    }
}

/// What to say when a link was used already.
pub(super) fn refused() -> &'static str {
    "this link was used already"
}

/// What to do when a link was used already.
pub(super) fn refused_hint() -> &'static str {
    "ask the other side for a new link"
}

/// What to say when nobody used a link in time.
pub(super) fn expired() -> &'static str {
    "the link has expired: nobody used it for a day"
}

/// What to do when nobody used a link in time.
pub(super) fn expired_hint() -> &'static str {
    "start again to get a new one"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(events: &[Event]) -> Status {
        let mut status = Status { name: "tim".into(), ..Status::default() };
        events.iter().for_each(|event| status.handle(event));
        status
    }

    fn headline(events: &[Event]) -> String {
        status(events).headline().1
    }

    const JOINED: Event = Event::Line { state: LineState::Joined, retry_ms: None };
    const HERE: Event = Event::Far { here: true };
    const UNPAUSED: Event = Event::Paused { paused: false };

    fn call(state: CallState) -> Event {
        Event::Call { state, reason: None, message: None }
    }

    #[test]
    fn the_headline_says_how_things_stand() {
        assert_eq!(headline(&[]), "connecting to the server …");
        assert_eq!(headline(&[JOINED]), "waiting for tim");
        assert_eq!(headline(&[JOINED, HERE]), "paused — press space to talk");
        assert_eq!(headline(&[JOINED, UNPAUSED]), "waiting for tim — open, heard on arrival");
        assert_eq!(headline(&[JOINED, HERE, UNPAUSED, call(CallState::Calling)]), "calling tim …");
        assert_eq!(headline(&[JOINED, HERE, UNPAUSED, call(CallState::Connected)]), "talking");
        assert_eq!(headline(&[JOINED, HERE, call(CallState::Connected)]), "paused — press space to talk");
        let offline = Event::Line { state: LineState::Offline, retry_ms: Some(250) };
        assert_eq!(headline(std::slice::from_ref(&offline)), "no connection to the server — trying again");
        assert_eq!(headline(&[UNPAUSED, call(CallState::Connected), offline]), "talking");
        let taken = Event::Line { state: LineState::Taken, retry_ms: None };
        assert_eq!(headline(&[taken]), "open on another machine — press t to try again");
    }

    #[test]
    fn a_muted_microphone_is_not_called_talking() {
        let muted = Event::Muted { microphone: true, camera: false };
        let said = headline(&[UNPAUSED, call(CallState::Connected), muted]);
        assert_eq!(said, "microphone muted — press m to be heard");
    }

    #[test]
    fn presence_says_what_the_other_side_does() {
        let props =
            |paused, audiosend| Event::FarProps { paused, audiosend, videosend: true, holding: false, behind: 0 };
        assert_eq!(status(&[]).presence(), "tim is not here");
        assert_eq!(status(&[HERE]).presence(), "tim is here");
        assert_eq!(status(&[HERE, props(true, true)]).presence(), "tim is here, paused");
        assert_eq!(status(&[HERE, props(false, true)]).presence(), "tim is here, talking");
        assert_eq!(status(&[HERE, props(false, false)]).presence(), "tim is here, microphone muted");
        assert_eq!(status(&[HERE, props(false, true), call(CallState::Idle)]).presence(), "tim is here");
    }

    #[test]
    fn a_conversation_that_nobody_named_is_with_the_other_side() {
        let status = Status { name: "conversation 2".into(), ..status(&[JOINED, HERE]) };
        assert_eq!(status.presence(), "the other side is here");
    }

    #[test]
    fn the_last_ending_stays_until_the_next_call() {
        let ended = Event::Call { state: CallState::Idle, reason: Some(Ending::FarHungUp), message: None };
        assert_eq!(status(std::slice::from_ref(&ended)).last_ending.as_deref(), Some("tim hung up"));
        assert_eq!(status(&[ended.clone(), call(CallState::Idle)]).last_ending.as_deref(), Some("tim hung up"));
        assert_eq!(status(&[ended, call(CallState::Calling)]).last_ending, None);
    }

    #[test]
    fn pausing_empties_the_meters() {
        let own = Event::Level { own: Some(-3.0), far: None };
        let far = Event::Level { own: None, far: Some(-6.0) };
        let heard = status(&[own.clone(), far.clone()]);
        assert_eq!((heard.own_level, heard.far_level), (Some(-3.0), Some(-6.0)), "each is told by itself");
        let paused = status(&[own, far, Event::Paused { paused: true }]);
        assert_eq!((paused.own_level, paused.far_level), (None, None));
    }

    #[test]
    fn only_the_latest_notices_stay_and_none_twice() {
        let notice = |n: usize| Event::Notice { message: n.to_string(), hint: None };
        let said = |events: &[Event]| {
            status(events).notices.iter().map(|notice| notice.message.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(said(&(0..9).map(notice).collect::<Vec<_>>()), "5 6 7 8");
        assert_eq!(said(&[notice(1), notice(2), notice(1)]), "2 1");
    }
}
