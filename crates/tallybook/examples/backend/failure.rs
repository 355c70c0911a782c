//! Errors as HTTP answers.

use std::fmt::Display;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tallybook::tables::{Error, Table};
use tallybook::{Error as DatabaseError, ErrorKind};

/// A request that was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error of the tables or of the database.
    Error(Error),
    /// A refusal by this service.
    Refused(StatusCode, String),
}

impl Failure {
    pub(crate) fn bad_request(problem: impl Into<String>) -> Self {
        Self::Refused(StatusCode::BAD_REQUEST, problem.into())
    }

    pub(crate) fn unprocessable(problem: impl Into<String>) -> Self {
        Self::Refused(StatusCode::UNPROCESSABLE_ENTITY, problem.into())
    }

    pub(crate) fn missing<T: Table>(id: impl Display) -> Self {
        Self::Refused(StatusCode::NOT_FOUND, format!("there is no {} {id}", T::NOUN))
    }

    /// Returns the error of the database layer, if it is one; for [`Retries`](tallybook::Retries).
    pub(crate) fn database(&self) -> Option<&DatabaseError> {
        match self {
            Self::Error(error) => error.database(),
            Self::Refused(..) => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        Self::Error(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, body) = match &self {
            Self::Refused(status, problem) => (*status, json!({ "error": problem })),
            Self::Error(error) => answer(error),
        };
        if status.is_server_error() {
            // The log gets the statement and the values, the client neither.
            tracing::error!(target: "backend", "{self:?}");
        }
        match status {
            StatusCode::SERVICE_UNAVAILABLE => (status, [(RETRY_AFTER, "1")], Json(body)).into_response(),
            _ => (status, Json(body)).into_response(),
        }
    }
}

fn answer(error: &Error) -> (StatusCode, Value) {
    let Some(database) = error.database() else {
        let status = match error {
            _ if error.is_not_found() => StatusCode::NOT_FOUND,
            _ if error.is_stale() => StatusCode::CONFLICT,
            _ if error.is_cursor() => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        return (status, json!({ "error": error.to_string() }));
    };
    let status = status(database.kind());
    let problem = match database.kind() {
        ErrorKind::UniqueViolation => "the value is taken",
        ErrorKind::ForeignKeyViolation => "it refers to a row that does not exist, or others refer to it",
        ErrorKind::InvalidValue => {
            return (status, json!({ "error": database.message(), "column": database.column() }));
        }
        _ if status == StatusCode::SERVICE_UNAVAILABLE => "too much to do; try again",
        _ if status.is_server_error() => "the service failed",
        _ => return (status, json!({ "error": database.without_values() })),
    };
    // SQLite names no foreign key; unique indexes have one name on both.
    let constraint = database.constraint().filter(|_| database.is_unique_violation());
    (status, json!({ "error": problem, "constraint": constraint }))
}

fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::UniqueViolation | ErrorKind::ForeignKeyViolation => StatusCode::CONFLICT,
        ErrorKind::InvalidValue | ErrorKind::CheckViolation | ErrorKind::NotNullViolation => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        ErrorKind::SerializationFailure
        | ErrorKind::Deadlock
        | ErrorKind::Locked
        | ErrorKind::LockTimeout
        | ErrorKind::PoolTimeout
        | ErrorKind::QueueFull
        | ErrorKind::FallbackRefused
        | ErrorKind::Connect
        | ErrorKind::ConnectionLost
        | ErrorKind::NoPrimary
        | ErrorKind::Superseded
        | ErrorKind::Closed => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Deadline | ErrorKind::StatementTimeout => StatusCode::GATEWAY_TIMEOUT,
        // An unknown commit is one of these: the client must look before it sends the request again.
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
