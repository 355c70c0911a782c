use std::{
    env,
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use crate::{
    Error,
    address::Address,
    os_user::current_uid,
    reaper::{Reaper, script},
};

const KEEPER: &str = include_str!("keeper.sh");

/// A directory that all test processes of a user share. It describes a shared server or a cached data directory.
/// Three files are in it:
///
/// * `start.lock` is locked while a process reads or changes any of this,
/// * `users.lock` is locked in shared mode by each process that uses the server,
/// * `server` holds the server's port, password and directory.
#[derive(Debug)]
pub(crate) struct State {
    directory: PathBuf,
}

/// The server that the state directory describes.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) address: Address,
    pub(crate) directory: PathBuf,
}

impl State {
    /// Returns the state directory of this user; `what` distinguishes it from the user's others.
    pub(crate) fn of_this_user(what: &str) -> Self {
        let name = format!("tallybook-testkit-{}{what}", current_uid());
        Self { directory: env::temp_dir().join(name) }
    }

    /// Locks the state until the returned file is dropped. Creates the directory if necessary, and again if it
    /// disappears before it is locked.
    pub(crate) fn lock(&self) -> Result<File, Error> {
        let path = self.directory.join("start.lock");
        loop {
            self.create_directory()?;
            match lock_exclusively(&path) {
                Ok(Some(file)) => return Ok(file),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::at(&path)(error)),
            }
        }
    }

    /// Marks this process as a user until the returned file is dropped. Requires the state lock.
    pub(crate) fn lock_use(&self) -> Result<File, Error> {
        let path = self.directory.join("users.lock");
        let lock = || {
            let file = open(&path)?;
            file.lock_shared()?;
            Ok(file)
        };
        lock().map_err(Error::at(&path))
    }

    /// Reads the record, if it is complete: a process killed while writing it has left no server.
    pub(crate) fn record(&self) -> Option<Record> {
        let text = fs::read_to_string(self.record_path()).ok()?;
        let mut lines = text.lines();
        Some(Record {
            address: Address { port: lines.next()?.parse().ok()?, password: lines.next()?.into() },
            directory: lines.next()?.into(),
        })
    }

    pub(crate) fn write_record(&self, record: &Record) -> Result<(), Error> {
        let Address { port, password } = &record.address;
        let directory = record.directory.display();
        let path = self.record_path();
        fs::write(&path, format!("{port}\n{password}\n{directory}\n")).map_err(Error::at(&path))
    }

    /// Transfers ownership of the recorded server from this process to a keeper process.
    pub(crate) fn keep(&self, reaper: Reaper) -> Result<(), Error> {
        let mut keeper = script(KEEPER, &self.directory);
        let spawned = keeper.stdout(reaper.into_stdin()).spawn();
        let keeper = spawned.map_err(|error| Error::new(format!("setsid: {error}")))?;
        // It outlives this process, so there is nothing to wait for.
        drop(keeper);
        Ok(())
    }

    fn record_path(&self) -> PathBuf {
        self.directory.join("server")
    }

    /// Refuses a directory that another user put in its place, because what is recorded in it will be removed.
    fn create_directory(&self) -> Result<(), Error> {
        let path = &self.directory;
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::at(path)(error));
            }
            _ => {}
        }
        match fs::symlink_metadata(path) {
            Ok(found) if !found.is_dir() || found.uid() != current_uid() => {
                Err(Error::new(format!("{}: not ours", path.display())))
            }
            _ => Ok(()),
        }
    }
}

/// Locks the file at `path`. Returns `None` if the file was removed or replaced before the lock was granted.
fn lock_exclusively(path: &Path) -> io::Result<Option<File>> {
    let file = open(path)?;
    file.lock()?;
    let (ours, current) = (file.metadata()?, fs::metadata(path)?);
    let same = (ours.dev(), ours.ino()) == (current.dev(), current.ino());
    Ok(same.then_some(file))
}

fn open(path: &Path) -> io::Result<File> {
    File::options().create(true).write(true).truncate(false).open(path)
}
