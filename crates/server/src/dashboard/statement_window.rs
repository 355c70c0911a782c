//! The figures of each statement over the last minutes.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tallybook::Report;

use super::figures::Figures;
use super::sample::rate;

/// Parts of the window, each as long as a coarse sample.
pub(super) const SLOTS: usize = 30;
/// Statements of a part that are kept apart: those with the most time. The others count in the totals only.
const MAX_STATEMENTS: usize = 200;

/// The figures of all statements, those that are not kept apart included, and of all pools and servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// The time that they cover.
    pub(super) elapsed: Duration,
    /// Time of the successful runs.
    pub(super) total: Duration,
    pub(super) calls: u64,
    pub(super) errors: u64,
    /// Callers who got no connection in time.
    pub(super) timeouts: u64,
    /// Reads that moved to another server.
    pub(super) fallbacks: u64,
}

impl Totals {
    fn of(report: &Report) -> Self {
        Self {
            elapsed: report.elapsed(),
            total: report.totals.times.total,
            calls: report.totals.times.count,
            errors: report.totals.errors,
            timeouts: report.pools.iter().map(|pool| pool.timeouts).fold(0, u64::saturating_add),
            fallbacks: report.nodes.iter().map(|node| node.fallbacks).fold(0, u64::saturating_add),
        }
    }

    /// Returns the time that they cover, and the time of all statements in it.
    pub(super) fn time(&self) -> (Duration, Duration) {
        (self.elapsed, self.total)
    }

    fn and(self, other: Self) -> Self {
        Self {
            elapsed: self.elapsed.saturating_add(other.elapsed),
            total: self.total.saturating_add(other.total),
            calls: self.calls.saturating_add(other.calls),
            errors: self.errors.saturating_add(other.errors),
            timeouts: self.timeouts.saturating_add(other.timeouts),
            fallbacks: self.fallbacks.saturating_add(other.fallbacks),
        }
    }
}

/// The last five minutes, in parts of ten seconds; the newest part grows.
#[derive(Clone, Debug, Default)]
pub(super) struct StatementWindow {
    slots: VecDeque<Slot>,
    /// The figures of each statement in all slots.
    sums: HashMap<String, Figures>,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    totals: Totals,
    statements: HashMap<String, Figures>,
}

impl StatementWindow {
    /// Adds the statements that ran in the newest interval.
    pub(super) fn add(&mut self, report: &Report) {
        if self.slots.is_empty() {
            self.slots.push_back(Slot::default());
        }
        let Some(slot) = self.slots.back_mut() else { return };
        slot.totals = slot.totals.and(Totals::of(report));
        for statement in &report.statements {
            let figures = Figures::of(statement);
            add(&mut self.sums, &statement.fingerprint, &figures);
            add(&mut slot.statements, &statement.fingerprint, &figures);
        }
    }

    /// Ends the newest part and begins the next.
    pub(super) fn turn(&mut self) {
        if let Some(slot) = self.slots.back_mut() {
            slot.keep_most_time();
        }
        if self.slots.len() >= SLOTS {
            self.slots.pop_front();
        }
        self.slots.push_back(Slot::default());
        self.sums.clear();
        for (fingerprint, figures) in self.slots.iter().flat_map(|slot| &slot.statements) {
            add(&mut self.sums, fingerprint, figures);
        }
    }

    /// Returns the figures of everything.
    pub(super) fn totals(&self) -> Totals {
        self.slots.iter().map(|slot| slot.totals).fold(Totals::default(), Totals::and)
    }

    /// Returns the figures of the statements that ran, most time first.
    pub(super) fn statements(&self) -> Vec<(&str, &Figures)> {
        let mut sums: Vec<_> =
            self.sums.iter().map(|(fingerprint, figures)| (&**fingerprint, figures)).collect();
        sums.sort_by(|(left, a), (right, b)| (b.total, left).cmp(&(a.total, right)));
        sums
    }

    /// Returns a statement's calls a second in each part of the window, oldest first.
    pub(super) fn spark(&self, fingerprint: &str) -> Vec<f64> {
        let missing = SLOTS - self.slots.len().min(SLOTS);
        let calls = self.slots.iter().map(|slot| {
            let calls = slot.statements.get(fingerprint).map_or(0, |figures| figures.calls);
            rate(calls, slot.totals.elapsed)
        });
        std::iter::repeat_n(0.0, missing).chain(calls).collect()
    }

    /// Returns the figures of one statement; nothing if it did not run.
    pub(super) fn statement(&self, fingerprint: &str) -> Figures {
        self.sums.get(fingerprint).cloned().unwrap_or_default()
    }
}

fn add(into: &mut HashMap<String, Figures>, fingerprint: &str, figures: &Figures) {
    match into.get_mut(fingerprint) {
        Some(known) => known.add(figures),
        None => drop(into.insert(fingerprint.to_owned(), figures.clone())),
    }
}

impl Slot {
    fn keep_most_time(&mut self) {
        if self.statements.len() <= MAX_STATEMENTS {
            return;
        }
        let mut all: Vec<_> = std::mem::take(&mut self.statements).into_iter().collect();
        all.sort_by_key(|(_, figures)| Reverse(figures.total));
        all.truncate(MAX_STATEMENTS);
        self.statements = all.into_iter().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::super::made_up::Program;
    use super::*;

    /// Runs a program with so many statements for some parts of ten seconds.
    fn after(parts: u64, statements: usize, calls: impl Fn(u64, usize) -> u64) -> StatementWindow {
        let (mut program, mut window) = (Program::new(statements), StatementWindow::default());
        let mut earlier = program.run(1, |_| 0);
        for part in 0..parts {
            let report = program.run(10, |number| calls(part, number));
            window.add(&report.since(&earlier).unwrap());
            window.turn();
            earlier = report;
        }
        window
    }

    #[test]
    fn it_counts_the_last_five_minutes_exactly() {
        let window = after(40, 2, |part, number| part * (number as u64 + 1));
        // The newest of the thirty parts has just begun.
        let expected: u64 = (11..40).sum();
        let calls: Vec<_> = window.statements().iter().map(|(_, figures)| figures.calls).collect();
        assert_eq!(calls, [2 * expected, expected]);
        assert_eq!(window.totals().calls, 3 * expected);
        assert_eq!(window.totals().elapsed, Duration::from_secs(290));
        assert_eq!(window.statement("0000000000000000").quantiles(), [Some(1e-4); 3]);
    }

    #[test]
    fn a_spark_has_thirty_rates_and_the_newest_is_last() {
        let window = after(3, 1, |part, _| 10 * (part + 1));
        let spark = window.spark("0000000000000000");
        assert_eq!(spark.len(), SLOTS);
        assert_eq!(&spark[SLOTS - 5..], [0.0, 1.0, 2.0, 3.0, 0.0]);
        assert_eq!(window.spark("unknown"), [0.0; SLOTS]);
    }

    #[test]
    fn the_statements_with_the_most_time_are_kept_apart_and_all_are_counted() {
        let window = after(32, 250, |_, number| number as u64);
        assert!(window.slots.len() <= SLOTS);
        assert!(window.slots.iter().all(|slot| slot.statements.len() <= MAX_STATEMENTS));
        assert_eq!(window.statements().len(), MAX_STATEMENTS);
        assert_eq!(window.statements()[0].0, format!("{:016x}", 249));
        assert_eq!(window.totals().calls, 29 * (0..250).sum::<u64>());
    }

    #[test]
    fn what_did_not_run_lately_is_left_out() {
        let window = after(40, 2, |part, number| u64::from(number == 0 || part == 0));
        assert_eq!(window.statements().len(), 1);
        assert_eq!(window.statement("0000000000000001"), Figures::default());
    }
}
