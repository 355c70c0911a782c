//! Who else works on a PostgreSQL database.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::catalog::fetch;
use super::progress::Blocker;
use crate::driver::Connection;
use crate::error::Result;
use crate::params;
use crate::query::all;

/// A transaction this old, in seconds, is worth a warning before something has to wait for it.
const OLD: f64 = 60.0;

macro_rules! activity {
    ($condition:literal) => {
        concat!(
            "SELECT a.pid::bigint, coalesce(a.usename::text, ''), \
               coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.backend_start)), 0)::float8, \
               coalesce(a.state, ''), left(regexp_replace(coalesce(a.query, ''), '\\s+', ' ', 'g'), 200) \
             FROM pg_stat_activity a WHERE ",
            $condition,
            " ORDER BY 3 DESC"
        )
    };
}

type Row = (i64, String, f64, String, String);

/// The sessions of these processes.
pub(super) async fn blockers(connection: &mut Connection, pids: &[i64]) -> Result<Vec<Blocker>> {
    if pids.is_empty() {
        return Ok(Vec::new());
    }
    let query = all::<Row>(activity!("a.pid = ANY($1)"), params![pids.to_vec()]);
    Ok(fetch(connection, query).await?.into_iter().map(blocker).collect())
}

/// The transactions that have been open for long: an index build waits for them.
pub(super) async fn old_transactions(connection: &mut Connection) -> Result<Vec<Blocker>> {
    let query = all::<Row>(
        activity!(
            "a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend' \
             AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL) \
             AND a.xact_start < clock_timestamp() - make_interval(secs => $1)"
        ),
        params![OLD],
    );
    Ok(fetch(connection, query).await?.into_iter().map(blocker).collect())
}

/// Those that hold a lock on a table which lets nobody change the table.
pub(super) async fn lock_holders(connection: &mut Connection, table: &str) -> Result<Vec<Blocker>> {
    let query = all::<Row>(
        activity!(
            "a.pid <> pg_backend_pid() AND a.pid IN (SELECT l.pid FROM pg_locks l \
               JOIN pg_class c ON c.oid = l.relation \
               JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema() \
               WHERE l.granted AND c.relname = $1)"
        ),
        params![table.to_owned()],
    );
    Ok(fetch(connection, query).await?.into_iter().map(blocker).collect())
}

fn blocker((pid, user, age, state, query): Row) -> Blocker {
    Blocker { pid, user, age, state, query }
}

/// A time within a half of `time` around it, so that runners and writers do not meet again and again.
pub(super) fn jittered(time: Duration) -> Duration {
    // From the keys that the standard library draws for its hash maps.
    let random = RandomState::new().hash_one(()) as f64 / u64::MAX as f64;
    time.mul_f64(0.5 + random)
}
