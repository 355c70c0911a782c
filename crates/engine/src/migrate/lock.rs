//! That one runner works at a time.

use std::time::{Duration, Instant};

use super::catalog::fetch;
use super::look;
use super::options::Options;
use super::progress::Progress;
use crate::database::Database;
use crate::driver::{Begin, Bounds, Connection, End};
use crate::error::{Error, Result};
use crate::params;
use crate::query::{Batch, Execute, all, one};
use crate::waiting::{activity, names};

/// The key of PostgreSQL's advisory lock: "tallybk" in ASCII.
const KEY: i64 = 0x74_61_6c_6c_79_62_6b;
/// How often to look. Looking, instead of blocking, holds no snapshot that an index build would have to wait for.
const POLL: Duration = Duration::from_millis(200);

/// Sent as one simple message: after a statement of the other protocol its portal, and with it a snapshot, stays until
/// the next one, and an index build would wait for that.
const NOTHING: &str = "SELECT 1";

const HOLDERS: &str = "SELECT pid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 \
     AND ((classid::bigint << 32) | objid::bigint) = $1 \
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// PostgreSQL's advisory lock, on a connection of its own.
///
/// It belongs to a transaction that stays open and runs nothing: at READ COMMITTED such a transaction has no
/// snapshot, so index builds don't wait for it. Unlike a session's lock it also holds behind a proxy that gives
/// each transaction another server connection.
pub(super) struct Lock(Connection);

impl Lock {
    pub(super) async fn acquire(db: &Database, options: &Options, until: Instant) -> Result<Self> {
        let mut connection = db.connect().await?;
        let begin = Bounds { begin: Some(Begin::Write), ..Bounds::default() };
        loop {
            let query = one::<(bool,)>("SELECT pg_try_advisory_xact_lock($1)", params![KEY]);
            if connection.fly(query, begin).await?.finish()?.0 {
                // Also the statement that ends the one above; see NOTHING.
                connection.script("SET LOCAL idle_in_transaction_session_timeout = 0").await?;
                return Ok(Self(connection));
            }
            let end = Bounds { end: Some(End::Rollback), ..Bounds::default() };
            connection.fly(Vec::<Execute>::new(), end).await?;
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
            tokio::time::sleep(activity::jittered(POLL).min(left)).await;
        }
    }

    /// Lets others run.
    pub(super) async fn release(self) {
        look::end(self.0).await;
    }

    /// Makes sure that it is still held: a connection that broke has lost it.
    pub(super) async fn check(&mut self) -> Result<()> {
        self.0.script(NOTHING).await.map_err(|error| {
            Error::revision(
                "the connection that keeps other runners out was lost; what was done stays, run again",
            )
            .with_source(error)
        })
    }
}
