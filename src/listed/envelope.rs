//! What a call says, in the details of Workrooms' events, and what people are called there.

use serde_json::{Map, Value, json};

use crate::{
    foreign,
    ids::Callid,
    negotiation::{Candidate, Message, Sdp, SdpType},
    workrooms::{Found, Profiles, Signal, SignalKind},
};

/// A message as the detail of an event: the fields of a browser's description, or candidate, and the call's id.
pub(super) fn seal(callid: Callid, message: Message) -> Signal {
    let (kind, detail) = match message {
        Message::Description(SdpType::Offer, sdp) => (SignalKind::Offer, json!({ "type": "offer", "sdp": sdp })),
        Message::Description(SdpType::Answer, sdp) => (SignalKind::Answer, json!({ "type": "answer", "sdp": sdp })),
        Message::Candidate(candidate) => (SignalKind::Ice, json!(candidate)),
    };
    let members = if let Value::Object(members) = detail { members } else { Map::new() };
    Signal::new(kind, callid, members)
}

/// The message in the detail of an event; some clients have its fields a level deeper, under `sdp`, `ice` or `candidate`.
pub(super) fn open(signal: &Signal) -> Option<Message> {
    let detail: Value = serde_json::from_str(signal.detail()).ok()?;
    match signal.kind {
        SignalKind::Offer => Some(Message::Description(SdpType::Offer, description(&detail)?)),
        SignalKind::Answer => Some(Message::Description(SdpType::Answer, description(&detail)?)),
        SignalKind::Ice => {
            let fields = ["ice", "candidate"].into_iter().map(|key| &detail[key]).find(|inner| inner.is_object());
            serde_json::from_value::<Candidate>(fields.unwrap_or(&detail).clone()).ok().map(Message::Candidate)
        }
    }
}

fn description(detail: &Value) -> Option<Sdp> {
    let text = detail["sdp"].as_str().or_else(|| detail["sdp"]["sdp"].as_str())?;
    Sdp::try_from(text.to_owned()).ok()
}

/// What to call somebody, fit to be shown: the name, or else the login, or else the id of the session.
pub(super) fn name(found: &Found) -> String {
    given_name(&found.profiles).unwrap_or_else(|| foreign::shown(found.session.as_str(), foreign::NAME))
}

/// The name that somebody gives, or else the login, fit to be shown.
pub(super) fn given_name(profiles: &Profiles) -> Option<String> {
    let of_source = profiles.names().find_map(|(_, names)| names.name.or(names.login));
    of_source.map(|name| foreign::shown(&name, foreign::NAME))
}

/// Whether somebody's name or login is exactly this, but for case.
pub(super) fn goes_by(found: &Found, search: &str) -> bool {
    let wanted = search.trim().to_lowercase();
    let is_it = |text: Option<String>| text.is_some_and(|text| text.to_lowercase() == wanted);
    found.profiles.names().any(|(_, names)| is_it(names.name) || is_it(names.login))
}
