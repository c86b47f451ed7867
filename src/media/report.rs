//! What one connection tells: to its call, and from its pipeline's bus.

use std::sync::{Arc, OnceLock};

use gstreamer::{self as gst, glib, prelude::*};

use super::{Event, Side, probe::Flag};
use crate::{
    call::{Connection, MediaEvent},
    rt::Sender,
};

/// The names that devices go by in a pipeline.
const DEVICES: [&str; 4] = ["microphone", "camera", "speaker", "window"];

/// Sends what happens on one connection under its name, once a call uses it.
#[derive(Debug, Clone)]
pub(super) struct Reporter {
    connection: Arc<OnceLock<Connection>>,
    events: Sender<Event>,
}

impl Reporter {
    pub(super) fn new(events: Sender<Event>) -> Self {
        Self { connection: Arc::default(), events }
    }

    /// Gives the connection to a call, for good.
    pub(super) fn assign(&self, connection: Connection) {
        let _ = self.connection.set(connection);
    }

    /// Which connection of a call it is.
    pub(super) fn connection(&self) -> Option<&Connection> {
        self.connection.get()
    }

    /// Tells a person something, whether a call has the connection or not.
    pub(super) fn notice(&self, what: &str) {
        let _ = self.events.try_send(Event::Notice(what.into()));
    }

    /// Tells something else of the connection; to nobody while no call has it.
    pub(super) fn tell_of<T>(&self, event: impl FnOnce(Connection, T) -> Event, what: T) {
        if let Some(connection) = self.connection.get() {
            let _ = self.events.try_send(event(connection.clone(), what));
        }
    }

    /// Tells what happens; to nobody while no call has the connection.
    pub(super) fn tell(&self, event: MediaEvent) {
        if let Some(connection) = self.connection.get() {
            let _ = self.events.try_send(Event::Call(connection.clone(), event));
        }
    }
}

/// What was told already: each failure once.
#[derive(Debug, Default)]
struct Told {
    devices: [Flag; DEVICES.len()],
    stream: Flag,
}

/// Tells what the pipeline's elements post; on their own threads, so nothing here waits.
///
/// A sink that fails is sent nothing more: `outlets` are the sinks' names and the flags that let their streams pass.
pub(super) fn listen(pipeline: &gst::Pipeline, reporter: &Reporter, outlets: Vec<(&'static str, Flag)>) {
    let (reporter, weak) = (reporter.clone(), pipeline.downgrade());
    let Some(bus) = pipeline.bus() else { return };
    // A device that fails says so several times.
    let told = Told::default();
    bus.set_sync_handler(move |_, message| {
        let message = message.view();
        if let gst::MessageView::Element(element) = message {
            report_level(element, &reporter);
        } else if let gst::MessageView::Error(error) = message {
            outlets.iter().filter(|(name, _)| is_of(error, name)).for_each(|(_, ready)| ready.set(false));
            report_error(error, &reporter, &told);
        } else if let gst::MessageView::Latency(_) = message
            && let Some(pipeline) = weak.upgrade()
        {
            pipeline.call_async(|pipeline| drop(pipeline.recalculate_latency()));
        }
        gst::BusSyncReply::Drop
    });
}

fn report_level(message: &gst::message::Element, reporter: &Reporter) {
    let source = message.src().map(|source| source.name());
    let rms = message.structure().and_then(|level| level.get::<glib::ValueArray>("rms").ok());
    if let Some(db) = rms.and_then(|rms| rms.first()?.get::<f64>().ok()) {
        let db = db.clamp(-100.0, 0.0);
        match source.as_deref() {
            Some("own-level") => drop(reporter.events.try_send(Event::Level { side: Side::Own, db })),
            Some("far-level") => drop(reporter.events.try_send(Event::Level { side: Side::Far, db })),
            Some("member-level") => reporter.tell_of(Event::Heard, db),
            _ => {}
        }
    }
}

fn report_error(error: &gst::message::Error, reporter: &Reporter, told: &Told) {
    tracing::debug!(path = path(error), error = %error.error(), "an element failed");
    let device = DEVICES.iter().zip(&told.devices).find(|(name, _)| is_of(error, name));
    if let Some((name, told)) = device {
        if !told.swap(true) {
            let _ = reporter.events.try_send(Event::Notice(format!("the {name} failed: going on without it")));
        }
    } else if is_of(error, "sctp") {
        // How webrtcbin shows that a browser closed its end.
        reporter.tell(MediaEvent::Closed);
    } else if is_of(error, "webrtcbin") {
        reporter.tell(MediaEvent::Failed("the connection broke".into()));
    } else if !told.stream.swap(true) {
        reporter.notice("sound or picture of a connection failed: pause and unpause to try again");
    }
}

/// Whether the error is that of an element of this name, or of one inside it.
fn is_of(error: &gst::message::Error, name: &str) -> bool {
    path(error).contains(name)
}

fn path(error: &gst::message::Error) -> String {
    error.src().map(|source| source.path_string().to_string()).unwrap_or_default()
}
