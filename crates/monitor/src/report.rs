//! Reports: the state of a database at one moment, as data for `tallybook watch`, files and programs.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tallybook_core::histogram::{Counted, Histogram};
use tallybook_core::pool::PoolMetrics;
use tallybook_core::routing::NodeStatus;
use tallybook_core::seconds;
use tallybook_sql::lock::lock;

use super::detect::{QueryFinding, SourceLocation};
use super::duration_report::DurationReport;
use super::metric_series::MetricSeries;
use super::monitor::Monitor;
use super::statement_event::StatementEvent;
use super::statement_registry::Snapshot;
use super::statement_stats::{StatementFigures, StatementStats};

/// Everything the monitor counted since the database was opened. Durations serialize as seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// Time of this report, UTC.
    pub at: DateTime<Utc>,
    /// Time the database was opened, UTC.
    pub since: DateTime<Utc>,
    /// Database URL without the password.
    pub database: String,
    /// Process id.
    pub process: u32,
    /// Statements by total time, highest first.
    pub statements: Vec<StatementReport>,
    /// Totals of the statements evicted from `statements`.
    pub evicted: EvictedReport,
    /// Totals of all statements, evicted ones included.
    #[serde(default)]
    pub totals: TotalsReport,
    /// Running statements, longest-running first.
    pub running: Vec<RunningReport>,
    /// Slow and failed statements, latest first.
    #[serde(alias = "noted")]
    pub events: Vec<StatementEvent>,
    /// N+1 loops and redundant reads, most time lost first.
    pub findings: Vec<QueryFinding>,
    /// Findings dropped because more than 256 were different.
    pub forgotten_findings: u64,
    /// Entries of `DB_N_PLUS_ONE_ALLOW` that matched no finding so far.
    pub unused_allowances: Vec<String>,
    /// Connection pools, one for each server.
    pub pools: Vec<PoolReport>,
    /// State and staleness of each server.
    #[serde(default)]
    pub nodes: Vec<NodeStatus>,
}

/// Statistics of one statement, for all its parameter values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StatementReport {
    /// Fingerprint, 16 hexadecimal digits, as in the log.
    pub fingerprint: String,
    /// SQL text with literals replaced by `?`.
    pub statement: String,
    /// Operation and table, for example `SELECT trades`.
    pub summary: String,
    /// The line of code that last ran it.
    pub at: Option<SourceLocation>,
    /// Successful runs.
    pub calls: u64,
    /// Failed runs by SQLSTATE, SQLite code or a kind such as `timeout`.
    pub failures: Vec<(String, u64)>,
    /// Rows returned or affected.
    pub rows: u64,
    /// Size of the rows in bytes.
    pub bytes: u64,
    /// Durations of the successful runs, without the wait for a connection.
    pub times: DurationReport,
    /// Wait for connections by the sessions that began with this statement.
    #[serde(with = "seconds")]
    pub waited: Duration,
    /// Part of the total time before the first row arrived.
    #[serde(with = "seconds")]
    pub executed: Duration,
    /// Part of the total time spent receiving the other rows.
    #[serde(with = "seconds")]
    pub fetched: Duration,
    /// Part of the total time spent decoding rows; estimated from one row in 32.
    #[serde(with = "seconds")]
    pub decoded: Duration,
    /// Plan captured when it was last slow.
    pub plan: Option<String>,
    /// Time at which the plan was captured, UTC.
    #[serde(default)]
    pub plan_at: Option<DateTime<Utc>>,
}

/// Totals of all statements since the database was opened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TotalsReport {
    /// Failed runs.
    pub errors: u64,
    /// Durations of the successful runs, without the wait for a connection.
    pub times: DurationReport,
}

/// Totals of the statements evicted because there were more than `DB_MONITOR_STATEMENTS`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EvictedReport {
    /// Number of evicted statements.
    pub statements: u64,
    /// Their runs, failed ones included.
    pub calls: u64,
    /// Their failed runs.
    pub errors: u64,
    /// Their total time.
    #[serde(with = "seconds")]
    pub total: Duration,
}

/// A running statement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunningReport {
    /// SQL text with literals replaced by `?`; the first statement of a batch.
    pub statement: String,
    /// Fingerprint, 16 hexadecimal digits.
    pub fingerprint: String,
    /// The line of code that runs it.
    pub at: SourceLocation,
    /// Time since it was sent.
    #[serde(with = "seconds")]
    pub running: Duration,
}

/// State and totals of a connection pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PoolReport {
    /// Pool name: `host:port`, or the file.
    pub name: String,
    /// Maximum number of connections in use, overflow included.
    pub limit: usize,
    /// Connections in use.
    pub in_use: usize,
    /// Idle connections.
    pub idle: usize,
    /// Callers waiting for a connection.
    pub waiting: usize,
    /// Callers that timed out, in the queue or while connecting.
    pub timeouts: u64,
    /// Connections opened.
    pub created: u64,
    /// Connections closed.
    pub closed: u64,
    /// Time from the request for a session to its start.
    pub wait: DurationReport,
    /// Time that sessions held their connection.
    pub hold: DurationReport,
    /// The longest-held session.
    pub longest: Option<ConnectionHolderReport>,
}

/// A session in use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConnectionHolderReport {
    /// The line of code that opened it.
    pub at: SourceLocation,
    /// Time since it was opened.
    #[serde(with = "seconds")]
    pub held: Duration,
}

impl Monitor {
    /// Returns a report with the state of the given pools and servers.
    pub fn report(&self, database: String, pools: Vec<PoolMetrics>, nodes: Vec<NodeStatus>) -> Report {
        let monitor = &self.inner;
        let Snapshot { statements, evicted, evicted_series } = monitor.statement_registry.snapshot();
        let mut all = Histogram::times().counts();
        let mut statements: Vec<_> =
            statements.iter().map(|statement| StatementReport::of(statement, &mut all)).collect();
        statements.sort_by_key(|statement| std::cmp::Reverse(statement.times.total));
        let evicted = EvictedReport::of(evicted, &evicted_series);
        evicted_series.iter().for_each(|(_, snapshot)| all.add(&snapshot.times));
        let errors = statements.iter().map(StatementReport::errors).sum::<u64>() + evicted.errors;
        Report {
            at: Utc::now(),
            since: monitor.opened_at.1,
            database,
            process: std::process::id(),
            statements,
            evicted,
            totals: TotalsReport { errors, times: DurationReport::of(&all) },
            running: self.running(),
            events: lock(&monitor.events).iter().rev().cloned().collect(),
            findings: self.findings(),
            forgotten_findings: lock(&monitor.findings).forgotten(),
            unused_allowances: monitor.allow_list.unused().into_iter().map(str::to_owned).collect(),
            pools: pools.into_iter().map(PoolReport::from).collect(),
            nodes,
        }
    }

    /// Returns the findings of all finished scopes and sessions, most time lost first.
    pub fn findings(&self) -> Vec<QueryFinding> {
        lock(&self.inner.findings).all().cloned().collect()
    }

    fn running(&self) -> Vec<RunningReport> {
        let running = self.inner.slots.running();
        running
            .into_iter()
            .map(|running| RunningReport {
                statement: running.statement.fingerprint.text.to_string(),
                fingerprint: running.statement.fingerprint.code(),
                at: running.call.at().into(),
                running: running.sent_at.elapsed(),
            })
            .collect()
    }
}

impl StatementReport {
    /// Returns the report of a statement, and adds its durations to those of all.
    fn of(statement: &StatementStats, all: &mut Counted) -> Self {
        let StatementFigures { times, rows, bytes, waited, fetched, decoded, failures } =
            statement.figures(all);
        let fingerprint = &statement.fingerprint;
        let (plan, plan_at) = statement.plan().unzip();
        Self {
            fingerprint: fingerprint.code(),
            statement: fingerprint.text.to_string(),
            summary: fingerprint.summary.to_string(),
            at: statement.last_call().map(SourceLocation::from),
            calls: times.count,
            failures,
            rows,
            bytes,
            waited,
            executed: times.total.saturating_sub(fetched + decoded),
            fetched,
            decoded,
            times,
            plan,
            plan_at,
        }
    }

    /// Returns the number of failed runs.
    pub fn errors(&self) -> u64 {
        self.failures.iter().map(|(_, count)| *count).fold(0, u64::saturating_add)
    }
}

impl EvictedReport {
    fn of(statements: u64, metric_series: &MetricSeries) -> Self {
        let mut report = Self { statements, ..Self::default() };
        for (_, snapshot) in metric_series.iter() {
            let all = || snapshot.failures.values().map(|failures| &failures.times).chain([&snapshot.times]);
            report.errors += snapshot.errors();
            report.calls += all().map(Counted::count).sum::<u64>();
            report.total += all().map(|times| Duration::from_nanos(times.sum)).sum::<Duration>();
        }
        report
    }
}

impl From<PoolMetrics> for PoolReport {
    fn from(PoolMetrics { status: pool, wait, hold, .. }: PoolMetrics) -> Self {
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
            wait: DurationReport::of(&wait),
            hold: DurationReport::of(&hold),
            longest: pool
                .longest
                .map(|holder| ConnectionHolderReport { at: holder.at.into(), held: holder.held }),
        }
    }
}
