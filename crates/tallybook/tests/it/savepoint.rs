//! Savepoints: parts of a write transaction that are undone by themselves.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tallybook::{Database, Error, Execute, One, Result, Row, WriteSession, execute, one, params};
use tallybook_testkit::{Mode, Proxy, postgres};

use crate::support::{at_rest, open, open_with, polled, read, with_notes, write};

fn insert(id: i64) -> Execute {
    execute("INSERT INTO notes (id, title) VALUES ($1, $2)", params![id, format!("note {id}")])
}

fn count() -> One<(i64,)> {
    one("SELECT count(*) FROM notes", params![])
}

async fn ids(db: &Database) -> Vec<i64> {
    read::<(i64,)>(db, "SELECT id FROM notes ORDER BY id").await.into_iter().map(|(id,)| id).collect()
}

/// A savepoint in each savepoint, `depth` of them. Each adds the note of its depth before and after the inner one; those
/// whose bit is set in `undone` are rolled back.
async fn nest(session: &mut WriteSession, depth: i64, undone: u32) -> Result<()> {
    if depth == 0 {
        return Ok(());
    }
    let mut savepoint = session.begin_savepoint().await?;
    savepoint.run(insert(depth)).await?;
    Box::pin(nest(&mut savepoint, depth - 1, undone)).await?;
    savepoint.run(insert(100 + depth)).await?;
    match undone >> depth & 1 {
        0 => savepoint.release().await,
        _ => savepoint.roll_back().await,
    }
}

#[derive(Row)]
struct Note {
    id: i64,
    title: String,
}

tallybook_testkit::both_dialects! {
    async fn ok_keeps_a_savepoint_and_err_undoes_it(url: &str) {
        let db = with_notes(url).await;
        let committed = db.write(async |session| -> Result<(i64, i64)> {
            session.run(insert(1)).await?;
            let kept = session.savepoint(async |inner| -> Result<i64> {
                inner.run(insert(2)).await?;
                Ok(inner.run(count()).await?.0)
            });
            let kept = kept.await?;
            let undone = session.savepoint(async |inner| -> Result<()> {
                inner.run(insert(3)).await?;
                assert_eq!(inner.run(count()).await?, (3,));
                Err(Error::invalid_value("the test", "wants it"))
            });
            assert_eq!(undone.await.unwrap_err().column(), Some("the test"));
            session.run(insert(4)).await?;
            Ok((kept, session.run(count()).await?.0))
        });
        assert_eq!(committed.await.unwrap().into_value(), (2, 3));
        assert_eq!(ids(&db).await, [1, 2, 4]);
    }

    async fn a_failed_statement_is_undone_with_its_savepoint_and_nothing_else(url: &str) {
        let db = with_notes(url).await;
        let committed = db.write(async |session| -> Result<()> {
            session.run(insert(1)).await?;
            let failed = session.savepoint(async |inner| -> Result<()> {
                inner.run(insert(2)).await?;
                let taken = inner.run(insert(1)).await.unwrap_err();
                assert!(taken.is_unique_violation());
                // As in a transaction, nothing goes on after it.
                let refused = inner.run(count()).await.unwrap_err();
                assert!(refused.is_transaction_failed(), "{refused}");
                Err(taken)
            });
            assert!(failed.await.unwrap_err().is_unique_violation());
            // A failure that is swallowed keeps nothing either.
            let swallowed = session.savepoint(async |inner| -> Result<()> {
                inner.run(insert(3)).await?;
                assert!(inner.run(insert(1)).await.is_err());
                Ok(())
            });
            let error = swallowed.await.unwrap_err();
            assert!(error.is_transaction_failed() && error.message().contains("notes"), "{error}");
            session.run(insert(4)).await?;
            Ok(())
        });
        committed.await.unwrap();
        assert_eq!(ids(&db).await, [1, 4]);
    }

    async fn savepoints_nest_and_each_is_kept_or_undone(url: &str) {
        let db = with_notes(url).await;
        for undone in (0..64).step_by(2) {
            let mut session = db.begin().await.unwrap();
            nest(&mut session, 5, undone).await.unwrap();
            session.commit().await.unwrap();
            // A note is kept if no savepoint around it was undone.
            let is_kept = |depth: &i64| (*depth..=5).all(|outer| undone >> outer & 1 == 0);
            let kept: Vec<i64> = (1..=5).filter(is_kept).collect();
            let expected: Vec<i64> = kept.iter().copied().chain(kept.iter().map(|depth| 100 + depth)).collect();
            assert_eq!(ids(&db).await, expected, "{undone:b}");
            write(&db, "DELETE FROM notes").await;
        }
    }

    async fn a_savepoint_that_is_dropped_is_undone_before_the_next_statement(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.begin().await.unwrap();
        session.run(insert(1)).await.unwrap();
        for is_nested in [false, true] {
            let mut savepoint = session.begin_savepoint().await.unwrap();
            savepoint.run(insert(2)).await.unwrap();
            if is_nested {
                let mut inner = savepoint.begin_savepoint().await.unwrap();
                inner.run(insert(3)).await.unwrap();
                drop(inner);
            }
            drop(savepoint);
            assert_eq!(session.run(count()).await.unwrap(), (1,));
        }
        // After a failed statement, before a savepoint, and before a bulk load.
        let mut savepoint = session.begin_savepoint().await.unwrap();
        assert!(savepoint.run(insert(1)).await.is_err());
        drop(savepoint);
        let mut savepoint = session.begin_savepoint().await.unwrap();
        savepoint.run(insert(4)).await.unwrap();
        savepoint.release().await.unwrap();
        let mut savepoint = session.begin_savepoint().await.unwrap();
        savepoint.run(insert(5)).await.unwrap();
        drop(savepoint);
        let mut load = session.load("notes", &["id", "title"]).await.unwrap();
        load.write(&Note { id: 6, title: "six".to_owned() }).await.unwrap();
        load.finish().await.unwrap();
        // And before the commit.
        let mut savepoint = session.begin_savepoint().await.unwrap();
        savepoint.run(insert(7)).await.unwrap();
        drop(savepoint);
        session.commit().await.unwrap();
        assert_eq!(ids(&db).await, [1, 4, 6]);
    }

    async fn an_inner_savepoint_that_is_dropped_is_undone_when_the_outer_one_ends(url: &str) {
        let db = with_notes(url).await;
        for is_kept in [true, false] {
            write(&db, "DELETE FROM notes").await;
            let mut session = db.begin().await.unwrap();
            let mut outer = session.begin_savepoint().await.unwrap();
            outer.run(insert(1)).await.unwrap();
            let mut inner = outer.begin_savepoint().await.unwrap();
            inner.run(insert(2)).await.unwrap();
            drop(inner);
            match is_kept {
                true => outer.release().await.unwrap(),
                false => outer.roll_back().await.unwrap(),
            }
            session.run(insert(3)).await.unwrap();
            session.commit().await.unwrap();
            assert_eq!(ids(&db).await, if is_kept { vec![1, 3] } else { vec![3] });
        }
    }

    async fn a_savepoint_dropped_at_any_point_keeps_nothing_of_itself_and_the_rest_or_nothing(url: &str) {
        let db = open_with(url, |settings| (settings.pool.size, settings.pool.max_overflow) = (2, 0)).await;
        crate::support::create_notes(&db).await;
        let next = AtomicI64::new(0);
        let mut has_gone_on = false;
        let mut has_completed = false;
        for round in 0..1_000 {
            let polls = round % 25;
            let first = next.fetch_add(10, Ordering::Relaxed);
            let mut session = db.begin().await.unwrap();
            session.run(insert(first)).await.unwrap();
            let work = session.savepoint(async |outer| -> Result<()> {
                outer.run(insert(first + 1)).await?;
                tokio::task::yield_now().await; // dropped between two statements
                let inner = outer.savepoint(async |inner| -> Result<()> {
                    inner.run(insert(first + 2)).await?;
                    tokio::task::yield_now().await;
                    inner.run(insert(first + 3)).await?;
                    Ok(())
                });
                inner.await?;
                outer.run(insert(first + 4)).await?;
                Ok(())
            });
            let outcome = polled(polls, work).await;
            let is_complete = outcome.is_some();
            outcome.transpose().unwrap();
            let after = match session.run(insert(first + 5)).await {
                Ok(_) => session.commit().await.map(drop),
                Err(error) => {
                    assert!(error.is_transaction_failed(), "{error}");
                    session.roll_back().await.unwrap();
                    Err(error)
                }
            };
            let seen: Vec<i64> = ids(&db).await.into_iter().filter(|id| *id >= first).map(|id| id - first).collect();
            match (&after, is_complete) {
                (Ok(()), true) => assert_eq!(seen, [0, 1, 2, 3, 4, 5], "{polls} polls"),
                (Ok(()), false) => assert_eq!(seen, [0, 5], "{polls} polls"),
                (Err(_), _) => assert_eq!(seen, [0; 0], "{polls} polls"),
            }
            has_gone_on |= after.is_ok() && !is_complete;
            has_completed |= is_complete;
            if round >= 24 && has_completed && has_gone_on {
                break;
            }
        }
        assert!(has_completed && has_gone_on, "some were dropped between two statements");
        at_rest(&db).await;
    }

    async fn a_bulk_load_that_is_dropped_inside_a_savepoint_is_undone_with_it(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.begin().await.unwrap();
        session.run(insert(1)).await.unwrap();
        let mut savepoint = session.begin_savepoint().await.unwrap();
        let mut load = savepoint.load("notes", &["id", "title"]).await.unwrap();
        for id in 10..3_000 {
            load.write(&Note { id, title: format!("note {id}") }).await.unwrap();
        }
        drop(load);
        assert!(savepoint.run(count()).await.unwrap_err().is_transaction_failed());
        savepoint.roll_back().await.unwrap();
        assert_eq!(session.run(count()).await.unwrap(), (1,));
        session.commit().await.unwrap();
        assert_eq!(ids(&db).await, [1]);
    }

    async fn a_savepoint_is_counted_and_savepoints_in_sql_stay_refused(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.begin().await.unwrap();
        session.run(insert(1)).await.unwrap();
        let before = session.counts();
        session.savepoint(async |inner| inner.run(insert(2)).await).await.unwrap();
        let after = session.counts();
        assert_eq!((after.statements - before.statements, after.round_trips - before.round_trips), (1, 3));
        for sql in ["SAVEPOINT mine", "ROLLBACK TO SAVEPOINT tallybook_1", "RELEASE SAVEPOINT tallybook_1"] {
            let mut savepoint = session.begin_savepoint().await.unwrap();
            assert!(savepoint.run(execute(sql, params![])).await.unwrap_err().is_transaction_control(), "{sql}");
            savepoint.release().await.unwrap();
        }
        session.commit().await.unwrap();
        assert_eq!(ids(&db).await, [1, 2]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_savepoint_whose_connection_breaks_fails_the_transaction() {
    let database = postgres().await.database("a_savepoint_whose_connection").await;
    let proxy = Proxy::start(database.port()).await;
    let db = open(&proxy.url(database.url())).await;
    crate::support::create_notes(&db).await;
    let mut session = db.begin().await.unwrap();
    session.run(insert(1)).await.unwrap();
    let broken = session.savepoint(async |inner| -> Result<()> {
        inner.run(insert(2)).await?;
        proxy.set(Mode::HangUp).await;
        inner.run(insert(3)).await?;
        Ok(())
    });
    let error = broken.await.unwrap_err();
    assert!(error.is_connection_lost(), "{error}");
    let error = session.commit().await.unwrap_err();
    assert!(error.is_transaction_failed() && !error.is_commit_unknown(), "{error}");
    proxy.set(Mode::Relay).await;
    at_rest(&db).await;
    assert_eq!(ids(&db).await, [0; 0]);
}

/// A task on a runtime with several threads, as a handler of a web server is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_savepoint_works_in_a_spawned_task() {
    let db = with_notes("sqlite::memory:").await;
    let shared = db.clone();
    let titles = ["one".to_owned(), "two".to_owned()];
    let task = tokio::spawn(async move {
        let mut session = shared.begin().await?;
        for (id, title) in titles.iter().enumerate() {
            let mut savepoint = session.begin_savepoint().await?;
            let insert = execute("INSERT INTO notes (id, title) VALUES ($1, $2)", params![id as i64, title]);
            savepoint.run(insert).await?;
            savepoint.release().await?;
        }
        session.commit().await.map(drop)
    });
    tokio::time::timeout(Duration::from_secs(60), task).await.unwrap().unwrap().unwrap();
    assert_eq!(ids(&db).await, [0, 1]);
    // The closure, too.
    let shared = db.clone();
    let task = tokio::spawn(async move {
        let mut session = shared.begin().await?;
        session.savepoint(async |inner| inner.run(insert(2)).await).await?;
        session.commit().await.map(drop)
    });
    task.await.unwrap().unwrap();
    assert_eq!(ids(&db).await, [0, 1, 2]);
}
