//! Conversion of PostgreSQL's errors, and the reasons why a server can't be connected to.

use std::error::Error as _;
use std::io::{self, ErrorKind};

use tallybook_sql::error::{Class, Error, Kind};
use tokio_postgres::error::{DbError, Severity, SqlState};

use super::tls;
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

/// The reason why a connection to one server failed.
pub(super) struct Refusal {
    pub(super) problem: String,
    pub(super) source: Option<tokio_postgres::Error>,
}

impl Refusal {
    pub(super) fn new(problem: String) -> Self {
        Self { problem, source: None }
    }

    /// Returns whether something between client and server refused the start-up options: PgBouncer reports a protocol
    /// violation, others an unsupported feature.
    pub(super) fn may_concern_options(&self) -> bool {
        let code = self.source.as_ref().and_then(tokio_postgres::Error::code);
        matches!(code, Some(&SqlState::PROTOCOL_VIOLATION | &SqlState::FEATURE_NOT_SUPPORTED))
    }
}

impl From<tokio_postgres::Error> for Refusal {
    fn from(error: tokio_postgres::Error) -> Self {
        Self { problem: problem(&error), source: Some(error) }
    }
}

/// Returns the reason of a failure, and advice.
pub(super) fn problem(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(db), _) => match *db.code() {
            SqlState::INVALID_PASSWORD => format!("{}; check the password in the URL", db.message()),
            SqlState::INVALID_CATALOG_NAME => {
                format!("{}; create it with `createdb`, or correct the URL", db.message())
            }
            _ => db.message().to_owned(),
        },
        (None, Some(cause)) => tls::explain(cause).unwrap_or_else(|| match cause.is::<io::Error>() {
            true if is_limit_exceeded(cause) => cause.to_string(),
            true => format!("{cause}; is a server running there?"),
            false => cause.to_string(),
        }),
        (None, None) => error.to_string(),
    }
}

/// Returns whether the server exceeded a limit of [`size_limits`](super::size_limits).
pub(super) fn is_limit_exceeded(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::InvalidData)
}
