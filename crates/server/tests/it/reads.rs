//! Reading rows: alone, with relations, in pages, and as CSV.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::{Value, json};
use tallybook_server::ServiceSettings;
use tallybook_testkit::both_dialects;
use tower::ServiceExt;

use crate::support::{PREPARED, Service, order};

both_dialects! { of PREPARED:
    async fn a_row_is_returned_with_decimals_as_strings_and_times_in_utc(url: &str) {
        let service = Service::open(url).await;
        let id = service.portfolio("pension").await;
        let row = service.get(&format!("/v1/portfolios/{id}")).await.expect(200);
        assert_eq!(row["id"], id);
        assert_eq!(row["initial_capital"], "100000");
        assert_eq!(row["current_capital"], "100000");
        assert!(row["created_at"].as_str().unwrap().ends_with('Z'), "{row}");
        assert_eq!(row.get("positions"), None);
    }

    async fn relations_come_along_if_they_are_named(url: &str) {
        let service = Service::open(url).await;
        let id = service.portfolio("pension").await;
        let trade = service.trade(id).await;
        service.fill(trade, "X1", "4", "100").await.expect(201);
        let path = format!("/v1/portfolios/{id}?include=positions,trades.executions,sessions");
        let row = service.get(&path).await.expect(200);
        assert_eq!(row["positions"][0]["quantity"], "4");
        assert_eq!(row["trades"][0]["id"], trade);
        assert_eq!(row["trades"][0]["executions"][0]["execution_id"], "X1");
        assert_eq!(row["sessions"], json!([]));

        let row = service.get(&format!("/v1/portfolios/{id}?include=trades")).await.expect(200);
        assert_eq!(row["trades"][0]["id"], trade);
        assert_eq!(row["trades"][0].get("executions"), None);
        assert_eq!(row.get("positions"), None);
    }

    async fn pages_lead_through_all_rows_newest_first_by_link_and_by_cursor(url: &str) {
        let service = Service::open(url).await;
        let portfolio = service.portfolio("pension").await;
        let orders: Vec<_> = (0..7).map(|_| order(portfolio)).collect();
        let created = service.post("/v1/trades/batch", &json!(orders)).await.expect(201);
        let mut expected: Vec<i64> = ids(&created);
        expected.sort_unstable_by(|a, b| b.cmp(a));

        let mut path = format!("/v1/trades?portfolio_id={portfolio}&limit=3");
        let mut found = Vec::new();
        loop {
            let page = service.get(&path).await;
            let body = page.expect(200);
            found.extend(ids(&body));
            let Some(next) = body["next"].as_str() else {
                assert_eq!(page.header("link"), "");
                break;
            };
            path = format!("/v1/trades?portfolio_id={portfolio}&limit=3&after={next}");
            assert_eq!(page.header("link"), format!("<{path}>; rel=\"next\""));
        }
        assert_eq!(found, expected);
    }

    async fn filters_select_rows_by_words_that_the_book_does_not_know_too(url: &str) {
        let service = Service::open(url).await;
        let portfolio = service.portfolio("pension").await;
        let trade = service.trade(portfolio).await;
        let status = json!({ "status": "HELD_BY_VENUE" });
        let put = service.ask(axum::http::Method::PUT, &format!("/v1/trades/{trade}/status"));
        assert_eq!(put.json(&status).await.expect(200)["status"], "HELD_BY_VENUE");
        let found = service.get("/v1/trades?status=HELD_BY_VENUE").await.expect(200);
        assert_eq!(ids(&found), [trade]);
        let none = service.get("/v1/trades?status=PENDING").await.expect(200);
        assert_eq!(none, json!({ "rows": [], "next": null }));
    }

    async fn rows_are_found_by_the_time_of_their_change(url: &str) {
        let service = Service::open(url).await;
        let portfolio = service.portfolio("pension").await;
        service.trade(portfolio).await;
        let later = service.trade(portfolio).await;
        let row = service.get(&format!("/v1/trades/{later}")).await.expect(200);
        let since = row["updated_at"].as_str().unwrap();
        let found = service.get(&format!("/v1/trades?updated_since={since}")).await.expect(200);
        assert_eq!(ids(&found), [later]);
    }

    async fn rows_with_given_identifiers_come_in_their_order_with_relations(url: &str) {
        let service = Service::open(url).await;
        let (a, b) = (service.portfolio("a").await, service.portfolio("b").await);
        let found = service.get(&format!("/v1/portfolios/many?ids={b},{a},{}&include=positions", b + 1)).await.expect(200);
        assert_eq!(ids(&found), [b, a]);
        assert_eq!(found["rows"][0]["positions"], json!([]));
    }

    async fn a_page_has_the_relations_that_are_named(url: &str) {
        let service = Service::open(url).await;
        let (a, b) = (service.portfolio("a").await, service.portfolio("b").await);
        let trade = service.trade(a).await;
        let page = service.get("/v1/portfolios?include=trades&limit=2").await.expect(200);
        assert_eq!(ids(&page), [b, a]);
        assert_eq!(page["rows"][1]["trades"][0]["id"], trade);
        assert_eq!(page["next"], json!(null));
    }

    async fn a_client_that_has_a_row_is_not_sent_it_again(url: &str) {
        let service = Service::open(url).await;
        let path = format!("/v1/portfolios/{}", service.portfolio("pension").await);
        let tag = service.get(&path).await.header("etag").to_owned();
        let again = service.get(&path).header("if-none-match", &tag).await;
        assert_eq!((again.status.as_u16(), &*again.body), (304, &b""[..]));
        service.patch(&path, &json!({ "description": "long term" })).await.expect(200);
        let changed = service.get(&path).header("if-none-match", &tag).await;
        assert_eq!(changed.expect(200)["description"], "long term");
    }

    async fn a_csv_file_has_all_rows_that_match(url: &str) {
        let service = Service::open(url).await;
        let portfolio = service.portfolio("pension").await;
        let orders: Vec<_> = (0..1_000).map(|_| order(portfolio)).collect();
        service.post("/v1/trades/batch", &json!(orders)).await.expect(201);
        let file = service.get(&format!("/v1/trades.csv?portfolio_id={portfolio}")).await;
        assert_eq!(file.header("content-type"), "text/csv; charset=utf-8");
        let mut rows = csv::Reader::from_reader(&*file.body);
        let column = rows.headers().unwrap().iter().position(|name| name == "quantity").unwrap();
        let quantities: Vec<_> = rows.records().map(|row| row.unwrap()[column].to_owned()).collect();
        assert_eq!(quantities, vec!["10"; 1_000]);
    }

    async fn a_client_that_does_not_read_its_export_gives_its_connection_back(url: &str) {
        let settings =
            ServiceSettings { body_time_limit: Duration::from_millis(100), ..ServiceSettings::default() };
        let service = Service::with(url, settings).await;
        let portfolio = service.portfolio("pension").await;
        let orders: Vec<_> = (0..1_000).map(|_| order(portfolio)).collect();
        for _ in 0..4 {
            service.post("/v1/trades/batch", &json!(orders)).await.expect(201);
        }
        let request = Request::builder().uri("/v1/trades.csv").body(Body::empty()).unwrap();
        let unread = service.routes.clone().oneshot(request).await.unwrap();
        while service.db.pools().iter().any(|pool| pool.in_use > 0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let error = to_bytes(unread.into_body(), usize::MAX).await.unwrap_err();
        assert!(error.to_string().contains("the export failed"), "{error}");
    }

    async fn a_csv_file_may_be_compressed(url: &str) {
        let service = Service::open(url).await;
        let file = service.get("/v1/trades.csv").header("accept-encoding", "gzip").await;
        assert_eq!(file.header("content-encoding"), "gzip");
        assert_eq!(file.body[..2], [0x1f, 0x8b]);
    }

    async fn head_is_answered_as_get_is_without_the_body(url: &str) {
        let service = Service::open(url).await;
        let path = format!("/v1/portfolios/{}", service.portfolio("pension").await);
        let get = service.get(&path).await;
        let head = service.ask(axum::http::Method::HEAD, &path).await;
        assert_eq!((head.status.as_u16(), &*head.body), (200, &b""[..]));
        assert_eq!(head.header("etag"), get.header("etag"));
    }

    async fn an_answer_names_the_statements_that_it_took(url: &str) {
        let service = Service::open(url).await;
        let path = format!("/v1/portfolios/{}?include=positions,sessions", service.portfolio("pension").await);
        let timing = service.get(&path).await.header("server-timing").to_owned();
        assert!(timing.ends_with("statements;desc=\"3\", round-trips;desc=\"1\""), "{timing}");
    }
}

fn ids(body: &Value) -> Vec<i64> {
    body["rows"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
}
