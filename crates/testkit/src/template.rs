use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
};

use tokio_postgres::{Client, Error};

use crate::{address::Address, identifier::identifier};

/// A database that is filled once and then only copied, see [`Postgres::template`](crate::Postgres::template). It
/// is removed with the server.
#[derive(Debug, Clone)]
pub struct Template {
    name: String,
}

impl Template {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the template. One test at a time, across all processes, builds it; the others wait.
    pub(crate) async fn find_or_build(
        address: &Address,
        name: &str,
        setup: impl AsyncFnOnce(String),
    ) -> Result<Self, Error> {
        let name = identifier(&format!("template_{name}"), &program_version());
        let client = address.connect().await?;
        // Released with the connection, even if this process is killed.
        client.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", &[&name]).await?;
        if !exists(&client, &name).await? {
            build(&client, address, &name, setup).await?;
        }
        Ok(Self { name })
    }
}

async fn exists(client: &Client, name: &str) -> Result<bool, Error> {
    let sql = "SELECT FROM pg_database WHERE datname = $1";
    Ok(client.query_opt(sql, &[&name]).await?.is_some())
}

/// Only a complete template gets the name. A database under the temporary name was left by a setup that panicked
/// or was killed.
async fn build(
    client: &Client,
    address: &Address,
    name: &str,
    setup: impl AsyncFnOnce(String),
) -> Result<(), Error> {
    let unfinished = name.replacen("template", "building", 1);
    let run = async |sql: String| client.batch_execute(&sql).await;
    run(format!(r#"DROP DATABASE IF EXISTS "{unfinished}" WITH (FORCE)"#)).await?;
    run(format!(r#"CREATE DATABASE "{unfinished}" TEMPLATE template0"#)).await?;
    setup(address.url(&unfinished)).await;
    close(client, &unfinished).await?;
    run(format!(r#"ALTER DATABASE "{unfinished}" RENAME TO "{name}""#)).await
}

/// Ends all connections and refuses new ones, since a database with connections can be neither renamed nor copied.
/// The server waits for sessions that are just ending.
async fn close(client: &Client, name: &str) -> Result<(), Error> {
    client.batch_execute(&format!(r#"ALTER DATABASE "{name}" ALLOW_CONNECTIONS false"#)).await?;
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
    client.execute(terminate, &[&name]).await?;
    Ok(())
}

/// Returns a hash that changes whenever the test program is rebuilt, since its setup may have changed. Each
/// program has its own.
fn program_version() -> String {
    let identity = || -> io::Result<_> {
        let program = env::current_exe()?;
        // The running file, even if its path already names a newer one.
        let modified = fs::metadata("/proc/self/exe")?.modified()?;
        Ok((program, modified))
    };
    let mut hasher = DefaultHasher::new();
    identity().expect("a test program can look at its own file").hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
