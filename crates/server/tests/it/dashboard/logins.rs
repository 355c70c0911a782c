//! Logging in to the dashboard of a service that asks for tokens.

use axum::http::{Method, Request, StatusCode};
use tallybook_server::{Scope, ServiceSettings, create_token, revoke_token};
use tallybook_testkit::both_dialects;

use super::Viewer;
use crate::support::{Answer, PREPARED, Service};

async fn guarded(url: &str) -> Service {
    Service::with(url, ServiceSettings { needs_token: true, ..ServiceSettings::default() }).await
}

/// Sends the form with a token.
async fn log_in(service: &Service, token: &str) -> Answer {
    let form =
        service.ask(Method::POST, "/login").header("content-type", "application/x-www-form-urlencoded");
    form.bytes(format!("token={token}")).await
}

/// Logs in with a new token, and returns the cookie.
async fn cookie(service: &Service) -> String {
    let (_, token) = create_token(&service.db, "ops", Scope::Admin, None).await.unwrap();
    let answer = log_in(service, &token.reveal()).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "./"), "{}", answer.text());
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

both_dialects! { of PREPARED:
    async fn without_a_log_in_there_is_a_form_and_no_figure(url: &str) {
        let service = guarded(url).await;
        let form = service.get("/").await;
        assert_eq!(form.status.as_u16(), 401);
        assert!(form.text().contains("action=\"login\"") && form.text().contains("name=\"token\""), "{}", form.text());
        for path in ["/live/events", "/live/statements/0", "/live/doctor", "/live/revisions", "/live/advice"] {
            service.get(path).await.problem(401, "not-authenticated");
        }
    }

    async fn a_log_in_shows_the_dashboard_and_opens_nothing_of_the_api(url: &str) {
        let service = guarded(url).await;
        let cookie = cookie(&service).await;
        assert_eq!(service.get("/").header("cookie", &cookie).await.status.as_u16(), 200);
        service.get("/live/revisions").header("cookie", &cookie).await.expect(200);
        service.get("/v1/portfolios").header("cookie", &cookie).await.problem(401, "not-authenticated");
        let body = serde_json::json!({ "name": "a", "initial_capital": "1", "currency": "USD" });
        service.post("/v1/portfolios", &body).header("cookie", &cookie).await.problem(401, "not-authenticated");
    }

    async fn only_who_has_logged_in_is_told_that_a_log_in_can_be_ended(url: &str) {
        let service = guarded(url).await;
        let cookie = cookie(&service).await;
        let stream = || Request::get("/live/events");
        let mut by_cookie = Viewer::with(&service.routes, stream().header("cookie", cookie)).await.unwrap();
        assert_eq!(by_cookie.next().await.unwrap().0, "session");
        let (_, token) = create_token(&service.db, "script", Scope::Admin, None).await.unwrap();
        let header = format!("Bearer {}", token.reveal());
        let mut by_token = Viewer::with(&service.routes, stream().header("authorization", header)).await.unwrap();
        assert_eq!(by_token.next().await.unwrap().0, "hello");
    }

    async fn a_token_logs_in_only_if_it_is_valid_and_of_scope_admin(url: &str) {
        let service = guarded(url).await;
        let wrong = log_in(&service, &format!("tbk_9_{}", "0".repeat(64))).await;
        assert_eq!((wrong.status.as_u16(), wrong.header("set-cookie")), (401, ""));
        assert!(wrong.text().contains("The token is not valid, or it was revoked."));
        let (_, reader) = create_token(&service.db, "reader", Scope::Read, None).await.unwrap();
        let refused = log_in(&service, &reader.reveal()).await;
        assert_eq!((refused.status.as_u16(), refused.header("set-cookie")), (403, ""));
        assert_eq!(log_in(&service, "").await.status.as_u16(), 401);
        let asked = service.get("/").header("authorization", &format!("Bearer {}", reader.reveal()));
        asked.await.problem(403, "not-allowed");
    }

    async fn who_logs_out_is_out(url: &str) {
        let service = guarded(url).await;
        let cookie = cookie(&service).await;
        let answer = service.ask(Method::POST, "/logout").header("cookie", &cookie).await;
        assert_eq!(answer.status.as_u16(), 303);
        assert!(answer.header("set-cookie").starts_with("tallybook_dashboard=; Path=/; Max-Age=0"));
        assert_eq!(service.get("/").header("cookie", &cookie).await.status.as_u16(), 401);
    }

    async fn a_revoked_token_ends_its_log_ins_and_their_streams(url: &str) {
        let service = guarded(url).await;
        let cookie = cookie(&service).await;
        let asked = Request::get("/live/events").header("cookie", &cookie);
        let mut viewer = Viewer::with(&service.routes, asked).await.unwrap();
        viewer.event("hello").await;
        revoke_token(&service.db, "ops").await.unwrap();
        // Within the five seconds for which a token is believed.
        while viewer.next().await.is_some() {}
        assert_eq!(service.get("/").header("cookie", &cookie).await.status.as_u16(), 401);
    }

    async fn a_page_of_another_site_gets_no_figure_and_no_log_in(url: &str) {
        let service = Service::open(url).await;
        let asked = Request::get("/live/events").header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "cors");
        assert_eq!(Viewer::with(&service.routes, asked).await.err(), Some(StatusCode::FORBIDDEN));
        let link = service.get("/").header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "navigate");
        assert_eq!(link.await.status.as_u16(), 200);
        let posted = service.ask(Method::POST, "/logout").header("sec-fetch-site", "cross-site");
        posted.await.problem(403, "not-allowed");
    }
}

#[tokio::test]
async fn a_cookie_of_a_service_with_tls_is_never_sent_in_the_clear() {
    let file = PREPARED.on_sqlite("secure").await;
    let settings = ServiceSettings { needs_token: true, has_tls: true, ..ServiceSettings::default() };
    let service = Service::with(&file.url(), settings).await;
    let (_, token) = create_token(&service.db, "ops", Scope::Admin, None).await.unwrap();
    let answer = log_in(&service, &token.reveal()).await;
    assert!(answer.header("set-cookie").ends_with("HttpOnly; SameSite=Strict; Secure"), "{answer:?}");
}
