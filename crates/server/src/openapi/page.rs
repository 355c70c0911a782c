//! `/openapi.json` and `/docs`: the document, and a page to read and try it, without a request to anywhere else.

use std::sync::OnceLock;

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use serde_json::json;

use crate::app::App;
use crate::endpoint::{Endpoint, Success};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static DOCUMENT: OnceLock<String> = OnceLock::new();

/// Returns the document of the service, as JSON text with line breaks.
pub fn openapi() -> &'static str {
    DOCUMENT.get_or_init(|| {
        let mut text =
            serde_json::to_string_pretty(&super::document(&crate::endpoints())).unwrap_or_default();
        text.push('\n');
        text
    })
}

/// Returns the endpoints of the document and of its page.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        open(
            "/openapi.json",
            "getDocument",
            "Returns this document",
            "application/json",
            get(async || asset("application/json", openapi())),
        ),
        open(
            "/docs",
            "getDocs",
            "Shows this document",
            "text/html",
            get(async || asset("text/html; charset=utf-8", include_str!("assets/docs.html"))),
        ),
        open(
            "/docs/docs.js",
            "getDocsScript",
            "The script of the page",
            "text/javascript",
            get(async || asset("text/javascript; charset=utf-8", include_str!("assets/docs.js"))),
        ),
        open(
            "/docs/docs.css",
            "getDocsStyle",
            "The style of the page",
            "text/css",
            get(async || asset("text/css; charset=utf-8", include_str!("assets/docs.css"))),
        ),
    ]
}

/// Returns an endpoint that everybody may see and that asks nothing of the database.
pub(crate) fn open(
    path: &str,
    name: &str,
    summary: &str,
    media_type: &'static str,
    handler: MethodRouter<App>,
) -> Endpoint {
    Endpoint {
        method: Method::GET,
        path: path.to_owned(),
        tag: "service",
        name: name.to_owned(),
        summary: summary.to_owned(),
        docs: String::new(),
        scope: None,
        most: (0, 0),
        streams: false,
        parameters: Vec::new(),
        body: None,
        answers: vec![Success {
            status: StatusCode::OK,
            docs: "The text",
            body: Some((media_type, json!({}))),
            headers: &[],
        }],
        problems: Vec::new(),
        handler,
    }
}

fn asset(content_type: &'static str, text: &'static str) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}
