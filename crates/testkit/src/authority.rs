use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;

use crate::{Error, address::USER};

/// A certificate authority for tests: it signs certificates of servers and clients. Its PEM files are removed when
/// it is dropped.
#[derive(Debug)]
pub struct CertificateAuthority {
    certificate: String,
    server: Certified,
    directory: TempDir,
}

/// A certificate and its key, in PEM.
#[derive(Debug)]
struct Certified {
    certificate: String,
    key: String,
}

impl CertificateAuthority {
    /// Creates an authority that no other one trusts.
    pub fn new() -> Result<Self, Error> {
        let (certificate, server, client) = certify().map_err(|error| Error::new(error.to_string()))?;
        let directory = tempfile::tempdir().map_err(Error::at(&std::env::temp_dir()))?;
        let authority = Self { certificate, server, directory };
        write(&authority.certificate_path(), &authority.certificate)?;
        write(&authority.client_certificate_path(), &client.certificate)?;
        write(&authority.client_key_path(), &client.key)?;
        Ok(authority)
    }

    /// Returns the path of the authority's certificate.
    #[must_use]
    pub fn certificate_path(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
    }

    /// Returns the path of a client certificate for the user `tallybook`.
    #[must_use]
    pub fn client_certificate_path(&self) -> PathBuf {
        self.directory.path().join("client.pem")
    }

    /// Returns the path of the key of the client certificate.
    #[must_use]
    pub fn client_key_path(&self) -> PathBuf {
        self.directory.path().join("client.key")
    }

    /// Returns the files that a server reads, by name.
    pub(crate) fn server_files(&self) -> [(&'static str, &str); 3] {
        [
            ("authority.pem", &self.certificate),
            ("server.pem", &self.server.certificate),
            ("server.key", &self.server.key),
        ]
    }
}

/// Creates the authority's certificate, a server certificate for the name `localhost` without an address, and a
/// client certificate.
fn certify() -> Result<(String, Certified, Certified), rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Tallybook's tests");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let server = certified("server", &["localhost"], &issuer)?;
    let client = certified(USER, &[], &issuer)?;
    Ok((issuer.pem(), server, client))
}

fn certified(
    name: &str,
    hosts: &[&str],
    issuer: &CertifiedIssuer<'_, KeyPair>,
) -> Result<Certified, rcgen::Error> {
    let hosts: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?.pem();
    Ok(Certified { certificate, key: key.serialize_pem() })
}

fn write(path: &Path, content: &str) -> Result<(), Error> {
    fs::write(path, content).map_err(Error::at(path))
}
