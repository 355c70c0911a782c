//! Bulk loads.

use tallybook::{Dialect, Error, Result, Row, SqlType, Value, execute, params};

use crate::support::{
    at_rest, count_notes, create_notes, eventually, open, open_with, read, try_write, with_notes, write,
};

#[derive(Debug, PartialEq, Row)]
struct Note {
    id: i64,
    #[row(max = 40)]
    title: String,
    parent: Option<i64>,
}

const COLUMNS: [&str; 3] = ["id", "title", "parent"];

fn note(id: i64) -> Note {
    Note { id, title: format!("note {id}, \"quoted\"\tand ünïcode"), parent: (id > 1).then_some(1) }
}

tallybook_testkit::both_dialects! {
    async fn ten_thousand_rows_arrive_as_they_are(url: &str) {
        let db = with_notes(url).await;
        let loaded = db
            .write(async |session| -> Result<u64> {
                let mut load = session.load("notes", &COLUMNS).await?;
                for id in 1..=10_000 {
                    load.write(&note(id)).await?;
                }
                let rows = load.finish().await?;
                assert_eq!(session.counts().rows, rows);
                Ok(rows)
            })
            .await
            .unwrap();
        assert_eq!(loaded.into_value(), 10_000);
        let notes = read::<Note>(&db, "SELECT id, title, parent FROM notes ORDER BY id").await;
        assert!(notes.into_iter().eq((1..=10_000).map(note)));
    }

    async fn a_load_runs_in_a_task_with_what_it_captured(url: &str) {
        let db = with_notes(url).await;
        let (task, notes) = (db.clone(), vec![note(1), note(2)]);
        let loading = tokio::spawn(async move {
            let columns = COLUMNS.to_vec();
            task.write(async |session| -> Result<u64> {
                let mut load = session.load("notes", &columns).await?;
                for note in &notes {
                    load.write(note).await?;
                }
                load.finish().await
            })
            .await
        });
        assert_eq!(loading.await.unwrap().unwrap().into_value(), 2);
        assert_eq!(count_notes(&db).await, 2);
    }

    async fn a_broken_constraint_in_the_middle_leaves_nothing(url: &str) {
        let db = with_notes(url).await;
        let outcome = db
            .write(async |session| -> Result<u64> {
                session.run(execute("INSERT INTO notes (id, title) VALUES (0, 'before')", params![])).await?;
                let mut load = session.load("notes", &COLUMNS).await?;
                for id in 1..=10_000 {
                    load.write(&note(if id == 5_000 { 4_999 } else { id })).await?;
                }
                load.finish().await
            })
            .await;
        assert!(outcome.unwrap_err().is_unique_violation());
        at_rest(&db).await;
        assert_eq!(count_notes(&db).await, 0);
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'after')").await;
    }

    async fn an_unfinished_load_cannot_be_committed(url: &str) {
        let db = with_notes(url).await;
        for rows in [0, 1, 3_000] {
            let mut session = db.begin().await.unwrap();
            let mut load = session.load("notes", &COLUMNS).await.unwrap();
            for id in 1..=rows {
                load.write(&note(id)).await.unwrap();
            }
            drop(load);
            let error = session.run(execute("DELETE FROM notes", params![])).await.unwrap_err();
            assert!(error.to_string().contains("the bulk load of notes was not finished"), "{error}");
            let error = session.commit().await.unwrap_err();
            assert!(error.to_string().contains("the bulk load of notes was not finished"), "{error}");
            at_rest(&db).await;
            assert_eq!(count_notes(&db).await, 0);
        }
    }

    async fn a_transaction_goes_on_behind_a_finished_load(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.begin().await.unwrap();
        for ids in [1..=10, 11..=20] {
            let mut load = session.load("notes", &COLUMNS).await.unwrap();
            for id in ids {
                load.write(&note(id)).await.unwrap();
            }
            assert_eq!(load.finish().await.unwrap(), 10);
        }
        assert_eq!(session.load("notes", &COLUMNS).await.unwrap().finish().await.unwrap(), 0);
        assert_eq!(session.run(execute("DELETE FROM notes WHERE id > 15", params![])).await.unwrap(), 5);
        session.commit().await.unwrap();
        assert_eq!(count_notes(&db).await, 15);
    }

    async fn a_row_that_is_refused_is_named_and_the_load_goes_on_without_it(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.begin().await.unwrap();
        let mut load = session.load("notes", &COLUMNS).await.unwrap();
        load.write(&note(1)).await.unwrap();
        let long = Note { id: 2, title: "x".repeat(41), parent: None };
        let error = load.write(&long).await.unwrap_err();
        assert!(error.is_invalid_value() && error.to_string().contains("title: has 41 characters"), "{error}");
        let error = load.write_values(vec![Value::Int(2)]).await.unwrap_err();
        assert!(error.is_invalid_value() && error.to_string().contains("1 values for 3 columns"), "{error}");
        load.write(&note(3)).await.unwrap();
        assert_eq!(load.finish().await.unwrap(), 2);
        session.commit().await.unwrap();
        assert_eq!(count_notes(&db).await, 2);
    }

    async fn a_table_or_column_that_is_missing_is_told_before_any_row(url: &str) {
        let db = with_notes(url).await;
        for (table, columns) in [("nothing", ["id", "title"]), ("notes", ["id", "nothing"])] {
            let mut session = db.begin().await.unwrap();
            let error = session.load(table, &columns).await.expect_err(table);
            assert!(error.to_string().contains("nothing"), "{error}");
            assert!(session.commit().await.is_err());
        }
        at_rest(&db).await;
    }

    async fn every_type_can_be_loaded(url: &str) {
        let db = open(url).await;
        write(
            &db,
            "CREATE TABLE things (flag boolean, small smallint, middle integer, big bigint, \
             ratio double precision, word varchar(20), at timestamp, raw bytea)",
        )
        .await;
        let columns = ["flag", "small", "middle", "big", "ratio", "word", "at", "raw"];
        let at = chrono::DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        let full = vec![
            Value::Bool(true),
            Value::Int(i64::from(i16::MIN)),
            Value::Int(i64::from(i32::MAX)),
            Value::Int(i64::MAX),
            Value::Float(0.1),
            Value::Text("word".to_owned()),
            Value::Timestamp(at),
            Value::Bytes(vec![0, 255]),
        ];
        let empty: Vec<_> = full.iter().map(|value| Value::Null(value.kind())).collect();
        let loaded = db.write(async |session| -> Result<u64> {
            let mut load = session.load("things", &columns).await?;
            load.write_values(full.clone()).await?;
            load.write_values(empty.clone()).await?;
            load.finish().await
        })
        .await;
        assert_eq!(loaded.unwrap().into_value(), 2);
        type Thing = (Option<bool>, Option<i64>, Option<i64>, Option<i64>, Option<f64>, Option<String>,
            Option<chrono::DateTime<chrono::Utc>>, Option<Vec<u8>>);
        let things = read::<Thing>(&db, "SELECT * FROM things ORDER BY big IS NULL").await;
        let expected: Thing = (Some(true), Some(-32_768), Some(2_147_483_647), Some(i64::MAX), Some(0.1),
            Some("word".to_owned()), Some(at), Some(vec![0, 255]));
        assert_eq!(things, [expected, (None, None, None, None, None, None, None, None)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_its_postgresql_column_cannot_hold_is_named_and_leaves_no_half_row() {
    let database = tallybook_testkit::postgres().await.database("a_value_that").await;
    let db = with_notes(database.url()).await;
    assert_eq!(db.dialect(), Dialect::Postgres);
    let mut session = db.begin().await.unwrap();
    let mut load = session.load("notes", &COLUMNS).await.unwrap();
    let row = |id, parent| -> Vec<Value> { vec![Value::Int(id), Value::Text(format!("note {id}")), parent] };
    load.write_values(row(1, Value::Null(SqlType::Int))).await.unwrap();
    let error = load.write_values(row(2, Value::Int(3_000_000_000))).await.unwrap_err();
    assert!(error.is_invalid_value(), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("parent") && text.contains("3000000000") && text.contains("int4"), "{text}");
    let error = load.write_values(row(2, Value::Text("one".to_owned()))).await.unwrap_err();
    assert!(error.to_string().contains("parent: a text for a column of type int4"), "{error}");
    load.write_values(row(3, Value::Int(1))).await.unwrap();
    assert_eq!(load.finish().await.unwrap(), 2);
    session.commit().await.unwrap();
    assert_eq!(read::<(i64,)>(&db, "SELECT id FROM notes ORDER BY id").await, [(1,), (3,)]);
}

#[tokio::test]
async fn a_load_from_a_failing_source_returns_its_error() {
    let db = with_notes("sqlite::memory:").await;
    #[derive(Debug)]
    struct BadLine(u64);
    #[derive(Debug)]
    enum Import {
        Line(BadLine),
        #[allow(dead_code)]
        Dialect(Error),
    }
    impl From<Error> for Import {
        fn from(error: Error) -> Self {
            Self::Dialect(error)
        }
    }
    let outcome = db
        .write(async |session| -> Result<(), Import> {
            let mut load = session.load("notes", &COLUMNS).await?;
            load.write(&note(1)).await?;
            Err(Import::Line(BadLine(2)))
        })
        .await;
    assert!(matches!(outcome, Err(Import::Line(BadLine(2)))), "{outcome:?}");
    assert_eq!(count_notes(&db).await, 0);
    try_write(&db, "INSERT INTO notes (id, title) VALUES (1, 'after')").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_is_refused_costs_no_connection() {
    let database = tallybook_testkit::postgres().await.database("a_load_that_is_refused").await;
    // With another connection in the pool, that one could be probed.
    let db = open_with(database.url(), |settings| {
        settings.pool.size = 1;
        settings.pool.max_overflow = 0;
    })
    .await;
    create_notes(&db).await;
    let process = async || {
        at_rest(&db).await;
        read::<(i64,)>(&db, "SELECT pg_backend_pid()").await[0].0
    };
    // Roles belong to the cluster, which other runs share.
    write(
        &db,
        "DO $$ BEGIN CREATE ROLE stranger_of_loads; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
    )
    .await;
    write(&db, "CREATE VIEW unloadable AS SELECT DISTINCT id, title, parent FROM notes").await;
    write(&db, "INSERT INTO notes (id, title) VALUES (1, 'one')").await;
    let before = process().await;
    for (what, table, role) in [
        ("no such table", "nothing", None),
        ("no rights", "notes", Some("stranger_of_loads")),
        ("a view that takes no rows", "unloadable", None),
        ("a key that is taken", "notes", None),
    ] {
        let mut session = db.begin().await.unwrap();
        if let Some(role) = role {
            session.run(execute(format!("SET LOCAL ROLE {role}"), params![])).await.unwrap();
        }
        let refused = async {
            let mut load = session.load(table, &COLUMNS).await?;
            for id in 1..=5_000 {
                load.write(&note(id)).await?;
            }
            load.finish().await
        };
        refused.await.expect_err(what);
        drop(session);
        assert_eq!(process().await, before, "{what}: the connection is the same");
    }
    // A load that is dropped halfway.
    let mut session = db.begin().await.unwrap();
    let mut load = session.load("notes", &COLUMNS).await.unwrap();
    for id in 2..=2_000 {
        load.write(&note(id)).await.unwrap();
    }
    // 64 KiB of these rows were sent. Stopping a server that is busy with them would cost the connection.
    let watcher = open(database.url()).await;
    let waits = format!(
        "SELECT count(*) FROM pg_stat_progress_copy JOIN pg_stat_activity USING (pid) \
         WHERE pid = {before} AND bytes_processed > 60000 AND wait_event = 'ClientRead'"
    );
    eventually("the server waits for more rows", async || {
        read::<(i64,)>(&watcher, waits.clone()).await == [(1,)]
    })
    .await;
    drop(load);
    drop(session);
    assert_eq!(process().await, before);
}
