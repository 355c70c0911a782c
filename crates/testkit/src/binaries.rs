use std::{
    cmp::Reverse,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::Error;

const VARIABLE: &str = "TALLYBOOK_PG_BIN";
const DEBIAN: &str = "/usr/lib/postgresql";
const NEEDED: [&str; 6] = ["initdb", "pg_basebackup", "pg_ctl", "pg_resetwal", "pg_rewind", "postgres"];

/// The directory of PostgreSQL's server programs.
#[derive(Debug, Clone)]
pub struct Binaries {
    directory: PathBuf,
}

impl Binaries {
    /// Searches the directory in `TALLYBOOK_PG_BIN` only, if that is set; otherwise `/usr/lib/postgresql/*/bin`,
    /// highest version first, and then the directory that `pg_config` reports.
    pub fn find() -> Result<Self, Error> {
        match env::var_os(VARIABLE) {
            Some(directory) => Self::find_in([directory.into()]),
            None => Self::find_in(debian().into_iter().chain(pg_config())),
        }
    }

    /// Returns the first of `directories` that holds all programs.
    pub fn find_in(directories: impl IntoIterator<Item = PathBuf>) -> Result<Self, Error> {
        let mut searched = Vec::new();
        for directory in directories {
            if NEEDED.iter().all(|name| directory.join(name).is_file()) {
                return Ok(Self { directory });
            }
            searched.push(directory);
        }
        Err(missing(&searched))
    }

    /// Returns the path of a program.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// Returns the directories in which Debian's packages install servers, one for each version.
fn debian() -> Vec<PathBuf> {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|entry| entry.path()).collect();
    versions.sort_by_key(|path| Reverse(version(path)));
    versions.iter().map(|path| path.join("bin")).collect()
}

/// Returns the version as numbers, so that 9 is older than 15 and 9.6 newer than 9.5.
fn version(directory: &Path) -> Vec<u32> {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').flat_map(str::parse).collect()
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let directory = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| directory.trim().into())
}

fn missing(searched: &[PathBuf]) -> Error {
    let searched: Vec<_> = searched.iter().map(|path| path.to_string_lossy()).collect();
    let searched = match searched.as_slice() {
        [] => "no directory at all".into(),
        some => some.join(", "),
    };
    Error::new(format!(
        "PostgreSQL's server programs ({needed}) were not found.\n\
         Looked in: {searched}\n\
         (the directory that {VARIABLE} names or, where it is not set, \
         {DEBIAN}/*/bin and what `pg_config --bindir` prints).\n\
         Install them with `apt-get install postgresql`, \
         or run the tests by `./scripts/test`, which does.",
        needed = NEEDED.join(", "),
    ))
}
