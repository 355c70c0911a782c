use std::{
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use crate::{
    Binaries, Error,
    address::Address,
    random,
    server::Server,
    state::{Record, State},
};

/// A data directory as `initdb` creates it, which new servers copy because creating one takes a second of CPU
/// time. All test processes of a user share it, as they share a server, and it is removed some seconds after the
/// last of them ends.
#[derive(Debug)]
pub(crate) struct InitdbCache {
    data: PathBuf,
    password: String,
    /// Its lock marks the directory as in use by this process.
    _use: File,
}

impl InitdbCache {
    /// Returns the directory for this user and these programs. The first process that asks creates it.
    pub(crate) fn find_or_make(binaries: &Binaries) -> Result<&'static Self, Error> {
        static PREPARED: OnceLock<Result<InitdbCache, Error>> = OnceLock::new();
        PREPARED.get_or_init(|| Self::join_or_make(binaries)).as_ref().map_err(Clone::clone)
    }

    /// Returns the superuser's password in all copies.
    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// Copies it to a server's data directory, with a system identifier of its own.
    pub(crate) fn copy_to(&self, server: &Server) -> Result<(), Error> {
        let mut copy = server.command_at(Path::new("cp"));
        copy.args(["--archive", "--reflink=auto"]).arg(&self.data).arg(server.data());
        server.run(&mut copy)?;
        // The identifier is the first field of this file. That invalidates the checksum after it, and the log
        // contains the old identifier, so the program writes both again.
        let control = server.data().join("global/pg_control");
        // Half of them print as negative numbers, as those of clusters made after January 2038 do.
        let identifier = random::bytes::<8>()?;
        File::options()
            .write(true)
            .open(&control)
            .and_then(|file| file.write_all_at(&identifier, 0))
            .map_err(Error::at(&control))?;
        server.run(server.command("pg_resetwal").arg("--force").arg("--pgdata").arg(server.data()))
    }

    fn join_or_make(binaries: &Binaries) -> Result<Self, Error> {
        let state = State::of_this_user(&format!("-prepared-{}", version(binaries)));
        let _lock = state.lock()?;
        let record = match state.record() {
            Some(record) if Server::data_in(&record.directory).is_dir() => record,
            _ => make(&state, binaries)?,
        };
        let data = Server::data_in(&record.directory);
        Ok(Self { data, password: record.address.password, _use: state.lock_use()? })
    }
}

fn make(state: &State, binaries: &Binaries) -> Result<Record, Error> {
    let server = Server::for_use("prepared", binaries.clone())?;
    let password = random::hex::<16>()?;
    server.initialise(&password)?;
    let record = Record { address: Address { port: 0, password }, directory: server.directory().to_owned() };
    state.write_record(&record)?;
    state.keep(server.into_reaper())?;
    Ok(record)
}

/// Returns a hash that differs between installations of PostgreSQL.
fn version(binaries: &Binaries) -> String {
    let mut hasher = DefaultHasher::new();
    binaries.program("initdb").hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
