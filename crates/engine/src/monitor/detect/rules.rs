//! What counts as too often.

use std::time::Duration;

/// When runs of the same statement are a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// So many runs: with different parameters for an N+1, with the same ones for a redundant read. Below two
    /// nothing could be repeated, so less is taken as two.
    pub(crate) threshold: usize,
}

/// The same read after a longer break looks for news.
pub(super) const PAUSE: Duration = Duration::from_millis(25);
/// Coincidence explains fewer values where their origin is not proved.
const SUSPICIOUS: usize = 5;

impl Rules {
    pub(super) fn threshold(self) -> usize {
        self.threshold.max(2)
    }

    /// The threshold where names prove nothing.
    pub(super) fn suspicious(self) -> usize {
        self.threshold().max(SUSPICIOUS)
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self { threshold: 3 }
    }
}
