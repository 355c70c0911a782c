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
    /// db.read().await?.run(one::<(String,)>("SELECT 'a' || 'b'", params![])).await?;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::TimeDelta;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use tallybook_core::BucketCounts;

    use super::super::duration_report::DurationReport;
    use super::*;

    /// A report of a program with three statements that ran.
    fn sample() -> Report {
        let statement = |number: u64| {
            let calls = 100 * number;
            json!({
                "fingerprint": format!("{number:016x}"), "statement": format!("select {number}"), "summary": "SELECT",
                "at": null, "calls": calls, "failures": [["23503", number]], "rows": calls, "bytes": calls, "times": times(calls),
                "waited": 0.0, "executed": 0.0, "fetched": 0.0, "decoded": 0.0, "plan": null,
            })
        };
        let at = json!({ "file": "src/report.rs", "line": 7 });
        serde_json::from_value(json!({
            "at": "2026-03-02T10:00:00Z", "since": "2026-03-02T08:30:00Z", "database": "sqlite:///book.db", "process": 42,
            "statements": [statement(1), statement(2), statement(3)],
            "evicted": { "statements": 0, "calls": 0, "errors": 0, "total": 0.0 },
            "totals": { "errors": 6, "times": times(600) },
            "running": [],
            "events": [{
                "ended": "2026-03-02T09:59:58Z", "statement": "select 1", "fingerprint": "0000000000000001", "at": at,
                "took": 2.0, "waited": 0.0, "rows": 0, "failure": null, "parameters": null,
            }],
            "findings": [{
                "confidence": "confirmed", "statement": "select 1", "summary": "SELECT", "fingerprint": "0000000000000001",
                "at": at, "source": null, "runs": 100, "distinct": 100, "examined": 100, "lost": 0.03, "scopes": 2,
                "suggestion": "once",
            }],
            "forgotten_findings": 0, "unused_allowances": [],
            "pools": [{
                "name": "readers", "limit": 4, "in_use": 1, "idle": 1, "waiting": 0, "timeouts": 4, "created": 2, "closed": 0,
                "wait": times(600), "hold": times(600), "longest": null,
            }],
        }))
        .unwrap()
    }

    /// Runs that took a millisecond each.
    fn times(count: u64) -> Value {
        let seconds = count as f64 / 1e3;
        json!({
            "count": count, "total": seconds, "p50": 1e-3, "p95": 1e-3, "p99": 1e-3, "max": 1e-3,
            "buckets": [[1_000_000, count]],
        })
    }

    /// Returns the number of executed statements, failed ones included.
    fn runs(report: &Report) -> u64 {
        report.statements.iter().map(|statement| statement.calls + statement.errors()).sum()
    }

    /// Work in an interval: calls, rows and milliseconds of each statement, and time-outs.
    type Work = (Vec<(u64, u64, u64)>, u64);

    fn work() -> impl Strategy<Value = Work> {
        (prop::collection::vec((0..1_000_u64, 0..1_000_u64, 0..1_000_u64), 3), 0..10_u64)
    }

    /// Returns the report after more work.
    fn after(report: &Report, (statements, timeouts): &Work) -> Report {
        let mut later = report.clone();
        later.at += TimeDelta::seconds(1);
        for (statement, &(calls, rows, ms)) in later.statements.iter_mut().zip(statements) {
            statement.calls += calls;
            statement.times.count += calls;
            statement.rows += rows;
            statement.times.total += Duration::from_millis(ms);
        }
        later.pools[0].timeouts += timeouts;
        later
    }

    fn total(report: &Report) -> (u64, u64, Duration, u64) {
        let sum = |count: fn(&StatementReport) -> u64| report.statements.iter().map(count).sum::<u64>();
        let time = report.statements.iter().map(|statement| statement.times.total).sum();
        (runs(report), sum(|statement| statement.rows), time, report.pools[0].timeouts)
    }

    proptest! {
        #[test]
        fn a_difference_is_what_was_done_in_between(work in work()) {
            let first = sample();
            let (statements, timeouts) = &work;
            let between = total(&after(&first, &work).since(&first).unwrap());
            // A statement that did not run takes no time.
            let ran = statements.iter().filter(|(calls, ..)| *calls > 0);
            let sums = ran.fold((0, 0, 0), |sum, work| (sum.0 + work.0, sum.1 + work.1, sum.2 + work.2));
            prop_assert_eq!(between, (sums.0, sums.1, Duration::from_millis(sums.2), *timeouts));
        }

        #[test]
        fn differences_of_parts_add_up_to_that_of_the_whole(one in work(), two in work()) {
            let first = sample();
            let middle = after(&first, &one);
            let last = after(&middle, &two);
            let runs = |from: &Report, to: &Report| runs(&to.since(from).unwrap());
            prop_assert_eq!(runs(&first, &middle) + runs(&middle, &last), runs(&first, &last));
        }
    }

    #[test]
    fn between_a_report_and_itself_nothing_happened() {
        let report = sample();
        let nothing = report.since(&report).unwrap();
        assert!(nothing.statements.is_empty() && nothing.events.is_empty() && nothing.findings.is_empty());
        assert_eq!((runs(&nothing), nothing.since), (0, report.at));
    }

    #[test]
    fn a_statement_that_was_evicted_and_began_again_counts_from_there() {
        let first = sample();
        let mut last = after(&first, &(vec![(0, 0, 0); 3], 0));
        last.statements[0].calls = 3;
        last.statements[0].times.count = 3;
        let between = last.since(&first).unwrap();
        assert_eq!(between.statements[0].calls, 3);
    }

    #[test]
    fn what_was_noted_before_is_left_out() {
        let first = sample();
        let mut last = after(&first, &(Vec::new(), 0));
        let mut new = last.events[0].clone();
        new.ended = last.at;
        last.events.insert(0, new.clone());
        assert_eq!(last.since(&first).unwrap().events, [new]);
    }

    #[test]
    fn there_is_no_difference_across_a_restart() {
        let first = sample();
        let mut last = after(&first, &(Vec::new(), 0));
        last.process += 1;
        assert_eq!(last.since(&first), None);
    }

    #[test]
    fn percentiles_are_those_of_the_time_in_between() {
        let first = sample();
        let mut last = after(&first, &(vec![(10, 10, 40); 3], 0));
        let slower: DurationReport = serde_json::from_value(json!({
            "count": 110, "total": 0.14, "p50": 1e-3, "p95": 4e-3, "p99": 4e-3, "max": 4e-3,
            "buckets": [[1_000_000, 101], [4_470_000, 9]],
        }))
        .unwrap();
        last.statements[0].times = slower;
        let times = &last
            .since(&first)
            .unwrap()
            .statements
            .into_iter()
            .find(|it| it.fingerprint.ends_with('1'))
            .unwrap()
            .times;
        assert_eq!((times.count, times.buckets.count()), (10, 10));
        assert_eq!(
            (times.p50, times.p99, times.max),
            (Duration::from_millis(4), Duration::from_millis(4), Duration::from_millis(4))
        );
    }

    #[test]
    fn percentiles_of_a_report_without_buckets_stay_those_of_the_whole_time() {
        let mut first = sample();
        first.statements[0].times.buckets = BucketCounts::default();
        let last = after(&first, &(vec![(10, 10, 40); 3], 0));
        let since = last.since(&first).unwrap();
        let old = since.statements.iter().find(|it| it.fingerprint.ends_with('1')).unwrap();
        assert_eq!((old.times.p99, old.times.has_buckets()), (Duration::from_millis(1), false));
    }
}
