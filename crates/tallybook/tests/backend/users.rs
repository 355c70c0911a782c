use serde_json::{Value, json};
use tallybook_testkit::both_dialects;

use crate::program::{Program, TIME};

async fn ada(service: &Program) -> Value {
    service
        .post(
            "/users",
            json!({
                "username": "ada", "email": "ada@example.org", "hashed_password": "$argon2id$secret", "role": "trader",
                "is_active": true, "created_at": TIME, "updated_at": TIME,
            }),
        )
        .await
}

both_dialects! {
    async fn a_user_is_shown_without_the_hash_and_a_key_without_itself(url: &str) {
        let service = Program::start(url);
        let user = json!({
            "id": 1, "username": "ada", "email": "ada@example.org", "full_name": null, "role": "trader", "is_active": true,
            "is_superuser": false, "created_at": TIME, "updated_at": TIME, "last_login_at": null,
        });
        assert_eq!(ada(&service).await, user);
        assert_eq!(service.get("/users/1").await, user);
        assert_eq!(service.get("/users?role=trader&is_active=true").await["rows"], json!([user]));
        assert_eq!(service.get("/users?role=admin").await["rows"], json!([]));

        let new = json!({ "key": "k-7f3a", "name": "laptop", "user_id": 1, "is_active": true, "created_at": TIME });
        let key = json!({
            "id": 1, "name": "laptop", "user_id": 1, "is_active": true, "created_at": TIME, "expires_at": null,
            "last_used_at": null,
        });
        assert_eq!(service.post("/api_keys", new.clone()).await, key);
        assert_eq!(service.get("/api_keys/1").await, key);
        let taken = service.refused(409, "POST", "/api_keys", new).await;
        assert_eq!(taken["constraint"], "ix_api_keys_key");
        let role = service.refused(422, "PATCH", "/users/1", json!({ "role": "owner" })).await;
        assert!(role.as_str().unwrap().contains("role: "), "{role}");
        assert_eq!(service.patch("/users/1", json!({ "role": "admin", "hashed_password": "x" })).await["role"], "admin");
        let logs = service.get("/audit_logs?limit=200").await.to_string();
        assert!(!logs.contains("argon2id") && !logs.contains("k-7f3a"), "{logs}");
    }

    async fn the_access_of_a_user_is_the_keys_that_work_and_the_portfolios(url: &str) {
        let service = Program::start(url);
        let user = ada(&service).await;
        let portfolios = [service.portfolio("a").await, service.portfolio("b").await];
        service.portfolio("c").await;
        let mut keys = Vec::new();
        for name in ["one", "two"] {
            keys.push(service.post("/api_keys", json!({ "key": name, "name": name, "user_id": 1, "is_active": true })).await);
        }
        for portfolio in [1, 2] {
            let link = json!({ "user_id": 1, "portfolio_id": portfolio, "may_trade": false, "since": TIME });
            service.put("/portfolio_managers", link).await;
        }
        let again = json!({ "user_id": 1, "portfolio_id": 1, "may_trade": true });
        let again = service.put("/portfolio_managers", again).await;
        assert_eq!(again, json!({ "id": 1, "user_id": 1, "portfolio_id": 1, "may_trade": true, "since": TIME }));
        assert_eq!(service.get("/portfolio_managers?user_id=1").await["rows"].as_array().unwrap().len(), 2);

        let access = json!({ "user": user, "api_keys": [keys[1], keys[0]], "portfolios": [portfolios[1], portfolios[0]] });
        assert_eq!(service.get("/users/1/access").await, access);
        let revoked = service.send("POST", "/api_keys/2/revoke", &[], &Value::Null).await.expect(200);
        assert_eq!(revoked["is_active"], false);
        assert_eq!(service.send("DELETE", "/portfolio_managers/2", &[], &Value::Null).await.status, 204);
        let access = json!({ "user": user, "api_keys": [keys[0]], "portfolios": [portfolios[0]] });
        assert_eq!(service.get("/users/1/access").await, access);
    }

    async fn every_change_is_logged_in_its_transaction(url: &str) {
        let service = Program::start(url);
        ada(&service).await;
        let by_ada = [("x-user-id", "1"), ("x-forwarded-for", "192.0.2.7"), ("user-agent", "curl/8")];
        let new = json!({ "name": "a", "initial_capital": "1", "current_capital": "1", "currency": "USD" });
        let portfolio = service.send("POST", "/portfolios", &by_ada, &new).await.expect(201);
        let logs = service.get("/audit_logs?user_id=1&resource_type=portfolios&resource_id=1").await;
        let mut log = logs["rows"][0].clone();
        let details: Value = serde_json::from_str(log["details"].as_str().unwrap()).unwrap();
        assert_eq!(details, portfolio);
        for column in ["details", "created_at"] {
            log.as_object_mut().unwrap().remove(column);
        }
        assert_eq!(log, json!({
            "id": 2, "user_id": 1, "action": "create", "resource_type": "portfolios", "resource_id": "1",
            "ip_address": "192.0.2.7", "user_agent": "curl/8", "status": "ok",
        }));

        // Neither a change that fails is logged, nor is a change kept whose log fails.
        service.send("POST", "/portfolios", &by_ada, &new).await.expect(409);
        let other = json!({ "name": "b", "initial_capital": "1", "current_capital": "1", "currency": "USD" });
        service.send("POST", "/portfolios", &[("x-user-id", "99")], &other).await.expect(409);
        let nobody = service.send("POST", "/portfolios", &[("x-user-id", "ada")], &other).await;
        assert_eq!(nobody.expect(400), json!({ "error": "the header x-user-id holds no identifier" }));
        assert_eq!(service.get("/portfolios").await["rows"], json!([portfolio]));
        assert_eq!(service.get("/audit_logs").await["rows"].as_array().unwrap().len(), 2);
        service.send("DELETE", "/users/1", &[], &Value::Null).await.expect(409);
        service.send("DELETE", "/portfolios/1", &by_ada, &Value::Null).await.expect(204);
        let deleted = service.get("/audit_logs?action=delete").await;
        assert_eq!(deleted["rows"][0]["details"], Value::Null);
        let path = format!("/audit_logs/{}", deleted["rows"][0]["id"]);
        assert_eq!(service.get(&path).await, deleted["rows"][0]);
    }
}
