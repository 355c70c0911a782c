use tokio_postgres::Error;

use crate::administrator::Administrator;

/// A database of one test; dropping it drops the database, whoever is still
/// connected to it.
#[derive(Debug)]
pub struct Database {
    administrator: Administrator,
    name: String,
    url: String,
}

impl Database {
    pub(crate) async fn create(
        administrator: &Administrator,
        name: String,
        template: &str,
    ) -> Result<Self, Error> {
        administrator.create(&name, template).await?;
        let url = administrator.address().url(&name);
        Ok(Self { administrator: administrator.clone(), url, name })
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
        self.administrator.address().port
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A failure is no reason to let a test fail: the database ends with
        // the server at the latest.
        let _ = self.administrator.drop_blocking(&self.name);
    }
}
