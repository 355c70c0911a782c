//! The monitor: everything that is known of what sessions do.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

use super::catalog::Catalog;
use super::detect::{Allowed, Findings, Rules, Trace};
use super::journal::SessionJournal;
use super::line::{Line, Weight};
use super::noted::Noted;
use super::place::Place;
use super::plans::{Plans, Wanted};
use super::relations::Relations;
use super::running::Seats;
use super::scope::Scope;
use super::statement::Statement;
use crate::error::{Error, Result};
use crate::observe::{Journal, Observer, Opened};
use crate::settings::{LogSettings, MonitorMode, MonitorSettings, Settings};

/// Slow and failed statements that are remembered.
const NOTED: usize = 100;
/// Journals that are kept for later sessions.
const PARKED: usize = 64;

/// Listens to the sessions of a database. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Monitor(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) place: Place,
    pub(super) settings: MonitorSettings,
    pub(super) log: LogSettings,
    pub(super) rules: Rules,
    pub(super) allowed: Allowed,
    pub(super) catalog: Catalog,
    pub(super) findings: Mutex<Findings>,
    /// How many were found, by grade.
    pub(super) found: [AtomicU64; 3],
    pub(super) noted: Mutex<VecDeque<Noted>>,
    pub(super) since: (Instant, DateTime<Utc>),
    plans: Plans,
    sessions: AtomicU64,
    pub(super) seats: Arc<Seats>,
    #[expect(clippy::vec_box, reason = "sessions take them and give them back in their boxes")]
    parked: Mutex<Vec<Box<SessionJournal>>>,
}

impl Monitor {
    /// A monitor, and the queue of statements that it wants explained. Must be called on a Tokio runtime.
    pub(crate) fn new(settings: &Settings) -> Result<(Self, mpsc::Receiver<Wanted>)> {
        let allowed = Allowed::parse(&settings.monitor.allow)
            .map_err(|(pattern, expected)| Error::setting("DB_N_PLUS_ONE_ALLOW", pattern, expected))?;
        let (plans, queue) = Plans::new();
        let shared = Arc::new(Shared {
            place: Place::of(settings),
            settings: settings.monitor.clone(),
            log: settings.log.clone(),
            rules: Rules { threshold: settings.monitor.threshold },
            allowed,
            catalog: Catalog::new(settings.monitor.statements),
            findings: Mutex::default(),
            found: Default::default(),
            noted: Mutex::default(),
            since: (Instant::now(), Utc::now()),
            plans,
            sessions: AtomicU64::new(0),
            seats: Arc::default(),
            parked: Mutex::default(),
        });
        shared.seats.watch(shared.log.slow_threshold);
        Ok((Self(shared), queue))
    }

    /// The foreign keys of the database, as far as they are known.
    pub(crate) fn relations(&self) -> &Arc<Relations> {
        &self.0.catalog.relations
    }
}

impl Observer for Monitor {
    fn opened(&self, session: Opened) -> Option<Box<dyn Journal>> {
        let scope = Scope::current();
        if !self.0.is_on() && scope.is_none() {
            return None;
        }
        let mut journal = self.0.journal();
        journal.open(
            Arc::clone(&self.0),
            self.0.sessions.fetch_add(1, Ordering::Relaxed) + 1,
            session,
            scope,
        );
        Some(journal)
    }
}

impl Shared {
    /// Whether sessions are listened to outside scopes; who asked for a log of statements wants it.
    fn is_on(&self) -> bool {
        self.settings.mode != MonitorMode::Off || self.log.echo || self.log.timing
    }

    /// Whether sessions outside scopes are looked through for loops.
    pub(super) fn traces_sessions(&self) -> bool {
        self.settings.mode == MonitorMode::Full
    }

    pub(super) fn find(&self, statement: &crate::statement::Statement) -> Arc<Statement> {
        self.catalog.find(statement.sql(self.place.engine))
    }

    fn journal(&self) -> Box<SessionJournal> {
        if let Some(journal) = lock(&self.parked).pop() {
            return journal;
        }
        Box::new(SessionJournal::new(self.seats.add()))
    }

    /// Keeps a journal for later.
    pub(super) fn park(&self, journal: Box<SessionJournal>) {
        let mut parked = lock(&self.parked);
        if parked.len() < PARKED {
            parked.push(journal);
        }
    }

    /// Logs a statement that ended, and remembers it if it was slow or failed.
    pub(super) fn line(&self, line: &Line<'_>) {
        let weight = line.weight(&self.log);
        line.write(weight, self.place.engine, &self.log);
        if weight == Weight::Usual {
            return;
        }
        let mut noted = lock(&self.noted);
        if noted.len() >= NOTED {
            noted.pop_front();
        }
        noted.push_back(Noted::of(line, &self.log));
        drop(noted);
        if let (Weight::Slow, Some(request)) = (weight, line.request) {
            self.plans.ask(line.statement, request, line.call);
        }
    }

    /// Looks for loops and redundant reads in what a session or a scope ran, and makes ready for the next.
    pub(super) fn judge(&self, trace: &mut Trace, scope: Option<&str>) {
        for found in trace.findings(&self.rules) {
            if self.allowed.allows(&found) {
                continue;
            }
            let finding = lock(&self.findings).add(found);
            self.found[finding.grade as usize].fetch_add(1, Ordering::Relaxed);
            let scope = scope.unwrap_or("a session");
            tracing::warn!(target: "tallybook::finding", scope, grade = %finding.grade, at = %finding.at, "{finding}");
        }
        trace.clear();
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
