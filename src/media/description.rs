//! What webrtcbin's descriptions say that somebody has to know.

use gstreamer_sdp::{SDPMessage, SDPMessageRef};

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
pub(super) fn parse(sdp: &Sdp) -> Result<SDPMessage, MediaError> {
    SDPMessage::parse_buffer(sdp.as_str().as_bytes())
        .map_err(|error| MediaError::Negotiation(error.message.to_string()))
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
