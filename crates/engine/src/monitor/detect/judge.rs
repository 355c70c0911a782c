//! The judgement over what a scope ran.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::finding::Grade;
use super::fit::{Named, fits};
use super::found::{Found, Reader};
use super::group::{BINDINGS, Group, Slot};
use super::provenance::{Asked, Origin, Provenance};
use super::rules::Rules;
use super::sources::{Source, Sources};
use crate::row::KeyColumn;

/// What is wrong, the most costly first.
pub(super) fn judge(groups: &[Group], sources: &Sources, rules: Rules) -> Vec<Found> {
    // Most scopes end here, so that they cost next to nothing.
    if groups.iter().all(|group| group.runs < rules.threshold() as u64) {
        return Vec::new();
    }
    // Every loop begins with several rows that came at once.
    let loops = if sources.are_wide() { loops(groups, rules) } else { Vec::new() };
    let mut judge = Judge { groups, rules, loops, confirmed: BTreeMap::new() };
    let mut found = Vec::new();
    if !judge.loops.is_empty() {
        let provenance = Provenance::new(sources);
        judge.confirm(&provenance);
        found.extend(judge.suspected(&provenance));
    }
    found.extend((0..groups.len()).filter_map(|index| judge.redundant(index)));
    found.extend(judge.confirmed.into_values());
    found.sort_by_key(|found| Reverse(found.lost));
    found
}

/// A parameter that had different values.
struct Loop<'t> {
    group: usize,
    slot: &'t Slot,
    asked: Vec<Asked>,
}

struct Judge<'t> {
    groups: &'t [Group],
    rules: Rules,
    loops: Vec<Loop<'t>>,
    /// By the index of the group.
    confirmed: BTreeMap<usize, Found>,
}

fn loops<'t>(groups: &'t [Group], rules: Rules) -> Vec<Loop<'t>> {
    let groups = groups.iter().enumerate().filter(|(_, group)| group.bindings.len() >= rules.threshold());
    let slots = groups.flat_map(|(index, group)| {
        let slots = group.slots.iter().enumerate();
        slots.map(move |(place, slot)| Loop { group: index, slot, asked: asked(group, place) })
    });
    slots.filter(|one| one.asked.len() >= rules.threshold()).collect()
}

/// The different values of a parameter.
fn asked(group: &Group, slot: usize) -> Vec<Asked> {
    let bindings = group.bindings.iter();
    let mut asked: Vec<Asked> =
        bindings.map(|binding| Asked { value: binding.values[slot], sent: binding.sent }).collect();
    asked.sort_unstable_by_key(|asked| (asked.value, Reverse(asked.sent)));
    asked.dedup_by_key(|asked| asked.value);
    asked
}

impl<'t> Judge<'t> {
    /// Each loop that is confirmed may be what feeds the next.
    fn confirm(&mut self, provenance: &Provenance<'t>) {
        loop {
            let before = self.confirmed.len();
            for index in 0..self.loops.len() {
                let group = self.loops[index].group;
                if !self.confirmed.contains_key(&group)
                    && let Some(found) = self.proof(&self.loops[index], provenance)
                {
                    self.confirmed.insert(group, found);
                }
            }
            if self.confirmed.len() == before {
                return;
            }
        }
    }

    fn proof(&self, one: &Loop<'t>, provenance: &Provenance<'t>) -> Option<Found> {
        let group = &self.groups[one.group];
        let column = group.column(one.slot)?;
        let wanted = Named { column, table: group.fingerprint(one.slot).collection.as_deref() };
        let origins = provenance.origins(&one.asked, |source, column| {
            let table = source.statement.fingerprint.collection.as_deref();
            let read = Named { column: &column.name, table };
            let relations = &source.statement.relations;
            relations.join(wanted, read) || column.is_key() && fits(wanted, read)
        });
        let served = |origin: &Origin<'t>| match self.is_looped(origin.source) {
            true => origin.served(),
            false => origin.fanned_out(),
        };
        self.best(one, &origins, self.rules.threshold(), served)
            .map(|origin| self.found(one, Grade::Confirmed, origin))
    }

    /// Whether the source runs in a loop itself, so that its single rows are rows of one thing.
    fn is_looped(&self, source: &Source) -> bool {
        let reads = |group: &usize| self.groups[*group].parts.iter().any(|part| part.spot == source.spot);
        self.confirmed.keys().any(reads)
    }

    /// The origin of most of the values, if it is one of enough; of equals the one that was read first.
    fn best<'o>(
        &self,
        one: &Loop<'t>,
        origins: &'o [Origin<'t>],
        least: usize,
        served: impl Fn(&Origin<'t>) -> usize,
    ) -> Option<&'o Origin<'t>> {
        let counted = origins.iter().map(|origin| (served(origin), origin));
        let enough = counted.filter(|(served, _)| *served >= least && served * 2 >= one.asked.len());
        enough.max_by_key(|(served, origin)| (*served, Reverse(origin.first()))).map(|(_, origin)| origin)
    }

    fn suspected(&self, provenance: &Provenance<'t>) -> Vec<Found> {
        let mut suspected = BTreeMap::new();
        for one in &self.loops {
            let is_known = self.confirmed.contains_key(&one.group) || self.repeats(one.group).is_some();
            if !is_known && let Some(found) = self.suspicion(one, provenance) {
                suspected.entry(one.group).or_insert(found);
            }
        }
        suspected.into_values().collect()
    }

    fn suspicion(&self, one: &Loop<'t>, provenance: &Provenance<'t>) -> Option<Found> {
        let group = &self.groups[one.group];
        let name = group.column(one.slot);
        let origins = provenance.origins(&one.asked, |_, column: &KeyColumn| match name {
            Some(name) => !column.is_key() && column.name.eq_ignore_ascii_case(name),
            None => column.is_key(),
        });
        let served = |origin: &Origin<'t>| match name {
            Some(_) => origin.most_of_one(),
            None => origin.most_in_order(),
        };
        self.best(one, &origins, self.rules.suspicious(), served)
            .map(|origin| self.found(one, Grade::Suspected, origin))
    }

    fn found(&self, one: &Loop<'t>, grade: Grade, origin: &Origin<'t>) -> Found {
        let group = &self.groups[one.group];
        let part = &group.parts[one.slot.part];
        let is_whole = group.different <= BINDINGS as u64;
        let examined = one.asked.len() as u64;
        Found {
            grade,
            statement: part.statement.clone(),
            call: group.parts[0].call,
            column: group.column(one.slot).map(Into::into),
            loader: part.call.loader(),
            source: Some(Reader {
                statement: origin.source.statement.clone(),
                call: origin.source.call,
                column: origin.column.name.clone(),
                rows: origin.source.rows,
            }),
            runs: group.runs,
            distinct: if is_whole { examined } else { group.different },
            examined,
            lost: group.spent.saturating_sub(group.longest),
        }
    }

    /// The runs that were repeated often enough, and of how many different parameters. A write never is:
    /// it ends the epoch.
    fn repeats(&self, group: usize) -> Option<(u64, u64)> {
        let group = &self.groups[group];
        let has_tables = group.parts.iter().all(|part| part.statement.fingerprint.collection.is_some());
        if !has_tables {
            return None;
        }
        let repeats = group.bindings.iter().map(|binding| u64::from(binding.repeats));
        let often = repeats.filter(|repeats| *repeats >= self.rules.threshold() as u64);
        let (runs, distinct) = often.fold((0, 0), |(runs, distinct), repeats| (runs + repeats, distinct + 1));
        (distinct > 0).then_some((runs, distinct))
    }

    fn redundant(&self, index: usize) -> Option<Found> {
        let (runs, distinct) = self.repeats(index).filter(|_| !self.confirmed.contains_key(&index))?;
        let group = &self.groups[index];
        let part = &group.parts[0];
        let threshold = self.rules.threshold() as u64;
        let often = group.bindings.iter().filter(|binding| u64::from(binding.repeats) >= threshold);
        Some(Found {
            grade: Grade::Redundant,
            statement: part.statement.clone(),
            call: part.call,
            column: None,
            loader: None,
            source: None,
            runs,
            distinct,
            examined: distinct,
            lost: often.map(|binding| binding.repeated).sum(),
        })
    }
}
