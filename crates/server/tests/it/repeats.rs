//! Requests that are sent again.

use serde_json::json;
use tallybook_testkit::both_dialects;

use crate::support::{PREPARED, Service, order};

both_dialects! { of PREPARED:
    async fn a_request_that_is_repeated_is_done_once_and_answered_alike(url: &str) {
        let service = Service::open(url).await;
        let portfolio = service.portfolio("pension").await;
        let send = async || {
            let asked = service.ask(axum::http::Method::POST, "/v1/trades").header("idempotency-key", "order-1");
            asked.json(&order(portfolio)).await
        };
        let (first, again) = (send().await, send().await);
        assert_eq!((first.expect(201), first.header("idempotency-replayed")), (again.expect(201), ""));
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(again.header("location"), first.header("location"));
        let trades = service.get("/v1/trades").await.expect(200);
        assert_eq!(trades["rows"].as_array().unwrap().len(), 1);
    }

    async fn another_request_with_the_same_key_is_refused(url: &str) {
        let service = Service::open(url).await;
        let post = |name: &str| {
            let body = json!({ "name": name, "initial_capital": "1", "currency": "USD" });
            service.ask(axum::http::Method::POST, "/v1/portfolios").header("idempotency-key", "k").json(&body)
        };
        post("a").await.expect(201);
        post("b").await.problem(422, "idempotency-key-reused");
    }

    async fn a_request_that_failed_may_be_corrected_under_its_key(url: &str) {
        let service = Service::open(url).await;
        let post = |currency: &str| {
            let body = json!({ "name": "a", "initial_capital": "1", "currency": currency });
            service.ask(axum::http::Method::POST, "/v1/portfolios").header("idempotency-key", "k").json(&body)
        };
        post("EURO").await.problem(422, "invalid");
        post("EUR").await.expect(201);
    }

    async fn a_key_is_needed_where_a_lost_answer_would_double_a_row(url: &str) {
        let service = Service::open(url).await;
        let body = json!({ "name": "a", "initial_capital": "1", "currency": "USD" });
        let asked = service.ask(axum::http::Method::POST, "/v1/portfolios").json(&body);
        asked.await.problem(400, "idempotency-key-missing");
    }

    async fn of_two_requests_with_one_key_at_the_same_time_one_is_done(url: &str) {
        let service = Service::open(url).await;
        let send = async || {
            let body = json!({ "name": "a", "initial_capital": "1", "currency": "USD" });
            service.ask(axum::http::Method::POST, "/v1/portfolios").header("idempotency-key", "k").json(&body).await
        };
        let answers = futures_util::future::join_all((0..8).map(|_| send())).await;
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
        assert!(statuses.contains(&201), "{statuses:?}");
        assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
        let rows = service.get("/v1/portfolios").await.expect(200);
        assert_eq!(rows["rows"].as_array().unwrap().len(), 1);
    }

    async fn two_services_over_one_database_answer_one_key_alike(url: &str) {
        let service = Service::open(url).await;
        let other = Service::open(url).await;
        let send = async |service: &Service| {
            let body = json!({ "name": "a", "initial_capital": "1", "currency": "USD" });
            service.ask(axum::http::Method::POST, "/v1/portfolios").header("idempotency-key", "k").json(&body).await
        };
        let (one, two) = tokio::join!(send(&service), send(&other));
        assert_eq!(one.expect(201), two.expect(201));
    }
}
