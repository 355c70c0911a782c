//! Spans through `tracing`, target `tallybook::span`, for those who collect traces.

use std::sync::Arc;

use tracing::{Level, Span, enabled, field, span};

use super::failure;
use super::place::Place;
use super::statement::Statement;
use crate::call::Call;
use crate::error::Error;

/// The span of a flight, with OpenTelemetry's attributes; none if nobody collects it.
pub(super) fn of(flight: &[(Arc<Statement>, Call)], place: &Place) -> Span {
    if !enabled!(target: "tallybook::span", Level::DEBUG) {
        return Span::none();
    }
    let Some((first, call)) = flight.first() else { return Span::none() };
    let fingerprint = &first.fingerprint;
    let is_batch = flight.len() > 1;
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
        db.system.name = place.system,
        db.namespace = &*place.namespace,
        db.collection.name = field::Empty,
        db.operation.name = operation,
        db.operation.batch.size = field::Empty,
        db.query.summary = summary,
        db.query.text = &*fingerprint.text,
        db.response.status_code = field::Empty,
        error.type = field::Empty,
        server.address = place.address.as_deref(),
        server.port = place.port,
        code.file.path = call.at().file(),
        code.line.number = call.at().line(),
    );
    if is_batch {
        span.record("db.operation.batch.size", flight.len());
    } else if let Some(table) = fingerprint.collection.as_deref() {
        span.record("db.collection.name", table);
    }
    span
}

/// Marks the span of a flight that failed.
pub(super) fn failed(span: &Span, error: &Error) {
    let failure = failure::of(error);
    span.record("otel.status_code", "ERROR");
    span.record("error.type", failure.kind);
    if failure.is_code {
        span.record("db.response.status_code", failure.kind);
    }
}
