//! How much a finding matters.

use std::fmt;

use serde::Serialize;

/// How much a finding matters; the later ones matter more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// Nothing is wrong.
    Ok,
    /// Worth knowing; nothing has to be done tonight.
    Note,
    /// It will hurt: when the load grows, a node fails, or time passes.
    Warning,
    /// Programs fail, read what is old, or may lose data, now or at the next crash.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Ok => "ok",
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        })
    }
}
