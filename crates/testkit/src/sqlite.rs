use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::watchdog;

/// A path for a SQLite database that does not exist yet, in a directory of
/// its own, which is removed when this is dropped, with the journal and all.
#[derive(Debug)]
pub struct SqliteFile {
    path: PathBuf,
    _directory: TempDir,
}

impl SqliteFile {
    /// A path whose last part is `name` and `.db`.
    ///
    /// # Panics
    ///
    /// If there is no place for temporary files.
    #[must_use]
    pub fn new(name: &str) -> Self {
        watchdog::watch();
        let directory = tempfile::Builder::new()
            .prefix("tallybook-sqlite-")
            .tempdir()
            .expect("temporary directories can be made");
        Self { path: directory.path().join(format!("{name}.db")), _directory: directory }
    }

    /// The absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The URL as SQLAlchemy writes it: `sqlite:///` and then the path, whose
    /// own slash is the fourth.
    #[must_use]
    pub fn url(&self) -> String {
        format!("sqlite:///{}", self.path.display())
    }
}
