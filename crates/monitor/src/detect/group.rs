//! A group: pipelines of the same statements from the same line of code.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::FixedState;
use tallybook_sql::call_site::CallSite;
use tallybook_sql::fingerprint::{Fingerprint, Role};
use tallybook_sql::row::{is_key, parameter};

use super::super::statement_stats::StatementStats;
use super::call_key::CallKey;
use super::key_match::ColumnRef;
use super::parameter_set::{MAX_TRACKED, ParameterSet};
use super::pipeline::SentStatement;

/// Parameter sets remembered for a group: the first half, and the latest half.
pub(super) const MAX_PARAMETER_SETS: usize = 32;

/// One statement of the pipeline.
#[derive(Debug)]
pub(super) struct GroupMember {
    pub(super) statement: Arc<StatementStats>,
    pub(super) call: CallSite,
    pub(super) call_key: CallKey,
}

/// A parameter whose origin is searched.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrackedParameter {
    pub(super) member: usize,
    pub(super) position: usize,
    /// Index of an earlier parameter compared with the same column, as in `id IN ($1, $2)`.
    same_column_as: Option<usize>,
}

/// The parameters of one run.
pub(super) struct BoundParameters {
    pub(super) hash: u64,
    values: [u64; MAX_TRACKED],
}

/// Pipelines of the same statements from the same line of code.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Key of these pipelines. It survives [`clear`](Self::clear), because the next scope often runs the same
    /// ones.
    call_key: Option<CallKey>,
    pub(super) members: Vec<GroupMember>,
    pub(super) tracked: Vec<TrackedParameter>,
    pub(super) is_read: bool,
    /// Set if the SQL text may contain literals.
    has_literals: bool,
    /// Pipelines sent; for a statement of a batch, statements sent.
    pub(super) pipelines: u64,
    /// Runs that could belong to a loop: they ask for one thing.
    pub(super) runs: u64,
    pub(super) total_time: Duration,
    pub(super) longest: Duration,
    /// Hashes of `parameter_sets`, kept contiguous because each run scans them.
    hashes: Vec<u64>,
    pub(super) parameter_sets: Vec<ParameterSet>,
    /// Different parameter sets seen; one that was forgotten counts again.
    pub(super) distinct: u64,
    /// Tick of the last send.
    pub(super) last_used: u64,
}

impl Group {
    /// Assigns the group to these pipelines; keeps its buffers.
    pub(super) fn assign(&mut self, call_key: CallKey, pipeline: &[SentStatement<'_>]) {
        self.clear();
        if self.call_key.replace(call_key) == Some(call_key) {
            return;
        }
        self.members.clear();
        self.tracked.clear();
        self.members.extend(pipeline.iter().map(|sent| GroupMember {
            statement: Arc::clone(sent.statement),
            call: sent.call,
            call_key: CallKey::of(sent.call, &sent.statement.fingerprint),
        }));
        self.is_read = self.members.iter().all(|member| member.statement.fingerprint.is_read());
        self.has_literals = self.members.iter().any(|member| has_literals(&member.statement.fingerprint));
        self.track_parameters();
    }

    /// Returns the table whose rows a parameter identifies, if it is known: that of an `id`, or the one to which the
    /// column refers in the rows that the statement returns.
    pub(super) fn target<'a>(
        &'a self,
        parameter: &TrackedParameter,
        compared: ColumnRef<'a>,
    ) -> Option<&'a str> {
        if compared.column.eq_ignore_ascii_case("id") {
            return compared.table;
        }
        let columns = self.members[parameter.member].statement.key_columns.get()?;
        let column = columns.iter().find(|column| column.name.eq_ignore_ascii_case(compared.column))?;
        column.references
    }

    /// Forgets the runs.
    pub(super) fn clear(&mut self) {
        self.hashes.clear();
        self.parameter_sets.clear();
        (self.pipelines, self.runs, self.distinct) = (0, 0, 0);
        (self.total_time, self.longest) = (Duration::ZERO, Duration::ZERO);
    }

    /// Tracks parameters compared with a key first, those of unknown use last.
    fn track_parameters(&mut self) {
        for wanted in 0..=LOWEST_PRIORITY {
            for (member, of) in self.members.iter().enumerate() {
                let roles = of.statement.fingerprint.params.iter().enumerate();
                let found = roles.filter(|(_, role)| tracking_priority(role) == Some(wanted));
                let room = MAX_TRACKED - self.tracked.len();
                self.tracked.extend(found.take(room).map(|(position, _)| TrackedParameter {
                    member,
                    position,
                    same_column_as: None,
                }));
            }
        }
        self.tracked.sort_unstable_by_key(|parameter| (parameter.member, parameter.position));
        for index in 1..self.tracked.len() {
            self.tracked[index].same_column_as =
                (0..index).find(|earlier| self.is_same_column(*earlier, index));
        }
    }

    fn is_same_column(&self, one: usize, other: usize) -> bool {
        let column = self.column(&self.tracked[one]);
        self.tracked[one].member == self.tracked[other].member
            && column.is_some()
            && column == self.column(&self.tracked[other])
    }

    /// Returns the column the parameter is compared with.
    pub(super) fn column(&self, parameter: &TrackedParameter) -> Option<&str> {
        match &self.fingerprint(parameter).params[parameter.position] {
            Role::Column(name) => Some(name),
            _ => None,
        }
    }

    pub(super) fn fingerprint(&self, parameter: &TrackedParameter) -> &Fingerprint {
        &self.members[parameter.member].statement.fingerprint
    }

    /// Hashes the parameters of a pipeline. Returns `None` if it asks for several things at once, by a list.
    pub(super) fn bind(&self, pipeline: &[SentStatement<'_>]) -> Option<BoundParameters> {
        let mut hasher = FixedState::default().build_hasher();
        let mut values = [0; MAX_TRACKED];
        let mut filled = 0;
        for (member, sent) in pipeline.iter().enumerate() {
            let roles = &sent.statement.fingerprint.params;
            // `IN ($1)` and `IN ($1, $2)` have one fingerprint.
            if sent.values.len() != roles.len() {
                return None;
            }
            for (position, (value, role)) in sent.values.iter().zip(roles).enumerate() {
                // Written values may be long, and do not tell a redundant run from a needed one.
                if matches!(role, Role::Written) {
                    continue;
                }
                let value = parameter(value)?;
                hasher.write_u64(value);
                if self
                    .tracked
                    .get(filled)
                    .is_some_and(|parameter| (parameter.member, parameter.position) == (member, position))
                {
                    values[filled] = value;
                    filled += 1;
                }
            }
            if self.has_literals {
                hasher.write(sent.sql.as_bytes());
            }
        }
        (!self.is_list(&values)).then(|| BoundParameters { hash: hasher.finish(), values })
    }

    fn is_list(&self, values: &[u64; MAX_TRACKED]) -> bool {
        let twins = self.tracked.iter().enumerate();
        twins
            .filter_map(|(index, parameter)| Some((index, parameter.same_column_as?)))
            .any(|(one, same_column_as)| values[one] != values[same_column_as])
    }

    /// Counts a run and returns the index of its parameter set.
    pub(super) fn add_run(&mut self, bound: &BoundParameters, tick: u64) -> usize {
        self.runs += 1;
        if let Some(index) = self.hashes.iter().position(|hash| *hash == bound.hash) {
            self.parameter_sets[index].sent = tick;
            return index;
        }
        let index = self.next_index();
        let parameter_set = ParameterSet::new(bound.values, tick);
        if index == self.parameter_sets.len() {
            self.hashes.push(bound.hash);
            self.parameter_sets.push(parameter_set);
        } else {
            self.hashes[index] = bound.hash;
            self.parameter_sets[index] = parameter_set;
        }
        self.distinct += 1;
        index
    }

    /// Returns the index for new parameters; a full group reuses its latter half in turn.
    fn next_index(&self) -> usize {
        const HALF: usize = MAX_PARAMETER_SETS / 2;
        match self.parameter_sets.len() {
            MAX_PARAMETER_SETS => HALF + (self.distinct as usize) % HALF,
            free => free,
        }
    }

    pub(super) fn parameter_set(&mut self, index: usize, hash: u64) -> Option<&mut ParameterSet> {
        let is_same = self.hashes.get(index).is_some_and(|kept| *kept == hash);
        if is_same { self.parameter_sets.get_mut(index) } else { None }
    }

    pub(super) fn add_time(&mut self, elapsed: Duration) {
        self.total_time += elapsed;
        self.longest = self.longest.max(elapsed);
    }
}

const LOWEST_PRIORITY: u32 = 2;

/// Returns the order in which parameters are tracked; `None` for those that prove nothing.
fn tracking_priority(role: &Role) -> Option<u32> {
    match role {
        Role::Column(name) if is_key(name) => Some(0),
        Role::Column(_) => Some(1),
        Role::Other => Some(LOWEST_PRIORITY),
        Role::Window | Role::Bound | Role::Written => None,
    }
}

/// Returns whether the text has more placeholders than parameters.
fn has_literals(fingerprint: &Fingerprint) -> bool {
    fingerprint.text.bytes().filter(|byte| *byte == b'?').count() > fingerprint.params.len()
}
