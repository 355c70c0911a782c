//! Spans for trace collectors, target `tallybook::span`.

use std::sync::Arc;

use tallybook_sql::call_site::CallSite;
use tallybook_sql::error::Error;
use tracing::{Level, Span, enabled, field, span};

use super::failure;
use super::server_attributes::ServerAttributes;
use super::statement_stats::StatementStats;

/// Creates the span of a pipeline with OpenTelemetry attributes; a disabled one if no subscriber wants it.
pub(super) fn of_pipeline(pipeline: &[(Arc<StatementStats>, CallSite)], server: &ServerAttributes) -> Span {
    if !enabled!(target: "tallybook::span", Level::DEBUG) {
        return Span::none();
    }
    let Some((first, call)) = pipeline.first() else { return Span::none() };
    let fingerprint = &first.fingerprint;
    let is_batch = pipeline.len() > 1;
    let operation = if is_batch { "BATCH" } else { &*fingerprint.operation };
    let summary =
        if is_batch { format!("BATCH {}", fingerprint.summary) } else { fingerprint.summary.to_string() };
    let span = span!(
        target: "tallybook::span",
        Level::DEBUG,
        "statement",
        otel.kind = "client",
        otel.name = summary,
        otel.status_code = field::Empty,
        db.system.name = server.system,
        db.namespace = &*server.namespace,
        db.collection.name = field::Empty,
        db.operation.name = operation,
        db.operation.batch.size = field::Empty,
        db.query.summary = summary,
        db.query.text = &*fingerprint.text,
        db.response.status_code = field::Empty,
        error.type = field::Empty,
        server.address = server.address.as_deref(),
        server.port = server.port,
        code.file.path = call.at().file(),
        code.line.number = call.at().line(),
    );
    if is_batch {
        span.record("db.operation.batch.size", pipeline.len());
    } else if let Some(table) = fingerprint.collection.as_deref() {
        span.record("db.collection.name", table);
    }
    span
}

/// Marks the span of a failed pipeline.
pub(super) fn failed(span: &Span, error: &Error) {
    let failure = failure::of(error);
    span.record("otel.status_code", "ERROR");
    span.record("error.type", failure.kind);
    if failure.is_code {
        span.record("db.response.status_code", failure.kind);
    }
}
