//! What the two sides tell each other of a connection: descriptions and candidates.

use std::{sync::mpsc, time::Duration};

use gstreamer::{self as gst, glib, prelude::*};
use gstreamer_sdp::{SDPMessage, SDPMessageRef};
use gstreamer_webrtc::{WebRTCBundlePolicy, WebRTCSDPType, WebRTCSessionDescription};

use super::Peer;
use crate::{
    call::MediaEvent,
    media::{
        Far, MediaError,
        description::{is_grouped, is_taken, parse, payload_types, sections, take_candidates, with_alternative},
    },
    negotiation::{Candidate, Sdp, SdpType},
};

/// How long webrtcbin may think about a description: 5 s; it needs 10 ms.
const NEGOTIATION_LIMIT: Duration = Duration::from_secs(5);
/// Candidates of the far side that are taken in one call: 64; a browser with four addresses sends a dozen.
const CANDIDATES: u32 = 64;

impl Peer {
    /// Makes an offer, tells it, and begins to look for ways to the far side.
    pub(in crate::media) fn offer(&self) -> Result<(), MediaError> {
        if self.far == Far::Twocan {
            self.channel.create(&self.webrtc, &self.reporter, &self.identity)?;
        } else {
            self.offer_unbundled();
        }
        self.describe(SdpType::Offer)
    }

    /// Answers an offer, with its payload types.
    pub(in crate::media) fn answer(&mut self, offer: &Sdp) -> Result<(), MediaError> {
        let offer = parse(offer, self.far)?;
        self.set_payload_types(payload_types(&offer));
        self.set_remote(WebRTCSDPType::Offer, offer)?;
        self.describe(SdpType::Answer)
    }

    /// Takes the answer to the own offer.
    ///
    /// Errors: it is none, or answers another offer.
    pub(in crate::media) fn take_answer(&mut self, answer: &Sdp) -> Result<(), MediaError> {
        let answer = parse(answer, self.far)?;
        if self.sections.get() != Some(&sections(&answer)) || (self.far == Far::Stock && is_grouped(&answer)) {
            return Err(MediaError::Negotiation("the other side's answer does not fit the offer".into()));
        }
        if self.far == Far::Stock {
            self.set_payload_types(payload_types(&answer));
        }
        self.note_taken(&answer, ["sendrecv", "recvonly"]);
        self.set_remote(WebRTCSDPType::Answer, answer)
    }

    /// Takes one of the far side's candidates, unless it is empty or hidden behind a name.
    pub(in crate::media) fn add_candidate(&mut self, candidate: &Candidate) {
        if !candidate.candidate.is_empty() && !candidate.is_mdns() && self.candidates < CANDIDATES {
            self.candidates += 1;
            self.signal("add-ice-candidate", &[&candidate.m_line_index, &candidate.candidate]);
        }
    }

    /// Offers every section by itself.
    ///
    /// The examples' own default answers nothing else: to a bundle it sends no sound, or nothing at all. Lost pictures are
    /// not sent again then: webrtcbin 1.22 would give the number for that to two codecs, which browsers refuse.
    fn offer_unbundled(&self) {
        self.webrtc.set_property("bundle-policy", WebRTCBundlePolicy::None);
        self.set_retransmission(false);
    }

    fn describe(&self, kind: SdpType) -> Result<(), MediaError> {
        let (signal, field) = match kind {
            SdpType::Offer => ("create-offer", "offer"),
            SdpType::Answer => ("create-answer", "answer"),
        };
        let reply = self.negotiate(signal, &[&None::<gst::Structure>])?;
        let description = reply
            .and_then(|reply| reply.get::<WebRTCSessionDescription>(field).ok())
            .ok_or_else(|| MediaError::Negotiation(format!("no {field} was made")))?;
        let _ = self.sections.set(sections(description.sdp()));
        if kind == SdpType::Answer {
            self.note_taken(description.sdp(), ["sendrecv", "sendonly"]);
        }
        let text = description.sdp().as_text().map_err(|error| MediaError::Negotiation(error.message.to_string()))?;
        let is_for_stock = (kind, self.far) == (SdpType::Offer, Far::Stock);
        let text = if is_for_stock { with_alternative(&text) } else { text.to_string() };
        let sdp = Sdp::try_from(text).map_err(|error| MediaError::Negotiation(error.to_string()))?;
        // Told first: candidates follow from the moment that it is set.
        self.reporter.tell(MediaEvent::Described(kind, sdp));
        self.negotiate("set-local-description", &[&description]).map(drop)
    }

    /// Takes note of what is to be sent: what an answer has going that way.
    fn note_taken(&self, answer: &SDPMessageRef, ways: [&str; 2]) {
        let taken = is_taken(answer, self.layout, ways);
        self.taken.iter().zip(taken).for_each(|(flag, taken)| flag.set(taken));
    }

    fn set_remote(&mut self, kind: WebRTCSDPType, mut sdp: SDPMessage) -> Result<(), MediaError> {
        self.identity.expect(&sdp)?;
        // webrtcbin would take them all, and look up names.
        let candidates = take_candidates(&mut sdp);
        let description = WebRTCSessionDescription::new(kind, sdp);
        self.negotiate("set-remote-description", &[&description])?;
        candidates.iter().for_each(|candidate| self.add_candidate(candidate));
        Ok(())
    }

    /// Emits a signal that replies by a promise, and waits for the reply.
    fn negotiate(
        &self,
        signal: &'static str,
        arguments: &[&dyn ToValue],
    ) -> Result<Option<gst::Structure>, MediaError> {
        let (sender, receiver) = mpsc::channel();
        let promise = gst::Promise::with_change_func(move |reply| {
            let reply = reply.map(|reply| reply.map(|reply| reply.to_owned()));
            let _ = sender.send(reply);
        });
        let mut arguments = arguments.to_vec();
        arguments.push(&promise);
        self.signal(signal, &arguments);
        let failed = |why: String| MediaError::Negotiation(format!("{signal}: {why}"));
        let reply = receiver.recv_timeout(NEGOTIATION_LIMIT).map_err(|_| failed("no reply".into()))?;
        let reply = reply.map_err(|error| failed(format!("{error:?}")))?;
        match reply.as_ref().and_then(|reply| reply.get::<glib::Error>("error").ok()) {
            Some(error) => Err(failed(error.message().to_owned())),
            None => Ok(reply),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "webrtcbin's actions are signals")]
    fn signal(&self, name: &'static str, arguments: &[&dyn ToValue]) {
        self.webrtc.emit_by_name::<()>(name, arguments);
    }
}
