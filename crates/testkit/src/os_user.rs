use std::{
    fs, io,
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::Command,
};

use crate::Error;

const ROOT: u32 = 0;
const USERS: &str = "/etc/passwd";

/// The operating-system user that runs the server's programs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OsUser {
    /// The user who runs the tests.
    Current,
    /// A different user, since PostgreSQL refuses to run as root.
    Other { user: u32, group: u32 },
}

impl OsUser {
    pub(crate) fn of_servers() -> Result<Self, Error> {
        if current_uid() != ROOT {
            return Ok(Self::Current);
        }
        let users = fs::read_to_string(USERS).map_err(Error::at(Path::new(USERS)))?;
        ["postgres", "nobody"].into_iter().find_map(|name| Self::named(name, &users)).ok_or_else(|| {
            Error::new(format!(
                "PostgreSQL does not run as root, and {USERS} has neither `postgres` \
                     nor `nobody` as whom it could run"
            ))
        })
    }

    /// Parses a line like `postgres:x:104:111:comment:/var/lib/postgresql:/bin/bash`.
    fn named(name: &str, users: &str) -> Option<Self> {
        let mut lines = users.lines().map(|line| line.split(':'));
        let mut fields = lines.find_map(|mut fields| (fields.next()? == name).then_some(fields))?;
        Some(Self::Other { user: fields.nth(1)?.parse().ok()?, group: fields.next()?.parse().ok()? })
    }

    pub(crate) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Self::Other { user, group } = self {
            command.uid(user).gid(group);
        }
        command
    }

    /// Changes the owner of `path` to this user.
    pub(crate) fn chown(self, path: &Path) -> io::Result<()> {
        match self {
            Self::Current => Ok(()),
            Self::Other { user, group } => chown(path, Some(user), Some(group)),
        }
    }
}

/// Returns the user id of this process.
pub(crate) fn current_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}
