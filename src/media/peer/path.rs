//! How it stands with the way to the far side.

use gstreamer::{self as gst, prelude::*};
use gstreamer_webrtc::{WebRTCICEConnectionState, WebRTCPeerConnectionState};

use crate::{
    call::MediaEvent,
    media::{identity::Identity, playback, probe::Flag, report::Reporter},
};

/// What to say when every way between the two has failed.
const NO_WAY: &str = "no way through to the other side was found; a TURN server may help (--turn)";
/// What to say when somebody else answers on the far side's address.
const IMPOSTOR: &str = "whoever answers there is not the other side: somebody on the way tampers";

/// Tells how it stands with the way to the far side; `connected` is set while that has proved who it is.
pub(super) fn watch(
    webrtc: &gst::Element,
    reporter: &Reporter,
    identity: &Identity,
    connected: Flag,
    picture: &gst::Pad,
) {
    // Told once, whichever of the two states shows it first.
    let in_doubt = Flag::default();
    let (telling, doubt) = (reporter.clone(), in_doubt.clone());
    webrtc.connect_notify(Some("ice-connection-state"), move |webrtc, _| {
        if webrtc.property::<WebRTCICEConnectionState>("ice-connection-state") == WebRTCICEConnectionState::Disconnected
        {
            tell_doubt(&telling, &doubt);
        }
    });
    let (reporter, identity, picture) = (reporter.clone(), identity.clone(), picture.downgrade());
    webrtc.connect_notify(Some("connection-state"), move |webrtc, _| {
        match webrtc.property::<WebRTCPeerConnectionState>("connection-state") {
            WebRTCPeerConnectionState::Connected if !identity.is_proved() => {
                connected.set(false);
                reporter.tell(MediaEvent::Failed(IMPOSTOR.into()));
            }
            WebRTCPeerConnectionState::Connected => {
                connected.set(true);
                // One that came before was thrown away.
                picture.upgrade().iter().filter(|entry| entry.is_linked()).for_each(playback::request_key_frame);
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

fn tell_doubt(reporter: &Reporter, in_doubt: &Flag) {
    if !in_doubt.swap(true) {
        reporter.tell(MediaEvent::Disconnected);
    }
}
