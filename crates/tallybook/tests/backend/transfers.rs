use futures_util::future::join_all;
use serde_json::{Value, json};
use tallybook_testkit::both_dialects;

use crate::program::Program;

async fn capital(service: &Program, portfolio: i64) -> Value {
    service.get(&format!("/portfolios/{portfolio}")).await["current_capital"].clone()
}

both_dialects! {
    async fn transfers_at_once_move_each_amount_exactly_once(url: &str) {
        let service = Program::start(url);
        for name in ["one", "two"] {
            service.portfolio(name).await;
        }
        let transfer = async |from: i64, to: i64, amount: &str| {
            for _ in 0..4 {
                let body = json!({ "from": from, "to": to, "amount": amount });
                let moved = service.send("POST", "/transfers", &[], &body).await.expect(200);
                assert_eq!((&moved["from"]["id"], &moved["to"]["id"]), (&json!(from), &json!(to)));
            }
        };
        join_all([transfer(1, 2, "10.1"), transfer(2, 1, "0.3"), transfer(1, 2, "0.7"), transfer(2, 1, "5")]).await;
        // 4 × (10.1 - 0.3 + 0.7 - 5) = 22
        assert_eq!(capital(&service, 1).await, "978");
        assert_eq!(capital(&service, 2).await, "1022");
        let logs = service.get("/audit_logs?action=transfer&limit=200").await;
        assert_eq!(logs["rows"].as_array().unwrap().len(), 32);
    }

    async fn a_transfer_that_is_not_possible_changes_nothing(url: &str) {
        let service = Program::start(url);
        service.portfolio("one").await;
        service.portfolio("two").await;
        service.patch("/portfolios/2", json!({ "currency": "EUR" })).await;
        let positive = "a transfer moves a positive amount between two portfolios";
        for (status, to, amount, error) in [
            (422, 1, "1", positive),
            (422, 2, "-1", positive),
            (422, 2, "1000.01", "one has less than 1000.01"),
            (422, 2, "1", "the portfolios have different currencies"),
            (404, 3, "1", "there is no portfolio 3"),
        ] {
            let body = json!({ "from": 1, "to": to, "amount": amount });
            assert_eq!(service.refused(status, "POST", "/transfers", body).await, json!({ "error": error }));
        }
        assert_eq!((capital(&service, 1).await, capital(&service, 2).await), (json!("1000"), json!("1000")));
        assert_eq!(service.get("/audit_logs?action=transfer").await["rows"], json!([]));
    }
}
