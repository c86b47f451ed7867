//! A certificate of a public authority, asked for and renewed by ACME (RFC 8555), as Let's Encrypt speaks it.
//!
//! The authority checks that the name is ours by calling at its port 443 (TLS-ALPN-01, RFC 8737); so that port has to
//! lead to this server's. Until there is a certificate nobody is served over TLS.

use std::{
    io,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::{StreamExt, future::poll_fn};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::ServerName,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_acme::{
    AccountCache, AcmeConfig, AcmeState, CertCache, EventError, EventOk, OrderError, ResolvesServerCertAcme,
    acme::{ACME_TLS_ALPN_NAME, LETS_ENCRYPT_PRODUCTION_DIRECTORY},
};
use sha2::{Digest, Sha256};

use super::{CertificateProblem, config, folder::Folder};
use crate::server::{ServerError, now};

/// How long after a first failure the authority is asked again: 15 s, and each time four times as long, up to an hour.
///
/// Source: Let's Encrypt bears five failures an hour for each name.
const RETRY: Duration = Duration::from_secs(15);
const LONGEST_RETRY: Duration = Duration::from_secs(60 * 60);

/// How long one course of asking and waiting goes on before it is begun anew, so that an answer that never comes does not
/// keep a certificate from being renewed: a day.
const COURSE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a new course may take to find the certificate that is kept: 5 s; then it goes on without.
const TAKE_OVER: Duration = Duration::from_secs(5);

/// How often it is told that clients are sent away for want of a certificate: once a minute.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// How much of what an authority says is repeated, in characters.
const ANSWER_LIMIT: usize = 300;

type State = AcmeState<io::Error>;
type Event = Result<EventOk, EventError<io::Error, io::Error>>;

/// A certificate that is got by ACME.
pub(in crate::server) struct Acme {
    domains: Vec<String>,
    contact: Option<String>,
    directory: String,
    folder: Folder,
    client: Arc<ClientConfig>,
    current: Mutex<Arc<ServerConfig>>,
    /// Until [`Self::keep`] takes it over.
    first: Mutex<Option<State>>,
}

impl Acme {
    /// Sees whether these names can be asked for; what is got is kept in `folder`.
    pub(super) fn new(
        folder: Folder,
        domains: &[String],
        contact: Option<&str>,
        directory: Option<&str>,
    ) -> Result<Self, ServerError> {
        let private = domains.iter().find(|name| !is_public_name(name));
        if let Some(name) = private {
            return Err(CertificateProblem::NotAPublicName(name.clone()).of("acme"));
        }
        let directory = directory.unwrap_or(LETS_ENCRYPT_PRODUCTION_DIRECTORY);
        if !url::Url::parse(directory).is_ok_and(|url| url.scheme() == "https" && url.has_host()) {
            return Err(CertificateProblem::NotADirectory.of("acme-directory"));
        }
        let folder = folder.inside("acme");
        let contact = contact.map(|contact| format!("mailto:{}", contact.trim_start_matches("mailto:")));
        let (domains, directory) = (domains.to_vec(), directory.to_owned());
        let client = client()?;
        let first = begin(&domains, contact.as_deref(), &directory, &folder, &client);
        let current = Mutex::new(shown(&first)?);
        Ok(Self { domains, contact, directory, folder, client, current, first: Mutex::new(Some(first)) })
    }

    /// What to answer a client with; it is sent away while there is no certificate.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks for the certificate and renews it, for ever.
    pub(super) async fn keep(&self) {
        let names = self.domains.join(", ");
        let mut asking = Asking { names, retry: RETRY, told_of_folder: false, has_certificate: false };
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut state = first.unwrap_or_else(|| self.begin());
        loop {
            // What takes longer is begun anew; what is kept on disk carries over.
            let _ = tokio::time::timeout(COURSE, asking.follow(&mut state)).await;
            let mut next = self.begin();
            let found = tokio::time::timeout(TAKE_OVER, next.next()).await.ok().flatten();
            let takes_over = asking.takes_over(found.as_ref());
            found.into_iter().for_each(|event| asking.tell(event));
            match shown(&next) {
                Ok(_) if !takes_over => {
                    tracing::warn!("what is kept of the certificate cannot be used; the one in memory stays in use");
                }
                Ok(config) => {
                    *self.current.lock().unwrap_or_else(PoisonError::into_inner) = config;
                    state = next;
                }
                Err(error) => tracing::error!(%error, "the certificate cannot be looked after"),
            }
        }
    }

    fn begin(&self) -> State {
        begin(&self.domains, self.contact.as_deref(), &self.directory, &self.folder, &self.client)
    }
}

fn begin(
    domains: &[String],
    contact: Option<&str>,
    directory: &str,
    folder: &Folder,
    client: &Arc<ClientConfig>,
) -> State {
    AcmeConfig::new_with_client_config(domains, client.clone())
        .contact(contact)
        .directory(directory)
        .cache(Kept(folder.clone()))
        .state()
}

/// What a server shows that has this.
fn shown(state: &State) -> Result<Arc<ServerConfig>, ServerError> {
    let resolver = Resolver { acme: state.resolver(), told: Mutex::default() };
    config(Arc::new(resolver), &[ACME_TLS_ALPN_NAME]).map_err(|why| io::Error::other(why).into())
}

/// How authorities are reached: as this system trusts them, which SSL_CERT_FILE may say.
fn client() -> Result<Arc<ClientConfig>, ServerError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// A name that the whole world can ask the way to.
fn is_public_name(name: &str) -> bool {
    let last = name.rsplit_once('.').map_or("", |(_, last)| last);
    let is_dns = matches!(ServerName::try_from(name), Ok(ServerName::DnsName(_)));
    is_dns && !last.is_empty() && !["local", "localhost", "internal", "lan", "home"].contains(&last)
}

/// One who asks, and what has been told of it.
struct Asking {
    names: String,
    retry: Duration,
    told_of_folder: bool,
    /// Whether there is a certificate to show, if only in memory.
    has_certificate: bool,
}

impl Asking {
    /// Lets the state do its work, and tells what comes of it.
    async fn follow(&mut self, state: &mut State) {
        let mut state = pin!(state);
        loop {
            let event = poll_fn(|cx| state.as_mut().poll_next_unpin(cx)).await;
            let Some(event) = event else { return };
            let failed = matches!(&event, Err(EventError::Order(_)));
            self.tell(event);
            if failed {
                // It would begin again after a second, and its authority soon not listen any more.
                tokio::time::sleep(self.retry).await;
                self.retry = (self.retry * 4).min(LONGEST_RETRY);
            }
        }
    }

    /// Whether a new course that begins so may take the old one's place: not without a certificate where there is one.
    fn takes_over(&self, beginning: Option<&Event>) -> bool {
        !self.has_certificate || matches!(beginning, Some(Ok(EventOk::DeployedCachedCert)))
    }

    fn tell(&mut self, event: Event) {
        let Self { names, .. } = self;
        self.has_certificate |= matches!(event, Ok(EventOk::DeployedCachedCert | EventOk::DeployedNewCert));
        match event {
            Ok(EventOk::DeployedCachedCert) => tracing::info!("the certificate for {names} is the one that was kept"),
            Ok(EventOk::DeployedNewCert) => {
                self.retry = RETRY;
                tracing::info!("there is a new certificate for {names}");
            }
            Ok(EventOk::CertCacheStore | EventOk::AccountCacheStore) => {}
            Err(EventError::Order(error)) => {
                let why = why(&error);
                let seconds = self.retry.as_secs();
                tracing::error!(
                    "no new certificate for {names}: {why}; trying again in {seconds} s. Port 443 of that name has to lead here"
                );
            }
            Err(EventError::NewCertParse(error)) => {
                tracing::error!("the new certificate for {names} is not usable: {error}");
            }
            Err(EventError::CachedCertParse(error)) => {
                tracing::warn!("the certificate for {names} that was kept is damaged, and asked for anew: {error}");
            }
            Err(EventError::CertCacheLoad(error) | EventError::AccountCacheLoad(error))
            | Err(EventError::CertCacheStore(error) | EventError::AccountCacheStore(error)) => {
                if !std::mem::replace(&mut self.told_of_folder, true) {
                    tracing::error!("what the authority gives cannot be kept: {error}");
                }
            }
        }
    }
}

/// What went wrong, in one line.
fn why(error: &OrderError) -> String {
    let told = match error {
        OrderError::BadAuth(auth) => auth.challenges.iter().find_map(|challenge| challenge.error.clone()?.detail),
        OrderError::BadOrder(order) => order.error.clone().and_then(|problem| problem.detail),
        OrderError::Acme(_)
        | OrderError::Rcgen(_)
        | OrderError::TooManyAttemptsAuth(_)
        | OrderError::ProcessingTimeout(_) => None,
    };
    let text = told.map_or_else(|| error.to_string(), |told| format!("the authority says: {told}"));
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(ANSWER_LIMIT).collect()
}

/// The authority's certificate, or the answer to its call; whoever comes before there is one is told of in the log.
#[derive(Debug)]
struct Resolver {
    acme: Arc<ResolvesServerCertAcme>,
    told: Mutex<Option<Instant>>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello) -> Option<Arc<CertifiedKey>> {
        let found = self.acme.resolve(hello);
        if found.is_none() {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.is_none_or(|told| told + TOLD_EVERY <= now()) {
                *told = Some(now());
                tracing::warn!("there is no certificate yet: whoever comes over TLS is sent away");
            }
        }
        found
    }
}

/// What is kept of the authority's, one file each, for their owner alone.
struct Kept(Folder);

impl Kept {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.0.read(name)
    }
}

#[async_trait]
impl CertCache for Kept {
    type EC = io::Error;
    async fn load_cert(&self, domains: &[String], directory: &str) -> io::Result<Option<Vec<u8>>> {
        self.read(&file("certificate", domains, directory))
    }
    async fn store_cert(&self, domains: &[String], directory: &str, pem: &[u8]) -> io::Result<()> {
        self.0.write(&file("certificate", domains, directory), pem)
    }
}

#[async_trait]
impl AccountCache for Kept {
    type EA = io::Error;
    async fn load_account(&self, contact: &[String], directory: &str) -> io::Result<Option<Vec<u8>>> {
        self.read(&file("account", contact, directory))
    }
    async fn store_account(&self, contact: &[String], directory: &str, key: &[u8]) -> io::Result<()> {
        self.0.write(&file("account", contact, directory), key)
    }
}

/// The name of the file for what belongs to these names at this authority.
fn file(kind: &str, names: &[String], directory: &str) -> String {
    let all = names.iter().map(String::as_str).chain([directory]).collect::<Vec<_>>().join("\n");
    let digest = Sha256::digest(all);
    format!("{kind}-{}", data_encoding::HEXLOWER.encode(&digest[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_names_are_asked_for() {
        for (name, is) in [
            ("talk.example.org", true),
            ("a-b.example", true),
            ("box.local", false),
            ("localhost", false),
            ("*.example.org", false),
            ("203.0.113.5", false),
            ("https://example.org", false),
            ("example.org.", false),
            ("", false),
        ] {
            assert_eq!(is_public_name(name), is, "{name}");
        }
    }

    #[test]
    fn a_certificate_gives_way_to_another_only() {
        let mut asking = Asking { names: "a".into(), retry: RETRY, told_of_folder: false, has_certificate: false };
        let unreadable: Event = Err(EventError::CertCacheLoad(io::Error::other("damaged")));
        assert!(asking.takes_over(None) && asking.takes_over(Some(&unreadable)), "there is nothing to lose");
        asking.tell(Ok(EventOk::DeployedNewCert));
        asking.tell(Err(EventError::CertCacheStore(io::Error::other("full"))));
        assert!(!asking.takes_over(None) && !asking.takes_over(Some(&unreadable)));
        assert!(!asking.takes_over(Some(&Ok(EventOk::AccountCacheStore))));
        assert!(asking.takes_over(Some(&Ok(EventOk::DeployedCachedCert))));
    }

    #[test]
    fn what_belongs_to_others_has_another_file() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let one = file("certificate", &names(&["a", "b"]), "c");
        for other in [file("account", &names(&["a", "b"]), "c"), file("certificate", &names(&["a"]), "c")] {
            assert_ne!(one, other);
        }
        assert_eq!(one, file("certificate", &names(&["a", "b"]), "c"));
    }
}
