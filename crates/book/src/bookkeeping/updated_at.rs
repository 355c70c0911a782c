//! Times of updates.

use chrono::{DateTime, TimeDelta, Utc};

/// Returns the time of an update that is made `now`: always later than the one `before`, so that it serves as the version of
/// the row.
pub fn touched(before: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    now.max(before + TimeDelta::microseconds(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_later_than_the_one_before_even_if_the_clock_is_not() {
        let at = |micros| DateTime::from_timestamp_micros(micros).unwrap();
        assert_eq!([5, 10, 11, 12].map(|now| touched(at(10), at(now))), [11, 11, 11, 12].map(at));
    }
}
