//! Advisory locks of write sessions.

use std::time::Duration;

use tallybook::{AdvisoryKey, Error, Execute, One, Result, execute, one, params};
use tallybook_testkit::postgres;

use crate::support::{count_notes, create_notes, eventually, open, read, with_notes, write};

fn count() -> One<(i64,)> {
    one("SELECT count(*) FROM notes", params![])
}

fn insert(id: i64) -> Execute {
    execute("INSERT INTO notes (id, title) VALUES ($1, $2)", params![id, format!("note {id}")])
}

tallybook_testkit::both_dialects! {
    async fn transactions_with_one_key_run_one_after_the_other(url: &str) {
        let db = with_notes(url).await;
        for key in [AdvisoryKey::from(7), AdvisoryKey::from("the only note")] {
            // Without the lock, several would see that there is no note yet.
            let tasks: Vec<_> = (0..10)
                .map(|id| {
                    let (db, key) = (db.clone(), key.clone());
                    tokio::spawn(async move {
                        let mut session = db.begin().await?;
                        session.advisory_lock(key).await?;
                        if session.run(count()).await? == (0,) {
                            tokio::time::sleep(Duration::from_millis(2)).await;
                            session.run(insert(id)).await?;
                        }
                        session.commit().await.map(drop)
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap().unwrap();
            }
            assert_eq!(count_notes(&db).await, 1);
            write(&db, "DELETE FROM notes").await;
        }
    }

    async fn a_free_lock_is_taken_and_taken_again_by_its_holder(url: &str) {
        let db = with_notes(url).await;
        let taken = db.write(async |session| -> Result<_> {
            Ok((
                session.try_advisory_lock(1).await?,
                session.try_advisory_lock(1).await?,
                session.try_advisory_lock("a name").await?,
                session.try_advisory_lock(i64::MIN).await?,
            ))
        });
        assert_eq!(taken.await.unwrap().into_value(), (true, true, true, true));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_held_until_the_transaction_ends_and_only_by_its_key() {
    let database = postgres().await.database("a_lock_is_held").await;
    let db = with_notes(database.url()).await;
    let mut holder = db.begin().await.unwrap();
    holder.advisory_lock("ledger").await.unwrap();
    holder.advisory_lock(7).await.unwrap();
    let mut other = db.begin().await.unwrap();
    assert!(!other.try_advisory_lock("ledger").await.unwrap());
    assert!(!other.try_advisory_lock(7).await.unwrap());
    assert!(other.try_advisory_lock("Ledger").await.unwrap());
    assert!(other.try_advisory_lock(8).await.unwrap());
    // The documented function, in SQL.
    let by_hand =
        one::<(bool,)>("SELECT pg_try_advisory_xact_lock(hashtextextended('ledger', 0))", params![]);
    assert_eq!(other.run(by_hand).await.unwrap(), (false,));
    let waits = tokio::spawn(async move {
        other.advisory_lock("ledger").await?;
        other.commit().await.map(drop)
    });
    let waiting = "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database AND datname = current_database() \
                   WHERE locktype = 'advisory' AND NOT granted";
    eventually("it waits", async || read::<(i64,)>(&db, waiting).await == [(1,)]).await;
    assert!(!waits.is_finished());
    holder.commit().await.unwrap();
    waits.await.unwrap().unwrap();
    // Nothing is left on the connections.
    let held = "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database AND datname = current_database() \
                WHERE locktype = 'advisory'";
    assert_eq!(read::<(i64,)>(&db, held).await, [(0,)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_ends_with_the_savepoint_that_took_it_if_that_is_undone() {
    let database = postgres().await.database("a_lock_ends_with").await;
    let db = with_notes(database.url()).await;
    let mut holder = db.begin().await.unwrap();
    let mut other = db.begin().await.unwrap();
    let undone = holder.savepoint(async |inner| -> Result<()> {
        inner.advisory_lock(7).await?;
        assert!(!other.try_advisory_lock(7).await?);
        Err(Error::invalid_value("the test", "wants it"))
    });
    assert!(undone.await.unwrap_err().is_invalid_value());
    assert!(other.try_advisory_lock(7).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_a_lock_excludes_every_other_writer_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("advisory.db");
    let db = open(&format!("sqlite:///{}", path.display())).await;
    create_notes(&db).await;
    let other = rusqlite::Connection::open(&path).unwrap();
    other.busy_timeout(Duration::ZERO).unwrap();
    let mut session = db.begin().await.unwrap();
    other.execute_batch("BEGIN IMMEDIATE; COMMIT").unwrap();
    session.advisory_lock(7).await.unwrap();
    let refused = other.execute_batch("BEGIN IMMEDIATE").unwrap_err();
    assert_eq!(refused.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy));
    session.commit().await.unwrap();
    other.execute_batch("BEGIN IMMEDIATE; COMMIT").unwrap();
}
