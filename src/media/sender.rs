//! From the codec to the network: the payloader of one connection, for one kind of media.

use gstreamer::{self as gst, glib, prelude::*};

use super::{
    MediaError,
    capture::{element, pad},
    probe,
};

/// One chain that ends at webrtcbin.
#[derive(Debug)]
pub(super) struct Sender {
    payloader: gst::Element,
    caps: gst::Element,
    format: Format,
    /// The RTP synchronisation source.
    source_id: u32,
}

#[derive(Debug, Clone, Copy)]
enum Format {
    Opus,
    Vp8,
}

impl Sender {
    /// Opus packets out of what `encoder` makes, as long as it is fresh.
    pub(super) fn sound(pipeline: &gst::Pipeline, encoder: &gst::Element) -> Result<Self, MediaError> {
        // Times by the clock rather than by counting samples: a pause has to show in them.
        let payloader = element("rtpopuspay").property("perfect-rtptime", false).build()?;
        let sender = Self::assemble(pipeline, encoder, payloader, Format::Opus)?;
        probe::drop_stale(&pad(&sender.payloader, "sink")?);
        Ok(sender)
    }

    /// VP8 packets out of what `encoder` makes.
    pub(super) fn picture(pipeline: &gst::Pipeline, encoder: &gst::Element) -> Result<Self, MediaError> {
        let payloader = element("rtpvp8pay").property_from_str("picture-id-mode", "15-bit").build()?;
        Self::assemble(pipeline, encoder, payloader, Format::Vp8)
    }

    fn assemble(
        pipeline: &gst::Pipeline,
        encoder: &gst::Element,
        payloader: gst::Element,
        format: Format,
    ) -> Result<Self, MediaError> {
        let caps = element("capsfilter").build()?;
        pipeline.add_many([&payloader, &caps])?;
        gst::Element::link_many([encoder, &payloader, &caps])?;
        Ok(Self { payloader, caps, format, source_id: glib::random_int() })
    }

    /// Sends under this payload type; the caps are complete, or webrtcbin would leave the media section out, and name
    /// the source, or it would announce another one, which browsers then wait for.
    pub(super) fn set_payload_type(&self, payload: u8) {
        let format = match self.format {
            Format::Opus => "media=audio,encoding-name=OPUS,clock-rate=48000,encoding-params=(string)2",
            Format::Vp8 => "media=video,encoding-name=VP8,clock-rate=90000",
        };
        let source = self.source_id;
        let caps = format!("application/x-rtp,{format},payload={payload},ssrc=(uint){source}");
        self.payloader.set_property("pt", u32::from(payload));
        self.caps.set_property_from_str("caps", &caps);
    }

    /// Where webrtcbin takes the packets from.
    pub(super) fn pad(&self) -> Result<gst::Pad, MediaError> {
        pad(&self.caps, "src")
    }
}
