//! `twocan talk`: one standing conversation, from its opening to its end.

mod opening;

use std::time::{Duration, Instant};

use futures_util::{FutureExt, pin_mut, select_biased};

use super::{
    Error, MEDIA_BACKLOG, Means, SOCKET_BACKLOG, home::Home, ice, next_change, notice, random_bytes, random_id, tell,
    unix_now,
};
use crate::{
    bookmarks::{Bookmark, Bookmarks, Claim},
    call::Phase,
    conversation::{Conversation, Event, Gate, Input, LineState, Output, Setup, Switch},
    ids::InstanceId,
    invite::{Invite, Origin},
    media::{self, Media, MediaError},
    network,
    pairing::{PairingKey, SpentCode},
    rendezvous::{Resume, ServerLine},
    rt,
    screen::{self, Command, Screen},
    seal::{self, PublicKey, SecretKey, Trust},
    socket::{self, Socket},
};

/// How long a code stays good: 24 hours.
const CODE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the far side gets to hear that this one hangs up before the program ends: 500 ms.
const FAREWELL: Duration = Duration::from_millis(500);

/// What `twocan talk` was asked for.
pub struct Options {
    /// A name, an id or a link; nothing for the only conversation there is.
    pub what: Option<String>,
    /// What to do if it is open in another window.
    pub claim: Claiming,
    /// Where to meet, with what, and how it is shown.
    pub means: Means,
}

/// What to do about a conversation that is open in another window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claiming {
    /// Leave it there.
    IfFree,
    /// End it there.
    TakeOver,
}

/// Opens a conversation and keeps it until its user quits.
pub async fn talk(options: Options) -> Result<(), Error> {
    let bookmarks = Bookmarks::open(&options.means.host.state)?;
    let opened = opening::open(&bookmarks, &options, unix_seconds())?;
    let (id, is_new) = (opened.bookmark.id.clone(), opened.is_new);
    let (result, was_joined) = match Talk::begin(bookmarks.clone(), opened, options) {
        Ok(mut talk) => {
            let result = talk.run().await;
            (result, talk.end().await)
        }
        Err(error) => (Err(error), false),
    };
    // What never came to the line, or was refused there, would only stand in the way of the next try.
    let is_useless = matches!(result, Err(Error::Refused)) || (result.is_err() && is_new && !was_joined);
    if is_useless && let Err(error) = bookmarks.forget(&id) {
        tracing::warn!(%error, "an unused conversation is left in the list");
    }
    result
}

/// A change to what is kept of the conversation, which may have to be made again.
type Change = Box<dyn Fn(&mut Bookmark) + Send>;

struct Talk {
    bookmarks: Bookmarks,
    bookmark: Bookmark,
    /// Changes to it that are not on the disk yet, in their order.
    unstored: Vec<Change>,
    _claim: Claim,
    conversation: Conversation,
    code: Option<Invite>,
    /// The server to be remembered once it has proved good; `None` is one of its own.
    server: Option<Origin>,
    home: Home,
    screen: Screen,
    media: Option<Media>,
    media_events: rt::Receiver<media::Event>,
    /// None once there is nobody who would tell.
    network_changes: Option<rt::Receiver<()>>,
    _network: network::Watch,
    socket: Option<Socket>,
    sockets: u64,
    resume: Resume,
    socket_sender: rt::Sender<(u64, socket::Event)>,
    socket_events: rt::Receiver<(u64, socket::Event)>,
    is_new: bool,
    was_joined: bool,
    outage_told: bool,
    gate: Gate,
    phase: Phase,
    talked: bool,
    quit_by: Option<Instant>,
    muted: tell::Muted,
}

/// What the loop wakes up for.
enum Wake {
    Command(Option<Command>),
    Media(media::Event),
    Socket(u64, socket::Event),
    Network(Option<()>),
    Deadline,
    Terminated,
}

impl Talk {
    fn begin(bookmarks: Bookmarks, opened: opening::Opened, options: Options) -> Result<Self, Error> {
        let opening::Opened { bookmark, claim, is_new, troubles } = opened;
        let Means { server, host, media, face, started } = options.means;
        let server = server.or_else(|| bookmark.server.clone());
        let opened = Home::open(server.clone(), &host)
            .and_then(|home| Ok((home, Screen::open(face, started)?)))
            // Where there will be no screen to show them on.
            .inspect_err(|_| super::bookmarks::report(&troubles));
        let (home, screen) = opened?;
        let mut notices: Vec<String> = troubles.iter().map(ToString::to_string).collect();
        if bookmark.is_unsealed() {
            notices.push("paired before calls were sealed: the other side has to scan a new code, once".into());
        }
        let (trust, code) = trust(&bookmark, home.link_origin())?;
        let conversation = Conversation::new(Setup {
            conversation: bookmark.id.clone(),
            instance: bookmark.own.clone(),
            secret: bookmark.key.clone().map_or_else(|| random_bytes().map(SecretKey::from_bytes), Ok)?,
            trust,
            expires: rt::now() + CODE_LIFE,
            seed: u64::from_ne_bytes(random_bytes()?),
            resolver: seal::resolver,
        });
        let (media_sender, media_events) = rt::channel(MEDIA_BACKLOG);
        let media = Media::start(media, media_sender)?;
        ice::keep_asking(&home, &media);
        let (socket_sender, socket_events) = rt::channel(SOCKET_BACKLOG);
        // One that waits stands for all that came meanwhile.
        let (network_sender, network_changes) = rt::channel(1);
        let mut talk = Self {
            bookmarks,
            bookmark,
            unstored: Vec::new(),
            _claim: claim,
            conversation,
            code,
            server,
            home,
            screen,
            media: Some(media),
            media_events,
            network_changes: Some(network_changes),
            _network: network::watch(network_sender),
            socket: None,
            sockets: 0,
            resume: Resume::from_bits(random_id()?),
            socket_sender,
            socket_events,
            is_new,
            was_joined: false,
            outage_told: false,
            gate: Gate::Closed,
            phase: Phase::Idle,
            talked: false,
            quit_by: None,
            muted: tell::Muted::default(),
        };
        talk.introduce();
        notices.into_iter().for_each(|message| talk.screen.show(&notice(message)));
        talk.handle(Input::Start)?;
        Ok(talk)
    }

    fn introduce(&mut self) {
        self.screen.show(&screen::Event::Started {
            version: env!("CARGO_PKG_VERSION").into(),
            unix_ms: unix_now().as_secs_f64() * 1000.0,
            conversation: Some(self.bookmark.id.clone()),
            name: self.bookmark.name.to_string(),
        });
        self.screen.show(&screen::Event::Server { url: self.home.page().to_string(), embedded: self.home.is_here() });
    }

    async fn run(&mut self) -> Result<(), Error> {
        let terminated = rt::terminated()?.fuse();
        pin_mut!(terminated);
        while !self.is_done() {
            let deadline = [self.conversation.deadline(), self.quit_by].into_iter().flatten().min();
            let wake = {
                let command = next_command(&mut self.screen, self.quit_by).fuse();
                let media = self.media_events.recv().fuse();
                let socket = self.socket_events.recv().fuse();
                let network = next_change(self.network_changes.as_ref()).fuse();
                let timer = rt::sleep_until(deadline).fuse();
                pin_mut!(command, media, socket, network, timer);
                // The user first: nothing that others say, however much, keeps this side from pausing or ending.
                select_biased! {
                    () = terminated => Wake::Terminated,
                    command = command => Wake::Command(command),
                    media = media => Wake::Media(media.unwrap_or(media::Event::Unusable(MediaError::Gone))),
                    socket = socket => socket.map_or(Wake::Deadline, |(number, event)| Wake::Socket(number, event)),
                    changed = network => Wake::Network(changed),
                    () = timer => Wake::Deadline,
                }
            };
            self.wake(wake)?;
        }
        Ok(())
    }

    fn wake(&mut self, wake: Wake) -> Result<(), Error> {
        match wake {
            Wake::Command(Some(command)) => self.command(command),
            Wake::Command(None) | Wake::Terminated => self.command(Command::Quit),
            Wake::Media(event) => self.media_event(event),
            Wake::Socket(number, event) if self.socket.as_ref().is_some_and(|socket| socket.number == number) => {
                self.socket_event(event)
            }
            Wake::Socket(..) => Ok(()),
            Wake::Network(Some(())) => self.handle(Input::NetworkChanged),
            Wake::Network(None) => {
                self.network_changes = None;
                Ok(())
            }
            Wake::Deadline => self.handle(Input::Deadline),
        }
    }

    fn command(&mut self, command: Command) -> Result<(), Error> {
        match command {
            Command::Pause => self.handle(Input::Pause),
            Command::Unpause => self.handle(Input::Unpause),
            Command::Toggle if self.gate == Gate::Open => self.handle(Input::Pause),
            Command::Toggle => self.handle(Input::Unpause),
            Command::Mute { on } => self.handle(Input::Microphone(if on { Switch::Off } else { Switch::On })),
            Command::Camera { on } => self.handle(Input::Camera(if on { Switch::On } else { Switch::Off })),
            Command::HangUp => self.handle(Input::HangUp),
            Command::TakeOver => self.handle(Input::TakeOver),
            Command::Volume { percent } => {
                self.media.iter().for_each(|media| media.set_volume(percent));
                self.screen.show(&screen::Event::Volume { percent });
                Ok(())
            }
            Command::Quit => {
                self.quit_by = Some(rt::now() + FAREWELL);
                self.handle(Input::HangUp)
            }
        }
    }

    fn media_event(&mut self, event: media::Event) -> Result<(), Error> {
        match event {
            media::Event::Call(connection, event) => self.handle(Input::Media(connection, event)),
            media::Event::Unusable(error) => Err(error.into()),
            media::Event::Ready(ref inventory) => {
                let (microphone, camera) = (inventory.microphone.is_some(), inventory.camera.is_some());
                tell::media(event).iter().for_each(|event| self.screen.show(event));
                self.handle(Input::Equipped { microphone, camera })
            }
            media::Event::Level { .. }
            | media::Event::Tone(_)
            | media::Event::Picture(_)
            | media::Event::Notice(_)
            | media::Event::Heard(..)
            | media::Event::Seen(..)
            | media::Event::Tones(_) => {
                tell::media(event).iter().for_each(|event| self.screen.show(event));
                Ok(())
            }
        }
    }

    fn socket_event(&mut self, event: socket::Event) -> Result<(), Error> {
        match event {
            socket::Event::Open => self.handle(Input::SocketOpen),
            socket::Event::Line(line) => match line.parse::<ServerLine>() {
                Ok(line) => self.handle(Input::Line(line)),
                Err(error) => {
                    tracing::debug!(%error, "the server says what nobody understands");
                    Ok(())
                }
            },
            socket::Event::Closed(error) => {
                self.socket = None;
                if let Some(error) = error {
                    if let socket::SocketError::Restarts(back_in) | socket::SocketError::Busy(back_in) = error {
                        self.handle(Input::ServerStops(back_in))?;
                    }
                    self.no_line(error)?;
                }
                self.handle(Input::SocketClosed)
            }
        }
    }

    /// Ends the program where nobody waits for the conversation yet; elsewhere says once what is wrong, and goes on.
    fn no_line(&mut self, source: socket::SocketError) -> Result<(), Error> {
        let origin = self.home.connect_origin().clone();
        if matches!(source, socket::SocketError::Ended(_)) {
            return Ok(()); // Another may have its place already; if not, the next try tells.
        }
        let passes = matches!(source, socket::SocketError::Restarts(_) | socket::SocketError::Busy(_));
        if !self.was_joined && self.is_new && !passes {
            return Err(Error::Socket { origin, source });
        }
        if !std::mem::replace(&mut self.outage_told, true) {
            self.screen.show(&notice(format!("{origin}: {source}; trying again")));
        }
        Ok(())
    }

    fn handle(&mut self, input: Input) -> Result<(), Error> {
        self.conversation.handle(rt::now(), input);
        while let Some(output) = self.conversation.poll() {
            self.carry_out(output)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, output: Output) -> Result<(), Error> {
        match output {
            Output::Connect => self.connect(),
            Output::Disconnect => self.socket = None,
            Output::Send(line) => self.socket.iter().for_each(|socket| socket.send(line.to_string())),
            Output::Media(connection, command) => {
                self.media.iter().for_each(|media| media.call(connection.clone(), command.clone()));
            }
            Output::Gate(gate) => self.set_gate(gate),
            Output::Track(track, switch) => self.media.iter().for_each(|media| media.switch(track, switch)),
            Output::Learned(key) => self.store(move |bookmark| bookmark.far_key = Some(key)),
            Output::Remember { far, key, spent } => self.remember(far, key, spent),
            Output::ForgetKey => self.code = None,
            Output::Event(Event::Refused) => {
                self.tell(Event::Refused);
                return Err(Error::Refused);
            }
            Output::Event(event) => self.tell(event),
        }
        Ok(())
    }

    fn connect(&mut self) {
        self.home.revive().into_iter().for_each(|said| self.screen.show(&notice(said)));
        self.sockets += 1;
        let (origin, events) = (self.home.connect_origin(), self.socket_sender.clone());
        self.socket = Some(Socket::connect(origin, &self.resume, self.sockets, events));
    }

    fn set_gate(&mut self, gate: Gate) {
        self.gate = gate;
        self.media.iter().for_each(|media| media.set_gate(gate));
    }

    fn remember(&mut self, far: InstanceId, key: PublicKey, spent: Option<SpentCode>) {
        self.code = None;
        self.store(move |bookmark| {
            bookmark.far = Some(far.clone());
            bookmark.far_key = Some(key);
            bookmark.code = None;
            bookmark.spent.clone_from(&spent);
        });
    }

    fn remember_server(&mut self) {
        if self.bookmark.server != self.server {
            let server = self.server.clone();
            self.store(move |bookmark| bookmark.server.clone_from(&server));
        }
    }

    fn store(&mut self, change: impl Fn(&mut Bookmark) + Send + 'static) {
        self.unstored.push(Box::new(change));
        self.store_what_is_left();
    }

    /// Stores what could not be stored before, too: on a disk that was full, say.
    fn store_what_is_left(&mut self) {
        let changes = &self.unstored;
        match self.bookmarks.update(&self.bookmark.id, |bookmark| changes.iter().for_each(|change| change(bookmark))) {
            Ok(bookmark) => {
                self.bookmark = bookmark;
                self.unstored.clear();
            }
            Err(error) => self.screen.show(&notice(format!("not stored: {error}; it is tried again"))),
        }
    }

    fn tell(&mut self, event: Event) {
        if event == Event::Line(LineState::Joined) {
            self.outage_told = false;
            self.was_joined = true;
            self.remember_server();
        }
        if let Event::Call(phase, _) = &event {
            self.phase = *phase;
            self.talked |= *phase == Phase::Connected;
            if *phase == Phase::Idle {
                self.note_talk();
            }
        }
        if let Some(event) = tell::conversation(event, self.code.as_ref(), &self.home, &mut self.muted) {
            self.screen.show(&event);
        }
    }

    fn note_talk(&mut self) {
        if std::mem::take(&mut self.talked) {
            let now = unix_seconds();
            self.store(move |bookmark| bookmark.last_talked = Some(now));
        }
    }

    fn is_done(&self) -> bool {
        self.quit_by.is_some_and(|by| self.phase == Phase::Idle || by <= rt::now())
    }

    /// Lets go of everything; whether it ever was on the line.
    async fn end(mut self) -> bool {
        self.note_talk();
        if !self.unstored.is_empty() {
            self.store_what_is_left();
        }
        let media = self.media.take();
        if let Some(socket) = self.socket.take() {
            socket.close().await;
        }
        super::close(media).await;
        self.screen.show(&screen::Event::Ended);
        self.was_joined
    }
}

/// What is known of the other side, and the code to show if that is nothing yet.
fn trust(bookmark: &Bookmark, origin: Origin) -> Result<(Trust, Option<Invite>), Error> {
    let Bookmark { id, own, far, far_key, code, spent, .. } = bookmark.clone();
    Ok(match (far, far_key, code) {
        (Some(far), Some(key), None) => (Trust::Paired { far, key, spent }, None),
        (Some(far), key, Some(code)) => (Trust::Reader { far, code: code.key, key }, None),
        (Some(_), None, None) | (None, ..) => {
            let code = PairingKey::from_bytes(random_bytes()?);
            let invite = Invite { origin, conversation: id, far: own, key: code.clone() };
            (Trust::Owner { code }, Some(invite))
        }
    })
}

/// What the user wants, until that is to quit: a terminal that is gone would say so for ever.
async fn next_command(screen: &mut Screen, quit_by: Option<Instant>) -> Option<Command> {
    if quit_by.is_some() { std::future::pending().await } else { screen.command().await }
}

fn unix_seconds() -> u64 {
    unix_now().as_secs()
}
