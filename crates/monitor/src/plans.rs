//! Plan capture for slow statements.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;
use tallybook_sql::call_site::CallSite;
use tallybook_sql::lock::lock;
use tallybook_sql::query::Request;
use tallybook_sql::value::Value;
use tokio::sync::mpsc;

use super::statement_stats::StatementStats;

/// Minimum time between two plans of one statement.
const EXPLAIN_INTERVAL: Duration = Duration::from_secs(600);
/// Statements waiting to be explained; further ones are skipped.
const QUEUE_CAPACITY: usize = 8;
/// Statements whose last plan time is remembered.
const MAX_REMEMBERED: usize = 1_000;

/// Decides which slow statements are explained.
#[derive(Debug)]
pub(super) struct ExplainQueue {
    requests: mpsc::Sender<ExplainRequest>,
    last_explained: Mutex<HashMap<u64, Instant, FixedState>>,
}

/// A slow statement to run `EXPLAIN` for, with the parameters it had.
#[derive(Debug)]
pub struct ExplainRequest {
    /// The statement.
    pub statement: tallybook_sql::statement::Statement,
    /// Its parameters.
    pub values: Vec<Value>,
    /// The line of code that ran it.
    pub call: CallSite,
    stats: Arc<StatementStats>,
}

impl ExplainQueue {
    pub(super) fn new() -> (Self, mpsc::Receiver<ExplainRequest>) {
        let (requests, queue) = mpsc::channel(QUEUE_CAPACITY);
        (Self { requests, last_explained: Mutex::default() }, queue)
    }

    /// Requests the plan of a slow statement, unless one was requested recently or the queue is full.
    pub(super) fn request(&self, stats: &Arc<StatementStats>, request: &Request, call: CallSite) {
        let Ok(permit) = self.requests.try_reserve() else { return };
        let now = Instant::now();
        let mut last_explained = lock(&self.last_explained);
        let last = last_explained.get(&stats.fingerprint.hash);
        if last.is_some_and(|last| now - *last < EXPLAIN_INTERVAL) {
            return;
        }
        if last_explained.len() >= MAX_REMEMBERED {
            last_explained.clear();
        }
        last_explained.insert(stats.fingerprint.hash, now);
        permit.send(ExplainRequest {
            statement: request.statement.clone(),
            values: request.values().to_vec(),
            call,
            stats: Arc::clone(stats),
        });
    }
}

impl ExplainRequest {
    /// Logs the plan and keeps it for reports.
    pub fn explained(self, outline: String) {
        let fingerprint = &self.stats.fingerprint;
        tracing::warn!(
            target: "tallybook::query",
            at = %self.call.at(),
            fingerprint = fingerprint.code(),
            sql = &*fingerprint.text,
            plan = outline,
            "plan of a slow statement"
        );
        self.stats.set_plan(outline);
    }
}
