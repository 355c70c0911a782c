//! The steps of every request.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tallybook::{Budget, ScopeCounts};
use tokio::time::timeout;

use super::body::check_media_type;
use super::id::{REQUEST_ID, RequestId};
use super::problem::{Kind, Problem};
use crate::access::Scope;
use crate::app::App;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// What holds for the requests of one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Method and path, for reports: `GET /v1/trades/{id}`.
    pub(crate) name: Arc<str>,
    /// The scope that a token needs; `None` for what everybody may see.
    pub(crate) scope: Option<Scope>,
    /// Statements and round trips.
    pub(crate) most: (u64, u64),
    /// Set if rows are still read while the answer is sent.
    pub(crate) streams: bool,
    /// Set if the body is JSON.
    pub(crate) takes_json: bool,
}

/// How often a change was tried, in the extensions of its answer: each try has the budget of the endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tries(pub(crate) u64);

/// Runs a request: its name, its client, its body, its place among others, its time, and its budget.
pub(crate) async fn live(State((app, rules)): State<(App, Rules)>, request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let started = Instant::now();
    let scope = tallybook::Scope::new(rules.name.to_string());
    let mut response = match run(&app, &rules, &id, &scope, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    let counts = scope.counts();
    watch(&rules, &scope, counts, &mut response);
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id.header());
    headers.insert(SERVER_TIMING, timing(counts, started));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    let status = response.status().as_u16();
    tracing::debug!(target: "tallybook::server", request = id.as_str(), endpoint = &*rules.name, status, "answered");
    response
}

async fn run(
    app: &App,
    rules: &Rules,
    id: &RequestId,
    scope: &tallybook::Scope,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    app.hosts().check(&parts.uri, &parts.headers)?;
    // Everything that needs no token also needs no place: health answers throughout.
    let Some(needed) = rules.scope else {
        return Ok(next.run(Request::from_parts(parts, Body::empty())).await);
    };
    let client = app.gate().check(app.db(), &parts.headers, needed).await?;
    if rules.takes_json {
        check_media_type(&parts.method, &parts.headers)?;
    }
    let body = app.bodies().read(&parts.headers, body).await?;
    if !rules.takes_json && !body.bytes.is_empty() {
        return Err(Problem::new(Kind::BAD_JSON, "this request has no body"));
    }
    let _admitted = app.admission().enter()?;
    parts.extensions.insert(client);
    parts.extensions.insert(id.clone());
    let is_write = !parts.method.is_safe();
    let request = Request::from_parts(parts, Body::from(body.bytes.clone()));
    match timeout(app.settings().time_limit, scope.run(next.run(request))).await {
        Ok(response) => Ok(response),
        Err(_) if is_write => {
            let detail = "the request took too long; the change may have been made: send it again with the same \
                Idempotency-Key, or look";
            Err(Problem::new(Kind::TIME_OUT, detail))
        }
        Err(_) => Err(Problem::new(Kind::TIME_OUT, "the request took too long")),
    }
}

/// Compares what a request did with the budget of its endpoint: a debug build fails it, so that no test passes with it, and a
/// release build logs it.
fn watch(rules: &Rules, scope: &tallybook::Scope, counts: ScopeCounts, response: &mut Response) {
    let tries = response.extensions().get().map_or(1, |&Tries(tries)| tries);
    let (statements, round_trips) = (rules.most.0 * tries, rules.most.1 * tries);
    let is_within = counts.statements <= statements && counts.round_trips <= round_trips;
    // The findings of a scope take longer to compute than its counts.
    if is_within && !cfg!(debug_assertions) {
        return;
    }
    let budget = Budget::new().statements(statements).round_trips(round_trips).no_n_plus_one();
    let budget = if rules.streams { budget } else { budget.no_leaks() };
    if let Err(exceeded) = budget.check(scope.name(), scope.summary()) {
        tracing::warn!(target: "tallybook::server", "{exceeded}");
        if cfg!(debug_assertions) {
            *response = Problem::new(Kind::INTERNAL, exceeded.to_string()).into_response();
        }
    }
}

/// Returns the times of a request in milliseconds, and what it asked of the database.
fn timing(counts: ScopeCounts, started: Instant) -> HeaderValue {
    let text = format!(
        "total;dur={:.3}, db;dur={:.3}, statements;desc=\"{}\", round-trips;desc=\"{}\"",
        started.elapsed().as_secs_f64() * 1e3,
        counts.database_time.as_secs_f64() * 1e3,
        counts.statements,
        counts.round_trips,
    );
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("total"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timing_names_statements_and_round_trips() {
        let text = timing(ScopeCounts::default(), Instant::now());
        let text = text.to_str().unwrap();
        assert!(text.starts_with("total;dur=0."), "{text}");
        assert!(text.ends_with("db;dur=0.000, statements;desc=\"0\", round-trips;desc=\"0\""), "{text}");
    }
}
