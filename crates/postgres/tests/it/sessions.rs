//! What changes during a session: tables, types, settings, other people's statements, and servers that go away.

use std::time::Duration;

use tallybook_postgres::Connection;
use tallybook_sql::row::{Decode, DecodeError, ValueRef};
use tallybook_sql::value::Value;
use tallybook_sql::{Encode, Error, all, execute, one, params};
use tallybook_testkit::{Cluster, Database, postgres};
use tokio::task::{block_in_place, spawn_blocking};
use tokio_postgres::Client;

use crate::support::{
    ask, begin, connect, eventually, goes_on, peer, read, recovers, run, try_connect, within, write,
};

async fn stage(name: &str) -> (Database, Client, Connection) {
    let database = postgres().await.database(name).await;
    let admin = peer(database.url()).await;
    admin
        .batch_execute(
            "CREATE TABLE notes (id bigint PRIMARY KEY, title text); INSERT INTO notes VALUES (1, 'one')",
        )
        .await
        .unwrap();
    let connection = connect(database.url()).await;
    (database, admin, connection)
}

/// Returns the process id of the connection's backend.
async fn pid(connection: &mut Connection) -> i64 {
    run(connection, one::<(i64,)>("SELECT pg_backend_pid()::bigint", params![])).await.unwrap().0
}

const NOTES: &str = "SELECT id, title FROM notes WHERE id > $1 ORDER BY id";

async fn notes(connection: &mut Connection) -> Result<Vec<(i64, String)>, Error> {
    run(connection, all(NOTES, params![0])).await
}

/// As the pool does it: once more if the plan was stale.
async fn notes_again(connection: &mut Connection) -> Result<Vec<(i64, String)>, Error> {
    match notes(connection).await {
        Err(error) if error.is_stale_plan() => notes(connection).await,
        outcome => outcome,
    }
}

fn one_note() -> Vec<(i64, String)> {
    vec![(1, "one".to_owned())]
}

/// Runs the statement until it is prepared, changes the table, and runs it again.
async fn after_change(name: &str, change: &str) -> (Result<Vec<(i64, String)>, Error>, Connection, Database) {
    let (database, admin, mut connection) = stage(name).await;
    for _ in 0..3 {
        assert_eq!(notes(&mut connection).await.unwrap(), one_note());
    }
    admin.batch_execute(change).await.unwrap();
    let answer = notes_again(&mut connection).await;
    (answer, connection, database)
}

#[tokio::test]
async fn a_column_that_is_added_between_two_runs_changes_nothing() {
    let (answer, mut connection, _database) =
        after_change("ddl_added", "ALTER TABLE notes ADD COLUMN more text").await;
    assert_eq!(answer.unwrap(), one_note());
    goes_on(&mut connection).await;
}

#[tokio::test]
async fn a_column_that_is_added_is_not_seen_by_a_statement_for_all_of_them() {
    let (_database, admin, mut connection) = stage("ddl_star").await;
    let star = || all::<(i64, String)>("SELECT * FROM notes", params![]);
    for _ in 0..3 {
        assert_eq!(run(&mut connection, star()).await.unwrap(), one_note());
    }
    admin.batch_execute("ALTER TABLE notes ADD COLUMN more text").await.unwrap();
    let stale = run(&mut connection, star()).await.unwrap_err();
    assert!(stale.is_stale_plan() && stale.is_retryable(), "{stale:?}");
    // Now the struct does not fit.
    let misfit = run(&mut connection, star()).await.unwrap_err();
    assert!(misfit.is_decode(), "{misfit:?}");
    goes_on(&mut connection).await;
}

#[tokio::test]
async fn a_column_whose_type_changes_to_a_compatible_one_is_read_as_before() {
    let (answer, mut connection, _database) =
        after_change("ddl_type", "ALTER TABLE notes ALTER title TYPE varchar(40), ALTER id TYPE integer")
            .await;
    // Either is right: the struct takes both, or asks for what it was declared with.
    match answer {
        Ok(rows) => assert_eq!(rows, one_note()),
        Err(error) => assert!(error.is_decode(), "{error:?}"),
    }
    goes_on(&mut connection).await;
}

#[tokio::test]
async fn a_column_whose_type_changes_to_another_is_an_error_that_names_it() {
    let (answer, mut connection, _database) = after_change(
        "ddl_other_type",
        "ALTER TABLE notes ALTER title TYPE timestamptz USING timestamptz '2025-01-01 00:00:00Z'",
    )
    .await;
    let error = answer.unwrap_err();
    assert!(error.is_decode() && error.to_string().contains("title"), "{error:?}");
    goes_on(&mut connection).await;
}

#[tokio::test]
async fn a_table_that_is_dropped_and_made_again_is_found() {
    let again =
        "DROP TABLE notes; CREATE TABLE notes (title text, id bigint); INSERT INTO notes VALUES ('one', 1)";
    let (answer, mut connection, _database) = after_change("ddl_again", again).await;
    assert_eq!(answer.unwrap(), one_note());
    goes_on(&mut connection).await;
}

#[tokio::test]
async fn a_table_that_is_dropped_is_missing() {
    let (answer, mut connection, _database) = after_change("ddl_dropped", "DROP TABLE notes").await;
    assert_eq!(answer.unwrap_err().code(), Some("42P01"));
    goes_on(&mut connection).await;
}

#[tokio::test]
async fn a_table_that_changes_within_a_pipeline_is_an_error_and_never_a_wrong_row() {
    let (_database, _admin, mut connection) = stage("ddl_pipeline").await;
    for _ in 0..2 {
        assert_eq!(notes(&mut connection).await.unwrap(), one_note());
    }
    let batch = (
        execute("ALTER TABLE notes ALTER title TYPE bytea USING 'x'::bytea", params![]),
        all::<(i64, String)>(NOTES, params![0]),
    );
    let error = write(&mut connection, batch).await.unwrap_err();
    assert!(error.is_stale_plan() || error.is_decode(), "{error:?}");
    recovers(&mut connection).await;
    assert_eq!(notes(&mut connection).await.unwrap(), one_note());
}

#[tokio::test]
async fn statements_that_a_user_deallocates_are_prepared_again() {
    let (_database, _admin, mut connection) = stage("deallocate").await;
    for sql in ["DEALLOCATE ALL", "DISCARD PLANS", "DISCARD ALL"] {
        for _ in 0..3 {
            assert_eq!(notes(&mut connection).await.unwrap(), one_note());
        }
        // DISCARD ALL does not run in a transaction.
        connection.script(sql).await.unwrap();
        assert_eq!(notes_again(&mut connection).await.unwrap(), one_note(), "{sql}");
        goes_on(&mut connection).await;
    }
}

#[tokio::test]
async fn deallocated_statements_in_a_pipeline_are_stale_once() {
    let (_database, _admin, mut connection) = stage("deallocate_pipeline").await;
    let batch = || (all::<(i64, String)>(NOTES, params![0]), one::<(i64,)>("SELECT $1", params![1]));
    for _ in 0..3 {
        read(&mut connection, batch()).await.unwrap();
    }
    connection.script("DEALLOCATE ALL").await.unwrap();
    let error = read(&mut connection, batch()).await.unwrap_err();
    assert!(error.is_stale_plan(), "{error:?}");
    within("cleaning", connection.clean(true)).await.unwrap();
    assert_eq!(read(&mut connection, batch()).await.unwrap(), (one_note(), (1,)));
}

async fn terminate(admin: &Client, pid: i64) {
    assert_eq!(ask(admin, &format!("SELECT pg_terminate_backend({pid})")).await, "t");
}

#[tokio::test]
async fn a_backend_that_is_terminated_while_idle_is_a_lost_connection() {
    let (_database, admin, mut connection) = stage("terminated_idle").await;
    let pid = pid(&mut connection).await;
    terminate(&admin, pid).await;
    let error = notes(&mut connection).await.unwrap_err();
    assert!(error.is_connection_lost() && !error.is_commit_unknown(), "{error:?}");
    let _ = within("cleaning", connection.clean(false)).await;
    assert!(connection.is_closed());
}

#[tokio::test]
async fn a_backend_that_is_terminated_while_busy_is_a_lost_connection() {
    let (_database, admin, mut connection) = stage("terminated_busy").await;
    let pid = pid(&mut connection).await;
    let sleep = run(&mut connection, one::<(i32,)>("SELECT 1 FROM pg_sleep(300)", params![]));
    let kill = async {
        let asleep =
            format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'PgSleep'");
        eventually("it sleeps", async || ask(&admin, &asleep).await == "1").await;
        terminate(&admin, pid).await;
    };
    let (outcome, ()) = tokio::join!(sleep, kill);
    let error = outcome.unwrap_err();
    assert!(error.is_connection_lost(), "{error:?}");
    let _ = within("cleaning", connection.clean(false)).await;
    assert!(connection.is_closed());
}

#[tokio::test]
async fn a_backend_that_is_terminated_in_a_transaction_rolls_it_back() {
    let (_database, admin, mut connection) = stage("terminated_write").await;
    let pid = pid(&mut connection).await;
    begin(&mut connection, execute("INSERT INTO notes VALUES (2, 'two')", params![])).await.unwrap();
    terminate(&admin, pid).await;
    let error = within("committing", connection.commit()).await.unwrap_err();
    assert!(error.is_connection_lost() || error.is_commit_unknown(), "{error:?}");
    let _ = within("cleaning", connection.clean(true)).await;
    assert!(connection.is_closed());
    assert_eq!(ask(&admin, "SELECT count(*) FROM notes").await, "1");
}

#[tokio::test]
async fn a_statement_that_somebody_else_cancels_is_an_error_and_the_connection_goes_on() {
    let (_database, admin, mut connection) = stage("cancelled").await;
    let pid = pid(&mut connection).await;
    let sleep = run(&mut connection, one::<(i32,)>("SELECT 1 FROM pg_sleep(300)", params![]));
    let cancel = async {
        let asleep =
            format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'PgSleep'");
        eventually("it sleeps", async || ask(&admin, &asleep).await == "1").await;
        assert_eq!(ask(&admin, &format!("SELECT pg_cancel_backend({pid})")).await, "t");
    };
    let (outcome, ()) = tokio::join!(sleep, cancel);
    let error = outcome.unwrap_err();
    assert!(error.code() == Some("57014") && !error.is_statement_timeout(), "{error:?}");
    goes_on(&mut connection).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_is_a_lost_connection_and_takes_new_ones() {
    let cluster = spawn_blocking(Cluster::start).await.unwrap().unwrap();
    let url = cluster.url("postgres");
    let (mut idle, mut open) = (connect(&url).await, connect(&url).await);
    begin(&mut open, execute("CREATE TABLE notes (id bigint)", params![])).await.unwrap();
    block_in_place(|| cluster.restart_immediately()).unwrap();
    let error = run(&mut idle, one::<(i32,)>("SELECT 1", params![])).await.unwrap_err();
    assert!(error.is_connection_lost(), "{error:?}");
    let error = within("committing", open.commit()).await.unwrap_err();
    assert!(error.is_connection_lost() || error.is_commit_unknown(), "{error:?}");
    for connection in [&mut idle, &mut open] {
        let _ = within("cleaning", connection.clean(true)).await;
        assert!(connection.is_closed());
    }
    let mut again = connect(&url).await;
    goes_on(&mut again).await;
    let missing = run(&mut again, all::<(i64,)>("SELECT id FROM notes", params![])).await.unwrap_err();
    assert_eq!(missing.code(), Some("42P01"), "nothing was committed");
    block_in_place(|| cluster.shut_down()).unwrap();
    let error = try_connect(&url).await.err().expect("nobody is there");
    assert!(error.is_connect() && error.to_string().contains("is a server running there?"), "{error}");
}

#[tokio::test]
async fn a_server_that_takes_no_more_clients_says_so() {
    let (database, admin, mut connection) = stage("full").await;
    admin.batch_execute(&format!("ALTER DATABASE \"{}\" CONNECTION LIMIT 0", database.name())).await.unwrap();
    let role = format!("{}_guest", database.name());
    admin.batch_execute(&format!("CREATE ROLE \"{role}\" LOGIN PASSWORD 'guest'")).await.unwrap();
    let place = database.url().rsplit_once('@').unwrap().1;
    let error =
        try_connect(&format!("postgresql://{role}:guest@{place}")).await.err().expect("there is no room");
    assert!(error.is_connect() && error.to_string().contains("too many connections"), "{error:?}");
    assert_eq!(tallybook_postgres::refusal(&error), Some("53300"));
    goes_on(&mut connection).await;
    admin.batch_execute(&format!("DROP ROLE \"{role}\"")).await.unwrap();
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_an_error_and_the_connection_goes_on() {
    let (database, _admin, _) = stage("timeout").await;
    let mut connection = connect(&format!("{}?statement_timeout=50ms", database.url())).await;
    let sleep = || one::<(i32,)>("SELECT 1 FROM pg_sleep(300)", params![]);
    for _ in 0..2 {
        let error = run(&mut connection, sleep()).await.unwrap_err();
        assert!(error.is_statement_timeout(), "{error:?}");
        goes_on(&mut connection).await;
    }
    let batch = (one::<(i32,)>("SELECT 1", params![]), sleep(), one::<(i32,)>("SELECT 2", params![]));
    let error = read(&mut connection, batch).await.unwrap_err();
    assert!(error.is_statement_timeout() && error.position() == Some(1), "{error:?}");
    recovers(&mut connection).await;
}

#[tokio::test]
async fn a_flood_of_notices_does_not_disturb_an_answer() {
    let (_database, _admin, mut connection) = stage("notices").await;
    let flood = "DO $$ BEGIN FOR n IN 1..20000 LOOP RAISE NOTICE 'notice % of a flood', n; END LOOP; END $$";
    let batch =
        (execute(flood, params![]), all::<(i64, String)>(NOTES, params![0]), execute(flood, params![]));
    assert_eq!(write(&mut connection, batch).await.unwrap().1, one_note());
    connection.script(flood).await.unwrap();
    goes_on(&mut connection).await;
}

/// A notice may say the same as the one that ends a transaction, and mean nothing.
#[tokio::test]
async fn a_notice_of_a_function_does_not_pass_for_one_of_the_server() {
    let (_database, _admin, mut connection) = stage("notice_code").await;
    let raise =
        "DO $$ BEGIN RAISE WARNING 'there is no transaction in progress' USING ERRCODE = '25P01'; END $$";
    begin(&mut connection, execute("INSERT INTO notes VALUES (2, 'two')", params![])).await.unwrap();
    run(&mut connection, execute(raise, params![])).await.unwrap();
    connection.commit().await.unwrap();
    assert_eq!(notes(&mut connection).await.unwrap().len(), 2);
}

/// Texts are read in UTF-8, and nothing else is taken for it.
#[tokio::test]
async fn another_encoding_is_an_error_or_read_right_and_never_garbled() {
    let (_database, _admin, mut connection) = stage("encoding").await;
    connection.script("SET client_encoding = 'LATIN1'").await.unwrap();
    assert!(connection.has_changed_settings(), "the pool undoes it before the next session");
    let text = one::<(String,)>("SELECT 'caf' || chr(233)", params![]);
    match run(&mut connection, text).await {
        Ok((text,)) => assert_eq!(text, "caf\u{e9}"),
        Err(error) => assert!(error.is_decode() || error.is_connection_lost(), "{error:?}"),
    }
    let _ = within("cleaning", connection.clean(false)).await;
    if !connection.is_closed() {
        connection.reset().await.unwrap();
        let text = one::<(String,)>("SELECT 'caf' || chr(233)", params![]);
        assert_eq!(run(&mut connection, text).await.unwrap().0, "caf\u{e9}");
    }
}

#[tokio::test]
async fn a_role_and_settings_that_a_session_leaves_are_reset() {
    let (_database, _admin, mut connection) = stage("reset").await;
    connection.script("SET default_transaction_read_only = off").await.unwrap();
    let leave = "SET search_path = pg_catalog; SET application_name = 'mine'; CREATE TEMP TABLE mine (id bigint); \
                 LISTEN mine; SELECT pg_advisory_lock(7); PREPARE mine AS SELECT 1";
    connection.script(leave).await.unwrap();
    assert!(connection.has_changed_settings());
    connection.reset().await.unwrap();
    assert!(!connection.has_changed_settings());
    assert_eq!(notes(&mut connection).await.unwrap(), one_note());
    let left = one::<(i64,)>(
        "SELECT (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) \
         + (SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine') \
         + (SELECT count(*) FROM pg_class WHERE relname = 'mine') + (SELECT count(*) FROM pg_listening_channels())",
        params![],
    );
    assert_eq!(run(&mut connection, left).await.unwrap(), (0,));
}

/// An enum of the database.
#[derive(Clone, Debug, PartialEq)]
struct Mood(String);

impl Decode for Mood {
    const SQL_TYPE: tallybook_sql::SqlType = tallybook_sql::SqlType::Enum;

    fn decode(value: ValueRef<'_>) -> Result<Self, DecodeError> {
        String::decode(value).map(Self)
    }
}

impl Encode for Mood {
    const SQL_TYPE: tallybook_sql::SqlType = tallybook_sql::SqlType::Enum;

    fn encode(&self) -> Result<Value, String> {
        Ok(Value::Enum(self.0.clone()))
    }
}

#[tokio::test]
async fn an_enum_type_that_is_made_after_the_connection_is_written_and_read() {
    let (_database, admin, mut connection) = stage("late_enum").await;
    admin
        .batch_execute(
            "CREATE TYPE mood AS ENUM ('calm', 'bright'); CREATE TABLE moods (id bigint, mood mood)",
        )
        .await
        .unwrap();
    let mood = Mood("bright".to_owned());
    let insert = execute("INSERT INTO moods VALUES ($1, $2)", params![1, mood]);
    let select = one::<(Mood, String)>("SELECT mood, mood::text FROM moods", params![]);
    let (_, answer) = write(&mut connection, (insert, select)).await.unwrap();
    assert_eq!(answer, (mood.clone(), "bright".to_owned()));
    let wrong = execute("INSERT INTO moods VALUES ($1, $2)", params![2, Mood("gloomy".to_owned())]);
    let error = write(&mut connection, wrong).await.unwrap_err();
    assert_eq!(error.code(), Some("22P02"), "{error:?}");
    recovers(&mut connection).await;
    // Many rows of it, of which the type is met in the result.
    admin
        .batch_execute("INSERT INTO moods SELECT n, 'calm' FROM generate_series(2, 3000) AS n")
        .await
        .unwrap();
    let moods =
        run(&mut connection, all::<(Mood,)>("SELECT mood FROM moods ORDER BY id", params![])).await.unwrap();
    assert_eq!((moods.len(), &moods[0].0, &moods[2999 - 1].0), (3_000, &mood, &Mood("calm".to_owned())));
}

#[tokio::test]
async fn an_enum_type_that_is_made_after_the_connection_is_loaded() {
    let (_database, admin, mut connection) = stage("late_enum_load").await;
    admin
        .batch_execute(
            "CREATE TYPE mood AS ENUM ('calm', 'bright'); CREATE TABLE moods (id bigint, mood mood)",
        )
        .await
        .unwrap();
    begin(&mut connection, ()).await.unwrap();
    let mut load = connection.load("moods", &["id", "mood"]).await.unwrap();
    load.write(&[Value::Int(1), Value::Enum("calm".into())]).await.unwrap();
    load.finish().await.unwrap();
    connection.commit().await.unwrap();
    assert_eq!(ask(&admin, "SELECT mood FROM moods").await, "calm");
}

/// What a struct could not take is an error that names the column, for the first row and for none.
#[tokio::test]
async fn types_that_nobody_knows_are_a_clear_error_and_the_connection_goes_on() {
    let (_database, admin, mut connection) = stage("unknown_types").await;
    admin
        .batch_execute(
            "CREATE TYPE pair AS (a integer, b text); CREATE DOMAIN label AS text CHECK (value <> '');
             CREATE TYPE mood AS ENUM ('calm')",
        )
        .await
        .unwrap();
    for value in [
        "ROW(1, 'x')::pair",
        "int4range(1, 5)",
        "ARRAY[ROW(1, 'x')::pair]",
        "point(1, 2)",
        "'127.0.0.1'::inet",
        "interval '1 day'",
        "'<a/>'::xml",
        "to_tsvector('simple', 'a text')",
        "B'101'::bit(3)",
        "'{[1,5)}'::int4multirange",
        "pg_snapshot '10:20:10,14'",
    ] {
        for rows in [0, 1, 5] {
            let sql = format!("SELECT {value} AS odd FROM generate_series(1, {rows})");
            for _ in 0..2 {
                let answer = run(&mut connection, all::<(i64,)>(sql.clone(), params![])).await;
                match answer {
                    Err(error) => {
                        assert!(error.is_decode() && error.to_string().contains("odd"), "{value}: {error:?}")
                    }
                    Ok(found) => assert!(rows == 0 && found.is_empty(), "{value}: {found:?}"),
                }
                goes_on(&mut connection).await;
            }
        }
    }
}

#[tokio::test]
async fn a_domain_is_read_as_the_type_below_it() {
    let (_database, admin, mut connection) = stage("domains").await;
    admin
        .batch_execute("CREATE DOMAIN label AS text; CREATE DOMAIN small AS bigint CHECK (value < 10)")
        .await
        .unwrap();
    let query = one::<(String, i64)>("SELECT 'x'::label, 5::small", params![]);
    assert_eq!(run(&mut connection, query).await.unwrap(), ("x".to_owned(), 5));
    let error = run(&mut connection, one::<(i64,)>("SELECT $1::small", params![50])).await.unwrap_err();
    assert_eq!(error.code(), Some("23514"), "{error:?}");
    goes_on(&mut connection).await;
}

#[tokio::test]
async fn a_parameter_of_a_type_that_nobody_knows_is_a_clear_error() {
    let (_database, admin, mut connection) = stage("unknown_parameter").await;
    admin
        .batch_execute("CREATE TYPE pair AS (a integer, b text); CREATE TABLE pairs (pair pair)")
        .await
        .unwrap();
    let error =
        write(&mut connection, execute("INSERT INTO pairs VALUES ($1)", params!["(1,x)"])).await.unwrap_err();
    assert_eq!(error.code(), Some("42804"), "{error:?}");
    recovers(&mut connection).await;
}

/// A session may wait for a lock as long as it likes; another one ends it.
#[tokio::test]
async fn a_statement_that_waits_for_a_lock_can_be_dropped() {
    let (database, admin, mut connection) = stage("locked").await;
    let holder = peer(database.url()).await;
    holder.batch_execute("BEGIN; LOCK TABLE notes").await.unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    tokio::select! {
        outcome = notes(&mut connection) => panic!("it did not wait: {outcome:?}"),
        () = eventually("it waits", async || ask(&admin, waiting).await == "1") => {}
    }
    within("cleaning", connection.clean(false)).await.unwrap();
    assert!(connection.was_cancelled() && connection.is_closed(), "a cancel request may still arrive");
    eventually("it waits no longer", async || ask(&admin, waiting).await == "0").await;
    holder.batch_execute("ROLLBACK").await.unwrap();
}

/// Guards against a client that asks again and again for what it cannot have.
#[tokio::test]
async fn three_hundred_texts_and_their_errors_do_not_fill_a_server() {
    let (_database, admin, mut connection) = stage("many_texts").await;
    for number in 0..300 {
        let answer = run(&mut connection, one::<(i64,)>(format!("SELECT {number} + $1"), params![1])).await;
        assert_eq!(answer.unwrap(), (number + 1,));
        let error = run(&mut connection, one::<(i64,)>(format!("SELECT {number} / $1"), params![0])).await;
        assert_eq!(error.unwrap_err().code(), Some("22012"));
    }
    let pid = pid(&mut connection).await;
    let prepared = one::<(i64,)>("SELECT count(*) FROM pg_prepared_statements", params![]);
    let (count,) = run(&mut connection, prepared).await.unwrap();
    assert!(count <= 260, "{count} statements are prepared");
    assert_eq!(ask(&admin, &format!("SELECT state FROM pg_stat_activity WHERE pid = {pid}")).await, "idle");
    tokio::time::timeout(Duration::from_secs(60), connection.ping()).await.unwrap().unwrap();
}
