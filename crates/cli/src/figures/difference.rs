//! The difference between two reports.

use std::collections::HashMap;

use tallybook::{DurationReport, EvictedReport, PoolReport, QueryFinding, Report, StatementReport};

/// Returns what happened from `first` to `last`, as a report that begins with `first`: counts, totals, events and
/// findings. Quantiles and the current state are those of `last`. `None` if the program was restarted in between.
pub(crate) fn difference(first: &Report, last: &Report) -> Option<Report> {
    if (first.process, first.since) != (last.process, last.since) || first.at > last.at {
        return None;
    }
    let mut report = last.clone();
    report.since = first.at;
    report.statements = statements(&first.statements, &last.statements);
    report.evicted = evicted(&first.evicted, last.evicted);
    report.events.retain(|events| events.ended > first.at);
    report.findings = findings(&first.findings, &last.findings);
    report.forgotten_findings = last.forgotten_findings.saturating_sub(first.forgotten_findings);
    for pool in &mut report.pools {
        if let Some(before) = first.pools.iter().find(|before| before.name == pool.name) {
            subtract_pool(pool, before);
        }
    }
    for node in &mut report.nodes {
        if let Some(before) = first.nodes.iter().find(|before| before.name == node.name) {
            node.served = node.served.saturating_sub(before.served);
            node.fallbacks = node.fallbacks.saturating_sub(before.fallbacks);
        }
    }
    Some(report)
}

/// Returns the statements that ran, by total time.
fn statements(first: &[StatementReport], last: &[StatementReport]) -> Vec<StatementReport> {
    let before: HashMap<_, _> = first.iter().map(|statement| (&statement.fingerprint, statement)).collect();
    let mut ran: Vec<_> = last
        .iter()
        .map(|statement| match before.get(&statement.fingerprint) {
            // A lower count than before: the statement was evicted and began again.
            Some(before) if before.times.count <= statement.times.count => statement_since(before, statement),
            _ => statement.clone(),
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
    statement.times = times(&before.times, last.times);
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

fn times(first: &DurationReport, last: DurationReport) -> DurationReport {
    let mut times = last;
    times.count = last.count.saturating_sub(first.count);
    times.total = last.total.saturating_sub(first.total);
    times
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
    pool.wait = times(&before.wait, pool.wait);
    pool.hold = times(&before.hold, pool.hold);
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

    use super::*;
    use crate::figures::rated_report::runs;
    use crate::figures::sample;

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
            let first = sample::report();
            let (statements, timeouts) = &work;
            let between = total(&difference(&first, &after(&first, &work)).unwrap());
            // A statement that did not run takes no time.
            let ran = statements.iter().filter(|(calls, ..)| *calls > 0);
            let sums = ran.fold((0, 0, 0), |sum, work| (sum.0 + work.0, sum.1 + work.1, sum.2 + work.2));
            prop_assert_eq!(between, (sums.0, sums.1, Duration::from_millis(sums.2), *timeouts));
        }

        #[test]
        fn differences_of_parts_add_up_to_that_of_the_whole(one in work(), two in work()) {
            let first = sample::report();
            let middle = after(&first, &one);
            let last = after(&middle, &two);
            let runs = |from: &Report, to: &Report| runs(&difference(from, to).unwrap());
            prop_assert_eq!(runs(&first, &middle) + runs(&middle, &last), runs(&first, &last));
        }
    }

    #[test]
    fn between_a_report_and_itself_nothing_happened() {
        let report = sample::report();
        let nothing = difference(&report, &report).unwrap();
        assert!(nothing.statements.is_empty() && nothing.events.is_empty() && nothing.findings.is_empty());
        assert_eq!((runs(&nothing), nothing.since), (0, report.at));
    }

    #[test]
    fn a_statement_that_was_evicted_and_began_again_counts_from_there() {
        let first = sample::report();
        let mut last = after(&first, &(vec![(0, 0, 0); 3], 0));
        last.statements[0].calls = 3;
        last.statements[0].times.count = 3;
        let between = difference(&first, &last).unwrap();
        assert_eq!(between.statements[0].calls, 3);
    }

    #[test]
    fn what_was_noted_before_is_left_out() {
        let first = sample::report();
        let mut last = after(&first, &(Vec::new(), 0));
        let mut new = last.events[0].clone();
        new.ended = last.at;
        last.events.insert(0, new.clone());
        assert_eq!(difference(&first, &last).unwrap().events, [new]);
    }

    #[test]
    fn there_is_no_difference_across_a_restart() {
        let first = sample::report();
        let mut last = after(&first, &(Vec::new(), 0));
        last.process += 1;
        assert_eq!(difference(&first, &last), None);
    }
}
