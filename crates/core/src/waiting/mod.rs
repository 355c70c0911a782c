//! Work that others may block: time limits, and who blocks it.

pub mod activity;
mod blocker;
mod blocker_lookup;
mod deadline;

use std::future::Future;
use std::time::{Duration, Instant};

use tallybook_sql::error::{Error, Result};
use tokio::select;
use tokio::time::sleep_until;

use crate::database::Database;
use crate::driver::Connector;
use crate::random::jittered;
use crate::settings::Settings;

pub use blocker::Blocker;
pub use blocker::names;
pub use blocker_lookup::BlockerLookup;
pub use deadline::Deadline;

/// Work that takes longer is checked for blockers, at this interval.
const SHORT: Duration = Duration::from_secs(1);

impl Database {
    /// Runs `work` with a time limit. After a second, and every second from then on, passes the sessions that
    /// block this database's connections to `tell`, if there are any.
    ///
    /// When the time is over, the work is dropped; a session in it rolls back.
    ///
    /// # Errors
    /// Those of the work, and [`Error::is_timeout`] with the blockers when the time is over.
    pub async fn within<T, E: From<Error>>(
        &self,
        limit: Duration,
        tell: impl Fn(&[Blocker]) + Send,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.until(&Deadline::after(limit), tell, work).await
    }

    /// Runs work like [`Database::within`], with a deadline that the work may extend.
    ///
    /// # Errors
    /// As [`Database::within`].
    pub async fn until<T, E: From<Error>>(
        &self,
        deadline: &Deadline,
        tell: impl Fn(&[Blocker]) + Send,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        // Boxed to keep the callers' stack frames small.
        watched(deadline, lookups(self), tell, Box::pin(work)).await
    }

    /// Returns the sessions of PostgreSQL, or the processes with a lock on the SQLite file, that block
    /// connections of this database now. Empty if nothing is blocked or the blocker cannot be determined.
    pub async fn blockers(&self) -> Vec<Blocker> {
        look(&mut lookups(self)).await
    }
}

/// Returns a random pause between 0.5 and 1.5 times `time`, so that retries do not collide again and again.
pub fn retry_pause(time: Duration) -> Duration {
    jittered(time, 0.5..1.5)
}

/// Runs `opening`, which opens the database of these settings, with a time limit. `tell` receives the
/// processes that lock an SQLite file meanwhile.
///
/// # Errors
/// Those of `opening`, and [`Error::is_timeout`] when the time is over.
pub async fn opening_within<T>(
    settings: &Settings,
    limit: Duration,
    tell: impl Fn(&[Blocker]) + Send,
    opening: impl Future<Output = Result<T>>,
) -> Result<T> {
    let connector = Connector::new(settings.database_url.target(), settings.file_access());
    watched(&Deadline::after(limit), vec![BlockerLookup::new(connector)], tell, opening).await
}

/// Returns a lookup for each server of a database.
fn lookups(db: &Database) -> Vec<BlockerLookup> {
    db.connectors().cloned().map(BlockerLookup::new).collect()
}

async fn watched<T, E: From<Error>>(
    deadline: &Deadline,
    mut lookups: Vec<BlockerLookup>,
    tell: impl Fn(&[Blocker]) + Send,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let mut blockers = Vec::new();
    tokio::pin!(work);
    // Early enough to name a blocker even within a short limit.
    let mut next = Instant::now() + SHORT.min(deadline.limit() / 2);
    while Instant::now() < deadline.end() {
        select! {
            biased;
            outcome = &mut work => return outcome,
            () = sleep_until(next.min(deadline.end()).into()) => {}
        }
        if Instant::now() < next {
            continue;
        }
        select! {
            biased;
            outcome = &mut work => return outcome,
            found = look(&mut lookups) => {
                if !found.is_empty() {
                    tell(&found);
                }
                blockers = found;
            }
            () = sleep_until(deadline.end().into()) => {}
        }
        next = Instant::now() + SHORT;
    }
    let why = match &*blockers {
        [] => "it was not done, and nobody was found to keep it waiting".to_owned(),
        _ => format!("it waited for a lock that is held by {}", names(&blockers)),
    };
    Err(Error::deadline(deadline.limit(), why).into())
}

/// Sequential: several nodes are rarely blocked at once.
async fn look(lookups: &mut [BlockerLookup]) -> Vec<Blocker> {
    let mut found = Vec::new();
    for lookup in lookups {
        found.extend(lookup.look().await);
    }
    found
}
