//! What is known at a moment, gathered from the events.

mod room;
mod words;

use std::collections::VecDeque;

use super::event::{CallState, CodeEnd, Ending, Event, LineState, Suspicion};
pub(super) use room::Room;
pub(super) use words::{Headline, expired, expired_hint, refused, refused_hint, unsealed};

/// Notices that stay in sight.
const NOTICES: usize = 4;

/// What the other side last said of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FarProps {
    pub(super) paused: bool,
    pub(super) audiosend: bool,
    pub(super) videosend: bool,
    pub(super) holding: bool,
    pub(super) behind: u32,
}

/// Who can read what the two sides say by the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seal {
    /// The two have not met.
    Unmet,
    /// Whoever runs the server can, too.
    Open,
    /// Only they can; both have these words.
    Sealed { words: String },
}

/// Why the last call ended, or broke off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) reason: Ending,
    pub(super) text: String,
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
    /// What whoever calls this side types, where it only waits to be called, by whomever.
    pub(super) waits: Option<String>,
    /// What this side goes by in a room.
    pub(super) number: Option<String>,
    pub(super) server: Option<String>,
    pub(super) devices: Option<Devices>,
    pub(super) code: Option<Code>,
    /// Where there are several instead of one other side.
    pub(super) room: Option<Room>,
    pub(super) line: LineState,
    pub(super) far_here: bool,
    pub(super) far_props: Option<FarProps>,
    pub(super) seal: Seal,
    /// Whether the safety words were asked for.
    pub(super) words_open: bool,
    /// Whether the way into a room was asked for, though somebody has found it.
    pub(super) link_open: bool,
    pub(super) paused: bool,
    pub(super) microphone_muted: bool,
    pub(super) camera_off: bool,
    pub(super) call: CallState,
    pub(super) ended: Option<Ended>,
    pub(super) own_level: Option<f64>,
    pub(super) far_level: Option<f64>,
    pub(super) volume: u32,
    pub(super) notices: VecDeque<Notice>,
    /// What is not as it should be, until the two meet.
    pub(super) suspicions: Vec<Notice>,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            name: String::new(),
            waits: None,
            number: None,
            server: None,
            devices: None,
            code: None,
            room: None,
            line: LineState::Connecting,
            far_here: false,
            far_props: None,
            seal: Seal::Unmet,
            words_open: false,
            link_open: false,
            paused: true,
            microphone_muted: false,
            camera_off: false,
            call: CallState::Idle,
            ended: None,
            own_level: None,
            far_level: None,
            volume: 100,
            notices: VecDeque::new(),
            suspicions: Vec::new(),
        }
    }
}

impl Status {
    /// Takes in what happened.
    pub(super) fn handle(&mut self, event: &Event) {
        self.handle_room(event);
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
            Event::Far { here } => {
                self.far_here = *here;
                self.unseal_if_apart();
            }
            Event::FarProps { paused, audiosend, videosend, holding, behind } => {
                let (paused, audiosend, videosend) = (*paused, *audiosend, *videosend);
                let (holding, behind) = (*holding, *behind);
                self.far_props = Some(FarProps { paused, audiosend, videosend, holding, behind });
                if paused || !audiosend {
                    // Nothing comes that would say so.
                    self.far_level = None;
                }
            }
            Event::Sealed { words } => {
                self.seal = Seal::Sealed { words: words.clone() };
                self.suspicions.clear();
            }
            Event::Unsealed => self.seal = Seal::Open,
            Event::Waiting { command, .. } => self.waits = Some(command.clone()),
            Event::Number { uid } => self.number = Some(uid.clone()),
            // Meeting anew does not undo it; who tampers may bring that about at once.
            Event::Suspicious { reason: Suspicion::Forged, message, hint } => {
                self.notice(message.clone(), Some(hint.clone()));
            }
            Event::Suspicious { reason: Suspicion::Silent, message, hint } => {
                self.suspect(message.clone(), hint.clone());
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
            Event::Tone { .. }
            | Event::Tones { .. }
            | Event::Picture { .. }
            | Event::Room { .. }
            | Event::Member { .. }
            | Event::MemberLevel { .. }
            | Event::MemberPicture { .. }
            | Event::Ended => {}
        }
    }

    /// Shows the safety words, or hides them; there are none before the two have met.
    pub(super) fn toggle_words(&mut self) {
        self.words_open = !self.words_open && matches!(self.seal, Seal::Sealed { .. });
    }

    /// Whether a call that ended so is tried again by itself.
    pub(super) fn retries(&self, ending: Ending) -> bool {
        self.seal != Seal::Open && ending.is_retried()
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

    fn suspect(&mut self, message: String, hint: String) {
        let notice = Notice { message, hint: Some(hint) };
        if !self.suspicions.contains(&notice) {
            self.suspicions.push(notice);
        }
    }

    /// A call goes on without the server; after it, the words of a far side that is not there are worth nothing.
    fn unseal_if_apart(&mut self) {
        if !self.far_here && self.call == CallState::Idle && self.seal != Seal::Open {
            (self.seal, self.words_open) = (Seal::Unmet, false);
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
        let ended = reason.map(|reason| Ended { reason, text: self.ending(reason, message) });
        match state {
            CallState::Idle => {
                (self.far_props, self.far_level) = (None, None);
                self.ended = ended.or(self.ended.take());
                self.unseal_if_apart();
            }
            // Why the try before came to nothing stays in sight during the next.
            CallState::Calling | CallState::Connecting => {
                self.ended = self.ended.take().filter(|ended| ended.reason.is_retried() && self.seal != Seal::Open);
            }
            CallState::Connected => self.ended = None,
            CallState::Reconnecting => {
                self.far_level = None;
                self.ended = ended;
            }
            CallState::Ending => {}
        }
    }
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
        status(events).headline().text
    }

    /// What the screen says of the gate, where the headline does not.
    fn gate(events: &[Event]) -> Option<String> {
        status(events).headline().gate
    }

    const JOINED: Event = Event::Line { state: LineState::Joined, retry_ms: None };
    const OFFLINE: Event = Event::Line { state: LineState::Offline, retry_ms: Some(250) };
    const TAKEN: Event = Event::Line { state: LineState::Taken, retry_ms: None };
    const HERE: Event = Event::Far { here: true };
    const GONE: Event = Event::Far { here: false };
    const UNPAUSED: Event = Event::Paused { paused: false };

    fn call(state: CallState) -> Event {
        Event::Call { state, reason: None, message: None }
    }

    fn because(state: CallState, reason: Ending) -> Event {
        Event::Call { state, reason: Some(reason), message: Some(reason.words("the other side")) }
    }

    fn lost(reason: Ending) -> Event {
        because(CallState::Reconnecting, reason)
    }

    fn sealed() -> Event {
        Event::Sealed { words: "lusab babad gutih tugad".into() }
    }

    #[test]
    fn the_headline_says_how_things_stand() {
        assert_eq!(headline(&[]), "connecting to the server …");
        assert_eq!(headline(&[JOINED]), "paused and ready — waiting for tim");
        assert_eq!(headline(&[JOINED, HERE]), "paused — press space to talk");
        assert_eq!(headline(&[JOINED, UNPAUSED]), "waiting for tim");
        assert_eq!(headline(&[JOINED, HERE, UNPAUSED, call(CallState::Calling)]), "calling tim …");
        assert_eq!(headline(&[JOINED, HERE, call(CallState::Calling)]), "paused — press space to talk");
        assert_eq!(headline(&[JOINED, HERE, UNPAUSED, call(CallState::Connected)]), "talking");
        assert_eq!(headline(&[JOINED, HERE, call(CallState::Connected)]), "paused — press space to talk");
        assert_eq!(headline(&[OFFLINE]), "no connection to the server — trying again");
        assert_eq!(headline(&[UNPAUSED, call(CallState::Connected), OFFLINE]), "talking");
        assert_eq!(headline(&[TAKEN]), "open on another machine — press t to try again");
        assert_eq!(headline(&[UNPAUSED, call(CallState::Connected), TAKEN]), "talking");
    }

    #[test]
    fn a_lost_connection_is_told_by_what_broke_it() {
        assert_eq!(headline(&[JOINED, call(CallState::Reconnecting)]), "connection lost — making a new one …");
        assert_eq!(headline(&[JOINED, lost(Ending::FarGone)]), "tim is gone — waiting for the line to come back");
        let back = "connection lost — making a new one …";
        assert_eq!(headline(&[JOINED, lost(Ending::FarGone), HERE]), back, "it is here again");
        let own = "connection lost — the call goes on when it is back";
        assert_eq!(headline(&[OFFLINE, lost(Ending::FarGone)]), own, "who is gone is not known here");
        assert_eq!(headline(&[JOINED, lost(Ending::FarClosed)]), "tim has left …");
    }

    #[test]
    fn an_open_gate_is_told_wherever_nothing_is_heard_yet() {
        let said = |then: &str| Some(format!("you are unpaused: you will be heard {then}"));
        assert_eq!(gate(&[JOINED]), None);
        assert_eq!(gate(&[JOINED, UNPAUSED]), said("as soon as tim is here"));
        assert_eq!(gate(&[UNPAUSED]), said("as soon as tim is here"));
        assert_eq!(gate(&[JOINED, UNPAUSED, lost(Ending::FarGone)]), said("as soon as it is back"));
        assert_eq!(gate(&[JOINED, UNPAUSED, lost(Ending::FarClosed)]), said("if tim comes right back"));
        assert_eq!(gate(&[OFFLINE, UNPAUSED, lost(Ending::FarGone)]), said("as soon as it is back"));
        assert_eq!(gate(&[JOINED, lost(Ending::FarGone)]).as_deref(), Some("you are paused"));
        assert_eq!(gate(&[JOINED, UNPAUSED, HERE, call(CallState::Connected)]), None);
    }

    #[test]
    fn an_open_gate_does_not_promise_a_microphone_that_is_muted_or_missing() {
        let muted = Event::Muted { microphone: true, camera: false };
        let said = gate(&[JOINED, UNPAUSED, muted, lost(Ending::FarGone)]);
        assert_eq!(said.as_deref(), Some("you are unpaused, but your microphone is muted"));
        let none = Event::Devices { microphone: None, camera: None, speaker: None, window: None };
        assert_eq!(gate(&[JOINED, UNPAUSED, none]).as_deref(), Some("you are unpaused, without a microphone"));
    }

    #[test]
    fn a_call_that_failed_is_seen_to_be_tried_again() {
        let failed = because(CallState::Idle, Ending::NoConnection);
        let tried = [JOINED, HERE, UNPAUSED, call(CallState::Calling), failed];
        assert_eq!(headline(&tried), "trying again in a moment …");
        let again = [&tried[..], &[call(CallState::Calling)]].concat();
        assert_eq!(headline(&again), "calling tim again …");
        assert!(status(&again).ended.unwrap().text.contains("no way through to tim"));
        let given_up = [&again[..], &[Event::Paused { paused: true }, tried[4].clone()]].concat();
        assert_eq!(headline(&given_up), "paused — press space to talk");
    }

    #[test]
    fn a_far_side_that_does_not_come_back_leaves_this_side_ready_and_paused() {
        let left = [JOINED, UNPAUSED, call(CallState::Connected), lost(Ending::FarClosed), GONE];
        let over = [Event::Paused { paused: true }, because(CallState::Idle, Ending::FarClosed)];
        let now = status(&[&left[..], &over].concat());
        assert_eq!(now.headline().text, "paused and ready — waiting for tim");
        assert_eq!((now.presence().as_str(), now.ended.unwrap().text.as_str()), ("tim is not here", "tim has left"));
    }

    #[test]
    fn a_muted_microphone_is_not_called_talking() {
        let muted = Event::Muted { microphone: true, camera: false };
        let said = headline(&[UNPAUSED, call(CallState::Connected), muted]);
        assert_eq!(said, "microphone muted — press m to be heard");
    }

    fn props(paused: bool, audiosend: bool) -> Event {
        Event::FarProps { paused, audiosend, videosend: true, holding: false, behind: 0 }
    }

    #[test]
    fn presence_says_what_the_other_side_does() {
        assert_eq!(status(&[]).presence(), "tim is not here");
        assert_eq!(status(&[HERE]).presence(), "tim is here");
        let connected = |props| status(&[HERE, props, call(CallState::Connected)]).presence();
        assert_eq!(connected(props(true, true)), "tim is here, paused");
        assert_eq!(connected(props(false, true)), "tim is here, talking");
        assert_eq!(connected(props(false, false)), "tim is here, sends no sound");
        assert_eq!(status(&[HERE, call(CallState::Connecting), props(false, true)]).presence(), "tim is here");
    }

    #[test]
    fn what_a_lost_side_last_said_of_itself_is_not_what_it_does() {
        let lost = status(&[HERE, props(false, true), GONE, call(CallState::Reconnecting)]);
        assert_eq!((lost.presence().as_str(), lost.is_far_here()), ("tim is out of reach", false));
    }

    #[test]
    fn what_is_heard_later_is_told_only_while_it_is_so() {
        let props = |holding, behind| {
            let props = Event::FarProps { paused: false, audiosend: true, videosend: true, holding, behind };
            status(&[call(CallState::Connected), props]).delays()
        };
        assert!(props(false, 0).is_empty());
        assert_eq!(props(false, 4), ["tim is 4 s behind"]);
        assert_eq!(props(true, 0), ["tim keeps what you say while speaking, and hears it afterwards"]);
        assert_eq!(props(true, 4).len(), 2);
    }

    #[test]
    fn the_seal_is_marked_from_the_meeting_until_the_two_are_apart() {
        assert_eq!(status(&[HERE]).seal_mark(), None);
        assert_eq!(status(&[sealed(), HERE]).seal_mark(), Some("sealed"));
        assert_eq!(status(&[sealed(), HERE, GONE]).seal_mark(), None);
        let call_goes_on = [sealed(), HERE, call(CallState::Connected), GONE];
        assert_eq!(status(&call_goes_on).seal_mark(), Some("sealed"), "without the server");
        let over = [&call_goes_on[..], &[call(CallState::Idle)]].concat();
        assert_eq!(status(&over).seal_mark(), None);
    }

    #[test]
    fn the_safety_words_are_those_of_the_last_meeting() {
        assert_eq!(status(&[HERE]).safety_words().0, None);
        let again = Event::Sealed { words: "new".into() };
        assert_eq!(status(&[sealed(), HERE, again]).safety_words().0, Some("new"));
    }

    #[test]
    fn a_silent_far_side_is_in_sight_until_it_has_proved_itself_and_a_forgery_longer() {
        let suspicious = |reason, message: &str| Event::Suspicious { reason, message: message.into(), hint: "".into() };
        let forged = suspicious(Suspicion::Forged, "forged");
        let silent = suspicious(Suspicion::Silent, "silent");
        let said = |events: &[Event]| {
            let Status { suspicions, notices, .. } = status(events);
            suspicions.into_iter().chain(notices).map(|notice| notice.message).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(said(&[forged.clone(), silent.clone(), forged.clone()]), "silent forged");
        assert_eq!(said(&[forged.clone(), silent, sealed(), forged]), "forged");
    }

    #[test]
    fn a_conversation_that_nobody_named_is_with_the_other_side() {
        let status = Status { name: "conversation 2".into(), ..status(&[JOINED, HERE]) };
        assert_eq!(status.presence(), "the other side is here");
    }

    #[test]
    fn the_last_ending_stays_until_the_next_call() {
        let last = |events: &[Event]| status(events).ended.map(|ended| ended.text);
        let ended = because(CallState::Idle, Ending::FarHungUp);
        assert_eq!(last(std::slice::from_ref(&ended)).as_deref(), Some("tim hung up"));
        assert_eq!(last(&[ended.clone(), call(CallState::Idle)]).as_deref(), Some("tim hung up"));
        assert_eq!(last(&[ended, call(CallState::Calling)]), None);
    }

    #[test]
    fn a_failure_is_told_in_its_own_words() {
        let why = Some("the encoder broke".to_owned());
        let ended = Event::Call { state: CallState::Idle, reason: Some(Ending::Failed), message: why.clone() };
        assert_eq!(status(&[ended]).ended.map(|ended| ended.text), why);
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
