//! The figures of a database at one moment, as data: for `tallybook watch`, for files, for programs.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::catalog::Snapshot;
use super::core::{Monitor, lock};
use super::detect::{CallSite, Finding};
use super::noted::Noted;
use super::series::Series;
use super::statement::Statement;
use crate::histogram::{Counted, Times};
use crate::pool::PoolStatus;
use crate::routing::NodeStatus;
use crate::seconds;

/// The figures of a database since it was opened. Times are in seconds when it is serialised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// When it was taken.
    pub at: DateTime<Utc>,
    /// When the database was opened.
    pub since: DateTime<Utc>,
    /// The database's URL, without its password.
    pub database: String,
    /// The process that has it open.
    pub process: u32,
    /// The statements, that which took most time in all first.
    pub statements: Vec<StatementReport>,
    /// What is left of statements that are no longer told apart.
    pub evicted: EvictedReport,
    /// What is running now, the longest first.
    pub running: Vec<RunningReport>,
    /// Statements that were slow or failed, the last first.
    pub noted: Vec<Noted>,
    /// N+1 loops and redundant reads, the most costly first.
    pub findings: Vec<Finding>,
    /// Findings that were forgotten because there were too many.
    pub forgotten_findings: u64,
    /// Entries of `DB_N_PLUS_ONE_ALLOW` that nothing was found for.
    pub unused_allowances: Vec<String>,
    /// The pools.
    pub pools: Vec<PoolReport>,
    /// The servers.
    #[serde(default)]
    pub nodes: Vec<NodeStatus>,
}

/// The figures of a statement, whatever its values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StatementReport {
    /// The fingerprint by which the log calls it.
    pub fingerprint: String,
    /// The statement without its values.
    pub statement: String,
    /// In short: `SELECT trades`.
    pub summary: String,
    /// The line of code that last ran it.
    pub at: Option<CallSite>,
    /// Runs that succeeded.
    pub calls: u64,
    /// Runs that failed, by the code of the database or a word.
    pub failures: Vec<(String, u64)>,
    /// Rows returned or touched.
    pub rows: u64,
    /// The size of its rows.
    pub bytes: u64,
    /// The times of the runs that succeeded, without the wait for a connection.
    pub times: TimesReport,
    /// The wait for connections, of the sessions that began with it.
    #[serde(with = "seconds")]
    pub waited: Duration,
    /// Of the time in all: until the first row.
    #[serde(with = "seconds")]
    pub executed: Duration,
    /// Of the time in all: getting the other rows.
    #[serde(with = "seconds")]
    pub fetched: Duration,
    /// Of the time in all: making structs of rows; estimated from one row in 32.
    #[serde(with = "seconds")]
    pub decoded: Duration,
    /// Its plan when it was last slow.
    pub plan: Option<String>,
}

/// Quantiles, each up to an eighth too high.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TimesReport {
    /// How many.
    pub count: u64,
    /// All together.
    #[serde(with = "seconds")]
    pub total: Duration,
    /// Half of them took no longer.
    #[serde(with = "seconds")]
    pub p50: Duration,
    /// 95 of 100 took no longer.
    #[serde(with = "seconds")]
    pub p95: Duration,
    /// 99 of 100 took no longer.
    #[serde(with = "seconds")]
    pub p99: Duration,
    /// None took longer.
    #[serde(with = "seconds")]
    pub max: Duration,
}

/// Statements that are no longer told apart, because there were more than `DB_MONITOR_STATEMENTS`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EvictedReport {
    /// How many.
    pub statements: u64,
    /// Their runs, failed ones included.
    pub calls: u64,
    /// Of these, failed.
    pub errors: u64,
    /// Their time in all.
    #[serde(with = "seconds")]
    pub total: Duration,
}

/// A statement that is running.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunningReport {
    /// The statement without its values; the first of a batch.
    pub statement: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// From where.
    pub at: CallSite,
    /// For how long.
    #[serde(with = "seconds")]
    pub running: Duration,
}

/// A pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PoolReport {
    /// Which.
    pub name: String,
    /// The most connections it lends.
    pub limit: usize,
    /// Connections lent.
    pub in_use: usize,
    /// Connections at rest.
    pub idle: usize,
    /// Callers waiting.
    pub waiting: usize,
    /// Callers who timed out, at whatever step.
    pub timeouts: u64,
    /// Connections made.
    pub created: u64,
    /// Connections closed.
    pub closed: u64,
    /// From asking for a session to having it.
    pub wait: TimesReport,
    /// How long sessions were held.
    pub hold: TimesReport,
    /// Who holds a session longest.
    pub longest: Option<HolderReport>,
}

/// Who holds a session, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HolderReport {
    /// The line of code that took it.
    pub at: CallSite,
    /// For how long.
    #[serde(with = "seconds")]
    pub held: Duration,
}

impl Monitor {
    pub(crate) fn report(&self, database: String, pools: Vec<PoolStatus>, nodes: Vec<NodeStatus>) -> Report {
        let shared = &self.0;
        let Snapshot { statements, evicted, left } = shared.catalog.snapshot();
        let mut statements: Vec<_> =
            statements.iter().map(|statement| StatementReport::of(statement)).collect();
        statements.sort_by_key(|statement| std::cmp::Reverse(statement.times.total));
        Report {
            at: Utc::now(),
            since: shared.since.1,
            database,
            process: std::process::id(),
            statements,
            evicted: EvictedReport::of(evicted, &left),
            running: self.running(),
            noted: lock(&shared.noted).iter().rev().cloned().collect(),
            findings: self.findings(),
            forgotten_findings: lock(&shared.findings).forgotten(),
            unused_allowances: shared.allowed.unused().into_iter().map(str::to_owned).collect(),
            pools: pools.into_iter().map(PoolReport::from).collect(),
            nodes,
        }
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        lock(&self.0.findings).all().cloned().collect()
    }

    fn running(&self) -> Vec<RunningReport> {
        let running = self.0.seats.running();
        running
            .into_iter()
            .map(|running| RunningReport {
                statement: running.statement.fingerprint.text.to_string(),
                fingerprint: running.statement.fingerprint.code(),
                at: running.call.at().into(),
                running: running.since.elapsed(),
            })
            .collect()
    }
}

impl StatementReport {
    fn of(statement: &Statement) -> Self {
        let figures = statement.figures();
        let times = figures.times.times();
        let fingerprint = &statement.fingerprint;
        Self {
            fingerprint: fingerprint.code(),
            statement: fingerprint.text.to_string(),
            summary: fingerprint.summary.to_string(),
            at: statement.last().map(CallSite::from),
            calls: times.count,
            failures: figures
                .failures
                .iter()
                .map(|(kind, failures)| (kind.to_string(), failures.times.count()))
                .collect(),
            rows: figures.rows.sum,
            bytes: figures.bytes,
            waited: figures.waited,
            executed: times.total.saturating_sub(figures.fetched + figures.decoded),
            fetched: figures.fetched,
            decoded: figures.decoded,
            times: times.into(),
            plan: statement.plan(),
        }
    }

    /// Runs that failed.
    pub fn errors(&self) -> u64 {
        self.failures.iter().map(|(_, count)| *count).fold(0, u64::saturating_add)
    }
}

impl EvictedReport {
    fn of(statements: u64, series: &Series) -> Self {
        let mut report = Self { statements, ..Self::default() };
        for (_, figures) in series.iter() {
            let all = || figures.failures.values().map(|failures| &failures.times).chain([&figures.times]);
            report.errors += figures.errors();
            report.calls += all().map(Counted::count).sum::<u64>();
            report.total += all().map(|times| Duration::from_nanos(times.sum)).sum::<Duration>();
        }
        report
    }
}

impl From<Times> for TimesReport {
    fn from(Times { count, total, p50, p95, p99, max }: Times) -> Self {
        Self { count, total, p50, p95, p99, max }
    }
}

impl From<PoolStatus> for PoolReport {
    fn from(pool: PoolStatus) -> Self {
        let totals = pool.totals;
        Self {
            name: pool.name.to_string(),
            limit: pool.limit,
            in_use: pool.in_use,
            idle: pool.idle,
            waiting: pool.waiting,
            timeouts: totals.timeouts(),
            created: totals.created,
            closed: totals.closed.total(),
            wait: totals.wait.into(),
            hold: totals.hold.into(),
            longest: pool.longest.map(|holder| HolderReport { at: holder.at.into(), held: holder.held }),
        }
    }
}
