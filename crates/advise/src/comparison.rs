//! Promise and gain, after the advice was applied.

use serde::Serialize;

use crate::advice::{Advice, saving};

/// Seconds by which the start of one run of a program may seem to differ, since two clocks are read.
const SAME_RUN: f64 = 1.0;

/// A statement before and after an advised index was added.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Outcome {
    /// Fingerprint, 16 hexadecimal digits.
    pub fingerprint: String,
    /// SQL text with literals replaced by `?`.
    pub statement: String,
    /// The advised index.
    pub index: String,
    /// Work of a call before.
    pub before: f64,
    /// Work of a call that was promised.
    pub promised: f64,
    /// Work of a call now; `None` if the statement was not seen again.
    pub now: Option<f64>,
    /// Mean time of the program's calls before, in seconds.
    pub time_before: f64,
    /// Mean time of the program's calls since, in seconds; `None` if it ran none.
    pub time_now: Option<f64>,
}

impl Outcome {
    /// Returns the part of the work that was promised to be saved, from 0 to 1.
    pub fn promised_saving(&self) -> f64 {
        saving(self.before, self.promised)
    }

    /// Returns the part of the work that is saved, from 0 to 1.
    pub fn saving(&self) -> Option<f64> {
        self.now.map(|now| saving(self.before, now))
    }
}

/// Compares earlier advice with a later examination of the same program.
///
/// If the program has not been restarted since, its times are those of the calls in between.
pub fn compare(earlier: &Advice, later: &Advice) -> Vec<Outcome> {
    let opened_at = |advice: &Advice| advice.at.timestamp_micros() as f64 / 1e6 - advice.watched;
    let is_one_run =
        later.watched > earlier.watched && (opened_at(later) - opened_at(earlier)).abs() < SAME_RUN;
    let outcome = |index: &str, gain: &crate::advice::StatementGain| {
        let of = |advice: &Advice| {
            advice.statements.iter().find(|statement| statement.fingerprint == gain.fingerprint).cloned()
        };
        let (before, now) = (of(earlier), of(later));
        let (calls_before, total_before) =
            before.map_or((0, 0.0), |statement| (statement.calls, statement.total));
        let time_now = now.as_ref().and_then(|statement| {
            let (calls, total) = match is_one_run {
                true => (statement.calls.saturating_sub(calls_before), statement.total - total_before),
                false => (statement.calls, statement.total),
            };
            (calls > 0).then(|| total / calls as f64)
        });
        Outcome {
            fingerprint: gain.fingerprint.clone(),
            statement: gain.statement.clone(),
            index: index.to_owned(),
            before: gain.before,
            promised: gain.after,
            now: now.map(|statement| statement.work),
            time_before: if calls_before > 0 { total_before / calls_before as f64 } else { 0.0 },
            time_now,
        }
    };
    earlier.add.iter().flat_map(|index| index.gains.iter().map(|gain| outcome(&index.name, gain))).collect()
}
