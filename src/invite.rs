//! What one side hands the other: a link, also drawn as a QR code.
//!
//! `https://HOST/?convoId=…&farInstanceId=…#key=…` invites; with `convoId` alone it is the bookmark of a conversation
//! that is paired already.

use std::{fmt, str::FromStr};

use thiserror::Error;
use url::{Host, Url};

use crate::{
    ids::{ConversationId, InstanceId, RoomId},
    pairing::PairingKey,
};

/// The longest text that is looked at as a link: 4 KiB.
pub const LINK_LIMIT: usize = 4096;

/// A server by its web address: scheme, host and port, and nothing behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(Url);

/// An invitation to pair: where to meet, with whom, and the key to prove it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// The server both meet at.
    pub origin: Origin,
    /// The conversation to become a side of.
    pub conversation: ConversationId,
    /// The side that showed the code.
    pub far: InstanceId,
    /// What proves that this side read the code.
    pub key: PairingKey,
}

/// What a link can stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// The code of a conversation that waits for its other side.
    Invite(Invite),
    /// The bookmark of a conversation.
    Bookmark {
        /// The server both meet at.
        origin: Origin,
        /// The conversation.
        conversation: ConversationId,
    },
}

/// Why a text is no link to a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LinkError {
    /// Not a web address, or one of over 4 KiB.
    #[error("this is not a web address")]
    NotAnAddress,
    /// Something other than `http` or `https`.
    #[error("a link begins with https:// or http://")]
    Scheme,
    /// No `convoId`, or one that is no conversation id.
    #[error("the link names no conversation (convoId)")]
    Conversation,
    /// A `farInstanceId` that is no instance id.
    #[error("the link's farInstanceId is damaged")]
    FarInstance,
    /// Invited, but the key behind `#` is missing or damaged.
    #[error("the link's key, behind the #, is missing or damaged")]
    Key,
}

impl Origin {
    /// The WebSocket address of the rendezvous on this server.
    pub fn socket(&self) -> Url {
        let mut url = self.0.clone();
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        // Both schemes are special to the URL standard, so the change is always allowed.
        let _ = url.set_scheme(scheme);
        url.set_path("/ws");
        url
    }

    /// Whether the server is on this machine.
    pub fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// Whether the server stands in a private network, where no public authority can vouch for its certificate.
    pub fn is_private(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => name.ends_with(".local") || !name.contains('.'),
            Some(Host::Ipv4(address)) => address.is_private() || address.is_link_local() || address.is_loopback(),
            Some(Host::Ipv6(address)) => {
                address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
            }
            None => false,
        }
    }

    /// The address by which a browser comes into a room on this server.
    pub fn room(&self, room: &RoomId) -> Url {
        let mut url = self.0.clone();
        url.query_pairs_mut().append_pair("room", room.as_str());
        url
    }

    /// The address of a conversation's page on this server: its bookmark.
    pub fn bookmark(&self, conversation: &ConversationId) -> Url {
        let mut url = self.0.clone();
        url.query_pairs_mut().append_pair("convoId", conversation.as_str());
        url
    }
}

impl FromStr for Origin {
    type Err = LinkError;
    /// Takes `https://host[:port]`, `http://…`, and `wss://` or `ws://` for those who think of the socket.
    fn from_str(text: &str) -> Result<Self, LinkError> {
        let text = text.trim();
        let text = match text.split_once("://") {
            Some(("ws", rest)) => format!("http://{rest}"),
            Some(("wss", rest)) => format!("https://{rest}"),
            _ => text.to_owned(),
        };
        let url = parse_url(&text)?;
        Ok(origin_of(url))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl FromStr for Link {
    type Err = LinkError;
    /// White space around and line breaks within the text are dropped, other parameters ignored.
    fn from_str(text: &str) -> Result<Self, LinkError> {
        let url = parse_url(text)?;
        let parameter =
            |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let conversation = parameter("convoId").and_then(|text| text.parse().ok()).ok_or(LinkError::Conversation)?;
        let Some(far) = parameter("farInstanceId") else {
            return Ok(Self::Bookmark { origin: origin_of(url), conversation });
        };
        let far = far.parse().map_err(|_| LinkError::FarInstance)?;
        let fragment = url.fragment().unwrap_or_default();
        let key = fragment.split('&').find_map(|pair| pair.strip_prefix("key=")).ok_or(LinkError::Key)?;
        let key = key.parse().map_err(|_| LinkError::Key)?;
        Ok(Self::Invite(Invite { origin: origin_of(url), conversation, far, key }))
    }
}

impl fmt::Display for Invite {
    /// The whole link, its key included: a secret, to be shown to a person and nowhere else.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.origin.bookmark(&self.conversation);
        url.query_pairs_mut().append_pair("farInstanceId", self.far.as_str());
        write!(f, "{url}#key={}", self.key.reveal().as_str())
    }
}

fn parse_url(text: &str) -> Result<Url, LinkError> {
    if text.len() > LINK_LIMIT {
        return Err(LinkError::NotAnAddress);
    }
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let url = Url::parse(&text).map_err(|_| LinkError::NotAnAddress)?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        "http" | "https" => Err(LinkError::NotAnAddress),
        _ => Err(LinkError::Scheme),
    }
}

fn origin_of(mut url: Url) -> Origin {
    url.set_path("");
    url.set_query(None);
    url.set_fragment(None);
    // Neither fails for a web address with a host; what a link says of users is of no use here.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Origin(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONVERSATION: &str = "aebagbafaydqqcikbmga2dqpca";
    const FAR: &str = "mzxw6ytboi4dsnjvgy3tqojqga";

    fn key() -> String {
        PairingKey::from_bytes([5; 32]).reveal().to_string()
    }

    #[test]
    fn an_invite_survives_the_round_trip() {
        let text = format!("https://192.168.1.5:8443/?convoId={CONVERSATION}&farInstanceId={FAR}#key={}", key());
        let Ok(Link::Invite(invite)) = text.parse() else { panic!("{text}") };
        assert_eq!(invite.to_string(), text);
        assert_eq!(invite.origin.socket().as_str(), "wss://192.168.1.5:8443/ws");
        assert!(invite.origin.is_private() && !invite.origin.is_loopback());
    }

    #[test]
    fn a_link_parses_with_line_breaks_and_foreign_parameters() {
        let text =
            format!("  http://localhost:8443/?utm=x&convoId={CONVERSATION}\n&farInstanceId={FAR}#key={}&x=1\n", key());
        assert!(matches!(text.parse(), Ok(Link::Invite(_))), "{text}");
    }

    #[test]
    fn a_bookmark_names_a_conversation_only() {
        let text = format!("http://localhost:8443/?convoId={CONVERSATION}");
        let Ok(Link::Bookmark { origin, conversation }) = text.parse() else { panic!("{text}") };
        assert_eq!(origin.bookmark(&conversation).as_str(), text);
        assert!(origin.is_loopback());
    }

    #[test]
    fn broken_links_say_what_is_wrong() {
        let key = key();
        for (text, error) in [
            (String::from("nonsense"), LinkError::NotAnAddress),
            (String::from("ftp://host/"), LinkError::Scheme),
            (String::from("https://host/"), LinkError::Conversation),
            (String::from("https://host/?convoId=short"), LinkError::Conversation),
            (format!("https://host/?convoId={CONVERSATION}&farInstanceId=x#key={key}"), LinkError::FarInstance),
            (format!("https://host/?convoId={CONVERSATION}&farInstanceId={FAR}"), LinkError::Key),
            (format!("https://host/?convoId={CONVERSATION}&farInstanceId={FAR}#key={}", &key[1..]), LinkError::Key),
            (format!("https://host/{}", "x".repeat(LINK_LIMIT)), LinkError::NotAnAddress),
        ] {
            assert_eq!(text.parse::<Link>(), Err(error), "{text}");
        }
    }

    #[test]
    fn an_origin_may_be_written_as_a_socket_address() {
        let origin: Origin = "wss://talk.example/ws".parse().expect("an origin");
        assert_eq!(origin.to_string(), "https://talk.example");
        assert!("talk.example".parse::<Origin>().is_err());
    }
}
