//! Where the figures come from.

use std::time::Duration;

use tallybook::{Database, Report, ReportSocket};

use super::verdicts::WatchedSettings;

/// The age at which a session is held too long, if the settings are not known: the default of `DB_POOL_LEAK_THRESHOLD`.
const USUAL_LEAK_THRESHOLD: Duration = Duration::from_secs(60);

/// The program that a dashboard shows.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// This program, by its database.
    Database(Database),
    /// Another program, by the socket of its monitor.
    Socket(ReportSocket),
}

impl Source {
    /// Returns the current report, or the reason why there is none.
    pub(super) async fn report(&self) -> Result<Report, String> {
        match self {
            Self::Database(db) => Ok(db.report()),
            Self::Socket(socket) => socket.report().await.map_err(|error| error.to_string()),
        }
    }

    /// Returns the database, if it is that of this program.
    pub(super) fn database(&self) -> Option<&Database> {
        match self {
            Self::Database(db) => Some(db),
            Self::Socket(_) => None,
        }
    }

    /// Returns the settings that the judgements depend on.
    pub(super) fn settings(&self) -> WatchedSettings {
        let settings = self.database().map(|db| db.settings());
        WatchedSettings {
            leak_threshold: settings.map_or(USUAL_LEAK_THRESHOLD, |settings| {
                settings.pool.leak_threshold.unwrap_or(Duration::MAX)
            }),
            mode: settings.map(|settings| settings.monitor.mode),
            has_database: settings.is_some(),
        }
    }
}
