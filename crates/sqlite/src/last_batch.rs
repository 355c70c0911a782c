//! The last batch of a write transaction: its statements, COMMIT and flush in one hop to the connection's thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rusqlite::Connection as Sqlite;
use tallybook_sql::driver::Executed;
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tallybook_sql::query::{Batch, Query, check_rows, queries};
use tallybook_sql::transaction::{Begin, End, TransactionFraming};

use super::Connection;
use super::checked_results::CheckedResults;
use super::connection::{Durability, Flush, check_transaction, roll_back};
use super::pipeline::{control, run_all};
use super::wal::PendingFlush;

impl Connection {
    /// Executes the last batch of a write transaction and commits, in one hop.
    ///
    /// Rows are decoded and counted before the COMMIT, so that a result that is refused is rolled back. The transaction is
    /// rolled back too if the future is dropped before the COMMIT. The next transaction may begin at once; this one is
    /// durable when the [`PendingFlush`] has completed. `waiting` is the number of writers that wait for the connection:
    /// if there is none, the flush is done in the same hop.
    pub async fn execute_last<B: Batch>(
        &mut self,
        mut batch: B,
        framing: TransactionFraming,
        since: Option<Instant>,
        waiting: &Arc<AtomicUsize>,
    ) -> (Executed<B>, Option<PendingFlush>) {
        if let Err(gone) = self.check_file(since.unwrap_or_else(Instant::now)) {
            return (Executed::new(Some(batch), Err(gone)), None);
        }
        // Boxed: it is rare, and would enlarge the future of every write.
        if framing.begin.is_some_and(Begin::is_write)
            && self.is_unprepared()
            && let Err(error) = Box::pin(self.prepare_write()).await
        {
            return (Executed::new(Some(batch), Err(error)), None);
        }
        let (checked, durability) = (Arc::clone(&self.checked), self.durability());
        let waiting = Arc::clone(waiting);
        let work = move |sqlite: &mut Sqlite, is_abandoned: &dyn Fn() -> bool| {
            let statements = TransactionFraming { end: None, ..framing };
            let ran = run_statements(sqlite, &checked, &mut queries(&mut batch), statements, since);
            if let Err(error) = ran {
                // The failure matters more than that of a rollback, which SQLite may have done itself.
                let _ = roll_back(sqlite);
                return (Executed::new(Some(batch), Err(error)), None);
            }
            match commit(sqlite, &durability, is_abandoned, &waiting) {
                Ok(flush) => (Executed::new(Some(batch), Ok(())), Some(flush)),
                Err(error) => {
                    let _ = roll_back(sqlite);
                    (Executed { failed_at_end: true, ..Executed::new(Some(batch), Err(error)) }, None)
                }
            }
        };
        let started = self.thread().start_abandonable(work);
        let executed = match started {
            Ok(pending) => pending.wait().await,
            Err(lost) => Err(lost),
        };
        let (executed, flush) = executed.unwrap_or_else(|lost| (Executed::new(None, Err(lost)), None));
        let flush = flush.and_then(|flush| self.flush_of(flush));
        (executed, flush)
    }
}

/// Runs the statements and counts their rows.
fn run_statements(
    sqlite: &Sqlite,
    checked: &CheckedResults,
    queries: &mut [&mut dyn Query],
    framing: TransactionFraming,
    since: Option<Instant>,
) -> Result<()> {
    run_all(sqlite, checked, queries, framing, since, None)?;
    check_rows(queries)
}

fn commit(
    sqlite: &Sqlite,
    durability: &Durability,
    is_abandoned: &dyn Fn() -> bool,
    waiting: &AtomicUsize,
) -> Result<Flush> {
    if is_abandoned() {
        return Err(Error::new(ErrorDetail::LastBatchUnknown));
    }
    check_transaction(sqlite)?;
    control(sqlite, End::Commit.sql())?;
    durability.flush(waiting.load(Ordering::Relaxed) > 0)
}
