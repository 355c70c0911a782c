//! Slow and failed statements, remembered for reports.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::detect::CallSite;
use super::failure;
use super::line::{Ended, Line};
use crate::seconds;
use crate::settings::LogSettings;

/// A statement that was slow or failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Noted {
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// The statement without its values.
    pub statement: String,
    /// The fingerprint by which the log and the report call it.
    pub fingerprint: String,
    /// From where.
    pub at: CallSite,
    /// How long it took, in seconds, without the wait for a connection.
    #[serde(with = "seconds")]
    pub took: Duration,
    /// How long the connection was waited for before, in seconds.
    #[serde(with = "seconds")]
    pub waited: Duration,
    /// Rows returned or touched.
    pub rows: u64,
    /// Why it failed: a code of the database or a word.
    pub failure: Option<String>,
    /// Its parameters, if `DB_LOG_PARAMETERS` lets them be seen.
    pub parameters: Option<String>,
}

impl Noted {
    pub(super) fn of(line: &Line<'_>, log: &LogSettings) -> Self {
        let (waited, rows, failure) = match &line.ended {
            Ended::Ran(run) => (run.waited, run.rows, None),
            Ended::Failed { error, .. } => (Duration::ZERO, 0, Some(failure::of(error).kind)),
            Ended::Abandoned { .. } => (Duration::ZERO, 0, Some(failure::ABANDONED)),
        };
        let fingerprint = &line.statement.fingerprint;
        Self {
            ended: Utc::now(),
            statement: fingerprint.text.to_string(),
            fingerprint: fingerprint.code(),
            at: line.call.at().into(),
            took: line.took(),
            waited,
            rows,
            failure: failure.map(str::to_owned),
            parameters: line.params(log),
        }
    }
}
