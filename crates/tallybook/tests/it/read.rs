//! Read sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tallybook::{Batch, Dialect, One, Statement, all, execute, one, optional, params};

use crate::support::{count_notes, open, read, try_read, with_notes, write};

fn title(id: i64) -> One<(String,)> {
    one("SELECT title FROM notes WHERE id = $1", params![id])
}

tallybook_testkit::both_dialects! {
    async fn no_text_writes_through_a_read_session(url: &str) {
        let db = with_notes(url).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'kept')").await;
        let everywhere = [
            "INSERT INTO notes (id, title) VALUES (2, 'new') RETURNING id",
            "UPDATE notes SET title = 'changed' RETURNING id",
            "DELETE FROM notes RETURNING id",
            "/* SELECT */ DELETE FROM notes RETURNING id",
            "-- SELECT\nDELETE FROM notes RETURNING id",
            "WITH one AS (SELECT 1) DELETE FROM notes RETURNING id",
            "DROP TABLE notes",
        ];
        let here: &[&str] = match db.dialect() {
            Dialect::Sqlite => &["PRAGMA query_only = 0", "PRAGMA user_version = 3", "ATTACH ':memory:' AS other"],
            Dialect::Postgres => &[
                "SET default_transaction_read_only = off",
                "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
                "SELECT set_config('default_transaction_read_only', 'off', false)",
                "WITH gone AS (DELETE FROM notes RETURNING id) SELECT id FROM gone",
                "SELECT id FROM notes FOR UPDATE",
                "SELECT id INTO others FROM notes",
                "EXPLAIN ANALYZE DELETE FROM notes",
                "DO $$ BEGIN DELETE FROM notes; END $$",
            ],
        };
        for sql in everywhere.iter().chain(here) {
            // Alone, in a batch and in a snapshot; twice, because a connection prepares statements.
            for mut session in [db.read().await.unwrap(), db.snapshot().await.unwrap()] {
                let error = session.run(all::<(i64,)>(*sql, params![])).await.expect_err(sql);
                assert!(error.is_read_only(), "{sql}: {error}");
                assert!(error.to_string().contains(sql.split_whitespace().next().unwrap()), "{error}");
            }
            let mut session = db.read().await.unwrap();
            let batch = (title(1), all::<(i64,)>(*sql, params![]));
            assert!(session.run(batch).await.expect_err(sql).is_read_only(), "{sql}");
            // The session works as before.
            assert_eq!(session.run(title(1)).await.unwrap().0, "kept");
        }
        assert_eq!(read::<(i64, String)>(&db, "SELECT id, title FROM notes").await, [(1, "kept".to_owned())]);
    }

    async fn a_second_statement_behind_a_semicolon_never_runs(url: &str) {
        let db = with_notes(url).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'kept')").await;
        let error = try_read::<(i64,)>(&db, "SELECT id FROM notes; DELETE FROM notes").await.unwrap_err();
        assert!(error.to_string().contains("ultiple"), "{error}");
        assert_eq!(count_notes(&db).await, 1);
        // A trailing semicolon and comment are not another statement.
        assert_eq!(read::<(i64,)>(&db, "SELECT id FROM notes; -- all of them").await, [(1,)]);
    }

    async fn a_batch_never_sees_half_of_a_transaction(url: &str) {
        let db = open(url).await;
        write(&db, "CREATE TABLE pair (id integer PRIMARY KEY, number integer NOT NULL)").await;
        write(&db, "INSERT INTO pair VALUES (1, 0), (2, 0)").await;
        let done = Arc::new(AtomicBool::new(false));
        let (writer, stop) = (db.clone(), Arc::clone(&done));
        let writer = tokio::spawn(async move {
            let step = |id: i64| execute("UPDATE pair SET number = number + 1 WHERE id = $1", params![id]);
            while !stop.load(Ordering::Relaxed) {
                let mut session = writer.begin().await.unwrap();
                session.run((step(1), step(2))).await.unwrap();
                session.commit().await.unwrap();
            }
        });
        let number = |id: i64| one::<(i64,)>("SELECT number FROM pair WHERE id = $1", params![id]);
        let mut seen = std::collections::BTreeSet::new();
        let mut session = db.read().await.unwrap();
        while seen.len() < 100 {
            // A slow statement separates the two reads in time.
            let between = one::<(i64,)>(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT count(*) FROM n",
                params![],
            );
            let ((first,), _, (second,)) = session.run((number(1), between, number(2))).await.unwrap();
            assert_eq!(first, second);
            seen.insert(first);
        }
        done.store(true, Ordering::Relaxed);
        writer.await.unwrap();
    }

    async fn a_snapshot_lasts_as_long_as_its_session(url: &str) {
        let db = with_notes(url).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'old')").await;
        let mut snapshot = db.snapshot().await.unwrap();
        assert_eq!(snapshot.run(title(1)).await.unwrap().0, "old");
        write(&db, "UPDATE notes SET title = 'new'").await;
        assert_eq!(snapshot.run(title(1)).await.unwrap().0, "old");
        assert_eq!(snapshot.run((title(1), title(1))).await.unwrap().1.0, "old");
        assert_eq!(db.read().await.unwrap().run(title(1)).await.unwrap().0, "new");
        drop(snapshot);
        assert_eq!(db.snapshot().await.unwrap().run(title(1)).await.unwrap().0, "new");
    }

    async fn a_snapshot_begins_with_the_first_batch_that_is_sent(url: &str) {
        let db = with_notes(url).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'old')").await;
        let mut snapshot = db.snapshot().await.unwrap();
        // Neither of these reaches the server.
        assert!(snapshot.run(one::<(i64,)>("SELECT $1", params![f64::NAN])).await.unwrap_err().is_invalid_value());
        assert!(snapshot.run(Vec::<One<(String,)>>::new()).await.unwrap().is_empty());
        assert_eq!(snapshot.run(title(1)).await.unwrap().0, "old");
        write(&db, "UPDATE notes SET title = 'new'").await;
        assert_eq!(snapshot.run(title(1)).await.unwrap().0, "old");
    }

    async fn statements_round_trips_and_rows_are_counted(url: &str) {
        let db = with_notes(url).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'one'), (2, 'two'), (3, 'three')").await;
        let mut session = db.read().await.unwrap();
        let counts = |session: &tallybook::ReadSession| {
            let counts = session.counts();
            (counts.statements, counts.round_trips, counts.rows)
        };
        // With an unprepared and with a prepared statement.
        for time in 0..2 {
            let before = (time * 6, time * 3, time * 8);
            assert_eq!(counts(&session), before);
            session.run(title(1)).await.unwrap();
            assert_eq!(counts(&session), (before.0 + 1, before.1 + 1, before.2 + 1));
            let notes = all::<(i64, String)>("SELECT id, title FROM notes", params![]);
            session.run((notes, optional::<(i64,)>("SELECT id FROM notes WHERE id = 9", params![]), title(2))).await.unwrap();
            assert_eq!(counts(&session), (before.0 + 4, before.1 + 2, before.2 + 5));
            session.run(vec![all::<(i64,)>("SELECT id FROM notes", params![]), all("SELECT 1 WHERE 1 = 0", params![])]).await.unwrap();
            assert_eq!(counts(&session), (before.0 + 6, before.1 + 3, before.2 + 8));
        }
    }

    async fn what_is_not_sent_is_not_counted(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.read().await.unwrap();
        let refused = f64::NAN;
        session.run(all::<(i64,)>("SELECT id FROM notes WHERE id = $1", params![refused])).await.unwrap_err();
        session.run(all::<(i64,)>("DELETE FROM notes RETURNING id", params![])).await.unwrap_err();
        session.run(Vec::<One<(i64,)>>::new()).await.unwrap();
        assert_eq!(session.counts(), tallybook::Counts::default());
    }

    async fn an_option_of_a_batch_is_the_batch_or_sends_nothing(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.read().await.unwrap();
        let answer = || one::<(i64,)>("SELECT 42", params![]);
        let read = session.run((Some(answer()), None::<One<(i64,)>>, answer())).await.unwrap();
        assert_eq!(read, (Some((42,)), None, (42,)));
        assert_eq!((session.counts().statements, session.counts().round_trips), (2, 1));
        assert_eq!(session.run(None::<One<(i64,)>>).await.unwrap(), None);
        assert_eq!((session.counts().statements, session.counts().round_trips), (2, 1));
    }

    async fn one_and_optional_say_how_many_rows_there_were(url: &str) {
        let db = with_notes(url).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'one'), (2, 'two')").await;
        let mut session = db.read().await.unwrap();
        let notes = || Statement::new("SELECT id FROM notes");
        let error = session.run(one::<(i64,)>(notes(), params![])).await.unwrap_err();
        assert!(error.to_string().contains("expected one row, the query returned 2 rows"), "{error}");
        let error = session.run(optional::<(i64,)>(notes(), params![])).await.unwrap_err();
        assert!(error.to_string().contains("expected at most one row, the query returned 2 rows"), "{error}");
        let error = session.run(title(9)).await.unwrap_err();
        assert!(error.to_string().contains("the query returned 0 rows"), "{error}");
        let none = optional::<(i64,)>("SELECT id FROM notes WHERE id = 9", params![]);
        assert_eq!(session.run(none).await.unwrap(), None);
    }

    async fn a_failed_statement_is_named_and_leaves_the_session_usable(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.read().await.unwrap();
        let wrong = all::<(i64,)>("SELECT wrong FROM notes", params![]);
        let error = session.run((title(1), wrong)).await.unwrap_err();
        assert!(error.to_string().contains("(in `SELECT wrong FROM notes`)"), "{error}");
        assert!(error.code().is_some(), "{error:?}");
        assert_eq!(session.run(all::<(i64,)>("SELECT id FROM notes", params![])).await.unwrap(), []);
    }
}

/// A tuple of eight, and tuples of tuples, are batches too.
fn _batches_nest(batch: impl Batch) -> impl Batch {
    ((title(1), vec![title(2)]), batch, title(3), title(4), title(5), title(6), title(7), title(8))
}
