//! Which servers are believed to be who they say.
//!
//! In a private network nobody can vouch for a name, and any certificate is taken, unless an authority was named to trust:
//! whoever can put themselves in the way there is as good as a bad server, and what the two sides say is sealed.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use thiserror::Error;

use super::SocketError;
use crate::invite::Origin;

/// The authorities that were named on top, for as long as the program runs.
static NAMED: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();

/// An authority that cannot be trusted, for it cannot be read.
#[derive(Debug, Error)]
#[error("cannot trust the authority in {}: {reason}", path.display())]
pub struct AuthorityError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// Trusts, in this program from now on, what the authorities in this file vouch for: PEM, or one in DER.
///
/// In private networks nothing else is taken any more. To be called once, before the first connection.
pub fn trust_also(path: &Path) -> Result<(), AuthorityError> {
    let failed = |reason: String| AuthorityError { path: path.to_owned(), reason };
    let content = fs::read(path).map_err(|error| failed(error.to_string()))?;
    let named = authorities(&content).map_err(failed)?;
    let _ = NAMED.set(named);
    Ok(())
}

fn authorities(content: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let in_pem: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(content).collect();
    let all = match in_pem {
        Ok(all) if all.is_empty() => vec![CertificateDer::from(content.to_vec())],
        Ok(all) => all,
        Err(error) => return Err(error.to_string()),
    };
    let mut store = RootCertStore::empty();
    let is_good = all.iter().try_for_each(|authority| store.add(authority.clone()));
    is_good.map(|()| all).map_err(|_| "it holds no certificate of an authority".into())
}

/// How to speak TLS with this server.
pub(super) fn tls(server: &Origin) -> Result<Arc<ClientConfig>, SocketError> {
    config(server, NAMED.get().map(Vec::as_slice))
}

fn config(server: &Origin, named: Option<&[CertificateDer<'static>]>) -> Result<Arc<ClientConfig>, SocketError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| SocketError::Certificate(error.to_string()))?;
    let config = match named {
        None if server.is_private() => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth(),
        None => builder.with_root_certificates(system()).with_no_client_auth(),
        Some(named) => {
            let mut roots = RootCertStore::clone(&system());
            roots.add_parsable_certificates(named.iter().cloned());
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    };
    Ok(Arc::new(config))
}

/// The authorities that this system trusts.
fn system() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let load = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    };
    Arc::clone(ROOTS.get_or_init(load))
}

/// Takes whatever certificate a server in the private network shows, as long as it holds the key to it.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_read_in_either_form() {
        let key = rcgen::KeyPair::generate().unwrap();
        let authority = rcgen::CertificateParams::new(vec!["a".to_owned()]).unwrap().self_signed(&key).unwrap();
        let two = format!("{}\n{}", authority.pem(), authority.pem());
        for (content, count) in
            [(authority.pem().into_bytes(), 1), (authority.der().to_vec(), 1), (two.into_bytes(), 2)]
        {
            assert_eq!(authorities(&content).unwrap().len(), count);
        }
        for bad in [&b""[..], b"nonsense", key.serialize_pem().as_bytes(), &authority.der()[..40]] {
            assert!(authorities(bad).is_err(), "{bad:?}");
        }
    }
}
