//! Samples of the primary's log position over time. They turn a replica's position into an age without
//! comparing clocks.

use std::collections::VecDeque;
use std::time::Instant;

/// Number of samples kept. A replica behind the oldest one counts as older than all.
const MAX_SAMPLES: usize = 4096;

/// Positions of the primary on one timeline, oldest first.
#[derive(Default)]
pub(super) struct History {
    samples: VecDeque<Sample>,
    /// Timeline and position of the most advanced replica at a start without a primary. They say nothing about
    /// the age of a replica, only which one has more.
    start: Option<(u32, u64)>,
}

#[derive(Clone, Copy)]
struct Sample {
    /// Every commit before this time is at or before `lsn`.
    at: Instant,
    lsn: u64,
}

impl History {
    /// Adds the answer to a probe that was sent at `at`.
    pub(super) fn add(&mut self, at: Instant, lsn: u64) {
        match self.samples.back_mut() {
            Some(last) if last.lsn >= lsn => last.at = last.at.max(at),
            _ => self.samples.push_back(Sample { at, lsn }),
        }
        if self.samples.len() > MAX_SAMPLES {
            self.samples.pop_front();
        }
    }

    /// Begins with the timeline and the position of the most advanced replica, because there is no primary.
    pub(super) fn begin_without_primary(&mut self, timeline: u32, lsn: u64) {
        *self = Self { start: Some((timeline, lsn)), ..Self::default() };
    }

    /// Forgets the samples of a former primary.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns the latest position.
    pub(super) fn last(&self) -> Option<u64> {
        self.samples.back().map(|sample| sample.lsn)
    }

    /// Returns whether a replica has everything that is known to be written.
    pub(super) fn is_reached(&self, timeline: u32, lsn: u64) -> bool {
        match self.last() {
            Some(last) => lsn >= last,
            None => self.start.is_none_or(|start| (timeline, lsn) >= start),
        }
    }

    /// Returns the time before which a replica at `lsn` has every commit.
    pub(super) fn covered(&self, lsn: u64) -> Option<Instant> {
        let count_after = self.samples.partition_point(|sample| sample.lsn <= lsn);
        count_after.checked_sub(1).map(|index| self.samples[index].at)
    }

    /// Returns the position at which a replica has every commit before `moment`, or `None` if the primary has
    /// not been probed since.
    pub(super) fn lsn_needed(&self, moment: Instant) -> Option<u64> {
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
    fn a_replica_at_a_position_has_every_commit_before_the_last_probe_that_reported_it() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut history = History::default();
        for (seconds, lsn) in [(1, 100), (2, 100), (3, 200)] {
            history.add(at(seconds), lsn);
        }
        assert_eq!(history.covered(99), None);
        assert_eq!(history.covered(100), Some(at(2)));
        assert_eq!(history.covered(250), Some(at(3)));
        assert_eq!(history.lsn_needed(at(2)), Some(100));
        assert_eq!(history.lsn_needed(at(3)), Some(200));
        assert_eq!(history.lsn_needed(at(4)), None);
        assert_eq!(history.last(), Some(200));
    }

    #[test]
    fn without_a_primary_the_most_advanced_replica_shows_who_has_all_and_nobody_s_age() {
        let mut history = History::default();
        assert!(history.is_reached(1, 0), "nothing is known");
        history.begin_without_primary(2, 100);
        let reached = [(2, 100), (3, 50), (2, 99), (1, 200)].map(|(at, lsn)| history.is_reached(at, lsn));
        assert_eq!(reached, [true, true, false, false], "a later timeline counts more than a position");
        assert_eq!((history.covered(100), history.last()), (None, None));
        assert_eq!(history.lsn_needed(Instant::now()), None);
        history.clear();
        history.add(Instant::now(), 40);
        assert!(history.is_reached(1, 40), "the primary's own position is what counts");
    }

    proptest! {
        #[test]
        fn a_replica_at_the_needed_position_covers_the_moment(
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
            if let Some(lsn) = history.lsn_needed(moment) {
                prop_assert!(history.covered(lsn).unwrap() >= moment);
            }
        }
    }
}
