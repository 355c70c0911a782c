use serde_json::{Value, json};
use tallybook_testkit::both_dialects;

use crate::program::{Program, TIME, take_later};

fn pension() -> Value {
    json!({
        "id": 1, "name": "Pension", "description": null, "initial_capital": "1000", "current_capital": "1000",
        "currency": "USD", "created_at": TIME, "updated_at": TIME, "metadata_json": null,
    })
}

both_dialects! {
    async fn a_row_is_created_read_changed_and_deleted(url: &str) {
        let service = Program::start(url);
        assert_eq!(service.portfolio("Pension").await, pension());
        assert_eq!(service.get("/portfolios/1").await, pension());

        let mut changed = service.patch("/portfolios/1", json!({ "description": "old age", "currency": "EUR" })).await;
        take_later(&mut changed, "updated_at");
        assert_eq!((&changed["description"], &changed["currency"], &changed["name"]), (
            &json!("old age"), &json!("EUR"), &json!("Pension"),
        ));
        let cleared = service.patch("/portfolios/1", json!({ "description": null })).await;
        assert_eq!((&cleared["description"], &cleared["currency"]), (&Value::Null, &json!("EUR")));

        let deleted = service.send("DELETE", "/portfolios/1", &[], &Value::Null).await;
        assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
        let missing = json!({ "error": "there is no portfolio 1" });
        for (method, body) in [("GET", Value::Null), ("DELETE", Value::Null), ("PATCH", json!({ "name": "x" }))] {
            assert_eq!(service.refused(404, method, "/portfolios/1", body).await, missing, "{method}");
        }
    }

    async fn what_json_leaves_out_has_its_default_and_nothing_unknown_is_taken(url: &str) {
        let service = Program::start(url);
        let mut new = json!({ "name": "a", "initial_capital": "0.1", "current_capital": 0.3, "currency": "USD" });
        let mut created = service.post("/portfolios", new.clone()).await;
        take_later(&mut created, "created_at");
        take_later(&mut created, "updated_at");
        assert_eq!((&created["initial_capital"], &created["current_capital"]), (&json!("0.1"), &json!("0.3")));

        new["naem"] = json!("b");
        let unknown = service.refused(422, "POST", "/portfolios", new.clone()).await;
        assert!(unknown.as_str().unwrap().contains("unknown field `naem`"), "{unknown}");
        let fixed = service.refused(422, "PATCH", "/portfolios/1", json!({ "created_at": TIME })).await;
        assert!(fixed.as_str().unwrap().contains("unknown field `created_at`, expected one of `name`"), "{fixed}");
        let missing = service.refused(422, "POST", "/portfolios", json!({ "name": "c" })).await;
        assert!(missing.as_str().unwrap().contains("missing field `initial_capital`"), "{missing}");
        let filter = service.refused(400, "GET", "/portfolios?curency=USD", Value::Null).await;
        assert!(filter.as_str().unwrap().contains("unknown field `curency`"), "{filter}");
    }

    async fn a_value_that_its_column_cannot_hold_is_refused_by_name(url: &str) {
        let service = Program::start(url);
        service.portfolio("Pension").await;
        let long = service.refused(422, "PATCH", "/portfolios/1", json!({ "currency": "dollars" })).await;
        assert_eq!(long["column"], "currency");
        let digits = json!({ "current_capital": "0.1234567890123456789" });
        let digits = service.refused(422, "PATCH", "/portfolios/1", digits).await;
        assert_eq!(digits["column"], "current_capital");
        assert_eq!(service.get("/portfolios/1").await, pension());
    }

    async fn a_name_that_is_taken_and_a_parent_that_is_missing_are_conflicts(url: &str) {
        let service = Program::start(url);
        service.portfolio("Pension").await;
        let again = json!({ "name": "Pension", "initial_capital": "1", "current_capital": "1", "currency": "USD" });
        let taken = service.refused(409, "POST", "/portfolios", again).await;
        assert_eq!(taken, json!({ "error": "the value is taken", "constraint": "ix_portfolios_name" }));

        let orphan = json!({ "portfolio_id": 9, "session_type": "PAPER", "starting_capital": "1", "current_capital": "1" });
        let orphan = service.refused(409, "POST", "/trading_sessions", orphan).await;
        let error = "it refers to a row that does not exist, or others refer to it";
        assert_eq!(orphan, json!({ "error": error, "constraint": null }));
        service.trade(&json!(1), "AAPL", 1).await;
        let parent = service.refused(409, "DELETE", "/portfolios/1", Value::Null).await;
        assert_eq!(parent, json!({ "error": error, "constraint": null }));
    }

    async fn of_two_clients_that_saw_the_same_row_one_changes_it(url: &str) {
        let service = Program::start(url);
        service.portfolio("Pension").await;
        let path = format!("/portfolios/1?expecting={TIME}");
        service.patch(&path, json!({ "name": "first" })).await;
        let stale = service.refused(409, "PATCH", &path, json!({ "name": "second" })).await;
        assert!(stale["error"].as_str().unwrap().starts_with("portfolio 1 was changed since it was read"), "{stale}");
        assert_eq!(service.get("/portfolios/1").await["name"], "first");
    }

    async fn a_client_reads_what_it_wrote(url: &str) {
        let service = Program::start(url);
        let new = json!({ "name": "a", "initial_capital": "1", "current_capital": "1", "currency": "USD" });
        let written = service.send("POST", "/portfolios", &[], &new).await;
        let token = written.header("commit-token").unwrap();
        let read = service.send("GET", "/portfolios/1", &[("commit-token", token)], &Value::Null).await;
        assert_eq!(read.expect(200)["name"], "a");
        let refused = service.send("GET", "/portfolios/1", &[("commit-token", "yesterday")], &Value::Null).await;
        assert_eq!(refused.expect(400), json!({ "error": "the header commit-token holds no token" }));
    }
}
