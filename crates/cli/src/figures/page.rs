//! A recording as a page with charts.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tallybook::{Escaped, Interval, NodeStatus, QueryFinding, Report, StatementReport};
use tallybook_charts::{Axis, Band, LineChart, Page, Series};

use super::format::{cut, percent, time};
use super::timeline::Timeline;
use crate::output::thousands;

/// Statements in the table.
const MAX_STATEMENTS: usize = 25;
/// Characters of a statement in the table.
const MAX_TEXT: usize = 300;

/// Returns the page of a recording. `report` says what happened in all of its time.
pub(crate) fn page(timeline: &Timeline, report: &Report) -> String {
    let name = format!("process {}, {}", report.process, Escaped(&report.database));
    let moment = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S UTC");
    let page = Page::new(name, format!("{} to {}", moment(report.since), moment(report.at)));
    let page = match timeline.is_empty() {
        true => page.note("The recording holds one report, so there is nothing to show over time."),
        false => charts(page, timeline),
    };
    let page = page.table("Statements", &STATEMENT_HEADER, &statements(report));
    let page = match report.findings.is_empty() {
        true => page.note("No N+1 loop and no redundant read was found."),
        false => page.table("Findings", &FINDING_HEADER, &findings(report)),
    };
    match report.nodes.is_empty() {
        true => page,
        false => page.table("Servers at the end", &NODE_HEADER, &nodes(report)),
    }
    .html()
}

fn charts(page: Page, timeline: &Timeline) -> Page {
    let chart = |y: Axis, series: Vec<Series>| {
        LineChart { x: Axis::time(), y, series, bands: without_primary(timeline) }.svg()
    };
    let throughput = vec![
        measured(timeline, "statements a second", |interval| {
            Some(interval.per_second(interval.calls.saturating_add(interval.errors)))
        })
        .area(),
        measured(timeline, "failed a second", |interval| Some(interval.per_second(interval.errors))).bad(),
    ];
    let quantile = |name: &str, index: usize| {
        measured(timeline, name, move |interval| interval.quantiles().map(|all| all[index].as_secs_f64()))
    };
    let latency = vec![quantile("p99", 2), quantile("p95", 1), quantile("p50", 0)];
    let pool = vec![
        measured(timeline, "in use", |interval| Some(interval.in_use as f64)).area(),
        measured(timeline, "limit", |interval| Some(interval.limit as f64)),
        measured(timeline, "waiting", |interval| Some(interval.waiting as f64)).bad(),
    ];
    let page = page
        .chart("Throughput", "Failed statements count in both.", &chart(Axis::count(""), throughput))
        .chart(
            "Latency",
            "Of the statements of each interval, without the wait for a connection.",
            &chart(Axis::seconds(), latency),
        )
        .chart("Connections", "The most at one moment of each interval.", &chart(Axis::count(""), pool));
    let replicas: BTreeSet<_> =
        timeline.intervals().flatten().flat_map(|interval| interval.lag.keys().cloned()).collect();
    if replicas.is_empty() {
        return page;
    }
    let lags = replicas.iter().map(|name| {
        let lag =
            |interval: &Interval| interval.lag.get(name).copied().flatten().map(|lag| lag.as_secs_f64());
        measured(timeline, &Escaped(name).to_string(), lag)
    });
    page.chart("Replica lag", "A gap: not known.", &chart(Axis::seconds(), lags.collect()))
}

fn measured(timeline: &Timeline, name: &str, value: impl Fn(&Interval) -> Option<f64>) -> Series {
    let mut at = 0.0;
    let points = timeline.intervals().map(|interval| {
        at = interval.map_or(at, seconds);
        (at, interval.and_then(&value))
    });
    Series::measured(name, points)
}

/// Returns the time in which there was no primary.
fn without_primary(timeline: &Timeline) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    for interval in timeline.intervals().flatten().filter(|interval| !interval.has_primary) {
        let (from, to) = (seconds(interval) - interval.elapsed.as_secs_f64(), seconds(interval));
        match bands.last_mut() {
            // The ends of intervals are microseconds, their lengths nanoseconds.
            Some(last) if from - last.to < 1e-3 => last.to = to,
            _ => bands.push(Band { from, to, label: "no primary".to_owned() }),
        }
    }
    bands
}

fn seconds(interval: &Interval) -> f64 {
    interval.at.timestamp_micros() as f64 / 1e6
}

const STATEMENT_HEADER: [&str; 8] =
    ["statement", "share of time", "calls", "errors", "p50", "p95", "p99", "rows"];

fn statements(report: &Report) -> Vec<Vec<String>> {
    let all: Duration = report.statements.iter().map(|statement| statement.times.total).sum();
    let row = |statement: &StatementReport| {
        let at = statement.at.as_ref().map(|at| format!(" ({at})")).unwrap_or_default();
        let text = cut(&statement.statement, MAX_TEXT);
        vec![
            format!("{}{at}", Escaped(&text)),
            percent(statement.times.total, all),
            thousands(statement.calls),
            thousands(statement.errors()),
            time(statement.times.p50),
            time(statement.times.p95),
            time(statement.times.p99),
            thousands(statement.rows),
        ]
    };
    report.statements.iter().take(MAX_STATEMENTS).map(row).collect()
}

const FINDING_HEADER: [&str; 4] = ["finding", "runs", "scopes", "time lost"];

fn findings(report: &Report) -> Vec<Vec<String>> {
    let row = |finding: &QueryFinding| {
        vec![
            format!("{} at {}: {}", finding.confidence, finding.at, Escaped(&finding.suggestion)),
            thousands(finding.runs),
            thousands(finding.scopes),
            time(finding.lost),
        ]
    };
    report.findings.iter().map(row).collect()
}

const NODE_HEADER: [&str; 5] = ["server", "role", "state", "sessions", "fallbacks"];

fn nodes(report: &Report) -> Vec<Vec<String>> {
    let row = |node: &NodeStatus| {
        vec![
            Escaped(&node.name).to_string(),
            node.role.to_string(),
            node.state.to_string(),
            thousands(node.served),
            thousands(node.fallbacks),
        ]
    };
    report.nodes.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::sample;

    #[test]
    fn a_page_shows_charts_statements_and_findings_and_no_markup_of_others() {
        let mut report = sample::report();
        report.statements[0].statement = "select '<script>'".to_owned();
        let mut timeline = Timeline::default();
        let mut interval = Interval::of(&report);
        interval.has_primary = false;
        timeline.add(interval);
        let html = page(&timeline, &report);
        for text in [
            "Throughput",
            "Latency",
            "Connections",
            "no primary",
            "&lt;script&gt;",
            "src/reports/nightly.rs:42",
        ] {
            assert!(html.contains(text), "{text}: {html}");
        }
        assert_eq!(html.matches("<svg").count(), 3);
        assert!(!html.contains("<script"));
    }

    #[test]
    fn a_recording_of_one_report_says_that_there_is_nothing_over_time() {
        let html = page(&Timeline::default(), &sample::report());
        assert!(html.contains("nothing to show over time") && !html.contains("<svg"));
    }
}
