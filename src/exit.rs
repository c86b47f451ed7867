//! What a failure means to whoever ran the program: an exit code, and a hint what to do.

use std::{io, process::ExitCode};

use crate::{bookmarks::BookmarkError, cli::WhatError, config::ConfigError, run::Error};

/// Kinds of failure, each with its exit code; code 2, a wrong flag, is also what the flag parser exits with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A defect or an exhausted system: 1.
    Internal,
    /// Wrong use of flags: 2.
    Usage,
    /// A broken or unknown link, id, name or setting: 3.
    Input,
    /// The server or the network: 4.
    Network,
    /// The state folder or the files in it: 5.
    Files,
    /// GStreamer, its plugins or devices: 6.
    Media,
    /// Open elsewhere already: 7.
    AlreadyOpen,
    /// A code that was used or has expired: 8.
    Code,
}

/// How to end the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// What kind of failure it was.
    pub kind: Kind,
    /// What to do about it, in one line.
    pub hint: Option<&'static str>,
}

impl Kind {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Input => 3,
            Self::Network => 4,
            Self::Files => 5,
            Self::Media => 6,
            Self::AlreadyOpen => 7,
            Self::Code => 8,
        }
    }
}

impl Exit {
    /// What `error` means.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::What(WhatError::Link(_)) => Self::hinting(Kind::Input, "copy the whole link, or scan the QR code"),
            Error::What(WhatError::Id(_)) => Self::hinting(Kind::Input, "`twocan list` shows the ids"),
            Error::What(WhatError::Name(_)) | Error::Name(_) => {
                Self::hinting(Kind::Input, "choose a short, plain name, such as tim")
            }
            Error::Unknown(_) => Self::hinting(Kind::Input, "`twocan list` shows the conversations"),
            Error::NotConfirmed => Self::hinting(Kind::Usage, "add --yes"),
            Error::Config(error) => Self::of_config(error),
            Error::Bookmarks(error) => Self::of_bookmarks(error),
            Error::Output(_) => Self { kind: Kind::Internal, hint: None },
        }
    }

    fn of_config(error: &ConfigError) -> Self {
        match error {
            ConfigError::Unreadable { .. } => {
                Self::hinting(Kind::Files, "check the path and its permissions, or leave out --config")
            }
            ConfigError::Line { .. } => Self::hinting(Kind::Input, "correct that line; the README lists the settings"),
            ConfigError::NoHome => Self::hinting(Kind::Files, "name a folder with --state"),
        }
    }

    fn of_bookmarks(error: &BookmarkError) -> Self {
        match error {
            BookmarkError::Io { source, .. } if is_full(source) => Self::hinting(Kind::Files, "make room on the disk"),
            BookmarkError::Io { .. } => {
                Self::hinting(Kind::Files, "check the folder's permissions, or name another with --state")
            }
            BookmarkError::Trouble(_) | BookmarkError::Exists(_) => {
                Self::hinting(Kind::Files, "move that file away, then try again")
            }
            BookmarkError::NameTaken(_) => Self::hinting(Kind::Input, "choose another name"),
            BookmarkError::Unknown(_) => Self::hinting(Kind::Input, "`twocan list` shows the conversations"),
            BookmarkError::AlreadyOpen => Self::hinting(Kind::AlreadyOpen, "close it there first"),
        }
    }

    fn hinting(kind: Kind, hint: &'static str) -> Self {
        Self { kind, hint: Some(hint) }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.kind.code().into()
    }
}

/// Whether a failure is only that whoever read the output has left, which is no failure.
pub fn is_reader_gone(error: &Error) -> bool {
    matches!(error, Error::Output(source) if source.kind() == io::ErrorKind::BrokenPipe)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bookmarks::{NameError, Trouble},
        ids::{ConversationId, IdError},
        invite::LinkError,
    };

    fn io_error(kind: io::ErrorKind) -> Error {
        Error::Bookmarks(BookmarkError::Io { doing: "write", path: "x".into(), source: kind.into() })
    }

    #[test]
    fn every_failure_has_its_code_and_says_what_to_do() {
        let path = || "x".into();
        let id = ConversationId::from_bits(1);
        for (error, code, hint) in [
            (Error::What(WhatError::Link(LinkError::Key)), 3, "whole link"),
            (Error::What(WhatError::Id(IdError::NotAnId)), 3, "twocan list"),
            (Error::What(WhatError::Name(NameError::Empty)), 3, "name"),
            (Error::Name(NameError::TooLong), 3, "name"),
            (Error::Unknown("tim".into()), 3, "twocan list"),
            (Error::NotConfirmed, 2, "--yes"),
            (Error::Config(ConfigError::NoHome), 5, "--state"),
            (Error::Config(ConfigError::Line { path: path(), line: 1, message: "x".into() }), 3, "line"),
            (
                Error::Config(ConfigError::Unreadable { path: path(), source: io::ErrorKind::NotFound.into() }),
                5,
                "--config",
            ),
            (io_error(io::ErrorKind::PermissionDenied), 5, "--state"),
            (io_error(io::ErrorKind::StorageFull), 5, "room"),
            (BookmarkError::Trouble(Trouble::NotAFile { path: path() }).into(), 5, "move"),
            (BookmarkError::Exists(id.clone()).into(), 5, "move"),
            (BookmarkError::NameTaken("tim".parse().unwrap()).into(), 3, "another name"),
            (BookmarkError::Unknown(id).into(), 3, "twocan list"),
            (BookmarkError::AlreadyOpen.into(), 7, "close it"),
        ] {
            let exit = Exit::of(&error);
            assert_eq!(exit.kind.code(), code, "{error}");
            assert!(exit.hint.is_some_and(|text| text.contains(hint)), "{error}: {exit:?}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }

    #[test]
    fn every_kind_has_a_code_of_its_own() {
        let kinds = [
            Kind::Internal,
            Kind::Usage,
            Kind::Input,
            Kind::Network,
            Kind::Files,
            Kind::Media,
            Kind::AlreadyOpen,
            Kind::Code,
        ];
        assert_eq!(kinds.map(Kind::code), [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn a_reader_that_left_is_no_failure() {
        assert!(is_reader_gone(&Error::Output(io::ErrorKind::BrokenPipe.into())));
        assert!(!is_reader_gone(&Error::Output(io::ErrorKind::StorageFull.into())));
    }
}
