//! Where the primary's log was, and when: by it a replica's age is known without comparing clocks.

use std::collections::VecDeque;
use std::time::Instant;

/// More are kept of a primary that writes on, so a replica that is further behind counts as older than all of them.
const SAMPLES: usize = 4096;

/// Positions of the primary on one timeline, the oldest first.
#[derive(Default)]
pub(super) struct History {
    samples: VecDeque<Sample>,
}

#[derive(Clone, Copy)]
struct Sample {
    /// Whatever was committed before is not behind `lsn`.
    at: Instant,
    lsn: u64,
}

impl History {
    /// Adds what the primary answered to a question sent at `at`.
    pub(super) fn add(&mut self, at: Instant, lsn: u64) {
        match self.samples.back_mut() {
            Some(last) if last.lsn >= lsn => last.at = last.at.max(at),
            _ => self.samples.push_back(Sample { at, lsn }),
        }
        if self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
    }

    /// Forgets a primary that is none any more.
    pub(super) fn clear(&mut self) {
        self.samples.clear();
    }

    /// The newest position.
    pub(super) fn last(&self) -> Option<u64> {
        self.samples.back().map(|sample| sample.lsn)
    }

    /// Whoever replayed `lsn` has everything that was committed before this moment.
    pub(super) fn covered(&self, lsn: u64) -> Option<Instant> {
        let behind = self.samples.partition_point(|sample| sample.lsn <= lsn);
        behind.checked_sub(1).map(|index| self.samples[index].at)
    }

    /// Whoever replayed this has everything that was committed before `moment`; none if the primary was not asked
    /// since.
    pub(super) fn needed(&self, moment: Instant) -> Option<u64> {
        let older = self.samples.partition_point(|sample| sample.at < moment);
        self.samples.get(older).map(|sample| sample.lsn)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_replayed_a_position_has_what_was_committed_until_the_last_question_answered_by_it() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut history = History::default();
        for (seconds, lsn) in [(1, 100), (2, 100), (3, 200)] {
            history.add(at(seconds), lsn);
        }
        assert_eq!(history.covered(99), None);
        assert_eq!(history.covered(100), Some(at(2)));
        assert_eq!(history.covered(250), Some(at(3)));
        assert_eq!(history.needed(at(2)), Some(100));
        assert_eq!(history.needed(at(3)), Some(200));
        assert_eq!(history.needed(at(4)), None);
        assert_eq!(history.last(), Some(200));
    }

    proptest! {
        #[test]
        fn who_has_what_is_needed_for_a_moment_is_covered_until_it(
            steps in prop::collection::vec((0_u64..50, 0_u64..3), 1..60),
            moment in 0_u64..2_000,
        ) {
            let start = Instant::now();
            let (mut time, mut lsn) = (0, 0);
            let mut history = History::default();
            for (pause, written) in steps {
                (time, lsn) = (time + pause, lsn + written);
                history.add(start + Duration::from_millis(time), lsn);
            }
            let moment = start + Duration::from_millis(moment);
            if let Some(lsn) = history.needed(moment) {
                prop_assert!(history.covered(lsn).unwrap() >= moment);
            }
        }
    }
}
