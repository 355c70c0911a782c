use std::time::Duration;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use tallybook::book::Portfolios;
use tallybook::{Database, Settings, one, params};
use tallybook_testkit::{both_dialects, postgres};

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

/// Waits until a connection of this database waits for a lock.
async fn somebody_waits(db: &Database) {
    let waiting = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
    while !db.read().await.unwrap().run(one::<(bool,)>(waiting, params![])).await.unwrap().0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_that_another_transaction_got_ahead_of_runs_again() {
    let database = postgres().await.database("transfer_again").await;
    let service = Program::start(database.url());
    for name in ["one", "two"] {
        service.portfolio(name).await;
    }
    let db = Database::open(Settings::new(database.url()).unwrap()).await.unwrap();
    let mut ahead = db.begin().await.unwrap();
    Portfolios::new(&mut ahead).add_current_capital(1.into(), 7).await.unwrap();
    let body = json!({ "from": 2, "to": 1, "amount": "1000" });
    let transfer = service.send("POST", "/transfers", &[], &body);
    let commit = async {
        somebody_waits(&db).await;
        ahead.commit().await.unwrap();
    };
    let (moved, ()) = join(transfer, commit).await;
    assert_eq!(moved.expect(200)["to"]["current_capital"], "2007");
    assert_eq!(capital(&service, 2).await, "0");
    let metrics = service.send("GET", "/metrics", &[], &Value::Null).await;
    assert!(metrics.body.contains("40001"), "{}", metrics.body);
}
