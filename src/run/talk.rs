//! `twocan talk`: one standing conversation, from its opening to its end.

mod opening;

use std::time::{Duration, Instant};

use super::{
    Error, Means,
    home::Home,
    notice, random_bytes,
    station::{Station, Wake, understood},
    tell, unix_now,
};
use crate::{
    bookmarks::{Bookmark, Bookmarks, Claim},
    call::Phase,
    conversation::{Conversation, Event, Gate, Input, LineState, Output, Setup, Switch},
    ids::InstanceId,
    invite::{Invite, Origin},
    media::{self, Inventory, Media},
    pairing::{PairingKey, SpentCode},
    rt,
    screen::{self, Command, Screen},
    seal::{self, PublicKey, SecretKey, Trust},
    socket::{self, Socket, SocketError},
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
    station: Station,
    is_new: bool,
    phase: Phase,
    talked: bool,
    quit_by: Option<Instant>,
    muted: tell::Muted,
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
        let station = Station::new(home, screen, |events| Media::start(media, events))?;
        let mut talk = Self {
            bookmarks,
            bookmark,
            unstored: Vec::new(),
            _claim: claim,
            conversation,
            code,
            server,
            station,
            is_new,
            phase: Phase::Idle,
            talked: false,
            quit_by: None,
            muted: tell::Muted::default(),
        };
        talk.station.introduce(Some(talk.bookmark.id.clone()), talk.bookmark.name.to_string());
        notices.into_iter().for_each(|message| talk.show(&notice(message)));
        talk.handle(Input::Start)?;
        Ok(talk)
    }

    async fn run(&mut self) -> Result<(), Error> {
        while !self.is_done() {
            let deadline = [self.conversation.deadline(), self.quit_by].into_iter().flatten().min();
            match self.station.wake(deadline).await? {
                Wake::Command(command) => self.command(command)?,
                Wake::Call(connection, event) => self.handle(Input::Media(connection, event))?,
                Wake::Media(event) => self.media_event(event)?,
                Wake::Socket(event) => self.socket_event(event)?,
                Wake::Network => self.handle(Input::NetworkChanged)?,
                Wake::Deadline => self.handle(Input::Deadline)?,
            }
        }
        Ok(())
    }

    fn command(&mut self, command: Command) -> Result<(), Error> {
        match command {
            Command::Pause => self.handle(Input::Pause),
            Command::Unpause => self.handle(Input::Unpause),
            Command::Toggle if self.station.gate() == Gate::Open => self.handle(Input::Pause),
            Command::Toggle => self.handle(Input::Unpause),
            Command::Mute { on } => self.handle(Input::Microphone(if on { Switch::Off } else { Switch::On })),
            Command::Camera { on } => self.handle(Input::Camera(if on { Switch::On } else { Switch::Off })),
            Command::HangUp => self.handle(Input::HangUp),
            Command::TakeOver => self.handle(Input::TakeOver),
            Command::Volume { percent } => {
                self.station.set_volume(percent);
                Ok(())
            }
            Command::Quit => {
                self.quit_by = Some(rt::now() + FAREWELL);
                self.handle(Input::HangUp)
            }
        }
    }

    fn media_event(&mut self, event: media::Event) -> Result<(), Error> {
        if let media::Event::Ready(Inventory { microphone, camera, .. }) = &event {
            self.handle(Input::Equipped { microphone: microphone.is_some(), camera: camera.is_some() })?;
        }
        tell::media(event).iter().for_each(|event| self.show(event));
        Ok(())
    }

    fn socket_event(&mut self, event: socket::Event) -> Result<(), Error> {
        match event {
            socket::Event::Open => self.handle(Input::SocketOpen),
            socket::Event::Line(line) => understood(&line).map_or(Ok(()), |line| self.handle(Input::Line(line))),
            socket::Event::Closed(error) => {
                error.filter(SocketError::is_trouble).map_or(Ok(()), |error| self.no_line(error))?;
                self.handle(Input::SocketClosed)
            }
        }
    }

    /// Ends the program where nobody waits for the conversation yet; elsewhere says once what is wrong, and goes on.
    fn no_line(&mut self, error: SocketError) -> Result<(), Error> {
        let back_in = error.back_in();
        if !self.station.was_joined() && self.is_new && back_in.is_none() && !error.was_spoken_to() {
            return Err(self.station.unusable(error));
        }
        self.station.tell_outage(&error);
        back_in.map_or(Ok(()), |back_in| self.handle(Input::ServerStops(back_in)))
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
            Output::Connect => self.station.connect(Socket::connect),
            Output::Disconnect => self.station.disconnect(),
            Output::Send(line) => self.station.send(line.to_string()),
            Output::Media(connection, command) => self.station.call(connection, command),
            Output::Gate(gate) => self.station.set_gate(gate),
            Output::Track(track, switch) => self.station.switch(track, switch),
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
            Err(error) => self.show(&notice(format!("not stored: {error}; it is tried again"))),
        }
    }

    fn tell(&mut self, event: Event) {
        if event == Event::Line(LineState::Joined) {
            self.station.joined();
            self.remember_server();
        }
        if let Event::Call(phase, _) = &event {
            self.phase = *phase;
            self.talked |= *phase == Phase::Connected;
            if *phase == Phase::Idle {
                self.note_talk();
            }
        }
        let told = tell::conversation(event, self.code.as_ref(), &self.station.home, &mut self.muted);
        told.iter().for_each(|event| self.show(event));
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
        let was_joined = self.station.was_joined();
        self.station.close().await;
        was_joined
    }

    fn show(&mut self, event: &screen::Event) {
        self.station.screen.show(event);
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

fn unix_seconds() -> u64 {
    unix_now().as_secs()
}
