//! Pipelines: statements sent in one round trip, and their answers.

use std::sync::Arc;
use std::time::Instant;

use tallybook_sql::call_site::CallSite;
use tallybook_sql::row::KeySample;
use tallybook_sql::value::Value;

use super::super::statement_stats::StatementStats;
use super::call_key::CallKey;

/// A statement of a pipeline that is being sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentStatement<'a> {
    pub(crate) statement: &'a Arc<StatementStats>,
    pub(crate) call: CallSite,
    /// SQL text as sent; its literals distinguish runs too.
    pub(crate) sql: &'a str,
    pub(crate) values: &'a [Value],
}

/// A statement of an answered pipeline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnsweredStatement<'a> {
    pub(crate) statement: &'a Arc<StatementStats>,
    pub(crate) call: CallSite,
    /// The keys of its rows.
    pub(crate) key_sample: Option<&'a KeySample>,
}

/// A pipeline in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PipelineHandle {
    pub(super) session: u64,
    pub(super) epoch: u64,
    pub(super) now: Instant,
    pub(super) is_read: bool,
    /// `None` if the pipeline cannot be part of a loop.
    pub(super) run: Option<RunRef>,
}

/// Locates a run, with the keys that must still match when it completes.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunRef {
    pub(super) group: usize,
    pub(super) call_key: CallKey,
    pub(super) parameter_set: usize,
    pub(super) hash: u64,
}

/// A pipeline of more statements always counts as a batch.
pub(super) const MAX_STATEMENTS: usize = 16;

/// The shape of a pipeline, whatever its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Different statements: a loop may repeat the pipeline.
    Single(CallKey),
    /// The same statement several times: the fix for a loop.
    Batch,
}

impl Shape {
    /// Classifies a pipeline of at least one statement.
    pub(super) fn of(pipeline: &[SentStatement<'_>]) -> Self {
        let hashes = || pipeline.iter().map(|sent| sent.statement.fingerprint.hash);
        let is_again = |(index, hash)| hashes().take(index).any(|earlier| earlier == hash);
        if hashes().enumerate().any(is_again) {
            return Self::Batch;
        }
        Self::Single(CallKey::of_all(pipeline[0].call, hashes()))
    }
}
