//! The analysis of a scope's history.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use tallybook_sql::row::KeyColumn;

use super::finding::Confidence;
use super::group::{Group, MAX_PARAMETER_SETS, TrackedParameter};
use super::key_match::{ColumnRef, keys_match, unqualified};
use super::key_sources::{KeySource, KeySources};
use super::raw_finding::{RawFinding, RawSource};
use super::rules::Rules;
use super::value_index::{Origin, ParameterValue, ValueIndex};

/// Returns the findings of a scope, most time lost first.
pub(super) fn analyze(groups: &[Group], key_sources: &KeySources, rules: Rules) -> Vec<RawFinding> {
    // The fast path: most scopes repeat nothing.
    if groups.iter().all(|group| group.runs < rules.threshold() as u64) {
        return Vec::new();
    }
    // Every loop starts from several rows that arrived together.
    let candidates = if key_sources.have_several_rows() { candidates(groups, rules) } else { Vec::new() };
    let mut analysis = Analysis { groups, rules, candidates, confirmed: BTreeMap::new() };
    let mut found = Vec::new();
    if !analysis.candidates.is_empty() {
        let value_index = ValueIndex::new(key_sources);
        analysis.confirm(&value_index);
        found.extend(analysis.suspected(&value_index));
    }
    found.extend((0..groups.len()).filter_map(|index| analysis.redundant(index)));
    found.extend(analysis.confirmed.into_values());
    found.sort_by_key(|found| Reverse(found.lost));
    found
}

/// A parameter that had several values.
struct LoopCandidate<'t> {
    group: usize,
    parameter: &'t TrackedParameter,
    values: Vec<ParameterValue>,
}

struct Analysis<'t> {
    groups: &'t [Group],
    rules: Rules,
    candidates: Vec<LoopCandidate<'t>>,
    /// Confirmed findings by group index.
    confirmed: BTreeMap<usize, RawFinding>,
}

fn candidates<'t>(groups: &'t [Group], rules: Rules) -> Vec<LoopCandidate<'t>> {
    let groups =
        groups.iter().enumerate().filter(|(_, group)| group.parameter_sets.len() >= rules.threshold());
    let candidates = groups.flat_map(|(index, group)| {
        let tracked = group.tracked.iter().enumerate();
        tracked.map(move |(position, parameter)| LoopCandidate {
            group: index,
            parameter,
            values: distinct_values(group, position),
        })
    });
    candidates.filter(|candidate| candidate.values.len() >= rules.threshold()).collect()
}

/// Returns the different values of a parameter, each with its last send.
fn distinct_values(group: &Group, position: usize) -> Vec<ParameterValue> {
    let parameter_sets = group.parameter_sets.iter();
    let mut values: Vec<ParameterValue> = parameter_sets
        .map(|parameter_set| ParameterValue {
            value: parameter_set.values[position],
            sent: parameter_set.sent,
        })
        .collect();
    values.sort_unstable_by_key(|one| (one.value, Reverse(one.sent)));
    values.dedup_by_key(|one| one.value);
    values
}

impl<'t> Analysis<'t> {
    /// Repeats until nothing is added: each confirmed loop may supply the next.
    fn confirm(&mut self, value_index: &ValueIndex<'t>) {
        loop {
            let before = self.confirmed.len();
            for index in 0..self.candidates.len() {
                let group = self.candidates[index].group;
                if !self.confirmed.contains_key(&group)
                    && let Some(found) = self.proof(&self.candidates[index], value_index)
                {
                    self.confirmed.insert(group, found);
                }
            }
            if self.confirmed.len() == before {
                return;
            }
        }
    }

    fn proof(&self, candidate: &LoopCandidate<'t>, value_index: &ValueIndex<'t>) -> Option<RawFinding> {
        let group = &self.groups[candidate.group];
        let column = group.column(candidate.parameter)?;
        let wanted =
            ColumnRef { column, table: group.fingerprint(candidate.parameter).collection.as_deref() };
        let target = group.target(candidate.parameter, wanted);
        let origins = value_index.origins(&candidate.values, |source, column| {
            // Where both types tell, names and foreign keys have nothing to add.
            if let (Some(target), Some(references)) = (target, column.references) {
                return unqualified(target) == unqualified(references);
            }
            let table = source.statement.fingerprint.collection.as_deref();
            let read = ColumnRef { column: &column.name, table };
            let foreign_keys = &source.statement.foreign_keys;
            foreign_keys.are_joined(wanted, read) || column.is_key() && keys_match(wanted, read)
        });
        let served = |origin: &Origin<'t>| match self.is_looped(origin.source) {
            true => origin.served(),
            false => origin.fanned_out(),
        };
        self.best_origin(candidate, &origins, self.rules.threshold(), served)
            .map(|origin| self.finding(candidate, Confidence::Confirmed, origin))
    }

    /// Returns whether the source itself runs in a loop, so that its single rows belong together.
    fn is_looped(&self, source: &KeySource) -> bool {
        let reads = |group: &usize| {
            self.groups[*group].members.iter().any(|member| member.call_key == source.call_key)
        };
        self.confirmed.keys().any(reads)
    }

    /// Returns the origin that supplied most of the values, at least half of them; of equals the earliest.
    fn best_origin<'o>(
        &self,
        candidate: &LoopCandidate<'t>,
        origins: &'o [Origin<'t>],
        min_served: usize,
        served: impl Fn(&Origin<'t>) -> usize,
    ) -> Option<&'o Origin<'t>> {
        let counted = origins.iter().map(|origin| (served(origin), origin));
        let enough =
            counted.filter(|(served, _)| *served >= min_served && served * 2 >= candidate.values.len());
        enough.max_by_key(|(served, origin)| (*served, Reverse(origin.first()))).map(|(_, origin)| origin)
    }

    fn suspected(&self, value_index: &ValueIndex<'t>) -> Vec<RawFinding> {
        let mut suspected = BTreeMap::new();
        for candidate in &self.candidates {
            let is_known = self.confirmed.contains_key(&candidate.group)
                || self.repeated_runs(candidate.group).is_some();
            if !is_known && let Some(found) = self.suspicion(candidate, value_index) {
                suspected.entry(candidate.group).or_insert(found);
            }
        }
        suspected.into_values().collect()
    }

    fn suspicion(&self, candidate: &LoopCandidate<'t>, value_index: &ValueIndex<'t>) -> Option<RawFinding> {
        let group = &self.groups[candidate.group];
        let name = group.column(candidate.parameter);
        let origins = value_index.origins(&candidate.values, |_, column: &KeyColumn| match name {
            Some(name) => !column.is_key() && column.name.eq_ignore_ascii_case(name),
            None => column.is_key(),
        });
        let served = |origin: &Origin<'t>| match name {
            Some(_) => origin.most_from_one_result(),
            None => origin.most_in_order(),
        };
        self.best_origin(candidate, &origins, self.rules.suspicion_threshold(), served)
            .map(|origin| self.finding(candidate, Confidence::Suspected, origin))
    }

    fn finding(
        &self,
        candidate: &LoopCandidate<'t>,
        confidence: Confidence,
        origin: &Origin<'t>,
    ) -> RawFinding {
        let group = &self.groups[candidate.group];
        let member = &group.members[candidate.parameter.member];
        let is_whole = group.distinct <= MAX_PARAMETER_SETS as u64;
        let examined = candidate.values.len() as u64;
        RawFinding {
            confidence,
            statement: member.statement.clone(),
            call: group.members[0].call,
            column: group.column(candidate.parameter).map(Into::into),
            loader: member.call.loader(),
            source: Some(RawSource {
                statement: origin.source.statement.clone(),
                call: origin.source.call,
                column: origin.column.name.clone(),
                rows: origin.source.rows,
            }),
            runs: group.runs,
            distinct: if is_whole { examined } else { group.distinct },
            examined,
            lost: group.total_time.saturating_sub(group.longest),
        }
    }

    /// Returns the runs repeated often enough and the number of parameter sets. A write never qualifies: it
    /// starts a new epoch.
    fn repeated_runs(&self, group: usize) -> Option<(u64, u64)> {
        let group = &self.groups[group];
        let has_tables = group.members.iter().all(|member| member.statement.fingerprint.collection.is_some());
        if !has_tables {
            return None;
        }
        let repeats = group.parameter_sets.iter().map(|parameter_set| u64::from(parameter_set.repeats));
        let often = repeats.filter(|repeats| *repeats >= self.rules.threshold() as u64);
        let (runs, distinct) = often.fold((0, 0), |(runs, distinct), repeats| (runs + repeats, distinct + 1));
        (distinct > 0).then_some((runs, distinct))
    }

    fn redundant(&self, index: usize) -> Option<RawFinding> {
        let (runs, distinct) = self.repeated_runs(index).filter(|_| !self.confirmed.contains_key(&index))?;
        let group = &self.groups[index];
        let member = &group.members[0];
        let threshold = self.rules.threshold() as u64;
        let often =
            group.parameter_sets.iter().filter(|parameter_set| u64::from(parameter_set.repeats) >= threshold);
        Some(RawFinding {
            confidence: Confidence::Redundant,
            statement: member.statement.clone(),
            call: member.call,
            column: None,
            loader: None,
            source: None,
            runs,
            distinct,
            examined: distinct,
            lost: often.map(|parameter_set| parameter_set.repeated).sum(),
        })
    }
}
