//! The ways to a call: by SESSION, or by the directory.

use std::time::Instant;

use serde_json::json;

use super::Who;
use crate::{
    conversation::Gate,
    ids::{PeerUid, Sessionid},
    invite::Origin,
    listed::{self, Listed},
    rendezvous::Resume,
    rt,
    run::{Error, random_bytes, random_id},
    session::{self, Failure, Input, Output, Session},
    socket::{Event, Socket},
};

/// What decides, whichever dialect it speaks.
pub(super) enum Way {
    Session(Box<Session>),
    Directory(Box<Listed>),
}

impl Way {
    /// The way to `who`, and what is shown as the name of the one who is called, or waits.
    pub(super) fn to(who: Who, name: Option<PeerUid>, gate: Gate) -> Result<(Self, String), Error> {
        let seed = u64::from_ne_bytes(random_bytes()?);
        let (role, shown) = match who {
            Who::Peer(_) | Who::Anybody => {
                let uid = name.map_or_else(|| random_uid(seed), Ok)?;
                let (role, shown) = match who {
                    Who::Peer(peer) => (session::Role::Calls(peer.clone()), peer),
                    Who::Anybody | Who::Found(_) | Who::Listed(_) => (session::Role::Waits, uid.clone()),
                };
                let session = Session::new(session::Setup { uid, role, gate, seed });
                return Ok((Self::Session(Box::new(session)), shown.to_string()));
            }
            Who::Found(text) => (listed::Role::Finds(text.clone()), text),
            Who::Listed(name) => {
                let profiles = serde_json::from_value(json!({ "twocan": { "name": name } })).map_err(|error| {
                    Error::NotWaiting { name: name.clone(), why: Failure::Refused(error.to_string()) }
                })?;
                (listed::Role::Waits(profiles), name)
            }
        };
        let session = Sessionid::from_bits(random_id()?);
        let listed = Listed::new(listed::Setup { session, role, gate, seed });
        Ok((Self::Directory(Box::new(listed)), shown))
    }

    /// What is typed elsewhere to call who waits as `name` here.
    pub(super) fn command_for(&self, name: &str, server: &Origin) -> String {
        let (command, flags) = match self {
            Self::Session(_) => ("call", format!("--server {server}")),
            Self::Directory(_) => ("find", format!("--call --server {server}")),
        };
        let word = quoted(name);
        // It would be taken for a flag.
        let is_like_flag = name.starts_with('-');
        if is_like_flag {
            format!("twocan {command} {flags} -- {word}")
        } else {
            format!("twocan {command} {word} {flags}")
        }
    }

    pub(super) fn handle(&mut self, now: Instant, input: Input) {
        match self {
            Self::Session(session) => session.handle(now, input),
            Self::Directory(listed) => listed.handle(now, input),
        }
    }

    pub(super) fn poll(&mut self) -> Option<Output> {
        match self {
            Self::Session(session) => session.poll(),
            Self::Directory(listed) => listed.poll(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Session(session) => session.deadline(),
            Self::Directory(listed) => listed.deadline(),
        }
    }

    /// The line to the server on which this is spoken.
    pub(super) fn connect(
        &self,
        server: &Origin,
        resume: &Resume,
        number: u64,
        events: rt::Sender<(u64, Event)>,
    ) -> Socket {
        match self {
            Self::Session(_) => Socket::connect(server, resume, number, events),
            Self::Directory(_) => Socket::connect_workrooms(server, number, events),
        }
    }
}

/// One word of a shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "._@:/+-".contains(c);
    let is_word = !text.is_empty() && text.chars().all(is_plain);
    if is_word { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// A number, as stock peers have it: some of them read nothing else.
fn random_uid(seed: u64) -> Result<PeerUid, Error> {
    let number = 1 + seed % 1_000_000_000;
    number.to_string().parse().map_err(|_| Error::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn whoever_is_to_call_types_one_word_for_the_name() {
        for (name, word) in
            [("4711", "4711"), ("Zoë", "Zoë"), ("Tim B.", "'Tim B.'"), ("a'b;", r"'a'\''b;'"), ("$x", "'$x'")]
        {
            assert_eq!(quoted(name), word);
        }
        let (way, shown) = Way::to(Who::Listed("Tim B.".into()), None, Gate::Closed).unwrap();
        let server = "https://host:8443".parse().unwrap();
        assert_eq!(way.command_for(&shown, &server), "twocan find 'Tim B.' --call --server https://host:8443");
        let command = way.command_for("-x", &server);
        assert_eq!(command, "twocan find --call --server https://host:8443 -- -x");
        let read = Cli::read(command.split(' ').map(Into::into)).unwrap().command;
        assert!(matches!(read, Some(Command::Find(find)) if find.text == "-x" && find.call));
        let (way, _) = Way::to(Who::Anybody, None, Gate::Closed).unwrap();
        let read = Cli::read(way.command_for("-x", &server).split(' ').map(Into::into)).unwrap().command;
        assert!(matches!(read, Some(Command::Call(call)) if call.uid == Some("-x".parse().unwrap())));
    }
}
