//! The thread that makes, connects and tears down peers: one for a call, and a second while it moves to the next.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver},
    },
    thread::{self, JoinHandle},
};

use gstreamer as gst;

use super::{
    Event, Far, MediaError, NoMedia, OfferedServers, Options, complaint,
    description::{layout, parse},
    devices::{self, Ends, Inventory},
    gate,
    peer::Peer,
    relay::Need,
};
use crate::{
    call::{Connection, MediaCommand, MediaEvent},
    negotiation::Sdp,
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

/// Commands that wait for the thread before what a far side may say at will is passed over: 256.
const BACKLOG: usize = 256;

pub(super) enum Command {
    Call(Connection, MediaCommand),
    Offered(OfferedServers),
    Stop,
}

/// The way to the thread.
#[derive(Debug, Clone)]
pub(super) struct Commands {
    sender: mpsc::Sender<Command>,
    waiting: Arc<AtomicUsize>,
}

/// Where its commands arrive.
pub(super) struct Inbox {
    receiver: Receiver<Command>,
    waiting: Arc<AtomicUsize>,
}

fn queue() -> (Commands, Inbox) {
    let (sender, receiver) = mpsc::channel();
    let waiting = Arc::default();
    (Commands { sender, waiting: Arc::clone(&waiting) }, Inbox { receiver, waiting })
}

impl Commands {
    /// Has the thread do this after all that waits. Descriptions are counted by the calls, and the end of a connection
    /// must arrive; of candidates and data only so many wait.
    ///
    /// Errors: there is no thread any more.
    pub(super) fn send(&self, command: Command) -> Result<(), NoMedia> {
        let is_many = self.waiting.load(Ordering::Acquire) >= BACKLOG;
        if is_many && matches!(command, Command::Call(_, MediaCommand::AddCandidate(_) | MediaCommand::SendData(_))) {
            tracing::warn!("the media are asked for more than they can do");
            return Ok(());
        }
        self.waiting.fetch_add(1, Ordering::AcqRel);
        self.sender.send(command).map_err(|_| NoMedia)
    }
}

impl Inbox {
    /// The next command; the last is to stop.
    pub(super) fn next(&self) -> Command {
        let command = self.receiver.recv().unwrap_or(Command::Stop);
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        command
    }
}

/// Starts the thread; it begins with choosing the devices and making a first peer ready.
pub(super) fn start(
    options: Options,
    gate: gate::Handle,
    events: Sender<Event>,
) -> std::io::Result<(Commands, JoinHandle<()>)> {
    spawn(events.clone(), move |inbox| Worker::new(options, gate, events).map(|worker| worker.run(inbox)))
}

/// Starts a thread that works off commands; that it cannot is told.
pub(super) fn spawn(
    events: Sender<Event>,
    work: impl FnOnce(&Inbox) -> Result<(), MediaError> + Send + 'static,
) -> std::io::Result<(Commands, JoinHandle<()>)> {
    let (commands, inbox) = queue();
    let work = move || {
        let _last_word = LastWord(events.clone());
        if let Err(error) = work(&inbox) {
            let _ = events.try_send(Event::Unusable(error));
        }
    };
    let thread = thread::Builder::new().name("media".into()).spawn(work)?;
    Ok((commands, thread))
}

/// Starts GStreamer and chooses the devices.
///
/// Errors: it does not start, or is not complete.
pub(super) fn begin(options: &Options, events: &Sender<Event>) -> Result<(Ends, Inventory), MediaError> {
    complaint::listen();
    gst::init().map_err(|error| MediaError::Start(error.to_string()))?;
    if let Some(missing) = NEEDED.into_iter().find(|name| gst::ElementFactory::find(name).is_none()) {
        return Err(MediaError::Missing(missing));
    }
    // Makes the process's DTLS key, which takes a tenth of a second and more; it lasts.
    drop(gst::ElementFactory::make("dtlsdec").build());
    let (ends, inventory, notices) = devices::choose(options);
    for notice in notices {
        let _ = events.try_send(Event::Notice(notice));
    }
    Ok((ends, inventory))
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
    offered: OfferedServers,
    need: Need,
    ends: Ends,
    gate: gate::Handle,
    events: Sender<Event>,
    /// Made ahead, so that the first sound need not wait for it; with the address that it keeps to.
    prepared: Option<(Option<IpAddr>, Peer)>,
    /// The one that has the devices.
    current: Option<Peer>,
    /// A later one of the same call, which gets the devices when the current one is closed.
    next: Option<Peer>,
}

impl Worker {
    fn new(options: Options, gate: gate::Handle, events: Sender<Event>) -> Result<Self, MediaError> {
        let (ends, inventory) = begin(&options, &events)?;
        let (offered, need) = (OfferedServers::default(), Need::of(&options));
        let mut worker = Self { options, offered, need, ends, gate, events, prepared: None, current: None, next: None };
        worker.prepare()?;
        let _ = worker.events.try_send(Event::Ready(inventory));
        Ok(worker)
    }

    fn run(mut self, inbox: &Inbox) {
        loop {
            match inbox.next() {
                Command::Call(connection, command) => {
                    if let Err(error) = self.carry_out(&connection, command) {
                        let _ = self.events.try_send(Event::Call(connection, MediaEvent::Failed(error.to_string())));
                    }
                }
                Command::Offered(servers) => self.use_servers(servers),
                Command::Stop => break,
            }
        }
        self.close_all();
    }

    fn carry_out(&mut self, connection: &Connection, command: MediaCommand) -> Result<(), MediaError> {
        match command {
            MediaCommand::Offer => self.begin(connection)?.offer(),
            MediaCommand::Answer(offer) => {
                self.shape(&offer)?;
                self.begin(connection)?.answer(&offer)
            }
            MediaCommand::TakeAnswer(answer) => self.peer(connection).map_or(Ok(()), |peer| peer.take_answer(&answer)),
            MediaCommand::AddCandidate(candidate) => {
                self.peer(connection).into_iter().for_each(|peer| peer.add_candidate(&candidate));
                Ok(())
            }
            MediaCommand::SendData(text) => {
                self.peer(connection).into_iter().for_each(|peer| peer.send_data(&text));
                Ok(())
            }
            MediaCommand::Close => self.close(connection),
        }
    }

    fn begin(&mut self, connection: &Connection) -> Result<&mut Peer, MediaError> {
        if self.is_update(connection) {
            self.next = None;
            let peer = self.take_peer(connection)?;
            return Ok(self.next.insert(peer));
        }
        self.close_all();
        let mut peer = self.take_peer(connection)?;
        if let Some(devices) = peer.take_devices() {
            self.gate.attach(devices);
        }
        Ok(self.current.insert(peer))
    }

    /// Whether this is a later connection of the call that is on.
    fn is_update(&self, connection: &Connection) -> bool {
        let current = self.current.as_ref().and_then(Peer::connection);
        current.is_some_and(|now| now.session == connection.session && now.generation < connection.generation)
    }

    /// The prepared peer, or a new one, for this connection.
    fn take_peer(&mut self, connection: &Connection) -> Result<Peer, MediaError> {
        let address = address(&self.options);
        let peer = match self.prepared.take() {
            Some((before, peer)) if before == address => peer,
            // None, or one that was made before there was a network.
            _ => self.make_peer(address)?,
        };
        peer.assign(connection.clone());
        Ok(peer)
    }

    fn peer(&mut self, connection: &Connection) -> Option<&mut Peer> {
        let peers = [&mut self.current, &mut self.next];
        peers.into_iter().flatten().find(|peer| peer.connection() == Some(connection))
    }

    fn prepare(&mut self) -> Result<(), MediaError> {
        let address = address(&self.options);
        self.prepared = Some((address, self.make_peer(address)?));
        Ok(())
    }

    /// The first ones are made known to the peer that is prepared; those it has cannot be taken from it again.
    fn use_servers(&mut self, servers: OfferedServers) {
        self.need.answered(&servers, &self.events);
        if servers != self.offered {
            let are_first = self.offered == OfferedServers::default();
            self.offered = servers;
            if let Some((_, peer)) = self.prepared.as_ref().filter(|_| are_first) {
                let stun = self.options.stun.is_none().then_some(()).and(self.offered.stun.as_deref());
                peer.use_also(stun, self.offered.turn.iter().map(|turn| turn.as_str()));
            } else if self.prepared.take().is_some()
                && let Err(error) = self.prepare()
            {
                tracing::warn!(%error, "no connection could be prepared");
            }
        }
    }

    fn make_peer(&self, address: Option<IpAddr>) -> Result<Peer, MediaError> {
        let options = with_offered(&self.options, &self.offered, address);
        Peer::new(&options, &self.ends, self.gate.passes(), &self.events)
    }

    /// Has the next peer be one that fits the offer, where offers may be of any shape.
    fn shape(&mut self, offer: &Sdp) -> Result<(), MediaError> {
        if self.options.far == Far::Twocan {
            return Ok(());
        }
        let offer = parse(offer, Far::Stock)?;
        let layout = layout(&offer);
        let mut ends = self.ends.clone();
        // Nothing is opened for a far side that has no place for it.
        ends.microphone = ends.microphone.filter(|_| layout.sound.is_some());
        ends.camera = ends.camera.filter(|_| layout.picture.is_some());
        let address = address(&self.options);
        let options = with_offered(&self.options, &self.offered, address);
        let peer = Peer::laid_out(&options, layout, &ends, self.gate.passes(), &self.events)?;
        self.prepared = Some((address, peer));
        Ok(())
    }

    fn close(&mut self, connection: &Connection) -> Result<(), MediaError> {
        if is(&self.next, connection) {
            self.next = None;
        } else if is(&self.current, connection) {
            if self.next.is_some() {
                self.move_on();
            } else {
                self.close_all();
                self.prepare()?;
            }
        }
        Ok(())
    }

    /// Gives the devices to the next connection, and has the current one torn down when it no longer has them.
    fn move_on(&mut self) {
        let last = self.current.take();
        self.current = self.next.take();
        if let Some(devices) = self.current.as_mut().and_then(Peer::take_devices) {
            self.gate.hand_over(devices, last);
        }
    }

    fn close_all(&mut self) {
        self.next = None;
        if let Some(peer) = self.current.take() {
            self.gate.detach();
            drop(peer);
        }
    }
}

fn is(peer: &Option<Peer>, connection: &Connection) -> bool {
    peer.as_ref().and_then(Peer::connection) == Some(connection)
}

/// What a connection is made with: also the servers that the rendezvous server offers, at this address only.
pub(super) fn with_offered(options: &Options, offered: &OfferedServers, address: Option<IpAddr>) -> Options {
    let mut options = Options { address, ..options.clone() };
    options.stun = options.stun.or_else(|| offered.stun.clone());
    options.turn.extend(offered.turn.iter().map(|turn| turn.to_string()));
    options
}

/// The only address to use, if there is one.
pub(super) fn address(options: &Options) -> Option<IpAddr> {
    options.address.or_else(only_loopback)
}

/// The loopback address, on a machine that has no other: its page can talk to it all the same.
fn only_loopback() -> Option<IpAddr> {
    let addresses = if_addrs::get_if_addrs().ok()?;
    let lonely = addresses.iter().all(if_addrs::Interface::is_loopback);
    lonely.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ids::SessionId, negotiation::Candidate};

    #[test]
    fn no_end_of_a_connection_is_lost_however_much_waits() {
        let (commands, inbox) = queue();
        let connection = Connection::first(SessionId::from_bits(1));
        let candidate = Candidate { candidate: "x".into(), mid: None, m_line_index: 0 };
        let call = |command| commands.send(Command::Call(connection.clone(), command));
        for _ in 0..100_000 {
            assert!(call(MediaCommand::AddCandidate(candidate.clone())).is_ok());
        }
        assert!(call(MediaCommand::Close).is_ok());
        let mut before = 0;
        while !matches!(inbox.next(), Command::Call(_, MediaCommand::Close)) {
            before += 1;
        }
        assert_eq!(before, BACKLOG);
        assert!(call(MediaCommand::AddCandidate(candidate)).is_ok());
        assert!(matches!(inbox.next(), Command::Call(_, MediaCommand::AddCandidate(_))), "there is room again");
        drop(inbox);
        assert!(call(MediaCommand::Close).is_err());
    }
}
