//! Where the figures come from.

use tallybook::{Database, Report, ReportSocket};

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
}
