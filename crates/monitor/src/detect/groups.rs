//! The bounded set of groups of a scope.

use std::collections::HashMap;
use std::sync::Arc;

use tallybook_sql::call_site::CallSite;

use super::super::statement_stats::StatementStats;
use super::call_key::CallKey;
use super::group::Group;
use super::pipeline::SentStatement;

/// Maximum number of groups; a further one replaces the least recently used.
pub(super) const MAX_GROUPS: usize = 192;

/// The groups of a scope.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// One key for each group in use.
    call_keys: Vec<CallKey>,
    /// Groups after those in use keep their buffers for later.
    groups: Vec<Group>,
    /// Index of the group used last: a loop hits it again.
    last: usize,
}

impl Groups {
    /// Returns the index of the group for these pipelines.
    pub(super) fn find(&mut self, call_key: CallKey, pipeline: &[SentStatement<'_>]) -> usize {
        let is_last = self.call_keys.get(self.last).is_some_and(|last| *last == call_key);
        if !is_last {
            let found = self.call_keys.iter().position(|known| *known == call_key);
            self.last = found.unwrap_or_else(|| self.add(call_key, pipeline));
        }
        self.last
    }

    fn add(&mut self, call_key: CallKey, pipeline: &[SentStatement<'_>]) -> usize {
        let index = self.next_index();
        match self.call_keys.get_mut(index) {
            Some(old) => *old = call_key,
            None => self.call_keys.push(call_key),
        }
        self.groups[index].assign(call_key, pipeline);
        index
    }

    fn next_index(&mut self) -> usize {
        let used = self.call_keys.len();
        if used == MAX_GROUPS {
            let oldest = (0..used).min_by_key(|index| self.groups[*index].last_used);
            return oldest.unwrap_or_default();
        }
        if used == self.groups.len() {
            self.groups.push(Group::default());
        }
        used
    }

    /// Returns the group unless another one has replaced it.
    pub(super) fn get(&mut self, index: usize, call_key: CallKey) -> Option<&mut Group> {
        let is_same = self.call_keys.get(index).is_some_and(|kept| *kept == call_key);
        if is_same { self.groups.get_mut(index) } else { None }
    }

    pub(super) fn at(&mut self, index: usize) -> &mut Group {
        &mut self.groups[index]
    }

    pub(super) fn used(&self) -> &[Group] {
        &self.groups[..self.call_keys.len()]
    }

    /// Returns the number of allocated groups, in use or not.
    pub(super) fn buffers(&self) -> usize {
        self.groups.len()
    }

    pub(super) fn clear(&mut self) {
        let used = self.call_keys.len();
        self.groups[..used].iter_mut().for_each(Group::clear);
        self.call_keys.clear();
    }
}

/// A statement at a line of code, with its number of runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StatementCount<'a> {
    pub(crate) statement: &'a Arc<StatementStats>,
    pub(crate) call: CallSite,
    pub(crate) runs: u64,
}

/// Counts statements by call site, in order of the first run.
pub(super) fn statement_counts(groups: &[Group]) -> Vec<StatementCount<'_>> {
    let mut positions: HashMap<CallKey, usize> = HashMap::new();
    let mut all: Vec<StatementCount<'_>> = Vec::new();
    for group in groups {
        for member in &group.members {
            let position = *positions.entry(member.call_key).or_insert(all.len());
            match all.get_mut(position) {
                Some(known) => known.runs += group.pipelines,
                None => all.push(StatementCount {
                    statement: &member.statement,
                    call: member.call,
                    runs: group.pipelines,
                }),
            }
        }
    }
    all
}
