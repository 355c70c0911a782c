//! Thresholds of the detector.

use std::time::Duration;

/// The thresholds from which runs of a statement become a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Minimum number of runs: with different parameters for an N+1, with the same ones for a redundant read.
    /// Less than 2 is taken as 2.
    pub(crate) threshold: usize,
}

/// A repeated read after a longer pause is polling, not redundant.
pub(super) const MIN_POLL_INTERVAL: Duration = Duration::from_millis(25);
/// Fewer values may coincide by chance where no key proves their origin.
const MIN_SUSPICIOUS: usize = 5;

impl Rules {
    pub(super) fn threshold(self) -> usize {
        self.threshold.max(2)
    }

    /// Returns the threshold for findings without proof.
    pub(super) fn suspicion_threshold(self) -> usize {
        self.threshold().max(MIN_SUSPICIOUS)
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self { threshold: 3 }
    }
}
