//! Prepared statements whose tables were altered, or that no longer exist.

use tallybook::{Database, Error, Settings, all, execute, one, params};
use tallybook_testkit::postgres;

use crate::support::{open, open_with, read, write};

/// A single connection, so that a test knows what it has prepared.
fn one_connection(settings: &mut Settings) {
    settings.pool.size = 1;
    settings.pool.max_overflow = 0;
}

const TITLES: &str = "SELECT id, title FROM notes ORDER BY id";
const ALTER: &str = "ALTER TABLE notes ALTER COLUMN title TYPE text";

/// A database with two notes, a second way to it, and a connection that has prepared [`TITLES`].
async fn prepared(name: &str) -> (tallybook_testkit::Database, Database, Database) {
    let database = postgres().await.database(name).await;
    let admin = open(database.url()).await;
    write(&admin, "CREATE TABLE notes (id bigint PRIMARY KEY, title varchar(40) NOT NULL)").await;
    write(&admin, "CREATE TABLE others (id bigint PRIMARY KEY)").await;
    write(&admin, "INSERT INTO notes VALUES (1, 'one'), (2, 'two')").await;
    let db = open_with(database.url(), one_connection).await;
    assert_eq!(read::<(i64, String)>(&db, TITLES).await, notes());
    (database, admin, db)
}

fn notes() -> Vec<(i64, String)> {
    vec![(1, "one".to_owned()), (2, "two".to_owned())]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_goes_on_when_its_table_was_altered() {
    let (_database, admin, db) = prepared("a_read_goes_on").await;
    write(&admin, ALTER).await;
    assert_eq!(read::<(i64, String)>(&db, TITLES).await, notes());
    write(&admin, "ALTER TABLE notes ALTER COLUMN title TYPE varchar(50)").await;
    let mut session = db.read().await.unwrap();
    let batch = (one::<(i64,)>("SELECT count(*) FROM notes", params![]), all(TITLES, params![]));
    assert_eq!(session.run(batch).await.unwrap(), ((2,), notes()));
    drop(session);
    write(&admin, ALTER).await;
    let mut snapshot = db.snapshot().await.unwrap();
    assert_eq!(snapshot.run(all::<(i64, String)>(TITLES, params![])).await.unwrap(), notes());
    write(&admin, "INSERT INTO notes VALUES (3, 'three')").await;
    assert_eq!(
        snapshot.run(all::<(i64, String)>(TITLES, params![])).await.unwrap(),
        notes(),
        "still one snapshot"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_was_seen_fails_and_may_be_tried_again() {
    let (_database, admin, db) = prepared("a_snapshot_that_was_seen").await;
    let mut snapshot = db.snapshot().await.unwrap();
    snapshot.run(one::<(i64,)>("SELECT count(*) FROM others", params![])).await.unwrap();
    write(&admin, ALTER).await;
    let error = snapshot.run(all::<(i64, String)>(TITLES, params![])).await.unwrap_err();
    assert!(error.code() == Some("0A000") && error.is_retryable(), "{error:?}");
    drop(snapshot);
    let mut again = db.snapshot().await.unwrap();
    assert_eq!(again.run(all::<(i64, String)>(TITLES, params![])).await.unwrap(), notes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_first_statement_is_stale_begins_again() {
    let (_database, admin, db) = prepared("a_write_whose_first").await;
    write(&admin, ALTER).await;
    let committed = db
        .write(async |session| {
            let seen = session.run(all::<(i64, String)>(TITLES, params![])).await?;
            session.run(execute("INSERT INTO others VALUES (1)", params![])).await?;
            Ok::<_, Error>(seen)
        })
        .await
        .unwrap();
    assert_eq!(committed.into_value(), notes());
    assert_eq!(read::<(i64,)>(&db, "SELECT id FROM others").await, [(1,)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_later_statement_is_stale_keeps_nothing_and_may_be_tried_again() {
    let (_database, admin, db) = prepared("a_write_whose_later").await;
    let work = async |session: &mut tallybook::WriteSession, alters: bool| {
        session.run(execute("INSERT INTO others VALUES (1)", params![])).await?;
        if alters {
            write(&admin, ALTER).await;
        }
        session.run(all::<(i64, String)>(TITLES, params![])).await
    };
    let error = db.write(async |session| work(session, true).await).await.unwrap_err();
    assert!(error.code() == Some("0A000") && error.is_retryable(), "{error:?}");
    assert_eq!(read::<(i64,)>(&db, "SELECT id FROM others").await, []);
    let again = db.write(async |session| work(session, false).await).await.unwrap();
    assert_eq!(again.into_value(), notes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deallocated_is_prepared_again() {
    let (_database, _admin, db) = prepared("what_was_deallocated").await;
    write(&db, "DEALLOCATE ALL").await;
    assert_eq!(read::<(i64, String)>(&db, TITLES).await, notes());
    write(&db, "DEALLOCATE ALL").await;
    let seen = db.write(async |session| session.run(all::<(i64, String)>(TITLES, params![])).await).await;
    assert_eq!(seen.unwrap().into_value(), notes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feature_that_is_not_supported_is_no_reason_to_try_again() {
    let (_database, _admin, db) = prepared("a_feature_that_is_not").await;
    let query = all::<(i64,)>("SELECT count(*) FROM notes FOR UPDATE", params![]);
    let error = db.write(async |session| session.run(query).await).await.unwrap_err();
    assert!(error.code() == Some("0A000") && !error.is_retryable(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_ran_too_long_is_a_time_out_and_a_cancelled_one_is_not() {
    let database = postgres().await.database("a_statement_that_ran").await;
    let db = open(&format!("{}?statement_timeout=100ms", database.url())).await;
    let sleep = || one::<(i64,)>("SELECT 1::bigint FROM pg_sleep(60)", params![]);
    let error = db.read().await.unwrap().run(sleep()).await.unwrap_err();
    assert_eq!((error.code(), error.timed_out_step()), (Some("57014"), None), "{error:?}");
    assert!(error.is_timeout() && error.is_retryable(), "{error:?}");

    let (db, admin) = (open_with(database.url(), one_connection).await, open(database.url()).await);
    let mut session = db.read().await.unwrap();
    let (pid,) = session.run(one::<(i64,)>("SELECT pg_backend_pid()::bigint", params![])).await.unwrap();
    let cancel = async {
        let active = format!(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'PgSleep'"
        );
        while read::<(bool,)>(&admin, active.clone()).await.is_empty() {}
    };
    let (outcome, ()) = tokio::join!(session.run(sleep()), cancel);
    let error = outcome.unwrap_err();
    assert_eq!(error.code(), Some("57014"), "{error:?}");
    assert!(!error.is_timeout() && !error.is_retryable(), "{error:?}");
}
