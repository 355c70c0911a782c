//! Failure kinds for logs and metrics: a small, bounded set of values.

use tallybook_sql::error::{Error, ErrorDetail};

/// The caller dropped the future before the answer arrived.
pub(super) const ABANDONED: &str = "cancelled";

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure<'a> {
    /// A database error code, or one of Tallybook's own kinds.
    pub(super) kind: &'a str,
    pub(super) is_code: bool,
}

pub(super) fn of(error: &Error) -> Failure<'_> {
    let (kind, is_code) = match error.detail() {
        ErrorDetail::Database { code, .. } => (code.as_str(), true),
        ErrorDetail::Lost => ("connection_lost", false),
        ErrorDetail::CommitUnknown => ("commit_unknown", false),
        ErrorDetail::FileGone { .. } => ("file_gone", false),
        ErrorDetail::Decode { .. } => ("decode", false),
        ErrorDetail::Value { .. } => ("invalid_value", false),
        ErrorDetail::WriteInRead => ("write_in_read", false),
        ErrorDetail::Timeout { .. } => ("timeout", false),
        _ => (super::statement_stats::OTHER, false),
    };
    Failure { kind, is_code }
}

/// Returns whether a healthy program meets such failures. They are counted, but logged at `INFO` only.
pub(super) fn is_expected(error: &Error) -> bool {
    error.is_unique_violation()
        || error.is_foreign_key_violation()
        || error.is_not_null_violation()
        || error.is_invalid_value()
        || (error.is_retryable() && !error.is_connection_lost() && !error.is_statement_timeout())
}
