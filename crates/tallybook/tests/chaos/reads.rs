//! The kinds of reads in the load, and how stale each may be.

use std::time::Duration;

use tallybook::{Database, Error, one, params};

use crate::clock::{micros, micros_of};
use crate::ledger::{Ack, Ledger};

/// What a read requires.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Read {
    /// The staleness bound of the settings.
    Usual,
    /// A staleness bound of its own.
    Within(Duration),
    /// A writer's last acknowledged transaction.
    AfterLast,
}

impl Read {
    /// Reads a writer's rows.
    ///
    /// # Errors
    /// The failure of the read, or how its result is too stale.
    pub(crate) async fn run(self, db: &Database, ledger: &Ledger, writer: usize) -> Result<(), String> {
        match (self, ledger.last(writer)) {
            (Self::AfterLast, Some(ack)) => after(db, &ack).await,
            (Self::Within(age), _) => within(db, ledger, writer, Some(age)).await,
            _ => within(db, ledger, writer, None).await,
        }
    }
}

async fn after(db: &Database, ack: &Ack) -> Result<(), String> {
    let query = || one::<(i64,)>("SELECT count(*) FROM entry WHERE id = $1", params![ack.id]);
    let read = async || db.read_after(&ack.token).await?.run(query()).await;
    match read().await.map_err(|error| failed(&error))? {
        (1,) => Ok(()),
        _ => Err(format!("stale: entry {} is not there after {}", ack.id, ack.token)),
    }
}

async fn within(db: &Database, ledger: &Ledger, writer: usize, age: Option<Duration>) -> Result<(), String> {
    let query = one::<(i64,)>("SELECT at FROM beat WHERE writer = $1", params![writer as i64]);
    let asked = micros();
    let allowed = age.unwrap_or(db.settings().replica.max_staleness);
    let expected = ledger.beat_at(writer, asked - micros_of(allowed));
    let read = async move || match age {
        Some(age) => db.read_within(age).await?.run(query).await,
        None => db.read().await?.run(query).await,
    };
    let (seen,) = read().await.map_err(|error| failed(&error))?;
    if seen >= expected {
        return Ok(());
    }
    let behind = Duration::from_micros((expected - seen).unsigned_abs());
    Err(format!("stale: {behind:?} older than the allowed {allowed:?}"))
}

fn failed(error: &Error) -> String {
    format!("{error:?}")
}
