//! What each command does: clock, sockets, media and screen around the core.

pub mod bookmarks;
pub mod devices;
pub mod serve;
pub mod talk;

use thiserror::Error;

use crate::{
    bookmarks::{BookmarkError, NameError},
    config::{ConfigError, IceError},
    invite::{LinkError, Origin},
    media::MediaError,
    run::serve::SettingsError,
    server::ServerError,
    socket::SocketError,
};

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
