use std::{
    fs, io,
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::Command,
};

use crate::Error;

const ROOT: u32 = 0;
const USERS: &str = "/etc/passwd";

/// The user as whom the server's programs run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Account {
    /// The one who runs the tests.
    Own,
    /// Another one, since PostgreSQL refuses to run as root.
    Other { user: u32, group: u32 },
}

impl Account {
    pub(crate) fn for_servers() -> Result<Self, Error> {
        if own_user() != ROOT {
            return Ok(Self::Own);
        }
        let users = fs::read_to_string(USERS).map_err(Error::at(Path::new(USERS)))?;
        ["postgres", "nobody"].into_iter().find_map(|name| Self::named(name, &users)).ok_or_else(|| {
            Error::new(format!(
                "PostgreSQL does not run as root, and {USERS} has neither `postgres` \
                     nor `nobody` as whom it could run"
            ))
        })
    }

    /// Reads a line like `postgres:x:104:111:comment:/var/lib/postgresql:/bin/bash`.
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

    /// Makes the account the owner of `path`.
    pub(crate) fn give(self, path: &Path) -> io::Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Other { user, group } => chown(path, Some(user), Some(group)),
        }
    }
}

/// The id of the user who runs this process.
pub(crate) fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}
