//! The routes of the dashboard.

use axum::Router;
use axum::extract::{DefaultBodyLimit, OriginalUri, Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use tallybook::{Database, ReportSocket};
use tower_http::compression::CompressionLayer;

use super::answer;
use super::guard::Guard;
use super::live_routes::{advice, doctor, events, plan, revisions, statement};
use super::login_routes::{log_in, log_out, login_page};
use super::sampler::Sampled;
use super::shared::Dashboard;
use super::source::Source;
use crate::app::App;
use crate::request::{Hosts, Kind};

/// Bytes of a log-in at most.
const MAX_LOGIN: usize = 4 * 1024;

/// Returns the routes of the dashboard of a database, to mount into one's own router.
///
/// The page shows SQL texts, names and call sites, and asks the database for plans and the doctor's findings on demand. It asks for no
/// token: whoever mounts it must guard it, as any page for operators. Nest it below a path that ends with a slash. A shut-down
/// that waits for open connections waits for viewers too, so limit its time.
///
/// Must be called on a Tokio runtime.
///
/// ```
/// use axum::Router;
/// use axum::extract::Request;
/// use axum::http::StatusCode;
/// use axum::middleware::{Next, from_fn};
/// use axum::response::Response;
/// use tallybook::{Database, Settings};
/// # use tower::ServiceExt;
///
/// /// Lets operators in.
/// async fn operators(request: Request, next: Next) -> Result<Response, StatusCode> {
///     match request.headers().get("x-operator") {
///         Some(_) => Ok(next.run(request).await),
///         None => Err(StatusCode::UNAUTHORIZED),
///     }
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
/// let dashboard = tallybook_server::dashboard(&db).layer(from_fn(operators));
/// let own = Router::new().nest("/dashboard/", dashboard); // beside your routes
/// #
/// # let asked = |operator: bool| {
/// #     let request = axum::http::Request::get("/dashboard/");
/// #     let request = if operator { request.header("x-operator", "ada") } else { request };
/// #     own.clone().oneshot(request.body(axum::body::Body::empty()).unwrap())
/// # };
/// # assert_eq!(asked(false).await?.status(), StatusCode::UNAUTHORIZED);
/// # assert_eq!(asked(true).await?.status(), StatusCode::OK);
/// # Ok(())
/// # }
/// ```
pub fn dashboard(db: &Database) -> Router {
    alone(Source::Database(db.clone()), Guard::None)
}

/// Returns the routes of the dashboard of another program, which serves its figures at a socket (`DB_MONITOR_SOCKET`). They answer only
/// those who call them by a name of the loopback address.
///
/// Must be called on a Tokio runtime.
pub fn dashboard_of_socket(socket: ReportSocket) -> Router {
    let hosts = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
    alone(Source::Socket(socket), Guard::Hosts(Hosts::new(&hosts)))
}

/// Returns the routes of the dashboard of a service, which compresses answers itself.
pub(crate) fn dashboard_of_service(app: &App) -> Router {
    routes(Source::Database(app.db().clone()), Guard::of_service(app.clone()))
}

fn alone(source: Source, guard: Guard) -> Router {
    routes(source, guard).layer(CompressionLayer::new().gzip(true))
}

fn routes(source: Source, guard: Guard) -> Router {
    let dashboard = Dashboard { sampled: Sampled::start(source), guard, asking: Default::default() };
    let guarded = Router::new()
        .route("/", get(page))
        .route("/live/events", get(events))
        .route("/live/statements/{fingerprint}", get(statement))
        .route("/live/statements/{fingerprint}/plan", get(plan))
        .route("/live/doctor", get(doctor))
        .route("/live/revisions", get(revisions))
        .route("/live/advice", get(advice))
        .layer(from_fn_with_state(dashboard.clone(), check));
    Router::new()
        .route("/assets/{hash}/{*name}", get(asset))
        .route("/login", post(log_in).layer(DefaultBodyLimit::max(MAX_LOGIN)))
        .route("/logout", post(log_out))
        .merge(guarded)
        .layer(from_fn(answer::protect))
        .with_state(dashboard)
}

/// Lets a request through whose client may see the dashboard. Who asks for the page may log in instead.
async fn check(State(dashboard): State<Dashboard>, mut request: Request, next: Next) -> Response {
    let (uri, headers) = (request.uri().clone(), request.headers().clone());
    match dashboard.guard.check(&uri, &headers).await {
        Ok(permission) => {
            request.extensions_mut().insert(permission);
            next.run(request).await
        }
        Err(problem) if problem.kind() == Kind::NOT_AUTHENTICATED && uri.path() == "/" => {
            login_page(StatusCode::UNAUTHORIZED, "")
        }
        Err(problem) => problem.into_response(),
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
