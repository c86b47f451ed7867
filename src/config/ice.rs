//! STUN and TURN servers as people write them.

use std::{fmt, str::FromStr};

use serde::Deserialize;
use thiserror::Error;
use url::Url;
use zeroize::Zeroizing;

/// A STUN server: `stun:HOST[:PORT]`, with or without `//`; the port is 3478 unless said.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Stun(Url);

/// A TURN server with what it takes to use it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Turn {
    url: Url,
    user: String,
    password: Zeroizing<String>,
}

/// Why a text is no STUN or TURN server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IceError {
    /// Not as a STUN server is written.
    #[error("a STUN server is stun:HOST[:PORT]")]
    Stun,
    /// Not as a TURN server is written.
    #[error("a TURN server is turn:[USER@]HOST[:PORT][?transport=udp|tcp], or turns: for TLS")]
    Turn,
    /// A user name is needed, and none is given.
    #[error("a TURN server needs a user: turn:USER@HOST, or the config file")]
    NoUser,
    /// A password is needed, and none is given.
    #[error("a TURN server needs a password: in TWOCAN_TURN_PASSWORD or the config file")]
    NoPassword,
    /// A password is given where everybody on this machine can read it.
    #[error("a password on the command line can be read by everybody on this machine")]
    PasswordInUrl,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    url: String,
    user: String,
    password: String,
}

impl Stun {
    /// As GStreamer wants it: `stun://HOST:PORT`.
    pub fn address(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for Stun {
    type Err = IceError;
    fn from_str(text: &str) -> Result<Self, IceError> {
        let url = server(text, &[("stun", 3478)]).ok_or(IceError::Stun)?;
        let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        if bare { Ok(Self(url)) } else { Err(IceError::Stun) }
    }
}

impl TryFrom<String> for Stun {
    type Error = IceError;
    fn try_from(text: String) -> Result<Self, IceError> {
        text.parse()
    }
}

impl Turn {
    /// The server of a `--turn` flag, which holds no password.
    ///
    /// The password is `password` if there is one, or else that of the same server in the config file; so is the user.
    pub fn from_flag(text: &str, password: Option<&str>, configured: &[Self]) -> Result<Self, IceError> {
        let mut url = server(text, TURN).ok_or(IceError::Turn)?;
        if url.password().is_some() {
            return Err(IceError::PasswordInUrl);
        }
        let user = decoded(url.username());
        let _ = url.set_username("");
        let known = configured.iter().find(|turn| turn.url == url && (user.is_empty() || turn.user == user));
        let user = match (user.is_empty(), known) {
            (false, _) => user,
            (true, Some(known)) => known.user.clone(),
            (true, None) => return Err(IceError::NoUser),
        };
        let password = password.map(|text| Zeroizing::new(text.to_owned()));
        let password = password.or_else(|| known.map(|known| known.password.clone())).ok_or(IceError::NoPassword)?;
        Self::new(url, user, password)
    }

    /// A server that another one offers, with the password that it gives out.
    pub fn offered(url: &str, user: &str, password: Zeroizing<String>) -> Result<Self, IceError> {
        let url = server(url, TURN).filter(|url| url.username().is_empty() && url.password().is_none());
        Self::new(url.ok_or(IceError::Turn)?, user.to_owned(), password)
    }

    /// As GStreamer wants it, a secret: `turn://USER:PASSWORD@HOST:PORT`.
    pub fn address(&self) -> Zeroizing<String> {
        let mut url = self.url.clone();
        // Neither fails where there is a host, and there is one.
        let _ = url.set_username(&self.user);
        let _ = url.set_password(Some(&self.password));
        Zeroizing::new(url.into())
    }

    fn new(url: Url, user: String, password: Zeroizing<String>) -> Result<Self, IceError> {
        match (user.is_empty(), password.is_empty()) {
            (true, _) => Err(IceError::NoUser),
            (false, true) => Err(IceError::NoPassword),
            (false, false) => Ok(Self { url, user, password }),
        }
    }
}

impl TryFrom<Written> for Turn {
    type Error = IceError;
    fn try_from(Written { url, user, password }: Written) -> Result<Self, IceError> {
        let url = server(&url, TURN).ok_or(IceError::Turn)?;
        if url.username().is_empty() && url.password().is_none() {
            Self::new(url, user, password.into())
        } else {
            Err(IceError::Turn)
        }
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turn({} as {})", self.url, self.user)
    }
}

/// A TURN server without a user, as a browser takes it: `turn:HOST:PORT`, perhaps with `?transport=`.
pub fn turn_address(text: &str) -> Option<String> {
    let url = server(text, TURN).filter(|url| url.username().is_empty() && url.password().is_none())?;
    Some(url.as_str().replacen("://", ":", 1))
}

const TURN: &[(&str, u16)] = &[("turn", 3478), ("turns", 5349)];

/// A server of one of these schemes, with its port spelled out.
fn server(text: &str, schemes: &[(&str, u16)]) -> Option<Url> {
    let (scheme, rest) = text.trim().split_once(':')?;
    let (scheme, port) = schemes.iter().find(|(known, _)| *known == scheme)?;
    let mut url = Url::parse(&format!("{scheme}://{}", rest.trim_start_matches('/'))).ok()?;
    let transport_is_known = matches!(url.query(), None | Some("transport=udp" | "transport=tcp"));
    let is_bare = matches!(url.path(), "" | "/") && url.fragment().is_none() && transport_is_known;
    if !is_bare || url.host_str().is_none_or(str::is_empty) {
        return None;
    }
    url.set_path("");
    let port = url.port().unwrap_or(*port);
    url.set_port(Some(port)).ok()?;
    Some(url)
}

fn decoded(text: &str) -> String {
    let pair = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(url: &str, user: &str, password: &str) -> Turn {
        let (url, user, password) = (url.to_owned(), user.to_owned(), password.to_owned());
        Turn::try_from(Written { url, user, password }).unwrap()
    }

    #[test]
    fn a_stun_server_has_its_port_spelled_out() {
        for (text, address) in [
            ("stun:stun.example", "stun://stun.example:3478"),
            ("stun://stun.example:19302", "stun://stun.example:19302"),
            ("stun:[2001:db8::1]", "stun://[2001:db8::1]:3478"),
        ] {
            assert_eq!(text.parse::<Stun>().unwrap().address(), address);
        }
        for text in
            ["", "stun:", "stun.example", "http://x", "turn:x", "stun:x/path", "stun:u@x", "stun:x?y", "stun:x:y"]
        {
            assert_eq!(text.parse::<Stun>(), Err(IceError::Stun), "{text:?}");
        }
    }

    #[test]
    fn user_and_password_may_hold_anything() {
        let server = turn("turns:turn.example?transport=tcp", "a:b@c", "p/w?d#");
        assert_eq!(server.address().as_str(), "turns://a%3Ab%40c:p%2Fw%3Fd%23@turn.example:5349?transport=tcp");
        assert!(!format!("{server:?}").contains("p/w"));
    }

    #[test]
    fn a_flags_password_comes_from_elsewhere() {
        let known = [turn("turn:turn.example", "me", "secret")];
        let address = |text, password, known: &[Turn]| {
            Turn::from_flag(text, password, known).map(|turn| turn.address().to_string())
        };
        assert_eq!(address("turn:me@turn.example", None, &known).unwrap(), "turn://me:secret@turn.example:3478");
        assert_eq!(address("turn:turn.example", None, &known).unwrap(), "turn://me:secret@turn.example:3478");
        assert_eq!(address("turn:you@turn.example", Some("x"), &known).unwrap(), "turn://you:x@turn.example:3478");
        assert_eq!(address("turn:a+b%20@h", Some("x"), &[]).unwrap(), "turn://a+b%20:x@h:3478");
        assert_eq!(address("turn:turn.example", Some("x"), &[]), Err(IceError::NoUser));
        assert_eq!(address("turn:you@turn.example", None, &known), Err(IceError::NoPassword));
        assert_eq!(address("turn:me:pw@turn.example", None, &known), Err(IceError::PasswordInUrl));
        assert_eq!(address("stun:turn.example", Some("x"), &known), Err(IceError::Turn));
    }
}
