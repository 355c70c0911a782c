use std::{
    env,
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use crate::{
    Error,
    account::own_user,
    address::Address,
    supervisor::{Supervisor, script},
};

const KEEPER: &str = include_str!("keeper.sh");

/// A directory that all test processes of a user know, and that tells them
/// about a server they share, or a prepared directory. Three files are in it:
///
/// * `start.lock` is locked while somebody reads or changes any of this,
/// * `users.lock` is locked, in shared mode, by each process as long as it
///   uses the server,
/// * `server` says where the server is.
#[derive(Debug)]
pub(crate) struct State {
    directory: PathBuf,
}

/// The server that the state directory tells of.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) address: Address,
    pub(crate) directory: PathBuf,
}

impl State {
    /// `what` distinguishes it from others of the user.
    pub(crate) fn of_this_user(what: &str) -> Self {
        let name = format!("tallybook-testkit-{}{what}", own_user());
        Self { directory: env::temp_dir().join(name) }
    }

    /// Locks the state, until the returned file is dropped. The directory is
    /// made if necessary, and made again if it disappears before it is locked.
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

    /// Counts this process among the users until the returned file is
    /// dropped. Only who has locked the state may call this.
    pub(crate) fn lock_use(&self) -> Result<File, Error> {
        let path = self.directory.join("users.lock");
        let lock = || {
            let file = open(&path)?;
            file.lock_shared()?;
            Ok(file)
        };
        lock().map_err(Error::at(&path))
    }

    /// What is recorded, if that is readable: whoever was killed while
    /// writing it has left no server.
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

    /// Makes a keeper the owner of what is recorded, in the place of this process.
    pub(crate) fn keep(&self, supervisor: Supervisor) -> Result<(), Error> {
        let mut keeper = script(KEEPER, &self.directory);
        let spawned = keeper.stdout(supervisor.hand_over()).spawn();
        let keeper = spawned.map_err(|error| Error::new(format!("setsid: {error}")))?;
        // It outlives this process; there is nothing to wait for.
        drop(keeper);
        Ok(())
    }

    fn record_path(&self) -> PathBuf {
        self.directory.join("server")
    }

    /// Refuses a directory that somebody else has put in this one's place: we
    /// are going to remove what is recorded in it.
    fn create_directory(&self) -> Result<(), Error> {
        let path = &self.directory;
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::at(path)(error));
            }
            _ => {}
        }
        match fs::symlink_metadata(path) {
            Ok(found) if !found.is_dir() || found.uid() != own_user() => {
                Err(Error::new(format!("{}: not ours", path.display())))
            }
            _ => Ok(()),
        }
    }
}

/// Locks the file at `path`, or nothing if another file, or none, is there
/// once the lock is granted: its last holder has removed it.
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
