//! A TLS listener in front of the server.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::{fs, io};

use tallybook_sql::Error;
use tallybook_testkit::Binaries;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::authority::Certified;
use crate::server::Server;
use crate::support::{goes_on, try_connect};

/// What the listener does beside TLS.
#[derive(Clone, Default)]
pub(super) struct Manner {
    /// Bytes in plaintext behind the `S`, in the same packet.
    pub(super) injected: Vec<u8>,
    /// The authority of certificates that a client must have.
    pub(super) clients: Option<String>,
    /// Speaks TLS with the server too, of whose authority this is the certificate.
    pub(super) server_authority: Option<PathBuf>,
}

/// A TLS listener in front of the server.
pub(super) struct Front {
    port: u16,
    directory: TempDir,
    task: JoinHandle<()>,
}

impl Front {
    pub(super) async fn start(certified: &Certified, manner: Manner) -> Self {
        let server = Server::shared().await.port();
        let config = Arc::new(server_config(certified, manner.clients.as_deref()));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let acceptor = TlsAcceptor::from(Arc::clone(&config));
                let manner = manner.clone();
                tokio::spawn(async move { relay(client, server, acceptor, manner).await });
            }
        });
        Self { port, directory: tempfile::tempdir().unwrap(), task }
    }

    pub(super) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, content).unwrap();
        if name.ends_with("key") {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        path
    }

    pub(super) async fn ours(
        &self,
        user: &str,
        host: &str,
        parameters: &[(&str, &str)],
    ) -> Result<(), Error> {
        let parameters: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let url =
            format!("postgresql://{user}:p4ss%20word@{host}:{}/postgres?{}", self.port, parameters.join("&"));
        let mut connection = try_connect(&url).await?;
        assert!(connection.is_encrypted());
        goes_on(&mut connection).await;
        Ok(())
    }

    pub(super) async fn psql(
        &self,
        user: &str,
        host: &str,
        parameters: &[(&str, &str)],
    ) -> Result<(), String> {
        let mut text = format!("host={host} port={} dbname=postgres user={user}", self.port);
        parameters.iter().for_each(|(name, value)| text += &format!(" {name}={value}"));
        // Not Debian's wrapper, a Perl script that takes longer than the log-in.
        let mut psql = Command::new(Binaries::find().unwrap().program("psql"));
        psql.args(["-XAtw", "-c", "SELECT 1"]).arg(&text);
        psql.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.directory.path());
        psql.env("PGPASSWORD", "p4ss word").env("LC_ALL", "C").stdin(Stdio::null());
        let output = spawn_blocking(move || psql.output()).await.unwrap().expect("psql is installed");
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn roots(pem: &str) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    Arc::new(roots)
}

fn server_config(certified: &Certified, clients: Option<&str>) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots(pem), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let certificates = CertificateDer::pem_slice_iter(certified.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(certified.key.as_bytes()).unwrap();
    builder.with_single_cert(certificates.collect::<Result<_, _>>().unwrap(), key).unwrap()
}

async fn relay(mut client: TcpStream, server: u16, acceptor: TlsAcceptor, manner: Manner) -> io::Result<()> {
    let mut request = [0; 8];
    client.read_exact(&mut request).await?;
    if request != [0, 0, 0, 8, 4, 210, 22, 47] {
        // Nothing but TLS is spoken here.
        return Ok(());
    }
    client.write_all(&[b"S", &manner.injected[..]].concat()).await?;
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await?;
    let Some(authority) = manner.server_authority else {
        return copy_bidirectional(&mut client, &mut server).await.map(drop);
    };
    server.write_all(&request).await?;
    assert_eq!(server.read_u8().await?, b'S');
    let roots = roots(&fs::read_to_string(authority)?);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut server = TlsConnector::from(Arc::new(config)).connect(name, server).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}
