//! The authority that this machine is for itself: a key and a certificate that devices may be told to trust.
//!
//! It lasts ten years and vouches for nothing but private networks and what this machine was called and reached at when
//! it was made: whoever steals its key cannot pass for anybody on the Internet before those who trust it.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, GeneralSubtree, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, NameConstraints, PublicKeyData, SerialNumber,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use sha2::{Digest, Sha256};

use super::{LocalAuthority, folder::Folder, own::VALIDITY};
use crate::server::{ServerError, addresses, plain, today};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the authority lasts: ten years.
const LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// What every authority may vouch for: networks that are nobody's in particular, and the names used in them.
const PRIVATE: [&str; 14] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "fc00::/7",
    "fe80::/10",
    "::1/128",
    "local",
    "localhost",
    "lan",
    "home",
    "internal",
    "home.arpa",
];

/// How many addresses of this machine's own come on top, at most.
const OWN_LIMIT: usize = 16;

const KEY: &str = "authority-key.pem";
const CERTIFICATE: &str = "authority.pem";

/// The authority, with what it takes to sign.
pub(super) struct Authority {
    key: KeyPair,
    der: CertificateDer<'static>,
    /// What it may vouch for: networks, and names with everything below them.
    permitted: Vec<String>,
}

impl Authority {
    /// Loads the authority; makes what of it is missing, damaged or about to end.
    pub(super) fn load_or_make(folder: &Folder, network: &[IpAddr]) -> Result<Self, ServerError> {
        let key = folder.key(KEY)?;
        let stored = folder.text(CERTIFICATE)?;
        let stored = stored.and_then(|text| parse(&text, &key));
        let (permitted, der) = match stored {
            Some(stored) => stored,
            None => {
                let permitted = permitted(network);
                let bad = |reason| ServerError::BadKey { path: folder.path(KEY), reason };
                let (der, text) = issue(&permitted, &key).map_err(bad)?;
                folder.store(CERTIFICATE, &text)?;
                (permitted, der)
            }
        };
        Ok(Self { key, der, permitted })
    }

    /// Whether it may vouch for this name or address: a certificate with any other is refused as a whole.
    pub(super) fn vouches_for(&self, name: &str) -> bool {
        self.permitted.iter().any(|permitted| match (name.parse::<IpAddr>(), permitted.split_once('/')) {
            (Ok(address), Some((network, bits))) => is_within(address, network, bits),
            (Err(_), None) => {
                name.strip_suffix(permitted.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Ok(_), None) | (Err(_), Some(_)) => false,
        })
    }

    /// Signs a certificate for the holder of `key`.
    pub(super) fn sign(&self, params: &CertificateParams, key: &KeyPair) -> Result<rcgen::Certificate, String> {
        let own = params_of(&self.permitted, &self.key).map_err(|error| error.to_string())?;
        params.signed_by(key, &Issuer::from_params(&own, &self.key)).map_err(|error| error.to_string())
    }

    /// Tells it from others, also from one that had the same key.
    pub(super) fn mark(&self) -> String {
        data_encoding::HEXLOWER.encode(&Sha256::digest(&self.der))
    }

    /// What others may know of it.
    pub(super) fn public(&self) -> LocalAuthority {
        let digest = Sha256::digest(&self.der);
        let fingerprint = digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
        LocalAuthority { name: name_of(&self.key), fingerprint, der: self.der.as_ref().into() }
    }
}

/// What the certificate in `text` permits, and itself; `None` where it is damaged, of another key, or about to end.
fn parse(text: &str, key: &KeyPair) -> Option<(Vec<String>, CertificateDer<'static>)> {
    let mut lines = text.lines();
    let permitted = lines.next()?.strip_prefix("permits: ")?.split(' ').map(str::to_owned).collect();
    let until = UNIX_EPOCH.checked_add(Duration::from_secs(lines.next()?.strip_prefix("until: ")?.parse().ok()?))?;
    let der = CertificateDer::from_pem_slice(text.as_bytes()).ok()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).ok()?;
    let is_ours = parsed.public_key().raw == key.subject_public_key_info();
    // It has to outlast what it signs.
    (is_ours && today() + VALIDITY + DAY < until).then_some((permitted, der))
}

/// A new certificate, and the text to store it as: two lines that say what is in it, then PEM.
fn issue(permitted: &[String], key: &KeyPair) -> Result<(CertificateDer<'static>, String), String> {
    let mut params = params_of(permitted, key).map_err(|error| error.to_string())?;
    params.serial_number = Some(serial_number()?);
    let until = today() + LIFE;
    params.not_before = (today() - DAY).into();
    params.not_after = until.into();
    let certificate = params.self_signed(key).map_err(|error| error.to_string())?;
    let seconds = unix(until);
    let text = format!("permits: {}\nuntil: {seconds}\n{}", permitted.join(" "), certificate.pem());
    Ok((certificate.der().clone(), text))
}

fn params_of(permitted: &[String], key: &KeyPair) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name_of(key));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let subtree = |name: &String| match name.parse::<CidrSubnet>() {
        Ok(network) => GeneralSubtree::IpAddress(network),
        Err(()) => GeneralSubtree::DnsName(name.clone()),
    };
    let permitted_subtrees = permitted.iter().map(subtree).collect();
    params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    Ok(params)
}

/// Two authorities of one name would be taken for one another, so that it says which key is meant.
fn name_of(key: &KeyPair) -> String {
    let digest = Sha256::digest(key.subject_public_key_info());
    format!("twocan {}", data_encoding::HEXLOWER.encode(&digest[..4]))
}

fn permitted(network: &[IpAddr]) -> Vec<String> {
    let mut permitted: Vec<String> = PRIVATE.map(str::to_owned).into();
    let is_private = |address: &IpAddr| {
        let mut networks = PRIVATE.iter().filter_map(|name| name.split_once('/'));
        networks.any(|(network, bits)| is_within(*address, network, bits))
    };
    let own = network.iter().copied().map(plain).filter(|address| !is_private(address));
    let own = own.map(|address| format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 }));
    permitted.extend(addresses::host_names().into_iter().chain(own.take(OWN_LIMIT)));
    permitted
}

fn is_within(address: IpAddr, network: &str, bits: &str) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    match (plain(address), network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros() >= bits,
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros() >= bits,
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// Sixty-two random bits behind two that make it positive and of full length.
///
/// It would be made from the key otherwise, which stays: Firefox refuses a second certificate of the same number for good.
pub(super) fn serial_number() -> Result<SerialNumber, String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// Seconds since 1970.
pub(super) fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Arc};

    use rustls::{
        RootCertStore,
        client::{WebPkiServerVerifier, danger::ServerCertVerifier},
        crypto::ring,
        pki_types::{ServerName, UnixTime},
    };

    use super::*;

    fn made(home: &tempfile::TempDir, network: &[&str]) -> Authority {
        let network: Vec<IpAddr> = network.iter().map(|text| text.parse().unwrap()).collect();
        Authority::load_or_make(&Folder::new(home.path()), &network).unwrap()
    }

    #[test]
    fn it_stays_the_same_wherever_the_machine_goes() {
        let home = tempfile::tempdir().unwrap();
        let first = made(&home, &["192.168.7.7"]).public();
        assert_eq!(made(&home, &["203.0.113.5"]).public(), first);
        assert_ne!(made(&tempfile::tempdir().unwrap(), &[]).public().name, first.name);
    }

    #[test]
    fn it_vouches_for_private_networks_and_what_the_machine_had_when_it_was_made() {
        let authority = made(&tempfile::tempdir().unwrap(), &["203.0.113.5", "2001:db8::5"]);
        let private = ["10.9.8.7", "172.31.0.1", "192.168.1.5", "127.0.0.1", "::1", "fd00::5", "::ffff:192.168.1.5"];
        let own = ["203.0.113.5", "2001:db8::5"];
        let names = ["localhost", "box.local", "box.home.arpa", "local", "a.b.lan"];
        for name in private.into_iter().chain(own).chain(names) {
            assert!(authority.vouches_for(name), "{name}");
        }
        for name in
            ["203.0.113.6", "172.32.0.1", "11.0.0.1", "2001:db8::6", "8.8.8.8", "example.org", "notlocal", "a.localhos"]
        {
            assert!(!authority.vouches_for(name), "{name}");
        }
        for name in addresses::host_names() {
            assert!(authority.vouches_for(&name), "{name}");
        }
    }

    #[test]
    fn whoever_has_its_key_passes_for_nobody_on_the_internet() {
        let authority = made(&tempfile::tempdir().unwrap(), &["203.0.113.5"]);
        let mut roots = RootCertStore::empty();
        roots.add(authority.der.clone()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let client = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        for (name, is_believed) in [
            ("box.local", true),
            ("192.168.1.9", true),
            ("203.0.113.5", true),
            ("fd00::9", true),
            ("example.org", false),
            ("local.example.org", false),
            ("203.0.113.6", false),
            ("2001:db8::1", false),
        ] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            let certificate = authority.sign(&params, &key).unwrap();
            let server = ServerName::try_from(name).unwrap();
            let believed = client.verify_server_cert(certificate.der(), &[], &server, &[], UnixTime::now());
            assert_eq!(believed.is_ok(), is_believed, "{name}: {believed:?}");
        }
    }

    #[test]
    fn a_certificate_that_is_damaged_or_another_keys_or_about_to_end_is_made_anew_under_the_same_key_and_name() {
        let home = tempfile::tempdir().unwrap();
        let first = made(&home, &[]).public();
        let path = home.path().join(CERTIFICATE);
        let good = fs::read_to_string(&path).unwrap();
        let soon = unix(today() + VALIDITY);
        let lines: Vec<&str> = good.lines().collect();
        let ending = [&[lines[0], &format!("until: {soon}")][..], &lines[2..]].concat().join("\n");
        let (_, foreign) = issue(&permitted(&[]), &KeyPair::generate().unwrap()).unwrap();
        for bad in [ending, foreign, String::new(), good[..good.len() / 2].to_owned()] {
            fs::write(&path, bad).unwrap();
            let again = made(&home, &[]).public();
            assert_eq!(again.name, first.name);
            assert_ne!(again.der, first.der);
            assert!(parse(&fs::read_to_string(&path).unwrap(), &made(&home, &[]).key).is_some());
        }
    }

    #[test]
    fn a_damaged_key_is_an_error_and_stays_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(KEY), "not a key").unwrap();
        let result = Authority::load_or_make(&Folder::new(home.path()), &[]);
        assert!(matches!(result, Err(ServerError::BadKey { path, .. }) if path.ends_with(KEY)));
        assert_eq!(fs::read_to_string(home.path().join(KEY)).unwrap(), "not a key");
    }
}
