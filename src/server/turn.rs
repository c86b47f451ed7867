//! Which STUN and TURN servers a peer may use, with a password for the latter that is good for a while: `GET /ice`.
//!
//! The password is what coturn checks with `use-auth-secret`: an HMAC over the user's name, which says until when it is
//! good, under a secret that only the two servers know.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    time::Duration,
};

use axum::{
    Router,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use ring::hmac;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{ServerError, Settings, origin, settings::Origins, today};

/// How long an answer is good for that holds no password: 12 h.
const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

/// The longest secret: 4 KiB.
const SECRET_LIMIT: u64 = 4096;

/// What `/ice` answers with.
pub(super) struct Ice {
    stun: Vec<String>,
    turn: Option<Turn>,
    origins: Origins,
}

/// TURN servers, and what makes passwords for them.
struct Turn {
    urls: Vec<String>,
    key: hmac::Key,
    lifetime: Duration,
}

impl Ice {
    /// Reads the secret, if there is to be one.
    pub(super) fn new(settings: &Settings) -> Result<Self, ServerError> {
        let turn = |turn: &super::Turn| {
            let path = &turn.secret_file;
            let secret = secret(path).map_err(|source| ServerError::TurnSecret { path: path.clone(), source })?;
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.trim().as_bytes());
            Ok::<_, ServerError>(Turn { urls: turn.urls.clone(), key, lifetime: turn.lifetime })
        };
        let turn = settings.turn.as_ref().map(turn).transpose()?;
        Ok(Self { stun: settings.stun.clone(), turn, origins: settings.origins.clone() })
    }

    /// The path it is asked for at.
    pub(super) fn routes(self) -> Router {
        let ice = std::sync::Arc::new(self);
        Router::new().route("/ice", any(move |headers: HeaderMap| std::future::ready(ice.respond(&headers))))
    }

    /// Each time by a connection of its own, so that an address gets no more passwords than it may begin connections.
    fn respond(&self, headers: &HeaderMap) -> Response {
        let mut response = self.response(headers);
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }

    fn response(&self, headers: &HeaderMap) -> Response {
        if !origin::is_allowed(headers, &self.origins) {
            return (StatusCode::FORBIDDEN, "Pages of that site may not use this server.\n").into_response();
        }
        let now = today().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let Ok(answer) = self.answer(now).map(|answer| answer.to_string()) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response(); // The system has no random numbers.
        };
        ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], answer).into_response()
    }

    /// `now` is since 1970.
    fn answer(&self, now: Duration) -> Result<Value, getrandom::Error> {
        let mut servers = Vec::new();
        if !self.stun.is_empty() {
            servers.push(json!({ "urls": self.stun }));
        }
        if let Some(turn) = &self.turn {
            let mut random = [0; 8];
            getrandom::fill(&mut random)?;
            let user = format!("{}:{}", (now + turn.lifetime).as_secs(), data_encoding::HEXLOWER.encode(&random));
            let password = data_encoding::BASE64.encode(hmac::sign(&turn.key, user.as_bytes()).as_ref());
            servers.push(json!({ "urls": turn.urls, "username": user, "credential": password }));
        }
        let lifetime = self.turn.as_ref().map_or(LIFETIME, |turn| turn.lifetime);
        Ok(json!({ "iceServers": servers, "lifetime": lifetime.as_secs() }))
    }
}

fn secret(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    File::open(path)?.take(SECRET_LIMIT + 1).read_to_string(&mut text)?;
    if text.len() as u64 > SECRET_LIMIT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 4 KiB"));
    }
    if text.trim().is_empty() || text.trim().contains('\n') {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is to hold one line, the secret"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ice(lifetime: u64) -> Ice {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"north");
        let turn = Turn { urls: vec!["turn:turn.example:3478".into()], key, lifetime: Duration::from_secs(lifetime) };
        Ice { stun: vec!["stun:stun.example:3478".into()], turn: Some(turn), origins: Origins::Any }
    }

    #[test]
    fn a_password_is_the_hmac_of_a_name_that_says_until_when_it_is_good() {
        let answer = ice(100).answer(Duration::from_millis(1_700_000_000_900)).unwrap();
        assert_eq!(answer["lifetime"], 100);
        assert_eq!(answer["iceServers"][0], json!({ "urls": ["stun:stun.example:3478"] }));
        let turn = &answer["iceServers"][1];
        assert_eq!(turn["urls"], json!(["turn:turn.example:3478"]));
        let user = turn["username"].as_str().unwrap();
        let (until, random) = user.split_once(':').unwrap();
        assert_eq!((until, random.len()), ("1700000100", 16));
        let again = ice(100).answer(Duration::from_secs(1_700_000_000)).unwrap();
        assert_ne!(again["iceServers"][1]["username"], user, "two peers are not taken for one");
    }

    #[test]
    fn it_is_the_password_that_openssl_makes_too() {
        // printf 1700000100:abc | openssl dgst -sha1 -hmac north -binary | base64
        let Some(turn) = ice(1).turn else { panic!() };
        let password = data_encoding::BASE64.encode(hmac::sign(&turn.key, b"1700000100:abc").as_ref());
        assert_eq!(password, "gbWygtTIMDELB+e6UCAvFY02+hc=");
    }

    #[test]
    fn without_servers_there_is_nothing_to_tell() {
        let none = Ice { stun: Vec::new(), turn: None, origins: Origins::Any };
        assert_eq!(none.answer(Duration::ZERO).unwrap(), json!({ "iceServers": [], "lifetime": 43_200 }));
    }

    #[test]
    fn a_secret_is_one_line_of_a_file() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("secret");
        std::fs::write(&path, "north\n").unwrap();
        assert_eq!(secret(&path).unwrap().trim(), "north");
        for bad in [String::new(), "\n \n".into(), "a\nb".into(), "x".repeat(5000)] {
            std::fs::write(&path, &bad).unwrap();
            assert!(secret(&path).is_err(), "{bad:?}");
        }
        assert!(secret(home.path()).is_err());
    }
}
