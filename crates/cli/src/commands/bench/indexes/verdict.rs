//! The verdict on each index: whether it pays.

use serde::Serialize;

use super::at_size::AtSize;
use super::cost::Cost;
use super::measure::Measured;
use crate::output::{micros, thousands};

/// Speed-ups from which an index pays, and pays well. Below the first, the difference is within the noise of a
/// busy machine.
const GAIN: f64 = 1.15;
const GOOD_GAIN: f64 = 2.0;

/// The verdict on an index for a read at a size.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) read: &'static str,
    pub(super) index: &'static str,
    pub(super) trades: u32,
    pub(super) pays: Pays,
    /// Time without the index divided by the time with it.
    pub(super) gain: f64,
    pub(super) why: String,
}

/// The judgement on an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Pays {
    Yes,
    Little,
    No,
}

impl Pays {
    pub(super) fn word(self) -> &'static str {
        match self {
            Pays::Yes => "yes",
            Pays::Little => "little",
            Pays::No => "no",
        }
    }
}

/// Returns the verdicts at a size.
pub(super) fn verdicts(size: &AtSize) -> impl Iterator<Item = Verdict> + '_ {
    size.reads.iter().filter_map(|read| {
        let cost = size.indexes.iter().find(|cost| cost.index == read.index)?;
        Some(verdict(size.trades, read, cost))
    })
}

fn verdict(trades: u32, read: &Measured, cost: &Cost) -> Verdict {
    let gain = read.without.median_us / read.with.median_us;
    let is_used = read.with.indexes_used.iter().any(|used| used == read.index);
    let pays = match gain {
        _ if !is_used => Pays::No,
        gain if gain < GAIN => Pays::No,
        gain if gain < GOOD_GAIN => Pays::Little,
        _ => Pays::Yes,
    };
    let why = if is_used { used(pays, gain, read, cost) } else { unused(read) };
    Verdict { read: read.read, index: read.index, trades, pays, gain, why: format!("{why}; {}", costs(cost)) }
}

/// Explains that the planner does not use the index, which is the clearest verdict.
fn unused(read: &Measured) -> String {
    match &read.with.indexes_used[..] {
        [] => "not used: the planner reads the table".to_owned(),
        used => format!("not used: the planner takes {}", used.join(", ")),
    }
}

fn used(pays: Pays, gain: f64, read: &Measured, cost: &Cost) -> String {
    let instead = match &read.without.indexes_used[..] {
        [] => "reading the whole table".to_owned(),
        used => used.join(", "),
    };
    if pays == Pays::No {
        return format!("no faster than {instead}");
    }
    let saved = read.without.median_us - read.with.median_us;
    let inserts = saved / cost.insert_us();
    let worth = match inserts {
        _ if !cost.is_measurable() => String::new(),
        inserts if inserts >= 2.0 => format!(", one read pays for {} inserts", thousands(inserts as u64)),
        inserts if inserts >= 1.0 => ", one read pays for one insert".to_owned(),
        inserts => format!(", {} reads pay for one insert", thousands((1.0 / inserts).ceil() as u64)),
    };
    format!("{gain:.1} times as fast as {instead}{worth}")
}

fn costs(cost: &Cost) -> String {
    let extra = cost.insert_us();
    if !cost.is_measurable() {
        return "no measurable cost for inserts".to_owned();
    }
    let percent = 100.0 * extra / cost.insert_us_without;
    format!(
        "an insert takes {} ({percent:.0} %) longer",
        if extra < 10.0 { format!("{extra:.1} µs") } else { micros(extra as u64) }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::indexes::measure::Side;

    fn side(median_us: f64, used: &[&str]) -> Side {
        let indexes_used = used.iter().map(|&name| name.to_owned()).collect();
        Side { median_us, indexes_used, pages: None }
    }

    fn judged(with: Side, without: Side) -> Verdict {
        let read = Measured { read: "newest trades", index: "ix", rows: 20.0, with, without };
        let cost = Cost {
            index: "ix",
            bytes: 4_096,
            pages: 1,
            build_ms: 1.0,
            insert_us_with: 12.0,
            insert_us_without: 10.0,
        };
        verdict(1_000, &read, &cost)
    }

    #[test]
    fn an_index_that_spares_a_scan_pays() {
        let verdict = judged(side(10.0, &["ix"]), side(1_010.0, &[]));
        assert_eq!(verdict.pays, Pays::Yes);
        assert_eq!(
            verdict.why,
            "101.0 times as fast as reading the whole table, one read pays for 500 inserts; \
             an insert takes 2.0 µs (20 %) longer"
        );
    }

    #[test]
    fn an_index_that_another_replaces_does_not_pay() {
        let verdict = judged(side(10.0, &["ix"]), side(10.5, &["other"]));
        assert_eq!(verdict.pays, Pays::No);
        assert!(verdict.why.starts_with("no faster than other;"), "{}", verdict.why);
    }

    #[test]
    fn an_index_that_the_planner_leaves_aside_does_not_pay_whatever_the_clock_says() {
        let verdict = judged(side(10.0, &["other"]), side(30.0, &["other"]));
        assert_eq!(verdict.pays, Pays::No);
        assert!(verdict.why.starts_with("not used: the planner takes other;"), "{}", verdict.why);
    }

    #[test]
    fn a_small_gain_pays_little() {
        let verdict = judged(side(10.0, &["ix"]), side(11.9, &["other"]));
        assert_eq!(verdict.pays, Pays::Little);
        assert!(verdict.why.contains("2 reads pay for one insert"), "{}", verdict.why);
    }
}
