//! Conversion of PostgreSQL's errors, and the reasons why a server can't be connected to.

use std::error::Error as _;
use std::io;

use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, ErrorDetail, ErrorKind};
use tokio_postgres::error::{DbError, Severity, SqlState};

use super::tls;
use crate::condition::condition;

/// The routine in which PostgreSQL finds that the columns of a prepared statement have changed.
const REVALIDATE: &str = "RevalidateCachedQuery";

/// Class of the codes for wrong SQL: its syntax, and what does not exist.
const SYNTAX_OR_ACCESS: &str = "42";

/// Class of the codes for a refused user or password.
const INVALID_AUTHORIZATION: &str = "28";

pub(super) fn convert(error: tokio_postgres::Error) -> Error {
    if let Some(db) = error.as_db_error() {
        if ends_connection(db) {
            return Error::new(ErrorDetail::Lost).with_source(error);
        }
        let detail = ErrorDetail::Database {
            dialect: Dialect::Postgres,
            kind: kind(db),
            code: db.code().code().to_owned(),
            condition: condition(db.code().code()),
            message: db.message().to_owned(),
            detail: db.detail().map(str::to_owned),
            constraint: constraint(db),
            table: db.table().map(str::to_owned),
            column: db.column().map(str::to_owned),
        };
        let row = copied_row(db);
        let converted = Error::new(detail).with_source(error);
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
    Error::new(ErrorDetail::Lost).with_source(error)
}

/// Returns the SQLSTATE with which a server refused a connection; `None` if it did not answer.
pub fn refusal(error: &Error) -> Option<&str> {
    let source = std::error::Error::source(error)?.downcast_ref::<tokio_postgres::Error>()?;
    source.code().map(SqlState::code)
}

/// Returns whether a server refused a connection because of its user, its password or its database. Only a change of the
/// settings helps.
pub fn is_login_refused(error: &Error) -> bool {
    refusal(error).is_some_and(|code| {
        code.starts_with(INVALID_AUTHORIZATION)
            || code == SqlState::INVALID_CATALOG_NAME.code()
            || code == SqlState::INSUFFICIENT_PRIVILEGE.code()
    })
}

/// Returns whether the server disconnects after this error: it shuts down, it crashed, or an administrator ended the
/// connection.
fn ends_connection(db: &DbError) -> bool {
    matches!(db.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
}

fn kind(db: &DbError) -> ErrorKind {
    match *db.code() {
        SqlState::UNIQUE_VIOLATION => ErrorKind::UniqueViolation,
        SqlState::FOREIGN_KEY_VIOLATION => ErrorKind::ForeignKeyViolation,
        SqlState::NOT_NULL_VIOLATION => ErrorKind::NotNullViolation,
        SqlState::CHECK_VIOLATION => ErrorKind::CheckViolation,
        SqlState::EXCLUSION_VIOLATION => ErrorKind::ExclusionViolation,
        SqlState::STRING_DATA_RIGHT_TRUNCATION | SqlState::NUMERIC_VALUE_OUT_OF_RANGE => {
            ErrorKind::InvalidValue
        }
        SqlState::READ_ONLY_SQL_TRANSACTION => ErrorKind::ReadOnly,
        SqlState::LOCK_NOT_AVAILABLE => ErrorKind::LockTimeout,
        SqlState::T_R_SERIALIZATION_FAILURE => ErrorKind::SerializationFailure,
        SqlState::T_R_DEADLOCK_DETECTED => ErrorKind::Deadlock,
        SqlState::INVALID_SQL_STATEMENT_NAME => ErrorKind::StalePlan,
        // The code is that of any unsupported feature, and the message is translated.
        SqlState::FEATURE_NOT_SUPPORTED if db.routine() == Some(REVALIDATE) => ErrorKind::StalePlan,
        // The message of a cancel request says so in English; any other text most likely means `statement_timeout`.
        SqlState::QUERY_CANCELED if !db.message().contains("user request") => ErrorKind::StatementTimeout,
        SqlState::INSUFFICIENT_PRIVILEGE => ErrorKind::PermissionDenied,
        _ if db.code().code().starts_with(SYNTAX_OR_ACCESS) => ErrorKind::Syntax,
        _ => ErrorKind::Other,
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
    cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::InvalidData)
}
