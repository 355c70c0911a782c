//! Reports for tests.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tallybook::Report;

/// A made-up program, whose counts grow.
pub(super) struct Program {
    at: DateTime<Utc>,
    /// Calls of each statement so far; each takes 100 µs.
    calls: Vec<u64>,
}

impl Program {
    pub(super) fn new(statements: usize) -> Self {
        Self { at: DateTime::UNIX_EPOCH, calls: vec![0; statements] }
    }

    /// Runs each statement some times, and returns the report after so many seconds.
    pub(super) fn run(&mut self, seconds: i64, calls: impl Fn(usize) -> u64) -> Report {
        self.at += TimeDelta::seconds(seconds);
        for (number, so_far) in self.calls.iter_mut().enumerate() {
            *so_far += calls(number);
        }
        let statements: Vec<_> =
            self.calls.iter().enumerate().map(|(number, &calls)| statement(number, calls)).collect();
        let all = self.calls.iter().sum();
        serde_json::from_value(json!({
            "at": self.at, "since": "1969-12-31T00:00:00Z", "database": "sqlite:///book.db", "process": 7,
            "statements": statements,
            "evicted": { "statements": 0, "calls": 0, "errors": 0, "total": 0.0 },
            "totals": { "errors": 0, "times": times(all) },
            "running": [], "events": [], "findings": [], "forgotten_findings": 0, "unused_allowances": [],
            "pools": [{
                "name": "readers", "limit": 4, "in_use": 1, "idle": 1, "waiting": 0, "timeouts": 0, "created": 2, "closed": 0,
                "wait": times(0), "hold": times(0), "longest": null,
            }],
        }))
        .unwrap()
    }
}

fn statement(number: usize, calls: u64) -> Value {
    json!({
        "fingerprint": format!("{number:016x}"), "statement": format!("select {number}"), "summary": "SELECT", "at": null,
        "calls": calls, "failures": [], "rows": calls, "bytes": 0, "times": times(calls), "waited": 0.0, "executed": 0.0,
        "fetched": 0.0, "decoded": 0.0, "plan": null,
    })
}

fn times(calls: u64) -> Value {
    let buckets = if calls == 0 { json!([]) } else { json!([[100_000, calls]]) };
    json!({
        "count": calls, "total": calls as f64 * 1e-4, "p50": 1e-4, "p95": 1e-4, "p99": 1e-4, "max": 1e-4, "buckets": buckets,
    })
}
