//! From what a person wrote to what the server takes.

use std::time::Duration;

use thiserror::Error;

use crate::{
    config::{AllowedOrigin, ServeSettings, turn_address},
    server::{Limits, Origins, Settings, Tls, Turn},
};

/// How long a password for the TURN servers is good for, unless said: 12 h.
const TURN_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

/// When clients are told to come back, unless said: 5 s.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Settings that do not go together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// One of `certificate` and `key` without the other.
    #[error("a certificate needs its key, and a key its certificate")]
    HalfCertificate,
    /// Both `certificate` and `acme`.
    #[error("the certificate comes from files or by ACME, not both")]
    TwoCertificates,
    /// `acme-contact` or `acme-directory` without `acme`.
    #[error("there is no name to get a certificate for by ACME")]
    NoAcmeName,
    /// A TURN server that cannot be one.
    #[error("\"{0}\" is no TURN server: turn:HOST[:PORT][?transport=udp|tcp], or turns: for TLS")]
    Turn(String),
    /// One of `turn` and `turn-secret-file` without the other.
    #[error("a TURN server needs turn-secret-file, and that file a TURN server")]
    HalfTurn,
}

/// What the server takes, with the defaults for what is not said.
pub fn settings(written: &ServeSettings) -> Result<Settings, SettingsError> {
    let defaults = Settings::default();
    Ok(Settings {
        limits: limits(written, defaults.limits),
        tls: tls(written)?,
        stun: written.stun.iter().map(|stun| stun.address().replacen("://", ":", 1)).collect(),
        turn: turn(written)?,
        origins: origins(&written.origin),
        metrics: written.metrics,
        retry_after: written.retry_after.map_or(Some(RETRY_AFTER), promised),
    })
}

/// Nought promises nothing.
fn promised(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

fn limits(written: &ServeSettings, defaults: Limits) -> Limits {
    let count = |said: Option<std::num::NonZeroUsize>, default| said.map_or(default, usize::from);
    let rate = |said: Option<std::num::NonZeroU32>, default| said.map_or(default, u32::from);
    let time =
        |said: Option<std::num::NonZeroU64>, default| said.map_or(default, |said| Duration::from_secs(said.into()));
    Limits {
        connections: count(written.max_connections, defaults.connections),
        connections_per_address: count(written.max_connections_per_address, defaults.connections_per_address),
        message_rate: rate(written.message_rate, defaults.message_rate),
        address_rate: rate(written.address_rate, defaults.address_rate),
        address_messages: rate(written.address_message_rate, defaults.address_messages),
        room_size: count(written.max_room_size, defaults.room_size),
        hello_timeout: time(written.hello_timeout, defaults.hello_timeout),
        idle_ping: time(written.idle_ping, defaults.idle_ping),
        pong_timeout: time(written.pong_timeout, defaults.pong_timeout),
        message: count(written.max_message, defaults.message),
        uid: count(written.max_uid, defaults.uid),
        waiting: count(written.max_waiting, defaults.waiting),
        waiting_in_all: count(written.max_waiting_total, defaults.waiting_in_all),
        links: written.max_links.unwrap_or(defaults.links),
    }
}

fn tls(written: &ServeSettings) -> Result<Tls, SettingsError> {
    let asks_for_acme = written.acme_contact.is_some() || written.acme_directory.is_some();
    match (&written.certificate, &written.key, written.acme.as_slice()) {
        (Some(_), Some(_), [_, ..]) => Err(SettingsError::TwoCertificates),
        (Some(certificate), Some(key), []) => Ok(Tls::Files { certificate: certificate.clone(), key: key.clone() }),
        (Some(_), None, _) | (None, Some(_), _) => Err(SettingsError::HalfCertificate),
        (None, None, []) if asks_for_acme => Err(SettingsError::NoAcmeName),
        (None, None, []) => Ok(Tls::Own),
        (None, None, domains) => Ok(Tls::Acme {
            domains: domains.to_vec(),
            contact: written.acme_contact.clone(),
            directory: written.acme_directory.clone(),
        }),
    }
}

fn turn(written: &ServeSettings) -> Result<Option<Turn>, SettingsError> {
    match (written.turn.as_slice(), &written.turn_secret_file) {
        ([], None) => Ok(None),
        ([], Some(_)) | ([_, ..], None) => Err(SettingsError::HalfTurn),
        (urls, Some(secret_file)) => {
            let address = |text: &String| turn_address(text).ok_or_else(|| SettingsError::Turn(text.clone()));
            Ok(Some(Turn {
                urls: urls.iter().map(address).collect::<Result<_, _>>()?,
                secret_file: secret_file.clone(),
                lifetime: written.turn_lifetime.map_or(TURN_LIFETIME, |said| Duration::from_secs(said.into())),
            }))
        }
    }
}

fn origins(allowed: &[AllowedOrigin]) -> Origins {
    let only = |allowed: &AllowedOrigin| match allowed {
        AllowedOrigin::Any => None,
        AllowedOrigin::Only(origin) => Some(origin.clone()),
    };
    allowed.iter().map(only).collect::<Option<_>>().map_or(Origins::Any, Origins::Listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Settings, SettingsError> {
        settings(&toml::from_str(text).unwrap())
    }

    #[test]
    fn nothing_said_is_the_default() {
        assert_eq!(of(""), Ok(Settings { retry_after: Some(RETRY_AFTER), ..Settings::default() }));
    }

    #[test]
    fn a_server_that_does_not_come_back_promises_nothing() {
        assert_eq!(of("retry-after = 30").unwrap().retry_after, Some(Duration::from_secs(30)));
        assert_eq!(of("retry-after = 0").unwrap().retry_after, None);
    }

    #[test]
    fn the_certificate_comes_from_one_place() {
        let files = Tls::Files { certificate: "c".into(), key: "k".into() };
        assert_eq!(of("certificate = 'c'\nkey = 'k'").unwrap().tls, files);
        let acme = Tls::Acme { domains: vec!["a".into()], contact: Some("m".into()), directory: None };
        assert_eq!(of("acme = ['a']\nacme-contact = 'm'").unwrap().tls, acme);
        assert_eq!(of("certificate = 'c'"), Err(SettingsError::HalfCertificate));
        assert_eq!(of("key = 'k'\nacme = ['a']"), Err(SettingsError::HalfCertificate));
        assert_eq!(of("certificate = 'c'\nkey = 'k'\nacme = ['a']"), Err(SettingsError::TwoCertificates));
        assert_eq!(of("acme-contact = 'm'"), Err(SettingsError::NoAcmeName));
    }

    #[test]
    fn stun_and_turn_servers_are_told_as_a_browser_takes_them() {
        let settings =
            of("stun = ['stun:s']\nturn = ['turn:t', 'turns://u:443?transport=tcp']\nturn-secret-file = 'f'");
        let settings = settings.unwrap();
        assert_eq!(settings.stun, ["stun:s:3478"]);
        let turn = settings.turn.unwrap();
        assert_eq!(turn.urls, ["turn:t:3478", "turns:u:443?transport=tcp"]);
        assert_eq!(turn.lifetime, TURN_LIFETIME);
        assert_eq!(of("turn = ['turn:t']"), Err(SettingsError::HalfTurn));
        assert_eq!(of("turn-secret-file = 'f'"), Err(SettingsError::HalfTurn));
        for bad in ["stun:t", "turn:u@t", "turn:u:p@t", "t"] {
            let text = format!("turn = ['{bad}']\nturn-secret-file = 'f'");
            assert_eq!(of(&text), Err(SettingsError::Turn(bad.into())));
        }
    }

    #[test]
    fn one_star_allows_every_site() {
        let site: crate::invite::Origin = "https://site.example".parse().unwrap();
        assert_eq!(of("origin = ['https://site.example/']").unwrap().origins, Origins::Listed(vec![site]));
        assert_eq!(of("origin = ['https://site.example', '*']").unwrap().origins, Origins::Any);
    }
}
