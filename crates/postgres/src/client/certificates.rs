//! Certificates and keys: the files that `sslrootcert`, `sslcert` and `sslkey` name.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::verifier::{AnyCertificate, AnyName};
use crate::config::{Check, Identity, Roots, Ssl};

/// Reads the files and builds the rustls configuration. An error names the parameter and the file.
pub(super) fn client_config(ssl: &Ssl) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let verifier = verifier(&ssl.check, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &ssl.identity {
        None => builder.with_no_client_auth(),
        Some(Identity { certificate, key }) => {
            builder.with_client_auth_cert(certificates("sslcert", certificate)?, private_key(key)?).map_err(
                |error| format!("sslcert {}, sslkey {}: {error}", certificate.display(), key.display()),
            )?
        }
    };
    // Servers since PostgreSQL 17 ask for ALPN; earlier ones ignore it.
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(config)
}

fn verifier(check: &Check, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, String> {
    Ok(match check {
        Check::Nothing => Arc::new(AnyCertificate(provider.clone())),
        Check::CertificateAuthority(roots) => Arc::new(AnyName(webpki(roots, provider)?)),
        Check::Name(roots) => webpki(roots, provider)?,
    })
}

fn webpki(roots: &Roots, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let store = Arc::new(store(roots)?);
    WebPkiServerVerifier::builder_with_provider(store, provider.clone())
        .build()
        .map_err(|error| format!("sslrootcert: {error}"))
}

fn store(roots: &Roots) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::System => {
            let found = rustls_native_certs::load_native_certs();
            // A system's store may contain a few malformed certificates; the others are good.
            let (added, _) = store.add_parsable_certificates(found.certs);
            if added == 0 {
                return Err("the system has no authorities; name yours by sslrootcert".to_owned());
            }
        }
        Roots::File(path) => {
            for certificate in certificates("sslrootcert", path)? {
                store.add(certificate).map_err(|error| describe("sslrootcert", path, error))?;
            }
        }
    }
    Ok(store)
}

fn certificates(parameter: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| describe_pem_error(parameter, path, error))?;
    if certificates.is_empty() {
        return Err(describe(parameter, path, "it holds no certificate in PEM"));
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| match error {
        PemError::NoItemsFound => describe("sslkey", path, "it holds no key in PEM that is not encrypted"),
        error => describe_pem_error("sslkey", path, error),
    })
}

/// Describes a file that can't be read. The message of a PEM error is left out: the parser quotes lines of the file.
fn describe_pem_error(parameter: &str, path: &Path, error: PemError) -> String {
    match error {
        PemError::Io(error) => describe(parameter, path, error),
        _ => describe(parameter, path, "it is not PEM"),
    }
}

fn describe(parameter: &str, path: &Path, problem: impl std::fmt::Display) -> String {
    format!("{parameter} {}: {problem}", path.display())
}
