//! What one connection tells: to its call, and from its pipeline's bus.

use std::sync::{Arc, OnceLock};

use gstreamer::{self as gst, glib, prelude::*};

use super::{Event, Side, probe::Flag};
use crate::{call::MediaEvent, ids::SessionId, rt::Sender};

/// The names that devices go by in a pipeline.
const DEVICES: [&str; 4] = ["microphone", "camera", "speaker", "window"];

/// Sends what happens on one connection under the id of the call that uses it, once one does.
#[derive(Debug, Clone)]
pub(super) struct Reporter {
    session: Arc<OnceLock<SessionId>>,
    events: Sender<Event>,
}

impl Reporter {
    pub(super) fn new(events: Sender<Event>) -> Self {
        Self { session: Arc::default(), events }
    }

    /// Gives the connection to a call, for good.
    pub(super) fn assign(&self, session: SessionId) {
        let _ = self.session.set(session);
    }

    /// The call that has the connection.
    pub(super) fn session(&self) -> Option<&SessionId> {
        self.session.get()
    }

    /// Tells what happens; to nobody while no call has the connection.
    pub(super) fn tell(&self, event: MediaEvent) {
        if let Some(session) = self.session.get() {
            let _ = self.events.try_send(Event::Call(session.clone(), event));
        }
    }
}

/// Tells what the pipeline's elements post; on their own threads, so nothing here waits.
///
/// A sink that fails is sent nothing more: `outlets` are the sinks' names and the flags that let their streams pass.
pub(super) fn listen(pipeline: &gst::Pipeline, reporter: &Reporter, outlets: [(&'static str, Flag); 2]) {
    let (reporter, weak) = (reporter.clone(), pipeline.downgrade());
    let Some(bus) = pipeline.bus() else { return };
    bus.set_sync_handler(move |_, message| {
        let message = message.view();
        if let gst::MessageView::Element(element) = message {
            report_level(element, &reporter.events);
        } else if let gst::MessageView::Error(error) = message {
            report_error(error, &reporter, &outlets);
        } else if let gst::MessageView::Latency(_) = message
            && let Some(pipeline) = weak.upgrade()
        {
            pipeline.call_async(|pipeline| drop(pipeline.recalculate_latency()));
        }
        gst::BusSyncReply::Drop
    });
}

fn report_level(message: &gst::message::Element, events: &Sender<Event>) {
    let side = match message.src().map(|source| source.name()).as_deref() {
        Some("own-level") => Side::Own,
        Some("far-level") => Side::Far,
        _ => return,
    };
    let rms = message.structure().and_then(|level| level.get::<glib::ValueArray>("rms").ok());
    if let Some(db) = rms.and_then(|rms| rms.first()?.get::<f64>().ok()) {
        let _ = events.try_send(Event::Level { side, db: db.clamp(-100.0, 0.0) });
    }
}

fn report_error(error: &gst::message::Error, reporter: &Reporter, outlets: &[(&'static str, Flag); 2]) {
    let path = error.src().map(|source| source.path_string().to_string()).unwrap_or_default();
    tracing::debug!(path, error = %error.error(), "an element failed");
    if path.contains("sctp") {
        // How webrtcbin shows that a browser closed its end.
        reporter.tell(MediaEvent::Closed);
    } else if path.contains("webrtcbin") {
        reporter.tell(MediaEvent::Failed("the connection broke".into()));
    } else {
        outlets.iter().filter(|(name, _)| path.contains(name)).for_each(|(_, ready)| ready.set(false));
        let device = DEVICES.into_iter().find(|name| path.contains(name)).unwrap_or("device");
        let _ = reporter.events.try_send(Event::Notice(format!("the {device} failed: going on without it")));
    }
}
