//! What is wrong with one scope.

use std::sync::Arc;
use std::time::Duration;

use super::super::statement::Statement;
use super::finding::{Finding, Grade, Source};
use crate::call::Call;

/// A finding in one scope.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) grade: Grade,
    pub(crate) statement: Arc<Statement>,
    pub(crate) call: Call,
    /// What the parameter that changes is compared with.
    pub(super) column: Option<Box<str>>,
    pub(super) loader: Option<&'static str>,
    pub(crate) source: Option<Reader>,
    pub(crate) runs: u64,
    pub(crate) distinct: u64,
    pub(super) examined: u64,
    pub(crate) lost: Duration,
}

/// What read the values that were parameters later.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) statement: Arc<Statement>,
    pub(crate) call: Call,
    pub(super) column: Box<str>,
    pub(super) rows: u64,
}

impl From<Found> for Finding {
    fn from(found: Found) -> Self {
        let fingerprint = &found.statement.fingerprint;
        Self {
            grade: found.grade,
            statement: fingerprint.text.to_string(),
            summary: fingerprint.summary.to_string(),
            fingerprint: fingerprint.code(),
            at: found.call.at().into(),
            source: found.source.as_ref().map(Reader::source),
            runs: found.runs,
            distinct: found.distinct,
            examined: found.examined,
            lost: found.lost,
            scopes: 1,
            instead: found.instead(),
        }
    }
}

impl Found {
    /// What to do about it.
    fn instead(&self) -> String {
        const BATCH: &str = "send the queries as one batch: session.run(queries) with a Vec";
        if self.grade == Grade::Redundant {
            return "keep the first answer".to_owned();
        }
        match (self.loader, self.statement.fingerprint.is_read()) {
            (Some(loader), _) => format!("call {loader} once"),
            (None, true) => {
                let column = self.column.as_deref().unwrap_or("…");
                format!("load them together: `{column} = ANY($1)` with a list (one statement), or {BATCH}")
            }
            (None, false) => BATCH.to_owned(),
        }
    }
}

impl Reader {
    fn source(&self) -> Source {
        let fingerprint = &self.statement.fingerprint;
        Source {
            statement: fingerprint.summary.to_string(),
            fingerprint: fingerprint.code(),
            at: self.call.at().into(),
            column: self.column.to_string(),
            rows: self.rows,
        }
    }
}
