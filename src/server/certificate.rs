//! What the server shows of itself over TLS: a certificate that it makes itself, that of files, or one got by ACME.
//!
//! Whatever goes wrong with one of them, no other takes its place, and nobody is served without.

use std::{io, net::IpAddr, path::Path, path::PathBuf, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    server::ResolvesServerCert,
    sign::{CertifiedKey, SingleCertAndKey},
};
use thiserror::Error;

use super::{ServerError, settings::Tls};
use acme::Acme;
use files::Files;
pub(super) use files::is_authority;
use folder::Folder;
use own::Own;

mod acme;
mod authority;
mod files;
mod folder;
mod own;

/// Where this machine's own authority is to be had.
pub(super) const AUTHORITY_PATH: &str = "/ca";

/// What to say there, where there is none.
const NO_AUTHORITY: &str = "There is nothing to install here: this server's certificate was given to it, and needs no \
                            authority of the server's own.\n";

/// The certificate that is current, wherever it comes from.
pub(super) enum Certificate {
    Own(Box<Own>),
    Files(Files),
    Acme(Acme),
}

/// An authority that only this machine has, for others to trust or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalAuthority {
    /// What it is called where it is installed.
    pub name: String,
    /// The SHA-256 of its certificate, as browsers and phones show it: `AB:CD:…`.
    pub fingerprint: String,
    /// The certificate itself, DER.
    pub der: Arc<[u8]>,
}

/// What is wrong with a certificate or its key.
#[derive(Debug, Error)]
pub enum CertificateProblem {
    /// The file is missing, or may not be read.
    #[error("{0}")]
    Unreadable(io::Error),
    /// The file holds none, or a damaged one.
    #[error("it holds no certificate that can be read ({0})")]
    NotACertificate(String),
    /// The file holds none, or one of a kind that is not known.
    #[error("it holds no private key that can be used ({0})")]
    NotAKey(String),
    /// The key needs a password.
    #[error("the private key is encrypted")]
    Encrypted,
    /// The key is another's.
    #[error("the private key does not belong to the first certificate")]
    Mismatch,
    /// The end of the certificate's time has passed.
    #[error("the certificate has expired")]
    Expired,
    /// Its time has not begun.
    #[error("the certificate is not valid yet")]
    NotYet,
    /// No public authority gives a certificate for this.
    #[error("\"{0}\" is no public name")]
    NotAPublicName(String),
    /// The authority's address is none.
    #[error("an ACME directory is an https:// address")]
    NotADirectory,
}

impl Certificate {
    /// Reads or makes what `settings` ask for; what is made is kept in `folder`, and covers `network`.
    pub(super) fn new(settings: &Tls, folder: &Path, network: &[IpAddr]) -> Result<Self, ServerError> {
        let folder = Folder::new(folder);
        Ok(match settings {
            Tls::Own => Self::Own(Box::new(Own::load_or_make(folder, network)?)),
            Tls::Files { certificate, key } => Self::Files(Files::load(certificate, key)?),
            Tls::Acme { domains, contact, directory } => {
                Self::Acme(Acme::new(folder, domains, contact.as_deref(), directory.as_deref())?)
            }
        })
    }

    /// What to answer a client with that has connected to this address of ours.
    pub(super) fn config(&self, address: IpAddr) -> Arc<ServerConfig> {
        match self {
            Self::Own(own) => own.config(address),
            Self::Files(files) => files.config(),
            Self::Acme(acme) => acme.config(),
        }
    }

    /// The authority behind it, if that is this machine's own.
    pub(super) fn authority(&self) -> Option<LocalAuthority> {
        match self {
            Self::Own(own) => Some(own.authority().public()),
            Self::Files(_) | Self::Acme(_) => None,
        }
    }

    /// The path that the authority is to be had at: `/ca`.
    ///
    /// Over plain http too. No secret is in it, and https would prove nothing to who does not trust it yet: what proves it
    /// is the fingerprint that this machine shows.
    pub(super) fn routes(&self) -> Router {
        let Some(authority) = self.authority() else {
            return Router::new()
                .route(AUTHORITY_PATH, any(|| std::future::ready((StatusCode::NOT_FOUND, NO_AUTHORITY))));
        };
        let der = Bytes::copy_from_slice(&authority.der);
        Router::new().route(AUTHORITY_PATH, any(move || std::future::ready(installable(der.clone()))))
    }

    /// Reads its files again at once, where it comes from files; what is no good is refused, and changes nothing.
    pub(super) fn reload(&self) -> Result<(), ServerError> {
        match self {
            Self::Own(_) | Self::Acme(_) => Ok(()),
            Self::Files(files) => files.reload(),
        }
    }

    /// Keeps it current, for as long as the server runs.
    pub(super) async fn keep(&self) {
        match self {
            // Looked at whenever somebody connects.
            Self::Own(_) => std::future::pending().await,
            Self::Files(files) => files.keep().await,
            Self::Acme(acme) => acme.keep().await,
        }
    }
}

impl CertificateProblem {
    /// The same, said of this file or setting.
    fn of(self, path: impl Into<PathBuf>) -> ServerError {
        ServerError::Certificate { path: path.into(), problem: self }
    }
}

/// What phones and browsers offer to install.
fn installable(der: Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/x-x509-ca-cert"),
        (header::CONTENT_DISPOSITION, "inline; filename=\"twocan.crt\""),
    ];
    (headers, der).into_response()
}

/// A server that shows this certificate.
fn config_for(certified: CertifiedKey) -> Result<Arc<ServerConfig>, String> {
    config(Arc::new(SingleCertAndKey::from(certified)), &[])
}

/// A server that shows what `resolver` gives, and speaks HTTP/1.1, or what else is in `protocols`.
fn config(resolver: Arc<dyn ResolvesServerCert>, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, String> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = [&[&b"http/1.1"[..]], protocols].concat().into_iter().map(<[u8]>::to_vec).collect();
    Ok(Arc::new(config))
}
