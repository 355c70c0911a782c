//! A report for tests.

use serde_json::{Value, json};
use tallybook::Report;

/// Returns the report of a program with three statements.
pub(crate) fn report() -> Report {
    serde_json::from_value(json!({
        "at": "2026-03-02T10:00:00Z",
        "since": "2026-03-02T08:30:00Z",
        "database": "postgresql://ada@db.example:5432/book",
        "process": 4242,
        "statements": [
            statement(1, "SELECT trades", "select id, symbol, quantity from trades where portfolio_id = ?", 1_234_567),
            statement(2, "SELECT portfolios", "select id, name from portfolios where id = any(?)", 54_321),
            statement(3, "INSERT executions", "insert into executions (trade_id, quantity) values (?, ?)", 987),
        ],
        "evicted": { "statements": 0, "calls": 0, "errors": 0, "total": 0.0 },
        "totals": { "errors": 12, "times": times(1_289_875, 0.001) },
        "running": [{
            "statement": "select id, symbol, quantity from trades where portfolio_id = ?",
            "fingerprint": "0000000000000001",
            "at": site("crates/book/src/repositories/trades.rs", 101),
            "running": 0.25,
        }],
        "events": [{
            "ended": "2026-03-02T09:59:58Z",
            "statement": "insert into executions (trade_id, quantity) values (?, ?)",
            "fingerprint": "0000000000000003",
            "at": site("crates/book/src/repositories/executions.rs", 103),
            "took": 0.002,
            "waited": 0.0,
            "rows": 0,
            "failure": "23503",
            "parameters": null,
        }],
        "findings": [{
            "confidence": "confirmed",
            "statement": "select id, symbol, quantity from trades where portfolio_id = ?",
            "summary": "SELECT trades",
            "fingerprint": "0000000000000001",
            "at": site("src/reports/nightly.rs", 42),
            "source": {
                "statement": "SELECT portfolios",
                "fingerprint": "0000000000000002",
                "at": site("src/reports/nightly.rs", 40),
                "column": "id",
                "rows": 100,
            },
            "runs": 100,
            "distinct": 100,
            "examined": 100,
            "lost": 0.0312,
            "scopes": 2,
            "suggestion": "call Portfolios::get_many_with_trades(&ids) once",
        }],
        "forgotten_findings": 0,
        "unused_allowances": ["report.rs"],
        "pools": [{
            "name": "primary", "limit": 15, "in_use": 3, "idle": 2, "waiting": 1, "timeouts": 4, "created": 9, "closed": 4,
            "wait": times(1_300_000, 0.000_02),
            "hold": times(1_300_000, 0.004),
            "longest": { "at": site("src/reports/nightly.rs", 7), "held": 12.5 },
        }],
    }))
    .unwrap()
}

/// Returns a statement; higher numbers are faster.
fn statement(number: u64, summary: &str, text: &str, calls: u64) -> Value {
    let table = summary.split(' ').nth(1).unwrap();
    let times = times(calls, 0.001 / number as f64);
    json!({
        "fingerprint": format!("{number:016x}"),
        "statement": text,
        "summary": summary,
        "at": site(&format!("crates/book/src/repositories/{table}.rs"), 100 + number),
        "calls": calls,
        "failures": if number == 3 { json!([["23503", 7], ["timeout", 5]]) } else { json!([]) },
        "rows": calls * 10,
        "bytes": calls * 640,
        "waited": calls as f64 * 0.000_05,
        "executed": times["total"].as_f64().unwrap() * 0.7,
        "fetched": times["total"].as_f64().unwrap() * 0.2,
        "decoded": times["total"].as_f64().unwrap() * 0.1,
        "times": times,
        "plan": if number == 1 { json!("Index Scan using trades_portfolio on trades (cost 12, rows 10)\n") } else { json!(null) },
    })
}

fn times(count: u64, mean: f64) -> Value {
    json!({
        "count": count, "total": count as f64 * mean,
        "p50": mean * 0.8, "p95": mean * 3.0, "p99": mean * 9.0, "max": mean * 40.0,
    })
}

fn site(file: &str, line: u64) -> Value {
    json!({ "file": file, "line": line })
}
