//! The routes of the dashboard.

use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::extract::{OriginalUri, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use tallybook::{Database, ReportSocket};
use tower_http::compression::CompressionLayer;

use super::sampler::Sampled;
use super::source::Source;
use super::{answer, events};
use crate::app::App;
use crate::listen::Ending;
use crate::request::{Hosts, Kind, Problem};

/// The state that the handlers share. Cloning is cheap.
#[derive(Clone)]
pub(super) struct Dashboard {
    pub(super) sampled: Arc<Sampled>,
    pub(super) guard: Guard,
}

/// Who may see a dashboard.
#[derive(Clone)]
pub(super) enum Guard {
    /// Everybody: the router that it is part of decides.
    None,
    /// Everybody who calls the service by one of its names.
    Hosts(Hosts),
    /// Those whom the service lets in.
    Service(App),
}

/// Returns the routes of the dashboard of a database, for one's own router.
///
/// It shows SQL texts, names and call sites, and it runs `EXPLAIN` and the doctor on demand: whoever mounts it must guard it, as
/// any page for operators. Nest it below a path that ends with a slash.
///
/// Must be called on a Tokio runtime.
pub fn dashboard(db: &Database) -> Router {
    let sampled = Sampled::start(Source::Database(db.clone()));
    routes(Dashboard { sampled, guard: Guard::None }).layer(CompressionLayer::new().gzip(true))
}

/// Returns the routes of the dashboard of another program, which serves its figures at a socket. They answer only those who call them
/// by a name of the loopback address.
///
/// Must be called on a Tokio runtime.
pub fn dashboard_of_socket(socket: ReportSocket) -> Router {
    let sampled = Sampled::start(Source::Socket(socket));
    let hosts = Hosts::new(&["localhost", "127.0.0.1", "[::1]"].map(str::to_owned));
    routes(Dashboard { sampled, guard: Guard::Hosts(hosts) }).layer(CompressionLayer::new().gzip(true))
}

/// Returns the routes of the dashboard of a service.
pub(crate) fn dashboard_of_service(app: &App) -> Router {
    let sampled = Sampled::start(Source::Database(app.db().clone()));
    routes(Dashboard { sampled, guard: Guard::Service(app.clone()) })
}

fn routes(dashboard: Dashboard) -> Router {
    let guarded = Router::new()
        .route("/", get(page))
        .route("/live/events", get(live_events))
        .layer(from_fn_with_state(dashboard.clone(), guard));
    Router::new()
        .route("/assets/{hash}/{*name}", get(asset))
        .merge(guarded)
        .layer(from_fn(answer::protect))
        .with_state(dashboard)
}

async fn guard(State(dashboard): State<Dashboard>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match dashboard.guard.check(&parts.uri, &parts.headers).await {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(problem) => problem.into_response(),
    }
}

impl Guard {
    async fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        match self {
            Self::None => Ok(()),
            Self::Hosts(hosts) => hosts.check(uri, headers),
            Self::Service(app) => {
                app.hosts().check(uri, headers)?;
                app.gate().check(app.db(), headers, crate::access::Scope::Admin).await.map(drop)
            }
        }
    }
}

async fn page(OriginalUri(uri): OriginalUri) -> Response {
    // The page names everything relative to its own path.
    match uri.path().rsplit_once('/') {
        Some((_, last)) if !last.is_empty() => Redirect::permanent(&format!("{last}/")).into_response(),
        _ => answer::page(StatusCode::OK, "index.html", &[]),
    }
}

async fn asset(Path((hash, name)): Path<(String, String)>) -> Response {
    answer::asset(&hash, &name)
}

async fn live_events(
    State(dashboard): State<Dashboard>,
    ending: Option<Extension<Ending>>,
) -> Result<Response, Problem> {
    dashboard.sampled.first().await;
    let full = || Problem::new(Kind::OVERLOADED, "as many viewers look as the dashboard takes; try again");
    let viewer = dashboard.sampled.live.join().ok_or_else(full)?;
    Ok(events::answer(viewer, ending.map(|Extension(ending)| ending), || std::future::ready(true)))
}
