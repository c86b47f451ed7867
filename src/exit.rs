//! What a failure means to whoever ran the program: an exit code, and a hint what to do.

use std::io;

use crate::{
    bookmarks::{BookmarkError, NameError, Trouble},
    call::Ending,
    config::ConfigError,
    media,
    run::Error,
    server::{CertificateProblem, ServerError},
    session::Failure,
    socket::SocketError,
};

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
    /// A call that did not come about: 9.
    NoCall,
}

/// How to end the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// What kind of failure it was.
    pub kind: Kind,
    /// What to do about it, in one line.
    pub hint: Option<&'static str>,
}

const SEE_LIST: &str = "`twocan list` shows the conversations";
const SEE_FOLDER: &str = "check the folder's permissions, or name another with --state";

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
            Self::NoCall => 9,
        }
    }
}

impl Exit {
    /// What `error` means.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Link(_) => Self::hinting(Kind::Input, "copy the whole link, or scan the QR code"),
            Error::Name(NameError::LikeId) => Self::hinting(
                Kind::Input,
                "an id is 26 letters and digits, as `twocan list` shows it; a name is shorter",
            ),
            Error::Name(NameError::Empty | NameError::TooLong | NameError::Control | NameError::LikeLink) => {
                Self::hinting(Kind::Input, "choose a short, plain name, such as tim")
            }
            Error::Unknown | Error::NotFound(_) => Self::hinting(Kind::Input, SEE_LIST),
            Error::NobodyFound { .. } => Self::hinting(
                Kind::Input,
                "try another spelling, or less of the name; who is not connected is not found",
            ),
            Error::NotConfirmed => Self::hinting(Kind::Usage, "add --yes"),
            Error::Which(_) => Self::hinting(Kind::Usage, "name one, as in: twocan talk NAME"),
            Error::OwnLink => Self::hinting(Kind::Input, "open your own side by its name, as `twocan list` shows it"),
            Error::PairedElsewhere => Self::hinting(Kind::Input, "ask for the link of a new conversation"),
            Error::Refused => Self::hinting(Kind::Code, "ask the other side for a new link"),
            Error::Ice(_) => Self::hinting(Kind::Usage, "the README shows how STUN and TURN servers are given"),
            Error::Config(error) => Self::of_config(error),
            Error::Bookmark(error) => Self::of_bookmark(error),
            Error::Settings(_) => Self::hinting(Kind::Input, "correct the flags, or [serve] in the config file"),
            Error::Server(error) => Self::of_server(error),
            Error::Socket { source, .. } => Self::of_socket(source),
            Error::Authority(_) => {
                Self::hinting(Kind::Files, "--ca takes a PEM or DER file, such as what a twocan server gives at /ca")
            }
            Error::NoCall { why, .. } | Error::NotWaiting { why, .. } => Self::of_call(why),
            Error::OwnUid => Self::hinting(Kind::Usage, "take another name for yourself: --as NAME"),
            Error::Choice(bad) => Self::hinting(
                Kind::Usage,
                match bad.kind {
                    media::Kind::Microphone => {
                        "part of a device's name, auto, none, test, or test:HZ with 20 to 8000 Hz"
                    }
                    media::Kind::Camera => {
                        "part of a device's name, auto, none, test, or test:COLOUR: red, green, blue, white or black"
                    }
                    media::Kind::Speaker => "part of a device's name, auto, none, or test",
                },
            ),
            Error::Media(_) => Self::hinting(Kind::Media, "install GStreamer and its plug-ins; ./scripts/talk does so"),
            Error::Output(_) | Error::System(_) => Self { kind: Kind::Internal, hint: None },
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

    fn of_bookmark(error: &BookmarkError) -> Self {
        match error {
            BookmarkError::Io { source, .. } if is_full(source) => Self::hinting(Kind::Files, "make room on the disk"),
            BookmarkError::Io { .. } => Self::hinting(Kind::Files, SEE_FOLDER),
            BookmarkError::Trouble(Trouble::SetAside { .. }) => {
                Self::hinting(Kind::Files, "put a good copy back in its place, or pair anew")
            }
            BookmarkError::Trouble(_) | BookmarkError::Exists(_) => {
                Self::hinting(Kind::Files, "move that file away, then try again")
            }
            BookmarkError::NameTaken(_) => Self::hinting(Kind::Input, "choose another name"),
            BookmarkError::Unknown(_) => Self::hinting(Kind::Input, SEE_LIST),
            BookmarkError::AlreadyOpen => {
                Self::hinting(Kind::AlreadyOpen, "close it there, or talk here with --take-over")
            }
        }
    }

    fn of_server(error: &ServerError) -> Self {
        match error {
            ServerError::PortTaken { .. } => {
                Self::hinting(Kind::Network, "choose another port with --port, or 0 for any")
            }
            ServerError::PortForbidden { .. } => Self::hinting(Kind::Network, "choose a port above 1023 with --port"),
            ServerError::NoSuchAddress { .. } => {
                Self::hinting(Kind::Network, "leave out --listen, or give it an address of this machine")
            }
            ServerError::State { source, .. } if is_full(source) => Self::hinting(Kind::Files, "make room on the disk"),
            ServerError::State { .. } => Self::hinting(Kind::Files, SEE_FOLDER),
            ServerError::BadKey { .. } => Self::hinting(Kind::Files, "move that file away; a new key is made then"),
            ServerError::TurnSecret { .. } => {
                Self::hinting(Kind::Files, "put coturn's static-auth-secret there, alone on its line, with mode 600")
            }
            ServerError::Certificate { problem, .. } => Self::of_certificate(problem),
            ServerError::FiguresAtServer { .. } | ServerError::Figures { .. } => {
                Self::hinting(Kind::Network, "choose another address or port with --metrics")
            }
            ServerError::Ended => Self::hinting(Kind::Internal, "start it again; the log says what went wrong"),
            ServerError::System(_) => Self { kind: Kind::Internal, hint: None },
        }
    }

    fn of_certificate(problem: &CertificateProblem) -> Self {
        let hint = match problem {
            CertificateProblem::Unreadable(_) => "check the path, and that the user who runs the server may read it",
            CertificateProblem::NotACertificate(_) | CertificateProblem::NotAKey(_) => {
                "both are PEM files: --certificate with the chain, the server's own first, and --key with its private key"
            }
            CertificateProblem::Encrypted => "nobody is there to type its password: openssl pkey -in KEY -out NEWKEY",
            CertificateProblem::Mismatch => {
                "name the key that the certificate was made for; in the file the server's own certificate comes first"
            }
            CertificateProblem::Expired => "renew it, or have one got and renewed by --acme NAME",
            CertificateProblem::NotYet => "check this machine's clock",
            CertificateProblem::NotAPublicName(_) => {
                return Self::hinting(
                    Kind::Input,
                    "name what the world finds this machine by, such as talk.example.org",
                );
            }
            CertificateProblem::NotADirectory => {
                return Self::hinting(Kind::Input, "leave out --acme-directory for Let's Encrypt");
            }
        };
        Self::hinting(Kind::Files, hint)
    }

    fn of_socket(error: &SocketError) -> Self {
        let hint = match error {
            SocketError::Unreachable(_) => "check the address and the network, and that `twocan serve` runs there",
            SocketError::NotRendezvous(_) => "check the address; `twocan serve` shows the right one",
            SocketError::Restarts(_) | SocketError::Busy(_) | SocketError::LetGo(_) | SocketError::Ended(_) => {
                "try again in a moment"
            }
            SocketError::Certificate(_) => "check the address and this machine's clock",
            SocketError::Untrusted => {
                "trust the server's own authority: --ca FILE, which it gives at /ca; or start it with --acme and its public name"
            }
        };
        Self::hinting(Kind::Network, hint)
    }

    fn of_call(why: &Failure) -> Self {
        let hint = match why {
            Failure::NotFound => "check the name; the other side has to be at the same server (--server)",
            Failure::Several(_) => "name one of them in full",
            Failure::Busy => "try again when its call is over",
            Failure::UidTaken => return Self::hinting(Kind::Input, "choose another name with --as"),
            Failure::Refused(_) => "check the name and the server",
            Failure::ServerGone(_) => {
                return Self::hinting(Kind::Network, "check the network, and that the server runs");
            }
            Failure::CutOff(_) => {
                let hint =
                    "call again once the server is there; a conversation (`twocan talk`) goes on without its server";
                return Self::hinting(Kind::Network, hint);
            }
            Failure::Ended(Ending::NoConnection) => "a TURN server may help (--turn)",
            Failure::Broken(_) => "call again",
            Failure::Ended(
                Ending::NoAnswer
                | Ending::HungUp
                | Ending::FarHungUp
                | Ending::FarGone
                | Ending::FarClosed
                | Ending::FarFailed
                | Ending::Failed(_),
            ) => "try again later",
        };
        Self::hinting(Kind::NoCall, hint)
    }

    fn hinting(kind: Kind, hint: &'static str) -> Self {
        Self { kind, hint: Some(hint) }
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
    use crate::{config::IceError, ids::ConversationId, invite::LinkError, media::MediaError, socket::AuthorityError};

    fn io(kind: io::ErrorKind) -> io::Error {
        kind.into()
    }

    fn bookmark(kind: io::ErrorKind) -> Error {
        BookmarkError::Io { doing: "write", path: "x".into(), source: io(kind) }.into()
    }

    fn server(kind: io::ErrorKind) -> Error {
        ServerError::State { path: "x".into(), source: io(kind) }.into()
    }

    fn certificate(problem: CertificateProblem) -> Error {
        ServerError::Certificate { path: "x".into(), problem }.into()
    }

    fn socket(source: SocketError) -> Error {
        Error::Socket { origin: "https://host".parse().unwrap(), source }
    }

    #[track_caller]
    fn assert_means(error: impl Into<Error>, code: u8, hint: &str) {
        let error = error.into();
        let exit = Exit::of(&error);
        assert_eq!(exit.kind.code(), code, "{error}");
        assert!(exit.hint.is_some_and(|text| text.contains(hint)), "{error}: {exit:?}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }

    #[test]
    fn what_cannot_be_a_conversation_is_bad_input() {
        assert_means(LinkError::Key, 3, "whole link");
        assert_means(NameError::TooLong, 3, "such as tim");
        assert_means(NameError::LikeId, 3, "26 letters");
        assert_means(Error::NotFound("tim".into()), 3, "twocan list");
        let origin = "https://host".parse().unwrap();
        assert_means(Error::NobodyFound { text: "tim".into(), origin }, 3, "spelling");
        assert_means(Error::Unknown, 3, "twocan list");
        assert_means(Error::OwnLink, 3, "by its name");
        assert_means(Error::PairedElsewhere, 3, "new conversation");
        assert_means(BookmarkError::NameTaken("tim".parse().unwrap()), 3, "another name");
        assert_means(BookmarkError::Unknown(ConversationId::from_bits(1)), 3, "twocan list");
        assert_means(ConfigError::Line { path: "x".into(), line: 1, message: "x".into() }, 3, "that line");
    }

    #[test]
    fn what_was_left_out_is_wrong_use() {
        assert_means(Error::NotConfirmed, 2, "--yes");
        assert_means(Error::Which(vec!["tim".into(), "anna".into()]), 2, "twocan talk NAME");
        assert_means(IceError::NoPassword, 2, "README");
    }

    #[test]
    fn server_and_network_have_a_code_of_their_own() {
        assert_means(ServerError::Ended, 1, "log");
        assert_means(ServerError::PortTaken { port: 1 }, 4, "--port");
        let address = ([127, 0, 0, 1], 1).into();
        assert_means(ServerError::FiguresAtServer { address }, 4, "--metrics");
        assert_means(ServerError::PortForbidden { port: 1 }, 4, "1023");
        assert_means(ServerError::NoSuchAddress { address: [1, 2, 3, 4].into() }, 4, "--listen");
        assert_means(socket(SocketError::Unreachable("x".into())), 4, "network");
        assert_means(socket(SocketError::NotRendezvous("x".into())), 4, "address");
        assert_means(socket(SocketError::Certificate("x".into())), 4, "clock");
        assert_means(socket(SocketError::Untrusted), 4, "--ca");
    }

    #[test]
    fn files_that_cannot_be_used_are_code_5() {
        assert_means(bookmark(io::ErrorKind::PermissionDenied), 5, "--state");
        assert_means(bookmark(io::ErrorKind::StorageFull), 5, "room");
        assert_means(server(io::ErrorKind::PermissionDenied), 5, "--state");
        assert_means(server(io::ErrorKind::StorageFull), 5, "room");
        assert_means(ServerError::BadKey { path: "x".into(), reason: "x".into() }, 5, "move");
        let source = io(io::ErrorKind::NotFound);
        assert_means(ServerError::TurnSecret { path: "x".into(), source }, 5, "static-auth-secret");
        assert_means(certificate(CertificateProblem::Unreadable(io(io::ErrorKind::NotFound))), 5, "path");
        assert_means(certificate(CertificateProblem::NotACertificate("x".into())), 5, "PEM");
        assert_means(certificate(CertificateProblem::NotAKey("x".into())), 5, "PEM");
        assert_means(certificate(CertificateProblem::Encrypted), 5, "openssl");
        assert_means(certificate(CertificateProblem::Mismatch), 5, "made for");
        assert_means(certificate(CertificateProblem::Expired), 5, "--acme");
        assert_means(certificate(CertificateProblem::NotYet), 5, "clock");
        assert_means(BookmarkError::Trouble(Trouble::NotAFile { path: "x".into() }), 5, "move");
        let aside = Trouble::SetAside { path: "x".into(), aside: "y".into(), why: "z".into() };
        assert_means(BookmarkError::Trouble(aside), 5, "good copy");
        assert_means(BookmarkError::Exists(ConversationId::from_bits(1)), 5, "move");
        assert_means(ConfigError::NoHome, 5, "--state");
        assert_means(AuthorityError { path: "x".into(), reason: "x".into() }, 5, "/ca");
        assert_means(ConfigError::Unreadable { path: "x".into(), source: io(io::ErrorKind::NotFound) }, 5, "--config");
    }

    #[test]
    fn missing_media_an_open_conversation_and_a_used_code_are_told_apart() {
        assert_means(MediaError::Missing("webrtcbin"), 6, "install");
        assert_means(BookmarkError::AlreadyOpen, 7, "--take-over");
        assert_means(Error::Refused, 8, "new link");
    }

    #[test]
    fn a_call_that_did_not_come_about_says_what_to_try() {
        let no_call = |why| Error::NoCall { name: "tim".into(), why };
        assert_means(no_call(Failure::NotFound), 9, "same server");
        assert_means(no_call(Failure::Busy), 9, "over");
        assert_means(no_call(Failure::Several("Anna B., Anna C.".into())), 9, "in full");
        assert_means(no_call(Failure::Refused("x".into())), 9, "check");
        assert_means(no_call(Failure::ServerGone(None)), 4, "server runs");
        assert_means(no_call(Failure::CutOff("x".into())), 4, "once the server is there");
        assert_means(no_call(Failure::Ended(Ending::NoAnswer)), 9, "again");
        assert_means(no_call(Failure::Ended(Ending::NoConnection)), 9, "--turn");
        assert_means(no_call(Failure::Ended(Ending::Failed("x".into()))), 9, "again");
        assert_means(no_call(Failure::Broken("x".into())), 9, "again");
        assert_means(Error::NotWaiting { name: "tim".into(), why: Failure::UidTaken }, 3, "--as");
    }

    #[test]
    fn what_nobody_can_help_is_code_1() {
        for error in [Error::Output(io(io::ErrorKind::StorageFull)), Error::System(io(io::ErrorKind::OutOfMemory))] {
            assert_eq!(Exit::of(&error), Exit { kind: Kind::Internal, hint: None });
            assert_eq!(Kind::Internal.code(), 1);
        }
    }

    #[test]
    fn a_reader_that_left_is_no_failure() {
        assert!(is_reader_gone(&Error::Output(io(io::ErrorKind::BrokenPipe))));
        assert!(!is_reader_gone(&Error::Output(io(io::ErrorKind::StorageFull))));
    }
}
