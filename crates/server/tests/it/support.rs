//! A service over a database of a test, asked through its router as a server would ask it.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use tallybook::{Database, Settings};
use tallybook_server::{ServiceSettings, router};
use tallybook_testkit::Original;
use tower::ServiceExt;

/// A database with the tables of the book and of the service.
pub(crate) static PREPARED: Original = Original::new("service", |url| Box::pin(prepare(url)));

/// Creates the tables.
pub(crate) async fn prepare(url: String) {
    let db = Database::open(Settings::new(&url).unwrap()).await.unwrap();
    tallybook::book::upgrade(&db).await.unwrap();
    tallybook_server::upgrade(&db).await.unwrap();
    db.close().await;
}

/// A service over a book.
pub(crate) struct Service {
    pub(crate) db: Database,
    pub(crate) routes: Router,
}

/// An answer of the service.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// A request that is put together.
#[must_use]
pub(crate) struct Asked<'s> {
    service: &'s Service,
    request: axum::http::request::Builder,
    body: Body,
}

static KEYS: AtomicU64 = AtomicU64::new(0);

/// Returns an idempotency key that no other request has.
pub(crate) fn new_key() -> String {
    format!("key-{}", KEYS.fetch_add(1, Ordering::Relaxed))
}

impl Service {
    /// Opens a service over a prepared database, with the usual settings.
    pub(crate) async fn open(url: &str) -> Self {
        Self::with(url, ServiceSettings::default()).await
    }

    pub(crate) async fn with(url: &str, settings: ServiceSettings) -> Self {
        let db = Database::open(Settings::new(url).unwrap()).await.unwrap();
        let routes = router(&db, settings);
        Self { db, routes }
    }

    pub(crate) fn ask(&self, method: Method, path: &str) -> Asked<'_> {
        let request = Request::builder().method(method).uri(path);
        Asked { service: self, request, body: Body::empty() }
    }

    pub(crate) fn get(&self, path: &str) -> Asked<'_> {
        self.ask(Method::GET, path)
    }

    /// Posts JSON with a key of its own.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Asked<'_> {
        self.ask(Method::POST, path).header("idempotency-key", &new_key()).json(body)
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Asked<'_> {
        self.ask(Method::PATCH, path).json(body)
    }

    /// Creates a portfolio of 100,000 USD and returns its identifier.
    pub(crate) async fn portfolio(&self, name: &str) -> i64 {
        let body = json!({ "name": name, "initial_capital": "100000", "currency": "USD" });
        self.post("/v1/portfolios", &body).await.id()
    }

    /// Creates an order to buy 10 units and returns its identifier.
    pub(crate) async fn trade(&self, portfolio: i64) -> i64 {
        self.post("/v1/trades", &order(portfolio)).await.id()
    }

    /// Records a fill of a trade.
    pub(crate) async fn fill(&self, trade: i64, execution_id: &str, quantity: &str, price: &str) -> Answer {
        let body = json!({ "execution_id": execution_id, "quantity": quantity, "price": price });
        self.ask(Method::POST, &format!("/v1/trades/{trade}/executions")).json(&body).await
    }
}

/// A market order to buy 10 units.
pub(crate) fn order(portfolio: i64) -> Value {
    json!({
        "portfolio_id": portfolio, "symbol": "AAPL", "action": "BUY", "quantity": "10", "order_type": "MARKET",
    })
}

impl Asked<'_> {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        let body = Body::from(body.to_string());
        Self { body, ..self.header("content-type", "application/json") }
    }

    pub(crate) fn bytes(self, body: impl Into<Body>) -> Self {
        Self { body: body.into(), ..self }
    }
}

impl<'s> IntoFuture for Asked<'s> {
    type Output = Answer;
    type IntoFuture = std::pin::Pin<Box<dyn Future<Output = Answer> + Send + 's>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let request = self.request.body(self.body).unwrap();
            let response = self.service.routes.clone().oneshot(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
            Answer { status: parts.status, headers: parts.headers, body }
        })
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Asserts the status and returns the body.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// Asserts a problem of this kind and returns it.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, kind: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(problem["type"], format!("urn:tallybook:problem:{kind}"));
        assert_eq!(problem["status"], status);
        problem
    }

    #[track_caller]
    pub(crate) fn id(&self) -> i64 {
        assert!(self.status.is_success(), "{}", self.text());
        self.json()["id"].as_i64().unwrap()
    }

    /// Returns the text of a header; empty if it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
