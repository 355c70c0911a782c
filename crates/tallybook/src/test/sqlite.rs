//! Tests on SQLite: a file each.

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use tallybook_sql::error::Result;
use tallybook_sql::lock::lock;

use super::{History, Place, fingerprint, migrate, run, runtime, unique};
use crate::Database;

/// Runs a test on a new SQLite file that has these revisions.
///
/// # Panics
/// If the test does, or its file can be neither made nor removed.
#[doc(hidden)]
pub fn sqlite<T, F: Future<Output = T>>(
    _name: &str,
    histories: &[History],
    case: impl FnOnce(Database) -> F,
) -> T {
    let directory = Directory::new();
    if !histories.is_empty() {
        let migrated = migrated(histories);
        written(&directory.file(), |file| fs::write(file, migrated.as_slice()));
    }
    run(directory, case)
}

/// The content of a file, once it is made.
type Content = Arc<OnceLock<Arc<Vec<u8>>>>;

/// Returns the content of a file with these revisions, which is made once for each program.
fn migrated(histories: &[History]) -> Arc<Vec<u8>> {
    static FILES: Mutex<BTreeMap<String, Content>> = Mutex::new(BTreeMap::new());
    let content = lock(&FILES).entry(fingerprint(histories)).or_default().clone();
    content
        .get_or_init(|| {
            let directory = Directory::new();
            let migrated = runtime().block_on(migrate(&directory.url(), histories));
            migrated.unwrap_or_else(|error| panic!("the revisions are not applied: {error}"));
            Arc::new(written(&directory.file(), |file| fs::read(file)))
        })
        .clone()
}

fn written<T>(file: &Path, access: impl FnOnce(&Path) -> std::io::Result<T>) -> T {
    access(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// A directory for the file of one test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("tallybook-test-{}-{}", std::process::id(), unique()));
        written(&path, |path| fs::create_dir(path));
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("test.db")
    }
}

impl Place for Directory {
    fn url(&self) -> String {
        let path = self.file().to_string_lossy().replace('%', "%25").replace('?', "%3F");
        format!("sqlite:///{path}")
    }

    fn remove(&mut self) -> Result<(), String> {
        fs::remove_dir_all(&self.0).map_err(|error| format!("{}: {error}", self.0.display()))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Nothing is left after `remove`.
        let _ = fs::remove_dir_all(&self.0);
    }
}
