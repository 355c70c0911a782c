//! Read your writes: a client that sends the token of its last write reads nothing older, from whichever server.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tallybook::{CommitToken, Committed, Database, ReadSession};

use super::failure::Failure;

/// The header of a write's answer, which the client sends with its next reads.
pub(crate) const COMMIT_TOKEN: HeaderName = HeaderName::from_static("commit-token");

/// A read session that sees the write whose token the request carries, if it carries one.
pub(crate) struct Read(pub(crate) ReadSession);

impl FromRequestParts<Database> for Read {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, db: &Database) -> Result<Self, Failure> {
        let Some(token) = parts.headers.get(COMMIT_TOKEN) else { return Ok(Self(db.read().await?)) };
        let token: Option<CommitToken> = token.to_str().ok().and_then(|token| token.parse().ok());
        let token = token.ok_or_else(|| Failure::bad_request("the header commit-token holds no token"))?;
        Ok(Self(db.read_after(&token).await?))
    }
}

/// The answer to a write: the row, and the token of the commit.
pub(crate) struct Written<T> {
    status: StatusCode,
    row: T,
    token: CommitToken,
}

impl<T> Written<T> {
    pub(crate) fn created(self) -> Self {
        Self { status: StatusCode::CREATED, ..self }
    }
}

impl<T> From<Committed<T>> for Written<T> {
    fn from(committed: Committed<T>) -> Self {
        let token = committed.token();
        Self { status: StatusCode::OK, row: committed.into_value(), token }
    }
}

impl<T: Serialize> IntoResponse for Written<T> {
    fn into_response(self) -> Response {
        (self.status, [(COMMIT_TOKEN, self.token.to_string())], Json(self.row)).into_response()
    }
}
