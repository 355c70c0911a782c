//! TLS by rustls.

use std::io;
use std::sync::Arc;

use rustls::CertificateError;
use rustls::pki_types::ServerName;
use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::oid::db::rfc5912::{
    ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, ECDSA_WITH_SHA_512, SHA_1_WITH_RSA_ENCRYPTION,
    SHA_256_WITH_RSA_ENCRYPTION, SHA_384_WITH_RSA_ENCRYPTION, SHA_512_WITH_RSA_ENCRYPTION,
};

use super::certificates::client_config;
use super::error::ClientError;
use super::stream::Stream;
use crate::config::{Host, Server, Ssl, SslMode, SslNegotiation};

/// `SSLRequest`: its length and its code.
const REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const NOT_OFFERED: &str = "server does not support TLS";

/// The TLS configuration of a target.
#[derive(Clone)]
pub(crate) struct Tls {
    connector: TlsConnector,
    negotiation: SslNegotiation,
}

impl Tls {
    /// Reads the certificate files. An error names the file that can't be read.
    pub(crate) async fn load(ssl: &Ssl) -> Result<Self, String> {
        let (ssl, negotiation) = (ssl.clone(), ssl.negotiation);
        // The system's store has some hundred files.
        let config =
            spawn_blocking(move || client_config(&ssl)).await.map_err(|error| error.to_string())??;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), negotiation })
    }

    /// Encrypts a new stream as the mode asks for. The kernel carries Unix sockets, so nobody can listen; libpq does not
    /// encrypt them either.
    pub(super) async fn encrypt(
        &self,
        stream: Stream,
        mode: SslMode,
        server: &Server,
    ) -> Result<Stream, ClientError> {
        let (Stream::Tcp(mut stream), Host::Tcp(name)) = (stream, &server.host) else {
            return Err(ClientError::Tls(io::Error::other("only TCP is encrypted")));
        };
        match (mode, self.negotiation) {
            (SslMode::Disable, _) => return Ok(Stream::Tcp(stream)),
            (SslMode::Prefer, SslNegotiation::Direct) => {
                let problem = "sslnegotiation=direct goes with sslmode=require and above";
                return Err(ClientError::Tls(io::Error::other(problem)));
            }
            (SslMode::Require, SslNegotiation::Direct) => {}
            (SslMode::Prefer | SslMode::Require, SslNegotiation::Postgres) => {
                stream.write_all(&REQUEST).await.map_err(ClientError::Connect)?;
                // Exactly one byte: whatever follows it in plaintext is part of the handshake, which then fails.
                let answer = stream.read_u8().await.map_err(ClientError::Connect)?;
                match (answer, mode) {
                    (b'S', _) => {}
                    (b'N', SslMode::Prefer) => return Ok(Stream::Tcp(stream)),
                    // An error: a server that does not know the request.
                    (b'N' | b'E', _) => return Err(ClientError::Tls(io::Error::other(NOT_OFFERED))),
                    _ => {
                        let problem = "the server answers the request for TLS with neither yes nor no";
                        return Err(ClientError::Protocol(problem.to_owned()));
                    }
                }
            }
        }
        let name = ServerName::try_from(name.clone())
            .map_err(|error| ClientError::Tls(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let stream = self.connector.connect(name, stream).await.map_err(ClientError::Tls)?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

/// Returns the data that binds a login to an encrypted connection: the hash of the server's certificate, by the algorithm
/// of its signature, and by SHA-256 if that is older (RFC 5929, `tls-server-end-point`). `None` for a signature without a
/// hash, such as Ed25519.
pub(super) fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    match Certificate::from_der(certificate).ok()?.signature_algorithm.oid {
        SHA_1_WITH_RSA_ENCRYPTION | SHA_256_WITH_RSA_ENCRYPTION | ECDSA_WITH_SHA_256 => {
            Some(Sha256::digest(certificate).to_vec())
        }
        SHA_384_WITH_RSA_ENCRYPTION | ECDSA_WITH_SHA_384 => Some(Sha384::digest(certificate).to_vec()),
        SHA_512_WITH_RSA_ENCRYPTION | ECDSA_WITH_SHA_512 => Some(Sha512::digest(certificate).to_vec()),
        _ => None,
    }
}

/// Explains a failure of TLS: of the handshake, or of a server that refuses the client's certificate later. `None` for
/// another failure.
pub(crate) fn explain(failure: &io::Error) -> Option<String> {
    if failure.to_string() == NOT_OFFERED {
        return Some(format!("the {NOT_OFFERED}, and sslmode asks for it"));
    }
    Some(match failure.get_ref()?.downcast_ref::<rustls::Error>()? {
        // `BadSignature` if the authority only has the same name as a trusted one.
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => "the server's certificate is not of an authority that is trusted; name yours by sslrootcert"
            .to_owned(),
        error => format!("TLS: {error}"),
    })
}
