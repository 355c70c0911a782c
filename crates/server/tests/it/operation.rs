//! What those who operate the service see.

use axum::http::Method;
use tallybook::{Database, Dialect, Settings, execute, params};
use tallybook_server::{ServiceSettings, router};
use tallybook_testkit::both_dialects;

use crate::support::{PREPARED, Service};

both_dialects! { of PREPARED:
    async fn a_service_that_is_full_turns_requests_away_and_stays_healthy(url: &str) {
        let service = Service::with(url, ServiceSettings { max_requests: 0, ..ServiceSettings::default() }).await;
        let refused = service.get("/v1/portfolios").await;
        refused.problem(503, "overloaded");
        assert_eq!(refused.header("retry-after"), "1");
        service.get("/healthz").await.expect(200);
        assert_eq!(service.get("/readyz").await.expect(200)["writes"], true);
    }

    async fn a_change_that_takes_too_long_is_answered_honestly(url: &str) {
        let service = Service::with(url, ServiceSettings { time_limit: std::time::Duration::ZERO, ..ServiceSettings::default() }).await;
        // The change waits for this, however fast the machine is.
        let mut holder = service.db.begin().await.unwrap();
        let lock = if service.db.dialect() == Dialect::Sqlite { "DELETE FROM portfolios" } else { "LOCK TABLE portfolios" };
        holder.run(execute(lock, params![])).await.unwrap();
        let body = serde_json::json!({ "name": "a", "initial_capital": "1", "currency": "USD" });
        let problem = service.post("/v1/portfolios", &body).await.problem(504, "time-out");
        assert!(problem["detail"].as_str().unwrap().contains("Idempotency-Key"));
        holder.roll_back().await.unwrap();
    }

    async fn a_closed_database_is_an_answer_and_no_crash(url: &str) {
        let service = Service::open(url).await;
        service.db.close().await;
        let refused = service.get("/v1/portfolios").await;
        refused.problem(503, "unavailable");
        service.get("/readyz").await.problem(503, "unavailable");
        service.get("/healthz").await.expect(200);
    }

    async fn metrics_are_those_of_the_database_layer(url: &str) {
        let service = Service::open(url).await;
        let metrics = service.get("/metrics").await;
        assert_eq!(metrics.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        assert!(metrics.text().contains("db_client_connection_max"), "{}", metrics.text());
    }

    async fn options_name_the_methods_of_a_path(url: &str) {
        let service = Service::open(url).await;
        let options = service.ask(Method::OPTIONS, "/v1/trades").await;
        assert_eq!((options.status.as_u16(), options.header("allow")), (204, "GET, POST, HEAD, OPTIONS"));
        let other = service.ask(Method::PUT, "/v1/trades").await;
        other.problem(405, "method-not-allowed");
        assert_eq!(other.header("allow"), "GET, POST, HEAD, OPTIONS");
    }

    async fn the_page_of_the_document_loads_nothing_from_elsewhere(url: &str) {
        let service = Service::open(url).await;
        let page = service.get("/docs").await;
        assert!(page.header("content-security-policy").starts_with("default-src 'none'; script-src 'self';"));
        assert!(!page.text().contains("http://") && !page.text().contains("https://"), "{}", page.text());
        for path in ["/docs/docs.js", "/docs/docs.css"] {
            assert_eq!(service.get(path).await.status.as_u16(), 200);
        }
    }
}

both_dialects! {
    async fn a_service_is_not_ready_before_the_book_is_there(url: &str) {
        let db = Database::open(Settings::new(url).unwrap()).await.unwrap();
        let service = Service { routes: router(&db, ServiceSettings::default()), db };
        let problem = service.get("/readyz").await.problem(503, "unavailable");
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(detail, "3 revisions of the book are not applied; run `tallybook migrate upgrade`");
        service.get("/healthz").await.expect(200);
    }
}
