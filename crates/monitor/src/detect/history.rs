//! The history of one scope.

use std::time::{Duration, Instant};

use super::analysis;
use super::call_key::CallKey;
use super::groups::{self, Groups, StatementCount};
use super::invalidation::Invalidation;
use super::key_sources::KeySources;
use super::pipeline::{AnsweredStatement, MAX_STATEMENTS, PipelineHandle, RunRef, SentStatement, Shape};
use super::raw_finding::RawFinding;
use super::rules::Rules;

/// A history with buffers up to these sizes is reused by the next scope.
const RETAINED_GROUPS: usize = 16;
const RETAINED_KEYS: usize = 2_048;

/// The statements that ran in one scope (a request, a job, a test), kept to prove loops.
///
/// Memory is bounded to less than a mebibyte, whatever runs. Once the buffers have grown nothing is
/// allocated; [`clear`](Self::clear) keeps them. Analysis happens only in [`findings`](Self::findings).
///
/// A pipeline is everything sent in one round trip, without the transaction commands (`BEGIN`, `COMMIT`).
#[derive(Debug, Default)]
pub(crate) struct History {
    statements: u64,
    round_trips: u64,
    /// Time spent waiting for answers.
    database_time: Duration,
    /// Logical clock, incremented by every event; orders sends and answers.
    tick: u64,
    groups: Groups,
    key_sources: KeySources,
    invalidation: Invalidation,
}

impl History {
    /// Returns whether the buffers are larger than most scopes need, so not worth keeping.
    pub(crate) fn is_large(&self) -> bool {
        self.groups.buffers() > RETAINED_GROUPS || self.key_sources.keys.capacity() > RETAINED_KEYS
    }

    /// Records a pipeline sent at `now` by this session.
    pub(crate) fn sent<'a>(
        &mut self,
        session: u64,
        now: Instant,
        mut pipeline: impl Iterator<Item = SentStatement<'a>>,
    ) -> PipelineHandle {
        self.tick += 1;
        self.round_trips += 1;
        let (is_read, run) = match (pipeline.next(), pipeline.next()) {
            (Some(first), Some(second)) => self.several(first, second, pipeline),
            (Some(only), None) => self.single(CallKey::of(only.call, &only.statement.fingerprint), &[only]),
            (None, _) => (true, None),
        };
        if !is_read {
            self.invalidation.invalidate_all();
        }
        PipelineHandle { session, epoch: self.invalidation.epoch(), now, is_read, run }
    }

    /// Classifies a pipeline without allocating: whatever exceeds the buffer is a batch anyway.
    fn several<'a>(
        &mut self,
        first: SentStatement<'a>,
        second: SentStatement<'a>,
        mut others: impl Iterator<Item = SentStatement<'a>>,
    ) -> (bool, Option<RunRef>) {
        let mut buffer = [first; MAX_STATEMENTS];
        buffer[1] = second;
        let mut count = 2;
        for (place, sent) in buffer[2..].iter_mut().zip(&mut others) {
            *place = sent;
            count += 1;
        }
        let rest = others.next();
        match Shape::of(&buffer[..count]) {
            Shape::Single(call_key) if rest.is_none() => self.single(call_key, &buffer[..count]),
            _ => (self.batch(buffer[..count].iter().copied().chain(rest).chain(others)), None),
        }
    }

    /// Records a possible loop run; returns whether it only reads, and the run.
    fn single(&mut self, call_key: CallKey, pipeline: &[SentStatement<'_>]) -> (bool, Option<RunRef>) {
        let index = self.groups.find(call_key, pipeline);
        let group = self.groups.at(index);
        group.last_used = self.tick;
        group.pipelines += 1;
        self.statements += group.members.len() as u64;
        let run = group.bind(pipeline).map(|bound| {
            let parameter_set = group.add_run(&bound, self.tick);
            RunRef { group: index, call_key, parameter_set, hash: bound.hash }
        });
        (group.is_read, run)
    }

    /// Counts the statements of a batch; returns whether all only read.
    fn batch<'a>(&mut self, pipeline: impl Iterator<Item = SentStatement<'a>>) -> bool {
        let mut is_read = true;
        for sent in pipeline {
            let call_key = CallKey::of(sent.call, &sent.statement.fingerprint).batched();
            let index = self.groups.find(call_key, &[sent]);
            let group = self.groups.at(index);
            group.last_used = self.tick;
            group.pipelines += 1;
            self.statements += 1;
            is_read &= group.is_read;
        }
        is_read
    }

    /// Records the answer of a pipeline after `elapsed`.
    pub(crate) fn answered<'a>(
        &mut self,
        handle: PipelineHandle,
        elapsed: Duration,
        pipeline: impl Iterator<Item = AnsweredStatement<'a>>,
    ) {
        self.finish(&handle);
        self.database_time += elapsed;
        if let Some(run) = handle.run
            && let Some(group) = self.groups.get(run.group, run.call_key)
        {
            group.add_time(elapsed);
            if let Some(parameter_set) = group.parameter_set(run.parameter_set, run.hash) {
                parameter_set.answered(&handle, self.tick, elapsed, &self.invalidation);
            }
        }
        for answered in pipeline {
            if let Some(sample) = answered.key_sample {
                self.key_sources.keep(&answered, sample, self.tick);
            }
        }
    }

    /// Records a pipeline that failed or was abandoned after `elapsed`. Earlier reads of the session no
    /// longer count, because a retry repeats them.
    pub(crate) fn failed(&mut self, handle: PipelineHandle, elapsed: Duration) {
        self.finish(&handle);
        self.database_time += elapsed;
        self.invalidation.invalidate_session(handle.session, self.tick);
        if let Some(run) = handle.run
            && let Some(group) = self.groups.get(run.group, run.call_key)
        {
            group.add_time(elapsed);
        }
    }

    fn finish(&mut self, handle: &PipelineHandle) {
        self.tick += 1;
        // A read in flight concurrently with the write may have run before it.
        if !handle.is_read {
            self.invalidation.invalidate_all();
        }
    }

    /// Invalidates what the session read in a transaction that was rolled back.
    pub(crate) fn rolled_back(&mut self, session: u64) {
        self.tick += 1;
        self.invalidation.invalidate_session(session, self.tick);
    }

    /// Forgets everything except the buffers. Handles from before have no effect.
    pub(crate) fn clear(&mut self) {
        (self.statements, self.round_trips) = (0, 0);
        self.database_time = Duration::ZERO;
        self.groups.clear();
        self.key_sources.clear();
        self.invalidation.invalidate_all();
    }

    /// Returns the number of statements sent.
    pub(crate) fn statements(&self) -> u64 {
        self.statements
    }

    /// Returns the number of pipelines sent.
    pub(crate) fn round_trips(&self) -> u64 {
        self.round_trips
    }

    /// Returns the time spent waiting for answers.
    pub(crate) fn database_time(&self) -> Duration {
        self.database_time
    }

    /// Iterates over the statements by call site, in order of the first run. If the runs add up to less than
    /// [`statements`](Self::statements), the others were forgotten.
    pub(crate) fn statement_counts(&self) -> impl Iterator<Item = StatementCount<'_>> {
        groups::statement_counts(self.groups.used()).into_iter()
    }

    /// Returns the findings so far, most time lost first; at most one for each line and statement.
    pub(crate) fn findings(&self, rules: &Rules) -> Vec<RawFinding> {
        analysis::analyze(self.groups.used(), &self.key_sources, *rules)
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> (&[super::group::Group], &KeySources) {
        (self.groups.used(), &self.key_sources)
    }
}
