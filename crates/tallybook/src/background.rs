//! Background tasks that query the database for the monitor. They only use idle connections, so they never
//! compete with the program.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use tallybook_core::database::{Database, WeakDatabase};
use tallybook_core::foreign_key::{ForeignKey, foreign_keys};
use tallybook_core::session::ReadSession;
use tallybook_monitor::{ExplainRequest, ForeignKeys};
use tallybook_sql::call_site::CallSite;
use tallybook_sql::error::Result;
use tallybook_sql::statement::Statement;
use tallybook_sql::value::Value;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// Time limit for explaining a slow statement, including the wait for an idle connection, and the interval of
/// that wait.
const EXPLAIN_LIMIT: Duration = Duration::from_secs(2);
const EXPLAIN_RETRY: Duration = Duration::from_millis(10);
/// Time limit for reading the foreign keys, including the wait for an idle connection.
const FOREIGN_KEYS_LIMIT: Duration = Duration::from_secs(2);
/// Interval of the check whether the database is still open.
const FOREIGN_KEYS_WAIT: Duration = Duration::from_secs(5);

/// Explains slow statements, one at a time, until the database is dropped.
pub(crate) async fn explain_slow(db: WeakDatabase, mut wanted: mpsc::Receiver<ExplainRequest>) {
    while let Some(wanted) = wanted.recv().await {
        if let Ok(Some(outline)) = timeout(EXPLAIN_LIMIT, explain(&db, &wanted)).await {
            wanted.explained(outline);
        }
    }
}

/// Reads the foreign keys on request, until the database is dropped.
pub(crate) async fn read_foreign_keys(db: WeakDatabase, foreign_keys: Arc<ForeignKeys>) {
    while db.upgrade().is_some() {
        if timeout(FOREIGN_KEYS_WAIT, foreign_keys.wanted()).await.is_err() {
            continue;
        }
        match timeout(FOREIGN_KEYS_LIMIT, known_foreign_keys(&db)).await {
            Ok(Some(found)) => foreign_keys.replace(&found),
            // The next one to need them requests them again.
            _ => foreign_keys.forget_wish(),
        }
    }
}

/// Returns the outline of a statement's plan.
async fn explain(db: &WeakDatabase, wanted: &ExplainRequest) -> Option<String> {
    let (_open, mut session) = idle_session(db, wanted.call.at()).await?;
    session.outline(&wanted.statement, wanted.values.clone(), wanted.call).await.ok()
}

/// Explains a statement now, on an idle connection. `None` if no connection was idle, or the database did not answer, within the
/// time limit.
pub(crate) async fn explain_now(db: WeakDatabase, sql: String, values: Vec<Value>) -> Option<Result<String>> {
    let plan = async {
        let (_open, mut session) = idle_session(&db, Location::caller()).await?;
        Some(session.outline(&Statement::from(sql), values, CallSite::here()).await)
    };
    timeout(EXPLAIN_LIMIT, plan).await.ok().flatten()
}

async fn known_foreign_keys(db: &WeakDatabase) -> Option<Vec<ForeignKey>> {
    let (_open, mut session) = idle_session(db, Location::caller()).await?;
    let keys = session.run(foreign_keys()).await.ok()?;
    Some(keys.into_iter().map(ForeignKey::from).collect())
}

/// Waits for an idle connection and returns an unobserved session on it, with a handle that keeps the
/// database open.
async fn idle_session(db: &WeakDatabase, at: &'static Location<'static>) -> Option<(Database, ReadSession)> {
    loop {
        let open = db.upgrade()?;
        if let Some(session) = open.idle_session(at) {
            return Some((open, session));
        }
        drop(open);
        sleep(EXPLAIN_RETRY).await;
    }
}
