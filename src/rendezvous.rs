//! The rendezvous protocol's lines: what a client says and what the server says, both directions.
//!
//! One line is one WebSocket text message. Nothing here knows who is registered or where; that is the switchboard's.

mod back_in;
mod resume;

use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

use thiserror::Error;

pub use back_in::{BACK_IN_LIMIT, BackIn, NotBackIn};
pub use resume::{NotResume, Resume};

use crate::{
    foreign,
    ids::{IdError, PeerUid, RoomId},
};

/// The longest text message on the rendezvous connection: 64 KiB.
pub const MESSAGE_LIMIT: usize = 64 * 1024;

/// What stands behind `ERROR ` when the uid asked for is held by a live connection.
pub const UID_TAKEN: &str = "peer uid taken";

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientLine {
    /// Registers the connection under this uid; the first line of all.
    Hello(PeerUid),
    /// Asks for a session with this peer.
    Session(PeerUid),
    /// Enters this room.
    Room(RoomId),
    /// Says something to one member of the room.
    RoomPeerMsg {
        /// The member it is for.
        to: PeerUid,
        /// What is said, kept to the byte.
        text: String,
    },
    /// Asks who else is in the room.
    RoomPeerList,
}

impl fmt::Display for ClientLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hello(uid) => write!(f, "HELLO {uid}"),
            Self::Session(uid) => write!(f, "SESSION {uid}"),
            Self::Room(room) => write!(f, "ROOM {room}"),
            Self::RoomPeerMsg { to, text } => write!(f, "ROOM_PEER_MSG {to} {text}"),
            Self::RoomPeerList => f.write_str("ROOM_PEER_LIST"),
        }
    }
}

/// A client's text taken apart by the server, its names not judged yet.
///
/// A command is a whole word that ends at the first space; `HELLO`, `SESSION` and `ROOM` without one have an empty name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// `HELLO <uid>`.
    Hello(&'a str),
    /// `SESSION <uid>`.
    Session(&'a str),
    /// `ROOM <id>`.
    Room(&'a str),
    /// `ROOM_PEER_MSG <uid> <text>`.
    RoomPeerMsg {
        /// The member it is for.
        to: &'a str,
        /// What is said, kept to the byte; empty where nothing stands.
        text: &'a str,
    },
    /// `ROOM_PEER_LIST`, and nothing behind it.
    RoomPeerList,
    /// Anything else.
    Other,
}

impl<'a> Request<'a> {
    /// Takes `text` apart; never fails.
    pub fn parse(text: &'a str) -> Self {
        let (command, rest) = match text.split_once(' ') {
            Some((command, rest)) => (command, Some(rest)),
            None => (text, None),
        };
        match (command, rest) {
            ("HELLO", name) => Self::Hello(name.unwrap_or_default()),
            ("SESSION", name) => Self::Session(name.unwrap_or_default()),
            ("ROOM", name) => Self::Room(name.unwrap_or_default()),
            ("ROOM_PEER_MSG", Some(rest)) => {
                let (to, text) = rest.split_once(' ').unwrap_or((rest, ""));
                Self::RoomPeerMsg { to, text }
            }
            ("ROOM_PEER_LIST", None) => Self::RoomPeerList,
            _ => Self::Other,
        }
    }
}

/// What the server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerLine {
    /// The connection is registered.
    Hello,
    /// The session stands; whatever is said from now on goes to the other.
    SessionOk,
    /// The room is entered; these were in it.
    RoomOk(Vec<PeerUid>),
    /// Somebody entered the room.
    RoomPeerJoined(PeerUid),
    /// Somebody left the room.
    RoomPeerLeft(PeerUid),
    /// A member of the room says something.
    RoomPeerMsg {
        /// The member that says it.
        from: PeerUid,
        /// What is said, kept to the byte.
        text: String,
    },
    /// These are in the room, the asker left out.
    RoomPeerList(Vec<PeerUid>),
    /// The server refuses something; the text is what stands behind `ERROR `, read so that it can be shown.
    Error(String),
}

impl fmt::Display for ServerLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hello => f.write_str("HELLO"),
            Self::SessionOk => f.write_str("SESSION_OK"),
            Self::RoomOk(members) => write_members(f, "ROOM_OK", members),
            Self::RoomPeerJoined(uid) => write!(f, "ROOM_PEER_JOINED {uid}"),
            Self::RoomPeerLeft(uid) => write!(f, "ROOM_PEER_LEFT {uid}"),
            Self::RoomPeerMsg { from, text } => write!(f, "ROOM_PEER_MSG {from} {text}"),
            Self::RoomPeerList(members) => write_members(f, "ROOM_PEER_LIST", members),
            Self::Error(text) => write!(f, "ERROR {text}"),
        }
    }
}

/// With no members the space behind the command stays: stock clients need it.
fn write_members(f: &mut fmt::Formatter<'_>, command: &str, members: &[PeerUid]) -> fmt::Result {
    f.write_str(command)?;
    if members.is_empty() {
        return f.write_char(' ');
    }
    members.iter().try_for_each(|member| write!(f, " {member}"))
}

/// Why a text is nothing a rendezvous server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LineError {
    /// No line of the protocol begins like this.
    #[error("the server said something that is not of the rendezvous protocol")]
    Unknown,
    /// The line names a peer that cannot be one.
    #[error("the server named a peer in a way it cannot be named: {0}")]
    Name(#[from] IdError),
}

impl FromStr for ServerLine {
    type Err = LineError;

    fn from_str(line: &str) -> Result<Self, LineError> {
        let (command, rest) = match line.split_once(' ') {
            Some((command, rest)) => (command, Some(rest)),
            None => (line, None),
        };
        match (command, rest) {
            ("HELLO", None) => Ok(Self::Hello),
            ("SESSION_OK", None) => Ok(Self::SessionOk),
            ("ROOM_OK", members) => Ok(Self::RoomOk(parse_members(members)?)),
            ("ROOM_PEER_JOINED", Some(uid)) => Ok(Self::RoomPeerJoined(uid.parse()?)),
            ("ROOM_PEER_LEFT", Some(uid)) => Ok(Self::RoomPeerLeft(uid.parse()?)),
            ("ROOM_PEER_MSG", Some(rest)) => {
                let (from, text) = rest.split_once(' ').unwrap_or((rest, ""));
                Ok(Self::RoomPeerMsg { from: from.parse()?, text: text.to_owned() })
            }
            ("ROOM_PEER_LIST", members) => Ok(Self::RoomPeerList(parse_members(members)?)),
            ("ERROR", text) => Ok(Self::Error(foreign::shown(text.unwrap_or_default(), foreign::SENTENCE))),
            _ => Err(LineError::Unknown),
        }
    }
}

fn parse_members(members: Option<&str>) -> Result<Vec<PeerUid>, IdError> {
    members.unwrap_or_default().split(' ').filter(|word| !word.is_empty()).map(str::parse).collect()
}

/// Why the server will not do what a client asks; displays as what stands behind `ERROR `.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// Something else was said before `HELLO`.
    InvalidProtocol,
    /// The uid is not one word of 1 to 256 bytes.
    InvalidPeerUid,
    /// A live connection holds the uid.
    PeerUidTaken,
    /// Nobody is registered under this uid.
    PeerNotFound(&'a str),
    /// The peer is in a session or room already, or is the asker.
    PeerBusy(&'a str),
    /// This cannot name a room.
    InvalidRoomId(&'a str),
    /// The room has as many members as a room may have.
    RoomFull(&'a str),
    /// The peer is registered, but not in the asker's room.
    PeerNotInRoom(&'a str),
    /// The whole text is no command for one who is idle.
    InvalidMsg(&'a str),
    /// The text is no command for one who is in a room.
    AlreadyInRoom,
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidProtocol => f.write_str("invalid protocol"),
            Self::InvalidPeerUid => f.write_str("invalid peer uid"),
            Self::PeerUidTaken => f.write_str(UID_TAKEN),
            Self::PeerNotFound(uid) => write!(f, "peer {} not found", Quoted(uid)),
            Self::PeerBusy(uid) => write!(f, "peer {} busy", Quoted(uid)),
            Self::InvalidRoomId(room) => write!(f, "invalid room id {}", Quoted(room)),
            Self::RoomFull(room) => write!(f, "room {} is full", Quoted(room)),
            Self::PeerNotInRoom(uid) => write!(f, "peer {} is not in the room", Quoted(uid)),
            Self::InvalidMsg(text) => {
                write!(f, "invalid msg {}", Quoted(text.split_whitespace().next().unwrap_or_default()))
            }
            Self::AlreadyInRoom => f.write_str("invalid msg, already in room"),
        }
    }
}

/// A text as Python's `repr` shows it, which stock servers send.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = if self.0.contains('\'') && !self.0.contains('"') { '"' } else { '\'' };
        f.write_char(quote)?;
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if c == quote => write!(f, "\\{c}")?,
                c if is_printable(c) => f.write_char(c)?,
                c => match u32::from(c) {
                    code @ ..=0xff => write!(f, "\\x{code:02x}")?,
                    code @ ..=0xffff => write!(f, "\\u{code:04x}")?,
                    code => write!(f, "\\U{code:08x}")?,
                },
            }
        }
        f.write_char(quote)
    }
}

/// Whether Python would call `c` printable: the standard library's own escaping draws the same line.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // Behind a letter, so that a combining mark is not escaped merely for standing first.
    let mut text = [b'a', 0, 0, 0, 0];
    c.encode_utf8(&mut text[1..]);
    let text = std::str::from_utf8(&text[..=c.len_utf8()]).unwrap_or_default();
    text.escape_debug().nth(1) == Some(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(text: &str) -> PeerUid {
        text.parse().unwrap()
    }

    #[test]
    fn every_server_line_survives_the_round_trip() {
        for (line, text) in [
            (ServerLine::Hello, "HELLO"),
            (ServerLine::SessionOk, "SESSION_OK"),
            (ServerLine::RoomOk(vec![]), "ROOM_OK "),
            (ServerLine::RoomOk(vec![uid("a"), uid("b")]), "ROOM_OK a b"),
            (ServerLine::RoomPeerJoined(uid("a:b")), "ROOM_PEER_JOINED a:b"),
            (ServerLine::RoomPeerLeft(uid("ä")), "ROOM_PEER_LEFT ä"),
            (ServerLine::RoomPeerMsg { from: uid("a"), text: "{}".into() }, "ROOM_PEER_MSG a {}"),
            (ServerLine::RoomPeerList(vec![]), "ROOM_PEER_LIST "),
            (ServerLine::RoomPeerList(vec![uid("17")]), "ROOM_PEER_LIST 17"),
            (ServerLine::Error("peer 'a' busy".into()), "ERROR peer 'a' busy"),
        ] {
            assert_eq!(line.to_string(), text);
            assert_eq!(text.parse(), Ok(line));
        }
    }

    #[test]
    fn every_client_line_is_what_the_server_takes_apart() {
        let text = " {\"ice\": {}}  ".to_owned();
        for (line, request) in [
            (ClientLine::Hello(uid("a")), Request::Hello("a")),
            (ClientLine::Session(uid("b")), Request::Session("b")),
            (ClientLine::Room("tea".parse().unwrap()), Request::Room("tea")),
            (
                ClientLine::RoomPeerMsg { to: uid("c"), text: text.clone() },
                Request::RoomPeerMsg { to: "c", text: &text },
            ),
            (ClientLine::RoomPeerList, Request::RoomPeerList),
        ] {
            assert_eq!(Request::parse(&line.to_string()), request);
        }
    }

    #[test]
    fn a_message_is_kept_to_the_byte() {
        for text in ["", " ", "  x  ", "x\n", "\t", "a b c"] {
            let line = ServerLine::RoomPeerMsg { from: uid("a"), text: text.into() };
            assert_eq!(line.to_string().parse(), Ok(line));
            let line = format!("ROOM_PEER_MSG b {text}");
            assert_eq!(Request::parse(&line), Request::RoomPeerMsg { to: "b", text });
        }
        assert_eq!(Request::parse("ROOM_PEER_MSG b"), Request::RoomPeerMsg { to: "b", text: "" });
    }

    #[test]
    fn an_empty_room_is_understood_without_its_space_too() {
        assert_eq!("ROOM_OK".parse(), Ok(ServerLine::RoomOk(vec![])));
        assert_eq!("ROOM_PEER_LIST".parse(), Ok(ServerLine::RoomPeerList(vec![])));
    }

    #[test]
    fn commands_are_whole_words() {
        for text in
            ["", " ", "HELLOa", "HELLO\ta", "hello a", "ROOMS a", "ROOM_PEER_LISTX", "ROOM_PEER_LIST ", "SESSION_OK"]
        {
            assert_eq!(Request::parse(text), Request::Other, "{text:?}");
        }
        assert_eq!(Request::parse("ROOM_PEER_MSG"), Request::Other);
        assert_eq!(Request::parse("HELLO"), Request::Hello(""));
        assert_eq!(Request::parse("HELLO  a"), Request::Hello(" a"));
    }

    #[test]
    fn what_no_server_says_is_refused() {
        for text in ["", "hello", "HELLO you", "SESSION_OK ", "ROOM_PEER_JOINED", "ROOM tea", "{\"sdp\":{}}"] {
            assert_eq!(text.parse::<ServerLine>(), Err(LineError::Unknown), "{text:?}");
        }
        for text in ["ROOM_PEER_JOINED ", "ROOM_PEER_LEFT a b", "ROOM_OK a\u{a0}b", "ROOM_PEER_MSG  x"] {
            assert_eq!(text.parse::<ServerLine>(), Err(LineError::Name(IdError::NotAWord)), "{text:?}");
        }
    }

    #[test]
    fn refusals_quote_as_python_does() {
        for (word, quoted) in [
            ("", "''"),
            ("bob", "'bob'"),
            ("o'neil", "\"o'neil\""),
            ("say \"hi\"", "'say \"hi\"'"),
            ("'\"", "'\\'\"'"),
            ("a\\b", "'a\\\\b'"),
            ("a\tb\r\n", "'a\\tb\\r\\n'"),
            ("\0\x1b\x7f", "'\\x00\\x1b\\x7f'"),
            ("\u{a0}\u{2028}\u{e000}\u{10ffff}", "'\\xa0\\u2028\\ue000\\U0010ffff'"),
            ("zoë e\u{301} 日本 🎈", "'zoë e\u{301} 日本 🎈'"),
        ] {
            assert_eq!(Refusal::PeerBusy(word).to_string(), format!("peer {quoted} busy"));
        }
    }

    #[test]
    fn an_invalid_message_is_named_by_its_first_word() {
        for (text, shown) in
            [("", "''"), ("  ", "''"), ("  OFFER_REQUEST now", "'OFFER_REQUEST'"), ("{\"sdp\": 1}", "'{\"sdp\":'")]
        {
            assert_eq!(Refusal::InvalidMsg(text).to_string(), format!("invalid msg {shown}"));
        }
    }
}
