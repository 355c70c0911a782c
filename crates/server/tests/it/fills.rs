//! Recording executions over HTTP.

use axum::http::Method;
use serde_json::json;
use tallybook_testkit::both_dialects;

use crate::support::{PREPARED, Service};

both_dialects! { of PREPARED:
    async fn a_fill_changes_the_trade_the_position_and_the_cash(url: &str) {
        let service = Service::open(url).await;
        let portfolio = service.portfolio("pension").await;
        let trade = service.trade(portfolio).await;
        let recorded = service.fill(trade, "X1", "4", "100.5").await.expect(201);
        assert_eq!(recorded["trade"]["status"], "PARTIALLY_FILLED");
        assert_eq!(recorded["position"]["average_cost"], "100.5");
        let cash = service.get(&format!("/v1/portfolios/{portfolio}")).await.expect(200);
        assert_eq!(cash["current_capital"], "99598");
    }

    async fn the_same_fill_is_recorded_once_and_another_one_under_its_identifier_is_refused(url: &str) {
        let service = Service::open(url).await;
        let portfolio = service.portfolio("pension").await;
        let trade = service.trade(portfolio).await;
        let first = service.fill(trade, "X1", "4", "100").await.expect(201);
        let again = service.fill(trade, "X1", "4", "100").await.expect(200);
        assert_eq!((&again["is_repeat"], &again["execution"]), (&json!(true), &first["execution"]));
        service.fill(trade, "X1", "5", "100").await.problem(409, "conflict");
        let executions = service.get(&format!("/v1/executions?trade_id={trade}")).await.expect(200);
        assert_eq!(executions["rows"].as_array().unwrap().len(), 1);
    }

    async fn fills_of_a_batch_are_recorded_in_their_order_or_not_at_all(url: &str) {
        let service = Service::open(url).await;
        let portfolio = service.portfolio("pension").await;
        let trade = service.trade(portfolio).await;
        let fill = |id: &str, quantity: &str| {
            json!({ "trade_id": trade, "execution_id": id, "quantity": quantity, "price": "10" })
        };
        let over = json!([fill("X1", "9"), fill("X2", "2")]);
        service.post("/v1/executions/batch", &over).await.problem(409, "conflict");
        let whole = json!([fill("X1", "9"), fill("X2", "1")]);
        let recorded = service.post("/v1/executions/batch", &whole).await.expect(200);
        assert_eq!(recorded["rows"][0]["trade"]["filled_quantity"], "9");
        assert_eq!(recorded["rows"][1]["trade"]["status"], "FILLED");
    }

    async fn a_reversal_takes_an_execution_back(url: &str) {
        let service = Service::open(url).await;
        let portfolio = service.portfolio("pension").await;
        let trade = service.trade(portfolio).await;
        service.fill(trade, "X1", "4", "100").await.expect(201);
        let body = json!({ "reverses": "X1", "execution_id": "R1" });
        service.post("/v1/reversals", &body).await.expect(201);
        let cash = service.get(&format!("/v1/portfolios/{portfolio}")).await.expect(200);
        assert_eq!(cash["current_capital"], "100000");
        service.post("/v1/reversals", &body).await.expect(200);
    }

    async fn a_status_that_contradicts_the_fills_is_refused(url: &str) {
        let service = Service::open(url).await;
        let portfolio = service.portfolio("pension").await;
        let trade = service.trade(portfolio).await;
        let put = |status: &str| {
            let path = format!("/v1/trades/{trade}/status");
            service.ask(Method::PUT, &path).json(&json!({ "status": status }))
        };
        put("FILLED").await.problem(409, "conflict");
        assert_eq!(put("CANCELLED").await.expect(200)["status"], "CANCELLED");
    }

    async fn a_fill_of_no_trade_or_of_nothing_names_what_is_wrong(url: &str) {
        let service = Service::open(url).await;
        service.fill(7, "X1", "4", "100").await.problem(404, "not-found");
        let portfolio = service.portfolio("pension").await;
        let trade = service.trade(portfolio).await;
        let problem = service.fill(trade, "X1", "0", "100").await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/quantity");
    }
}
