//! The thresholds of the judgements.

use std::time::Duration;

use serde_json::{Value, json};
use tallybook::Report;

use super::super::history::History;
use super::super::looked::Answers;
use super::super::made_up::Program;
use super::super::statement_window::StatementWindow;
use super::{Evidence, WatchedSettings, verdicts};

/// Returns level, text and panel of a judgement about a report, of which nothing else is known.
fn judged(name: &str, report: &Report) -> (String, String, String) {
    let settings =
        WatchedSettings { leak_threshold: Duration::from_secs(30), mode: None, has_database: false };
    let evidence = Evidence {
        report,
        history: &History::default(),
        window: &StatementWindow::default(),
        answers: &Answers::default(),
        settings,
    };
    let all = serde_json::to_value(verdicts(&evidence)).unwrap();
    let verdict = all.as_array().unwrap().iter().find(|verdict| verdict["name"] == name).unwrap();
    let text = |field: &str| verdict[field].as_str().unwrap().to_owned();
    (text("level"), text("text"), text("panel"))
}

/// Returns the report of a program in which one statement has been running for so long.
fn running(seconds: f64) -> Report {
    let mut report = Program::new(1).run(1, |_| 1);
    let statement = json!([{
        "statement": "update positions", "fingerprint": "0000000000000000", "at": { "file": "a.rs", "line": 1 }, "running": seconds,
    }]);
    report.running = serde_json::from_value(statement).unwrap();
    report
}

fn node(role: &str, state: &str, lag: Option<f64>) -> Value {
    json!({
        "name": format!("{role} {state}"), "role": role, "state": state, "reason": "", "since": 1.0, "lag_bytes": null, "lag": lag,
        "timeline": null, "position": null, "latency": null, "served": 0, "fallbacks": 0, "in_flight": 0, "weight": 1, "zone": null,
    })
}

fn with_nodes(nodes: &[Value]) -> Report {
    let mut report = Program::new(1).run(1, |_| 1);
    report.nodes = serde_json::from_value(json!(nodes)).unwrap();
    report
}

#[test]
fn a_statement_that_does_not_end_is_named_before_it_is_slow() {
    let level = |seconds: f64| {
        let (level, text, panel) = judged("slow", &running(seconds));
        format!("{level}: {text} ({panel})")
    };
    assert!(level(1.9).starts_with("ok: none in "), "{}", level(1.9));
    assert_eq!(level(2.0), "warn: one has been running for 2.0 s (running)");
    assert_eq!(level(9.9), "warn: one has been running for 9.9 s (running)");
    assert_eq!(level(10.0), "bad: one has been running for 10.0 s (running)");
}

#[test]
fn a_server_that_is_down_weighs_more_than_one_that_lags() {
    let up = node("primary", "up", None);
    let lagging = node("replica", "lagging", Some(12.4));
    let down = node("replica", "down", None);
    let of = |nodes: &[Value]| {
        let (level, text, _) = judged("replicas", &with_nodes(nodes));
        format!("{level}: {text}")
    };
    assert_eq!(of(std::slice::from_ref(&up)), "ok: one server, no replicas");
    assert_eq!(of(&[up.clone(), node("replica", "up", Some(0.1))]), "ok: 1 replica up");
    assert_eq!(of(&[up.clone(), lagging.clone()]), "warn: replica lagging is lagging by 12.4 s");
    assert_eq!(of(&[up, lagging, down]), "bad: replica down is down");
}

#[test]
fn a_session_that_is_held_long_is_told_at_the_threshold() {
    let held = |seconds: f64| {
        let mut report = Program::new(1).run(1, |_| 1);
        let longest = json!({ "at": { "file": "a.rs", "line": 1 }, "held": seconds });
        report.pools[0].longest = serde_json::from_value(longest).unwrap();
        judged("pool", &report)
    };
    assert_eq!(held(29.9).0, "ok");
    assert_eq!(held(30.0).0, "warn");
}

#[test]
fn what_nobody_looked_at_is_never_well() {
    let report = Program::new(1).run(1, |_| 1);
    for name in ["schema", "indexes", "disk", "latency", "errors"] {
        let (level, text, _) = judged(name, &report);
        assert_eq!(level, "unknown", "{name}: {text}");
    }
}
