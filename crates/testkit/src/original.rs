use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    time::Duration,
};

use tokio::sync::OnceCell;

use crate::{Database, SqliteFile, Template, postgres};

/// A database that is filled once, on SQLite and on PostgreSQL; each test of `both_dialects! { of …: … }` gets a copy. A
/// copy costs less than the statements that filled the original.
#[derive(Debug)]
pub struct Original {
    name: &'static str,
    fill: fn(String) -> Filling,
    sqlite: OnceCell<Vec<u8>>,
    postgres: OnceCell<Template>,
}

/// The work of filling an original.
pub type Filling = Pin<Box<dyn Future<Output = ()>>>;

impl Original {
    /// Declares an original. `fill` gets the URL of an empty database, fills it, and drops its own connections.
    #[must_use]
    pub const fn new(name: &'static str, fill: fn(String) -> Filling) -> Self {
        Self { name, fill, sqlite: OnceCell::const_new(), postgres: OnceCell::const_new() }
    }

    /// Returns a copy in a file.
    ///
    /// # Panics
    ///
    /// If the original cannot be filled or copied.
    pub async fn on_sqlite(&self, name: &str) -> SqliteFile {
        let file = SqliteFile::new(name);
        let bytes = self.sqlite.get_or_init(|| self.sqlite_bytes()).await;
        std::fs::write(file.path(), bytes).expect("a temporary file can be written");
        file
    }

    /// Returns a copy on the shared server.
    ///
    /// # Panics
    ///
    /// If the original cannot be filled or copied.
    pub async fn on_postgres(&self, name: &str) -> Database {
        let server = postgres().await;
        let fill = async |url: String| (self.fill)(url).await;
        let template = self.postgres.get_or_init(|| server.template(self.name, fill)).await;
        server.database_from(template, name).await
    }

    async fn sqlite_bytes(&self) -> Vec<u8> {
        let file = SqliteFile::new(self.name);
        (self.fill)(file.url()).await;
        closed(file.path()).await;
        std::fs::read(file.path()).expect("the original was filled")
    }
}

/// Waits until the last connection is closed, which moves the journal into the file and removes it.
async fn closed(path: &Path) {
    let mut journal = path.as_os_str().to_owned();
    journal.push("-wal");
    while PathBuf::from(&journal).exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
