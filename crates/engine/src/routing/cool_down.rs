//! How long a node that failed is left alone.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// Twice as long after each failure in a row, the first of which is number 1.
pub(super) fn cool_down(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(5);
    (FIRST * 2_u32.pow(doublings)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_from_one_second_to_thirty() {
        let seconds: Vec<_> = (1..=8).map(|failures| cool_down(failures).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30, 30]);
    }
}
