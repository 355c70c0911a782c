//! The trading book over HTTP: an API with an OpenAPI document, to run as a service or to mount into one's own axum router.
//!
//! ```no_run
//! use tallybook::{Database, Settings};
//! use tallybook_server::{ServiceSettings, router};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let db = Database::open(Settings::from_env()?).await?;
//! tallybook::book::upgrade(&db).await?;
//! tallybook_server::upgrade(&db).await?; // its own tables: tokens, and the journal of writes
//!
//! let own = axum::Router::new(); // your routes
//! let app = own.merge(router(&db, ServiceSettings::default()));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! axum::serve(listener, app).await?;
//! # Ok(())
//! # }
//! ```
//!
//! `tallybook serve` runs the same routes with [`serve`], which also has TLS, limits connections and slow clients, and ends
//! without cutting off a request. `docs/server.md` describes the API.

mod access;
mod app;
mod book;
mod change;
mod dashboard;
mod endpoint;
mod health;
mod hexadecimal;
mod journal;
mod listen;
mod openapi;
mod request;
mod resource;
mod revisions;
mod settings;

use axum::Router;
use tallybook::Database;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{And, DefaultPredicate, Predicate, SizeAbove};
use tower_http::cors::CorsLayer;

pub use access::{Scope, Token, TokenError, TokenText, create_token, list_tokens, revoke_token};
pub use dashboard::{dashboard, dashboard_of_socket};
pub use journal::{Entry, newest_writes};
pub use listen::{ListenSettings, Listener, TlsFiles, serve};
pub use openapi::openapi;
pub use revisions::upgrade;
pub use settings::ServiceSettings;

use app::App;
use endpoint::{Endpoint, routes};
use request::{Kind, Problem};

/// Smaller answers are sent as they are.
const COMPRESSED_FROM: u64 = 1024;

/// Returns all endpoints: those of the book, and those of the service itself.
fn endpoints() -> Vec<Endpoint> {
    [book::endpoints(), health::endpoints(), openapi::page_endpoints()].into_iter().flatten().collect()
}

/// Returns the routes of the service: `/v1/…`, `/healthz`, `/readyz`, `/metrics`, `/openapi.json` and `/docs`.
///
/// Must be called on a Tokio runtime. The tables of the book and of the service must be there:
/// [`tallybook::book::upgrade`] and [`upgrade`].
///
/// # Panics
/// If an origin in the settings is no header value.
pub fn router(db: &Database, settings: ServiceSettings) -> Router {
    let origins: Vec<_> =
        settings.origins.iter().map(|origin| origin.parse().expect("an origin is plain text")).collect();
    let app = App::new(db.clone(), settings);
    let dashboard = dashboard::dashboard_of_service(&app);
    let routes = routes(&app, endpoints()).with_state(app).merge(dashboard);
    let large: And<DefaultPredicate, SizeAbove> =
        DefaultPredicate::new().and(SizeAbove::new(COMPRESSED_FROM));
    let routes = routes
        .layer(CompressionLayer::new().gzip(true).compress_when(large))
        .layer(CatchPanicLayer::custom(panicked));
    match origins.is_empty() {
        true => routes,
        false => routes.layer(cors(origins)),
    }
}

fn cors(origins: Vec<axum::http::HeaderValue>) -> CorsLayer {
    use axum::http::Method;
    use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LINK, LOCATION};
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::PUT, Method::DELETE])
        .allow_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            IF_MATCH,
            IF_NONE_MATCH,
            journal::IDEMPOTENCY_KEY,
            request::TOKEN,
        ])
        .expose_headers([ETAG, LINK, LOCATION, request::TOKEN, request::REQUEST_ID])
}

/// Answers a request whose handler panicked. The message may quote values, so it stays in the log of panics.
fn panicked(_: Box<dyn std::any::Any + Send>) -> axum::response::Response {
    use axum::response::IntoResponse;
    tracing::error!(target: "tallybook::server", "a request panicked");
    Problem::new(Kind::INTERNAL, "the log of the service has the reason").into_response()
}

/// Returns what the revisions belong to, and how many of them are not applied.
async fn pending_revisions(db: &Database) -> tallybook::Result<Vec<(&'static str, usize)>> {
    let mut session = db.read().await?;
    Ok(vec![
        ("the book", tallybook::book::migrator(db).pending(&mut session).await?.len()),
        ("the service", revisions::migrator(db).pending(&mut session).await?.len()),
    ])
}
