//! Quantiles over several statements.

use std::time::Duration;

use tallybook::DurationReport;

/// Returns a time that 99 % of the runs of all statements did not exceed. Quantiles do not add up, so this is the
/// lowest upper bound that the statements' own quantiles prove.
pub(super) fn p99(times: &[DurationReport]) -> Duration {
    // Reports of other programs may contain numbers of any size.
    let count: u128 = times.iter().map(|times| u128::from(times.count)).sum();
    let longer = |bound: Duration| -> u128 { times.iter().map(|times| most_longer(times, bound)).sum() };
    let mut bounds: Vec<_> =
        times.iter().flat_map(|times| [times.p50, times.p95, times.p99, times.max]).collect();
    bounds.sort_unstable();
    let first = bounds.partition_point(|&bound| longer(bound) > count);
    bounds.get(first).copied().unwrap_or_default()
}

/// Returns an upper bound of the runs that took longer than `bound`, in hundredths.
fn most_longer(times: &DurationReport, bound: Duration) -> u128 {
    let percent = match bound {
        bound if bound >= times.max => 0,
        bound if bound >= times.p99 => 1,
        bound if bound >= times.p95 => 5,
        bound if bound >= times.p50 => 50,
        _ => 100,
    };
    percent * u128::from(times.count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quantiles(mut micros: Vec<u64>) -> DurationReport {
        micros.sort_unstable();
        let at = |quantile: f64| micros[(quantile * micros.len() as f64).ceil() as usize - 1] as f64 / 1e6;
        let times = serde_json::json!({
            "count": micros.len(), "total": 0.0, "p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": at(1.0),
        });
        serde_json::from_value(times).unwrap()
    }

    proptest! {
        #[test]
        fn of_all_runs_one_in_a_hundred_took_longer_at_most(
            statements in prop::collection::vec(prop::collection::vec(0..10_000_u64, 1..200), 1..6),
        ) {
            let times: Vec<_> = statements.iter().cloned().map(quantiles).collect();
            let bound = p99(&times);
            let all = statements.concat();
            let longer = all.iter().filter(|&&micros| Duration::from_secs_f64(micros as f64 / 1e6) > bound).count();
            prop_assert!(longer * 100 <= all.len(), "{longer} of {} took longer than {bound:?}", all.len());
        }
    }

    #[test]
    fn of_one_statement_it_is_its_own_and_of_none_nothing() {
        let times = quantiles((1..=1_000).collect());
        assert_eq!((p99(&[times]), p99(&[])), (times.p99, Duration::ZERO));
    }
}
