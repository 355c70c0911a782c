//! Waiting for an SQLite file that others keep locked.

use std::time::Duration;

use tokio::time::sleep;

use crate::database::Database;
use crate::driver::{Bounds, Connection};
use crate::error::{Error, Kind, Result};
use crate::query::{Batch, queries};

/// Between two attempts, beside the time that SQLite itself waits on a connection of a runner.
const PAUSE: Duration = Duration::from_millis(20);

/// A connection of a runner. While others keep the file locked it tries again: the deadline of the run ends that.
pub(super) async fn connect(db: &Database) -> Result<Connection> {
    loop {
        match db.connect().await {
            Err(error) if error.is_locked() => sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
}

/// Sends a batch. Outside of a transaction it sends it again while others keep the file locked: nothing of it
/// was done, and the deadline of the run ends it.
pub(super) async fn fly<B: Batch>(
    connection: &mut Connection,
    mut batch: B,
    bounds: Bounds,
) -> Result<B::Output> {
    let may_repeat = connection.is_clean();
    loop {
        // On the heap, as all that runners send.
        let flown = Box::pin(connection.fly_timed(batch, bounds, None)).await;
        match (flown.outcome, flown.batch) {
            (Err(error), Some(again)) if may_repeat && error.is_locked() => {
                connection.clean().await?;
                batch = again;
                queries(&mut batch).iter_mut().for_each(|query| query.reset());
                sleep(PAUSE).await;
            }
            (Err(error), _) => return Err(error),
            (Ok(()), Some(batch)) => return batch.finish(),
            (Ok(()), None) => return Err(Error::new(Kind::Lost)),
        }
    }
}

/// Runs a text that does nothing while others keep the file locked, and then runs it again.
pub(super) async fn script(connection: &mut Connection, sql: &str) -> Result<()> {
    loop {
        match connection.script(sql).await {
            Err(error) if error.is_locked() => sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
}
