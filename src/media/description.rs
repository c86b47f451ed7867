//! What webrtcbin's descriptions say that somebody has to know.

use gstreamer_sdp::{SDPMediaRef, SDPMessage, SDPMessageRef};

use super::{Far, MediaError};
use crate::negotiation::{Candidate, Sdp};

/// The payload types that are offered; an answer keeps to the offer's.
pub(super) const OFFERED: PayloadTypes = PayloadTypes { opus: 111, vp8: 96 };

/// What is offered to peers of any make, first the numbers that are sent by unless the answer has another.
///
/// An old stock client sends nothing where an offer lacks its own fixed number: 97 for Opus, 96 in a room; 96 for VP8.
/// Source: the examples of GStreamer.
pub(super) const OFFERED_TO_STOCK: PayloadTypes = PayloadTypes { opus: 97, vp8: 96 };
/// The other number for Opus.
const OPUS_IN_ROOMS: u8 = 96;

/// The offer with the other number for Opus in it, too; its section does not share its transport.
pub(super) fn with_alternative(offer: &str) -> String {
    let (first, other) = (OFFERED_TO_STOCK.opus, OPUS_IN_ROOMS);
    let lines = offer.lines().map(|line| {
        if line.starts_with("m=audio ") && line.ends_with(&format!(" {first}")) {
            format!("{line} {other}\r\n")
        } else if let Some(format) = line.strip_prefix(&format!("a=rtpmap:{first} ")) {
            format!("{line}\r\na=rtpmap:{other} {format}\r\n")
        } else {
            format!("{line}\r\n")
        }
    });
    lines.collect()
}

/// The numbers that stand for the codecs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PayloadTypes {
    pub(super) opus: u8,
    pub(super) vp8: u8,
}

/// Which sections sound and pictures have, by their place in a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) sound: Option<u32>,
    pub(super) picture: Option<u32>,
}

impl Layout {
    /// What this side offers.
    pub(super) const OFFERED: Self = Self { sound: Some(0), picture: Some(1) };

    /// The place of each, sound first.
    pub(super) fn places(self) -> [Option<u32>; 2] {
        [self.sound, self.picture]
    }
}

/// The description as GStreamer takes it.
///
/// Errors: it is none, or one over which webrtcbin would end the whole program.
pub(super) fn parse(sdp: &Sdp, far: Far) -> Result<SDPMessage, MediaError> {
    let message = SDPMessage::parse_buffer(sdp.as_str().as_bytes())
        .map_err(|error| MediaError::Negotiation(error.message.to_string()))?;
    let (is_known, what) = match far {
        Far::Twocan => (has_our_sections(&message) && is_one_bundle(&message), "one bundle of sound, picture and data"),
        Far::Stock => (
            has_usual_sections(&message) && (is_one_bundle(&message) || is_unbundled(&message)),
            "sound and picture, each at most once",
        ),
    };
    if is_known && message.medias().all(has_direction) {
        Ok(message)
    } else {
        Err(MediaError::Negotiation(format!("the other side's description is not {what}")))
    }
}

/// Where sound and pictures stand in it.
pub(super) fn layout(message: &SDPMessageRef) -> Layout {
    let place = |kind| {
        let at = message.medias().position(|media| media.media() == Some(kind))?;
        u32::try_from(at).ok()
    };
    Layout { sound: place("audio"), picture: place("video") }
}

/// Whether the far side takes sound, and pictures, as this answer has it, its own or this side's.
pub(super) fn is_taken(message: &SDPMessageRef, layout: Layout, ways: [&str; 2]) -> [bool; 2] {
    layout.places().map(|place| {
        let media = place.and_then(|place| message.media(place));
        media.is_some_and(|media| media.port() != 0 && ways.iter().any(|way| media.attribute_val(way).is_some()))
    })
}

/// Whether there are the sections that any two twocans agree on, the first of them, which carries all, not refused.
fn has_our_sections(message: &SDPMessageRef) -> bool {
    let kinds = message.medias().map(|media| media.media());
    let is_carried = message.medias().next().is_some_and(|media| media.port() != 0);
    is_carried && kinds.eq([Some("audio"), Some("video"), Some("application")])
}

/// Whether there are sound, pictures or both, and perhaps data, each at most once, and the first not refused.
fn has_usual_sections(message: &SDPMessageRef) -> bool {
    let kinds: Vec<_> = message.medias().map(|media| media.media().unwrap_or_default()).collect();
    let is_usual = |kind: &&str| matches!(*kind, "audio" | "video" | "application");
    let are_single = kinds.iter().enumerate().all(|(at, kind)| !kinds[..at].contains(kind));
    let is_carried = message.medias().next().is_some_and(|media| media.port() != 0);
    is_carried && are_single && kinds.iter().all(is_usual) && kinds.iter().any(|kind| *kind != "application")
}

/// Whether each section travels by itself, under a tag of its own.
fn is_unbundled(message: &SDPMessageRef) -> bool {
    let mids = mids(message);
    let are_unique = mids.iter().enumerate().all(|(at, mid)| !mid.is_empty() && !mids[..at].contains(mid));
    are_unique && !is_grouped(message)
}

/// Whether all sections travel together and are named in their order, each by a tag of its own, as two twocans have it.
///
/// Otherwise webrtcbin 1.22 may look for the transport of one where there is none, and assert that it finds it.
fn is_one_bundle(message: &SDPMessageRef) -> bool {
    let mids = mids(message);
    let mut groups = message.attributes().filter(|attribute| attribute.key() == "group");
    let bundle = groups.next().and_then(|group| group.value()?.strip_prefix("BUNDLE "));
    let are_unique = mids.iter().enumerate().all(|(at, mid)| !mid.is_empty() && !mids[..at].contains(mid));
    let are_bundled = bundle.is_some_and(|bundle| bundle.split(' ').eq(mids.iter().map(String::as_str)));
    are_unique && are_bundled && groups.next().is_none()
}

/// Whether it is said once which way sound or pictures go; data goes both ways.
///
/// Without a word it should be both ways, but webrtcbin 1.22 then has no way, and asserts that it has one.
fn has_direction(media: &SDPMediaRef) -> bool {
    let is_direction = |key: &str| matches!(key, "sendrecv" | "sendonly" | "recvonly" | "inactive");
    let said = media.attributes().filter(|attribute| is_direction(attribute.key())).count();
    said == 1 || media.media() == Some("application")
}

/// A media section: what it carries, and its identification tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    kind: String,
    pub(super) mid: String,
}

/// The sections of a description in their order, which an answer has to keep.
pub(super) fn sections(description: &SDPMessageRef) -> Vec<Section> {
    let kinds = description.medias().map(|media| media.media().unwrap_or_default().to_owned());
    kinds.zip(mids(description)).map(|(kind, mid)| Section { kind, mid }).collect()
}

/// Whether sections of it are to share their transport.
pub(super) fn is_grouped(description: &SDPMessageRef) -> bool {
    description.attributes().any(|attribute| attribute.key() == "group")
}

/// Takes the candidates out of a description, so that they can be taken one by one.
pub(super) fn take_candidates(description: &mut SDPMessageRef) -> Vec<Candidate> {
    let mut taken = Vec::new();
    for m_line_index in 0..description.medias_len() {
        let Some(media) = description.media_mut(m_line_index) else { continue };
        for at in (0..media.attributes_len()).rev() {
            let Some(attribute) = media.attribute(at).filter(|attribute| attribute.key() == "candidate") else {
                continue;
            };
            let candidate = format!("candidate:{}", attribute.value().unwrap_or_default());
            taken.push(Candidate { candidate, mid: None, m_line_index });
            let _ = media.remove_attribute(at);
        }
    }
    taken
}

/// The identification tag of each media section.
fn mids(description: &SDPMessageRef) -> Vec<String> {
    description.medias().map(|media| media.attribute_val("mid").unwrap_or_default().to_owned()).collect()
}

/// Whether a number can stand for a codec: seven bits, and none that RTCP on the same port would be taken for.
///
/// Source: RFC 5761, section 4.
fn is_payload_type(number: &u8) -> bool {
    matches!(number, 0..=63 | 96..=127)
}

/// The payload types of Opus and VP8 in a description; ours, where it names none.
pub(super) fn payload_types(offer: &SDPMessageRef) -> PayloadTypes {
    let find = |kind, codec: &str| {
        let media = offer.medias().find(|media| media.media() == Some(kind))?;
        let maps = media.attributes().filter(|attribute| attribute.key() == "rtpmap");
        maps.filter_map(|map| {
            let (payload, name) = map.value()?.split_once(' ')?;
            let payload = payload.parse().ok().filter(is_payload_type)?;
            name.to_ascii_lowercase().starts_with(codec).then_some(payload)
        })
        .next()
    };
    let opus = find("audio", "opus/48000").unwrap_or(OFFERED.opus);
    PayloadTypes { opus, vp8: find("video", "vp8/90000").unwrap_or(OFFERED.vp8) }
}

#[cfg(test)]
mod tests;
