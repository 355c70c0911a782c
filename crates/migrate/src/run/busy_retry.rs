//! Retries while other connections keep an SQLite file locked.

use std::time::Duration;

use tallybook_core::database::Database;
use tallybook_core::driver::Connection;
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tallybook_sql::query::{Batch, queries};
use tallybook_sql::transaction::TransactionFraming;
use tokio::time::sleep;

/// Pause between two attempts, in addition to SQLite's own busy timeout.
const PAUSE: Duration = Duration::from_millis(20);

/// Opens a connection. Retries while the file is locked, until the deadline of the run ends it.
pub(crate) async fn connect(db: &Database) -> Result<Connection> {
    loop {
        match db.connect().await {
            Err(error) if error.is_locked() => sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
}

/// Executes a batch. Outside a transaction it retries while the file is locked, until the deadline of the run:
/// SQLite applied nothing of it.
pub(crate) async fn execute<B: Batch>(
    connection: &mut Connection,
    mut batch: B,
    framing: TransactionFraming,
) -> Result<B::Output> {
    let may_repeat = connection.is_clean();
    loop {
        // On the heap: a run is a deep nest of futures.
        let executed = Box::pin(connection.execute_timed(batch, framing, None)).await;
        match (executed.outcome, executed.batch) {
            (Err(error), Some(again)) if may_repeat && error.is_locked() => {
                connection.clean().await?;
                batch = again;
                queries(&mut batch).iter_mut().for_each(|query| query.reset());
                sleep(PAUSE).await;
            }
            (Err(error), _) => return Err(error),
            (Ok(()), Some(mut batch)) => return batch.finish(),
            (Ok(()), None) => return Err(Error::new(ErrorDetail::Lost)),
        }
    }
}

/// Runs a script that has no effect while the file is locked. Retries until it runs.
pub(crate) async fn script(connection: &mut Connection, sql: &str) -> Result<()> {
    loop {
        match connection.script(sql).await {
            Err(error) if error.is_locked() => sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
}
