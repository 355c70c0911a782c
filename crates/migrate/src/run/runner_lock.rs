//! Ensures that one runner works at a time.

use std::time::{Duration, Instant};

use tallybook_core::database::Database;
use tallybook_core::driver::Connection;
use tallybook_core::waiting::{activity, names, retry_pause};
use tallybook_sql::error::{Error, Result};
use tallybook_sql::params;
use tallybook_sql::query::{Batch, Execute, all, one};
use tallybook_sql::transaction::{Begin, End, TransactionFraming};

use crate::catalog::fetch;
use crate::run::deadline;
use crate::run::options::Options;
use crate::run::progress::Progress;

/// The key of PostgreSQL's advisory lock: "tallybk" in ASCII.
const KEY: i64 = 0x74_61_6c_6c_79_62_6b;
/// Poll interval. Polling, unlike blocking, holds no snapshot that an index build would have to wait for.
const POLL: Duration = Duration::from_millis(200);

/// Sent as a simple query: after an extended one its portal, and with it a snapshot, lives until the next
/// statement, and an index build would wait for that.
const NOTHING: &str = "SELECT 1";

const HOLDERS: &str = "SELECT pid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 \
     AND ((classid::bigint << 32) | objid::bigint) = $1 \
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// PostgreSQL's advisory lock, on a connection of its own.
///
/// A transaction that stays open and idle holds it: at READ COMMITTED such a transaction has no snapshot, so index
/// builds do not wait for it. Unlike a session-level lock it also holds behind a proxy that pools connections by
/// transaction.
pub(crate) struct Lock(Connection);

impl Lock {
    pub(crate) async fn acquire(db: &Database, options: &Options, until: Instant) -> Result<Self> {
        let mut connection = db.connect().await?;
        let begin = TransactionFraming { begin: Some(Begin::Write), ..TransactionFraming::default() };
        loop {
            let query = one::<(bool,)>("SELECT pg_try_advisory_xact_lock($1)", params![KEY]);
            if connection.execute(query, begin).await?.finish()?.0 {
                // Also ends the portal of the statement above; see NOTHING.
                connection.script("SET LOCAL idle_in_transaction_session_timeout = 0").await?;
                return Ok(Self(connection));
            }
            let end = TransactionFraming { end: Some(End::Rollback), ..TransactionFraming::default() };
            connection.execute(Vec::<Execute>::new(), end).await?;
            let holders = fetch(&mut connection, all::<(i64,)>(HOLDERS, params![KEY])).await?;
            let holders: Vec<_> = holders.into_iter().map(|(pid,)| pid).collect();
            let blockers = activity::blockers(&mut connection, &holders).await?;
            if Instant::now() >= until {
                return Err(Error::revision(format!(
                    "another runner still holds the lock: {}; wait for it, or look at what it waits for",
                    names(&blockers)
                )));
            }
            options.emit(&Progress::Waiting { what: "another runner".to_owned(), blockers });
            let left = until.saturating_duration_since(Instant::now());
            tokio::time::sleep(retry_pause(POLL).min(left)).await;
        }
    }

    /// Releases the lock.
    pub(crate) async fn release(self) {
        deadline::end(self.0).await;
    }

    /// Checks that the lock is still held. A lost connection has lost it.
    pub(crate) async fn check(&mut self) -> Result<()> {
        self.0.script(NOTHING).await.map_err(|error| {
            Error::revision(
                "the connection that keeps other runners out was lost; what was done stays, run again",
            )
            .with_source(error)
        })
    }
}
