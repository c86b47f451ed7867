//! The settings of `twocan serve`: its flags and the keys of `[serve]` in the config file, which are one and the same.

use std::{
    net::{IpAddr, SocketAddr},
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    path::PathBuf,
};

use clap::Args;
use serde::Deserialize;
use thiserror::Error;
use url::Url;

use super::Stun;
use crate::invite::Origin;

/// What `twocan serve` may be told; a flag goes before the key of the same name.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct ServeSettings {
    /// The certificate, with those between it and its authority; a PEM file
    #[arg(long, value_name = "FILE", help_heading = "Certificate")]
    pub certificate: Option<PathBuf>,
    /// The certificate's private key; a PEM file
    #[arg(long, value_name = "FILE", help_heading = "Certificate")]
    pub key: Option<PathBuf>,
    /// A public name to get a certificate for, by ACME (Let's Encrypt); may be repeated
    #[arg(long, value_name = "NAME", help_heading = "Certificate")]
    pub acme: Vec<String>,
    /// Where the certificate authority can reach you
    #[arg(long, value_name = "EMAIL", help_heading = "Certificate")]
    pub acme_contact: Option<String>,
    /// Another certificate authority than Let's Encrypt
    #[arg(long, value_name = "URL", help_heading = "Certificate")]
    pub acme_directory: Option<String>,
    /// A TURN server to tell everybody of: turn:HOST[:PORT]; may be repeated
    #[arg(long, value_name = "URL", help_heading = "STUN and TURN")]
    pub turn: Vec<String>,
    /// The secret that the TURN servers share with this one (coturn's static-auth-secret)
    #[arg(long, value_name = "FILE", help_heading = "STUN and TURN")]
    pub turn_secret_file: Option<PathBuf>,
    /// How long a password for the TURN servers is good for [default: 43200]
    #[arg(long, value_name = "SECONDS", help_heading = "STUN and TURN")]
    pub turn_lifetime: Option<NonZeroU64>,
    /// A STUN server to tell everybody of: stun:HOST[:PORT]; may be repeated
    #[arg(long, value_name = "URL", help_heading = "STUN and TURN")]
    pub stun: Vec<Stun>,
    /// A web site whose pages may use this server besides its own page; may be repeated; * for all
    #[arg(long, value_name = "URL", help_heading = "Limits")]
    pub origin: Vec<AllowedOrigin>,
    /// A reverse proxy's address: the last X-Forwarded-For is believed, and its Host taken as it is; may be repeated
    #[arg(long, value_name = "ADDRESS", help_heading = "Operation")]
    pub proxy: Vec<IpAddr>,
    /// How many may be connected at once [default: 200000]
    #[arg(long, value_name = "COUNT", help_heading = "Limits")]
    pub max_connections: Option<NonZeroUsize>,
    /// How many may be connected at once from one address [default: 1000]
    #[arg(long, value_name = "COUNT", help_heading = "Limits")]
    pub max_connections_per_address: Option<NonZeroUsize>,
    /// How many messages each may send, a second; four times as many at a stroke [default: 200]
    #[arg(long, value_name = "COUNT", help_heading = "Limits")]
    pub message_rate: Option<NonZeroU32>,
    /// How many connections each address may begin, a second; four times as many at a stroke [default: 100]
    #[arg(long, value_name = "COUNT", help_heading = "Limits")]
    pub address_rate: Option<NonZeroU32>,
    /// How many messages all at one address may send together, a second; four times as many at a stroke [default: 4000]
    #[arg(long, value_name = "COUNT", help_heading = "Limits")]
    pub address_message_rate: Option<NonZeroU32>,
    /// How many may be in a room [default: 64]
    #[arg(long, value_name = "COUNT", help_heading = "Limits")]
    pub max_room_size: Option<NonZeroUsize>,
    /// How long whoever connects may take to say who it is [default: 10]
    #[arg(long, value_name = "SECONDS", help_heading = "Limits")]
    pub hello_timeout: Option<NonZeroU64>,
    /// After how much silence a client is asked for a sign of life [default: 30]
    #[arg(long, value_name = "SECONDS", help_heading = "Limits")]
    pub idle_ping: Option<NonZeroU64>,
    /// How long the sign of life may take [default: 10]
    #[arg(long, value_name = "SECONDS", help_heading = "Limits")]
    pub pong_timeout: Option<NonZeroU64>,
    /// How long a message may be [default: 65536]
    #[arg(long, value_name = "BYTES", help_heading = "Limits")]
    pub max_message: Option<NonZeroUsize>,
    /// How long a uid may be [default: 256]
    #[arg(long, value_name = "BYTES", help_heading = "Limits")]
    pub max_uid: Option<NonZeroUsize>,
    /// How much may wait for a client that reads slowly [default: 1048576]
    #[arg(long, value_name = "BYTES", help_heading = "Limits")]
    pub max_waiting: Option<NonZeroUsize>,
    /// How much may wait for all together before those who read slowly are closed [default: 67108864]
    #[arg(long, value_name = "BYTES", help_heading = "Limits")]
    pub max_waiting_total: Option<NonZeroUsize>,
    /// How many short links are kept at once [default: 10000]
    #[arg(long, value_name = "COUNT", help_heading = "Limits")]
    pub max_links: Option<usize>,
    /// Show the figures of /metrics at this address, rather than to this machine at the main port
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = "Operation")]
    pub metrics: Option<SocketAddr>,
    /// When clients are told to come back, once the server stops [default: 5]
    #[arg(long, value_name = "SECONDS", help_heading = "Operation")]
    pub retry_after: Option<u64>,
}

/// A web site whose pages may use the server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum AllowedOrigin {
    /// Every site: `*`.
    Any,
    /// This one.
    Only(Origin),
}

/// A text that names no web site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a web site is https://HOST[:PORT], with nothing behind it, or * for all")]
pub struct NotASite;

impl std::str::FromStr for AllowedOrigin {
    type Err = NotASite;
    fn from_str(text: &str) -> Result<Self, NotASite> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        let url = Url::parse(text.trim()).map_err(|_| NotASite)?;
        let is_bare =
            url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if is_bare { text.parse().map(Self::Only).map_err(|_| NotASite) } else { Err(NotASite) }
    }
}

impl TryFrom<String> for AllowedOrigin {
    type Error = NotASite;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl ServeSettings {
    /// These settings, and `file`'s where these say nothing.
    pub fn or(self, file: Self) -> Self {
        // What a flag says of where the certificate comes from is not half of what the file says.
        let file = match (self.certificate.is_some() || self.key.is_some(), self.acme.is_empty()) {
            (true, true) => Self { acme: Vec::new(), acme_contact: None, acme_directory: None, ..file },
            (false, false) => Self { certificate: None, key: None, ..file },
            (true, false) | (false, true) => file,
        };
        let listed = |flags: Vec<String>, file| if flags.is_empty() { file } else { flags };
        Self {
            certificate: self.certificate.or(file.certificate),
            key: self.key.or(file.key),
            acme: listed(self.acme, file.acme),
            acme_contact: self.acme_contact.or(file.acme_contact),
            acme_directory: self.acme_directory.or(file.acme_directory),
            turn: listed(self.turn, file.turn),
            turn_secret_file: self.turn_secret_file.or(file.turn_secret_file),
            turn_lifetime: self.turn_lifetime.or(file.turn_lifetime),
            stun: if self.stun.is_empty() { file.stun } else { self.stun },
            proxy: if self.proxy.is_empty() { file.proxy } else { self.proxy },
            origin: if self.origin.is_empty() { file.origin } else { self.origin },
            max_connections: self.max_connections.or(file.max_connections),
            max_connections_per_address: self.max_connections_per_address.or(file.max_connections_per_address),
            message_rate: self.message_rate.or(file.message_rate),
            address_rate: self.address_rate.or(file.address_rate),
            address_message_rate: self.address_message_rate.or(file.address_message_rate),
            max_room_size: self.max_room_size.or(file.max_room_size),
            hello_timeout: self.hello_timeout.or(file.hello_timeout),
            idle_ping: self.idle_ping.or(file.idle_ping),
            pong_timeout: self.pong_timeout.or(file.pong_timeout),
            max_message: self.max_message.or(file.max_message),
            max_uid: self.max_uid.or(file.max_uid),
            max_waiting: self.max_waiting.or(file.max_waiting),
            max_waiting_total: self.max_waiting_total.or(file.max_waiting_total),
            max_links: self.max_links.or(file.max_links),
            metrics: self.metrics.or(file.metrics),
            retry_after: self.retry_after.or(file.retry_after),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[derive(clap::Parser)]
    struct Flags {
        #[command(flatten)]
        settings: ServeSettings,
    }

    const WHOLE: &str = r#"
certificate = "c.pem"
key = "k.pem"
acme = ["talk.example"]
acme-contact = "me@example.org"
acme-directory = "https://ca.example/directory"
turn = ["turn:turn.example"]
turn-secret-file = "secret"
turn-lifetime = 3600
stun = ["stun:stun.example"]
origin = ["https://site.example", "*"]
proxy = ["127.0.0.1", "::1"]
max-connections = 1
max-connections-per-address = 2
message-rate = 3
address-rate = 4
address-message-rate = 14
max-room-size = 5
hello-timeout = 6
idle-ping = 7
pong-timeout = 8
max-message = 9
max-uid = 10
max-waiting = 11
max-waiting-total = 15
max-links = 12
metrics = "127.0.0.1:9100"
retry-after = 13
"#;

    fn from_flags(arguments: &[String]) -> ServeSettings {
        let arguments = [&["twocan".to_owned()][..], arguments].concat();
        <Flags as clap::Parser>::try_parse_from(arguments).unwrap_or_else(|error| panic!("{error}")).settings
    }

    /// The flags that say the same as a table.
    fn flags(table: &toml::Table) -> Vec<String> {
        let text = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let flag = |(name, value): (&String, &toml::Value)| match value.as_array() {
            Some(values) => values.iter().map(|value| format!("--{name}={}", text(value))).collect(),
            None => vec![format!("--{name}={}", text(value))],
        };
        table.iter().flat_map(flag).collect()
    }

    #[test]
    fn every_flag_is_a_key_of_the_same_name_and_means_the_same() {
        let table: toml::Table = WHOLE.parse().unwrap();
        let command = <Flags as clap::CommandFactory>::command();
        let flags_there_are: BTreeSet<_> = command.get_arguments().filter_map(|flag| flag.get_long()).collect();
        assert_eq!(table.keys().map(String::as_str).collect::<BTreeSet<_>>(), flags_there_are);
        let from_file: ServeSettings = toml::from_str(WHOLE).unwrap();
        assert_eq!(from_file, from_flags(&flags(&table)));
    }

    #[test]
    fn a_flag_goes_before_the_file_each_by_itself() {
        let whole: ServeSettings = toml::from_str(WHOLE).unwrap();
        assert_eq!(ServeSettings::default().or(whole.clone()), whole);
        assert_eq!(whole.clone().or(ServeSettings::default()), whole);
        for (name, value) in WHOLE.parse::<toml::Table>().unwrap() {
            let one = toml::Table::from_iter([(name.clone(), value)]);
            let flag = from_flags(&flags(&one));
            let rest = toml::from_str::<ServeSettings>(&WHOLE.replace("1", "2").replace("example", "else")).unwrap();
            assert_eq!(toml::from_str::<ServeSettings>(&one.to_string()).unwrap(), flag);
            let both = flag.clone().or(rest.clone());
            assert_eq!(flag.clone().or(both.clone()), both, "{name}");
        }
    }

    #[test]
    fn a_flag_that_says_where_the_certificate_comes_from_is_not_mixed_with_another_way() {
        let of = |text: &str| toml::from_str::<ServeSettings>(text).unwrap();
        let (files, acme) = (of("certificate = 'c'\nkey = 'k'"), of("acme = ['a']\nacme-contact = 'm'"));
        assert_eq!(files.clone().or(acme.clone()), files);
        assert_eq!(acme.clone().or(files.clone()), acme);
        assert_eq!(of("key = 'l'").or(files), of("certificate = 'c'\nkey = 'l'"));
        assert_eq!(of("acme-contact = 'n'").or(acme), of("acme = ['a']\nacme-contact = 'n'"));
    }

    #[test]
    fn a_web_site_has_nothing_behind_its_name() {
        for good in ["https://site.example", "https://site.example/", "http://site.example:81", " * "] {
            assert!(good.parse::<AllowedOrigin>().is_ok(), "{good}");
        }
        for bad in ["https://site.example/talk", "https://site.example/?x", "https://h/#x", "https://u@h", "site", ""] {
            assert_eq!(bad.parse::<AllowedOrigin>(), Err(NotASite), "{bad}");
        }
    }

    #[test]
    fn nothing_may_be_limited_to_nought_that_would_stop_the_server() {
        for name in ["max-connections", "message-rate", "max-message", "hello-timeout", "idle-ping"] {
            assert!(toml::from_str::<ServeSettings>(&format!("{name} = 0")).is_err(), "{name}");
        }
    }
}
