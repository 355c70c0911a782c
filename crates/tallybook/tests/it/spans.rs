//! Spans of statements by OpenTelemetry's conventions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tallybook::{Dialect, all, one, params};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

use crate::support::{create_notes, open, try_read};

/// The latest fields of a span.
type Fields = BTreeMap<&'static str, String>;

/// Captures the spans of statements.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Fields>>>);

/// The storage of captured spans.
struct Place(usize);

struct Into<'a>(&'a mut Fields);

impl Visit for Into<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().target() == "tallybook::span" {
            let mut spans = self.0.lock().unwrap();
            let mut fields = Fields::new();
            attributes.record(&mut Into(&mut fields));
            context.span(id).unwrap().extensions_mut().insert(Place(spans.len()));
            spans.push(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        if let Some(&Place(place)) = span.extensions().get() {
            values.record(&mut Into(&mut self.0.lock().unwrap()[place]));
        }
    }
}

impl Spans {
    /// Captures the spans of this thread.
    fn keep() -> (Self, tracing::subscriber::DefaultGuard) {
        let spans = Self::default();
        let guard = tracing::subscriber::set_default(Registry::default().with(spans.clone()));
        (spans, guard)
    }

    /// Returns the latest span.
    fn last(&self) -> Fields {
        self.0.lock().unwrap().last().unwrap().clone()
    }
}

/// Asserts the exact fields of a span.
fn assert_says(span: &Fields, expected: &[(&'static str, &str)]) {
    let expected: Fields = expected.iter().map(|&(name, value)| (name, value.to_owned())).collect();
    assert_eq!(*span, expected);
}

/// Runs on a single-threaded runtime, whose spans are captured.
async fn spans_say_what_ran(url: &str, namespace: &str, server: &[(&'static str, &str)]) {
    let (spans, _guard) = Spans::keep();
    let db = open(url).await;
    create_notes(&db).await;
    let system = if db.dialect() == Dialect::Sqlite { "sqlite" } else { "postgresql" };
    let place = [("otel.kind", "client"), ("db.system.name", system), ("db.namespace", namespace)];
    let common = [&place, server, &[("code.file.path", file!())]].concat();

    let mut session = db.read().await.unwrap();
    let line = (line!() + 1).to_string();
    session.run(all::<(i64,)>("SELECT id FROM notes WHERE title = $1", params!["Secret"])).await.unwrap();
    let single = [
        ("otel.name", "SELECT notes"),
        ("db.query.summary", "SELECT notes"),
        ("db.operation.name", "SELECT"),
        ("db.collection.name", "notes"),
        ("db.query.text", "select id from notes where title = ?"),
        ("code.line.number", &line),
    ];
    assert_says(&spans.last(), &[&common[..], &single].concat());

    let line = (line!() + 1).to_string();
    let two = (one::<(i64,)>("SELECT count(*) FROM notes", params![]), one::<(i64,)>("SELECT 1", params![]));
    session.run(two).await.unwrap();
    let batch = [
        ("otel.name", "BATCH SELECT notes"),
        ("db.query.summary", "BATCH SELECT notes"),
        ("db.operation.name", "BATCH"),
        ("db.operation.batch.size", "2"),
        ("db.query.text", "select count(*) from notes"),
        ("code.line.number", &line),
    ];
    assert_says(&spans.last(), &[&common[..], &batch].concat());
    drop(session);

    try_read::<(i64,)>(&db, "SELECT id FROM absent").await.unwrap_err();
    let failed = spans.last();
    let code = if db.dialect() == Dialect::Sqlite { "1" } else { "42P01" };
    for (name, value) in
        [("otel.status_code", "ERROR"), ("error.type", code), ("db.response.status_code", code)]
    {
        assert_eq!(failed.get(name).map(String::as_str), Some(value), "{name} of {failed:?}");
    }
}

#[tokio::test]
async fn spans_say_what_ran_on_sqlite() {
    let file = tallybook_testkit::SqliteFile::new("spans_say_what_ran");
    spans_say_what_ran(&file.url(), "spans_say_what_ran.db", &[]).await;
}

#[tokio::test]
async fn spans_say_what_ran_on_postgres() {
    let database = tallybook_testkit::postgres().await.database("spans_say_what_ran").await;
    let port = database.port().to_string();
    let server = [("server.address", "127.0.0.1"), ("server.port", &port)];
    spans_say_what_ran(database.url(), database.name(), &server).await;
}

#[tokio::test]
async fn a_failure_without_a_code_is_called_by_a_word() {
    let (spans, _guard) = Spans::keep();
    let db = open("sqlite::memory:").await;
    let outcome = db.read().await.unwrap().run(all::<(i64,)>("SELECT 'a'", params![])).await;
    assert!(outcome.unwrap_err().is_decode());
    let failed = spans.last();
    assert_eq!(failed.get("error.type").map(String::as_str), Some("decode"), "{failed:?}");
    assert!(!failed.contains_key("db.response.status_code"), "{failed:?}");
}
