//! The number of trades of each portfolio.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Exponent of the decline with rank, as in Zipf's law.
const SKEW: f64 = 0.8;
/// Flattens the top, so that the first portfolio does not get most trades.
const FLATTEN: f64 = 8.0;

/// Returns skewed numbers of trades that add up to `trades`, in random order.
pub(super) fn sizes(portfolios: u32, trades: u32, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let weights: Vec<f64> = (0..portfolios).map(|rank| (f64::from(rank) + FLATTEN).powf(-SKEW)).collect();
    let total: f64 = weights.iter().sum();
    let (mut share, mut given) = (0.0, 0);
    let mut sizes: Vec<u32> = weights
        .iter()
        .map(|weight| {
            share += weight;
            let due = (share / total * f64::from(trades)).round() as u32;
            due - std::mem::replace(&mut given, due)
        })
        .collect();
    sizes.shuffle(rng);
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn every_trade_is_given_to_a_portfolio() {
        for (portfolios, trades) in [(1, 1), (7, 3), (1_000, 200_000)] {
            let sizes = sizes(portfolios, trades, &mut ChaCha8Rng::seed_from_u64(1));
            assert_eq!(sizes.len(), portfolios as usize);
            assert_eq!(sizes.iter().sum::<u32>(), trades);
        }
    }

    #[test]
    fn few_portfolios_trade_much_and_many_little() {
        let mut sizes = sizes(1_000, 200_000, &mut ChaCha8Rng::seed_from_u64(1));
        sizes.sort_unstable();
        let top: u32 = sizes[900..].iter().sum();
        assert!(top > 200_000 / 3, "the top tenth has {top}");
    }
}
