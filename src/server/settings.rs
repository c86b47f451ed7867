//! What a server is told besides where to listen.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use super::limits::Limits;
use crate::invite::Origin;

/// The settings of a server; the default is what a server inside `twocan talk` has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How much is too much.
    pub limits: Limits,
    /// Where the certificate comes from.
    pub tls: Tls,
    /// STUN servers to tell clients of: `stun:HOST:PORT`.
    pub stun: Vec<String>,
    /// TURN servers to tell clients of.
    pub turn: Option<Turn>,
    /// Whose pages may use the server besides its own.
    pub origins: Origins,
    /// Reverse proxies: what they say of where a request comes from is believed.
    pub proxies: Vec<IpAddr>,
    /// Where `/metrics` is shown; at the main port, to this machine alone, when nowhere else and no proxy is named.
    pub metrics: Option<SocketAddr>,
    /// When clients are told to come back, once the server stops; nothing is told where others may take its place.
    pub retry_after: Option<Duration>,
}

/// Where the certificate comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Tls {
    /// Made here, and kept in the state folder.
    #[default]
    Own,
    /// PEM files, read again when they change.
    Files {
        /// The certificate and those between it and its authority.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
    /// An authority that is asked by ACME.
    Acme {
        /// The names to ask for; at least one.
        domains: Vec<String>,
        /// The e-mail address for the authority.
        contact: Option<String>,
        /// The authority; Let's Encrypt when none.
        directory: Option<String>,
    },
}

/// TURN servers that share a secret with this one (coturn's `use-auth-secret`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// As a browser takes them, at least one: `turn:HOST:PORT` or `turns:`, perhaps with `?transport=`.
    pub urls: Vec<String>,
    /// The file with the secret.
    pub secret_file: PathBuf,
    /// How long a password is good for: 12 h.
    pub lifetime: Duration,
}

/// Whose pages may use the server besides its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Everybody's.
    Any,
    /// Those of these sites.
    Listed(Vec<Origin>),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            tls: Tls::default(),
            stun: Vec::new(),
            turn: None,
            origins: Origins::Listed(Vec::new()),
            proxies: Vec::new(),
            metrics: None,
            retry_after: None,
        }
    }
}
