//! Parameter sets of real calls, kept in memory for index advice.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tallybook_sql::lock::lock;
use tallybook_sql::value::Value;

/// Parameter sets kept of one statement.
const MAX_SETS: usize = 4;
/// A parameter set with more bytes is not kept.
const MAX_SET_BYTES: usize = 2_048;
/// A longer SQL text is not kept.
const MAX_SQL_BYTES: usize = 16 << 10;

/// The text of a statement and parameter sets of some of its calls.
///
/// A set is taken at the calls whose number is a power of two and replaces the oldest one. Every other call costs
/// one atomic addition.
#[derive(Debug, Default)]
pub(crate) struct StatementSamples {
    calls: AtomicU64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    sql: Option<Box<str>>,
    sets: Vec<Box<[Value]>>,
    /// Set if another text with the same fingerprint ran.
    has_other_text: bool,
    /// Place of the set to replace next.
    oldest: usize,
}

impl StatementSamples {
    /// Counts a call, and keeps its parameters if it is time to.
    pub(crate) fn record(&self, sql: &str, values: &[Value]) {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if !number.is_power_of_two() || sql.len() > MAX_SQL_BYTES {
            return;
        }
        // Another call of this moment is as good a sample, so nobody waits.
        if let Ok(mut kept) = self.kept.try_lock() {
            kept.keep(sql, values);
        }
    }

    /// Returns the text and the parameter sets; `None` if no text was kept.
    pub(crate) fn snapshot(&self) -> Option<(String, Vec<Vec<Value>>)> {
        let kept = lock(&self.kept);
        let sql = kept.sql.as_deref()?.to_owned();
        Some((sql, kept.sets.iter().map(|set| set.to_vec()).collect()))
    }

    /// Returns whether a text with other literals was seen.
    pub(crate) fn has_other_text(&self) -> bool {
        lock(&self.kept).has_other_text
    }
}

impl Kept {
    fn keep(&mut self, sql: &str, values: &[Value]) {
        if self.sql.is_none() {
            self.sql = Some(sql.into());
        }
        // Texts with the same fingerprint differ in their literals, and so in the meaning of their parameters.
        if self.sql.as_deref() != Some(sql) {
            self.has_other_text = true;
            return;
        }
        if values.iter().map(size).sum::<usize>() > MAX_SET_BYTES {
            return;
        }
        if self.sets.len() < MAX_SETS {
            self.sets.push(values.into());
        } else {
            self.sets[self.oldest] = values.into();
            self.oldest = (self.oldest + 1) % MAX_SETS;
        }
    }
}

/// Returns the bytes that a value occupies, approximately.
fn size(value: &Value) -> usize {
    let own = size_of::<Value>();
    own + match value {
        Value::Text(text) | Value::Enum(text) | Value::Json(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Ints(values) => size_of_val(&values[..]),
        Value::Floats(values) => size_of_val(&values[..]),
        Value::Bools(values) => values.len(),
        Value::Texts(values) => values.iter().map(|text| own + text.len()).sum(),
        Value::Uuids(values) => size_of_val(&values[..]),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(samples: &StatementSamples) -> Vec<i64> {
        let (_, sets) = samples.snapshot().unwrap();
        sets.iter()
            .map(|set| if let Value::Int(number) = set[0] { number } else { panic!("{set:?}") })
            .collect()
    }

    #[test]
    fn the_sets_are_those_of_the_last_four_calls_whose_number_is_a_power_of_two() {
        let samples = StatementSamples::default();
        for number in 1..=100 {
            samples.record("SELECT $1", &[Value::Int(number)]);
        }
        assert_eq!(ints(&samples), [16, 32, 64, 8]);
    }

    #[test]
    fn a_set_with_long_values_is_not_kept_and_the_text_is() {
        let samples = StatementSamples::default();
        samples.record("SELECT $1", &[Value::Text("x".repeat(MAX_SET_BYTES))]);
        assert_eq!(samples.snapshot(), Some(("SELECT $1".to_owned(), vec![])));
    }

    #[test]
    fn a_long_text_is_not_kept() {
        let samples = StatementSamples::default();
        samples.record(&format!("SELECT '{}'", "x".repeat(MAX_SQL_BYTES)), &[]);
        assert_eq!(samples.snapshot(), None);
    }

    #[test]
    fn the_parameters_of_another_text_with_the_same_fingerprint_are_not_kept() {
        let samples = StatementSamples::default();
        samples.record("SELECT 1, $1", &[Value::Int(1)]);
        samples.record("SELECT 2, $1", &[Value::Int(2)]);
        assert_eq!(samples.snapshot(), Some(("SELECT 1, $1".to_owned(), vec![vec![Value::Int(1)]])));
        assert!(samples.has_other_text());
    }
}
