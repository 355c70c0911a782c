//! Files that appear under their name only when they are whole.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

/// What a new file may be used for, before the umask.
const MODE: u32 = 0o666;

/// A file under a name of its own in the directory of its target, made for it alone: no file or link that is there is
/// written through. Dropping it removes it; [`AtomicFile::finish`] gives it the target's name.
pub(crate) struct AtomicFile {
    target: PathBuf,
    output: Output,
}

enum Output {
    Temporary(NamedTempFile),
    /// A device or a pipe, which can't be replaced by a file.
    Direct(File),
}

impl AtomicFile {
    pub(crate) fn create(target: &Path) -> Result<Self> {
        let output = create(target).with_context(|| format!("cannot write {}", target.display()))?;
        Ok(Self { target: target.to_owned(), output })
    }

    /// Whether there is something to remove when the work is broken off.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self.output, Output::Temporary(_))
    }

    /// Puts the file in the place of its target, on disk. A link there is replaced, not followed.
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
    let Some(name) = target.file_name() else { bail!("it names no file") };
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

/// Whether it is a name such as `/dev/stdout`, even where that leads to a file.
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
