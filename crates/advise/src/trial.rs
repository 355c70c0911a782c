//! The result of trying an index.

use crate::candidate::Candidate;
use crate::scratch::Work;

/// Candidates that save nearly as much as the best compete by size.
const NEARLY_AS_GOOD: f64 = 0.98;
/// A partial index that is this many times smaller than the best may save a little less: it leaves most writes alone.
const SMALL_PARTIAL: u64 = 4;
const NEARLY_AS_GOOD_IF_SMALL: f64 = 0.9;

/// The work that a candidate would save.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    pub(crate) bytes: u64,
    /// Statements whose plan uses it, with their work.
    pub(crate) works: Vec<(usize, Work)>,
    /// Calls times saved work, minus writes.
    pub(crate) net: f64,
    /// The largest part saved of one statement.
    pub(crate) best_saving: f64,
    /// The statement of which that is.
    pub(crate) best: usize,
}

/// Returns the place of the candidate that saves most. Of those that save nearly as much, the smallest.
pub(crate) fn best(open: &[(Candidate, Option<Trial>)]) -> Option<usize> {
    let trials = || {
        open.iter()
            .enumerate()
            .filter_map(|(place, (candidate, trial))| Some((place, candidate, trial.as_ref()?)))
    };
    let (.., first) = trials().max_by(|(.., a), (.., b)| a.net.total_cmp(&b.net))?;
    let is_close = |candidate: &Candidate, trial: &Trial| {
        let is_small = candidate.filter.is_some() && trial.bytes.saturating_mul(SMALL_PARTIAL) <= first.bytes;
        let part = if is_small { NEARLY_AS_GOOD_IF_SMALL } else { NEARLY_AS_GOOD };
        if first.net > 0.0 { trial.net >= first.net * part } else { trial.net >= first.net }
    };
    let close = trials().filter(|(_, candidate, trial)| is_close(candidate, trial));
    close.min_by_key(|(_, candidate, trial)| (trial.bytes, candidate.keys.len())).map(|(place, ..)| place)
}
