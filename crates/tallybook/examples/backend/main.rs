//! The back end of a trading desk: fifteen tables behind HTTP, on SQLite or PostgreSQL.
//!
//! ```text
//! cargo run -p tallybook --example backend                                    # an SQLite file, no set-up
//! DATABASE_URL=postgresql://ada@db1/desk cargo run -p tallybook --example backend
//!
//! curl -s localhost:3000/portfolios -H 'content-type: application/json' -d '{"name": "Pension",
//!     "initial_capital": "100000", "current_capital": "100000", "currency": "USD"}'
//! curl -s 'localhost:3000/portfolios?currency=USD&limit=20'
//! ```
//!
//! Five tables are the book's. The others are declared here, one file for each or for a few that belong together; their
//! revisions are a history of their own, beside the book's. `service.rs` lists the routes with the budget of each.

mod agents;
mod api;
mod audit;
mod book;
pub(crate) mod budget;
mod consistency;
mod failure;
mod listing;
mod managers;
pub(crate) mod revisions;
mod risk_metrics;
mod run_logs;
mod service;
mod settlements;
mod users;
mod vendor_configs;

use std::error::Error;
use std::io::Write;

use tallybook::{Database, Settings};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Serves on `127.0.0.1`, at the port in `PORT` (3000 by default; 0 takes a free one), until SIGTERM or Ctrl-C.
#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;

    let db = Database::open(Settings::from_env()?).await?;
    revisions::upgrade(&db).await?;

    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    writeln!(std::io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    // From the signal on nobody new is served; requests that have begun are finished.
    axum::serve(listener, service::router(db.clone())).with_graceful_shutdown(stopped()?).await?;
    db.close().await;
    Ok(())
}

/// Returns a future that ends with SIGTERM or Ctrl-C.
fn stopped() -> std::io::Result<impl Future<Output = ()> + Send> {
    let (mut terminated, mut interrupted) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    })
}
