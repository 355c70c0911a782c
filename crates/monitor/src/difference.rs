//! The difference between two reports.

use std::collections::HashMap;

use super::detect::QueryFinding;
use super::report::{EvictedReport, PoolReport, Report, StatementReport, TotalsReport};

impl Report {
    /// Returns what happened since an earlier report, as a report that begins with it: counts, totals, percentiles, events and
    /// findings. What is running and the state of pools and servers are those of this report. `None` if the program was
    /// restarted in between.
    ///
    /// ```
    /// # use tallybook::{Database, Result, Settings, one, params};
    /// # #[tokio::main]
    /// # async fn main() -> Result<()> {
    /// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
    /// db.read().await?.run(one::<(i64,)>("SELECT 1", params![])).await?;
    /// let earlier = db.report();
    /// db.read().await?.run(one::<(i64,)>("SELECT 'a' || 'b'", params![])).await?;
    /// let lately = db.report().since(&earlier).unwrap();
    /// assert_eq!(lately.statements.len(), 1);
    /// assert_eq!(lately.statements[0].statement, "select ? || ?");
    /// # Ok(())
    /// # }
    /// ```
    pub fn since(&self, earlier: &Self) -> Option<Self> {
        if (earlier.process, earlier.since) != (self.process, self.since) || earlier.at > self.at {
            return None;
        }
        let mut pools = self.pools.clone();
        for pool in &mut pools {
            if let Some(before) = earlier.pools.iter().find(|before| before.name == pool.name) {
                subtract_pool(pool, before);
            }
        }
        let mut nodes = self.nodes.clone();
        for node in &mut nodes {
            if let Some(before) = earlier.nodes.iter().find(|before| before.name == node.name) {
                node.served = node.served.saturating_sub(before.served);
                node.fallbacks = node.fallbacks.saturating_sub(before.fallbacks);
            }
        }
        Some(Self {
            at: self.at,
            since: earlier.at,
            database: self.database.clone(),
            process: self.process,
            statements: statements(&earlier.statements, &self.statements),
            evicted: evicted(&earlier.evicted, self.evicted),
            totals: totals(&earlier.totals, &self.totals),
            running: self.running.clone(),
            events: self.events.iter().filter(|event| event.ended > earlier.at).cloned().collect(),
            findings: findings(&earlier.findings, &self.findings),
            forgotten_findings: self.forgotten_findings.saturating_sub(earlier.forgotten_findings),
            unused_allowances: self.unused_allowances.clone(),
            pools,
            nodes,
        })
    }
}

/// Returns the statements that ran, by total time.
fn statements(first: &[StatementReport], last: &[StatementReport]) -> Vec<StatementReport> {
    let before: HashMap<_, _> = first.iter().map(|statement| (&statement.fingerprint, statement)).collect();
    let mut ran: Vec<_> = last
        .iter()
        .filter_map(|statement| match before.get(&statement.fingerprint) {
            Some(before) if before.calls == statement.calls && before.errors() == statement.errors() => None,
            // A lower count than before: the statement was evicted and began again.
            Some(before) if before.times.count <= statement.times.count => {
                Some(statement_since(before, statement))
            }
            _ => Some(statement.clone()),
        })
        .filter(|statement| statement.calls > 0 || statement.errors() > 0)
        .collect();
    ran.sort_by_key(|statement| std::cmp::Reverse(statement.times.total));
    ran
}

fn statement_since(before: &StatementReport, last: &StatementReport) -> StatementReport {
    let mut statement = last.clone();
    statement.calls = last.calls.saturating_sub(before.calls);
    statement.rows = last.rows.saturating_sub(before.rows);
    statement.bytes = last.bytes.saturating_sub(before.bytes);
    statement.times = last.times.since(&before.times);
    statement.waited = last.waited.saturating_sub(before.waited);
    statement.executed = last.executed.saturating_sub(before.executed);
    statement.fetched = last.fetched.saturating_sub(before.fetched);
    statement.decoded = last.decoded.saturating_sub(before.decoded);
    for (kind, count) in &mut statement.failures {
        let earlier = before.failures.iter().find(|(earlier, _)| earlier == kind);
        *count = count.saturating_sub(earlier.map_or(0, |(_, count)| *count));
    }
    statement.failures.retain(|(_, count)| *count > 0);
    statement
}

fn totals(first: &TotalsReport, last: &TotalsReport) -> TotalsReport {
    TotalsReport { errors: last.errors.saturating_sub(first.errors), times: last.times.since(&first.times) }
}

fn evicted(first: &EvictedReport, last: EvictedReport) -> EvictedReport {
    let mut evicted = last;
    evicted.statements = last.statements.saturating_sub(first.statements);
    evicted.calls = last.calls.saturating_sub(first.calls);
    evicted.errors = last.errors.saturating_sub(first.errors);
    evicted.total = last.total.saturating_sub(first.total);
    evicted
}

fn subtract_pool(pool: &mut PoolReport, before: &PoolReport) {
    pool.timeouts = pool.timeouts.saturating_sub(before.timeouts);
    pool.created = pool.created.saturating_sub(before.created);
    pool.closed = pool.closed.saturating_sub(before.closed);
    pool.wait = pool.wait.since(&before.wait);
    pool.hold = pool.hold.since(&before.hold);
}

/// Returns the findings that are new or recurred, with their cost since.
fn findings(first: &[QueryFinding], last: &[QueryFinding]) -> Vec<QueryFinding> {
    let mut found: Vec<_> = last
        .iter()
        .filter_map(|finding| {
            let is_same = |before: &&QueryFinding| {
                (before.confidence, &before.fingerprint, &before.at)
                    == (finding.confidence, &finding.fingerprint, &finding.at)
            };
            let Some(before) = first.iter().find(is_same) else { return Some(finding.clone()) };
            let mut since = finding.clone();
            since.runs = finding.runs.saturating_sub(before.runs);
            since.scopes = finding.scopes.saturating_sub(before.scopes);
            since.lost = finding.lost.saturating_sub(before.lost);
            (since.runs > 0).then_some(since)
        })
        .collect();
    found.sort_by_key(|finding| std::cmp::Reverse(finding.lost));
    found
}
