//! The recorder of a session: it passes each pipeline to the statistics, the log, the spans and the N+1
//! detector.

use std::mem;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use tallybook_core::observe::{Opened, Outcome, Recorder};
use tallybook_sql::call_site::CallSite;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::Error;
use tallybook_sql::lock::lock;
use tallybook_sql::query::Query;
use tallybook_sql::row::{Key, KeySample};
use tallybook_sql::stopwatch::Timing;
use tracing::Span;

use super::detect::{AnsweredStatement, History, PipelineHandle, SentStatement};
use super::log_record::{Completion, LogRecord};
use super::monitor_inner::MonitorInner;
use super::running::{ActiveSlot, ActiveSlots};
use super::scope::{OpenSession, Scope};
use super::statement_stats::{CompletedRun, StatementStats};
use super::{failure, span};

/// Recorders kept for reuse by later sessions.
const MAX_IDLE_RECORDERS: usize = 64;
/// Key buffers kept for reuse.
const MAX_SPARE_BUFFERS: usize = 8;
/// A key buffer with more capacity than this is dropped instead of reused.
const MAX_SPARE_CAPACITY: usize = 4_096;

/// Records one session. Recorders are reused, so opening a session allocates nothing.
pub(super) struct SessionRecorder {
    /// `None` between two sessions.
    monitor: Option<Arc<MonitorInner>>,
    number: u64,
    /// Wait for the connection; charged to the first statement of the session.
    pool_wait: Duration,
    /// Statements sent in this session.
    statement_count: u64,
    /// Set if a statement of this session changed the schema.
    changed_schema: bool,
    /// The pipeline in flight.
    pipeline: Vec<(Arc<StatementStats>, CallSite)>,
    first_number: u64,
    sent_at: Instant,
    /// Handles of the pipeline in flight: in the session's own history, or in those of the scopes.
    session_handle: Option<PipelineHandle>,
    scope_handles: Vec<(Scope, PipelineHandle)>,
    span: Span,
    slot: Arc<ActiveSlot>,
    /// Statements that ran outside any scope.
    history: History,
    /// Deregisters the session from its scope when dropped.
    open_session: Option<OpenSession>,
    spare_buffers: Vec<Vec<Key>>,
    /// The store that keeps it between two sessions.
    idle_recorders: Weak<IdleRecorders>,
}

/// Recorders between two sessions.
#[derive(Default)]
pub(super) struct IdleRecorders(
    #[expect(clippy::vec_box, reason = "sessions take them and give them back in their boxes")]
    Mutex<Vec<Box<SessionRecorder>>>,
);

impl IdleRecorders {
    /// Returns a recorder, a new one if none is idle.
    pub(super) fn take(self: &Arc<Self>, slots: &ActiveSlots) -> Box<SessionRecorder> {
        if let Some(recorder) = lock(&self.0).pop() {
            return recorder;
        }
        Box::new(SessionRecorder::new(slots.add(), Arc::downgrade(self)))
    }

    /// Keeps a recorder for reuse, unless enough are kept already.
    fn give_back(&self, recorder: Box<SessionRecorder>) {
        let mut idle_recorders = lock(&self.0);
        if idle_recorders.len() < MAX_IDLE_RECORDERS {
            idle_recorders.push(recorder);
        }
    }
}

impl SessionRecorder {
    fn new(slot: Arc<ActiveSlot>, idle_recorders: Weak<IdleRecorders>) -> Self {
        Self {
            monitor: None,
            number: 0,
            pool_wait: Duration::ZERO,
            statement_count: 0,
            changed_schema: false,
            pipeline: Vec::new(),
            first_number: 0,
            sent_at: Instant::now(),
            session_handle: None,
            scope_handles: Vec::new(),
            span: Span::none(),
            slot,
            history: History::default(),
            open_session: None,
            spare_buffers: Vec::new(),
            idle_recorders,
        }
    }

    pub(super) fn open(
        &mut self,
        monitor: Arc<MonitorInner>,
        number: u64,
        session: Opened,
        scope: Option<Scope>,
    ) {
        self.open_session = scope.map(|scope| scope.opened(session.at, &monitor));
        self.monitor = Some(monitor);
        self.number = number;
        self.pool_wait = session.waited;
        self.statement_count = 0;
        self.changed_schema = false;
    }

    fn monitor(&self) -> &MonitorInner {
        self.monitor.as_ref().expect("a recorder in use has a session")
    }

    fn dialect(&self) -> Dialect {
        self.monitor.as_ref().map_or(Dialect::Postgres, |monitor| monitor.server.dialect)
    }

    /// Looks up the statements of the next pipeline, and gives each a buffer for the keys of its rows.
    fn prepare(&mut self, queries: &mut [&mut dyn Query], is_recorded: bool) {
        let Some(monitor) = &self.monitor else { return };
        for query in queries {
            let (has_rows, of_several) = (query.columns().is_some(), query.has_several_rows());
            let request = query.request();
            let statement = monitor.statement(&request.statement);
            if is_recorded && has_rows {
                let keys = self.spare_buffers.pop().unwrap_or_default();
                request.key_sample =
                    Some(KeySample::new(statement.key_columns.get().cloned(), keys, of_several));
            }
            self.pipeline.push((statement, request.call_site));
        }
    }

    /// Publishes the first statement of the pipeline as running, so that the stuck-statement watch sees it.
    fn mark_running(&mut self) {
        self.first_number = self.statement_count + 1;
        if let Some((statement, call)) = self.pipeline.first() {
            self.slot.set(statement, *call, self.sent_at, self.number, self.first_number);
        }
    }

    /// Adds the pipeline to the history of each enclosing scope, or to the session's own outside scopes.
    fn add_to_history(&mut self, queries: &mut [&mut dyn Query], scope: Option<&Scope>) {
        let (number, sent_at) = (self.number, self.sent_at);
        let pipeline = &self.pipeline;
        let dialect = self.dialect();
        let mut sent = |history: &mut History| {
            let sent = pipeline.iter().zip(queries.iter_mut()).map(|((statement, call), query)| {
                let request = &*query.request();
                SentStatement {
                    statement,
                    call: *call,
                    sql: request.statement.sql(dialect),
                    values: request.values(),
                }
            });
            history.sent(number, sent_at, sent)
        };
        match scope {
            None => self.session_handle = Some(sent(&mut self.history)),
            Some(scope) => {
                let scope_handles = scope.chain().map(|scope| (scope.clone(), sent(&mut scope.history())));
                self.scope_handles.extend(scope_handles);
            }
        }
    }

    fn answer_in_history(&mut self, queries: &mut [&mut dyn Query], elapsed: Duration) {
        let pipeline = &self.pipeline;
        let mut answered = |history: &mut History, handle| {
            let answered = pipeline.iter().zip(queries.iter_mut()).map(|((statement, call), query)| {
                AnsweredStatement { statement, call: *call, key_sample: query.request().key_sample.as_ref() }
            });
            history.answered(handle, elapsed, answered);
        };
        if let Some(handle) = self.session_handle.take() {
            answered(&mut self.history, handle);
        }
        for (scope, handle) in self.scope_handles.drain(..) {
            answered(&mut scope.history(), handle);
        }
    }

    fn fail_in_history(&mut self, elapsed: Duration) {
        if let Some(handle) = self.session_handle.take() {
            self.history.failed(handle, elapsed);
        }
        for (scope, handle) in self.scope_handles.drain(..) {
            scope.history().failed(handle, elapsed);
        }
    }

    /// Counts and logs one successful statement.
    fn record_success(&mut self, index: usize, query: &mut dyn Query, timing: Timing) {
        let waited = mem::take(&mut self.pool_wait);
        let (statement, call) = &self.pipeline[index];
        let request = query.request();
        let run = CompletedRun { call: *call, waited, timing, rows: request.rows, bytes: request.bytes };
        statement.record_success(&run);
        let sql = request.statement.sql(self.dialect());
        statement.samples.record(sql, request.values());
        self.changed_schema |= statement.fingerprint.changes_schema();
        if let Some(columns) = request.key_sample.as_ref().and_then(|sample| sample.columns.as_ref()) {
            statement.key_columns.get_or_init(|| Arc::clone(columns));
        }
        let record = self.log_record(index, Some(request), Completion::Succeeded(run));
        self.monitor().log(&record);
    }

    fn record_failure(
        &mut self,
        index: usize,
        request: Option<&tallybook_sql::query::Request>,
        elapsed: Duration,
        error: &Error,
    ) {
        let Some((statement, call)) = self.pipeline.get(index) else { return };
        let failure = failure::of(error);
        statement.record_failure(failure.kind, failure.is_code, elapsed, *call);
        let record = self.log_record(index, request, Completion::Failed { elapsed, error });
        self.monitor().log(&record);
    }

    fn log_record<'a>(
        &'a self,
        index: usize,
        request: Option<&'a tallybook_sql::query::Request>,
        completion: Completion<'a>,
    ) -> LogRecord<'a> {
        let (statement, call) = &self.pipeline[index];
        LogRecord {
            session: self.number,
            number: self.first_number + index as u64,
            statement,
            call: *call,
            request,
            completion,
        }
    }

    /// Clears the pipeline and keeps its key buffers.
    fn reset(&mut self, queries: &mut [&mut dyn Query]) {
        for query in queries {
            if let Some(KeySample { mut keys, .. }) = query.request().key_sample.take()
                && self.spare_buffers.len() < MAX_SPARE_BUFFERS
                && keys.capacity() <= MAX_SPARE_CAPACITY
            {
                keys.clear();
                self.spare_buffers.push(keys);
            }
        }
        self.pipeline.clear();
        self.slot.clear();
        self.span = Span::none();
    }
}

impl Recorder for SessionRecorder {
    fn sent(&mut self, queries: &mut [&mut dyn Query]) -> (Option<Instant>, Span) {
        let scope = Scope::current();
        let is_recorded = scope.is_some() || self.monitor().inspects_sessions();
        self.prepare(queries, is_recorded);
        self.sent_at = Instant::now();
        if is_recorded {
            self.add_to_history(queries, scope.as_ref());
        }
        self.mark_running();
        self.statement_count += self.pipeline.len() as u64;
        self.span = span::of_pipeline(&self.pipeline, &self.monitor().server);
        (Some(self.sent_at), self.span.clone())
    }

    fn answered(&mut self, queries: &mut [&mut dyn Query], error: Option<&Error>) {
        let failed = error.map(|error| error.position().unwrap_or(0));
        let mut total = Duration::ZERO;
        for (index, query) in queries.iter_mut().enumerate().take(failed.unwrap_or(usize::MAX)) {
            if let Some(timing) = query.request().timing {
                total += timing.total();
                self.record_success(index, *query, timing);
            }
        }
        match (error, failed) {
            (Some(error), Some(index)) => {
                let request = queries.get_mut(index).map(|query| &*query.request());
                let timing = request.and_then(|request| request.timing);
                let elapsed = timing
                    .map_or_else(|| self.sent_at.elapsed().saturating_sub(total), |timing| timing.total());
                self.record_failure(index, request, elapsed, error);
                span::failed(&self.span, error);
                self.fail_in_history(total + elapsed);
            }
            _ => self.answer_in_history(queries, total),
        }
        self.reset(queries);
    }

    fn waited(&mut self, waited: Duration) {
        self.pool_wait = waited;
    }

    fn sent_text(&mut self, sql: &str, call: CallSite) {
        self.pipeline.push((self.monitor().statement_registry.find(sql), call));
        self.sent_at = Instant::now();
        self.mark_running();
    }

    fn answered_text(&mut self, outcome: Outcome<'_>) {
        let elapsed = outcome.busy.unwrap_or_else(|| self.sent_at.elapsed());
        match outcome.error {
            Some(error) => self.record_failure(0, None, elapsed, error),
            None => {
                let timing = Timing { execute: elapsed, ..Timing::default() };
                let (statement, call) = &self.pipeline[0];
                let waited = mem::take(&mut self.pool_wait);
                let run = CompletedRun { call: *call, waited, timing, rows: outcome.rows, bytes: 0 };
                statement.record_success(&run);
                self.monitor().log(&self.log_record(0, None, Completion::Succeeded(run)));
            }
        }
        self.reset(&mut []);
    }

    fn abandoned(&mut self) {
        let elapsed = self.sent_at.elapsed();
        if let Some((statement, call)) = self.pipeline.first() {
            statement.record_failure(failure::ABANDONED, false, elapsed, *call);
            self.monitor().log(&self.log_record(0, None, Completion::Abandoned { elapsed }));
        }
        self.fail_in_history(elapsed);
        self.reset(&mut []);
    }

    fn closed(mut self: Box<Self>, kept: bool) {
        let Some(monitor) = self.monitor.take() else { return };
        if !kept {
            self.history.rolled_back(self.number);
            for scope in self.open_session.iter().flat_map(|open| open.scope().chain()) {
                scope.history().rolled_back(self.number);
            }
        }
        if self.changed_schema && kept {
            monitor.statement_registry.foreign_keys.schema_changed();
        }
        self.open_session = None;
        monitor.report_findings(&mut self.history, None);
        if self.history.is_large() {
            self.history = History::default();
        }
        if let Some(idle_recorders) = self.idle_recorders.upgrade() {
            idle_recorders.give_back(self);
        }
    }
}
