//! What webrtcbin's descriptions say that somebody has to know.

use gstreamer_sdp::{SDPMediaRef, SDPMessage, SDPMessageRef};

use super::MediaError;
use crate::negotiation::Sdp;

/// The payload types that are offered; an answer keeps to the offer's.
pub(super) const OFFERED: PayloadTypes = PayloadTypes { opus: 111, vp8: 96 };

/// The numbers that stand for the codecs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PayloadTypes {
    pub(super) opus: u8,
    pub(super) vp8: u8,
}

/// The description as GStreamer takes it.
///
/// Errors: it is none, or one over which webrtcbin would end the whole program.
pub(super) fn parse(sdp: &Sdp) -> Result<SDPMessage, MediaError> {
    let message = SDPMessage::parse_buffer(sdp.as_str().as_bytes())
        .map_err(|error| MediaError::Negotiation(error.message.to_string()))?;
    if has_our_sections(&message) && is_one_bundle(&message) && message.medias().all(has_direction) {
        Ok(message)
    } else {
        Err(MediaError::Negotiation("the description is not one bundle of sound, picture and data".into()))
    }
}

/// Whether there are the sections that any two twocans agree on, the first of them, which carries all, not refused.
fn has_our_sections(message: &SDPMessageRef) -> bool {
    let kinds = message.medias().map(|media| media.media());
    let is_carried = message.medias().next().is_some_and(|media| media.port() != 0);
    let kinds: Vec<&str> = kinds.flatten().collect();
    // In a room there is no data channel.
    is_carried && matches!(kinds[..], ["audio", "video", "application"] | ["audio", "video"])
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

/// The identification tag of each media section.
pub(super) fn mids(description: &SDPMessageRef) -> Vec<String> {
    description.medias().map(|media| media.attribute_val("mid").unwrap_or_default().to_owned()).collect()
}

/// Whether a number can stand for a codec: seven bits, and none that RTCP on the same port would be taken for.
///
/// Source: RFC 5761, section 4.
fn is_payload_type(number: &u8) -> bool {
    matches!(number, 0..=63 | 96..=127)
}

/// The payload types of Opus and VP8 in an offer; ours, where it names none.
pub(super) fn payload_types(offer: &SDPMessage) -> PayloadTypes {
    let find = |codec: &str| {
        let maps = offer.medias().flat_map(|media| media.attributes()).filter(|attribute| attribute.key() == "rtpmap");
        maps.filter_map(|map| {
            let (payload, name) = map.value()?.split_once(' ')?;
            let payload = payload.parse().ok().filter(is_payload_type)?;
            name.to_ascii_lowercase().starts_with(codec).then_some(payload)
        })
        .next()
    };
    PayloadTypes { opus: find("opus/48000").unwrap_or(OFFERED.opus), vp8: find("vp8/90000").unwrap_or(OFFERED.vp8) }
}

#[cfg(test)]
mod tests;
