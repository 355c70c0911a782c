//! Which results had the values that were parameters later.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;

use super::sources::{Kept, Source, Sources};
use crate::row::KeyColumn;

/// A parameter's value, and when it was sent last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) value: u64,
    pub(super) sent: u64,
}

/// A value that was read before it was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match {
    pub(super) asked: Asked,
    /// Its place among all that was read.
    place: usize,
}

/// A column of a source, and what was asked for of it, by the time of the result.
pub(super) struct Origin<'t> {
    pub(super) source: &'t Source,
    pub(super) column: &'t KeyColumn,
    results: BTreeMap<u64, Vec<Match>>,
}

/// All that was read, by value.
pub(super) struct Provenance<'t> {
    sources: &'t Sources,
    places: HashMap<u64, Vec<usize>, FixedState>,
}

impl<'t> Provenance<'t> {
    pub(super) fn new(sources: &'t Sources) -> Self {
        let mut places: HashMap<u64, Vec<usize>, FixedState> = HashMap::default();
        let owned = |key: &Kept| sources.sources[usize::from(key.source)].owns(key);
        for (place, key) in sources.keys.iter().enumerate().filter(|(_, key)| owned(key)) {
            places.entry(key.value).or_default().push(place);
        }
        Self { sources, places }
    }

    /// Where the values may come from. Each value is asked for once.
    pub(super) fn origins(
        &self,
        asked: &[Asked],
        fits: impl Fn(&Source, &KeyColumn) -> bool,
    ) -> Vec<Origin<'t>> {
        let mut origins: BTreeMap<(u8, u8), BTreeMap<u64, Vec<Match>>> = BTreeMap::new();
        for asked in asked {
            for place in self.places.get(&asked.value).into_iter().flatten() {
                let key = &self.sources.keys[*place];
                if key.tick >= asked.sent {
                    continue;
                }
                let matches =
                    origins.entry((key.source, key.column)).or_default().entry(key.tick).or_default();
                // The same value in many rows is one.
                if matches.last().is_none_or(|last| last.asked.value != asked.value) {
                    matches.push(Match { asked: *asked, place: *place });
                }
            }
        }
        let origins = origins.into_iter().filter_map(|((source, column), results)| {
            let source = self.sources.sources.get(usize::from(source))?;
            Some(Origin { source, column: source.columns.get(usize::from(column))?, results })
        });
        origins.filter(|origin| fits(origin.source, origin.column)).collect()
    }
}

impl Origin<'_> {
    /// How many values come from results that each served several.
    pub(super) fn fanned_out(&self) -> usize {
        self.different(|matches| matches.len() > 1)
    }

    /// How many values come from any of its results.
    pub(super) fn served(&self) -> usize {
        self.different(|_| true)
    }

    fn different(&self, counts: impl Fn(&[Match]) -> bool) -> usize {
        let results = self.results.values().filter(|matches| counts(matches));
        let mut values: Vec<u64> = results.flatten().map(|one| one.asked.value).collect();
        values.sort_unstable();
        values.dedup();
        values.len()
    }

    /// The most values that come from one result.
    pub(super) fn most_of_one(&self) -> usize {
        self.results.values().map(Vec::len).max().unwrap_or_default()
    }

    /// The most values that come from one result in the order of its rows.
    pub(super) fn most_in_order(&self) -> usize {
        let in_order = self.results.values().filter(|matches| is_in_order(matches));
        in_order.map(Vec::len).max().unwrap_or_default()
    }

    /// When the first of them was read.
    pub(super) fn first(&self) -> u64 {
        self.results.keys().next().copied().unwrap_or_default()
    }
}

fn is_in_order(matches: &[Match]) -> bool {
    let mut sorted = matches.to_vec();
    sorted.sort_unstable_by_key(|one| one.asked.sent);
    sorted.is_sorted_by_key(|one| one.place)
}
