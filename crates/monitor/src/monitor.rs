//! The monitor observes all sessions of one database and owns everything it records about them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Utc};
use tallybook_core::foreign_key::ForeignKey;
use tallybook_core::observe::{Observer, Opened, Recorder};
use tallybook_core::settings::{LogSettings, MonitorMode, MonitorSettings, Settings};
use tallybook_sql::error::{Error, Result};
use tokio::sync::mpsc;

use super::detect::{AllowList, Findings, History, Rules};
use super::foreign_keys::ForeignKeys;
use super::log_record::{EventKind, LogRecord};
use super::plans::{ExplainQueue, ExplainRequest};
use super::recorder::SessionRecorder;
use super::running::ActiveSlots;
use super::scope::Scope;
use super::server_attributes::ServerAttributes;
use super::statement_event::StatementEvent;
use super::statement_registry::StatementRegistry;
use super::statement_stats::StatementStats;

/// Slow and failed statements kept for reports; the oldest goes first.
const MAX_EVENTS: usize = 100;
/// Recorders kept for reuse by later sessions.
const MAX_IDLE_RECORDERS: usize = 64;

/// Observes the sessions of a database. Clones share one state.
#[derive(Clone)]
pub struct Monitor(pub(super) Arc<MonitorInner>);

pub(super) struct MonitorInner {
    pub(super) server: ServerAttributes,
    pub(super) settings: MonitorSettings,
    pub(super) log: LogSettings,
    pub(super) rules: Rules,
    pub(super) allow_list: AllowList,
    pub(super) statement_registry: StatementRegistry,
    pub(super) findings: Mutex<Findings>,
    /// Findings so far, indexed by [`Confidence`](super::detect::Confidence).
    pub(super) finding_counts: [AtomicU64; 3],
    pub(super) events: Mutex<VecDeque<StatementEvent>>,
    pub(super) opened_at: (Instant, DateTime<Utc>),
    explain_queue: ExplainQueue,
    session_counter: AtomicU64,
    pub(super) slots: Arc<ActiveSlots>,
    #[expect(clippy::vec_box, reason = "sessions take them and give them back in their boxes")]
    idle_recorders: Mutex<Vec<Box<SessionRecorder>>>,
}

impl Monitor {
    /// Creates a monitor and the queue of statements it wants explained. Must be called on a Tokio runtime.
    ///
    /// # Errors
    ///
    /// If `DB_N_PLUS_ONE_ALLOW` holds a malformed pattern.
    pub fn new(settings: &Settings) -> Result<(Self, mpsc::Receiver<ExplainRequest>)> {
        let allow_list = AllowList::parse(&settings.monitor.allow)
            .map_err(|(pattern, expected)| Error::setting("DB_N_PLUS_ONE_ALLOW", pattern, expected))?;
        let (explain_queue, queue) = ExplainQueue::new();
        let monitor = Arc::new(MonitorInner {
            server: ServerAttributes::of(settings),
            settings: settings.monitor.clone(),
            log: settings.log.clone(),
            rules: Rules { threshold: settings.monitor.threshold },
            allow_list,
            statement_registry: StatementRegistry::new(settings.monitor.statements),
            findings: Mutex::default(),
            finding_counts: Default::default(),
            events: Mutex::default(),
            opened_at: (Instant::now(), Utc::now()),
            explain_queue,
            session_counter: AtomicU64::new(0),
            slots: Arc::default(),
            idle_recorders: Mutex::default(),
        });
        monitor.slots.spawn_watch(monitor.log.slow_threshold);
        Ok((Self(monitor), queue))
    }

    /// Returns the foreign keys of the database; empty until they are first needed and loaded.
    pub fn foreign_keys(&self) -> &Arc<ForeignKeys> {
        &self.0.statement_registry.foreign_keys
    }
}

impl Observer for Monitor {
    fn foreign_keys(&self, foreign_keys: &[ForeignKey]) {
        self.foreign_keys().replace(foreign_keys);
    }

    fn opened(&self, session: Opened) -> Option<Box<dyn Recorder>> {
        let scope = Scope::current();
        if !self.0.is_on() && scope.is_none() {
            return None;
        }
        let mut recorder = self.0.take_recorder();
        recorder.open(
            Arc::clone(&self.0),
            self.0.session_counter.fetch_add(1, Ordering::Relaxed) + 1,
            session,
            scope,
        );
        Some(recorder)
    }
}

impl MonitorInner {
    /// Returns whether sessions outside scopes are observed. Statement logging needs that too.
    fn is_on(&self) -> bool {
        self.settings.mode != MonitorMode::Off || self.log.echo || self.log.timing
    }

    /// Returns whether sessions outside scopes are searched for N+1 loops.
    pub(super) fn inspects_sessions(&self) -> bool {
        self.settings.mode == MonitorMode::Full
    }

    pub(super) fn statement(&self, statement: &tallybook_sql::statement::Statement) -> Arc<StatementStats> {
        self.statement_registry.find(statement.sql(self.server.dialect))
    }

    fn take_recorder(&self) -> Box<SessionRecorder> {
        if let Some(recorder) = lock(&self.idle_recorders).pop() {
            return recorder;
        }
        Box::new(SessionRecorder::new(self.slots.add()))
    }

    /// Keeps a recorder for reuse, unless enough are kept already.
    pub(super) fn recycle(&self, recorder: Box<SessionRecorder>) {
        let mut idle_recorders = lock(&self.idle_recorders);
        if idle_recorders.len() < MAX_IDLE_RECORDERS {
            idle_recorders.push(recorder);
        }
    }

    /// Logs a completed statement, remembers it if it was slow or failed, and asks for the plan of a slow
    /// one.
    pub(super) fn log(&self, record: &LogRecord<'_>) {
        let event_kind = record.event_kind(&self.log);
        record.write(event_kind, self.server.dialect, &self.log);
        if event_kind == EventKind::Normal {
            return;
        }
        let mut events = lock(&self.events);
        if events.len() >= MAX_EVENTS {
            events.pop_front();
        }
        events.push_back(StatementEvent::of(record, &self.log));
        drop(events);
        if let (EventKind::Slow, Some(request)) = (event_kind, record.request) {
            self.explain_queue.request(record.statement, request, record.call);
        }
    }

    /// Logs and stores what is wrong with the statements of a session or scope, then clears the history for
    /// reuse.
    pub(super) fn report_findings(&self, history: &mut History, scope: Option<&str>) {
        for found in history.findings(&self.rules) {
            if self.allow_list.allows(&found) {
                continue;
            }
            let finding = lock(&self.findings).add(found);
            self.finding_counts[finding.confidence as usize].fetch_add(1, Ordering::Relaxed);
            let scope = scope.unwrap_or("a session");
            tracing::warn!(target: "tallybook::finding", scope, confidence = %finding.confidence, at = %finding.at, "{finding}");
        }
        history.clear();
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
