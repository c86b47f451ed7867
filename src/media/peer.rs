//! One connection: a webrtcbin with its chains, from the first description to the teardown.
//!
//! Only it and what is below it name webrtcbin's signals. Their callbacks send an event, link or watch a pad, or set a property,
//! and nothing else: a state change or a wait in one of them would deadlock.

mod channel;
mod element;
mod exchange;
mod path;

use std::sync::{Arc, OnceLock};

use gstreamer::{self as gst, prelude::*};
use gstreamer_webrtc::{WebRTCICEGatheringState, WebRTCRTPTransceiver};

use super::{
    Event, Far, MediaError, Options, capture,
    description::{Layout, OFFERED, OFFERED_TO_STOCK, PayloadTypes, Section},
    devices::Ends,
    gate::{Devices, Passes},
    identity::Identity,
    playback,
    probe::{self, Flag},
    relay::Relays,
    report::{self, Reporter},
    sender::Sender as RtpSender,
};
use crate::{
    call::{Connection, MediaEvent},
    negotiation::Candidate,
    rt::Sender,
};
use channel::DataChannel;

/// How long after its time sound is played: as long as the jitter buffer may wait for what is missing.
const PLAYOUT_MS: u64 = element::LATENCY_MS as u64;

/// What a webrtcbin stands between.
#[derive(Debug)]
pub(super) struct Ways {
    /// Where sound and pictures come from.
    pub(super) senders: [RtpSender; 2],
    /// Where the far side's sound goes.
    pub(super) sound: gst::Pad,
    /// Where its pictures go.
    pub(super) picture: gst::Pad,
    /// Sinks in the same pipeline that may fail, by name, and the flags that let their streams pass.
    pub(super) outlets: Vec<(&'static str, Flag)>,
}

/// One connection, connected or not yet.
#[derive(Debug)]
pub(super) struct Peer {
    pipeline: gst::Pipeline,
    webrtc: gst::Element,
    senders: [RtpSender; 2],
    /// Until the gate takes charge of them; none if they are not this connection's own.
    devices: Option<Devices>,
    channel: DataChannel,
    identity: Identity,
    far: Far,
    layout: Layout,
    /// Set once the far side takes what the sender sends; what is sent to nobody would be held for ever.
    taken: [Flag; 2],
    /// The media sections, once they are described.
    sections: Arc<OnceLock<Vec<Section>>>,
    /// How many candidates of the far side were taken.
    candidates: u32,
    reporter: Reporter,
    relays: Relays,
}

impl Peer {
    /// A connection with devices of its own: makes everything that does not depend on who offers, elements, chains and
    /// pads. No device is opened, no packet sent.
    pub(super) fn new(
        options: &Options,
        ends: &Ends,
        passes: &Passes,
        events: &Sender<Event>,
    ) -> Result<Self, MediaError> {
        Self::laid_out(options, Layout::OFFERED, ends, passes, events)
    }

    /// The same for an answer to an offer of this layout.
    pub(super) fn laid_out(
        options: &Options,
        layout: Layout,
        ends: &Ends,
        passes: &Passes,
        events: &Sender<Event>,
    ) -> Result<Self, MediaError> {
        let pipeline = new_pipeline();
        // Before the connection stands nothing is sent: it would pile up and go out in one burst.
        let connected = Flag::default();
        let (devices, ways) = make_chains(&pipeline, ends, passes, &connected, events)?;
        let mut peer = Self::around(options, layout, pipeline, ways, connected, Reporter::new(events.clone()))?;
        peer.devices = Some(devices);
        Ok(peer)
    }

    /// A connection that shares its devices with others, laid out as this, and timed as a pipeline of this base time.
    ///
    /// `make` is given its pipeline, a flag that is set while it stands, and what tells what happens on it.
    pub(super) fn sharing(
        options: &Options,
        layout: Layout,
        base_time: gst::ClockTime,
        events: &Sender<Event>,
        make: impl FnOnce(&gst::Pipeline, &Flag, &Reporter) -> Result<Ways, MediaError>,
    ) -> Result<Self, MediaError> {
        let pipeline = new_pipeline();
        pipeline.set_start_time(gst::ClockTime::NONE);
        pipeline.set_base_time(base_time);
        let connected = Flag::default();
        let reporter = Reporter::new(events.clone());
        let ways = make(&pipeline, &connected, &reporter)?;
        Self::around(options, layout, pipeline, ways, connected, reporter)
    }

    fn around(
        options: &Options,
        layout: Layout,
        pipeline: gst::Pipeline,
        ways: Ways,
        connected: Flag,
        reporter: Reporter,
    ) -> Result<Self, MediaError> {
        let webrtc = element::webrtcbin(options)?;
        let identity = Identity::default();
        webrtc.downcast_ref::<gst::Bin>().into_iter().for_each(|bin| identity.watch(bin));
        pipeline.add(&webrtc)?;
        let Ways { senders, sound, picture, outlets } = ways;
        let peer = Self {
            pipeline,
            webrtc,
            senders,
            devices: None,
            channel: DataChannel::default(),
            identity,
            far: options.far,
            layout,
            taken: Default::default(),
            sections: Arc::default(),
            candidates: 0,
            relays: Relays::new(reporter.clone()),
            reporter,
        };
        peer.use_also(options.stun.as_deref(), options.turn.iter().map(String::as_str));
        peer.set_state(gst::State::Ready)?;
        peer.link_senders()?;
        peer.listen(connected, &picture);
        peer.link_receivers(&sound, &picture);
        report::listen(&peer.pipeline, &peer.reporter, outlets);
        peer.set_state(gst::State::Playing)?;
        Ok(peer)
    }

    /// Gives it to a call, as this connection.
    pub(super) fn assign(&self, connection: Connection) {
        self.reporter.assign(connection);
    }

    /// What of it is to be put behind the gate; once.
    pub(super) fn take_devices(&mut self) -> Option<Devices> {
        self.devices.take()
    }

    /// The devices, as long as they are not taken.
    #[cfg(test)]
    pub(super) fn devices(&self) -> Option<&Devices> {
        self.devices.as_ref()
    }

    /// How many elements of this kind it has, at any depth.
    #[cfg(test)]
    pub(super) fn count(&self, factory: &str) -> usize {
        self.pipeline.iterate_all_by_element_factory_name(factory).into_iter().count()
    }

    /// Which connection of a call it is, if a call has it.
    pub(super) fn connection(&self) -> Option<&Connection> {
        self.reporter.connection()
    }

    /// Says something on the data channel; nothing, if it is not open.
    pub(super) fn send_data(&self, text: &str) {
        self.channel.send(text);
    }

    /// Has it look for ways by these servers too, as long as it has not begun to.
    pub(super) fn use_also<'a>(&self, stun: Option<&str>, turn: impl Iterator<Item = &'a str>) {
        element::use_servers(&self.webrtc, &self.relays, stun, turn);
    }

    fn link_senders(&self) -> Result<(), MediaError> {
        self.set_payload_types(if self.far == Far::Stock { OFFERED_TO_STOCK } else { OFFERED });
        let sinks: Vec<_> =
            self.layout.places().into_iter().map(|place| place.map(|at| format!("sink_{at}"))).collect();
        // In the order of the sections, in which webrtcbin counts its transceivers.
        let mut wanted: Vec<_> = self.senders.iter().zip(sinks).zip(&self.taken).collect();
        wanted.sort_by(|((_, one), _), ((_, other), _)| one.cmp(other));
        for ((chain, name), taken) in wanted {
            let pad = chain.pad()?;
            probe::pass_while(&pad, vec![taken.clone()]);
            let Some(name) = name else { continue };
            let sink = self.webrtc.request_pad_simple(&name);
            let sink = sink.ok_or_else(|| MediaError::Setup(format!("webrtcbin gives no {name}")))?;
            pad.link(&sink).map_err(|error| MediaError::Setup(format!("{name}: {error}")))?;
        }
        self.set_retransmission(true);
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "webrtcbin's actions are signals")]
    fn set_retransmission(&self, on: bool) {
        // Transceivers count in the order of their sections.
        let at = match self.layout {
            Layout { picture: None, .. } => return,
            Layout { sound: Some(sound), picture: Some(picture) } => i32::from(sound < picture),
            Layout { sound: None, picture: Some(_) } => 0,
        };
        if let Some(video) = self.webrtc.emit_by_name::<Option<WebRTCRTPTransceiver>>("get-transceiver", &[&at]) {
            video.set_property("do-nack", on);
        }
    }

    fn set_payload_types(&self, types: PayloadTypes) {
        for (chain, payload) in self.senders.iter().zip([types.opus, types.vp8]) {
            chain.set_payload_type(payload);
        }
    }

    fn listen(&self, connected: Flag, picture: &gst::Pad) {
        let (reporter, sections, relays) = (self.reporter.clone(), Arc::clone(&self.sections), self.relays.clone());
        self.webrtc.connect("on-ice-candidate", false, move |values| {
            let m_line_index = values.get(1)?.get::<u32>().ok()?;
            let candidate = values.get(2)?.get::<String>().ok()?;
            let section = sections.get().and_then(|sections| sections.get(usize::try_from(m_line_index).ok()?));
            let mid = section.map(|section| section.mid.clone());
            let candidate = Candidate { candidate, mid, m_line_index };
            relays.found(&candidate);
            reporter.tell(MediaEvent::Candidate(candidate));
            None
        });
        let relays = self.relays.clone();
        self.webrtc.connect_notify(Some("ice-gathering-state"), move |webrtc, _| {
            let state = webrtc.property::<WebRTCICEGatheringState>("ice-gathering-state");
            if state == WebRTCICEGatheringState::Complete {
                relays.all_found();
            }
        });
        path::watch(&self.webrtc, &self.reporter, &self.identity, connected, picture);
        // Nobody listens to what a stock peer says there.
        if self.far == Far::Twocan {
            self.channel.take_offered(&self.webrtc, &self.reporter, &self.identity);
        }
    }

    fn link_receivers(&self, sound: &gst::Pad, picture: &gst::Pad) {
        let (sound, picture) = (sound.downgrade(), picture.downgrade());
        self.webrtc.connect_pad_added(move |_, pad| {
            if pad.direction() != gst::PadDirection::Src {
                return;
            }
            let entry = match media_of(pad).as_deref() {
                Some("audio") => sound.upgrade(),
                Some("video") => picture.upgrade(),
                _ => None,
            };
            let linked = entry.is_some_and(|entry| !entry.is_linked() && pad.link(&entry).is_ok());
            if !linked {
                // Refused instead of dropped, it would stop the whole transport.
                probe::pass_while(pad, vec![Flag::default()]);
            }
        });
    }

    fn set_state(&self, state: gst::State) -> Result<(), MediaError> {
        self.pipeline.set_state(state).map(drop).map_err(|error| MediaError::Setup(format!("{state:?}: {error}")))
    }
}

impl Drop for Peer {
    /// Tears the connection down; the gate must have let go of its devices before. Takes some 15 ms.
    fn drop(&mut self) {
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
        let _ = self.set_state(gst::State::Null);
    }
}

fn new_pipeline() -> gst::Pipeline {
    let pipeline = gst::Pipeline::new();
    // A device as clock would stop when the gate closes it.
    pipeline.use_clock(Some(&gst::SystemClock::obtain()));
    // Left to itself it would let the speaker wait for what is slowest in the whole pipeline: the own camera's encoder.
    pipeline.set_latency(gst::ClockTime::from_mseconds(PLAYOUT_MS));
    pipeline
}

fn make_chains(
    pipeline: &gst::Pipeline,
    ends: &Ends,
    passes: &Passes,
    connected: &Flag,
    events: &Sender<Event>,
) -> Result<(Devices, Ways), MediaError> {
    // Of who has not proved to be the far side nothing is played.
    let receiving = || vec![passes.open.clone(), connected.clone()];
    let microphone = capture::Chain::sound(pipeline, ends.microphone.as_ref(), passes, connected)?;
    let camera = capture::Chain::picture(pipeline, ends.camera.as_ref(), passes, connected)?;
    let senders = [RtpSender::sound(pipeline, &microphone.encoder)?, RtpSender::picture(pipeline, &camera.encoder)?];
    let (speaker, sound) = playback::Chain::sound(pipeline, ends.speaker.as_ref(), receiving(), events)?;
    let (window, picture) = playback::Chain::picture(pipeline, ends.window.as_ref(), receiving(), events)?;
    let outlets = vec![("speaker", speaker.ready.clone()), ("window", window.ready.clone())];
    let devices = Devices { pipeline: pipeline.downgrade(), microphone, camera, speaker, window };
    Ok((devices, Ways { senders, sound, picture, outlets }))
}

fn media_of(pad: &gst::Pad) -> Option<String> {
    pad.current_caps()?.structure(0)?.get::<String>("media").ok()
}
