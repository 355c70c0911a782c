//! A temporary directory for an SQLite file and its log.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::name::name;

/// Removed with its content when dropped.
pub(super) struct Directory {
    path: PathBuf,
    removed: bool,
}

impl Directory {
    pub(super) fn make(parent: PathBuf) -> Result<Self> {
        let path = std::path::absolute(parent)?.join(name());
        fs::create_dir(&path).with_context(|| format!("can't create {}", path.display()))?;
        Ok(Self { path, removed: false })
    }

    /// Returns the URL of the file in it.
    pub(super) fn url(&self) -> Result<String> {
        let path = self.path.join("book.db");
        let path = path.to_str().with_context(|| format!("{} is not UTF-8", self.path.display()))?;
        Ok(format!("sqlite:///{}", path.replace('%', "%25").replace('?', "%3F")))
    }

    pub(super) fn remove(mut self) -> Result<()> {
        self.removed = true;
        fs::remove_dir_all(&self.path).with_context(|| format!("can't remove {}", self.path.display()))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !self.removed {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Returns the directory of a file.
pub(super) fn parent(file: &Path) -> PathBuf {
    file.parent().map(Path::to_owned).unwrap_or_default()
}
