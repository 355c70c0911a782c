//! Whom somebody waits for.

use std::fmt::{self, Write};

use serde::Serialize;

use crate::driver::Process;
use crate::escaped::Escaping;

/// A session of PostgreSQL, or a process that has an SQLite file locked, which others wait for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Blocker {
    /// The process. On PostgreSQL `SELECT pg_terminate_backend(pid)` ends it; 0 is a prepared transaction.
    pub pid: i64,
    /// PostgreSQL's user; empty for an SQLite file.
    pub user: String,
    /// PostgreSQL's `application_name`, the command of a process, or the name of a prepared transaction.
    pub application: String,
    /// Seconds since its transaction began; none for an SQLite file.
    pub age: Option<f64>,
    /// What it does: `active`, `idle in transaction`, `locks the file`, …
    pub state: String,
    /// Its last statement without values, cut to 200 characters; empty if it is not to be seen.
    pub query: String,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, user, application, age, state, query } = self;
        let age = age.map(|age| format!("{age:.0} s")).unwrap_or_default();
        let parts = [user, application, state, &age];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).map(String::as_str).collect();
        // Whoever connects chooses a name, and a statement.
        let mut f = Escaping(f);
        write!(f, "pid {pid} ({})", parts.join(", "))?;
        if query.is_empty() { Ok(()) } else { write!(f, ": {query}") }
    }
}

/// One that has an SQLite file locked.
impl From<Process> for Blocker {
    fn from(process: Process) -> Self {
        Self {
            pid: i64::from(process.pid),
            user: String::new(),
            application: process.program,
            age: None,
            state: "locks the file".to_owned(),
            query: String::new(),
        }
    }
}

/// Blockers in one line.
pub(crate) fn names(blockers: &[Blocker]) -> String {
    match blockers {
        [] => "somebody who is not to be seen from here".to_owned(),
        _ => blockers.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    }
}
