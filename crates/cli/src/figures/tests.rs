//! Distorted reports: showing one never panics, whatever it contains.

use clap::ValueEnum;
use proptest::prelude::*;
use serde_json::{Value, json};
use tallybook::Report;

use super::{Order, Panel, RatedReport, Span, costs, headline, nodes, pools, sample};

/// Shows every part of a report.
fn show(report: &Report, span: Span) {
    let rated = RatedReport::whole(report.clone(), span);
    let fit = |grid: super::Grid| [0, 1, 40, 100, 500].map(|width| grid.fit(width, 2));
    drop((headline(&rated), costs(&rated), fit(pools(&rated)), nodes(&rated).map(fit)));
    for order in Order::value_variants() {
        for panel in Panel::ALL {
            drop((fit(panel.grid(&rated, *order)), panel.keys(&rated, *order)));
            (0..=panel.len(&rated)).for_each(|index| drop(panel.detail(&rated, *order, index)));
        }
        drop(super::panels::texts(&rated, *order, 3).map(fit));
    }
    report.findings.iter().for_each(|finding| drop(finding.to_string()));
}

/// Collects all scalar values, in document order.
fn leaves<'a>(value: &'a mut Value, found: &mut Vec<&'a mut Value>) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| leaves(value, found)),
        Value::Object(fields) => fields.values_mut().for_each(|value| leaves(value, found)),
        leaf => found.push(leaf),
    }
}

fn odd() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(0),
        json!(1),
        json!(u64::MAX),
        json!(u32::MAX),
        json!(i64::MIN),
        json!(-1.0),
        json!(5e-324),
        json!(18_446_744_073_709_549_568.0),
        json!(f64::MAX),
        json!(""),
        json!("\u{1b}[2J\n\u{202e}\u{0}"),
        json!("🦀".repeat(300)),
        json!("+262142-12-31T23:59:59.999999999Z"),
        json!("-262143-01-01T00:00:00Z"),
        json!("1970-01-01T00:00:00Z"),
        json!(null),
    ])
}

/// Returns a report in which some values are replaced; `None` if it no longer parses as a report.
fn distorted(changes: &[(prop::sample::Index, Value)]) -> Option<Report> {
    let mut report = serde_json::to_value(sample::report()).unwrap();
    for (place, value) in changes {
        let mut found = Vec::new();
        leaves(&mut report, &mut found);
        **place.get_mut(&mut found) = value.clone();
    }
    serde_json::from_value(report).ok()
}

/// Returns a report in which every number is as large as possible.
fn largest() -> Report {
    let mut report = serde_json::to_value(sample::report()).unwrap();
    let mut found = Vec::new();
    leaves(&mut report, &mut found);
    for leaf in found.into_iter().filter(|leaf| leaf.is_number()) {
        let before = leaf.clone();
        *leaf = if before.is_u64() { json!(u64::MAX) } else { json!(18_446_744_073_709_549_568.0) };
        if before.as_u64().is_some_and(|number| number < 10_000) {
            // It may be a line number or a process id, which have 32 bits.
            *leaf = json!(u32::MAX);
        }
    }
    serde_json::from_value(report).unwrap()
}

#[test]
fn numbers_as_large_as_they_go_are_shown() {
    let report = largest();
    show(&report, Span::Run);
    show(&report.since(&sample::report()).unwrap_or(report), Span::Part);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_stands_in_a_report_is_shown(
        changes in prop::collection::vec((any::<prop::sample::Index>(), odd()), 1..8),
        later in prop::collection::vec((any::<prop::sample::Index>(), odd()), 1..8),
    ) {
        let Some(report) = distorted(&changes) else { return Ok(()) };
        show(&report, Span::Run);
        if let Some(between) = distorted(&later).and_then(|later| later.since(&report)) {
            show(&between, Span::Part);
        }
    }
}
