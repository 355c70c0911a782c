//! A report with the rates derived from it.

use std::collections::HashMap;
use std::time::Duration;

use tallybook::{Report, StatementReport};

/// The time that the counts of a report cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// Everything since the program opened its database.
    Run,
    /// A part of it. In reports of versions without buckets, percentiles still cover all of it.
    Part,
}

/// A report, and how often its statements run.
#[derive(Clone, Debug)]
pub(crate) struct RatedReport {
    pub(crate) report: Report,
    pub(crate) span: Span,
    rates: Rates,
}

/// Executions a second.
#[derive(Clone, Debug)]
struct Rates {
    /// All statements, including failed runs.
    all: f64,
    /// Calls by fingerprint.
    calls: HashMap<String, f64>,
}

impl Rates {
    /// Computes the rates over the time that a report covers.
    fn of(report: &Report) -> Self {
        let seconds = report.elapsed().as_secs_f64();
        let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let calls = report.statements.iter().map(|it| (it.fingerprint.clone(), rate(it.calls))).collect();
        Self { all: rate(runs(report)), calls }
    }
}

impl RatedReport {
    /// Wraps a report with the rates over all of its time.
    pub(crate) fn whole(report: Report, span: Span) -> Self {
        let rates = Rates::of(&report);
        Self { report, span, rates }
    }

    /// Wraps a report with the rates since `earlier`, if both are of the same run of the program.
    pub(crate) fn since(earlier: &Report, report: Report) -> Self {
        let lately = report.since(earlier).filter(|lately| lately.since < lately.at);
        let rates = Rates::of(lately.as_ref().unwrap_or(&report));
        Self { report, span: Span::Run, rates }
    }

    /// Returns the statements a second, including failed ones.
    pub(super) fn rate_of_all(&self) -> f64 {
        self.rates.all
    }

    /// Returns the calls of a statement a second.
    pub(super) fn rate(&self, statement: &StatementReport) -> f64 {
        self.rates.calls.get(&statement.fingerprint).copied().unwrap_or_default()
    }

    /// Returns the total time of all statements.
    pub(super) fn total(&self) -> Duration {
        let report = &self.report;
        let totals = report.statements.iter().map(|statement| statement.times.total);
        totals.fold(report.evicted.total, Duration::saturating_add)
    }

    pub(super) fn errors(&self) -> u64 {
        let report = &self.report;
        report.statements.iter().map(StatementReport::errors).fold(report.evicted.errors, u64::saturating_add)
    }

    /// Returns the time that the counts cover.
    pub(crate) fn time(&self) -> Duration {
        self.report.elapsed()
    }

    /// Returns the 99th percentile of the runs of all statements; `None` in reports of versions without totals.
    pub(super) fn p99(&self) -> Option<Duration> {
        let times = &self.report.totals.times;
        (times.count > 0).then_some(times.p99)
    }

    /// Returns whether the percentiles cover more time than the counts.
    pub(super) fn has_lifetime_percentiles(&self) -> bool {
        let statements = self.report.statements.iter().map(|statement| &statement.times);
        let pools = self.report.pools.iter().flat_map(|pool| [&pool.wait, &pool.hold]);
        self.span == Span::Part && statements.chain(pools).any(|times| !times.has_buckets())
    }
}

/// Returns the number of executed statements, including failed ones.
pub(super) fn runs(report: &Report) -> u64 {
    let statements =
        report.statements.iter().map(|statement| statement.calls.saturating_add(statement.errors()));
    statements.fold(report.evicted.calls, u64::saturating_add)
}
