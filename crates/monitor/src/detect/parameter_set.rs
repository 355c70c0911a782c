//! One set of parameter values, and how often it ran.

use std::time::{Duration, Instant};

use super::invalidation::Invalidation;
use super::pipeline::PipelineHandle;
use super::rules::MIN_POLL_INTERVAL;

/// Parameters of a run whose origin is searched.
pub(super) const MAX_TRACKED: usize = 4;

/// Runs of a group with the same parameter values.
#[derive(Debug)]
pub(super) struct ParameterSet {
    pub(super) values: [u64; MAX_TRACKED],
    /// Tick of the last send.
    pub(super) sent: u64,
    answered: u64,
    ended: Option<Instant>,
    session: u64,
    epoch: u64,
    /// Consecutive runs in the current epoch.
    streak: u32,
    /// Most consecutive runs in one epoch.
    pub(super) repeats: u32,
    /// Total time of the runs that an earlier answer made redundant.
    pub(super) repeated: Duration,
}

impl ParameterSet {
    pub(super) fn new(values: [u64; MAX_TRACKED], sent: u64) -> Self {
        Self {
            values,
            sent,
            answered: 0,
            ended: None,
            session: 0,
            epoch: 0,
            streak: 0,
            repeats: 0,
            repeated: Duration::ZERO,
        }
    }

    pub(super) fn answered(
        &mut self,
        handle: &PipelineHandle,
        tick: u64,
        elapsed: Duration,
        invalidation: &Invalidation,
    ) {
        if handle.epoch < self.epoch {
            return;
        }
        if self.is_known(handle, invalidation) {
            self.streak = self.streak.saturating_add(1);
            self.repeated += elapsed;
        } else {
            self.streak = 1;
        }
        self.repeats = self.repeats.max(self.streak);
        (self.answered, self.session, self.epoch) = (tick, handle.session, handle.epoch);
        self.ended = self.ended.max(Some(handle.now + elapsed));
    }

    /// Returns whether the answer was known already and nothing suggests that it changed.
    fn is_known(&self, handle: &PipelineHandle, invalidation: &Invalidation) -> bool {
        let is_invalidated = |session| invalidation.is_invalidated(session, self.answered);
        self.epoch == handle.epoch
            && self.ended.is_some_and(|ended| handle.now <= ended + MIN_POLL_INTERVAL)
            && !is_invalidated(self.session)
            && !is_invalidated(handle.session)
    }
}
