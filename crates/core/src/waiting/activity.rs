//! Other sessions on a PostgreSQL server.

use tallybook_sql::error::Result;
use tallybook_sql::fingerprint::shape;
use tallybook_sql::params;
use tallybook_sql::query::{All, Batch, all};
use tallybook_sql::transaction::TransactionFraming;

use super::blocker::Blocker;
use crate::driver::Connection;

/// Age in seconds from which an open transaction is worth a warning.
const OLD: f64 = 60.0;

macro_rules! activity {
    ($condition:literal) => {
        concat!(
            "SELECT a.pid::bigint, coalesce(a.usename::text, ''), coalesce(a.application_name, ''), \
               coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.backend_start)), 0)::float8, \
               coalesce(a.state, ''), coalesce(a.query, '') \
             FROM pg_stat_activity a WHERE ",
            $condition,
            " ORDER BY 4 DESC"
        )
    };
}

type Row = (i64, String, String, f64, String, String);

/// Characters of a statement that are shown.
const MAX_QUERY: usize = 200;

/// Processes that block the given ones. Process 0 stands for a prepared transaction.
const BLOCKING: &str =
    "SELECT DISTINCT b::bigint FROM unnest($1::bigint[]) AS p, unnest(pg_blocking_pids(p::int)) AS b";

const PREPARED: &str = "SELECT owner::text, gid, coalesce(extract(epoch FROM clock_timestamp() - prepared), 0)::float8 \
     FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared";

/// Returns the sessions of the given processes; one round trip.
///
/// # Errors
/// The error that the database reports.
pub async fn blockers(connection: &mut Connection, pids: &[i64]) -> Result<Vec<Blocker>> {
    if pids.is_empty() {
        return Ok(Vec::new());
    }
    rows(connection, all(activity!("a.pid = ANY($1)"), params![pids.to_vec()])).await
}

/// Returns the sessions and prepared transactions that block the given processes; up to three round trips.
pub(crate) async fn blockers_of(connection: &mut Connection, pids: Vec<i64>) -> Result<Vec<Blocker>> {
    let found = fetch(connection, all::<(i64,)>(BLOCKING, params![pids])).await?;
    let found: Vec<_> = found.into_iter().map(|(pid,)| pid).collect();
    let mut blockers = blockers(connection, &found).await?;
    if found.contains(&0) {
        let prepared = fetch(connection, all::<(String, String, f64)>(PREPARED, params![])).await?;
        blockers.extend(prepared.into_iter().map(|(user, application, age)| Blocker {
            pid: 0,
            user,
            application,
            age: Some(age),
            state: "prepared transaction".to_owned(),
            query: String::new(),
        }));
    }
    Ok(blockers)
}

/// Returns the transactions that have been open for a minute or longer. An index build waits for them.
///
/// # Errors
/// The error that the database reports.
pub async fn old_transactions(connection: &mut Connection) -> Result<Vec<Blocker>> {
    let query = all(
        activity!(
            "a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend' \
             AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL) \
             AND a.xact_start < clock_timestamp() - make_interval(secs => $1)"
        ),
        params![OLD],
    );
    rows(connection, query).await
}

/// Returns the sessions that hold a lock on a table.
///
/// # Errors
/// The error that the database reports.
pub async fn lock_holders(connection: &mut Connection, table: &str) -> Result<Vec<Blocker>> {
    let query = all(
        activity!(
            "a.pid <> pg_backend_pid() AND a.pid IN (SELECT l.pid FROM pg_locks l \
               JOIN pg_class c ON c.oid = l.relation \
               JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema() \
               WHERE l.granted AND c.relname = $1)"
        ),
        params![table.to_owned()],
    );
    rows(connection, query).await
}

async fn rows(connection: &mut Connection, query: All<Row>) -> Result<Vec<Blocker>> {
    Ok(fetch(connection, query).await?.into_iter().map(blocker).collect())
}

async fn fetch<B: Batch>(connection: &mut Connection, batch: B) -> Result<B::Output> {
    connection.execute(batch, TransactionFraming::default()).await?.finish()
}

fn blocker((pid, user, application, age, state, query): Row) -> Blocker {
    let query = shape(&query).chars().take(MAX_QUERY).collect();
    Blocker { pid, user, application, age: Some(age), state, query }
}
