//! A write inside a write.

use tallybook::{Database, Dialect, Execute, Result, WriteSession, execute, params};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use crate::support::{at_rest, count_notes, open, with_notes};

fn insert(id: i64) -> Execute {
    execute("INSERT INTO notes (id, title) VALUES ($1, $2)", params![id, format!("note {id}")])
}

const INNER: u32 = line!() + 4;

/// A function that takes the database where it should take the session.
async fn inner(db: &Database, id: i64) -> Result<u64> {
    Ok(db.write(async |session| session.run(insert(id)).await).await?.into_value())
}

tallybook_testkit::both_dialects! {
    async fn a_write_inside_a_write_is_refused_at_once_and_nothing_is_kept(url: &str) {
        let db = with_notes(url).await;
        let line = line!() + 1;
        let outcome = db.write(async |session| {
            session.run(insert(1)).await?;
            inner(&db, 2).await
        });
        let error = outcome.await.unwrap_err();
        assert!(error.is_nested_write() && !error.is_retryable(), "{error}");
        let message = error.to_string();
        assert!(message.contains(&format!("the write of crates/tallybook/tests/it/nested.rs:{line}:")), "{message}");
        assert!(message.contains(&format!("begun at crates/tallybook/tests/it/nested.rs:{INNER}:")), "{message}");
        assert!(message.contains("pass the session"), "{message}");
        assert_eq!(count_notes(&db).await, 0);
    }

    async fn a_transaction_is_as_it_was_after_a_nested_write_was_refused(url: &str) {
        let db = with_notes(url).await;
        let outcome = db.write(async |session| {
            session.run(insert(1)).await?;
            assert!(inner(&db, 2).await.unwrap_err().is_nested_write());
            assert!(db.begin().await.unwrap_err().is_nested_write());
            session.run(insert(3)).await
        });
        outcome.await.unwrap();
        assert_eq!(count_notes(&db).await, 2);
        inner(&db, 4).await.unwrap();
    }

    async fn a_write_that_was_made_outside_is_nested_where_it_is_awaited(url: &str) {
        let db = with_notes(url).await;
        let inner = inner(&db, 2);
        let outcome = db.write(async |session| {
            session.run(insert(1)).await?;
            inner.await
        });
        assert!(outcome.await.unwrap_err().is_nested_write());
    }

    async fn a_write_to_another_database_is_not_nested(url: &str) {
        let (db, other) = (with_notes(url).await, with_notes("sqlite::memory:").await);
        let outcome = db.write(async |session| -> Result<()> {
            session.run(insert(1)).await?;
            let written = other.write(async |session| -> Result<()> {
                session.run(insert(2)).await?;
                let (outer, here) = (inner(&db, 3).await.unwrap_err(), inner(&other, 4).await.unwrap_err());
                assert!(outer.is_nested_write() && here.is_nested_write());
                Ok(())
            });
            written.await.map(drop)
        });
        outcome.await.unwrap();
        assert_eq!((count_notes(&db).await, count_notes(&other).await), (1, 1));
    }

    async fn writes_that_are_joined_in_one_task_are_not_nested(url: &str) {
        let db = with_notes(url).await;
        let (one, two) = tokio::join!(inner(&db, 1), inner(&db, 2));
        assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
        let by_hand = async |id| {
            let mut session: WriteSession = db.begin().await?;
            session.run(insert(id)).await?;
            session.commit().await
        };
        let (three, four, five) = tokio::join!(by_hand(3), inner(&db, 4), by_hand(5));
        assert!(three.is_ok() && four.is_ok() && five.is_ok(), "{three:?} {four:?} {five:?}");
        assert_eq!(count_notes(&db).await, 5);
    }

    async fn a_task_that_a_write_spawns_may_write_for_itself(url: &str) {
        let db = with_notes(url).await;
        let spawned = db.write(async |session| -> Result<_> {
            session.run(insert(1)).await?;
            let db = db.clone();
            Ok(tokio::spawn(async move { inner(&db, 2).await }))
        });
        let spawned = spawned.await.unwrap().into_value();
        assert_eq!(spawned.await.unwrap().unwrap(), 1);
        assert_eq!(count_notes(&db).await, 2);
    }

    async fn a_local_task_that_happens_to_run_inside_a_write_may_write_for_itself(url: &str) {
        let db = with_notes(url).await;
        let local = LocalSet::new();
        let outcome = db.write(async |session| -> Result<_> {
            session.run(insert(1)).await?;
            let db = db.clone();
            let task = local.spawn_local(async move { inner(&db, 2).await });
            // It runs here; on SQLite it waits for the writer.
            local.run_until(tokio::task::yield_now()).await;
            Ok(task)
        });
        let task = outcome.await.unwrap().into_value();
        assert_eq!(local.run_until(task).await.unwrap().unwrap(), 1);
        assert_eq!(count_notes(&db).await, 2);
    }

    async fn sessions_begun_by_hand_may_be_concurrent_on_postgresql(url: &str) {
        let db = with_notes(url).await;
        if db.dialect() == Dialect::Postgres {
            let (mut one, mut two) = (db.begin().await.unwrap(), db.begin().await.unwrap());
            one.run(insert(1)).await.unwrap();
            two.run(insert(2)).await.unwrap();
            one.commit().await.unwrap();
            two.roll_back().await.unwrap();
            assert_eq!(count_notes(&db).await, 1);
        }
    }

    async fn a_read_inside_a_write_sees_what_was_there_before(url: &str) {
        let db = with_notes(url).await;
        let seen = db.write(async |session| {
            session.run(insert(1)).await?;
            Ok::<_, tallybook::Error>(count_notes(&db).await)
        });
        assert_eq!(seen.await.unwrap().into_value(), 0);
        assert_eq!(count_notes(&db).await, 1);
    }

    async fn a_write_is_over_with_its_future(url: &str) {
        let db = with_notes(url).await;
        let (inserted, seen) = oneshot::channel();
        let abandoned = db.write(async |session| -> Result<()> {
            session.run(insert(1)).await?;
            inserted.send(()).unwrap();
            std::future::pending().await
        });
        tokio::select! {
            _ = abandoned => unreachable!(),
            seen = seen => seen.unwrap(),
        }
        at_rest(&db).await;
        inner(&db, 2).await.unwrap();
        assert_eq!(count_notes(&db).await, 1);
    }
}

#[tokio::test]
async fn a_database_opened_twice_is_two() {
    let (one, two) = (open("sqlite::memory:").await, open("sqlite::memory:").await);
    let outcome = one.write(async |_| two.write(async |_| Ok::<_, tallybook::Error>(())).await);
    outcome.await.unwrap();
}
