//! What several rounds say together.

use serde::Serialize;

/// Half the width of a 95 % interval, in standard deviations.
const DEVIATIONS: f64 = 1.96;

/// The middle of the rounds, and how far they lie apart.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Tally {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) lower_quartile: f64,
    pub(crate) upper_quartile: f64,
    /// Between which the median of endless rounds would lie, 95 times of 100: from the ranks of the rounds, so
    /// whatever their distribution.
    pub(crate) between: [f64; 2],
}

impl Tally {
    /// Of at least one round.
    pub(crate) fn of(rounds: impl IntoIterator<Item = f64>) -> Self {
        let mut rounds: Vec<f64> = rounds.into_iter().collect();
        rounds.sort_by(f64::total_cmp);
        let last = rounds.len() - 1;
        let half_width = DEVIATIONS / 2.0 * (rounds.len() as f64).sqrt();
        let low = (rounds.len() as f64 / 2.0 - half_width).floor().max(0.0) as usize;
        Self {
            median: at(&rounds, 0.5),
            least: rounds[0],
            most: rounds[last],
            lower_quartile: at(&rounds, 0.25),
            upper_quartile: at(&rounds, 0.75),
            between: [rounds[low], rounds[last - low]],
        }
    }

    /// The quotient of two series, round by round.
    pub(crate) fn of_ratio(above: &[f64], below: &[f64]) -> Self {
        Self::of(above.iter().zip(below).map(|(above, below)| above / below))
    }

    /// The difference of two series, round by round.
    pub(crate) fn of_difference(left: &[f64], right: &[f64]) -> Self {
        Self::of(left.iter().zip(right).map(|(left, right)| left - right))
    }
}

/// A quantile of sorted numbers, between the two nearest.
fn at(sorted: &[f64], quantile: f64) -> f64 {
    let place = quantile * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(Tally::of([4.0, 1.0, 3.0, 2.0]).median, 2.5);
    }

    #[test]
    fn the_quartiles_enclose_half_of_the_rounds() {
        let tally = Tally::of((0..=8).map(f64::from));
        assert_eq!((tally.lower_quartile, tally.upper_quartile), (2.0, 6.0));
    }

    #[test]
    fn many_rounds_enclose_the_median_closer_than_the_quartiles_and_few_do_not_at_all() {
        let many = Tally::of((0..100).map(f64::from));
        assert_eq!(many.between, [40.0, 59.0]);
        let few = Tally::of([1.0, 2.0, 3.0]);
        assert_eq!(few.between, [few.least, few.most]);
    }

    #[test]
    fn a_difference_is_taken_round_by_round() {
        assert_eq!(Tally::of_difference(&[10.0, 110.0, 12.0], &[9.0, 108.0, 11.0]).median, 1.0);
    }
}
