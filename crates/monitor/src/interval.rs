//! The figures of all statements, pools and servers over some time, for charts.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tallybook_core::BucketCounts;
use tallybook_core::routing::{NodeRole, NodeState, NodeStatus};

use super::report::{PoolReport, Report};

/// The figures of all statements, pools and servers over some time. Intervals that follow each other can be added.
///
/// ```
/// # use tallybook::{Database, Interval, Result, Settings, one, params};
/// # #[tokio::main]
/// # async fn main() -> Result<()> {
/// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
/// let earlier = db.report();
/// db.read().await?.run(one::<(i64,)>("SELECT 1", params![])).await?;
/// let interval = Interval::of(&db.report().since(&earlier).unwrap());
/// assert_eq!((interval.calls, interval.errors), (1, 0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Interval {
    /// Its end, UTC.
    pub at: DateTime<Utc>,
    /// Its length.
    pub elapsed: Duration,
    /// Successful statements.
    pub calls: u64,
    /// Failed statements.
    pub errors: u64,
    /// Their longest duration.
    pub longest: Duration,
    /// The durations of the successful statements.
    pub buckets: BucketCounts,
    /// Connections in use, the most at one moment that was looked at.
    pub in_use: usize,
    /// Callers waiting for a connection, the most likewise.
    pub waiting: usize,
    /// Maximum number of connections of all pools.
    pub limit: usize,
    /// The greatest staleness of each replica, if it is known.
    pub lag: BTreeMap<String, Option<Duration>>,
    /// Set if there was a primary whenever it was looked for.
    pub has_primary: bool,
}

impl Interval {
    /// Returns that of a report, whose counts are those of the interval: [`Report::since`] returns such a one.
    pub fn of(report: &Report) -> Self {
        let sum =
            |count: fn(&PoolReport) -> usize| report.pools.iter().map(count).fold(0, usize::saturating_add);
        let replicas = report.nodes.iter().filter(|node| node.role == NodeRole::Replica);
        let is_primary_up = |node: &NodeStatus| node.role == NodeRole::Primary && node.state == NodeState::Up;
        Self {
            at: report.at,
            elapsed: report.elapsed(),
            calls: report.totals.times.count,
            errors: report.totals.errors,
            longest: report.totals.times.max,
            buckets: report.totals.times.buckets.clone(),
            in_use: sum(|pool| pool.in_use),
            waiting: sum(|pool| pool.waiting),
            limit: sum(|pool| pool.limit),
            lag: replicas.map(|node| (node.name.clone(), node.lag)).collect(),
            has_primary: report.nodes.is_empty() || report.nodes.iter().any(is_primary_up),
        }
    }

    /// Adds the interval that follows. The highest use of pools and the greatest staleness count, so that peaks stay visible.
    pub fn add(&mut self, next: &Self) {
        self.at = next.at;
        self.elapsed = self.elapsed.saturating_add(next.elapsed);
        self.calls = self.calls.saturating_add(next.calls);
        self.errors = self.errors.saturating_add(next.errors);
        self.longest = self.longest.max(next.longest);
        self.buckets.add(&next.buckets);
        self.in_use = self.in_use.max(next.in_use);
        self.waiting = self.waiting.max(next.waiting);
        self.limit = next.limit;
        self.has_primary &= next.has_primary;
        let before = std::mem::replace(&mut self.lag, next.lag.clone());
        for (node, lag) in &mut self.lag {
            *lag = (*lag).max(before.get(node).copied().flatten());
        }
    }

    /// Returns a count as a rate a second; 0 for an interval without length.
    pub fn per_second(&self, count: u64) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
    }

    /// Returns p50, p95 and p99 of the successful statements; `None` if there was none.
    pub fn quantiles(&self) -> Option<[Duration; 3]> {
        let summary = self.buckets.summary(Duration::ZERO, self.longest);
        (!self.buckets.is_empty()).then_some([summary.p50, summary.p95, summary.p99])
    }
}

impl Report {
    /// Returns the time that the counts cover.
    pub fn elapsed(&self) -> Duration {
        (self.at - self.since).to_std().unwrap_or_default()
    }
}
