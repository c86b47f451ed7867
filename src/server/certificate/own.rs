//! The certificate that this machine's own authority signs: made on first use, kept, and issued anew under the same key.
//!
//! It says under which names and addresses the server is reached; it is issued again when one is missing or when it
//! nears its end, and keeps the names it had, so that a laptop between two networks does not get a new one at every move.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject},
    sign::CertifiedKey,
};

use super::{
    authority::{Authority, serial_number, unix},
    config_for,
    folder::Folder,
};
use crate::server::{ServerError, addresses, plain, today};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a certificate is good for; browsers refuse much longer ones.
pub(super) const VALIDITY: Duration = Duration::from_secs(397 * 24 * 60 * 60);

/// How long before its end a certificate is issued anew.
const RENEWAL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How many names a certificate carries; the ones named longest ago are left out first.
const NAME_LIMIT: usize = 32;

const KEY: &str = "key.pem";
const CERTIFICATE: &str = "certificate.pem";

/// The server's key with the certificate that is current, and the authority that has signed it.
pub(in crate::server) struct Own {
    folder: Folder,
    authority: Authority,
    key: KeyPair,
    current: Mutex<Issued>,
}

struct Issued {
    /// The newest first.
    names: Vec<String>,
    until: SystemTime,
    config: Arc<ServerConfig>,
}

/// What is in the file.
enum Stored {
    Good(Issued),
    /// Of the time before there was an authority, or of another one.
    Foreign {
        names: Vec<String>,
    },
}

impl Own {
    /// Loads what is in `folder`, makes what is missing there, and sees to it that `network` is covered.
    pub(super) fn load_or_make(folder: Folder, network: &[IpAddr]) -> Result<Self, ServerError> {
        let key = folder.key(KEY)?;
        let authority = Authority::load_or_make(&folder, network)?;
        let wanted: Vec<_> = wanted_names(network).into_iter().filter(|name| authority.vouches_for(name)).collect();
        // A damaged certificate is no loss: it says nothing that the key and this machine do not know.
        let stored = folder.text(CERTIFICATE)?.and_then(|text| Stored::parse(&text, &key, &authority));
        let known = match stored {
            Some(Stored::Good(issued)) if issued.covers(&lasting(&wanted)) => {
                return Ok(Self { folder, authority, key, current: Mutex::new(issued) });
            }
            Some(Stored::Good(Issued { names, .. })) => names,
            Some(Stored::Foreign { names }) => {
                tracing::info!("the certificate is made anew: browsers that made an exception for it ask once more");
                names
            }
            None => Vec::new(),
        };
        let names = joined(wanted, known.into_iter().filter(|name| authority.vouches_for(name)).collect());
        let bad = |reason| ServerError::BadKey { path: folder.path(KEY), reason };
        let (issued, text) = Issued::issue(names, &key, &authority).map_err(bad)?;
        folder.store(CERTIFICATE, &text)?;
        Ok(Self { folder, authority, key, current: Mutex::new(issued) })
    }

    /// What to answer a client with that has connected to this address of ours.
    pub(super) fn config(&self, address: IpAddr) -> Arc<ServerConfig> {
        let name = plain(address).to_string();
        // What the authority may not vouch for would spoil the certificate for all the others.
        let needed = if self.authority.vouches_for(&name) { std::slice::from_ref(&name) } else { &[] };
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if !current.covers(needed) {
            match Issued::issue(joined(needed.to_vec(), current.names.clone()), &self.key, &self.authority) {
                Ok((issued, text)) => {
                    *current = issued;
                    if let Err(error) = self.folder.write(CERTIFICATE, text.as_bytes()) {
                        tracing::warn!(%error, "the new certificate could not be stored");
                    }
                }
                Err(reason) => tracing::warn!(reason, "no certificate could be issued for a new address"),
            }
        }
        current.config.clone()
    }

    /// Who has signed it.
    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl Issued {
    /// A new certificate, and the text to store it as: three lines that say what is in it, then PEM.
    fn issue(names: Vec<String>, key: &KeyPair, authority: &Authority) -> Result<(Self, String), String> {
        let until = today() + VALIDITY - DAY;
        let mut params = CertificateParams::new(names.clone()).map_err(|error| error.to_string())?;
        params.not_before = (today() - DAY).into();
        params.not_after = until.into();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "twocan");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial_number()?);
        let certificate = authority.sign(&params, key)?;
        let config = shown(certificate.der().clone(), key)?;
        let lines = format!("names: {}\nuntil: {}\nauthority: {}\n", names.join(" "), unix(until), authority.mark());
        Ok((Self { names, until, config }, lines + &certificate.pem()))
    }

    fn covers(&self, names: &[String]) -> bool {
        today() + RENEWAL < self.until && names.iter().all(|name| self.names.contains(name))
    }
}

impl Stored {
    /// What [`Issued::issue`] has stored; `None` where it is damaged, or was issued under another key.
    fn parse(text: &str, key: &KeyPair, authority: &Authority) -> Option<Self> {
        let mut lines = text.lines();
        let names = lines.next()?.strip_prefix("names: ")?.split(' ').map(str::to_owned).collect();
        let until = lines.next()?.strip_prefix("until: ")?.parse().ok()?;
        let until = UNIX_EPOCH.checked_add(Duration::from_secs(until))?;
        if lines.next()?.strip_prefix("authority: ") != Some(&authority.mark()) {
            return Some(Self::Foreign { names });
        }
        let certificate = CertificateDer::from_pem_slice(text.as_bytes()).ok()?;
        Some(Self::Good(Issued { names, until, config: shown(certificate, key).ok()? }))
    }
}

fn shown(certificate: CertificateDer<'static>, key: &KeyPair) -> Result<Arc<ServerConfig>, String> {
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let certified = CertifiedKey::from_der(vec![certificate], key, &ring::default_provider());
    config_for(certified.map_err(|error| error.to_string())?)
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

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    use super::*;

    fn own(folder: &Path, network: &[&str]) -> Result<Own, ServerError> {
        let network: Vec<_> = network.iter().copied().map(ip).collect();
        Own::load_or_make(Folder::new(folder), &network)
    }

    fn stored(folder: &Path) -> (String, String) {
        let read = |name| fs::read_to_string(folder.join(name)).unwrap();
        (read(KEY), read(CERTIFICATE))
    }

    fn names(folder: &Path) -> String {
        format!("{} ", stored(folder).1.lines().next().unwrap())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_made_is_kept_and_private() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state/server");
        own(&folder, &["192.168.7.7"]).unwrap();
        let first = stored(&folder);
        let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
        assert_eq!(files.len(), 4, "two keys, two certificates, and no draft is left: {files:?}");
        for file in files {
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
        }
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        own(&folder, &["192.168.7.7"]).unwrap();
        assert_eq!(stored(&folder), first);
    }

    #[test]
    fn a_new_address_gets_a_new_certificate_under_the_same_key_and_the_old_names_stay() {
        let home = tempfile::tempdir().unwrap();
        own(home.path(), &["192.168.7.7"]).unwrap();
        let (key, certificate) = stored(home.path());
        own(home.path(), &["10.1.2.3"]).unwrap();
        let (same_key, moved) = stored(home.path());
        assert_eq!(key, same_key);
        assert_ne!(certificate, moved);
        let names = names(home.path());
        assert!([" 10.1.2.3 ", " 192.168.7.7 ", " localhost "].iter().all(|name| names.contains(name)), "{names}");
        own(home.path(), &["192.168.7.7"]).unwrap();
        assert_eq!(stored(home.path()).1, moved, "coming back needs no new one");
    }

    #[test]
    fn every_certificate_has_a_number_of_its_own() {
        let home = tempfile::tempdir().unwrap();
        let serial = |address| {
            own(home.path(), &[address]).unwrap();
            let der = CertificateDer::from_pem_slice(stored(home.path()).1.as_bytes()).unwrap();
            let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
            assert!(parsed.validity().not_after.timestamp() - parsed.validity().not_before.timestamp() <= 397 * 86_400);
            parsed.raw_serial().to_vec()
        };
        assert_ne!(serial("192.168.7.7"), serial("192.168.7.8"));
    }

    #[test]
    fn an_address_that_appears_while_running_is_covered_when_it_is_used() {
        let home = tempfile::tempdir().unwrap();
        let certificate = own(home.path(), &[]).unwrap();
        let before = certificate.config(ip("127.0.0.1"));
        assert!(Arc::ptr_eq(&before, &certificate.config(ip("::ffff:127.0.0.1"))));
        let after = certificate.config(ip("::ffff:10.9.8.7"));
        assert!(!Arc::ptr_eq(&before, &after));
        assert!(Arc::ptr_eq(&after, &certificate.config(ip("10.9.8.7"))));
        assert!(names(home.path()).contains(" 10.9.8.7 "));
    }

    #[test]
    fn an_address_that_the_authority_may_not_vouch_for_is_left_out() {
        let home = tempfile::tempdir().unwrap();
        own(home.path(), &["203.0.113.5"]).unwrap();
        let moved = own(home.path(), &["203.0.113.5", "203.0.113.77"]).unwrap();
        let before = moved.config(ip("127.0.0.1"));
        assert!(Arc::ptr_eq(&before, &moved.config(ip("203.0.113.77"))));
        let names = names(home.path());
        assert!(names.contains(" 203.0.113.5 ") && !names.contains("203.0.113.77"), "{names}");
    }

    #[test]
    fn a_certificate_near_its_end_or_damaged_or_of_another_key_is_issued_anew() {
        let home = tempfile::tempdir().unwrap();
        let first = own(home.path(), &[]).unwrap();
        let (key, good) = stored(home.path());
        let lines: Vec<&str> = good.lines().collect();
        let soon = format!("until: {}", unix(today() + RENEWAL - DAY));
        let ending = [&[lines[0], &soon][..], &lines[2..]].concat().join("\n");
        let other = KeyPair::generate().unwrap();
        let (_, foreign) = Issued::issue(wanted_names(&[]), &other, &first.authority).unwrap();
        for bad in [ending, foreign, String::new(), good[..good.len() / 2].to_owned()] {
            fs::write(home.path().join(CERTIFICATE), &bad).unwrap();
            let again = own(home.path(), &[]).unwrap();
            let (same_key, renewed) = stored(home.path());
            assert_eq!(key, same_key);
            assert_ne!(renewed, bad);
            let parsed = Stored::parse(&renewed, &again.key, &again.authority);
            assert!(matches!(parsed, Some(Stored::Good(issued)) if issued.covers(&wanted_names(&[]))));
        }
    }

    #[test]
    fn a_folder_from_before_there_was_an_authority_keeps_its_key_and_names() {
        let home = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["box".to_owned(), "192.168.3.3".to_owned()]).unwrap();
        params.not_after = (today() + VALIDITY).into();
        let old = params.self_signed(&key).unwrap();
        let until = unix(today() + VALIDITY);
        fs::write(home.path().join(KEY), key.serialize_pem()).unwrap();
        let old = format!("names: 203.0.113.9 192.168.3.3\nuntil: {until}\n{}", old.pem());
        fs::write(home.path().join(CERTIFICATE), &old).unwrap();
        own(home.path(), &[]).unwrap();
        let (kept, renewed) = stored(home.path());
        assert_eq!(kept, key.serialize_pem());
        assert_ne!(renewed, old);
        let names = names(home.path());
        assert!(names.contains(" 192.168.3.3 ") && !names.contains("203.0.113.9"), "{names}");
    }

    #[test]
    fn a_damaged_key_is_an_error_and_stays_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(KEY), "not a key").unwrap();
        let result = own(home.path(), &[]);
        assert!(matches!(result, Err(ServerError::BadKey { path, .. }) if path.ends_with(KEY)));
        assert_eq!(fs::read_to_string(home.path().join(KEY)).unwrap(), "not a key");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        assert!(matches!(own(&home.path().join("file/server"), &[]), Err(ServerError::State { .. })));
    }

    #[test]
    fn the_oldest_names_are_left_out_first() {
        let many = (0..40).map(|n| n.to_string()).collect();
        let names = joined(vec!["new".into(), "5".into()], many);
        assert_eq!(names.len(), NAME_LIMIT);
        assert_eq!(names[..3], ["new", "5", "0"]);
    }
}
