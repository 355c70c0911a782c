//! Invalidation of earlier reads: after a write, or after a failure of their session, a repeated read is not
//! redundant.

/// Failed sessions remembered; one more invalidates the reads of all.
const MAX_FAILED_SESSIONS: usize = 16;

/// A write starts a new epoch for all sessions; a failure invalidates the reads of its own session.
#[derive(Debug, Default)]
pub(super) struct Invalidation {
    epoch: u64,
    /// Failed sessions with the tick of their last failure.
    failures: Vec<(u64, u64)>,
}

impl Invalidation {
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn invalidate_all(&mut self) {
        self.epoch += 1;
        self.failures.clear();
    }

    pub(super) fn invalidate_session(&mut self, session: u64, tick: u64) {
        let known = self.failures.iter_mut().find(|(failed, _)| *failed == session);
        if let Some((_, last)) = known {
            *last = tick;
        } else if self.failures.len() < MAX_FAILED_SESSIONS {
            self.failures.push((session, tick));
        } else {
            self.invalidate_all();
        }
    }

    /// Returns whether a read of the session at `tick` no longer counts.
    pub(super) fn is_invalidated(&self, session: u64, tick: u64) -> bool {
        self.failures.iter().any(|(failed, last)| *failed == session && *last > tick)
    }
}
