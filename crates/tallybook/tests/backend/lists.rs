use serde_json::{Value, json};
use tallybook_testkit::both_dialects;

use crate::program::Program;

/// Returns a column of each row of a page.
fn column<'v>(page: &'v Value, name: &str) -> Vec<&'v Value> {
    page["rows"].as_array().unwrap().iter().map(|row| &row[name]).collect()
}

both_dialects! {
    async fn a_list_is_read_page_by_page_through_a_filter(url: &str) {
        let service = Program::start(url);
        let (one, other) = (service.portfolio("one").await, service.portfolio("other").await);
        for minute in 0..5 {
            service.trade(&one["id"], if minute == 2 { "MSFT" } else { "AAPL" }, minute).await;
            service.trade(&other["id"], "AAPL", minute).await;
        }
        let (mut path, mut seen) = ("/trades?portfolio_id=1&symbol=AAPL&limit=2".to_owned(), Vec::new());
        loop {
            let page = service.get(&path).await;
            let rows: Vec<_> = column(&page, "created_at").into_iter().map(|time| time.as_str().unwrap()[14..16].to_owned()).collect();
            assert!(rows.len() <= 2);
            seen.extend(rows);
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/trades?portfolio_id=1&symbol=AAPL&limit=2&after={next}");
        }
        assert_eq!(seen, ["04", "03", "01", "00"]);

        let recent = service.get("/trades?portfolio_id=2&since=2025-03-01T09:03:00Z").await;
        assert_eq!(column(&recent, "portfolio_id"), [2, 2]);
        assert_eq!(recent["next"], Value::Null);
        let first = service.get("/trades?limit=1").await;
        let foreign = format!("/positions?after={}", first["next"].as_str().unwrap());
        let refused = service.refused(400, "GET", &foreign, Value::Null).await;
        assert!(refused.as_str().unwrap().contains("is not a cursor of this list"), "{refused}");
        let none = service.refused(422, "GET", "/trades?limit=0", Value::Null).await;
        assert_eq!(none["column"], "limit");
    }

    async fn each_table_of_the_book_is_filtered_by_its_columns(url: &str) {
        let service = Program::start(url);
        let portfolio = service.portfolio("one").await["id"].clone();
        service.portfolio("two").await;
        assert_eq!(column(&service.get("/portfolios").await, "name"), ["two", "one"]);
        assert_eq!(column(&service.get("/portfolios?name=two&currency=USD").await, "id"), [2]);

        let session = json!({
            "portfolio_id": portfolio, "session_type": "PAPER", "starting_capital": "1", "current_capital": "1",
        });
        let session = service.post("/trading_sessions", session).await;
        assert_eq!((&session["status"], &session["total_trades"]), (&json!("ACTIVE"), &json!(0)));
        assert_eq!(column(&service.get("/trading_sessions?status=ACTIVE").await, "id"), [1]);
        assert_eq!(column(&service.get("/trading_sessions?session_type=LIVE").await, "id"), [0; 0]);

        let position = json!({
            "portfolio_id": portfolio, "symbol": "AAPL", "quantity": "10.5", "average_cost": "150.1", "current_price": "151",
            "position_type": "LONG",
        });
        let position = service.post("/positions", position).await;
        assert_eq!((&position["quantity"], &position["realized_pnl"]), (&json!("10.5"), &json!("0")));
        assert_eq!(service.patch("/positions/1", json!({ "quantity": "9" })).await["quantity"], "9");
        assert_eq!(column(&service.get("/positions?portfolio_id=1&position_type=LONG").await, "quantity"), ["9"]);
        assert_eq!(service.send("DELETE", "/positions/1", &[], &Value::Null).await.status, 204);

        let trade = service.trade(&portfolio, "AAPL", 1).await;
        assert_eq!((&trade["status"], &trade["filled_quantity"]), (&json!("PENDING"), &json!("0")));
        service.patch("/trades/1", json!({ "status": "FILLED", "filled_quantity": "10", "session_id": 1 })).await;
        assert_eq!(column(&service.get("/trades?status=FILLED&session_id=1&action=BUY").await, "id"), [1]);
        let execution = json!({
            "trade_id": 1, "symbol": "AAPL", "quantity": "10", "price": "150.25", "execution_type": "FILL",
        });
        assert_eq!(service.post("/executions", execution).await["commission"], "0");
        assert_eq!(column(&service.get("/executions?trade_id=1&execution_type=FILL").await, "price"), ["150.25"]);
        assert_eq!(service.get("/executions/1").await["symbol"], "AAPL");
    }
}
