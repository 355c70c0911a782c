//! The records of a monitor, shared by its clones, recorders and scopes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use chrono::{DateTime, Utc};
use tallybook_core::settings::{LogSettings, MonitorMode, MonitorSettings, Settings};
use tallybook_sql::error::{Error, Result};
use tallybook_sql::lock::lock;
use tokio::sync::mpsc;

use super::detect::{AllowList, Findings, History, Rules};
use super::log_record::{EventKind, LogRecord};
use super::plans::{ExplainQueue, ExplainRequest};
use super::running::ActiveSlots;
use super::server_attributes::ServerAttributes;
use super::statement_event::StatementEvent;
use super::statement_registry::StatementRegistry;
use super::statement_stats::StatementStats;

/// Slow and failed statements kept for reports; the oldest goes first.
const MAX_EVENTS: usize = 100;

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
}

impl MonitorInner {
    /// Creates it with the queue of statements it wants explained.
    pub(super) fn new(settings: &Settings) -> Result<(Self, mpsc::Receiver<ExplainRequest>)> {
        let allow_list = AllowList::parse(&settings.monitor.allow)
            .map_err(|(pattern, expected)| Error::setting("DB_N_PLUS_ONE_ALLOW", pattern, expected))?;
        let (explain_queue, queue) = ExplainQueue::new();
        let inner = Self {
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
        };
        Ok((inner, queue))
    }

    /// Returns the number of a new session.
    pub(super) fn next_session(&self) -> u64 {
        self.session_counter.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Returns whether sessions outside scopes are observed. Statement logging needs that too.
    pub(super) fn is_on(&self) -> bool {
        self.settings.mode != MonitorMode::Off || self.log.echo || self.log.timing
    }

    /// Returns whether sessions outside scopes are searched for N+1 loops.
    pub(super) fn inspects_sessions(&self) -> bool {
        self.settings.mode == MonitorMode::Full
    }

    pub(super) fn statement(&self, statement: &tallybook_sql::statement::Statement) -> Arc<StatementStats> {
        self.statement_registry.find(statement.sql(self.server.dialect))
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
