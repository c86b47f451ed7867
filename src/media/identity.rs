//! Whether who is at the other end is who the far side's description names.
//!
//! webrtcbin 1.22 takes whatever certificate it is shown: who sits on the way could take the far side's place.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use data_encoding::{BASE64, HEXUPPER};
use gstreamer::{self as gst, prelude::*};
use gstreamer_sdp::SDPMessageRef;
use sha2::{Digest, Sha256};

use super::MediaError;

/// The SHA-256 of a certificate.
type Fingerprint = [u8; 32];

/// What the far side is to show, and where it shows it.
#[derive(Debug, Clone, Default)]
pub(super) struct Identity {
    named: Arc<OnceLock<Fingerprint>>,
    /// The elements that shake hands with the far side; one, as all travels together.
    doors: Arc<Mutex<Vec<gst::glib::WeakRef<gst::Element>>>>,
}

impl Identity {
    /// Takes note of whom a description names; before it is taken.
    ///
    /// Errors: nobody, or more than one.
    pub(super) fn expect(&self, description: &SDPMessageRef) -> Result<(), MediaError> {
        let named = named(description).ok_or_else(|| MediaError::Negotiation("no one fingerprint is named".into()))?;
        let expected = self.named.get_or_init(|| named);
        if *expected == named { Ok(()) } else { Err(MediaError::Negotiation("another fingerprint than before".into())) }
    }

    /// Watches what is made in `webrtc` from now on.
    pub(super) fn watch(&self, webrtc: &gst::Bin) {
        let doors = Arc::clone(&self.doors);
        webrtc.connect_deep_element_added(move |_, _, element| {
            if element.factory().is_some_and(|factory| factory.name() == "dtlsdec") {
                doors.lock().unwrap_or_else(PoisonError::into_inner).push(element.downgrade());
            }
        });
    }

    /// Whether every certificate that was shown is the one that was named, and one was.
    pub(super) fn is_proved(&self) -> bool {
        // Asked without the lock: an element has locks of its own.
        let doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let doors = doors.iter().filter_map(gst::glib::WeakRef::upgrade);
        let shown: Vec<String> = doors.filter_map(|door| door.property::<Option<String>>("peer-pem")).collect();
        !shown.is_empty() && shown.iter().all(|pem| fingerprint(pem).is_some_and(|it| self.named.get() == Some(&it)))
    }
}

/// The one fingerprint of a description, however often it stands there.
fn named(description: &SDPMessageRef) -> Option<Fingerprint> {
    let sections = description.medias().flat_map(|media| media.attributes());
    let mut all = description.attributes().chain(sections).filter(|attribute| attribute.key() == "fingerprint");
    let first = parse(all.next()?.value()?)?;
    all.all(|other| other.value().and_then(parse) == Some(first)).then_some(first)
}

/// Reads `sha-256 AB:CD:…`.
fn parse(text: &str) -> Option<Fingerprint> {
    let (hash, digits) = text.split_once(' ')?;
    let digits = digits.trim().replace(':', "").to_ascii_uppercase();
    let bytes = HEXUPPER.decode(digits.as_bytes()).ok()?;
    hash.eq_ignore_ascii_case("sha-256").then(|| bytes.try_into().ok()).flatten()
}

/// The fingerprint of a certificate in PEM.
fn fingerprint(pem: &str) -> Option<Fingerprint> {
    let inside = pem.split_once("-----BEGIN CERTIFICATE-----")?.1.split_once("-----END CERTIFICATE-----")?.0;
    let text: String = inside.split_ascii_whitespace().collect();
    Some(Sha256::digest(BASE64.decode(text.as_bytes()).ok()?).into())
}

#[cfg(test)]
mod tests {
    use gstreamer_sdp::SDPMessage;

    use super::*;

    /// What is inside says `abc`, whose hash every implementation of SHA-256 is tried by.
    const PEM: &str = "-----BEGIN CERTIFICATE-----\nYW\nJj\n-----END CERTIFICATE-----\n";
    const ABC: &str = "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD";

    fn named_in(lines: &[&str]) -> Option<Fingerprint> {
        gst::init().expect("GStreamer");
        let head = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n";
        let text = lines.iter().fold(head.to_owned(), |text, line| text + line + "\r\n");
        named(&SDPMessage::parse_buffer(text.as_bytes()).expect("SDP"))
    }

    #[test]
    fn a_description_names_one_fingerprint_wherever_it_stands() {
        let (line, media) = (format!("a=fingerprint:sha-256 {ABC}"), "m=audio 9 UDP/TLS/RTP/SAVPF 111");
        let small = format!("a=fingerprint:SHA-256 {}", ABC.to_ascii_lowercase());
        let expected = fingerprint(PEM);
        assert!(expected.is_some());
        let (line, small) = (line.as_str(), small.as_str());
        for lines in [&[line][..], &[media, line], &[line, media, small, media, line]] {
            assert_eq!(named_in(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn none_several_and_weaker_ones_are_refused() {
        let line = format!("a=fingerprint:sha-256 {ABC}");
        let other = line.replace("BA:78", "BA:79");
        let weak = "a=fingerprint:sha-1 BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3";
        let short = &line[..line.len() - 3];
        let (line, other) = (line.as_str(), other.as_str());
        for lines in [&[][..], &[line, other], &[weak], &[line, weak], &[short], &["a=fingerprint:x"]] {
            assert_eq!(named_in(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn who_has_shown_nothing_has_proved_nothing() {
        assert!(!Identity::default().is_proved());
        assert_eq!(fingerprint("no certificate"), None);
    }
}
