use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    process::Command,
};

use crate::{Error, os_user::OsUser};

/// More than a server keeps of its log with the testkit's settings.
const SIZE: &str = "size=384m";
const BALLAST: &str = "ballast";

/// Mounts a small in-memory disk for the log of a server. The server's reaper unmounts it.
pub(crate) fn mount(directory: &Path, os_user: OsUser) -> Result<(), Error> {
    fs::create_dir(directory).map_err(Error::at(directory))?;
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", SIZE, "tmpfs"])
        .arg(directory)
        .output()
        .map_err(Error::at(Path::new("mount")))?;
    if !mount.status.success() {
        let text = String::from_utf8_lossy(&mount.stderr);
        return Err(Error::new(format!("a disk for a log is mounted, which needs root: {text}")));
    }
    os_user.chown(directory).map_err(Error::at(directory))
}

/// Fills the disk completely.
pub(crate) fn fill(directory: &Path) -> Result<(), Error> {
    let path = directory.join(BALLAST);
    let mut file = File::create(&path).map_err(Error::at(&path))?;
    let chunk = vec![0; 1 << 20];
    // In ever smaller pieces: a failed write may have had room for a part.
    for size in [chunk.len(), 4096] {
        loop {
            match file.write_all(&chunk[..size]) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                Err(error) => return Err(Error::at(&path)(error)),
            }
        }
    }
    Ok(())
}

/// Frees the disk.
pub(crate) fn clear(directory: &Path) -> Result<(), Error> {
    let path = directory.join(BALLAST);
    fs::remove_file(&path).map_err(Error::at(&path))
}
