//! The thread that makes, connects and tears down peers, one after the other.

use std::{
    sync::mpsc::{self, Receiver},
    thread::{self, JoinHandle},
};

use gstreamer as gst;

use super::{
    Event, MediaError, Options,
    devices::{self, Ends},
    gate,
    peer::Peer,
};
use crate::{
    call::{MediaCommand, MediaEvent},
    ids::SessionId,
    rt::Sender,
};

/// Elements that no call can do without; `scripts/setup` names the packages that bring them.
const NEEDED: [&str; 12] = [
    "webrtcbin",
    "nicesrc",
    "dtlsdec",
    "srtpdec",
    "sctpenc",
    "opusenc",
    "opusdec",
    "rtpopuspay",
    "vp8enc",
    "vp8dec",
    "level",
    "autovideosink",
];

/// Commands that wait for the thread: 256; a far side that asks for more at once is not served.
const BACKLOG: usize = 256;

pub(super) enum Command {
    Call(SessionId, MediaCommand),
    Stop,
}

/// Starts the thread; it begins with choosing the devices and making a first peer ready.
pub(super) fn start(
    options: Options,
    gate: gate::Handle,
    events: Sender<Event>,
) -> std::io::Result<(mpsc::SyncSender<Command>, JoinHandle<()>)> {
    let (commands, inbox) = mpsc::sync_channel(BACKLOG);
    let work = move || {
        let _last_word = LastWord(events.clone());
        match Worker::new(options, gate, events.clone()) {
            Ok(worker) => worker.run(&inbox),
            Err(error) => drop(events.try_send(Event::Unusable(error))),
        }
    };
    let thread = thread::Builder::new().name("media".into()).spawn(work)?;
    Ok((commands, thread))
}

/// Tells that the thread has come to a bad end, so that nobody goes on as if there were media.
struct LastWord(Sender<Event>);

impl Drop for LastWord {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.0.try_send(Event::Unusable(MediaError::Gone));
        }
    }
}

struct Worker {
    options: Options,
    ends: Ends,
    gate: gate::Handle,
    events: Sender<Event>,
    /// Made ahead, so that the first sound need not wait for it.
    prepared: Option<Peer>,
    current: Option<Peer>,
}

impl Worker {
    fn new(mut options: Options, gate: gate::Handle, events: Sender<Event>) -> Result<Self, MediaError> {
        gst::init().map_err(|error| MediaError::Start(error.to_string()))?;
        if let Some(missing) = NEEDED.into_iter().find(|name| gst::ElementFactory::find(name).is_none()) {
            return Err(MediaError::Missing(missing));
        }
        // Makes the process's DTLS key, which takes a tenth of a second and more; it lasts.
        drop(gst::ElementFactory::make("dtlsdec").build());
        options.address = options.address.or_else(only_loopback);
        let (ends, inventory, notices) = devices::choose(&options);
        for notice in notices {
            let _ = events.try_send(Event::Notice(notice));
        }
        let mut worker = Self { options, ends, gate, events, prepared: None, current: None };
        worker.prepared = Some(worker.make_peer()?);
        let _ = worker.events.try_send(Event::Ready(inventory));
        Ok(worker)
    }

    fn run(mut self, inbox: &Receiver<Command>) {
        while let Ok(Command::Call(session, command)) = inbox.recv() {
            if let Err(error) = self.carry_out(&session, command) {
                let _ = self.events.try_send(Event::Call(session, MediaEvent::Failed(error.to_string())));
            }
        }
        self.close();
    }

    fn carry_out(&mut self, session: &SessionId, command: MediaCommand) -> Result<(), MediaError> {
        match command {
            MediaCommand::Offer => self.begin(session)?.offer(),
            MediaCommand::Answer(offer) => self.begin(session)?.answer(&offer),
            MediaCommand::TakeAnswer(answer) => self.peer(session).map_or(Ok(()), |peer| peer.take_answer(&answer)),
            MediaCommand::AddCandidate(candidate) => {
                self.peer_mut(session).into_iter().for_each(|peer| peer.add_candidate(&candidate));
                Ok(())
            }
            MediaCommand::SendData(text) => {
                self.peer(session).inspect(|peer| peer.send_data(&text));
                Ok(())
            }
            MediaCommand::Close => {
                if self.peer(session).is_some() {
                    self.close();
                    self.prepared = Some(self.make_peer()?);
                }
                Ok(())
            }
        }
    }

    /// Takes the prepared peer for this call, in place of any other.
    fn begin(&mut self, session: &SessionId) -> Result<&Peer, MediaError> {
        self.close();
        let mut peer = match self.prepared.take() {
            Some(peer) => peer,
            None => self.make_peer()?,
        };
        peer.assign(session.clone(), &self.gate);
        Ok(self.current.insert(peer))
    }

    fn peer(&self, session: &SessionId) -> Option<&Peer> {
        self.current.as_ref().filter(|peer| peer.belongs_to(session))
    }

    fn peer_mut(&mut self, session: &SessionId) -> Option<&mut Peer> {
        self.current.as_mut().filter(|peer| peer.belongs_to(session))
    }

    fn make_peer(&self) -> Result<Peer, MediaError> {
        Peer::new(&self.options, &self.ends, self.gate.passes(), &self.events)
    }

    fn close(&mut self) {
        if let Some(peer) = self.current.take() {
            self.gate.detach();
            drop(peer);
        }
    }
}

/// The loopback address, on a machine that has no other: its page can talk to it all the same.
fn only_loopback() -> Option<std::net::IpAddr> {
    let addresses = if_addrs::get_if_addrs().ok()?;
    let lonely = addresses.iter().all(if_addrs::Interface::is_loopback);
    lonely.then_some(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))
}
