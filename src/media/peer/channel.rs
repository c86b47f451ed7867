//! What two twocans say to each other beside sound and picture.

use std::sync::{Arc, OnceLock};

use gstreamer::{self as gst, prelude::*};
use gstreamer_webrtc::{WebRTCDataChannel, WebRTCDataChannelState};

use crate::{
    call::MediaEvent,
    media::{MediaError, identity::Identity, probe::Flag, report::Reporter},
};

/// The data channel's label. Source: Calling 3.0 as twocan speaks it.
const LABEL: &str = "calling-3.0";
/// The longest text that is taken on the data channel: 8 KiB; what two twocans say there has some 200 bytes.
const TEXT_LIMIT: usize = 8 * 1024;
/// What may wait in the data channel for a far side that does not read: 64 KiB; then nothing more is said.
const UNREAD_LIMIT: u64 = 64 * 1024;

/// The data channel of one connection, of which there is one or none.
#[derive(Debug, Clone, Default)]
pub(super) struct DataChannel(Arc<OnceLock<WebRTCDataChannel>>);

impl DataChannel {
    /// Makes it, for an offer.
    #[expect(clippy::disallowed_methods, reason = "webrtcbin's actions are signals")]
    pub(super) fn create(
        &self,
        webrtc: &gst::Element,
        reporter: &Reporter,
        identity: &Identity,
    ) -> Result<(), MediaError> {
        let channel = webrtc
            .emit_by_name::<Option<WebRTCDataChannel>>("create-data-channel", &[&LABEL, &None::<gst::Structure>])
            .ok_or_else(|| MediaError::Negotiation("no data channel".into()))?;
        listen(&channel, reporter, identity);
        let _ = self.0.set(channel);
        Ok(())
    }

    /// Takes the one that the far side makes.
    pub(super) fn take_offered(&self, webrtc: &gst::Element, reporter: &Reporter, identity: &Identity) {
        let (reporter, channel, identity) = (reporter.clone(), Arc::clone(&self.0), identity.clone());
        webrtc.connect("on-data-channel", false, move |values| {
            let offered = values.get(1)?.get::<WebRTCDataChannel>().ok()?;
            if offered.label().as_deref() == Some(LABEL) && channel.set(offered.clone()).is_ok() {
                listen(&offered, &reporter, &identity);
            }
            None
        });
    }

    /// Says something on the data channel; nothing, if it is not open.
    pub(super) fn send(&self, text: &str) {
        let able = |channel: &&WebRTCDataChannel| is_open(channel) && channel.buffered_amount() < UNREAD_LIMIT;
        if let Some(channel) = self.0.get().filter(able)
            && let Err(error) = channel.send_string_full(Some(text))
        {
            tracing::debug!(%error, "not sent on the data channel");
        }
    }
}

/// Tells what happens on the data channel; nothing of who is not the far side.
fn listen(channel: &WebRTCDataChannel, reporter: &Reporter, identity: &Identity) {
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
