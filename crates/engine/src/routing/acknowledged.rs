//! What a primary acknowledged last, for the case that another server takes its place.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// So many are remembered.
const MOST: usize = 4096;

/// The positions of the last transactions.
#[derive(Default)]
pub(super) struct Acknowledged(Mutex<VecDeque<u64>>);

impl Acknowledged {
    pub(super) fn add(&self, lsn: u64) {
        let mut positions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if positions.len() == MOST {
            positions.pop_front();
        }
        positions.push_back(lsn);
    }

    /// How many of them whoever has replayed `lsn` does not have.
    pub(super) fn behind(&self, lsn: u64) -> u64 {
        let positions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        positions.iter().filter(|&&position| position > lsn).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_last_transactions_those_behind_a_position_are_counted() {
        let acknowledged = Acknowledged::default();
        for lsn in [100, 300, 200] {
            acknowledged.add(lsn);
        }
        assert_eq!([99, 100, 200, 300].map(|lsn| acknowledged.behind(lsn)), [3, 2, 1, 0]);
        (0..MOST).for_each(|_| acknowledged.add(50));
        assert_eq!(acknowledged.behind(60), 0);
    }
}
