use serde_json::{Value, json};
use tallybook_testkit::both_dialects;

use crate::program::{Program, TIME};

const ID: &str = "0190a5c2-0f3e-7b1a-9c4d-2f6e8a7b5c3d";

fn settlement(amount: &str) -> Value {
    json!({
        "id": ID, "trade_id": 1, "amount": amount, "currency": "USD", "settled_at": TIME,
        "details": { "bank": "Ünïon", "legs": [1.5, null, { "fee": 10 }] },
    })
}

both_dialects! {
    async fn an_amount_is_exact_and_details_are_json(url: &str) {
        let service = Program::start(url);
        let portfolio = service.portfolio("one").await;
        let trade = service.trade(&portfolio["id"], "AAPL", 1).await;
        let mut rounded = settlement("123456789012.123456789");
        let refused = service.refused(422, "POST", "/settlements", rounded.take()).await;
        assert_eq!(refused["column"], "amount");
        let settled = settlement("123456789012.12345678");
        assert_eq!(service.post("/settlements", settled.clone()).await, settled);
        assert_eq!(service.get(&format!("/settlements/{ID}")).await, settled);
        assert_eq!(service.get("/settlements?trade_id=1&currency=USD").await, json!({ "rows": [settled], "next": null }));
        assert_eq!(
            service.get(&format!("/settlements/{ID}/trade")).await,
            json!({ "settlement": settled, "of": { "trade": trade, "portfolio": portfolio } })
        );
    }

    async fn a_settlement_that_is_sent_twice_settles_once(url: &str) {
        let service = Program::start(url);
        service.portfolio("one").await;
        service.trade(&json!(1), "AAPL", 1).await;
        service.post("/settlements", settlement("1")).await;
        let again = service.refused(409, "POST", "/settlements", settlement("1")).await;
        assert_eq!(again["error"], "the value is taken");
        assert_eq!(service.get("/settlements").await["rows"].as_array().unwrap().len(), 1);
        let other = "/settlements/0190a5c2-0f3e-7b1a-9c4d-2f6e8a7b5c3e";
        let missing = service.refused(404, "GET", other, Value::Null).await;
        assert_eq!(missing, json!({ "error": "there is no settlement 0190a5c2-0f3e-7b1a-9c4d-2f6e8a7b5c3e" }));
        service.refused(400, "GET", "/settlements/7", Value::Null).await;
    }
}
