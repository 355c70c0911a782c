//! Work that others may keep waiting: a bound for it, and whom it waits for.

pub(crate) mod activity;
mod blocker;
mod deadline;
mod lookout;

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::select;
use tokio::time::sleep_until;

use crate::database::Database;
use crate::driver::Connector;
use crate::error::{Error, Result};
use crate::settings::Settings;

pub use blocker::Blocker;
pub(crate) use blocker::names;
pub(crate) use deadline::Deadline;
pub(crate) use lookout::Lookout;

/// Work that takes longer is looked at: does it wait for anybody?
const SHORT: Duration = Duration::from_secs(1);

impl Database {
    /// As [`Database::open`], for at most this time; `tell` hears who keeps an SQLite file locked meanwhile.
    ///
    /// # Errors
    /// As [`Database::open`], and [`Error::is_timeout`] when the time is over.
    pub async fn open_within(
        settings: Settings,
        limit: Duration,
        tell: impl Fn(&[Blocker]) + Send,
    ) -> Result<Self> {
        let connector = Connector::new(settings.database_url.target(), settings.file_access());
        let lookouts = vec![Lookout::new(connector)];
        watched(&Deadline::after(limit), lookouts, tell, Self::open(settings)).await
    }

    /// Runs work for at most this time. Where it takes longer than a second, looks every second whether connections of
    /// this database wait for locks, and tells by `tell` whom they wait for, if they do.
    ///
    /// The work is dropped when its time is over; a session in it is rolled back.
    ///
    /// # Errors
    /// Those of the work, and [`Error::is_timeout`] when the time is over; it names those that were waited for.
    pub async fn within<T, E: From<Error>>(
        &self,
        limit: Duration,
        tell: impl Fn(&[Blocker]) + Send,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.until(&Deadline::after(limit), tell, work).await
    }

    /// As [`Database::within`], with a deadline that the work may extend.
    pub(crate) async fn until<T, E: From<Error>>(
        &self,
        deadline: &Deadline,
        tell: impl Fn(&[Blocker]) + Send,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        // On the heap: the stacks that this adds to may be short.
        watched(deadline, self.lookouts(), tell, Box::pin(work)).await
    }

    /// Those that connections of this database wait for now: sessions of PostgreSQL, or the processes that keep an
    /// SQLite file locked. Empty where nobody is found: nobody waits, or the system does not tell.
    pub async fn blockers(&self) -> Vec<Blocker> {
        look(&mut self.lookouts()).await
    }
}

async fn watched<T, E: From<Error>>(
    deadline: &Deadline,
    mut lookouts: Vec<Lookout>,
    tell: impl Fn(&[Blocker]) + Send,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let mut blockers = Vec::new();
    tokio::pin!(work);
    // Soon enough to name somebody before a short time is over.
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
            found = look(&mut lookouts) => {
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

/// One after the other: several nodes rarely make one wait.
async fn look(lookouts: &mut [Lookout]) -> Vec<Blocker> {
    let mut found = Vec::new();
    for lookout in lookouts {
        found.extend(lookout.look().await);
    }
    found
}
