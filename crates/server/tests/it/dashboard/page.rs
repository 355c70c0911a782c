//! The page, its assets and its headers.

use axum::Router;
use axum::http::Method;
use tallybook_server::dashboard;

use crate::support::{Answer, PREPARED, Service};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The path of an asset that the page names.
fn asset_of(page: &Answer) -> String {
    let text = page.text();
    let start = text.find("assets/").expect("the page names an asset");
    text[start..].split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn every_answer_has_a_strict_policy_and_only_assets_are_cached() {
    let file = PREPARED.on_sqlite("headers").await;
    let service = Service::open(&file.url()).await;
    let page = service.get("/").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
    let asset = format!("/{}", asset_of(&page));
    let paths =
        ["/", &asset, "/live/statements/none", "/live/advice", "/live/revisions", "/assets/0/none.js"];
    for path in paths {
        let answer = service.get(path).await;
        assert_eq!(answer.header("content-security-policy"), POLICY, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        let cached = if path == asset { "public, max-age=31536000, immutable" } else { "no-store" };
        assert_eq!(answer.header("cache-control"), cached, "{path}");
    }
}

#[tokio::test]
async fn an_asset_is_found_only_under_the_hash_of_the_content() {
    let file = PREPARED.on_sqlite("assets").await;
    let service = Service::open(&file.url()).await;
    let asset = asset_of(&service.get("/").await);
    let (_, name) = asset.trim_start_matches("assets/").split_once('/').unwrap();
    assert_eq!(service.get(&format!("/{asset}")).await.status.as_u16(), 200);
    service.get(&format!("/assets/0123456789abcdef/{name}")).await.problem(404, "no-such-path");
    service.get(&format!("/{asset}/../../routes.rs")).await.problem(404, "no-such-path");
}

#[tokio::test]
async fn the_page_has_no_script_or_style_of_its_own_and_names_no_other_place() {
    let file = PREPARED.on_sqlite("inline").await;
    let service = Service::open(&file.url()).await;
    let text = service.get("/").await.text();
    for inline in ["<script>", "<style", " style=", " onclick=", " onload=", "javascript:", "{{", "//"] {
        assert!(!text.contains(inline), "{inline}: {text}");
    }
}

#[tokio::test]
async fn the_page_works_below_any_path() {
    let file = PREPARED.on_sqlite("prefix").await;
    let Service { db, .. } = Service::open(&file.url()).await;
    let routes = Router::new().nest("/ops/", dashboard(&db)).nest_service("/other", dashboard(&db));
    let service = Service { db, routes };
    let page = service.get("/ops/").await;
    assert_eq!(service.get(&format!("/ops/{}", asset_of(&page))).await.status.as_u16(), 200);
    service.get("/ops/live/revisions").await.expect(200);
    let moved = service.get("/other").await;
    assert_eq!((moved.status.as_u16(), moved.header("location")), (308, "other/"));
    assert_eq!(service.get("/other/").await.status.as_u16(), 200);
}

#[tokio::test]
async fn the_dashboard_changes_nothing_of_the_api() {
    let file = PREPARED.on_sqlite("beside").await;
    let service = Service::open(&file.url()).await;
    service.get("/no/such/path").await.problem(404, "no-such-path");
    service.get("/v1/portfolios").await.expect(200);
    assert_eq!(service.ask(Method::POST, "/").await.status.as_u16(), 405);
}
