use tokio_postgres::{Client, Error};

use crate::address::Address;

/// A database of one test; dropping it drops the database, whoever is still
/// connected to it.
#[derive(Debug)]
pub struct Database {
    address: Address,
    name: String,
    url: String,
}

impl Database {
    pub(crate) async fn create(address: &Address, name: String, template: &str) -> Result<Self, Error> {
        let client = address.connect().await?;
        let strategy = strategy(&client).await?;
        let sql = format!(r#"CREATE DATABASE "{name}" TEMPLATE "{template}" {strategy}"#);
        client.batch_execute(&sql).await?;
        Ok(Self { address: address.clone(), url: address.url(&name), name })
    }

    /// `postgresql://…`, with the password in it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The name, which no other database of the server has.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server's port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port
    }
}

/// Since PostgreSQL 15 there is a choice. Copying files takes half as long as
/// the default, which writes every page to the log as well.
async fn strategy(client: &Client) -> Result<&'static str, Error> {
    let sql = "SELECT current_setting('server_version_num')::int >= 150000";
    let is_a_choice = client.query_one(sql, &[]).await?.get(0);
    Ok(if is_a_choice { "STRATEGY FILE_COPY" } else { "" })
}

impl Drop for Database {
    fn drop(&mut self) {
        // A failure is no reason to let a test fail: the database ends with
        // the server at the latest.
        let sql = format!(r#"DROP DATABASE "{}" WITH (FORCE)"#, self.name);
        let _ = self.address.ask_blocking(&sql);
    }
}
