//! The dashboard of another program, by the socket of its monitor.

use std::path::Path;

use axum::Router;
use tallybook::{Database, ReportSocket, Settings, one, params};
use tallybook_server::dashboard_of_socket;

use super::{Viewer, statement};
use crate::support::Service;

/// A program that serves its figures.
async fn program(socket: &Path) -> Database {
    let mut settings = Settings::new("sqlite::memory:").unwrap();
    settings.monitor.socket = Some(socket.to_owned());
    Database::open(settings).await.unwrap()
}

async fn work(db: &Database, times: usize) {
    for _ in 0..times {
        db.read().await.unwrap().run(one::<(i64,)>("SELECT 40 + 2", params![])).await.unwrap();
    }
}

/// Asks by a name of the loopback address, as browsers do.
fn local(routes: Router) -> Router {
    routes.layer(axum::middleware::from_fn(
        async |mut request: axum::extract::Request, next: axum::middleware::Next| {
            request.headers_mut().entry("host").or_insert("localhost:8081".parse().unwrap());
            next.run(request).await
        },
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_ends_is_gone_until_it_returns() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("figures.sock");
    let db = program(&socket).await;
    let routes = local(dashboard_of_socket(ReportSocket::new(&socket)));
    let mut viewer = Viewer::open(&routes).await;
    let hello = viewer.event("hello").await;
    assert_eq!(hello["source"]["has_database"], false);
    work(&db, 9).await;
    viewer.tick(|tick| statement(tick, "? + ?").filter(|seen| seen["calls"] == 9)).await;
    db.close().await;
    drop(db);
    let reason = viewer.event("gone").await["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("no program serves"), "{reason}");
    let again = program(&socket).await;
    let (name, data) = viewer.next().await.unwrap();
    assert_eq!(name, "hello", "{data}");
    assert_ne!(data["source"]["since"], hello["source"]["since"]);
    work(&again, 4).await;
    viewer.tick(|tick| statement(tick, "? + ?").filter(|seen| seen["calls"] == 4)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_the_database_is_not_available() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("figures.sock");
    let db = program(&socket).await;
    let service = Service { db, routes: local(dashboard_of_socket(ReportSocket::new(&socket))) };
    for path in ["/live/doctor", "/live/revisions", "/live/statements/0/plan"] {
        let problem = service.get(path).await.problem(409, "other-program");
        assert_eq!(problem["title"], "Not available: this page watches another program");
    }
    service.get("/").header("host", "evil.example").await.problem(421, "wrong-host");
}
