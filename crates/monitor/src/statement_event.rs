//! Slow and failed statements, kept for reports.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tallybook_core::seconds;
use tallybook_core::settings::LogSettings;

use super::detect::SourceLocation;
use super::failure;
use super::log_record::{Completion, LogRecord};

/// A statement that was slow or failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StatementEvent {
    /// Completion time, UTC.
    pub ended: DateTime<Utc>,
    /// SQL text with literals replaced by `?`.
    pub statement: String,
    /// Fingerprint, 16 hexadecimal digits, as in the log.
    pub fingerprint: String,
    /// The line of code that ran it.
    pub at: SourceLocation,
    /// Duration without the wait for a connection. Serialized in seconds.
    #[serde(with = "seconds")]
    pub took: Duration,
    /// Wait for the connection before it. Serialized in seconds.
    #[serde(with = "seconds")]
    pub waited: Duration,
    /// Rows returned or affected; 0 if it failed.
    pub rows: u64,
    /// SQLSTATE, SQLite code or a kind such as `timeout`; `None` if it succeeded.
    pub failure: Option<String>,
    /// Parameters, as `DB_LOG_PARAMETERS` lets them be shown.
    pub parameters: Option<String>,
}

impl StatementEvent {
    pub(super) fn of(record: &LogRecord<'_>, log: &LogSettings) -> Self {
        let (waited, rows, failure) = match &record.completion {
            Completion::Succeeded(run) => (run.waited, run.rows, None),
            Completion::Failed { error, .. } => (Duration::ZERO, 0, Some(failure::of(error).kind)),
            Completion::Abandoned { .. } => (Duration::ZERO, 0, Some(failure::ABANDONED)),
        };
        let fingerprint = &record.statement.fingerprint;
        Self {
            ended: Utc::now(),
            statement: fingerprint.text.to_string(),
            fingerprint: fingerprint.code(),
            at: record.call.at().into(),
            took: record.elapsed(),
            waited,
            rows,
            failure: failure.map(str::to_owned),
            parameters: record.params(log),
        }
    }
}
