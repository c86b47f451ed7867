//! One webrtcbin as the examples use it, and what comes out of it.

use gstreamer::{self as gst, prelude::*};
use gstreamer_sdp::SDPMessage;
use gstreamer_webrtc::{WebRTCDataChannel, WebRTCSDPType, WebRTCSessionDescription};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use crate::tell;

/// What it sends, and how.
#[derive(Clone)]
pub(crate) struct Media {
    pub(crate) bundle: String,
    pub(crate) channel: bool,
    pub(crate) video: bool,
    pub(crate) audio: bool,
    pub(crate) tone: f64,
    /// The payload types that stand for the codecs.
    pub(crate) opus: u8,
    pub(crate) vp8: u8,
    /// Whether it keeps to them, whatever is offered.
    pub(crate) fixed: bool,
    pub(crate) colour: String,
    pub(crate) local: bool,
}

impl Media {
    /// The same under the payload types of an offer.
    pub(crate) fn fitting(&self, offer: &str) -> Self {
        let number = |codec: &str| {
            let maps = offer.lines().filter_map(|line| line.strip_prefix("a=rtpmap:")?.trim_end().split_once(' '));
            let mut fitting = maps.filter(|(_, name)| name.to_ascii_lowercase().starts_with(codec));
            fitting.next().and_then(|(number, _)| number.parse().ok())
        };
        let mut media = self.clone();
        if !self.fixed {
            media.opus = number("opus/48000").unwrap_or(self.opus);
            media.vp8 = number("vp8/90000").unwrap_or(self.vp8);
        }
        media
    }
}

/// A connection to one other.
pub(crate) struct Peer {
    name: String,
    pipeline: gst::Pipeline,
    webrtc: gst::Element,
    out: UnboundedSender<(String, Value)>,
    channel: bool,
}

impl Peer {
    pub(crate) fn new(name: &str, media: &Media, out: &UnboundedSender<(String, Value)>) -> Self {
        let mut text = format!("webrtcbin name=peer bundle-policy={} ", media.bundle);
        if media.video {
            text += &format!(
                "videotestsrc is-live=true pattern=solid-color foreground-color=0xff{} ! videoconvert ! queue ! \
                 vp8enc deadline=1 keyframe-max-dist=2000 ! rtpvp8pay picture-id-mode=15-bit ! queue ! \
                 application/x-rtp,media=video,encoding-name=VP8,payload={} ! peer. ",
                media.colour, media.vp8
            );
        }
        if media.audio {
            text += &format!(
                "audiotestsrc is-live=true freq={} volume=0.5 ! audioconvert ! audioresample ! queue ! opusenc ! \
                 rtpopuspay ! queue ! application/x-rtp,media=audio,encoding-name=OPUS,payload={} ! peer. ",
                media.tone, media.opus
            );
        }
        let pipeline = gst::parse::launch(&text).expect("a pipeline").downcast::<gst::Pipeline>().expect("a pipeline");
        let webrtc = pipeline.by_name("peer").expect("webrtcbin");
        if media.local {
            let ice = webrtc.property::<gst::Object>("ice-agent");
            ice.emit_by_name::<bool>("add-local-ip-address", &[&"127.0.0.1"]);
        }
        let peer = Self { name: name.into(), pipeline, webrtc, out: out.clone(), channel: media.channel };
        peer.listen();
        peer.pipeline.set_state(gst::State::Playing).expect("playing");
        peer
    }

    fn listen(&self) {
        let (name, out) = (self.name.clone(), self.out.clone());
        self.webrtc.connect("on-ice-candidate", false, move |values| {
            let index = values[1].get::<u32>().expect("an index");
            let candidate = values[2].get::<String>().expect("a candidate");
            let _ = out.send((name.clone(), json!({ "ice": { "candidate": candidate, "sdpMLineIndex": index } })));
            None
        });
        let (pipeline, name) = (self.pipeline.downgrade(), self.name.clone());
        self.webrtc.connect_pad_added(move |_, pad| {
            if pad.direction() == gst::PadDirection::Src {
                let pipeline = pipeline.upgrade().expect("the pipeline");
                let decoder = gst::ElementFactory::make("decodebin").build().expect("decodebin");
                let (weak, name) = (pipeline.downgrade(), name.clone());
                decoder.connect_pad_added(move |_, pad| report(&weak.upgrade().expect("the pipeline"), pad, &name));
                pipeline.add(&decoder).expect("room");
                decoder.sync_state_with_parent().expect("playing");
                pad.link(&decoder.static_pad("sink").expect("a pad")).expect("a link");
            }
        });
        let name = self.name.clone();
        self.webrtc.connect_notify(Some("connection-state"), move |webrtc, _| {
            let state = webrtc.property::<gstreamer_webrtc::WebRTCPeerConnectionState>("connection-state");
            tell(&json!({ "event": "connection", "with": name, "state": format!("{state:?}").to_lowercase() }));
        });
    }

    pub(crate) fn offer(&self) {
        if self.channel {
            let none = None::<gst::Structure>;
            let channel =
                self.webrtc.emit_by_name::<Option<WebRTCDataChannel>>("create-data-channel", &[&"channel", &none]);
            channel.expect("a channel").connect_on_open(|_| tell(&json!({ "event": "channel" })));
        }
        // Once the senders' caps are known, as negotiation is needed then.
        let (webrtc, out, name) = (self.webrtc.clone(), self.out.clone(), self.name.clone());
        self.webrtc.connect("on-negotiation-needed", false, move |_| {
            describe(&webrtc, "create-offer", "offer", &out, &name);
            None
        });
    }

    pub(crate) fn answer(&self, sdp: &str) {
        let description = WebRTCSessionDescription::new(WebRTCSDPType::Offer, parse(sdp));
        let (webrtc, out, name) = (self.webrtc.clone(), self.out.clone(), self.name.clone());
        let promise =
            gst::Promise::with_change_func(move |_| describe(&webrtc, "create-answer", "answer", &out, &name));
        self.webrtc.emit_by_name::<()>("set-remote-description", &[&description, &promise]);
    }

    pub(crate) fn take_answer(&self, sdp: &str) {
        let description = WebRTCSessionDescription::new(WebRTCSDPType::Answer, parse(sdp));
        self.webrtc.emit_by_name::<()>("set-remote-description", &[&description, &None::<gst::Promise>]);
    }

    pub(crate) fn add_candidate(&self, index: u32, candidate: &str) {
        self.webrtc.emit_by_name::<()>("add-ice-candidate", &[&index, &candidate]);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn parse(sdp: &str) -> SDPMessage {
    SDPMessage::parse_buffer(sdp.as_bytes()).expect("a description")
}

fn describe(webrtc: &gst::Element, signal: &str, kind: &'static str, out: &UnboundedSender<(String, Value)>, to: &str) {
    let (receiver, out, to) = (webrtc.clone(), out.clone(), to.to_owned());
    let promise = gst::Promise::with_change_func(move |reply| {
        let reply = reply.expect("a reply").expect("a description");
        let description = reply.get::<WebRTCSessionDescription>(kind).expect("a description");
        receiver.emit_by_name::<()>("set-local-description", &[&description, &None::<gst::Promise>]);
        let text = description.sdp().as_text().expect("text");
        let _ = out.send((to.clone(), json!({ "sdp": { "type": kind, "sdp": text } })));
    });
    webrtc.emit_by_name::<()>(signal, &[&None::<gst::Structure>, &promise]);
}

/// Tells what comes out of a decoder, ten times a second.
fn report(pipeline: &gst::Pipeline, pad: &gst::Pad, from: &str) {
    let caps = pad.current_caps().expect("caps");
    let is_sound = caps.structure(0).expect("a structure").name().starts_with("audio/");
    let text = if is_sound {
        "audioconvert ! audioresample ! audio/x-raw,format=S16LE,rate=48000,channels=1 ! \
         fakesink name=sink signal-handoffs=true"
    } else {
        "videoconvert ! video/x-raw,format=RGB ! fakesink name=sink signal-handoffs=true"
    };
    let bin = gst::parse::bin_from_description(text, true).expect("a bin");
    let sink = bin.by_name("sink").expect("the sink");
    let (from, count) = (from.to_owned(), std::sync::Mutex::new(0_u32));
    sink.connect("handoff", false, move |values| {
        let mut count = count.lock().expect("the count");
        *count += 1;
        if *count % 5 == 1 {
            let buffer = values[1].get::<gst::Buffer>().expect("a buffer");
            let bytes = buffer.map_readable().expect("bytes");
            tell(&if is_sound {
                json!({ "event": "tone", "from": from, "hz": tone(&bytes) })
            } else {
                json!({ "event": "picture", "from": from, "rgb": mean(&bytes) })
            });
        }
        None
    });
    pipeline.add(&bin).expect("room");
    bin.sync_state_with_parent().expect("playing");
    pad.link(&bin.static_pad("sink").expect("a pad")).expect("a link");
}

/// The frequency of a tone, by how often it crosses zero; nothing for what is hardly to be heard.
fn tone(bytes: &[u8]) -> Option<f64> {
    let samples: Vec<i16> = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let loudest = samples.iter().map(|sample| sample.unsigned_abs()).max()?;
    let crossings: Vec<usize> = (1..samples.len()).filter(|at| samples[at - 1] < 0 && samples[*at] >= 0).collect();
    let (first, last) = (*crossings.first()?, *crossings.last()?);
    (loudest > 1000 && last > first).then(|| (crossings.len() - 1) as f64 * 48_000.0 / (last - first) as f64)
}

/// The mean colour.
fn mean(bytes: &[u8]) -> [u64; 3] {
    let mut sums = [0_u64; 3];
    for pixel in bytes.chunks_exact(3) {
        sums.iter_mut().zip(pixel).for_each(|(sum, part)| *sum += u64::from(*part));
    }
    sums.map(|sum| sum / (bytes.len() as u64 / 3).max(1))
}
