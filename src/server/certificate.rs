//! The key and the self-signed certificate: made on first use, kept, and issued anew under the same key.
//!
//! The key is the server's identity and never changes by itself. The certificate only says under which names and
//! addresses it is reached; it is issued again when one is missing or when it nears its end, and keeps the names it had,
//! so that a laptop between two networks does not get a new one at every move.

use std::{
    fs,
    io::{self, Write},
    net::IpAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject},
};

use super::{ServerError, addresses, plain, today};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a certificate is good for; browsers refuse much longer ones.
const VALIDITY: Duration = Duration::from_secs(397 * 24 * 60 * 60);

/// How long before its end a certificate is issued anew.
const RENEWAL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How many names a certificate carries; the ones named longest ago are left out first.
const NAME_LIMIT: usize = 32;

/// The server's key with the certificate that is current.
pub(super) struct Certificate {
    folder: PathBuf,
    key: KeyPair,
    current: Mutex<Issued>,
}

struct Issued {
    /// The newest first.
    names: Vec<String>,
    until: SystemTime,
    config: Arc<ServerConfig>,
}

impl Certificate {
    /// Loads what is in `folder`, makes what is missing there, and sees to it that `network` is covered.
    pub(super) fn load_or_make(folder: &Path, network: &[IpAddr]) -> Result<Self, ServerError> {
        let key = load_or_make_key(folder)?;
        let path = folder.join("certificate.pem");
        let wanted = wanted_names(network);
        let known = match fs::read_to_string(&path) {
            // A damaged certificate is no loss: it says nothing that the key and this machine do not know.
            Ok(text) => Issued::parse(&text, &key),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(ServerError::State { path, source }),
        };
        let current = match known {
            Some(issued) if issued.covers(&lasting(&wanted)) => issued,
            known => {
                let names = joined(wanted, known.map(|issued| issued.names).unwrap_or_default());
                let (issued, text) =
                    Issued::issue(names, &key).map_err(|reason| bad_key(&folder.join("key.pem"), reason))?;
                write_private(&path, &text).map_err(|source| ServerError::State { path, source })?;
                issued
            }
        };
        Ok(Self { folder: folder.to_owned(), key, current: Mutex::new(current) })
    }

    /// What to answer a client with that has connected to this address of ours.
    pub(super) fn config(&self, address: IpAddr) -> Arc<ServerConfig> {
        let name = plain(address).to_string();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if !current.covers(std::slice::from_ref(&name)) {
            match Issued::issue(joined(vec![name], current.names.clone()), &self.key) {
                Ok((issued, text)) => {
                    *current = issued;
                    if let Err(error) = write_private(&self.folder.join("certificate.pem"), &text) {
                        tracing::warn!(%error, "the new certificate could not be stored");
                    }
                }
                Err(reason) => tracing::warn!(reason, "no certificate could be issued for a new address"),
            }
        }
        current.config.clone()
    }
}

impl Issued {
    /// A new certificate, and the text to store it as: two lines that say what is in it, then PEM.
    fn issue(names: Vec<String>, key: &KeyPair) -> Result<(Self, String), String> {
        let until = today() + VALIDITY;
        let mut params = CertificateParams::new(names.clone()).map_err(|e| e.to_string())?;
        params.not_before = (today() - DAY).into();
        params.not_after = until.into();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "twocan");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.self_signed(key).map_err(|e| e.to_string())?;
        let config = config(certificate.der().clone(), key)?;
        let seconds = until.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let text = format!("names: {}\nuntil: {seconds}\n{}", names.join(" "), certificate.pem());
        Ok((Self { names, until, config }, text))
    }

    /// What [`Self::issue`] has stored; `None` where it is damaged, or was issued under another key.
    fn parse(text: &str, key: &KeyPair) -> Option<Self> {
        let mut lines = text.lines();
        let names = lines.next()?.strip_prefix("names: ")?.split(' ').map(str::to_owned).collect();
        let until = lines.next()?.strip_prefix("until: ")?.parse().ok()?;
        let until = UNIX_EPOCH.checked_add(Duration::from_secs(until))?;
        let certificate = CertificateDer::from_pem_slice(text.as_bytes()).ok()?;
        Some(Self { names, until, config: config(certificate, key).ok()? })
    }

    fn covers(&self, names: &[String]) -> bool {
        today() + RENEWAL < self.until && names.iter().all(|name| self.names.contains(name))
    }
}

fn wanted_names(network: &[IpAddr]) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(addresses::host_names());
    names.extend(network.iter().map(IpAddr::to_string));
    names
}

/// The names worth a new certificate at the start: an IPv6 address may change daily, and waits until it is used.
fn lasting(names: &[String]) -> Vec<String> {
    names.iter().filter(|name| !name.parse().is_ok_and(|address: IpAddr| address.is_ipv6())).cloned().collect()
}

fn joined(mut newer: Vec<String>, older: Vec<String>) -> Vec<String> {
    let fresh: Vec<_> = older.into_iter().filter(|name| !newer.contains(name)).collect();
    newer.extend(fresh);
    newer.truncate(NAME_LIMIT);
    newer
}

fn config(certificate: CertificateDer<'static>, key: &KeyPair) -> Result<Arc<ServerConfig>, String> {
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key))
        .map_err(|error| error.to_string())?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn load_or_make_key(folder: &Path) -> Result<KeyPair, ServerError> {
    let path = folder.join("key.pem");
    match fs::read_to_string(&path) {
        // Never replaced by itself: whoever trusts this server trusts this key.
        Ok(text) => KeyPair::from_pem(&text).map_err(|error| bad_key(&path, error.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = KeyPair::generate().map_err(|error| bad_key(&path, error.to_string()))?;
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(|source| ServerError::State { path: folder.to_owned(), source })?;
            write_private(&path, &key.serialize_pem()).map_err(|source| ServerError::State { path, source })?;
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(bad_key(&path, "it is not text".into())),
        Err(source) => Err(ServerError::State { path, source }),
    }
}

fn bad_key(path: &Path, reason: String) -> ServerError {
    ServerError::BadKey { path: path.to_owned(), reason }
}

/// Replaces a file as a whole or not at all, readable by its owner alone.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let result = written.and_then(|()| fs::rename(&draft, path));
    if result.is_err() {
        let _ = fs::remove_file(&draft);
    }
    result
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn stored(folder: &Path) -> (String, String) {
        let read = |name| fs::read_to_string(folder.join(name)).unwrap();
        (read("key.pem"), read("certificate.pem"))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_made_is_kept_and_private() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state/server");
        Certificate::load_or_make(&folder, &[ip("192.168.7.7")]).unwrap();
        let first = stored(&folder);
        for name in ["key.pem", "certificate.pem"] {
            assert_eq!(fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        }
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "no draft is left");
        Certificate::load_or_make(&folder, &[ip("192.168.7.7")]).unwrap();
        assert_eq!(stored(&folder), first);
    }

    #[test]
    fn a_new_address_gets_a_new_certificate_under_the_same_key_and_the_old_names_stay() {
        let home = tempfile::tempdir().unwrap();
        Certificate::load_or_make(home.path(), &[ip("192.168.7.7")]).unwrap();
        let (key, certificate) = stored(home.path());
        Certificate::load_or_make(home.path(), &[ip("10.1.2.3")]).unwrap();
        let (same_key, moved) = stored(home.path());
        assert_eq!(key, same_key);
        assert_ne!(certificate, moved);
        let names = moved.lines().next().unwrap();
        assert!(
            names.contains(" 10.1.2.3") && names.contains(" 192.168.7.7") && names.contains("localhost"),
            "{names}"
        );
        Certificate::load_or_make(home.path(), &[ip("192.168.7.7")]).unwrap();
        assert_eq!(stored(home.path()).1, moved, "coming back needs no new one");
    }

    #[test]
    fn an_address_that_appears_while_running_is_covered_when_it_is_used() {
        let home = tempfile::tempdir().unwrap();
        let certificate = Certificate::load_or_make(home.path(), &[]).unwrap();
        let before = certificate.config(ip("127.0.0.1"));
        assert!(Arc::ptr_eq(&before, &certificate.config(ip("::ffff:127.0.0.1"))));
        let after = certificate.config(ip("::ffff:10.9.8.7"));
        assert!(!Arc::ptr_eq(&before, &after));
        assert!(Arc::ptr_eq(&after, &certificate.config(ip("10.9.8.7"))));
        assert!(stored(home.path()).1.lines().next().unwrap().contains("10.9.8.7"));
    }

    #[test]
    fn a_certificate_near_its_end_or_damaged_or_of_another_key_is_issued_anew() {
        let home = tempfile::tempdir().unwrap();
        Certificate::load_or_make(home.path(), &[]).unwrap();
        let (key, good) = stored(home.path());
        let soon = (today() + RENEWAL - DAY).duration_since(UNIX_EPOCH).unwrap().as_secs();
        let ending: String = good
            .lines()
            .map(|line| match line.starts_with("until: ") {
                true => format!("until: {soon}\n"),
                false => format!("{line}\n"),
            })
            .collect();
        let (_, foreign) = Issued::issue(wanted_names(&[]), &KeyPair::generate().unwrap()).unwrap();
        for bad in [ending, foreign, String::new(), good[..good.len() / 2].to_owned()] {
            fs::write(home.path().join("certificate.pem"), &bad).unwrap();
            Certificate::load_or_make(home.path(), &[]).unwrap();
            let (same_key, renewed) = stored(home.path());
            assert_eq!(key, same_key);
            assert!(
                Issued::parse(&renewed, &KeyPair::from_pem(&key).unwrap())
                    .is_some_and(|i| i.covers(&wanted_names(&[])))
            );
        }
    }

    #[test]
    fn a_damaged_key_is_an_error_and_stays_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("key.pem"), "not a key").unwrap();
        let result = Certificate::load_or_make(home.path(), &[]);
        assert!(matches!(result, Err(ServerError::BadKey { path, .. }) if path.ends_with("key.pem")));
        assert_eq!(fs::read_to_string(home.path().join("key.pem")).unwrap(), "not a key");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        let result = Certificate::load_or_make(&home.path().join("file/server"), &[]);
        assert!(matches!(result, Err(ServerError::State { .. })));
    }

    #[test]
    fn the_oldest_names_are_left_out_first() {
        let many = (0..40).map(|n| n.to_string()).collect();
        let names = joined(vec!["new".into(), "5".into()], many);
        assert_eq!(names.len(), NAME_LIMIT);
        assert_eq!(names[..3], ["new", "5", "0"]);
    }
}
