//! The webrtcbin itself, and what is set on it before it does anything.

use std::net::IpAddr;

use gstreamer::{self as gst, glib, prelude::*};
use gstreamer_webrtc::{WebRTCBundlePolicy, WebRTCICETransportPolicy};

use crate::media::{MediaError, Options, capture, relay::Relays};

/// The jitter buffer's depth: 20 ms. webrtcbin's own default would hold the first packet for 200.
pub(super) const LATENCY_MS: u32 = 20;

/// A webrtcbin as this program needs it; of servers it knows none yet.
pub(super) fn webrtcbin(options: &Options) -> Result<gst::Element, MediaError> {
    let webrtc = capture::element("webrtcbin")
        .property("bundle-policy", WebRTCBundlePolicy::MaxBundle)
        .property("latency", LATENCY_MS)
        .build()?;
    wait_for_nothing(&webrtc);
    if options.relay_only {
        webrtc.set_property("ice-transport-policy", WebRTCICETransportPolicy::Relay);
    }
    let ice = webrtc.property::<gst::Object>("ice-agent");
    ice.set_property("ice-tcp", false);
    let agent = ice.property::<glib::Object>("agent");
    agent.set_property("upnp", false);
    agent.set_property("stun-pacing-timer", 5_u32);
    agent.set_property("keepalive-conncheck", true);
    if let Some(address) = options.address {
        keep_to(&ice, address);
    }
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
fn keep_to(ice: &gst::Object, address: IpAddr) {
    ice.emit_by_name::<bool>("add-local-ip-address", &[&address.to_string()]);
}

/// Makes servers known to it, as long as it has not begun to look for ways.
#[expect(clippy::disallowed_methods, reason = "webrtcbin's actions are signals")]
pub(super) fn use_servers<'a>(
    webrtc: &gst::Element,
    relays: &Relays,
    stun: Option<&str>,
    turn: impl Iterator<Item = &'a str>,
) {
    if let Some(stun) = stun {
        webrtc.set_property("stun-server", stun);
    }
    for server in turn {
        relays.want();
        if !webrtc.emit_by_name::<bool>("add-turn-server", &[&server]) {
            tracing::warn!("a TURN server is not usable");
        }
    }
}
