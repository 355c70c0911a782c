//! Sessions and processes that block others.

use std::fmt::{self, Write};

use serde::Serialize;
use tallybook_sql::escaped::Escaping;

use crate::sqlite::Process;

/// A PostgreSQL session, or a process with a lock on an SQLite file, that blocks others.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Blocker {
    /// Process id. On PostgreSQL `SELECT pg_terminate_backend(pid)` ends the session; 0 is a prepared
    /// transaction.
    pub pid: i64,
    /// PostgreSQL user; empty for SQLite.
    pub user: String,
    /// `application_name` on PostgreSQL, the command of a process, or the name of a prepared transaction.
    pub application: String,
    /// Age of its transaction in seconds; `None` for SQLite.
    pub age: Option<f64>,
    /// Its state: `active`, `idle in transaction`, `locks the file`, …
    pub state: String,
    /// Its last statement without values, cut to 200 characters; empty if not visible.
    pub query: String,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, user, application, age, state, query } = self;
        let age = age.map(|age| format!("{age:.0} s")).unwrap_or_default();
        let parts = [user, application, state, &age];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).map(String::as_str).collect();
        // Clients choose their names and statements, so both are escaped.
        let mut f = Escaping(f);
        write!(f, "pid {pid} ({})", parts.join(", "))?;
        if query.is_empty() { Ok(()) } else { write!(f, ": {query}") }
    }
}

/// Converts a process with a lock on an SQLite file.
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

/// Lists blockers in one line.
pub fn names(blockers: &[Blocker]) -> String {
    match blockers {
        [] => "somebody who is not to be seen from here".to_owned(),
        _ => blockers.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    }
}
