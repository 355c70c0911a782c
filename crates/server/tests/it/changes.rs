//! Changing rows: what clients may change, and what others changed meanwhile.

use axum::http::Method;
use serde_json::json;
use tallybook_testkit::both_dialects;

use crate::support::{PREPARED, Service, order};

both_dialects! { of PREPARED:
    async fn a_new_row_is_answered_with_its_place_and_its_defaults(url: &str) {
        let service = Service::open(url).await;
        let portfolio = service.portfolio("pension").await;
        let created = service.post("/v1/trades", &order(portfolio)).await;
        let row = created.expect(201);
        assert_eq!((&row["status"], &row["filled_quantity"]), (&json!("PENDING"), &json!("0")));
        assert_eq!(created.header("location"), format!("/v1/trades/{}", row["id"]));
        let found = service.get(created.header("location")).await;
        assert_eq!(found.expect(200), row);
        assert_eq!(found.header("etag"), created.header("etag"));
    }

    async fn a_batch_is_created_whole_or_not_at_all(url: &str) {
        let service = Service::open(url).await;
        let portfolio = service.portfolio("pension").await;
        let orders = json!([order(portfolio), order(portfolio + 1)]);
        service.post("/v1/trades/batch", &orders).await.problem(409, "conflict");
        let none = service.get("/v1/trades").await.expect(200);
        assert_eq!(none["rows"], json!([]));
    }

    async fn only_the_given_fields_change_and_null_empties_one(url: &str) {
        let service = Service::open(url).await;
        let path = format!("/v1/portfolios/{}", service.portfolio("pension").await);
        let changed = service.patch(&path, &json!({ "description": "long term" })).await.expect(200);
        assert_eq!((&changed["name"], &changed["description"]), (&json!("pension"), &json!("long term")));
        let changed = service.patch(&path, &json!({ "description": null })).await.expect(200);
        assert_eq!(changed["description"], json!(null));
    }

    async fn a_change_of_a_row_that_others_changed_is_refused_if_it_names_the_old_one(url: &str) {
        let service = Service::open(url).await;
        let path = format!("/v1/portfolios/{}", service.portfolio("pension").await);
        let tag = service.get(&path).await.header("etag").to_owned();
        let first = service.patch(&path, &json!({ "description": "a" })).header("if-match", &tag).await;
        first.expect(200);
        let second = service.patch(&path, &json!({ "description": "b" })).header("if-match", &tag).await;
        second.problem(412, "stale");
        let third = service.patch(&path, &json!({ "description": "b" })).header("if-match", first.header("etag"));
        assert_eq!(third.await.expect(200)["description"], "b");
    }

    async fn an_empty_condition_is_a_mistake_and_not_the_lack_of_one(url: &str) {
        let service = Service::open(url).await;
        let path = format!("/v1/portfolios/{}", service.portfolio("pension").await);
        for empty in ["", " , ", "pension"] {
            let asked = service.patch(&path, &json!({ "description": "a" })).header("if-match", empty);
            asked.await.problem(400, "bad-parameter");
        }
    }

    async fn what_follows_from_fills_is_not_changed_by_clients(url: &str) {
        let service = Service::open(url).await;
        let portfolio = service.portfolio("pension").await;
        let trade = service.trade(portfolio).await;
        for (path, body) in [
            (format!("/v1/portfolios/{portfolio}"), json!({ "current_capital": "1" })),
            (format!("/v1/trades/{trade}"), json!({ "filled_quantity": "1" })),
        ] {
            let field = body.as_object().unwrap().keys().next().unwrap().clone();
            let problem = service.patch(&path, &body).await.problem(422, "invalid");
            assert_eq!(problem["errors"][0]["pointer"], format!("/{field}"));
        }
        service.ask(Method::DELETE, "/v1/executions/1").await.problem(405, "method-not-allowed");
        service.post("/v1/positions", &json!({})).await.problem(405, "method-not-allowed");
    }

    async fn a_row_is_deleted_unless_others_refer_to_it(url: &str) {
        let service = Service::open(url).await;
        let portfolio = service.portfolio("pension").await;
        let trade = service.trade(portfolio).await;
        let path = format!("/v1/portfolios/{portfolio}");
        service.ask(Method::DELETE, &path).await.problem(409, "conflict");
        service.ask(Method::DELETE, &format!("/v1/trades/{trade}")).await.expect(204);
        service.ask(Method::DELETE, &path).await.expect(204);
        service.get(&path).await.problem(404, "not-found");
        service.ask(Method::DELETE, &path).await.problem(404, "not-found");
    }

    async fn each_write_is_in_the_journal_with_its_request(url: &str) {
        let service = Service::open(url).await;
        let id = service.portfolio("pension").await;
        let path = format!("/v1/portfolios/{id}");
        let answer = service.patch(&path, &json!({ "description": "a" })).header("x-request-id", "desk-7").await;
        assert_eq!(answer.header("x-request-id"), "desk-7");
        service.patch(&path, &json!({ "name": "a".repeat(256) })).await.problem(422, "invalid");
        let writes = tallybook_server::newest_writes(&service.db, 10).await.unwrap();
        let writes: Vec<_> = writes.iter().map(|entry| (&*entry.method, &*entry.path, entry.status)).collect();
        assert_eq!(writes, [("PATCH", &*path, 200), ("POST", "/v1/portfolios", 201)]);
    }
}
