use tokio_postgres::Error;

use crate::admin_connection::AdminConnection;

/// The database of one test. Dropping it disconnects all clients and drops the database.
#[derive(Debug)]
pub struct Database {
    admin_connection: AdminConnection,
    name: String,
    url: String,
}

impl Database {
    pub(crate) async fn create(
        admin_connection: &AdminConnection,
        name: String,
        template: &str,
    ) -> Result<Self, Error> {
        admin_connection.create(&name, template).await?;
        let url = admin_connection.address().url(&name);
        Ok(Self { admin_connection: admin_connection.clone(), url, name })
    }

    /// Returns the URL, `postgresql://…`, with the password.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the name, which is unique on the server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the server's port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.admin_connection.address().port
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // No reason to fail the test: the database ends with the server at the latest.
        let _ = self.admin_connection.drop_blocking(&self.name);
    }
}
