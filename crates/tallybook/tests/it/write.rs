//! Write transactions.

use std::future::pending;

use tallybook::{Dialect, Error, Execute, One, Result, Session, Statement, execute, one, params};
use tokio::sync::oneshot;

use crate::support::{at_rest, count_notes, open, polled, read, with_notes, write};

fn insert(id: i64, title: &str) -> Execute {
    execute("INSERT INTO notes (id, title) VALUES ($1, $2)", params![id, title])
}

/// The primary key is taken.
fn broken() -> Execute {
    insert(1, "a second one")
}

/// A read that takes a moment.
fn slow() -> One<(i64,)> {
    one(
        Statement::per_dialect(
            "SELECT 1::bigint FROM pg_sleep(0.2)",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT count(*) FROM n",
        ),
        params![],
    )
}

tallybook_testkit::both_dialects! {
    async fn writers_at_once_do_not_hurt_each_other(url: &str) {
        let db = with_notes(url).await;
        let writers = (1..=40).map(|id| {
            let db = db.clone();
            tokio::spawn(async move {
                let outcome = db
                    .write(async |session| {
                        session.run(insert(id, &format!("note {id}"))).await?;
                        let other = if id % 4 == 0 { id } else { id + 1_000 };
                        session.run(insert(other, &format!("another {id}"))).await
                    })
                    .await;
                (id, outcome.map(drop))
            })
        });
        let mut kept = Vec::new();
        for writer in writers.collect::<Vec<_>>() {
            let (id, outcome) = writer.await.unwrap();
            assert_eq!(outcome.is_err(), id % 4 == 0, "{id}: {outcome:?}");
            if outcome.is_ok() {
                kept.push((id,));
            }
        }
        db.close().await;
        let again = open(url).await;
        assert_eq!(read::<(i64,)>(&again, "SELECT id FROM notes WHERE id < 1000 ORDER BY id").await, kept);
    }

    async fn ok_commits_and_returns_the_value(url: &str) {
        let db = with_notes(url).await;
        let committed = db
            .write(async |session| -> Result<u64> {
                let touched = session.run((insert(1, "one"), insert(2, "two"))).await?;
                Ok(touched.0 + touched.1)
            })
            .await
            .unwrap();
        assert_eq!(*committed.value(), 2);
        assert_eq!(count_notes(&db).await, 2);
    }

    async fn an_error_rolls_back_and_is_returned_as_it_is(url: &str) {
        #[derive(Debug)]
        enum Mine {
            TooManyNotes,
            #[allow(dead_code)]
            Dialect(Error),
        }
        impl From<Error> for Mine {
            fn from(error: Error) -> Self {
                Self::Dialect(error)
            }
        }
        let db = with_notes(url).await;
        let outcome = db
            .write(async |session| -> Result<(), Mine> {
                session.run(insert(1, "one")).await?;
                Err(Mine::TooManyNotes)
            })
            .await;
        assert!(matches!(outcome, Err(Mine::TooManyNotes)), "{outcome:?}");
        // Rolled back at once, not in the background.
        assert!(db.pools().iter().all(|pool| pool.in_use == 0));
        assert_eq!(count_notes(&db).await, 0);
    }

    async fn a_panic_rolls_back(url: &str) {
        let db = with_notes(url).await;
        let task = db.clone();
        let outcome = tokio::spawn(async move {
            task.write(async |session| -> Result<()> {
                session.run(insert(1, "one")).await?;
                panic!("on purpose");
            })
            .await
        })
        .await;
        assert!(outcome.unwrap_err().is_panic());
        at_rest(&db).await;
        assert_eq!(count_notes(&db).await, 0);
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'after')").await;
    }

    async fn a_cancelled_task_rolls_back(url: &str) {
        let db = with_notes(url).await;
        let (inserted, seen) = oneshot::channel();
        let task = db.clone();
        let task = tokio::spawn(async move {
            task.write(async |session| -> Result<()> {
                session.run(insert(1, "one")).await?;
                inserted.send(()).unwrap();
                pending().await
            })
            .await
        });
        seen.await.unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        at_rest(&db).await;
        assert_eq!(count_notes(&db).await, 0);
    }

    async fn a_transaction_runs_in_a_task_with_what_it_captured(url: &str) {
        let db = with_notes(url).await;
        let titles = ["one".to_owned(), "two".to_owned()];
        let task = db.clone();
        let written = tokio::spawn(async move {
            task.write(async |session| -> Result<usize> {
                for (id, title) in titles.iter().enumerate() {
                    session.run(insert(id as i64, title)).await?;
                }
                Ok(titles.len())
            })
            .await
        });
        assert_eq!(written.await.unwrap().unwrap().into_value(), 2);
        assert_eq!(count_notes(&db).await, 2);
    }

    async fn a_failed_statement_spoils_the_transaction_even_if_its_error_is_swallowed(url: &str) {
        let db = with_notes(url).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'kept')").await;
        let outcome = db
            .write(async |session| -> Result<()> {
                session.run(insert(2, "before")).await?;
                assert!(session.run(broken()).await.unwrap_err().is_unique_violation());
                let error = session.run(insert(3, "behind")).await.unwrap_err();
                assert!(error.to_string().contains("an earlier statement of this transaction failed"), "{error}");
                Ok(())
            })
            .await;
        let error = outcome.unwrap_err();
        assert!(error.to_string().contains("an earlier statement of this transaction failed"), "{error}");
        assert!(error.to_string().contains("INSERT INTO notes"), "{error}");
        at_rest(&db).await;
        assert_eq!(read::<(String,)>(&db, "SELECT title FROM notes").await, [("kept".to_owned(),)]);
    }

    async fn nothing_of_a_batch_is_kept_when_one_of_it_fails(url: &str) {
        let db = with_notes(url).await;
        let outcome = db
            .write(async |session| session.run(vec![insert(1, "one"), broken(), insert(3, "three")]).await)
            .await;
        assert!(outcome.unwrap_err().is_unique_violation());
        assert_eq!(count_notes(&db).await, 0);
    }

    async fn a_statement_that_was_abandoned_spoils_the_transaction(url: &str) {
        let db = with_notes(url).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'kept')").await;
        for (id, abandoned) in [(2, insert(3, "good")), (4, broken())] {
            let mut session = db.begin().await.unwrap();
            session.run(insert(id, "before")).await.unwrap();
            // As a timeout around it would.
            assert!(polled(1, session.run((slow(), abandoned))).await.is_none());
            assert!(session.run(insert(9, "behind")).await.is_err());
            let error = session.commit().await.unwrap_err();
            assert!(error.to_string().contains("abandoned"), "{error}");
        }
        at_rest(&db).await;
        assert_eq!(count_notes(&db).await, 1);
    }

    async fn a_value_that_is_refused_before_it_is_sent_spoils_nothing(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.begin().await.unwrap();
        let refused = f64::NAN;
        for (id, title) in [(1, "before"), (2, "behind")] {
            let query = execute("INSERT INTO notes (id, title) VALUES ($1, $2)", params![refused, title]);
            assert!(session.run(query).await.unwrap_err().is_invalid_value());
            session.run(insert(id, title)).await.unwrap();
        }
        assert_eq!(session.counts().statements, 2);
        session.commit().await.unwrap();
        assert_eq!(count_notes(&db).await, 2);
    }

    async fn an_empty_batch_begins_nothing_that_could_be_missed(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.begin().await.unwrap();
        assert!(session.run(Vec::<Execute>::new()).await.unwrap().is_empty());
        session.run(insert(1, "one")).await.unwrap();
        session.roll_back().await.unwrap();
        assert_eq!(count_notes(&db).await, 0);
        let mut session = db.begin().await.unwrap();
        session.run(Vec::<Execute>::new()).await.unwrap();
        assert_eq!(session.commit().await.unwrap().position(), None);
    }

    async fn a_transaction_can_be_ended_by_hand(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.begin().await.unwrap();
        session.run(insert(1, "rolled back")).await.unwrap();
        session.roll_back().await.unwrap();
        let mut session = db.begin().await.unwrap();
        session.run(insert(2, "committed")).await.unwrap();
        session.commit().await.unwrap();
        let mut session = db.begin().await.unwrap();
        session.run(insert(3, "dropped")).await.unwrap();
        drop(session);
        at_rest(&db).await;
        assert_eq!(read::<(String,)>(&db, "SELECT title FROM notes").await, [("committed".to_owned(),)]);
    }

    async fn a_transaction_sees_its_own_rows_and_nobody_else_does(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.begin().await.unwrap();
        session.run(insert(1, "one")).await.unwrap();
        let mine = one::<(i64,)>("SELECT count(*) FROM notes", params![]);
        assert_eq!(session.fetch(mine).await.unwrap().0, 1);
        assert_eq!(count_notes(&db).await, 0);
        session.commit().await.unwrap();
        assert_eq!(count_notes(&db).await, 1);
    }

    async fn a_token_has_a_position_that_grows_and_reads_after_it_see_the_commit(url: &str) {
        let db = with_notes(url).await;
        let mut last = None;
        for id in 1..=20 {
            let token = db.write(async |session| session.run(insert(id, &format!("note {id}"))).await);
            let token = token.await.unwrap().token();
            match db.dialect() {
                Dialect::Sqlite => assert_eq!(token.position(), None),
                Dialect::Postgres => assert!(token.position() > last, "{token:?} is not behind {last:?}"),
            }
            last = token.position();
            let mut fresh = db.read_after(&token).await.unwrap();
            let query = one::<(i64,)>("SELECT count(*) FROM notes", params![]);
            assert_eq!(fresh.run(query).await.unwrap().0, id);
        }
        let nothing = db.write(async |_| Ok::<_, Error>(())).await.unwrap();
        assert_eq!(nothing.token().position(), None);
    }

    async fn the_rows_that_a_statement_touched_are_counted(url: &str) {
        let db = with_notes(url).await;
        assert_eq!(write(&db, "INSERT INTO notes (id, title) VALUES (1, 'one'), (2, 'two'), (3, 'three')").await, 3);
        assert_eq!(write(&db, "UPDATE notes SET parent = 1").await, 3);
        assert_eq!(write(&db, "UPDATE notes SET parent = 1 WHERE id > 9").await, 0);
        assert_eq!(write(&db, "INSERT INTO notes (id, title) VALUES (1, 'one') ON CONFLICT DO NOTHING").await, 0);
        assert_eq!(write(&db, "INSERT INTO notes (id, title) VALUES (4, 'four'), (5, 'five') RETURNING id").await, 2);
        assert_eq!(write(&db, "CREATE INDEX notes_parent ON notes (parent)").await, 0);
        assert_eq!(write(&db, "DELETE FROM notes WHERE id > 1").await, 4);
    }

    async fn a_schema_change_does_not_trip_over_prepared_statements_for_long(url: &str) {
        let db = crate::support::open_with(url, |settings| settings.pool.size = 1).await;
        crate::support::create_notes(&db).await;
        let all_columns = || tallybook::all::<(i64, String, Option<i64>)>("SELECT * FROM notes", params![]);
        db.read().await.unwrap().run(all_columns()).await.unwrap();
        write(&db, "ALTER TABLE notes ADD COLUMN stars integer").await;
        write(&db, "ALTER TABLE notes DROP COLUMN stars").await;
        // PostgreSQL refuses an outdated plan once; then it plans again.
        let mut session = db.read().await.unwrap();
        let _ = session.run(all_columns()).await;
        assert_eq!(session.run(all_columns()).await.unwrap(), []);
    }
}
