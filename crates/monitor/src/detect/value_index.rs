//! An index of the values read, to find where parameters come from.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;
use tallybook_sql::row::KeyColumn;

use super::key_sources::{KeySource, KeySources, ReadKey};

/// A parameter value with the tick of its last send.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParameterValue {
    pub(super) value: u64,
    pub(super) sent: u64,
}

/// A parameter value that was read before it was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match {
    pub(super) parameter: ParameterValue,
    /// Position among all values read.
    position: usize,
}

/// A result column that supplied parameters, grouped by the tick of the result.
pub(super) struct Origin<'t> {
    pub(super) source: &'t KeySource,
    pub(super) column: &'t KeyColumn,
    results: BTreeMap<u64, Vec<Match>>,
}

/// All values read, by value.
pub(super) struct ValueIndex<'t> {
    key_sources: &'t KeySources,
    positions: HashMap<u64, Vec<usize>, FixedState>,
}

impl<'t> ValueIndex<'t> {
    pub(super) fn new(key_sources: &'t KeySources) -> Self {
        let mut positions: HashMap<u64, Vec<usize>, FixedState> = HashMap::default();
        let owned = |key: &ReadKey| key_sources.sources[usize::from(key.source)].owns(key);
        for (position, key) in key_sources.keys.iter().enumerate().filter(|(_, key)| owned(key)) {
            positions.entry(key.value).or_default().push(position);
        }
        Self { key_sources, positions }
    }

    /// Returns the possible origins of the values; each value must occur once.
    pub(super) fn origins(
        &self,
        parameters: &[ParameterValue],
        keys_match: impl Fn(&KeySource, &KeyColumn) -> bool,
    ) -> Vec<Origin<'t>> {
        let mut origins: BTreeMap<(u8, u8), BTreeMap<u64, Vec<Match>>> = BTreeMap::new();
        for parameter in parameters {
            for position in self.positions.get(&parameter.value).into_iter().flatten() {
                let key = &self.key_sources.keys[*position];
                if key.tick >= parameter.sent {
                    continue;
                }
                let matches =
                    origins.entry((key.source, key.column)).or_default().entry(key.tick).or_default();
                // A value in many rows counts once.
                if matches.last().is_none_or(|last| last.parameter.value != parameter.value) {
                    matches.push(Match { parameter: *parameter, position: *position });
                }
            }
        }
        let origins = origins.into_iter().filter_map(|((source, column), results)| {
            let source = self.key_sources.sources.get(usize::from(source))?;
            Some(Origin { source, column: source.columns.get(usize::from(column))?, results })
        });
        origins.filter(|origin| keys_match(origin.source, origin.column)).collect()
    }
}

impl Origin<'_> {
    /// Counts the values from results that supplied several.
    pub(super) fn fanned_out(&self) -> usize {
        self.distinct(|matches| matches.len() > 1)
    }

    /// Counts the values from any of its results.
    pub(super) fn served(&self) -> usize {
        self.distinct(|_| true)
    }

    fn distinct(&self, counts: impl Fn(&[Match]) -> bool) -> usize {
        let results = self.results.values().filter(|matches| counts(matches));
        let mut values: Vec<u64> = results.flatten().map(|one| one.parameter.value).collect();
        values.sort_unstable();
        values.dedup();
        values.len()
    }

    /// Returns the most values that one result supplied.
    pub(super) fn most_from_one_result(&self) -> usize {
        self.results.values().map(Vec::len).max().unwrap_or_default()
    }

    /// Returns the most values that one result supplied in the order of its rows.
    pub(super) fn most_in_order(&self) -> usize {
        let in_order = self.results.values().filter(|matches| is_in_order(matches));
        in_order.map(Vec::len).max().unwrap_or_default()
    }

    /// Returns the tick of the earliest result.
    pub(super) fn first(&self) -> u64 {
        self.results.keys().next().copied().unwrap_or_default()
    }
}

fn is_in_order(matches: &[Match]) -> bool {
    let mut sorted = matches.to_vec();
    sorted.sort_unstable_by_key(|one| one.parameter.sent);
    sorted.is_sorted_by_key(|one| one.position)
}
