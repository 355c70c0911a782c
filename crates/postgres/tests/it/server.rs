//! A server of this program's own, with TLS and a user for each way to log in.

use std::fs;
use std::path::PathBuf;

use tallybook_testkit::{CertificateAuthority, Cluster};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use crate::support::peer;

/// Password of the users that have one.
pub(crate) const PASSWORD: &str = "p4ss word";

/// The first line that fits decides.
const ACCESS: &str = "\
local all all scram-sha-256
host all trusted 127.0.0.1/32 trust
host all plain 127.0.0.1/32 password
host all hashed 127.0.0.1/32 md5
host all salted 127.0.0.1/32 scram-sha-256
host all unset 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
";

const USERS: &str = "\
CREATE ROLE trusted LOGIN;
CREATE ROLE plain LOGIN PASSWORD 'p4ss word';
SET password_encryption = 'md5';
CREATE ROLE hashed LOGIN PASSWORD 'p4ss word';
SET password_encryption = 'scram-sha-256';
CREATE ROLE salted LOGIN PASSWORD 'p4ss word';
CREATE ROLE unset LOGIN;
GRANT CREATE ON SCHEMA public TO trusted";

pub(crate) struct Server {
    pub(crate) cluster: Cluster,
    pub(crate) authority: CertificateAuthority,
}

impl Server {
    pub(crate) async fn shared() -> &'static Self {
        static SERVER: OnceCell<Server> = OnceCell::const_new();
        SERVER
            .get_or_init(|| async {
                let server = spawn_blocking(Self::start).await.unwrap();
                let admin = peer(&server.cluster.url("postgres")).await;
                admin.batch_execute(USERS).await.unwrap();
                server
            })
            .await
    }

    fn start() -> Self {
        let authority = CertificateAuthority::new().unwrap();
        let cluster = Cluster::start_with_tls(&authority).unwrap();
        fs::write(cluster.directory().join("data/pg_hba.conf"), ACCESS).unwrap();
        // It reads the file again.
        cluster.configure(&[]).unwrap();
        Self { cluster, authority }
    }

    pub(crate) fn port(&self) -> u16 {
        self.cluster.port()
    }

    /// Path of the authority that signed its certificate, which is for the name `localhost`.
    pub(crate) fn root(&self) -> PathBuf {
        self.authority.certificate_path()
    }

    /// Returns the URL of a user who needs no password, in plaintext, through what listens on a port.
    pub(crate) fn trusted_at(&self, port: u16) -> String {
        format!("postgresql://trusted@127.0.0.1:{port}/postgres?sslmode=disable")
    }
}
