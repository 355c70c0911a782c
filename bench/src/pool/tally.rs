//! What several rounds say together.

use serde::Serialize;

/// The middle of the rounds, and how far they lie apart.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Tally {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Tally {
    /// Of at least one round.
    pub(super) fn of(rounds: impl IntoIterator<Item = f64>) -> Self {
        let mut rounds: Vec<f64> = rounds.into_iter().collect();
        rounds.sort_by(f64::total_cmp);
        let middle = rounds.len() / 2;
        let median =
            if rounds.len() % 2 == 1 { rounds[middle] } else { (rounds[middle - 1] + rounds[middle]) / 2.0 };
        Self { median, least: rounds[0], most: rounds[rounds.len() - 1] }
    }

    /// The quotient of two series, round by round.
    pub(super) fn of_ratio(above: &[f64], below: &[f64]) -> Self {
        Self::of(above.iter().zip(below).map(|(above, below)| above / below))
    }
}
