//! Growth of a read's time with the size of the book.

use serde::Serialize;

use super::at_size::AtSize;

/// Growth exponents of a read: 0 if its time stays the same, 1 if it grows in proportion to the book.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Growth {
    pub(super) read: &'static str,
    /// Exponent from the first to the last size.
    pub(super) with: f64,
    pub(super) without: f64,
    /// Exponents from each size to the next.
    pub(super) steps: Vec<Step>,
}

/// The growth from one size to the next.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Step {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) with: f64,
    pub(super) without: f64,
}

/// Returns the growth of all reads; empty for a single size.
pub(super) fn growth(sizes: &[AtSize]) -> Vec<Growth> {
    let (Some(first), Some(last)) = (sizes.first(), sizes.last()) else { return Vec::new() };
    if sizes.len() < 2 {
        return Vec::new();
    }
    let whole = steps(first, last).into_iter();
    whole
        .enumerate()
        .map(|(index, whole)| Growth {
            read: first.reads[index].read,
            with: whole.with,
            without: whole.without,
            steps: sizes.windows(2).map(|pair| steps(&pair[0], &pair[1]).swap_remove(index)).collect(),
        })
        .collect()
}

/// Returns the exponents of all reads between two sizes.
fn steps(from: &AtSize, to: &AtSize) -> Vec<Step> {
    let rows = f64::from(to.trades) / f64::from(from.trades);
    let pairs = from.reads.iter().zip(&to.reads);
    pairs
        .map(|(before, after)| Step {
            from: from.trades,
            to: to.trades,
            with: slope(after.with.median_us / before.with.median_us, rows),
            without: slope(after.without.median_us / before.without.median_us, rows),
        })
        .collect()
}

/// Returns the slope of a line on a log-log scale.
fn slope(times: f64, rows: f64) -> f64 {
    times.ln() / rows.ln()
}

#[cfg(test)]
mod tests {
    use super::slope;

    #[test]
    fn what_grows_with_the_book_has_exponent_1_and_what_stays_0() {
        assert!((slope(10.0, 10.0) - 1.0).abs() < 1e-9);
        assert!((slope(100.0, 10.0) - 2.0).abs() < 1e-9);
        assert!(slope(1.0, 10.0).abs() < 1e-9);
    }
}
