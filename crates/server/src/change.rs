//! Changes that requests make: one transaction each, with its journal, and again when others were in the way.

use std::future::Future;

use axum::extract::FromRequest;
use axum::extract::Request;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use tallybook::tables::Table;
use tallybook::{CommitToken, Committed, Retries, WriteSession};

use crate::access::Client;
use crate::app::App;
use crate::journal::{self, Answer, Key, Write};
use crate::request::etag::{self, Tag};
use crate::request::{Kind, Problem, RequestId, TOKEN, Tries, parse, to_json};

/// Tells a client that an answer is that of an earlier request with the same key.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A change that a request makes.
pub(crate) trait Change: Sync {
    /// Makes the change in a transaction, which is rolled back if it fails, and returns the answer.
    fn make(&self, session: &mut WriteSession) -> impl Future<Output = Result<Made, Problem>> + Send;
}

/// The answer of a change.
#[derive(Debug)]
pub(crate) struct Made(Answer);

impl Made {
    /// Answers with a row.
    pub(crate) fn row<T: Table<Key = i64> + Serialize>(status: StatusCode, row: &T) -> Result<Self, Problem> {
        Ok(Self(Answer { status, body: to_json(row)?, id: Some(row.id().get()) }))
    }

    /// Answers with something else.
    pub(crate) fn new(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        Ok(Self(Answer { status, body: to_json(body)?, id: None }))
    }

    /// A change without a body to show.
    pub(crate) fn without_body() -> Self {
        Self(Answer { status: StatusCode::NO_CONTENT, body: Vec::new(), id: None })
    }
}

/// A request for a change.
pub(crate) struct ChangeRequest {
    client: Client,
    id: RequestId,
    method: String,
    path: String,
    key: Option<Key>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl FromRequest<App> for ChangeRequest {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let noted = (parts.extensions.get().cloned(), parts.extensions.get().cloned());
        let (Some(client), Some(id)) = noted else {
            return Err(Problem::new(Kind::INTERNAL, "the endpoint is mounted without its rules"));
        };
        // The body was read, and its size limited, before.
        let body = axum::body::to_bytes(body, usize::MAX).await;
        let body = body.map_err(|_| Problem::new(Kind::BAD_JSON, "the body ended too early"))?;
        let target = parts.uri.path_and_query().map_or(parts.uri.path(), |target| target.as_str());
        Ok(Self {
            key: Key::of(&parts.headers, parts.method.as_str(), target, &body)?,
            client,
            id,
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            headers: parts.headers,
            body,
        })
    }
}

impl ChangeRequest {
    /// Returns the body as JSON.
    pub(crate) fn json(&self) -> Result<Value, Problem> {
        parse(&self.body)
    }

    /// Refuses a request without an `Idempotency-Key`: if its answer is lost, the client could not send it again.
    pub(crate) fn needs_key(&self) -> Result<(), Problem> {
        if self.key.is_some() {
            return Ok(());
        }
        let detail =
            "send an `Idempotency-Key`, a text of your own for each new request, so that it can be repeated";
        Err(Problem::new(Kind::NO_KEY, detail))
    }

    /// Makes the change, or returns the answer that the key was given before. Tries again while other changes are in the way.
    pub(crate) async fn run(&self, app: &App, change: &impl Change) -> Result<Response, Problem> {
        let key = self.key.as_ref();
        let _running = key.map(|key| app.running().begin(self.client.token_id, &key.text)).transpose()?;
        let mut retries = Retries::new();
        let mut tries = 0;
        let mut response = loop {
            tries += 1;
            let problem = match self.attempt(app, change).await {
                Ok(committed) => {
                    let token = committed.token();
                    let (answer, is_replayed) = committed.into_value();
                    break self.answer(answer, is_replayed, Some(token));
                }
                Err(problem) => problem,
            };
            if let Some(answer) = self.answered_elsewhere(app, &problem).await? {
                break self.answer(answer, true, None);
            }
            if !retries.again(problem.cause()).await {
                break problem.into_response();
            }
        };
        response.extensions_mut().insert(Tries(tries));
        Ok(response)
    }

    /// Returns the answer that another service gave this very request meanwhile: then its rows are in the way.
    async fn answered_elsewhere(&self, app: &App, problem: &Problem) -> Result<Option<Answer>, Problem> {
        let is_taken = problem.cause().is_some_and(tallybook::Error::is_unique_violation);
        match &self.key {
            Some(key) if is_taken => {
                let mut session = app.db().read_primary().await?;
                journal::earlier(&mut session, &self.client, key).await
            }
            _ => Ok(None),
        }
    }

    async fn attempt(&self, app: &App, change: &impl Change) -> Result<Committed<(Answer, bool)>, Problem> {
        let write = Write {
            client: &self.client,
            request_id: &self.id,
            method: &self.method,
            path: &self.path,
            key: self.key.as_ref(),
        };
        let committed = app.db().write(async |session| -> Result<(Answer, bool), Problem> {
            if let Some(key) = write.key
                && let Some(earlier) = journal::earlier(session, write.client, key).await?
            {
                return Ok((earlier, true));
            }
            let Made(answer) = change.make(session).await?;
            journal::commit_with(session, &write, &answer).await?;
            Ok((answer, false))
        });
        committed.await
    }

    fn answer(&self, answer: Answer, is_replayed: bool, token: Option<CommitToken>) -> Response {
        let Answer { status, body, id } = answer;
        let tag = id.map(|_| Tag::of(&body));
        let mut response = match status {
            StatusCode::NO_CONTENT => status.into_response(),
            _ => crate::request::json(status, body),
        };
        if let Some(tag) = tag {
            etag::add(&mut response, &tag);
        }
        let headers = response.headers_mut();
        if let Some(Ok(token)) = token.map(|token| HeaderValue::try_from(token.to_string())) {
            headers.insert(TOKEN, token);
        }
        if is_replayed {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        if let (StatusCode::CREATED, Some(id)) = (status, id)
            && let Ok(location) = HeaderValue::try_from(format!("{}/{id}", self.path))
        {
            headers.insert(LOCATION, location);
        }
        response
    }
}
