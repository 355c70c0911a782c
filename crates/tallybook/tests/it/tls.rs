//! TLS to a real server: authentication, verification and error messages.

use std::fs;
use std::path::Path;

use tallybook::{Database, Error, Settings, one, params};
use tallybook_testkit::{CertificateAuthority, Cluster, postgres};
use tokio::net::TcpListener;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use tokio_postgres::NoTls;

use crate::log::keep;
use crate::support::{eventually, in_own_process, open, open_with, read};

/// A server that offers TLS, for the tests of one process.
struct Server {
    cluster: Cluster,
    authority: CertificateAuthority,
}

impl Server {
    async fn shared() -> &'static Self {
        static SERVER: OnceCell<Server> = OnceCell::const_new();
        SERVER
            .get_or_init(|| async {
                let server = spawn_blocking(Self::start).await.unwrap();
                let (client, connection) =
                    tokio_postgres::connect(&server.cluster.url("postgres"), NoTls).await.unwrap();
                tokio::spawn(connection);
                for database in ["certified", "encrypted", "in_clear"] {
                    client.batch_execute(&format!("CREATE DATABASE {database}")).await.unwrap();
                }
                server
            })
            .await
    }

    fn start() -> Self {
        let authority = CertificateAuthority::new().unwrap();
        let cluster = Cluster::start_with_tls(&authority).unwrap();
        Self { cluster, authority }
    }

    fn url(&self, host: &str, database: &str, parameters: &str) -> String {
        let (password, port) = (self.cluster.password(), self.cluster.port());
        format!("postgresql://tallybook:{password}@{host}:{port}/{database}?{parameters}")
    }

    /// Adds the authority that signed the server's certificate.
    fn verified(&self, host: &str, mode: &str) -> String {
        let root = self.authority.certificate_path();
        self.url(host, "postgres", &format!("sslmode={mode}&sslrootcert={}", root.display()))
    }
}

async fn refused(url: &str) -> String {
    let error = failed(url).await;
    assert!(error.is_connect(), "{error}");
    error.to_string()
}

async fn failed(url: &str) -> Error {
    Database::open(Settings::new(url).unwrap()).await.err().unwrap_or_else(|| panic!("{url} was let in"))
}

/// Asks the server, which knows best.
async fn is_encrypted(db: &Database) -> bool {
    let query = "SELECT ssl::int::bigint FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    read::<(i64,)>(db, query).await == [(1,)]
}

#[tokio::test]
async fn each_mode_encrypts_as_it_says() {
    let server = Server::shared().await;
    for (parameters, expected) in [
        ("", true),
        ("sslmode=disable", false),
        ("sslmode=allow", true),
        ("sslmode=prefer", true),
        ("ssl=prefer", true),
        ("sslmode=require", true),
    ] {
        let db = open(&server.url("127.0.0.1", "postgres", parameters)).await;
        assert_eq!(is_encrypted(&db).await, expected, "{parameters}");
        assert_eq!(db.pools()[0].encrypted, Some(expected), "the status says so too: {parameters}");
    }
}

#[tokio::test]
async fn verify_full_believes_the_name_in_the_certificate_and_no_other() {
    let server = Server::shared().await;
    assert!(is_encrypted(&open(&server.verified("localhost", "verify-full")).await).await);
    let text = refused(&server.verified("127.0.0.1", "verify-full")).await;
    assert!(text.contains("TLS: ") && text.contains("not valid for name"), "{text}");
    assert!(!text.contains(server.cluster.password()), "{text}");
}

#[tokio::test]
async fn verify_ca_believes_any_name_but_no_other_authority() {
    let server = Server::shared().await;
    let other = CertificateAuthority::new().unwrap();
    let other = other.certificate_path();
    // `require` with an authority means the same, as in libpq.
    for mode in ["verify-ca", "require"] {
        assert!(is_encrypted(&open(&server.verified("127.0.0.1", mode)).await).await, "{mode}");
        let parameters = format!("sslmode={mode}&sslrootcert={}", other.display());
        let text = refused(&server.url("127.0.0.1", "postgres", &parameters)).await;
        assert!(text.contains("not of an authority that is trusted"), "{mode}: {text}");
    }
}

#[tokio::test]
async fn verify_full_refuses_another_authority_too() {
    let server = Server::shared().await;
    let other = CertificateAuthority::new().unwrap();
    let parameters = format!("sslmode=verify-full&sslrootcert={}", other.certificate_path().display());
    let text = refused(&server.url("localhost", "postgres", &parameters)).await;
    assert!(text.contains("not of an authority that is trusted"), "{text}");
}

#[tokio::test]
#[ignore = "a program for the test below, which runs it in a process of its own"]
async fn open_what_the_environment_says() {
    assert!(is_encrypted(&open(&std::env::var("URL").unwrap()).await).await);
}

#[tokio::test]
async fn without_a_file_the_authorities_are_those_of_the_system() {
    let server = Server::shared().await;
    let directory = tempfile::tempdir().unwrap();
    // The location of the system's authorities, if it is set.
    let root = server.authority.certificate_path().display().to_string();
    for parameters in ["sslmode=verify-full", "sslmode=verify-ca", "sslrootcert=system"] {
        let url = server.url("localhost", "postgres", parameters);
        let text = refused(&url).await;
        assert!(text.contains("name yours by sslrootcert"), "{parameters}: {text}");
        let variables = [("URL", url.as_str()), ("SSL_CERT_FILE", root.as_str())];
        in_own_process("tls::open_what_the_environment_says", directory.path(), &variables);
    }
}

#[tokio::test]
async fn a_client_certificate_logs_in_without_a_password() {
    let server = Server::shared().await;
    let port = server.cluster.port();
    let of = |authority: &CertificateAuthority| {
        let (certificate, key) = (authority.client_certificate_path(), authority.client_key_path());
        let identity = format!("sslcert={}&sslkey={}", certificate.display(), key.display());
        format!("postgresql://tallybook@localhost:{port}/certified?sslmode=require&{identity}")
    };
    assert!(is_encrypted(&open(&of(&server.authority)).await).await);
    let text = refused(&server.url("localhost", "certified", "sslmode=require")).await;
    assert!(text.contains("valid client certificate"), "{text}");
    let text = refused(&of(&CertificateAuthority::new().unwrap())).await;
    assert!(text.contains("TLS: ") && text.contains("alert"), "{text}");
}

#[tokio::test]
async fn a_password_is_bound_to_the_encrypted_channel() {
    let server = Server::shared().await;
    let db = open(&server.url("localhost", "postgres", "sslmode=require&channel_binding=require")).await;
    assert!(is_encrypted(&db).await);
    refused(&server.url("localhost", "postgres", "sslmode=disable&channel_binding=require")).await;
}

#[tokio::test]
async fn require_fails_where_the_server_has_no_tls() {
    let database = postgres().await.database("require_without_tls").await;
    for mode in ["require", "verify-ca", "verify-full"] {
        let root = if mode == "require" { "" } else { "&sslrootcert=/dev/null" };
        let text = refused(&format!("{}?sslmode={mode}{root}", database.url())).await;
        let message =
            if mode == "require" { "the server does not support TLS" } else { "holds no certificate" };
        assert!(text.contains(message), "{mode}: {text}");
    }
}

#[tokio::test]
async fn prefer_says_once_that_it_went_on_in_clear() {
    let (kept, _guard) = keep();
    let database = postgres().await.database("prefer_without_tls").await;
    // An address of this machine that is not a loopback address.
    let db = open(&database.url().replace("127.0.0.1", "0.0.0.0")).await;
    let (one, other) = (db.read().await.unwrap(), db.read().await.unwrap());
    drop((one, other));
    assert!(!is_encrypted(&db).await);
    let text = kept.text();
    assert_eq!(text.matches("connected in clear").count(), 1, "{text}");
    assert!(text.contains("the server offers no TLS"), "{text}");
    let password = database.url().split(['@', ':']).nth(2).unwrap();
    assert!(!text.contains(password), "{text}");
}

#[tokio::test]
async fn nothing_is_said_of_a_connection_in_clear_that_stays_on_this_machine() {
    let (kept, _guard) = keep();
    let database = postgres().await.database("prefer_on_this_machine").await;
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let db = open(&database.url().replace("127.0.0.1", host)).await;
        assert!(!is_encrypted(&db).await);
    }
    assert!(!kept.text().contains("in clear"), "{}", kept.text());
}

#[tokio::test]
async fn nothing_is_said_where_it_is_encrypted_or_was_meant_to_be_in_clear() {
    let (kept, _guard) = keep();
    let server = Server::shared().await;
    for mode in ["prefer", "disable", "require"] {
        open(&server.url("127.0.0.1", "postgres", &format!("sslmode={mode}"))).await;
    }
    assert!(!kept.text().contains("in clear"), "{}", kept.text());
}

#[tokio::test]
async fn prefer_goes_on_in_clear_where_the_server_wants_it_and_require_does_not() {
    let (kept, _guard) = keep();
    let server = Server::shared().await;
    let db = open(&server.url("0.0.0.0", "in_clear", "sslmode=prefer")).await;
    assert!(!is_encrypted(&db).await);
    let text = kept.text();
    assert!(text.contains("connected in clear") && text.contains("pg_hba.conf rejects"), "{text}");
    let text = refused(&server.url("127.0.0.1", "in_clear", "sslmode=require")).await;
    assert!(text.contains("pg_hba.conf rejects"), "{text}");
    let text = refused(&server.url("127.0.0.1", "encrypted", "sslmode=disable")).await;
    assert!(text.contains("pg_hba.conf rejects"), "{text}");
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named_with_its_parameter() {
    let server = Server::shared().await;
    let directory = tempfile::tempdir().unwrap();
    let (missing, rubbish) = (directory.path().join("missing.pem"), directory.path().join("rubbish.pem"));
    fs::write(&rubbish, "-----BEGIN CERTIFICATE-----\nSecret!\n-----END CERTIFICATE-----\n").unwrap();
    let empty = directory.path().join("empty.pem");
    fs::write(&empty, "Secret").unwrap();
    let (certificate, key) = (server.authority.client_certificate_path(), server.authority.client_key_path());
    let root = |path: &Path| format!("sslmode=verify-full&sslrootcert={}", path.display());
    let pair = |certificate: &Path, key: &Path| {
        format!("sslmode=require&sslcert={}&sslkey={}", certificate.display(), key.display())
    };
    for (parameters, parameter, path, problem) in [
        (root(&missing), "sslrootcert", &missing, "No such file"),
        (root(&empty), "sslrootcert", &empty, "it holds no certificate"),
        (root(&rubbish), "sslrootcert", &rubbish, "it is not PEM"),
        (pair(&missing, &key), "sslcert", &missing, "No such file"),
        (pair(&certificate, &missing), "sslkey", &missing, "No such file"),
        (pair(&certificate, &certificate), "sslkey", &certificate, "it holds no key"),
        (pair(&certificate, &empty), "sslkey", &empty, "it holds no key"),
    ] {
        let text = refused(&server.url("localhost", "postgres", &parameters)).await;
        assert!(text.contains(&format!("{parameter} {}: {problem}", path.display())), "{text}");
        assert!(!text.contains("Secret"), "{text}");
    }
}

#[tokio::test]
async fn a_file_that_appears_later_is_read_then() {
    let server = Server::shared().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("late.pem");
    let parameters = format!("sslmode=verify-full&sslrootcert={}", path.display());
    let url = server.url("localhost", "postgres", &parameters);
    refused(&url).await;
    fs::copy(server.authority.certificate_path(), &path).unwrap();
    assert!(is_encrypted(&open(&url).await).await);
}

#[tokio::test]
async fn a_statement_that_is_dropped_is_cancelled_through_tls() {
    let server = Server::shared().await;
    let only_one = |settings: &mut Settings| {
        settings.pool.size = 1;
        settings.pool.max_overflow = 0;
    };
    let url = server.url("localhost", "encrypted", "sslmode=require&application_name=sleeper");
    let db = open_with(&url, only_one).await;
    let watcher = open(&server.url("localhost", "postgres", "")).await;
    let asleep = async || {
        let query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sleeper' \
            AND state = 'active' AND query LIKE '%pg_sleep%'";
        read::<(i64,)>(&watcher, query).await[0].0
    };
    let sleeper = {
        let db = db.clone();
        tokio::spawn(async move {
            let mut session = db.read().await.unwrap();
            session.run(one::<(i64,)>("SELECT 1::bigint FROM pg_sleep(300)", params![])).await.unwrap();
        })
    };
    eventually("it sleeps", async || asleep().await == 1).await;
    sleeper.abort();
    eventually("it was woken", async || asleep().await == 0).await;
    assert!(is_encrypted(&db).await);
}

#[tokio::test]
async fn a_socket_in_the_file_system_is_in_clear_and_nothing_is_said_of_it() {
    let (kept, _guard) = keep();
    let server = Server::shared().await;
    let (password, port) = (server.cluster.password(), server.cluster.port());
    let directory = server.cluster.directory().display();
    for mode in ["prefer", "require"] {
        let parameters = format!("host={directory}&port={port}&sslmode={mode}");
        let url = format!("postgresql://tallybook:{password}@/postgres?{parameters}");
        assert!(!is_encrypted(&open(&url).await).await);
        let text = refused(&url.replace("/postgres?", "/nobodys_book?")).await;
        assert!(text.contains(&format!("postgresql://tallybook@{directory}:{port}/nobodys_book")), "{text}");
    }
    assert!(!kept.text().contains("in clear"), "{}", kept.text());
}

#[tokio::test]
async fn the_first_of_several_servers_that_answers_is_used() {
    let server = Server::shared().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = listener.local_addr().unwrap().port();
    drop(listener);
    let (password, port) = (server.cluster.password(), server.cluster.port());
    let at = |hosts: &str| format!("postgresql://tallybook:{password}@{hosts}/postgres?sslmode=require");
    let db = open(&at(&format!("127.0.0.1:{dead},127.0.0.1:{port}"))).await;
    assert!(is_encrypted(&db).await);
    let text = refused(&at(&format!("127.0.0.1:{dead},localhost:{dead}"))).await;
    for message in [format!("127.0.0.1:{dead}: "), format!("localhost:{dead}: ")] {
        assert!(text.contains(&message), "{message} in {text}");
    }
}

#[tokio::test]
async fn a_primary_is_told_from_a_standby() {
    let server = Server::shared().await;
    let with = |wanted: &str| server.url("127.0.0.1", "postgres", &format!("target_session_attrs={wanted}"));
    for wanted in ["any", "read-write", "primary", "prefer-standby"] {
        open(&with(wanted)).await;
    }
    for wanted in ["read-only", "standby"] {
        let text = refused(&with(wanted)).await;
        assert!(text.contains("it is no standby"), "{wanted}: {text}");
    }
}

#[tokio::test]
async fn the_time_limit_of_statements_is_that_of_the_url() {
    let server = Server::shared().await;
    for (written, expected) in [("250", "250ms"), ("7s", "7s"), ("2min", "2min")] {
        let db = open(&server.url("127.0.0.1", "postgres", &format!("statement_timeout={written}"))).await;
        let setting: Vec<(String,)> = read(&db, "SELECT current_setting('statement_timeout')").await;
        assert_eq!(setting[0].0, expected);
    }
    let db = open(&server.url("127.0.0.1", "postgres", "statement_timeout=50")).await;
    let sleep = one::<(i64,)>("SELECT 1::bigint FROM pg_sleep(300)", params![]);
    let error = db.read().await.unwrap().run(sleep).await.unwrap_err();
    assert!(error.to_string().contains("statement timeout"), "{error}");
}
