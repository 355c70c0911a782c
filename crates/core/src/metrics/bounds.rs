//! Bucket bounds of the exported histograms.

/// In seconds. OpenTelemetry's, after four of our own below a millisecond.
static DURATIONS: [f64; SUB_MILLISECOND + 9] =
    [0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];
const SUB_MILLISECOND: usize = 4;

static ROWS: [f64; 13] =
    [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0];

/// Returns the inclusive upper bounds of duration buckets, in seconds: OpenTelemetry's, optionally preceded
/// by four below a millisecond.
pub fn duration_bounds(sub_millisecond: bool) -> &'static [f64] {
    if sub_millisecond { &DURATIONS } else { &DURATIONS[SUB_MILLISECOND..] }
}

/// Returns the inclusive upper bounds of row count buckets: OpenTelemetry's.
pub fn row_bounds() -> &'static [f64] {
    &ROWS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_buckets_of_the_convention() {
        assert_eq!(duration_bounds(false), [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0]);
    }

    #[test]
    fn buckets_below_a_millisecond_come_in_front_of_the_others() {
        let (below, standard) = duration_bounds(true).split_at(4);
        assert_eq!(below, [0.00001, 0.00005, 0.0001, 0.0005]);
        assert_eq!(standard, duration_bounds(false));
    }

    #[test]
    fn rows_have_the_buckets_of_the_convention() {
        let bounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
        assert_eq!(row_bounds(), bounds.map(f64::from));
    }
}
