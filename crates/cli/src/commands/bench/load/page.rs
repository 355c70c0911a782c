//! The figures of a load as a page with charts.

use tallybook::Database;
use tallybook_charts::{Axis, LineChart, Page, Series};

use super::{Measured, loop_of};
use crate::args::Load as LoadArgs;
use crate::load::Figures;
use crate::output::{micros, thousands};

const HEADER: [&str; 7] = ["operation", "count", "errors", "per second", "p50", "p95", "p99"];

/// Returns the page.
pub(super) fn page(db: &Database, args: &LoadArgs, measured: &[Measured]) -> String {
    let subtitle = format!("{}, {} % writes, {} tasks at most", db.dialect(), args.writes, args.tasks);
    let totals: Vec<_> =
        measured.iter().map(|measured| measured.outcome.tally.total(measured.outcome.lasted)).collect();
    let over_load = |name: &str, micros: fn(&Figures) -> f64| {
        Series::line(name, totals.iter().map(|all| (all.per_second, micros(all) / 1e6)).collect())
    };
    let latency = LineChart {
        x: Axis::count("operations a second"),
        y: Axis::seconds(),
        series: vec![
            over_load("p99", |all| all.p99_us),
            over_load("p95", |all| all.p95_us),
            over_load("p50", |all| all.p50_us),
        ],
        bands: Vec::new(),
    };
    let mut page = Page::new("Latency over load", subtitle).chart(
        "All operations",
        "Successful ones. The load is what was done, not what was asked for.",
        &latency.svg(),
    );
    for measured in measured {
        let outcome = &measured.outcome;
        let rows: Vec<_> = outcome.tally.figures(outcome.lasted).iter().map(row).collect();
        page = page.table(&loop_of(args, measured.pace), &HEADER, &rows);
        if let Some(not_begun @ 1..) = outcome.not_begun {
            let number = thousands(not_begun);
            page = page
                .note(&format!("{number} operations were due and not begun: the percentiles are too low."));
        }
    }
    page.html()
}

fn row(figures: &Figures) -> Vec<String> {
    let time = |us: f64| micros(us.round() as u64);
    vec![
        figures.kind.to_owned(),
        thousands(figures.count),
        thousands(figures.errors),
        thousands(figures.per_second.round() as u64),
        time(figures.p50_us),
        time(figures.p95_us),
        time(figures.p99_us),
    ]
}
