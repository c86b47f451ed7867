//! What each command does: clock, sockets, files and media brought to the core.

pub mod bookmarks;

use std::io;

use thiserror::Error;

use crate::{
    bookmarks::{BookmarkError, NameError},
    cli::WhatError,
    config::ConfigError,
};

/// Why a command could not do its work.
#[derive(Debug, Error)]
pub enum Error {
    /// What was asked for cannot be a conversation.
    #[error(transparent)]
    What(#[from] WhatError),
    /// A new name cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No conversation goes by this name or id.
    #[error("there is no conversation \"{0}\"")]
    Unknown(String),
    /// Nobody there to ask, and no `--yes`.
    #[error("forgetting deletes the keys, and nobody is there to confirm it")]
    NotConfirmed,
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The stored conversations cannot be used.
    #[error(transparent)]
    Bookmarks(#[from] BookmarkError),
    /// Standard input or output failed.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}
