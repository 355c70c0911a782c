//! The dashboard, asked as a browser would ask it.

mod figures;
mod logins;
mod page;
mod viewers;
mod watched;

use std::pin::Pin;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures_util::{Stream, StreamExt};
use serde_json::Value;
use tower::ServiceExt;

/// A stream of events that somebody looks at.
struct Viewer {
    chunks: Pin<Box<dyn Stream<Item = String> + Send>>,
    /// Text that was received and not read yet.
    text: String,
}

impl Viewer {
    /// Opens the stream of a dashboard.
    async fn open(routes: &Router) -> Self {
        Self::with(routes, Request::get("/live/events")).await.unwrap()
    }

    /// Opens the stream with a request. The status, if it is refused.
    async fn with(routes: &Router, request: axum::http::request::Builder) -> Result<Self, StatusCode> {
        let response = routes.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        if response.status() != StatusCode::OK {
            return Err(response.status());
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let chunks = response.into_body().into_data_stream();
        let chunks = chunks.map(|chunk| String::from_utf8(chunk.unwrap().to_vec()).unwrap());
        Ok(Self { chunks: Box::pin(chunks), text: String::new() })
    }

    /// Waits for the next event, and returns its name and data. `None` at the end of the stream.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            let Some((event, rest)) = self.text.split_once("\n\n") else {
                self.text += &self.chunks.next().await?;
                continue;
            };
            let (event, rest) = (event.to_owned(), rest.to_owned());
            self.text = rest;
            if let Some((name, data)) = event.split_once('\n') {
                let name = name.strip_prefix("event: ").unwrap().to_owned();
                let data = data.strip_prefix("data: ").unwrap();
                return Some((name, serde_json::from_str(data).unwrap()));
            }
        }
    }

    /// Waits for the next event of a name.
    async fn event(&mut self, wanted: &str) -> Value {
        loop {
            let (name, data) = self.next().await.expect("the stream goes on");
            if name == wanted {
                return data;
            }
        }
    }

    /// Waits for a tick that shows what is wanted, and returns that.
    async fn tick<T>(&mut self, wanted: impl Fn(&Value) -> Option<T>) -> T {
        loop {
            if let Some(shown) = wanted(&self.event("tick").await) {
                return shown;
            }
        }
    }
}

/// Returns the statement of a tick whose text has a part.
fn statement(tick: &Value, part: &str) -> Option<Value> {
    let statements = tick["statements"].as_array().unwrap().iter();
    statements.clone().find(|statement| statement["text"].as_str().unwrap().contains(part)).cloned()
}

/// Returns the level and the text of a verdict.
fn verdict(tick: &Value, name: &str) -> (String, String) {
    let verdicts = tick["verdicts"].as_array().unwrap();
    let verdict = verdicts.iter().find(|verdict| verdict["name"] == name).unwrap();
    let text = |field: &str| verdict[field].as_str().unwrap().to_owned();
    (text("level"), text("text"))
}
