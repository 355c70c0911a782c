//! What a primary acknowledged last, for the case that another server takes its place.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// So many are remembered.
const MOST: usize = 4096;

/// The positions of the last transactions.
#[derive(Default)]
pub(super) struct Acknowledged(Mutex<Last>);

#[derive(Default)]
struct Last {
    positions: VecDeque<u64>,
    /// When those were acknowledged whose positions are not known yet.
    unknown: Vec<Instant>,
}

impl Acknowledged {
    /// Adds one that was acknowledged just now, at its position if that is known.
    pub(super) fn add(&self, lsn: Option<u64>) {
        let mut last = self.last();
        match lsn {
            Some(lsn) => last.push(lsn),
            None if last.unknown.len() < MOST => last.unknown.push(Instant::now()),
            None => {}
        }
    }

    /// Notes that the log had come to `lsn` at a moment after `asked`: what was acknowledged before is not behind it.
    pub(super) fn reached(&self, asked: Instant, lsn: u64) {
        let mut last = self.last();
        let before = last.unknown.len();
        last.unknown.retain(|&acknowledged| acknowledged > asked);
        for _ in last.unknown.len()..before {
            last.push(lsn);
        }
    }

    /// How many of them whoever has replayed `lsn` does not have, or is not known to have.
    pub(super) fn behind(&self, lsn: u64) -> u64 {
        let last = self.last();
        (last.unknown.len() + last.positions.iter().filter(|&&position| position > lsn).count()) as u64
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Last {
    fn push(&mut self, lsn: u64) {
        if self.positions.len() == MOST {
            self.positions.pop_front();
        }
        self.positions.push_back(lsn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_last_transactions_those_behind_a_position_are_counted() {
        let acknowledged = Acknowledged::default();
        for lsn in [100, 300, 200] {
            acknowledged.add(Some(lsn));
        }
        assert_eq!([99, 100, 200, 300].map(|lsn| acknowledged.behind(lsn)), [3, 2, 1, 0]);
        (0..MOST).for_each(|_| acknowledged.add(Some(50)));
        assert_eq!(acknowledged.behind(60), 0);
    }

    #[test]
    fn one_of_an_unknown_position_is_behind_any_until_the_log_is_known_to_have_come_farther() {
        let acknowledged = Acknowledged::default();
        let before = Instant::now();
        acknowledged.add(None);
        assert_eq!(acknowledged.behind(u64::MAX), 1);
        acknowledged.reached(before, 300);
        assert_eq!(acknowledged.behind(u64::MAX), 1, "the question was asked before the commit");
        acknowledged.reached(Instant::now(), 300);
        assert_eq!([299, 300].map(|lsn| acknowledged.behind(lsn)), [1, 0]);
    }
}
