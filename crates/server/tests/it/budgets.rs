//! Budgets: an answer takes as many statements for 1,000 children as for one.

use serde_json::json;
use tallybook_testkit::both_dialects;

use crate::support::{PREPARED, Service, order};

#[tallybook::max_queries(5, round_trips = 1, no_n_plus_one)]
async fn everything(service: &Service, portfolio: i64) -> serde_json::Value {
    let path = format!("/v1/portfolios/{portfolio}?include=positions,trades.executions,sessions");
    service.get(&path).await.expect(200)
}

#[tallybook::max_queries(1, round_trips = 1, no_n_plus_one)]
async fn page(service: &Service, portfolio: i64) -> serde_json::Value {
    service.get(&format!("/v1/trades?portfolio_id={portfolio}&limit=1000")).await.expect(200)
}

#[tallybook::max_queries(1, round_trips = 1, no_n_plus_one)]
async fn position(service: &Service, portfolio: i64) -> serde_json::Value {
    service.get(&format!("/v1/positions?portfolio_id={portfolio}&symbol=AAPL")).await.expect(200)
}

#[tallybook::max_queries(16, round_trips = 4, no_n_plus_one)]
async fn fill(service: &Service, trade: i64) -> serde_json::Value {
    service.fill(trade, &format!("fill of {trade}"), "10", "100").await.expect(201)
}

#[tallybook::max_queries(1, round_trips = 1, no_n_plus_one)]
async fn export(service: &Service) -> String {
    service.get("/v1/trades.csv").await.text()
}

both_dialects! { of PREPARED:
    async fn answers_take_as_many_statements_for_a_thousand_children_as_for_one(url: &str) {
        let service = Service::open(url).await;
        for children in [1, 100, 1_000] {
            let portfolio = service.portfolio(&format!("of {children}")).await;
            let orders: Vec<_> = (0..children).map(|_| order(portfolio)).collect();
            let created = service.post("/v1/trades/batch", &json!(orders)).await.expect(201);
            let trade = created["rows"][0]["id"].as_i64().unwrap();
            fill(&service, trade).await;
            let row = everything(&service, portfolio).await;
            assert_eq!(row["trades"].as_array().unwrap().len(), children);
            assert_eq!(row["positions"].as_array().unwrap().len(), 1);
            assert_eq!(page(&service, portfolio).await["rows"].as_array().unwrap().len(), children);
            assert_eq!(position(&service, portfolio).await["rows"][0]["quantity"], "10");
        }
        assert_eq!(export(&service).await.lines().count(), 1 + 1 + 100 + 1_000);
    }
}
