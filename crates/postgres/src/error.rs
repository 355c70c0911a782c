//! Conversion of PostgreSQL's errors, and the reasons why a server can't be connected to.

use std::io;

use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, ErrorDetail, ErrorKind};

use super::client::{ClientError, ServerError, explain};
use crate::condition::condition;

/// The routine in which PostgreSQL finds that the columns of a prepared statement have changed.
const REVALIDATE: &str = "RevalidateCachedQuery";

/// Class of the codes for wrong SQL: its syntax, and what does not exist.
const SYNTAX_OR_ACCESS: &str = "42";

/// Class of the codes for a refused user or password.
const INVALID_AUTHORIZATION: &str = "28";

/// SQLSTATE codes that the driver knows.
pub(crate) mod sql_state {
    pub(crate) const AMBIGUOUS_FUNCTION: &str = "42725";
    pub(crate) const AMBIGUOUS_PARAMETER: &str = "42P08";
    pub(crate) const CHECK_VIOLATION: &str = "23514";
    pub(crate) const DEADLOCK_DETECTED: &str = "40P01";
    pub(crate) const EXCLUSION_VIOLATION: &str = "23P01";
    pub(crate) const FEATURE_NOT_SUPPORTED: &str = "0A000";
    pub(crate) const FOREIGN_KEY_VIOLATION: &str = "23503";
    pub(crate) const INDETERMINATE_DATATYPE: &str = "42P18";
    pub(crate) const INSUFFICIENT_PRIVILEGE: &str = "42501";
    pub(crate) const INVALID_AUTHORIZATION_SPECIFICATION: &str = "28000";
    pub(crate) const INVALID_CATALOG_NAME: &str = "3D000";
    pub(crate) const INVALID_PASSWORD: &str = "28P01";
    pub(crate) const INVALID_SQL_STATEMENT_NAME: &str = "26000";
    pub(crate) const INVALID_TEXT_REPRESENTATION: &str = "22P02";
    pub(crate) const LOCK_NOT_AVAILABLE: &str = "55P03";
    pub(crate) const NO_ACTIVE_TRANSACTION: &str = "25P01";
    pub(crate) const NOT_NULL_VIOLATION: &str = "23502";
    pub(crate) const NUMERIC_VALUE_OUT_OF_RANGE: &str = "22003";
    pub(crate) const PROTOCOL_VIOLATION: &str = "08P01";
    pub(crate) const QUERY_CANCELED: &str = "57014";
    pub(crate) const READ_ONLY_SQL_TRANSACTION: &str = "25006";
    pub(crate) const SERIALIZATION_FAILURE: &str = "40001";
    pub(crate) const STRING_DATA_RIGHT_TRUNCATION: &str = "22001";
    pub(crate) const UNDEFINED_PARAMETER: &str = "42P02";
    pub(crate) const UNIQUE_VIOLATION: &str = "23505";
}

/// Converts a failure of the client.
pub(super) fn convert(failure: ClientError) -> Error {
    match &failure {
        ClientError::Server(error) if !error.is_fatal() => server_error(error),
        _ => Error::new(ErrorDetail::Lost).with_source(failure),
    }
}

/// Converts an error that the server reports about a request.
pub(super) fn server_error(error: &ServerError) -> Error {
    let detail = ErrorDetail::Database {
        dialect: Dialect::Postgres,
        kind: kind(error),
        code: error.code().to_owned(),
        condition: condition(error.code()),
        message: error.message().to_owned(),
        detail: error.detail().map(str::to_owned),
        constraint: constraint(error),
        table: error.table().map(str::to_owned),
        column: error.column().map(str::to_owned),
    };
    let row = copied_row(error);
    let converted = Error::new(detail).with_source(error.clone());
    match row {
        Some(row) => converted.at_row(row),
        None => converted,
    }
}

/// Returns the SQLSTATE with which a server refused a connection; `None` if it did not answer.
pub fn refusal(error: &Error) -> Option<&str> {
    client_error(error)?.code()
}

/// Returns whether a server accepted a connection, and did not answer within `connect_timeout`.
pub fn is_silent(error: &Error) -> bool {
    matches!(client_error(error), Some(ClientError::Silent))
}

/// Returns the failure of the network that kept a connection from being opened.
pub fn network_failure(error: &Error) -> Option<io::ErrorKind> {
    match client_error(error)? {
        ClientError::Connect(cause) | ClientError::Tls(cause) | ClientError::Io(cause) => Some(cause.kind()),
        ClientError::Closed => Some(io::ErrorKind::UnexpectedEof),
        _ => None,
    }
}

fn client_error(error: &Error) -> Option<&ClientError> {
    std::error::Error::source(error)?.downcast_ref()
}

/// Returns whether a server refused a connection because of its user, its password or its database. Only a change of the
/// settings helps.
pub fn is_login_refused(error: &Error) -> bool {
    refusal(error).is_some_and(|code| {
        code.starts_with(INVALID_AUTHORIZATION)
            || code == sql_state::INVALID_CATALOG_NAME
            || code == sql_state::INSUFFICIENT_PRIVILEGE
    })
}

fn kind(error: &ServerError) -> ErrorKind {
    match error.code() {
        sql_state::UNIQUE_VIOLATION => ErrorKind::UniqueViolation,
        sql_state::FOREIGN_KEY_VIOLATION => ErrorKind::ForeignKeyViolation,
        sql_state::NOT_NULL_VIOLATION => ErrorKind::NotNullViolation,
        sql_state::CHECK_VIOLATION => ErrorKind::CheckViolation,
        sql_state::EXCLUSION_VIOLATION => ErrorKind::ExclusionViolation,
        sql_state::STRING_DATA_RIGHT_TRUNCATION | sql_state::NUMERIC_VALUE_OUT_OF_RANGE => {
            ErrorKind::InvalidValue
        }
        sql_state::READ_ONLY_SQL_TRANSACTION => ErrorKind::ReadOnly,
        sql_state::LOCK_NOT_AVAILABLE => ErrorKind::LockTimeout,
        sql_state::SERIALIZATION_FAILURE => ErrorKind::SerializationFailure,
        sql_state::DEADLOCK_DETECTED => ErrorKind::Deadlock,
        sql_state::INVALID_SQL_STATEMENT_NAME => ErrorKind::StalePlan,
        // The code is that of any unsupported feature, and the message is translated.
        sql_state::FEATURE_NOT_SUPPORTED if error.routine() == Some(REVALIDATE) => ErrorKind::StalePlan,
        // The message of a cancel request says so in English; any other text most likely means `statement_timeout`.
        sql_state::QUERY_CANCELED if !error.message().contains("user request") => ErrorKind::StatementTimeout,
        sql_state::INSUFFICIENT_PRIVILEGE => ErrorKind::PermissionDenied,
        code if code.starts_with(SYNTAX_OR_ACCESS) => ErrorKind::Syntax,
        _ => ErrorKind::Other,
    }
}

/// Returns the violated constraint; for NOT NULL, the column.
fn constraint(error: &ServerError) -> Option<String> {
    match (error.constraint(), error.table(), error.column()) {
        (Some(name), ..) => Some(name.to_owned()),
        (None, Some(table), Some(column)) => Some(format!("{table}.{column}")),
        _ => None,
    }
}

/// Returns the row of a failed COPY, from a context such as `COPY trades, line 3`.
fn copied_row(error: &ServerError) -> Option<usize> {
    let copy = error.context()?.lines().find_map(|line| line.strip_prefix("COPY "))?;
    let (_, line) = copy.split_once(", line ")?;
    line.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The reason why a connection to one server failed.
pub(super) struct Refusal {
    pub(super) problem: String,
    pub(super) source: Option<ClientError>,
}

impl Refusal {
    pub(super) fn new(problem: String) -> Self {
        Self { problem, source: None }
    }

    /// Returns whether something between client and server refused the start-up options: PgBouncer reports a protocol
    /// violation, others an unsupported feature.
    pub(super) fn may_concern_options(&self) -> bool {
        let code = self.source.as_ref().and_then(ClientError::code);
        matches!(code, Some(sql_state::PROTOCOL_VIOLATION | sql_state::FEATURE_NOT_SUPPORTED))
    }
}

impl From<ClientError> for Refusal {
    fn from(error: ClientError) -> Self {
        Self { problem: problem(&error), source: Some(error) }
    }
}

/// Returns the reason of a failure, and advice.
pub(super) fn problem(failure: &ClientError) -> String {
    match failure {
        ClientError::Server(error) => match error.code() {
            sql_state::INVALID_PASSWORD => format!("{}; check the password in the URL", error.message()),
            sql_state::INVALID_CATALOG_NAME => {
                format!("{}; create it with `createdb`, or correct the URL", error.message())
            }
            _ => error.message().to_owned(),
        },
        ClientError::Connect(cause) | ClientError::Io(cause) => {
            explain(cause).unwrap_or_else(|| format!("{cause}; is a server running there?"))
        }
        ClientError::Closed => format!("{failure}; is a server running there?"),
        ClientError::Tls(cause) => explain(cause).unwrap_or_else(|| cause.to_string()),
        ClientError::Authentication(_)
        | ClientError::Protocol(_)
        | ClientError::Silent
        | ClientError::Aborted => failure.to_string(),
    }
}
