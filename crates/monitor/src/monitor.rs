//! The monitor observes all sessions of one database.

use std::sync::Arc;

use tallybook_core::foreign_key::ForeignKey;
use tallybook_core::observe::{Observer, Opened, Recorder};
use tallybook_core::settings::Settings;
use tallybook_sql::error::Result;
use tokio::sync::mpsc;

use super::foreign_keys::ForeignKeys;
use super::monitor_inner::MonitorInner;
use super::plans::ExplainRequest;
use super::recorder::IdleRecorders;
use super::scope::Scope;

/// Observes the sessions of a database. Clones share one state.
#[derive(Clone)]
pub struct Monitor {
    pub(super) inner: Arc<MonitorInner>,
    idle_recorders: Arc<IdleRecorders>,
}

impl Monitor {
    /// Creates a monitor and the queue of statements it wants explained. Must be called on a Tokio runtime.
    ///
    /// # Errors
    ///
    /// If `DB_N_PLUS_ONE_ALLOW` holds a malformed pattern.
    pub fn new(settings: &Settings) -> Result<(Self, mpsc::Receiver<ExplainRequest>)> {
        let (inner, queue) = MonitorInner::new(settings)?;
        inner.slots.spawn_watch(inner.log.slow_threshold);
        Ok((Self { inner: Arc::new(inner), idle_recorders: Arc::default() }, queue))
    }

    /// Returns the foreign keys of the database; empty until they are first needed and loaded.
    pub fn foreign_keys(&self) -> &Arc<ForeignKeys> {
        &self.inner.statement_registry.foreign_keys
    }
}

impl Observer for Monitor {
    fn foreign_keys(&self, foreign_keys: &[ForeignKey]) {
        self.foreign_keys().replace(foreign_keys);
    }

    fn opened(&self, session: Opened) -> Option<Box<dyn Recorder>> {
        let scope = Scope::current();
        if !self.inner.is_on() && scope.is_none() {
            return None;
        }
        let mut recorder = self.idle_recorders.take(&self.inner.slots);
        recorder.open(Arc::clone(&self.inner), self.inner.next_session(), session, scope);
        Some(recorder)
    }
}
