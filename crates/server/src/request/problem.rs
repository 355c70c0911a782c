//! Failed requests, as RFC 9457 describes them.

use std::borrow::Cow;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tallybook::book::RecordError;
use tallybook::tables::Error as TableError;
use tallybook::{Error as DatabaseError, ErrorKind};

/// A kind of failure: its name in `type`, its status, and its title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) title: &'static str,
}

macro_rules! kinds {
    ($($constant:ident = $name:literal, $status:ident, $title:literal;)*) => {
        impl Kind {
            $(pub(crate) const $constant: Self = Self { name: $name, status: StatusCode::$status, title: $title };)*
            /// All kinds, for the OpenAPI document.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$constant),*];
            /// Those that a request with a body may meet besides.
            pub(crate) const OF_BODIES: &'static [Self] = &[Self::MEDIA_TYPE, Self::INVALID];
            /// Those that a request with an idempotency key may meet besides.
            pub(crate) const OF_KEYS: &'static [Self] = &[Self::KEY_RUNNING, Self::KEY_REUSED];
            /// Those that every request of a client may meet.
            pub(crate) const EVERYWHERE: &'static [Self] = &[
                Self::BAD_JSON,
                Self::NOT_AUTHENTICATED,
                Self::NOT_ALLOWED,
                Self::SLOW_BODY,
                Self::TOO_LARGE,
                Self::WRONG_HOST,
                Self::TOO_MANY,
                Self::INTERNAL,
                Self::OVERLOADED,
                Self::TIME_OUT,
            ];
        }
    };
}

kinds! {
    BAD_PARAMETER = "bad-parameter", BAD_REQUEST, "A parameter is missing, unknown or malformed";
    BAD_JSON = "bad-json", BAD_REQUEST, "The body is not JSON";
    NO_KEY = "idempotency-key-missing", BAD_REQUEST, "The request needs an Idempotency-Key";
    NOT_AUTHENTICATED = "not-authenticated", UNAUTHORIZED, "The request needs a valid token";
    NOT_ALLOWED = "not-allowed", FORBIDDEN, "The token does not permit this";
    NOT_FOUND = "not-found", NOT_FOUND, "There is no such row";
    NO_PATH = "no-such-path", NOT_FOUND, "There is no such path";
    METHOD = "method-not-allowed", METHOD_NOT_ALLOWED, "The path does not have this method";
    SLOW_BODY = "body-too-slow", REQUEST_TIMEOUT, "The body did not arrive in time";
    CONFLICT = "conflict", CONFLICT, "The request is at odds with what is stored";
    KEY_RUNNING = "idempotency-key-running", CONFLICT, "A request with this Idempotency-Key is running";
    STALE = "stale", PRECONDITION_FAILED, "The row was changed since it was read";
    TOO_LARGE = "body-too-large", PAYLOAD_TOO_LARGE, "The body is too large";
    MEDIA_TYPE = "media-type", UNSUPPORTED_MEDIA_TYPE, "The body has another media type than this path takes";
    WRONG_HOST = "wrong-host", MISDIRECTED_REQUEST, "The service does not have this name";
    INVALID = "invalid", UNPROCESSABLE_ENTITY, "The values cannot be stored";
    KEY_REUSED = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "The Idempotency-Key belongs to another request";
    TOO_MANY = "too-many-requests", TOO_MANY_REQUESTS, "The token sends too many requests";
    INTERNAL = "internal", INTERNAL_SERVER_ERROR, "The service failed";
    UNKNOWN_OUTCOME = "unknown-outcome", INTERNAL_SERVER_ERROR, "The change may have been made";
    OVERLOADED = "overloaded", SERVICE_UNAVAILABLE, "The service has too much to do";
    UNAVAILABLE = "unavailable", SERVICE_UNAVAILABLE, "The database is not reachable for this request";
    TIME_OUT = "time-out", GATEWAY_TIMEOUT, "The request took too long";
}

/// One mistake in a request: where it is, and what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Mistake {
    /// JSON pointer into the body, such as `/3/quantity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pointer: Option<String>,
    /// The name of a parameter of the path or of the query, or of a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameter: Option<Cow<'static, str>>,
    /// The problem, for people.
    pub(crate) detail: String,
}

impl Mistake {
    /// Returns a mistake at a place in the body.
    pub(crate) fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), parameter: None, detail: detail.into() }
    }

    /// Returns a mistake in a parameter.
    pub(crate) fn in_parameter(name: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { pointer: None, parameter: Some(name.into()), detail: detail.into() }
    }
}

/// A request that was not done, and why.
#[derive(Debug)]
pub(crate) struct Problem(Box<Content>);

#[derive(Debug)]
struct Content {
    kind: Kind,
    detail: String,
    mistakes: Vec<Mistake>,
    /// Seconds until another try makes sense.
    retry_after: Option<u32>,
    /// The failure behind it, for the log and for decisions to try again. Clients do not see it.
    cause: Option<DatabaseError>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Mistake],
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let retry_after = (kind.status == StatusCode::SERVICE_UNAVAILABLE).then_some(1);
        Self(Box::new(Content {
            kind,
            detail: detail.into(),
            mistakes: Vec::new(),
            retry_after,
            cause: None,
        }))
    }

    /// Returns a problem with these mistakes, of which there is at least one.
    pub(crate) fn with_mistakes(kind: Kind, mistakes: Vec<Mistake>) -> Self {
        let detail = match &*mistakes {
            [only] => match (&only.pointer, &only.parameter) {
                (Some(pointer), _) if !pointer.is_empty() => format!("{pointer}: {}", only.detail),
                (_, Some(name)) => format!("{name}: {}", only.detail),
                _ => only.detail.clone(),
            },
            all => format!("{} mistakes; `errors` lists them", all.len()),
        };
        let mut problem = Self::new(kind, detail);
        problem.0.mistakes = mistakes;
        problem
    }

    pub(crate) fn parameter(name: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::with_mistakes(Kind::BAD_PARAMETER, vec![Mistake::in_parameter(name, detail)])
    }

    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    pub(crate) fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Returns the error of the database behind it, for [`Retries`](tallybook::Retries).
    pub(crate) fn cause(&self) -> Option<&DatabaseError> {
        self.0.cause.as_ref()
    }
}

impl From<DatabaseError> for Problem {
    fn from(error: DatabaseError) -> Self {
        let mut problem = of_database(&error);
        problem.0.cause = Some(error);
        problem
    }
}

impl From<TableError> for Problem {
    fn from(error: TableError) -> Self {
        let kind = match &error {
            _ if error.is_not_found() => Kind::NOT_FOUND,
            _ if error.is_stale() => Kind::STALE,
            _ if error.is_cursor() => return Self::parameter("after", "is not a cursor of this list"),
            _ => Kind::INTERNAL,
        };
        match error.into_database() {
            Ok(error) => error.into(),
            Err(error) => Self::new(kind, error.to_string()),
        }
    }
}

impl From<RecordError> for Problem {
    fn from(error: RecordError) -> Self {
        let kind = match &error {
            RecordError::NoTrade { .. }
            | RecordError::NoOrder { .. }
            | RecordError::NothingToReverse { .. } => Kind::NOT_FOUND,
            RecordError::Invalid { field, problem, .. } => {
                let mistake = Mistake::at(format!("/{field}"), problem.as_str());
                return Self::with_mistakes(Kind::INVALID, vec![mistake]);
            }
            RecordError::Unholdable { .. } => Kind::INVALID,
            _ => Kind::CONFLICT,
        };
        match error {
            RecordError::Database(error) => error.into(),
            error => Self::new(kind, error.to_string()),
        }
    }
}

/// Returns the problem that an error of the database is for the client. Values of other rows and SQL stay out of it.
fn of_database(error: &DatabaseError) -> Problem {
    match error.kind() {
        ErrorKind::UniqueViolation => {
            let what = error.constraint().map_or(String::new(), |name| format!(" ({name})"));
            Problem::new(Kind::CONFLICT, format!("a row with the same value exists already{what}"))
        }
        ErrorKind::ForeignKeyViolation => {
            let detail = "the row refers to one that does not exist, or other rows refer to it";
            Problem::new(Kind::CONFLICT, detail)
        }
        ErrorKind::ExclusionViolation => {
            Problem::new(Kind::CONFLICT, "a row that excludes this one exists already")
        }
        ErrorKind::InvalidValue | ErrorKind::NotNullViolation | ErrorKind::CheckViolation => {
            match (error.column(), error.problem()) {
                (Some(column), Some(problem)) => {
                    let mistake = Mistake::at(format!("/{column}"), problem);
                    Problem::with_mistakes(Kind::INVALID, vec![mistake])
                }
                _ => Problem::new(Kind::INVALID, error.without_values()),
            }
        }
        ErrorKind::SerializationFailure
        | ErrorKind::Deadlock
        | ErrorKind::Locked
        | ErrorKind::LockTimeout => {
            Problem::new(Kind::OVERLOADED, "other changes were in the way each time; try again")
        }
        ErrorKind::PoolTimeout | ErrorKind::QueueFull | ErrorKind::FallbackRefused => {
            Problem::new(Kind::OVERLOADED, "all connections to the database are in use; try again")
        }
        ErrorKind::NoPrimary => Problem::new(
            Kind::UNAVAILABLE,
            "the service is read only at the moment: no primary is reachable; try again",
        ),
        ErrorKind::Connect | ErrorKind::ConnectionLost | ErrorKind::Superseded | ErrorKind::Closed => {
            Problem::new(Kind::UNAVAILABLE, "the database is not reachable; try again")
        }
        ErrorKind::Deadline | ErrorKind::StatementTimeout => {
            Problem::new(Kind::TIME_OUT, "the database did not answer in time")
        }
        ErrorKind::CommitUnknown => Problem::new(
            Kind::UNKNOWN_OUTCOME,
            "the connection was lost while the change was committed; send the request again with the same \
             Idempotency-Key, or look whether it was made",
        ),
        _ => Problem::new(Kind::INTERNAL, "the log of the service has the reason"),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Content { kind, detail, mistakes, retry_after, cause } = *self.0;
        if kind.status.is_server_error() {
            let reason = cause.as_ref().map(DatabaseError::without_values);
            tracing::warn!(target: "tallybook::server", problem = kind.name, reason, "a request failed");
        }
        let body = Body {
            r#type: format!("urn:tallybook:problem:{}", kind.name),
            title: kind.title,
            status: kind.status.as_u16(),
            detail: &detail,
            errors: &mistakes,
        };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (kind.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if kind == Kind::NOT_AUTHENTICATED {
            headers.insert("www-authenticate", HeaderValue::from_static("Bearer"));
        }
        response
    }
}
