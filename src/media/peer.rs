//! One connection: a webrtcbin with its chains, from the first description to the teardown.
//!
//! The only file that names webrtcbin's signals. Their callbacks send an event, link or watch a pad, or set a property,
//! and nothing else: a state change or a wait in one of them would deadlock.

use std::{
    sync::{Arc, OnceLock, mpsc},
    time::Duration,
};

use gstreamer::{self as gst, glib, prelude::*};
use gstreamer_sdp::{SDPMessage, SDPMessageRef};
use gstreamer_webrtc::{
    WebRTCBundlePolicy, WebRTCDataChannel, WebRTCDataChannelState, WebRTCICEConnectionState, WebRTCICEGatheringState,
    WebRTCICETransportPolicy, WebRTCPeerConnectionState, WebRTCRTPTransceiver, WebRTCSDPType, WebRTCSessionDescription,
};

use super::{
    Event, Far, MediaError, Options, capture,
    description::{
        Layout, OFFERED, OFFERED_TO_STOCK, PayloadTypes, is_taken, mids, parse, payload_types, with_alternative,
    },
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
    negotiation::{Candidate, Sdp, SdpType},
    rt::Sender,
};

/// The jitter buffer's depth: 20 ms. webrtcbin's own default would hold the first packet for 200.
const LATENCY_MS: u32 = 20;
/// How long after its time sound is played: as long as the jitter buffer may wait for what is missing.
const PLAYOUT_MS: u64 = LATENCY_MS as u64;
/// How long webrtcbin may think about a description: 5 s; it needs 10 ms.
const NEGOTIATION_LIMIT: Duration = Duration::from_secs(5);
/// The data channel's label. Source: Calling 3.0 as twocan speaks it.
const DATA_CHANNEL: &str = "calling-3.0";

/// What to say when every way between the two has failed.
const NO_WAY: &str = "no way through to the other side was found; a TURN server may help (--turn)";
/// What to say when somebody else answers on the far side's address.
const IMPOSTOR: &str = "whoever answers there is not the other side: somebody on the way tampers";
/// Candidates of the far side that are taken in one call: 64; a browser with four addresses sends a dozen.
const CANDIDATES: u32 = 64;
/// The longest text that is taken on the data channel: 8 KiB; what two twocans say there has some 200 bytes.
const TEXT_LIMIT: usize = 8 * 1024;
/// What may wait in the data channel for a far side that does not read: 64 KiB; then nothing more is said.
const UNREAD_LIMIT: u64 = 64 * 1024;

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
    channel: Arc<OnceLock<WebRTCDataChannel>>,
    identity: Identity,
    far: Far,
    layout: Layout,
    /// Set once the far side takes what the sender sends; what is sent to nobody would be held for ever.
    taken: [Flag; 2],
    /// The identification tags of the media sections, once they are described.
    mids: Arc<OnceLock<Vec<String>>>,
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

    /// A connection that shares its devices with others. What it sends and receives is timed as in a pipeline of this
    /// base time, and laid out as this; `make` is given its pipeline, a flag that is set while it stands, and whom to tell what happens.
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
        let webrtc = make_webrtcbin(options)?;
        let identity = Identity::default();
        webrtc.downcast_ref::<gst::Bin>().into_iter().for_each(|bin| identity.watch(bin));
        pipeline.add(&webrtc)?;
        let Ways { senders, sound, picture, outlets } = ways;
        let peer = Self {
            pipeline,
            webrtc,
            senders,
            devices: None,
            channel: Arc::default(),
            identity,
            far: options.far,
            layout,
            taken: Default::default(),
            mids: Arc::default(),
            candidates: 0,
            relays: Relays::new(options.turn.len(), reporter.clone()),
            reporter,
        };
        peer.set_state(gst::State::Ready)?;
        peer.link_senders()?;
        peer.listen(connected);
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

    /// Which connection of a call it is, if a call has it.
    pub(super) fn connection(&self) -> Option<&Connection> {
        self.reporter.connection()
    }

    /// Makes an offer, tells it, and begins to look for ways to the far side.
    pub(super) fn offer(&self) -> Result<(), MediaError> {
        if self.far == Far::Twocan {
            let channel = self.create_data_channel()?;
            listen_to_channel(&channel, &self.reporter, &self.identity);
            let _ = self.channel.set(channel);
        } else {
            self.offer_unbundled();
        }
        self.describe(SdpType::Offer)
    }

    /// Answers an offer, with its payload types.
    pub(super) fn answer(&self, offer: &Sdp) -> Result<(), MediaError> {
        let offer = parse(offer, self.far)?;
        self.set_payload_types(payload_types(&offer));
        self.set_remote(WebRTCSDPType::Offer, offer)?;
        self.describe(SdpType::Answer)
    }

    /// Takes the answer to the own offer.
    pub(super) fn take_answer(&self, answer: &Sdp) -> Result<(), MediaError> {
        let answer = parse(answer, self.far)?;
        if self.far == Far::Stock {
            self.set_payload_types(payload_types(&answer));
        }
        self.note_taken(&answer, ["sendrecv", "recvonly"]);
        self.set_remote(WebRTCSDPType::Answer, answer)
    }

    /// Takes one of the far side's candidates, unless it is empty or hidden behind a name.
    pub(super) fn add_candidate(&mut self, candidate: &Candidate) {
        if !candidate.candidate.is_empty() && !candidate.is_mdns() && self.candidates < CANDIDATES {
            self.candidates += 1;
            self.signal("add-ice-candidate", &[&candidate.m_line_index, &candidate.candidate]);
        }
    }

    /// Says something on the data channel; nothing, if it is not open.
    pub(super) fn send_data(&self, text: &str) {
        let able = |channel: &&WebRTCDataChannel| is_open(channel) && channel.buffered_amount() < UNREAD_LIMIT;
        if let Some(channel) = self.channel.get().filter(able)
            && let Err(error) = channel.send_string_full(Some(text))
        {
            tracing::debug!(%error, "not sent on the data channel");
        }
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
        let _ = self.mids.set(mids(description.sdp()));
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

    fn set_remote(&self, kind: WebRTCSDPType, sdp: SDPMessage) -> Result<(), MediaError> {
        self.identity.expect(&sdp)?;
        let description = WebRTCSessionDescription::new(kind, sdp);
        self.negotiate("set-remote-description", &[&description]).map(drop)
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

    #[expect(clippy::disallowed_methods, reason = "webrtcbin's actions are signals")]
    fn create_data_channel(&self) -> Result<WebRTCDataChannel, MediaError> {
        self.webrtc
            .emit_by_name::<Option<WebRTCDataChannel>>("create-data-channel", &[&DATA_CHANNEL, &None::<gst::Structure>])
            .ok_or_else(|| MediaError::Negotiation("no data channel".into()))
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

    /// Offers every section by itself.
    ///
    /// The examples' own default answers nothing else: to a bundle it sends no sound, or nothing at all. Lost pictures are
    /// not sent again then: webrtcbin 1.22 would give the number for that to two codecs, which browsers refuse.
    fn offer_unbundled(&self) {
        self.webrtc.set_property("bundle-policy", WebRTCBundlePolicy::None);
        self.set_retransmission(false);
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

    fn listen(&self, connected: Flag) {
        let (reporter, mids, relays) = (self.reporter.clone(), Arc::clone(&self.mids), self.relays.clone());
        self.webrtc.connect("on-ice-candidate", false, move |values| {
            let m_line_index = values.get(1)?.get::<u32>().ok()?;
            let candidate = values.get(2)?.get::<String>().ok()?;
            let mid = mids.get().and_then(|mids| mids.get(usize::try_from(m_line_index).ok()?).cloned());
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
        self.watch_path(connected);
        let (reporter, channel, identity) = (self.reporter.clone(), Arc::clone(&self.channel), self.identity.clone());
        self.webrtc.connect("on-data-channel", false, move |values| {
            let offered = values.get(1)?.get::<WebRTCDataChannel>().ok()?;
            if offered.label().as_deref() == Some(DATA_CHANNEL) && channel.set(offered.clone()).is_ok() {
                listen_to_channel(&offered, &reporter, &identity);
            }
            None
        });
    }

    fn watch_path(&self, connected: Flag) {
        // Told once, whichever of the two states shows it first.
        let in_doubt = Flag::default();
        let (reporter, doubt) = (self.reporter.clone(), in_doubt.clone());
        self.webrtc.connect_notify(Some("ice-connection-state"), move |webrtc, _| {
            if webrtc.property::<WebRTCICEConnectionState>("ice-connection-state")
                == WebRTCICEConnectionState::Disconnected
            {
                tell_doubt(&reporter, &doubt);
            }
        });
        let (reporter, identity) = (self.reporter.clone(), self.identity.clone());
        self.webrtc.connect_notify(Some("connection-state"), move |webrtc, _| {
            match webrtc.property::<WebRTCPeerConnectionState>("connection-state") {
                WebRTCPeerConnectionState::Connected if !identity.is_proved() => {
                    reporter.tell(MediaEvent::Failed(IMPOSTOR.into()));
                }
                WebRTCPeerConnectionState::Connected => {
                    connected.set(true);
                    in_doubt.set(false);
                    reporter.tell(MediaEvent::Connected);
                }
                // What is sent may well arrive.
                WebRTCPeerConnectionState::Disconnected => tell_doubt(&reporter, &in_doubt),
                WebRTCPeerConnectionState::Failed => {
                    connected.set(false);
                    reporter.tell(MediaEvent::Failed(NO_WAY.into()));
                }
                WebRTCPeerConnectionState::Closed => {
                    connected.set(false);
                    reporter.tell(MediaEvent::Closed);
                }
                WebRTCPeerConnectionState::New | WebRTCPeerConnectionState::Connecting | _ => {}
            }
        });
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

fn make_webrtcbin(options: &Options) -> Result<gst::Element, MediaError> {
    let webrtc = capture::element("webrtcbin")
        .property("bundle-policy", WebRTCBundlePolicy::MaxBundle)
        .property("latency", LATENCY_MS)
        .build()?;
    wait_for_nothing(&webrtc);
    if let Some(stun) = &options.stun {
        webrtc.set_property("stun-server", stun);
    }
    if options.relay_only {
        webrtc.set_property("ice-transport-policy", WebRTCICETransportPolicy::Relay);
    }
    let ice = webrtc.property::<gst::Object>("ice-agent");
    ice.set_property("ice-tcp", false);
    let agent = ice.property::<glib::Object>("agent");
    agent.set_property("upnp", false);
    agent.set_property("stun-pacing-timer", 5_u32);
    agent.set_property("keepalive-conncheck", true);
    add_servers(&webrtc, &ice, options);
    Ok(webrtc)
}

/// Takes out of webrtcbin what holds sound back for something else's sake.
///
/// Left alone, it lets no packet out before the clock has reached its time plus the latency of the slowest sender, the
/// camera's encoder: right for files, but what comes from a microphone is late already. And the receiver delays sound
/// until the picture that was taken with it has come: in a conversation the quicker one must not wait.
fn wait_for_nothing(webrtc: &gst::Element) {
    let Some(bin) = webrtc.downcast_ref::<gst::Bin>() else { return };
    bin.connect_deep_element_added(|_, _, element| {
        if element.factory().is_some_and(|factory| factory.name() == "clocksync") {
            element.set_property("sync", false);
        }
    });
    if let Some(rtpbin) = bin.by_name("rtpbin") {
        // The largest offset that is applied, in ns; 0 would mean any.
        rtpbin.set_property("max-ts-offset", 1_i64);
    }
}

#[expect(clippy::disallowed_methods, reason = "webrtcbin's actions are signals")]
fn add_servers(webrtc: &gst::Element, ice: &gst::Object, options: &Options) {
    for turn in &options.turn {
        if !webrtc.emit_by_name::<bool>("add-turn-server", &[turn]) {
            tracing::warn!("a TURN server is not usable");
        }
    }
    if let Some(address) = options.address {
        ice.emit_by_name::<bool>("add-local-ip-address", &[&address.to_string()]);
    }
}

fn make_chains(
    pipeline: &gst::Pipeline,
    ends: &Ends,
    passes: &Passes,
    connected: &Flag,
    events: &Sender<Event>,
) -> Result<(Devices, Ways), MediaError> {
    let receiving = || vec![passes.open.clone()];
    let microphone = capture::Chain::sound(pipeline, ends.microphone.as_ref(), passes, connected)?;
    let camera = capture::Chain::picture(pipeline, ends.camera.as_ref(), passes, connected)?;
    let senders = [RtpSender::sound(pipeline, &microphone.encoder)?, RtpSender::picture(pipeline, &camera.encoder)?];
    let (speaker, sound) = playback::Chain::sound(pipeline, ends.speaker.as_ref(), receiving(), events)?;
    let (window, picture) = playback::Chain::picture(pipeline, ends.window.as_ref(), receiving(), events)?;
    let outlets = vec![("speaker", speaker.ready.clone()), ("window", window.ready.clone())];
    let devices = Devices { pipeline: pipeline.downgrade(), microphone, camera, speaker, window };
    Ok((devices, Ways { senders, sound, picture, outlets }))
}

fn tell_doubt(reporter: &Reporter, in_doubt: &Flag) {
    if !in_doubt.swap(true) {
        reporter.tell(MediaEvent::Disconnected);
    }
}

/// Tells what happens on the data channel; nothing of who is not the far side.
fn listen_to_channel(channel: &WebRTCDataChannel, reporter: &Reporter, identity: &Identity) {
    let (said, speaker) = (reporter.clone(), identity.clone());
    channel.connect_on_message_string(move |_, text| {
        if let Some(text) = text.filter(|text| text.len() <= TEXT_LIMIT && speaker.is_proved()) {
            said.tell(MediaEvent::DataText(text.to_owned()));
        }
    });
    let closed = reporter.clone();
    channel.connect_on_close(move |_| closed.tell(MediaEvent::Closed));
    let (opened, told, identity) = (reporter.clone(), Flag::default(), identity.clone());
    let open = move || {
        if identity.is_proved() && !told.swap(true) {
            opened.tell(MediaEvent::DataOpen);
        }
    };
    let on_open = open.clone();
    channel.connect_on_open(move |_| on_open());
    // A channel that the far side made may be open before anybody listens.
    if is_open(channel) {
        open();
    }
}

fn is_open(channel: &WebRTCDataChannel) -> bool {
    channel.ready_state() == WebRTCDataChannelState::Open
}

fn media_of(pad: &gst::Pad) -> Option<String> {
    pad.current_caps()?.structure(0)?.get::<String>("media").ok()
}
