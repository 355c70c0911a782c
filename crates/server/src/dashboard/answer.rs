//! The headers of every answer.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::assets;
use crate::request::{Kind, Problem};

const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
             base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// Adds the headers that every answer has.
pub(super) async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Answers with one of the pages.
pub(super) fn page(status: StatusCode, name: &str, fields: &[(&str, &str)]) -> Response {
    match assets::page(name, fields) {
        Some(text) => {
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            (status, [(CONTENT_TYPE, html)], text).into_response()
        }
        None => Problem::new(Kind::INTERNAL, "a page of the dashboard is missing").into_response(),
    }
}

/// Answers with one of the assets. Its path names its content, so it never changes.
pub(super) fn asset(hash: &str, name: &str) -> Response {
    let found = if hash == assets::hash() { assets::asset(name) } else { None };
    match found {
        Some(asset) => {
            let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
            let media_type = HeaderValue::from_static(asset.media_type);
            ([(CONTENT_TYPE, media_type), (CACHE_CONTROL, forever)], asset.bytes.into_owned()).into_response()
        }
        None => Problem::new(Kind::NO_PATH, "reload the page; it is of another version").into_response(),
    }
}
