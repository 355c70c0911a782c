//! A database with a table, and a connection that reads it.

use tallybook_postgres::Connection;
use tallybook_sql::{Error, all, one, params};
use tallybook_testkit::Database;
use tokio_postgres::Client;

use crate::support::{connect, run, with_note};

pub(super) async fn stage(name: &str) -> (Database, Client, Connection) {
    let (database, admin) = with_note(name).await;
    let connection = connect(database.url()).await;
    (database, admin, connection)
}

/// Returns the process id of the connection's backend.
pub(super) async fn pid(connection: &mut Connection) -> i64 {
    run(connection, one::<(i64,)>("SELECT pg_backend_pid()::bigint", params![])).await.unwrap().0
}

pub(super) const NOTES: &str = "SELECT id, title FROM notes WHERE id > $1 ORDER BY id";

pub(super) async fn notes(connection: &mut Connection) -> Result<Vec<(i64, String)>, Error> {
    run(connection, all(NOTES, params![0])).await
}

/// As the pool does it: once more if the plan was stale.
pub(super) async fn notes_again(connection: &mut Connection) -> Result<Vec<(i64, String)>, Error> {
    match notes(connection).await {
        Err(error) if error.is_stale_plan() => notes(connection).await,
        outcome => outcome,
    }
}

pub(super) fn one_note() -> Vec<(i64, String)> {
    vec![(1, "one".to_owned())]
}
