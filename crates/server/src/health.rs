//! `/healthz`, `/readyz` and `/metrics`: for those who operate the service.

use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use serde_json::json;
use tallybook::{Database, NodeRole, NodeState, prometheus};
use tokio::time::timeout;

use crate::access::Scope;
use crate::app::App;
use crate::endpoint::{Endpoint, Success};
use crate::openapi::open;
use crate::request::{Kind, Problem, json as json_answer, to_json};

/// A database that takes longer is not ready.
const LIMIT: Duration = Duration::from_secs(2);

pub(crate) fn endpoints() -> Vec<Endpoint> {
    let mut ready = open(
        "/readyz",
        "getReadiness",
        "Returns whether requests can be served",
        "application/json",
        get(readyz),
    );
    ready.docs = "Ready means: the schema is at its newest revision, and a server of the database answers. `writes` is false \
        while only replicas do."
        .to_owned();
    ready.most = (100, 100);
    ready.problems = vec![Kind::UNAVAILABLE];
    let mut metrics =
        open("/metrics", "getMetrics", "Returns metrics for Prometheus", "text/plain", get(metrics));
    metrics.scope = Some(Scope::Admin);
    let mut health = open(
        "/healthz",
        "getHealth",
        "Returns 200 while the process serves",
        "application/json",
        get(healthz),
    );
    health.answers = vec![Success {
        status: StatusCode::OK,
        docs: "The process serves",
        body: Some(("application/json", json!({ "type": "object" }))),
        headers: &[],
    }];
    vec![health, ready, metrics]
}

async fn healthz() -> Response {
    json_answer(StatusCode::OK, br#"{"status":"up"}"#.to_vec())
}

/// The state of the service.
#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    /// Set if changes are taken.
    writes: bool,
}

async fn readyz(State(app): State<App>) -> Result<Response, Problem> {
    // One at a time asks the database: this needs no token, so a flood of it must not take the pool.
    let _turn = app.readiness().lock().await;
    let unready = |detail: &str| Problem::new(Kind::UNAVAILABLE, detail);
    let looked = timeout(LIMIT, look(app.db())).await;
    let writes = looked.map_err(|_| unready("the database did not answer within two seconds"))??;
    Ok(json_answer(StatusCode::OK, to_json(&Readiness { status: "ready", writes })?))
}

/// Looks at the schema and the servers; returns whether changes are taken.
async fn look(db: &Database) -> Result<bool, Problem> {
    for (what, pending) in crate::pending_revisions(db).await? {
        if pending > 0 {
            let detail =
                format!("{pending} revisions of {what} are not applied; run `tallybook migrate upgrade`");
            return Err(Problem::new(Kind::UNAVAILABLE, detail));
        }
    }
    Ok(db.nodes().iter().any(|node| node.role == NodeRole::Primary && node.state == NodeState::Up))
}

async fn metrics(State(app): State<App>) -> Response {
    let mut response = prometheus(&app.db().metrics()).into_response();
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
