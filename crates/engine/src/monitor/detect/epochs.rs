//! Stretches of time in which the same read has the same answer.

/// Sessions whose failures are remembered; more of them end the epoch for all.
const FAILURES: usize = 16;

/// Counts epochs: a write ends one for everybody, a failure for the session that has to start over.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    current: u64,
    /// Sessions, and when each failed last.
    failures: Vec<(u64, u64)>,
}

impl Epochs {
    pub(super) fn current(&self) -> u64 {
        self.current
    }

    pub(super) fn end(&mut self) {
        self.current += 1;
        self.failures.clear();
    }

    pub(super) fn end_for(&mut self, session: u64, tick: u64) {
        let known = self.failures.iter_mut().find(|(failed, _)| *failed == session);
        if let Some((_, last)) = known {
            *last = tick;
        } else if self.failures.len() < FAILURES {
            self.failures.push((session, tick));
        } else {
            self.end();
        }
    }

    /// Whether what the session read before `tick` does not count any more.
    pub(super) fn ended_for(&self, session: u64, tick: u64) -> bool {
        self.failures.iter().any(|(failed, last)| *failed == session && *last > tick)
    }
}
