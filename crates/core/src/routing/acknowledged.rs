//! The latest commits that a primary acknowledged, to count those a new primary may lack.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use tallybook_sql::lock::lock;

/// Number of positions remembered.
const MAX_POSITIONS: usize = 4096;

/// Log positions of the latest commits of one node.
#[derive(Default)]
pub(super) struct Acknowledged(Mutex<Last>);

#[derive(Default)]
struct Last {
    positions: VecDeque<u64>,
    /// Times at which commits with a still unknown position were acknowledged.
    unknown: Vec<Instant>,
}

impl Acknowledged {
    /// Adds a commit that was acknowledged just now.
    pub(super) fn add(&self, lsn: Option<u64>) {
        let mut last = self.last();
        match lsn {
            Some(lsn) => last.push(lsn),
            None if last.unknown.len() < MAX_POSITIONS => last.unknown.push(Instant::now()),
            None => {}
        }
    }

    /// Records that the log had reached `lsn` after the time `asked`. Commits acknowledged before are at or
    /// before `lsn`.
    pub(super) fn reached(&self, asked: Instant, lsn: u64) {
        let mut last = self.last();
        let before = last.unknown.len();
        last.unknown.retain(|&acknowledged| acknowledged > asked);
        for _ in last.unknown.len()..before {
            last.push(lsn);
        }
    }

    /// Returns the number of commits that a server at `lsn` lacks or may lack.
    pub(super) fn count_after(&self, lsn: u64) -> u64 {
        let last = self.last();
        (last.unknown.len() + last.positions.iter().filter(|&&position| position > lsn).count()) as u64
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        lock(&self.0)
    }
}

impl Last {
    fn push(&mut self, lsn: u64) {
        if self.positions.len() == MAX_POSITIONS {
            self.positions.pop_front();
        }
        self.positions.push_back(lsn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_after_a_position_are_counted() {
        let acknowledged = Acknowledged::default();
        for lsn in [100, 300, 200] {
            acknowledged.add(Some(lsn));
        }
        assert_eq!([99, 100, 200, 300].map(|lsn| acknowledged.count_after(lsn)), [3, 2, 1, 0]);
        (0..MAX_POSITIONS).for_each(|_| acknowledged.add(Some(50)));
        assert_eq!(acknowledged.count_after(60), 0);
    }

    #[test]
    fn a_commit_at_an_unknown_position_counts_until_the_log_has_passed_it() {
        let acknowledged = Acknowledged::default();
        let before = Instant::now();
        acknowledged.add(None);
        assert_eq!(acknowledged.count_after(u64::MAX), 1);
        acknowledged.reached(before, 300);
        assert_eq!(acknowledged.count_after(u64::MAX), 1, "the question was asked before the commit");
        acknowledged.reached(Instant::now(), 300);
        assert_eq!([299, 300].map(|lsn| acknowledged.count_after(lsn)), [1, 0]);
    }
}
