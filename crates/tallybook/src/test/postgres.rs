//! Tests on PostgreSQL: a database each, copied from a template.

use std::future::Future;

use tallybook_core::driver::{Connection, Connector};
use tallybook_core::settings::Settings;
use tallybook_sql::driver::Role;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::file_access::FileAccess;
use tallybook_sql::params;
use tallybook_sql::query::{Batch, optional};
use tallybook_sql::transaction::TransactionFraming;
use tokio::runtime::Builder;

use super::{History, POSTGRES_URL, Place, fingerprint, migrate, run, unique};
use crate::Database;

/// The length at which PostgreSQL truncates names.
const MAX_NAME: usize = 63;
/// The beginning of the name of a test's database.
const TEST: &str = "tallybook_test_";
/// The beginning of the name of a template.
const TEMPLATE: &str = "tallybook_template_";
/// The beginning of the name of a template that is not complete.
const UNFINISHED: &str = "tallybook_unfinished_";

/// Runs a test on a new database of the server that the environment names.
///
/// # Panics
/// If the test does, if the environment names no server, or if its database can be neither made nor dropped.
#[doc(hidden)]
pub fn postgres<T, F: Future<Output = T>>(
    name: &str,
    histories: &[History],
    case: impl FnOnce(Database) -> F,
) -> T {
    let url = std::env::var(POSTGRES_URL);
    let url = url
        .unwrap_or_else(|_| panic!("{POSTGRES_URL} is not set, so {name} has no server; nothing was tested"));
    postgres_at(&url, name, histories, case)
}

/// As [`postgres`], on the server of a URL.
///
/// # Panics
/// As [`postgres`].
#[doc(hidden)]
pub fn postgres_at<T, F: Future<Output = T>>(
    url: &str,
    name: &str,
    histories: &[History],
    case: impl FnOnce(Database) -> F,
) -> T {
    let server = Server { url: url.to_owned() };
    let name = database_name(name);
    match blocking(server.create(&name, histories)) {
        Ok(()) => run(TestDatabase { server, name }, case),
        Err(error) => panic!("no database for the test: {error}"),
    }
}

/// Returns the name of a test's database. Of a long name it keeps the end, which tells the test.
fn database_name(test: &str) -> String {
    let suffix = unique();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let test: String = test.chars().map(plain).collect();
    let room = MAX_NAME - TEST.len() - suffix.len() - 1;
    let end = &test[test.len().saturating_sub(room)..];
    format!("{TEST}{end}_{suffix}")
}

/// Runs work on a runtime of its own: that of the test has ended when its database is dropped.
fn blocking<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.unwrap_or_else(|error| panic!("no runtime for the test: {error}")).block_on(work)
}

/// The server, by the URL of one of its databases.
struct Server {
    url: String,
}

impl Server {
    /// Connects to the database `postgres`, or to the URL's own if that fails. Advisory locks belong to one database, so
    /// tests that name different databases of a server have to meet in one.
    async fn connect(&self) -> Result<Connection> {
        let meeting = connect(&self.url_of("postgres")?).await;
        if meeting.is_ok() { meeting } else { connect(&self.url).await }
    }

    /// Returns the URL of another database of the server.
    fn url_of(&self, database: &str) -> Result<String> {
        let (before, parameters) = self.url.split_once('?').unwrap_or((&self.url, ""));
        let address = before.find("://").map_or(0, |at| at + 3);
        let path = before[address..].find('/').map_or(before.len(), |at| address + at);
        let mark = if parameters.is_empty() { "" } else { "?" };
        let url = format!("{}/{database}{mark}{parameters}", &before[..path]);
        if Settings::new(&url)?.database_url.namespace() == database {
            return Ok(url);
        }
        Err(Error::setting(
            POSTGRES_URL,
            "a URL with a parameter dbname",
            "a URL that names its database in its path",
        ))
    }

    /// Creates a database that has these revisions.
    async fn create(&self, name: &str, histories: &[History]) -> Result<()> {
        let mut connection = self.connect().await?;
        if histories.is_empty() {
            return connection.script(&format!("CREATE DATABASE {name}")).await;
        }
        let template = self.template(&mut connection, histories).await?;
        connection.script(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await
    }

    /// Returns the template with these revisions. The first test that needs it makes it; others wait.
    async fn template(&self, connection: &mut Connection, histories: &[History]) -> Result<String> {
        let fingerprint = fingerprint(histories);
        let name = format!("{TEMPLATE}{fingerprint}");
        if exists(connection, &name).await? {
            return Ok(name);
        }
        // Released with the connection, also if this process is killed.
        let lock = format!("SELECT pg_advisory_lock(hashtextextended('{name}', 0))");
        connection.script(&lock).await?;
        if !exists(connection, &name).await? {
            let unfinished = format!("{UNFINISHED}{fingerprint}");
            connection.script(&format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")).await?;
            connection.script(&format!("CREATE DATABASE {unfinished}")).await?;
            migrate(&self.url_of(&unfinished)?, histories).await?;
            // A database that has connections is neither renamed nor copied.
            connection.script(&format!("ALTER DATABASE {unfinished} ALLOW_CONNECTIONS false")).await?;
            let end = format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{unfinished}'"
            );
            connection.script(&end).await?;
            connection.script(&format!("ALTER DATABASE {unfinished} RENAME TO {name}")).await?;
        }
        connection.script(&lock.replace("advisory_lock", "advisory_unlock")).await?;
        Ok(name)
    }
}

async fn connect(url: &str) -> Result<Connection> {
    let settings = Settings::new(url)?;
    Connector::new(settings.database_url.target(), FileAccess::to_look()).connect(Role::Migrate).await
}

async fn exists(connection: &mut Connection, name: &str) -> Result<bool> {
    let query = optional::<(bool,)>("SELECT true FROM pg_database WHERE datname = $1", params![name]);
    let found = connection.execute(query, TransactionFraming::default()).await?.finish()?;
    Ok(found.is_some())
}

/// The database of one test.
struct TestDatabase {
    server: Server,
    name: String,
}

impl Place for TestDatabase {
    fn url(&self) -> String {
        self.server.url_of(&self.name).unwrap_or_else(|error| panic!("{error}"))
    }

    fn remove(&mut self) -> Result<(), String> {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let dropped = blocking(async { self.server.connect().await?.script(&drop).await });
        dropped.map_err(|error| error.to_string())
    }
}
