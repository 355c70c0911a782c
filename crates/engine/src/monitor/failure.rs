//! How a failure is called in figures: in a word of which there are few.

use crate::error::{Error, Kind};

/// Nobody waited for the answer any more.
pub(super) const ABANDONED: &str = "cancelled";

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure<'a> {
    /// A code of the database, or a word of ours.
    pub(super) kind: &'a str,
    pub(super) is_code: bool,
}

pub(super) fn of(error: &Error) -> Failure<'_> {
    let (kind, is_code) = match error.kind() {
        Kind::Database { code, .. } => (code.as_str(), true),
        Kind::Lost => ("connection_lost", false),
        Kind::CommitUnknown => ("commit_unknown", false),
        Kind::FileGone { .. } => ("file_gone", false),
        Kind::Decode { .. } => ("decode", false),
        Kind::Value { .. } => ("invalid_value", false),
        Kind::WriteInRead => ("write_in_read", false),
        Kind::Timeout { .. } => ("timeout", false),
        _ => (super::statement::OTHER, false),
    };
    Failure { kind, is_code }
}

/// Whether a program that works well meets such failures: they are counted, but nobody is warned.
pub(super) fn is_expected(error: &Error) -> bool {
    error.is_unique_violation()
        || error.is_foreign_key_violation()
        || error.is_not_null_violation()
        || error.is_invalid_value()
        || (error.is_retryable() && !error.is_connection_lost() && !error.is_statement_timeout())
}
