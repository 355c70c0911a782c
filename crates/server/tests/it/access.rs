//! Tokens, scopes, rates and names.

use axum::http::Method;
use serde_json::json;
use tallybook_server::{Scope, ServiceSettings, TokenError, create_token, list_tokens, revoke_token};
use tallybook_testkit::both_dialects;

use crate::support::{PREPARED, Service};

async fn guarded(url: &str) -> Service {
    Service::with(url, ServiceSettings { needs_token: true, ..ServiceSettings::default() }).await
}

async fn token(service: &Service, name: &str, scope: Scope) -> String {
    format!("Bearer {}", create_token(&service.db, name, scope, None).await.unwrap().1.reveal())
}

both_dialects! { of PREPARED:
    async fn without_a_token_nothing_is_shown_but_health_and_the_document(url: &str) {
        let service = guarded(url).await;
        let refused = service.get("/v1/portfolios").await;
        refused.problem(401, "not-authenticated");
        assert_eq!(refused.header("www-authenticate"), "Bearer");
        service.get("/metrics").await.problem(401, "not-authenticated");
        service.get("/healthz").await.expect(200);
        service.get("/readyz").await.expect(200);
        service.get("/openapi.json").await.expect(200);
    }

    async fn a_token_permits_what_its_scope_includes(url: &str) {
        let service = guarded(url).await;
        let body = json!({ "name": "a", "initial_capital": "1", "currency": "USD" });
        let read = token(&service, "reader", Scope::Read).await;
        let write = token(&service, "writer", Scope::Write).await;
        let admin = token(&service, "admin", Scope::Admin).await;
        let create = |token: &str| service.post("/v1/portfolios", &body).header("authorization", token);
        let delete = |token: &str| service.ask(Method::DELETE, "/v1/portfolios/1").header("authorization", token);
        service.get("/v1/portfolios").header("authorization", &read).await.expect(200);
        create(&read).await.problem(403, "not-allowed");
        create(&write).await.expect(201);
        delete(&write).await.problem(403, "not-allowed");
        delete(&admin).await.expect(204);
        assert_eq!(service.get("/metrics").header("authorization", &admin).await.status.as_u16(), 200);
        let writes = tallybook_server::newest_writes(&service.db, 10).await.unwrap();
        let clients: Vec<_> = writes.iter().map(|entry| &*entry.client).collect();
        assert_eq!(clients, ["admin", "writer"]);
    }

    async fn tokens_that_are_wrong_in_any_place_are_refused(url: &str) {
        let service = guarded(url).await;
        let right = token(&service, "reader", Scope::Read).await;
        let last = if right.ends_with('0') { "1" } else { "0" };
        let other_secret = format!("{}{last}", &right[..right.len() - 1]);
        let other_id = right.replacen("_1_", "_2_", 1);
        for wrong in [&*other_secret, &*other_id, "Bearer", "Bearer tbk_1_00", "Basic dGJr", &right[7..]] {
            let asked = service.get("/v1/portfolios").header("authorization", wrong);
            asked.await.problem(401, "not-authenticated");
        }
    }

    async fn a_revoked_token_is_refused_by_a_service_that_has_not_seen_it(url: &str) {
        let service = guarded(url).await;
        let text = token(&service, "reader", Scope::Read).await;
        revoke_token(&service.db, "reader").await.unwrap();
        let asked = service.get("/v1/portfolios").header("authorization", &text);
        asked.await.problem(401, "not-authenticated");
        let tokens = list_tokens(&service.db).await.unwrap();
        assert_eq!((&*tokens[0].name, tokens[0].revoked_at.is_some()), ("reader", true));
        let taken = create_token(&service.db, "reader", Scope::Read, None).await.unwrap_err();
        assert!(matches!(taken, TokenError::Taken(name) if name == "reader"));
    }

    async fn a_token_sends_no_more_requests_a_second_than_it_may(url: &str) {
        let service = guarded(url).await;
        let (_, text) = create_token(&service.db, "slow", Scope::Read, Some(1)).await.unwrap();
        let ask = async || {
            service.get("/v1/portfolios").header("authorization", &format!("Bearer {}", text.reveal())).await
        };
        // At most one of a burst, however long each takes, if the burst takes less than a second for one more.
        let statuses: Vec<_> = futures_util::future::join_all((0..20).map(|_| ask())).await;
        let refused: Vec<_> = statuses.iter().filter(|answer| answer.status.as_u16() == 429).collect();
        assert!(!refused.is_empty());
        refused[0].problem(429, "too-many-requests");
        assert_ne!(refused[0].header("retry-after"), "");
    }

    async fn the_database_keeps_no_secret(url: &str) {
        let service = guarded(url).await;
        let (token, text) = create_token(&service.db, "reader", Scope::Read, None).await.unwrap();
        let secret = text.reveal();
        let secret = secret.rsplit('_').next().unwrap();
        assert!(!token.hash.contains(secret));
        assert!(!format!("{text:?}").contains(secret));
    }

    async fn a_browser_that_was_lured_by_another_name_is_refused(url: &str) {
        let settings = ServiceSettings { hosts: vec!["localhost".to_owned()], ..ServiceSettings::default() };
        let service = Service::with(url, settings).await;
        service.get("/v1/portfolios").header("host", "localhost:8080").await.expect(200);
        service.get("/v1/portfolios").header("host", "LOCALHOST").await.expect(200);
        service.get("/v1/portfolios").header("host", "evil.example").await.problem(421, "wrong-host");
        service.get("/v1/portfolios").await.problem(421, "wrong-host");
    }

    async fn a_page_of_another_origin_may_call_only_if_it_is_configured(url: &str) {
        let origin = "https://desk.example";
        let closed = Service::open(url).await;
        let answer = closed.get("/v1/portfolios").header("origin", origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), "");
        let settings = ServiceSettings { origins: vec![origin.to_owned()], ..ServiceSettings::default() };
        let open = Service::with(url, settings).await;
        let answer = open.get("/v1/portfolios").header("origin", origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        let other = open.get("/v1/portfolios").header("origin", "https://evil.example").await;
        assert_eq!(other.header("access-control-allow-origin"), "");
    }
}
