//! State that a session sets on its connection reaches no other session.

use tallybook::{CloseReason, Database, Dialect, all, execute, one, params};
use tallybook_testkit::{Proxy, postgres};

use crate::support::{at_rest, open_with, with_notes, write};

/// One connection, so that each session has the one before's, unless that was replaced.
async fn with_one_connection(url: &str) -> Database {
    drop(with_notes(url).await);
    let db = open_with(url, |settings| {
        settings.pool.size = 1;
        settings.pool.max_overflow = 0;
    })
    .await;
    if db.dialect() == Dialect::Postgres {
        for sql in [
            "CREATE FUNCTION to_tokyo() RETURNS text LANGUAGE plpgsql AS \
             $$ BEGIN RETURN set_config('TimeZone', 'Asia/Tokyo', false); END $$",
            "CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM set_config('DateStyle', 'German', false); RETURN NEW; END $$",
            "CREATE TABLE naps (id integer)",
            "CREATE TRIGGER nap BEFORE INSERT ON naps FOR EACH ROW EXECUTE FUNCTION nap()",
        ] {
            write(&db, sql).await;
        }
    }
    db
}

/// Statements that leave state on a connection.
fn leave_something(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Sqlite => &[
            "PRAGMA query_only = 1",
            "PRAGMA cache_size = 7",
            "PRAGMA recursive_triggers = 1",
            "pragma main.cache_size(8)",
            "CREATE TEMP TABLE mine (id integer)",
            "CREATE TEMP VIEW mine AS SELECT 1",
            "CREATE TEMP TRIGGER mine AFTER INSERT ON notes BEGIN SELECT 1; END",
            "ATTACH ':memory:' AS other",
        ],
        Dialect::Postgres => &[
            "SET ROLE pg_monitor",
            "SET SESSION AUTHORIZATION pg_monitor",
            "SET statement_timeout = 7000",
            "SET search_path = pg_catalog",
            "DO $$ BEGIN SET statement_timeout = 7000; END $$",
            "CREATE TEMP TABLE mine (id integer)",
            "SELECT 1 AS id INTO TEMPORARY mine",
            "SELECT pg_advisory_lock(7)::text",
            "LISTEN orders",
            "DECLARE mine CURSOR WITH HOLD FOR SELECT 1",
            "PREPARE mine AS SELECT 1",
            "SELECT set_config('work_mem', '1MB', false)",
            r#"SELECT U&"set\005fconfig"('work_mem', '1MB', false)"#,
            "SELECT to_tokyo()",
            "INSERT INTO naps VALUES (1)",
        ],
    }
}

/// All the state that is visible.
fn state(dialect: Dialect) -> tallybook::One<(String,)> {
    let sql = match dialect {
        Dialect::Sqlite => {
            "SELECT query_only || ' ' || cache_size || ' ' || recursive_triggers || ' ' || (SELECT count(*) FROM \
             sqlite_temp_schema) || ' ' || (SELECT count(*) FROM pragma_database_list WHERE name <> 'temp') FROM \
             pragma_query_only, pragma_cache_size, pragma_recursive_triggers"
        }
        Dialect::Postgres => {
            "SELECT concat_ws(' ', current_user, session_user, current_setting('statement_timeout'), \
             current_setting('search_path'), current_setting('work_mem'), current_setting('TimeZone'), \
             current_setting('DateStyle'), to_regclass('pg_temp.mine') IS NULL, \
             (SELECT count(*) FROM pg_listening_channels()), \
             (SELECT count(*) FROM pg_cursors WHERE is_holdable), \
             (SELECT count(*) FROM pg_prepared_statements WHERE from_sql), \
             (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()))"
        }
    };
    one(sql, params![])
}

/// Returns the state that the next write session finds.
async fn next(db: &Database) -> String {
    at_rest(db).await;
    let mut session = db.begin().await.unwrap();
    let (state,) = session.run(state(db.dialect())).await.unwrap();
    session.roll_back().await.unwrap();
    state
}

tallybook_testkit::both_dialects! {
    async fn what_a_session_leaves_behind_reaches_no_other(url: &str) {
        let db = with_one_connection(url).await;
        let before = next(&db).await;
        for sql in leave_something(db.dialect()) {
            let mut session = db.begin().await.unwrap();
            session.run(execute(*sql, params![])).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            let (there,) = session.run(state(db.dialect())).await.unwrap();
            // A session listens from its commit on.
            assert!(there != before || sql.starts_with("LISTEN"), "{sql} sets something");
            session.commit().await.unwrap();
            assert_eq!(next(&db).await, before, "{sql}");
            let mut session = db.begin().await.unwrap();
            session.run(execute(*sql, params![])).await.unwrap();
            session.roll_back().await.unwrap();
            assert_eq!(next(&db).await, before, "{sql}, rolled back");
        }
        // The connection works as before.
        assert_eq!(write(&db, "INSERT INTO notes (id, title) VALUES (1, 'one')").await, 1);
    }

    async fn a_session_that_was_dropped_while_it_set_something_leaves_nothing(url: &str) {
        let db = with_one_connection(url).await;
        let before = next(&db).await;
        for sql in leave_something(db.dialect()) {
            for polls in 1..4 {
                let mut session = db.begin().await.unwrap();
                let _ = crate::support::polled(polls, session.run(execute(*sql, params![]))).await;
                drop(session);
                assert_eq!(next(&db).await, before, "{sql}");
            }
        }
    }

    async fn what_ends_with_its_transaction_costs_no_connection(url: &str) {
        let db = with_one_connection(url).await;
        let texts: &[&str] = match db.dialect() {
            Dialect::Sqlite => &["CREATE TABLE others (id integer)", "INSERT INTO others VALUES (1)"],
            Dialect::Postgres => &[
                "SET LOCAL statement_timeout = 7000",
                "SET TRANSACTION DEFERRABLE",
                "SELECT pg_advisory_xact_lock(7)",
                "CREATE TABLE temperatures (temp integer)",
                "INSERT INTO temperatures (temp) VALUES (1)",
            ],
        };
        let before = next(&db).await;
        for sql in texts {
            write(&db, *sql).await;
            assert_eq!(next(&db).await, before, "{sql}");
        }
        let closed: u64 = db.pools().iter().map(|pool| pool.totals.closed.by(CloseReason::SessionState)).sum();
        assert_eq!(closed, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_session_leaves_no_state_either() {
    let database = postgres().await.database("a_read_session_leaves").await;
    let db = with_one_connection(database.url()).await;
    let before = next(&db).await;
    for sql in [
        "SELECT pg_advisory_lock(7)::text",
        r#"SELECT U&"set\005fconfig"('search_path', 'pg_catalog', false)"#,
        "SELECT to_tokyo()",
    ] {
        let mut session = db.read().await.unwrap();
        session.run(all::<(String,)>(sql, params![])).await.unwrap();
        let (there,) = session.run(state(Dialect::Postgres)).await.unwrap();
        assert_ne!(there, before, "{sql} sets something");
        drop(session);
        assert_eq!(next(&db).await, before, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_reset_is_the_same_and_keeps_what_it_has_prepared() {
    let database = postgres().await.database("a_connection_that_is_reset").await;
    let db = with_one_connection(database.url()).await;
    let count = || one::<(i64,)>("SELECT count(*) FROM notes", params![]);
    let process = || one::<(i64,)>("SELECT pg_backend_pid()", params![]);
    let named = "SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT count(*) FROM notes'";
    let mut session = db.read().await.unwrap();
    let (_, before) = session.run((count(), process())).await.unwrap();
    drop(session);
    write(&db, "SET work_mem = '1MB'").await;
    at_rest(&db).await;
    let mut session = db.read().await.unwrap();
    assert_eq!(session.run(process()).await.unwrap(), before);
    assert_eq!(session.run(one::<(i64,)>(named, params![])).await.unwrap(), (1,));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_sets_nothing_sends_no_byte_more() {
    let database = postgres().await.database("a_session_that_sets_nothing").await;
    drop(with_notes(database.url()).await);
    let proxy = Proxy::start(database.port()).await;
    let db = open_with(&proxy.url(database.url()), |settings| settings.pool.size = 1).await;
    let count = || one::<(i64,)>("SELECT count(*) FROM notes", params![]);
    let insert =
        || execute("INSERT INTO notes (id, title) VALUES ($1, 'one') ON CONFLICT DO NOTHING", params![1]);
    let bytes = || (proxy.counts().sent, proxy.counts().answered);
    // The first round prepares.
    for round in 0..3 {
        let before = bytes();
        let mut session = db.read().await.unwrap();
        assert_eq!(bytes(), before, "round {round}: taking a connection sends nothing");
        session.run(count()).await.unwrap();
        let read = bytes();
        drop(session);
        at_rest(&db).await;
        assert_eq!(bytes(), read, "round {round}: giving it back sends nothing");
        let mut session = db.begin().await.unwrap();
        session.run(insert()).await.unwrap();
        session.commit().await.unwrap();
        let committed = bytes();
        at_rest(&db).await;
        assert_eq!(bytes(), committed, "round {round}");
        if round > 0 {
            // Bind, Execute, Sync; no BEGIN and no extra query.
            assert!(read.0 - before.0 < 64, "{} bytes for a read by its prepared name", read.0 - before.0);
        }
    }
}
