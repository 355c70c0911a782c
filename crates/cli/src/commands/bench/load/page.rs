//! The figures of a load as a page with charts.

use tallybook::Database;
use tallybook_charts::{Axis, LineChart, Page, Series};

use super::{HEADER, Measured, loop_of, row};
use crate::args::Load as LoadArgs;
use crate::load::Figures;
use crate::output::thousands;

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
