//! Findings of one scope, before formatting.

use std::sync::Arc;
use std::time::Duration;

use tallybook_sql::call_site::CallSite;

use super::super::statement_stats::StatementStats;
use super::finding::{Confidence, QueryFinding, Source};

/// A finding in one scope.
#[derive(Clone, Debug)]
pub(crate) struct RawFinding {
    pub(crate) confidence: Confidence,
    pub(crate) statement: Arc<StatementStats>,
    pub(crate) call: CallSite,
    /// Column the varying parameter is compared with.
    pub(super) column: Option<Box<str>>,
    pub(super) loader: Option<&'static str>,
    pub(crate) source: Option<RawSource>,
    pub(crate) runs: u64,
    pub(crate) distinct: u64,
    pub(super) examined: u64,
    pub(crate) lost: Duration,
}

/// The statement that supplied the parameters.
#[derive(Clone, Debug)]
pub(crate) struct RawSource {
    pub(crate) statement: Arc<StatementStats>,
    pub(crate) call: CallSite,
    pub(super) column: Box<str>,
    pub(super) rows: u64,
}

impl From<RawFinding> for QueryFinding {
    fn from(found: RawFinding) -> Self {
        let fingerprint = &found.statement.fingerprint;
        Self {
            confidence: found.confidence,
            statement: fingerprint.text.to_string(),
            summary: fingerprint.summary.to_string(),
            fingerprint: fingerprint.code(),
            at: found.call.at().into(),
            source: found.source.as_ref().map(RawSource::source),
            runs: found.runs,
            distinct: found.distinct,
            examined: found.examined,
            lost: found.lost,
            scopes: 1,
            suggestion: found.suggestion(),
        }
    }
}

impl RawFinding {
    /// Returns the suggested fix.
    fn suggestion(&self) -> String {
        const BATCH: &str = "send the queries as one batch: session.run(queries) with a Vec";
        if self.confidence == Confidence::Redundant {
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

impl RawSource {
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
