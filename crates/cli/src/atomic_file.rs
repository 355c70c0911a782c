//! Files that appear under their name only when they are complete.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

/// The permissions of a new file, before the umask.
const MODE: u32 = 0o666;

/// A new temporary file in the directory of its target; it never writes through an existing file or link. Dropping
/// it removes it; [`AtomicFile::finish`] renames it to the target.
pub(crate) struct AtomicFile {
    target: PathBuf,
    output: Output,
}

enum Output {
    Temporary(NamedTempFile),
    /// A device or a pipe, which cannot be replaced by a file.
    Direct(File),
}

/// Writes a text to a file, which has all of it or is as it was.
pub(crate) fn write_text(target: &Path, text: &str) -> Result<()> {
    let mut file = AtomicFile::create(target)?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", target.display()))?;
    file.finish()
}

impl AtomicFile {
    pub(crate) fn create(target: &Path) -> Result<Self> {
        let output = create(target).with_context(|| format!("cannot write {}", target.display()))?;
        Ok(Self { target: target.to_owned(), output })
    }

    /// Returns whether there is a file to remove if the work is interrupted.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self.output, Output::Temporary(_))
    }

    /// Flushes the file and renames it to its target. A link there is replaced, not followed.
    pub(crate) fn finish(self) -> Result<()> {
        let Output::Temporary(file) = self.output else { return Ok(()) };
        let named = || -> io::Result<()> {
            file.as_file().sync_all()?;
            file.persist(&self.target)?;
            File::open(directory(&self.target))?.sync_all()
        };
        named().with_context(|| format!("cannot write {}", self.target.display()))
    }
}

fn create(target: &Path) -> Result<Output> {
    let found = fs::metadata(target).ok();
    let mode = match &found {
        Some(found) if found.is_dir() => bail!("it is a directory"),
        Some(found) if !found.is_file() || is_device(target) => {
            return Ok(Output::Direct(File::options().append(true).open(target)?));
        }
        Some(found) => Some(found.permissions().mode()),
        None => None,
    };
    let Some(name) = target.file_name() else { bail!("it does not name a file") };
    let file = tempfile::Builder::new()
        .prefix(&format!(".{}.", name.display()))
        .suffix(".part")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(directory(target))?;
    if let Some(mode) = mode {
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(Output::Temporary(file))
}

/// Returns whether the path is one such as `/dev/stdout`, even where that leads to a file.
fn is_device(target: &Path) -> bool {
    directory(target).canonicalize().is_ok_and(|directory| directory == Path::new("/dev"))
}

fn directory(target: &Path) -> &Path {
    target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.output {
            Output::Temporary(file) => file.write(bytes),
            Output::Direct(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.output {
            Output::Temporary(file) => file.flush(),
            Output::Direct(file) => file.flush(),
        }
    }
}
