//! A read session never writes, whatever its text: the server refuses.

use tallybook::{Database, Dialect, all, execute, one, params};

use crate::support::{at_rest, count_notes, open_with, polled, read, with_notes, write};

/// A database with `notes` and one read connection, so that each session reuses the one before's.
async fn with_one_reader(url: &str) -> Database {
    drop(with_notes(url).await);
    open_with(url, |settings| {
        settings.pool.size = 1;
        settings.pool.max_overflow = 0;
    })
    .await
}

/// Texts that pass the check of the first word and make the connection writable where that is possible.
fn lifts(db: &Database) -> &'static [&'static str] {
    match db.dialect() {
        Dialect::Sqlite => &[
            "EXPLAIN PRAGMA query_only = 0",
            "EXPLAIN QUERY PLAN PRAGMA query_only = 0",
            "SELECT 1; PRAGMA query_only = 0",
            "SELECT 1; PRAGMA writable_schema = 1",
            "SELECT 1; PRAGMA main.query_only(0)",
        ],
        Dialect::Postgres => &[
            r#"SELECT U&"set\005fconfig"('default_transaction_read_only', 'off', false)"#,
            r#"SELECT pg_catalog.U&"set\005fconfig"('default_transaction_read_only', 'off', false)"#,
            "SELECT lift()::text",
            "SELECT lift_in_a_block()::text",
            "SELECT * FROM lifted",
            "WITH lifted AS MATERIALIZED (SELECT lift()) SELECT count(*)::text FROM lifted",
            "VALUES (lift()::text)",
        ],
    }
}

const INSERT: &str =
    "WITH new AS (SELECT 2 AS id) INSERT INTO notes (id, title) SELECT id, 'new' FROM new RETURNING id";

const INSERT_IN_WITH: &str =
    "WITH new AS (INSERT INTO notes (id, title) VALUES (3, 'new') RETURNING id) SELECT id FROM new";

/// Functions that lift the guard without a trace in the session's text.
async fn create_lifts(db: &Database) {
    if db.dialect() == Dialect::Sqlite {
        return;
    }
    for sql in [
        "CREATE FUNCTION lift() RETURNS void LANGUAGE plpgsql AS \
         $$ BEGIN PERFORM set_config('default_transaction_read_only', 'off', false); END $$",
        "CREATE FUNCTION lift_in_a_block() RETURNS void LANGUAGE plpgsql AS \
         $$ BEGIN SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; END $$",
        "CREATE VIEW lifted AS SELECT lift()::text",
    ] {
        write(db, sql).await;
    }
}

tallybook_testkit::both_dialects! {
    async fn a_lifted_guard_lets_nothing_be_written_in_the_same_session_nor_in_the_next(url: &str) {
        let db = with_one_reader(url).await;
        create_lifts(&db).await;
        for lift in lifts(&db) {
            for insert in [INSERT, INSERT_IN_WITH] {
                let mut session = db.read().await.unwrap();
                let _ = session.run(all::<(String,)>(*lift, params![])).await;
                let error = session.run(all::<(i64,)>(insert, params![])).await.expect_err(lift);
                assert!(error.code().is_some() || error.is_read_only(), "{lift}: {error}");
                drop(session);
                at_rest(&db).await;
                let error = db.read().await.unwrap().run(all::<(i64,)>(insert, params![])).await.expect_err(lift);
                assert!(error.code().is_some() || error.is_read_only(), "{lift}: {error}");
                assert_eq!(count_notes(&db).await, 0, "{lift}");
            }
        }
    }

    async fn a_guard_that_is_lifted_in_a_batch_or_a_snapshot_lets_nothing_be_written(url: &str) {
        let db = with_one_reader(url).await;
        create_lifts(&db).await;
        for lift in lifts(&db) {
            let pair = || (all::<(String,)>(*lift, params![]), all::<(i64,)>(INSERT_IN_WITH, params![]));
            assert!(db.read().await.unwrap().run(pair()).await.is_err(), "{lift}");
            at_rest(&db).await;
            assert!(db.snapshot().await.unwrap().run(pair()).await.is_err(), "{lift}");
            at_rest(&db).await;
            let mut session = db.read().await.unwrap();
            let twice = (all::<(String,)>(*lift, params![]), all::<(String,)>(*lift, params![]));
            let _ = session.run(twice).await;
            assert!(session.run(all::<(i64,)>(INSERT_IN_WITH, params![])).await.is_err(), "{lift}");
            drop(session);
            assert_eq!(count_notes(&db).await, 0, "{lift}");
        }
    }

    async fn a_read_behind_one_that_was_dropped_does_not_write_either(url: &str) {
        let db = with_one_reader(url).await;
        create_lifts(&db).await;
        for lift in lifts(&db) {
            for _ in 0..50 {
                let mut session = db.read().await.unwrap();
                // Sent without waiting for the answer.
                let _ = polled(1, session.run(all::<(String,)>(*lift, params![]))).await;
                let outcome = session.run(all::<(i64,)>(INSERT_IN_WITH, params![])).await;
                assert!(outcome.is_err(), "{lift}");
            }
            assert_eq!(count_notes(&db).await, 0, "{lift}");
        }
    }

    async fn a_session_goes_on_reading_when_its_guard_was_lifted(url: &str) {
        let db = with_one_reader(url).await;
        create_lifts(&db).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'kept')").await;
        for lift in lifts(&db) {
            let mut session = db.read().await.unwrap();
            let _ = session.run(all::<(String,)>(*lift, params![])).await;
            let kept = one::<(String,)>("SELECT title FROM notes WHERE id = $1", params![1]);
            assert_eq!(session.run(kept).await.unwrap().0, "kept", "{lift}");
        }
        // A write session still writes.
        assert_eq!(write(&db, "DELETE FROM notes").await, 1);
        let mut session = db.begin().await.unwrap();
        session.run(execute("INSERT INTO notes (id, title) VALUES (4, 'new')", params![])).await.unwrap();
        session.commit().await.unwrap();
        assert_eq!(count_notes(&db).await, 1);
    }

    async fn a_read_session_cannot_change_the_settings_of_its_connection(url: &str) {
        let db = with_one_reader(url).await;
        if db.dialect() == Dialect::Postgres {
            return;
        }
        let settings = "SELECT query_only || ' ' || foreign_keys || ' ' || cache_size || ' ' || (SELECT count(*) FROM \
             pragma_database_list) FROM pragma_query_only, pragma_foreign_keys, pragma_cache_size";
        let before = read::<(String,)>(&db, settings).await;
        assert!(before[0].0.starts_with("1 1 "), "{before:?}");
        for sql in [
            "EXPLAIN PRAGMA query_only = 0",
            "SELECT 1; PRAGMA query_only = 0",
            "SELECT 1; PRAGMA foreign_keys(0)",
            "SELECT 1; PRAGMA main.cache_size = 7",
            "SELECT 1; ATTACH ':memory:' AS other",
        ] {
            let mut session = db.read().await.unwrap();
            let error = session.run(all::<(String,)>(sql, params![])).await.unwrap_err();
            assert!(error.is_read_only(), "{sql}: {error}");
            assert_eq!(session.run(all::<(String,)>(settings, params![])).await.unwrap(), before, "{sql}");
        }
        // Harmless queries are answered.
        let asks = "SELECT name FROM pragma_table_info('notes') WHERE pk = 1";
        assert_eq!(read::<(String,)>(&db, asks).await, [("id".to_owned(),)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_after_one_whose_rows_do_not_fit_does_not_write_either() {
    let database = tallybook_testkit::postgres().await.database("a_read_behind_one_whose").await;
    let db = with_one_reader(database.url()).await;
    create_lifts(&db).await;
    // The first row arrives while the server still computes the others, and the guard is lifted meanwhile.
    let slow = "SELECT NULL::bigint, repeat('x', 100000) || lift()::text || pg_sleep(0.02)::text FROM generate_series(1, 10)";
    for _ in 0..5 {
        let mut session = db.read().await.unwrap();
        let error = session.run(all::<(i64, String)>(slow, params![])).await.unwrap_err();
        assert!(error.is_decode(), "{error}");
        let error = session.run(all::<(i64,)>(INSERT_IN_WITH, params![])).await.unwrap_err();
        assert!(error.is_read_only(), "{error}");
    }
    assert_eq!(count_notes(&db).await, 0);
}
