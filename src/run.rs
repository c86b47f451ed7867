//! What each command does: clock, sockets, media and screen around the core.

pub mod bookmarks;
pub mod call;
pub mod devices;
pub mod find;
mod home;
mod ice;
pub mod room;
pub mod serve;
mod station;
pub mod talk;
mod tell;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use thiserror::Error;

use crate::{
    bookmarks::{BookmarkError, NameError},
    config::{ConfigError, IceError},
    invite::{LinkError, Origin},
    media::{self, BadChoice, MediaError},
    run::serve::SettingsError,
    screen::{self, Face},
    server::{self, ServerError},
    session::Failure,
    socket::{AuthorityError, SocketError},
};

/// Lines of the server that wait to be looked at: 16; then it is not read from.
const SOCKET_BACKLOG: usize = 16;

/// Where to meet, what to be heard and seen with, and how it is shown: the same for everything that calls.
pub struct Means {
    /// The server to meet at; nothing for the one that is known, or one inside this program.
    pub server: Option<Origin>,
    /// How a server inside this program runs.
    pub host: server::Options,
    /// Devices, STUN and TURN.
    pub media: media::Options,
    /// How to show it.
    pub face: Face,
    /// When the program began.
    pub started: Instant,
}

/// Why a command ended without doing what it is for.
#[derive(Debug, Error)]
pub enum Error {
    /// The text is link-shaped, but no link.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A name that cannot be given.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Storing or opening a conversation failed.
    #[error(transparent)]
    Bookmark(#[from] BookmarkError),
    /// No conversation goes by this name or id.
    #[error("there is no conversation \"{0}\"")]
    NotFound(String),
    /// Nobody in the server's directory is called like this.
    #[error("nobody at {origin} is called like \"{text}\"")]
    NobodyFound {
        /// What was searched for.
        text: String,
        /// Where.
        origin: Origin,
    },
    /// Both sides of a call would go by the same name.
    #[error("you cannot call yourself: both sides would go by the same name")]
    OwnUid,
    /// Nobody is there to be asked, and no `--yes`.
    #[error("forgetting deletes the keys, and nobody is there to confirm it")]
    NotConfirmed,
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A TURN server of the command line cannot be used.
    #[error(transparent)]
    Ice(#[from] IceError),
    /// No name was given, and there are several conversations.
    #[error("which conversation? There are: {}", .0.join(", "))]
    Which(Vec<String>),
    /// The conversation's id is not among the bookmarks.
    #[error("this conversation is not known here")]
    Unknown,
    /// The link is the code that this side shows itself.
    #[error("this is the link that you gave to the other side; it is for them to open")]
    OwnLink,
    /// The link's conversation has its two sides.
    #[error("this conversation is paired with somebody else already")]
    PairedElsewhere,
    /// The code behind the link was used already, or its owner gave it up.
    #[error("this link was used already, or is no longer good")]
    Refused,
    /// Settings of the server that do not go together.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The server's start failed.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The server cannot be used.
    #[error("cannot use the server {origin}: {source}")]
    Socket {
        /// Which.
        origin: Origin,
        /// Why.
        source: SocketError,
    },
    /// The authority that is to be trusted cannot be.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A call came to nothing, or broke off.
    #[error("{}{name}: {why}", if matches!(.why, Failure::Broken(_) | Failure::CutOff(_)) { "the call with " } else { "no call with " })]
    NoCall {
        /// Who was called.
        name: String,
        /// Why.
        why: Failure,
    },
    /// Nobody can call this side.
    #[error("cannot be called as {name}: {why}")]
    NotWaiting {
        /// What it goes by.
        name: String,
        /// Why.
        why: Failure,
    },
    /// A test device that there is none of was asked for.
    #[error(transparent)]
    Choice(#[from] BadChoice),
    /// There can be no media at all.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// Standard output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(std::io::Error),
    /// The terminal, a thread or a clock failed.
    #[error("the system refuses: {0}")]
    System(#[from] std::io::Error),
}

fn notice(message: String) -> screen::Event {
    screen::Event::Notice { message, hint: None }
}

fn random_bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::System(std::io::Error::other(error)))?;
    Ok(bytes)
}

fn random_id() -> Result<u128, Error> {
    random_bytes().map(u128::from_ne_bytes)
}

#[expect(clippy::disallowed_methods, reason = "when something was is for people, by the wall clock")]
fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
