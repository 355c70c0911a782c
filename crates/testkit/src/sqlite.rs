use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::watchdog;

/// A path for an SQLite database that does not exist yet. It lies in a directory of its own, which is removed with
/// everything in it when this is dropped.
#[derive(Debug)]
pub struct SqliteFile {
    path: PathBuf,
    _directory: TempDir,
}

impl SqliteFile {
    /// Creates a path that ends in `name` and `.db`.
    ///
    /// # Panics
    ///
    /// If no temporary directory can be created.
    #[must_use]
    pub fn new(name: &str) -> Self {
        watchdog::watch();
        let directory = tempfile::Builder::new()
            .prefix("tallybook-sqlite-")
            .tempdir()
            .expect("temporary directories can be made");
        Self { path: directory.path().join(format!("{name}.db")), _directory: directory }
    }

    /// Returns the absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the URL in SQLAlchemy's form: `sqlite:///` followed by the path, whose own slash is the fourth.
    #[must_use]
    pub fn url(&self) -> String {
        format!("sqlite:///{}", self.path.display())
    }
}
