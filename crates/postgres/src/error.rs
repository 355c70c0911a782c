//! Conversion of PostgreSQL's errors.

use tallybook_sql::error::{Class, Error, Kind};
use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::condition::condition;

/// The routine in which PostgreSQL finds that the columns of a prepared statement have changed.
const REVALIDATE: &str = "RevalidateCachedQuery";

pub(super) fn convert(error: tokio_postgres::Error) -> Error {
    if let Some(db) = error.as_db_error() {
        if ends_connection(db) {
            return Error::new(Kind::Lost).with_source(error);
        }
        let kind = Kind::Database {
            class: class(db),
            code: db.code().code().to_owned(),
            condition: condition(db.code().code()),
            message: db.message().to_owned(),
            detail: db.detail().map(str::to_owned),
            constraint: constraint(db),
        };
        let row = copied_row(db);
        let converted = Error::new(kind).with_source(error);
        return match row {
            Some(row) => converted.at_row(row),
            None => converted,
        };
    }
    if let Some(source) = std::error::Error::source(&error)
        && !error.is_closed()
        && !source.is::<std::io::Error>()
    {
        return Error::invalid_value("parameters", format!("{error}: {source}"));
    }
    let mismatch = !error.is_closed() && std::error::Error::source(&error).is_none();
    if mismatch {
        // A wrong number of parameters: nothing was sent.
        return Error::invalid_value("parameters", error.to_string());
    }
    Error::new(Kind::Lost).with_source(error)
}

/// Returns the SQLSTATE with which a server refused a connection; `None` if it did not answer.
pub fn refusal(error: &Error) -> Option<&str> {
    let source = std::error::Error::source(error)?.downcast_ref::<tokio_postgres::Error>()?;
    source.code().map(SqlState::code)
}

/// Returns whether the server disconnects after this error: it shuts down, it crashed, or an administrator ended the
/// connection.
fn ends_connection(db: &DbError) -> bool {
    matches!(db.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
}

fn class(db: &DbError) -> Class {
    match *db.code() {
        SqlState::UNIQUE_VIOLATION => Class::Unique,
        SqlState::FOREIGN_KEY_VIOLATION => Class::ForeignKey,
        SqlState::NOT_NULL_VIOLATION => Class::NotNull,
        SqlState::CHECK_VIOLATION => Class::Check,
        SqlState::STRING_DATA_RIGHT_TRUNCATION | SqlState::NUMERIC_VALUE_OUT_OF_RANGE => Class::TooLong,
        SqlState::READ_ONLY_SQL_TRANSACTION => Class::ReadOnly,
        SqlState::LOCK_NOT_AVAILABLE => Class::Busy,
        SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => Class::Serialization,
        SqlState::INVALID_SQL_STATEMENT_NAME => Class::StalePlan,
        // The code is that of any unsupported feature, and the message is translated.
        SqlState::FEATURE_NOT_SUPPORTED if db.routine() == Some(REVALIDATE) => Class::StalePlan,
        // The message of a cancel request says so in English; any other text most likely means `statement_timeout`.
        SqlState::QUERY_CANCELED if !db.message().contains("user request") => Class::StatementTimeout,
        _ => Class::Other,
    }
}

/// Returns the violated constraint; for NOT NULL, the column.
fn constraint(db: &DbError) -> Option<String> {
    match (db.constraint(), db.table(), db.column()) {
        (Some(name), ..) => Some(name.to_owned()),
        (None, Some(table), Some(column)) => Some(format!("{table}.{column}")),
        _ => None,
    }
}

/// Returns the row of a failed COPY, from a context such as `COPY trades, line 3`.
fn copied_row(db: &DbError) -> Option<usize> {
    let (_, line) = db.where_()?.strip_prefix("COPY ")?.split_once(", line ")?;
    line.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
