//! Read your writes: a client that sends the token of its last write reads nothing older, from whichever server.

use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::request::Parts;
use tallybook::{CommitToken, ReadSession};

use super::problem::Problem;
use crate::app::App;

/// The header of a write's answer, which the client sends with its next reads.
pub(crate) const TOKEN: HeaderName = HeaderName::from_static("x-tallybook-token");

/// The consistency that a read asks for.
#[derive(Clone, Debug)]
pub(crate) struct Consistency(Option<CommitToken>);

impl FromRequestParts<App> for Consistency {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let Some(token) = parts.headers.get(TOKEN) else { return Ok(Self(None)) };
        let token = token.to_str().ok().and_then(|token| token.parse().ok());
        let refused = || Problem::parameter("X-Tallybook-Token", "is not a token that this service gave");
        Ok(Self(Some(token.ok_or_else(refused)?)))
    }
}

impl Consistency {
    /// Opens a read session that sees the write of the token, if there is one.
    #[track_caller]
    pub(crate) fn read<'a>(
        &'a self,
        app: &'a App,
    ) -> impl Future<Output = Result<ReadSession, Problem>> + Send + 'a {
        // Both are called here, so that reports name the caller's line.
        let read = match &self.0 {
            Some(token) => Err(app.db().read_after(token)),
            None => Ok(app.db().read()),
        };
        async move {
            Ok(match read {
                Ok(read) => read.await?,
                Err(read_after) => read_after.await?,
            })
        }
    }
}
