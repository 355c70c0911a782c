//! The state that all handlers share.

use std::sync::Arc;
use std::time::Duration;

use tallybook::Database;

use crate::access::Gate;
use crate::journal::{self, RunningKeys};
use crate::request::{Admission, Bodies, Hosts};
use crate::settings::ServiceSettings;

/// The state that all handlers share. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

struct Shared {
    db: Database,
    settings: ServiceSettings,
    gate: Gate,
    admission: Admission,
    bodies: Bodies,
    hosts: Hosts,
    running: RunningKeys,
    /// Held by the one request that looks whether the database is ready.
    readiness: tokio::sync::Mutex<()>,
}

/// The time between two looks for idempotency keys that are too old.
const FORGET_INTERVAL: Duration = Duration::from_secs(60 * 60);

impl App {
    /// Must be called on a Tokio runtime.
    pub(crate) fn new(db: Database, settings: ServiceSettings) -> Self {
        let app = Self(Arc::new(Shared {
            gate: Gate::new(settings.needs_token),
            admission: Admission::new(settings.max_requests),
            bodies: Bodies::new(settings.max_body_bytes, settings.body_time_limit),
            hosts: Hosts::new(&settings.hosts),
            running: RunningKeys::default(),
            readiness: tokio::sync::Mutex::default(),
            db,
            settings,
        }));
        tokio::spawn(app.clone().forget_old_keys());
        app
    }

    pub(crate) fn db(&self) -> &Database {
        &self.0.db
    }

    pub(crate) fn settings(&self) -> &ServiceSettings {
        &self.0.settings
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.0.admission
    }

    pub(crate) fn bodies(&self) -> &Bodies {
        &self.0.bodies
    }

    pub(crate) fn hosts(&self) -> &Hosts {
        &self.0.hosts
    }

    pub(crate) fn readiness(&self) -> &tokio::sync::Mutex<()> {
        &self.0.readiness
    }

    pub(crate) fn running(&self) -> &RunningKeys {
        &self.0.running
    }

    /// Forgets idempotency keys that are too old, while the service lives.
    async fn forget_old_keys(self) {
        let shared = Arc::downgrade(&self.0);
        drop(self);
        loop {
            tokio::time::sleep(FORGET_INTERVAL).await;
            let Some(shared) = shared.upgrade() else { return };
            if let Err(error) = journal::forget_old_keys(&shared.db).await {
                let reason = error.without_values();
                tracing::warn!(target: "tallybook::server", reason, "old idempotency keys are kept for another hour");
            }
        }
    }
}
