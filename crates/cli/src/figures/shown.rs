//! A report with what follows from it.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tallybook_engine::{Report, StatementReport};

use super::{bound, difference};

/// What the counts of a report are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// All since the program opened its database.
    Run,
    /// A part of it. Quantiles are of all of it even so: they cannot be taken apart.
    Part,
}

/// A report, and how often its statements run.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) report: Report,
    pub(crate) span: Span,
    rates: Rates,
}

/// How often statements run in a second.
#[derive(Clone, Debug)]
struct Rates {
    /// Failed runs included.
    all: f64,
    /// Calls by fingerprint.
    calls: HashMap<String, f64>,
}

impl Rates {
    /// Those of the time that a report covers.
    fn of(report: &Report) -> Self {
        let seconds = elapsed(report.since, report.at).as_secs_f64();
        let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let calls = report.statements.iter().map(|it| (it.fingerprint.clone(), rate(it.calls))).collect();
        Self { all: rate(runs(report)), calls }
    }
}

impl Shown {
    /// With the rates of all its time.
    pub(crate) fn whole(report: Report, span: Span) -> Self {
        let rates = Rates::of(&report);
        Self { report, span, rates }
    }

    /// With the rates since `earlier`, if that is of the same run of the program.
    pub(crate) fn since(earlier: &Report, report: Report) -> Self {
        let lately = difference(earlier, &report).filter(|lately| lately.since < lately.at);
        let rates = Rates::of(lately.as_ref().unwrap_or(&report));
        Self { report, span: Span::Run, rates }
    }

    /// Statements a second, failed ones included.
    pub(super) fn rate_of_all(&self) -> f64 {
        self.rates.all
    }

    /// Calls of a statement a second.
    pub(super) fn rate(&self, statement: &StatementReport) -> f64 {
        self.rates.calls.get(&statement.fingerprint).copied().unwrap_or_default()
    }

    /// The time of all statements.
    pub(super) fn total(&self) -> Duration {
        let report = &self.report;
        let totals = report.statements.iter().map(|statement| statement.times.total);
        totals.fold(report.evicted.total, Duration::saturating_add)
    }

    pub(super) fn errors(&self) -> u64 {
        let report = &self.report;
        report.statements.iter().map(StatementReport::errors).fold(report.evicted.errors, u64::saturating_add)
    }

    /// How long it was counted.
    pub(crate) fn time(&self) -> Duration {
        elapsed(self.report.since, self.report.at)
    }

    /// A time that 99 of 100 runs of all statements took no longer than.
    pub(super) fn p99(&self) -> Duration {
        let times: Vec<_> = self.report.statements.iter().map(|statement| statement.times).collect();
        bound::p99(&times)
    }
}

/// Runs of statements, failed ones included.
pub(super) fn runs(report: &Report) -> u64 {
    let statements =
        report.statements.iter().map(|statement| statement.calls.saturating_add(statement.errors()));
    statements.fold(report.evicted.calls, u64::saturating_add)
}

fn elapsed(from: DateTime<Utc>, to: DateTime<Utc>) -> Duration {
    (to - from).to_std().unwrap_or_default()
}
