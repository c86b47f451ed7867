//! A certificate and its key in files that somebody else looks after: read at the start, and again when they change.
//!
//! What cannot be used is refused at the start; later it is told, once, and the last good one stays.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::{
    Error, ServerConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::CertifiedKey,
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{CertificateProblem, config_for};
use crate::server::{ServerError, today};

/// How often the files are looked at: every 2 s. What has changed is used once it was seen the same twice.
const LOOK: Duration = Duration::from_secs(2);

/// The longest file that is read: 1 MiB.
const FILE_LIMIT: u64 = 1 << 20;

/// A certificate and a key, each in its file.
pub(in crate::server) struct Files {
    certificate: PathBuf,
    key: PathBuf,
    current: Mutex<Loaded>,
}

struct Loaded {
    content: Mark,
    until: SystemTime,
    config: Arc<ServerConfig>,
}

/// Tells one content of the two files from another.
type Mark = [u8; 32];

/// What has been noticed of the files, and what has been told.
#[derive(Default)]
struct Watch {
    /// Seen once; whoever writes two files takes a moment between them.
    new: Option<Mark>,
    refused: Option<Mark>,
    told_of_end: bool,
}

/// The two files' content.
struct Content {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Files {
    /// Reads the two files, and sees whether they can be used.
    pub(super) fn load(certificate: &Path, key: &Path) -> Result<Self, ServerError> {
        let content = Content::read(certificate, key)?;
        let current = Mutex::new(content.load(certificate, key)?);
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), current })
    }

    /// What to answer a client with.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).config.clone()
    }

    /// Reads the files now, and uses what is in them if it is good.
    pub(super) fn reload(&self) -> Result<(), ServerError> {
        let loaded = Content::read(&self.certificate, &self.key)?.load(&self.certificate, &self.key)?;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = loaded;
        tracing::info!("the certificate was read again");
        Ok(())
    }

    /// Looks at the files again and again.
    pub(super) async fn keep(&self) {
        let mut watch = Watch::default();
        loop {
            tokio::time::sleep(LOOK).await;
            self.look(&mut watch);
        }
    }

    fn look(&self, watch: &mut Watch) {
        let content = Content::read(&self.certificate, &self.key);
        let mark = match &content {
            Ok(content) => content.mark(),
            Err(error) => Sha256::digest(error.to_string()).into(),
        };
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if mark == current.content {
            *watch = Watch { told_of_end: watch.told_of_end, ..Watch::default() };
        } else if watch.new != Some(mark) {
            watch.new = Some(mark);
        } else if watch.refused != Some(mark) {
            match content.and_then(|content| content.load(&self.certificate, &self.key)) {
                Ok(loaded) => {
                    *current = loaded;
                    *watch = Watch::default();
                    tracing::info!("the new certificate is in use");
                }
                Err(error) => {
                    watch.refused = Some(mark);
                    tracing::error!("{error}; the last certificate stays in use");
                }
            }
        }
        if current.until <= today() && !std::mem::replace(&mut watch.told_of_end, true) {
            tracing::error!(
                "{}: the certificate has expired, and nobody has put a new one there",
                self.certificate.display()
            );
        }
    }
}

impl Content {
    fn read(certificate: &Path, key: &Path) -> Result<Self, ServerError> {
        let read = |path: &Path| read(path).map_err(|error| CertificateProblem::Unreadable(error).of(path));
        Ok(Self { certificate: read(certificate)?, key: Zeroizing::new(read(key)?) })
    }

    fn mark(&self) -> Mark {
        let digest = Sha256::new().chain_update(Sha256::digest(&self.certificate)).chain_update(&*self.key);
        digest.finalize().into()
    }

    /// Makes of it what the server needs, and sees whether it is good today.
    fn load(&self, certificate: &Path, key: &Path) -> Result<Loaded, ServerError> {
        let chain = chain(&self.certificate).map_err(|problem| problem.of(certificate))?;
        let private = private_key(&self.key).map_err(|problem| problem.of(key))?;
        let until = until(&chain).map_err(|problem| problem.of(certificate))?;
        let certified = CertifiedKey::from_der(chain, private, &ring::default_provider());
        let certified = certified.map_err(|error| of_pair(&error).of(key))?;
        let config = config_for(certified).map_err(|why| CertificateProblem::NotACertificate(why).of(certificate))?;
        Ok(Loaded { content: self.mark(), until, config })
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(FILE_LIMIT + 1).read_to_end(&mut content)?;
    if content.len() as u64 > FILE_LIMIT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 1 MiB"));
    }
    Ok(content)
}

/// The server's own certificate, and those between it and its authority.
fn chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateProblem> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(CertificateProblem::NotACertificate("no BEGIN CERTIFICATE".into())),
        Ok(chain) => Ok(chain),
        Err(error) => Err(CertificateProblem::NotACertificate(error.to_string())),
    }
}

fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, CertificateProblem> {
    let is_encrypted = text.windows(9).any(|part| part == b"ENCRYPTED");
    PrivateKeyDer::from_pem_slice(text).map_err(|error| {
        if is_encrypted {
            CertificateProblem::Encrypted
        } else if matches!(error, pem::Error::NoItemsFound) {
            CertificateProblem::NotAKey("no BEGIN PRIVATE KEY".into())
        } else {
            CertificateProblem::NotAKey(error.to_string())
        }
    })
}

/// Until when the first certificate is good, which it has to be now.
fn until(chain: &[CertificateDer]) -> Result<SystemTime, CertificateProblem> {
    let damaged = |why: String| CertificateProblem::NotACertificate(why);
    let first = chain.first().ok_or_else(|| damaged("it is empty".into()))?;
    let (_, parsed) = x509_parser::parse_x509_certificate(first).map_err(|error| damaged(error.to_string()))?;
    let time = |seconds: i64| UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap_or_default());
    let (from, until) = (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
    match today() {
        now if time(until) <= now => Err(CertificateProblem::Expired),
        now if now < time(from) => Err(CertificateProblem::NotYet),
        _ => Ok(time(until)),
    }
}

/// Whether the first certificate in this file is an authority's.
pub(in crate::server) fn is_authority(path: &Path) -> bool {
    // What is no file gives what is in it once, and that was read already.
    let content = path.is_file().then(|| read(path).ok()).flatten();
    let first = content.and_then(|content| chain(&content).ok()).and_then(|chain| chain.into_iter().next());
    first.is_some_and(|first| x509_parser::parse_x509_certificate(&first).is_ok_and(|(_, parsed)| parsed.is_ca()))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "whatever else is wrong with the pair shows when the key is read")]
fn of_pair(error: &Error) -> CertificateProblem {
    match error {
        Error::InconsistentKeys(_) => CertificateProblem::Mismatch,
        error => CertificateProblem::NotAKey(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair};
    use tempfile::TempDir;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// A certificate that is good from so many days ago, for so many days, and its key.
    fn pair(ago: u32, life: u32) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = (today() - DAY * ago).into();
        params.not_after = (today() - DAY * ago + DAY * life).into();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn write(home: &TempDir, (certificate, key): &(String, String)) -> (PathBuf, PathBuf) {
        let paths = (home.path().join("c.pem"), home.path().join("k.pem"));
        fs::write(&paths.0, certificate).unwrap();
        fs::write(&paths.1, key).unwrap();
        paths
    }

    fn problem(certificate: &str, key: &str) -> (PathBuf, CertificateProblem) {
        let home = tempfile::tempdir().unwrap();
        let paths = write(&home, &(certificate.to_owned(), key.to_owned()));
        match Files::load(&paths.0, &paths.1) {
            Err(ServerError::Certificate { path, problem }) => (path.file_name().unwrap().into(), problem),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it is used"),
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_and_the_file_named() {
        let (certificate, key) = pair(1, 30);
        let (other, _) = pair(1, 30);
        let (expired, expired_key) = pair(30, 29);
        let damaged = certificate.replacen("MII", "MIJ", 1);
        let c = Path::new("c.pem");
        let k = Path::new("k.pem");
        type P = CertificateProblem;
        for (certificate, key, path, fits) in [
            ("", key.as_str(), c, (|p| matches!(p, P::NotACertificate(_))) as fn(&P) -> bool),
            ("nonsense", &key, c, |p| matches!(p, P::NotACertificate(_))),
            (&key, &key, c, |p| matches!(p, P::NotACertificate(_))),
            (&damaged, &key, c, |p| matches!(p, P::NotACertificate(_))),
            (&certificate, "", k, |p| matches!(p, P::NotAKey(_))),
            (&certificate, &certificate, k, |p| matches!(p, P::NotAKey(_))),
            (
                &certificate,
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----",
                k,
                |p| matches!(p, P::Encrypted),
            ),
            (&other, &key, k, |p| matches!(p, P::Mismatch)),
            (&expired, &expired_key, c, |p| matches!(p, P::Expired)),
        ] {
            let (named, problem) = problem(certificate, key);
            assert!(named == path && fits(&problem), "{}: {problem:?}", named.display());
        }
        let missing = Files::load(Path::new("/nowhere/c.pem"), k);
        assert!(matches!(missing, Err(ServerError::Certificate { problem: P::Unreadable(_), .. })));
    }

    #[test]
    fn every_usual_form_of_a_key_is_read() {
        // An RSA key in both forms, and one of an elliptic curve in the form that openssl ecparam writes.
        for (name, certificate, key) in [
            ("PKCS#1", RSA, include_str!("../../../tests/server/keys/rsa.pkcs1.pem")),
            ("PKCS#8", RSA, include_str!("../../../tests/server/keys/rsa.pkcs8.pem")),
            ("SEC 1", EC, include_str!("../../../tests/server/keys/ec.sec1.pem")),
        ] {
            let chain = chain(certificate.as_bytes()).unwrap();
            let key = private_key(key.as_bytes()).unwrap();
            CertifiedKey::from_der(chain, key, &ring::default_provider())
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    const RSA: &str = include_str!("../../../tests/server/keys/rsa.certificate.pem");
    const EC: &str = include_str!("../../../tests/server/keys/ec.certificate.pem");

    #[test]
    fn a_change_is_used_once_it_was_seen_twice_and_a_bad_one_never() {
        let home = tempfile::tempdir().unwrap();
        let first = pair(1, 30);
        let (certificate, key) = write(&home, &first);
        let files = Files::load(&certificate, &key).unwrap();
        let before = files.config();
        let mut watch = Watch::default();
        let mut looks = |times: usize| {
            for _ in 0..times {
                files.look(&mut watch);
            }
            files.config()
        };
        assert!(Arc::ptr_eq(&looks(3), &before));
        let second = pair(1, 30);
        fs::write(&certificate, &second.0).unwrap();
        assert!(Arc::ptr_eq(&looks(5), &before), "the key is still the first one's");
        fs::remove_file(&key).unwrap();
        assert!(Arc::ptr_eq(&looks(5), &before), "there is no key");
        write(&home, &second);
        assert!(Arc::ptr_eq(&looks(1), &before), "seen once");
        let after = looks(1);
        assert!(!Arc::ptr_eq(&after, &before));
        write(&home, &pair(30, 29));
        assert!(Arc::ptr_eq(&looks(5), &after), "expired");
        write(&home, &second);
        assert!(Arc::ptr_eq(&looks(5), &after), "as it was: nothing to do");
    }

    #[test]
    fn a_mark_changes_with_either_file() {
        let mark = |certificate: &str, key: &str| {
            Content { certificate: certificate.into(), key: Zeroizing::new(key.into()) }.mark()
        };
        let marks = [mark("a", "b"), mark("ab", ""), mark("a", "c"), mark("b", "b")];
        assert!(marks.iter().enumerate().all(|(at, one)| !marks[..at].contains(one)));
        assert_eq!(mark("a", "b"), marks[0]);
    }
}
