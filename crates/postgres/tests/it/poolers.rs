//! Behind the real PgBouncer: what works works, and what can't is a clear error.
//!
//! The facade's own tests (`crates/tallybook/tests/it/pooler.rs`) have sessions and migrations; here are the protocol's
//! corners, in each of PgBouncer's modes.

use tallybook_postgres::Connection;
use tallybook_sql::value::Value;
use tallybook_sql::{all, execute, one, params};
use tallybook_testkit::{Database, PgBouncer};
use tokio::task::block_in_place;

use crate::support::{
    ask, begin, connect, goes_on, peer, polled, read, recovers, refused, run, try_connect, with_note, within,
    write,
};

/// What a client makes of a pooler.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    Works,
    /// Refused, with the lines of pgbouncer.ini that would help.
    Refused,
}

/// PgBouncer's own modes, and what is expected of them.
const SESSION: (&str, Expected) = ("pool_mode = session", Expected::Works);
const TRANSACTION: (&str, Expected) = ("pool_mode = transaction", Expected::Works);
const STATEMENT: (&str, Expected) = ("pool_mode = statement", Expected::Refused);

/// Settings beside the mode.
const OTHERS: [&str; 5] = [
    "",
    "ignore_startup_parameters = options",
    "ignore_startup_parameters = options,extra_float_digits\nserver_reset_query =",
    "server_reset_query = DISCARD ALL\nserver_reset_query_always = 1\nignore_startup_parameters = options",
    "max_client_conn = 20\ndefault_pool_size = 3\nignore_startup_parameters = options",
];

async fn behind(name: &str, settings: &str) -> (Database, PgBouncer) {
    let (database, _) = with_note(name).await;
    let pooler = block_in_place(|| PgBouncer::start(database.url(), settings));
    (database, pooler)
}

/// All that a connection is for.
async fn everything_works(connection: &mut Connection, admin: &tokio_postgres::Client) {
    for _ in 0..3 {
        goes_on(connection).await;
    }
    let error =
        run(connection, execute("INSERT INTO notes VALUES (9, 'nine')", params![])).await.unwrap_err();
    assert!(error.is_read_only(), "{error:?}");
    within("cleaning", connection.clean()).await.unwrap();
    let zone = one::<(String,)>("SELECT current_setting('timezone')", params![]);
    assert_eq!(run(connection, zone).await.unwrap().0, "UTC");

    begin(connection, execute("INSERT INTO notes VALUES ($1, $2)", params![2, "two"])).await.unwrap();
    let mut load = connection.load("notes", &["id", "title"]).await.unwrap();
    load.write(&[Value::Int(3), Value::Text("three".into())]).await.unwrap();
    assert_eq!(load.finish().await.unwrap().rows, 1);
    connection.commit().await.unwrap();
    begin(connection, execute("DELETE FROM notes", params![])).await.unwrap();
    connection.roll_back().await.unwrap();
    assert_eq!(ask(admin, "SELECT string_agg(title, ' ' ORDER BY id) FROM notes").await, "one two three");

    let fails = (one::<(i64,)>("SELECT $1", params![1]), one::<(i64,)>("SELECT $1 / 0", params![1]));
    assert_eq!(read(connection, fails).await.unwrap_err().code(), Some("22012"));
    recovers(connection).await;
    write(connection, execute("DELETE FROM notes WHERE id > 1", params![])).await.unwrap();

    // A statement that is given up.
    assert!(
        polled(1, run(connection, one::<(i32,)>("SELECT 1 FROM pg_sleep(0.01)", params![]))).await.is_none()
    );
    recovers(connection).await;
    connection.ping().await.unwrap();
    connection.observe().await.unwrap();
}

/// Two connections at once, one after the other on the same connection of the server, and again.
async fn as_expected((mode, expected): (&str, Expected), name: &str) {
    for others in OTHERS {
        let settings = format!("{mode}\n{others}");
        let (database, pooler) = behind(name, &settings).await;
        let (url, admin) = (pooler.url(database.url()), peer(database.url()).await);
        match expected {
            Expected::Works => {
                let (mut first, mut second) = (connect(&url).await, connect(&url).await);
                assert!(first.is_pooled() && second.is_pooled(), "{settings}");
                everything_works(&mut first, &admin).await;
                everything_works(&mut second, &admin).await;
                drop(first);
                let mut third = connect(&url).await;
                everything_works(&mut third, &admin).await;
                everything_works(&mut second, &admin).await;
            }
            Expected::Refused => {
                let error = refused(&url).await;
                assert!(error.is_connect() && !error.is_retryable(), "{error:?}");
                let text = error.to_string();
                assert!(
                    text.contains("set `pool_mode = session` or `transaction`")
                        && text.contains("pgbouncer.ini"),
                    "{text}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_mode() {
    as_expected(SESSION, "pooler_session").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transaction_mode() {
    as_expected(TRANSACTION, "pooler_transaction").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statement_mode() {
    as_expected(STATEMENT, "pooler_statement").await;
}

/// The next session gets the connection of the server that the last one had.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_and_settings_of_an_earlier_session_are_not_met() {
    for reset in ["server_reset_query =", "server_reset_query = DISCARD ALL"] {
        let settings = format!("default_pool_size = 1\nignore_startup_parameters = options\n{reset}");
        let (database, pooler) = behind("pooler_reused", &settings).await;
        let url = pooler.url(database.url());
        for round in 0..2 {
            let mut connection = connect(&url).await;
            for _ in 0..2 {
                let query = all::<(i64, String)>("SELECT id, title FROM notes WHERE id = $1", params![1]);
                let rows = run(&mut connection, query).await;
                assert_eq!(rows.unwrap(), [(1, "one".to_owned())], "round {round}, {reset}");
            }
            // The pooler closes a connection that is given up within a statement.
            goes_on(&mut connection).await;
            connection.ping().await.unwrap();
        }
    }
}

/// The connection of the server ends, not that to the pooler.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_ends_behind_the_pooler_is_a_lost_connection() {
    let (database, pooler) = behind("pooler_backend", "ignore_startup_parameters = options").await;
    let (mut connection, admin) = (connect(&pooler.url(database.url())).await, peer(database.url()).await);
    goes_on(&mut connection).await;
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
    // With that of the session that probed the pooler.
    assert_eq!(ask(&admin, kill).await, "2");
    let error = run(&mut connection, one::<(i64,)>("SELECT $1", params![1])).await.unwrap_err();
    assert!(error.is_connection_lost(), "{error:?}");
    let _ = within("cleaning", connection.clean()).await;
    assert!(connection.is_closed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_the_server_does_not_have_is_said_to_be_missing() {
    let (database, pooler) = behind("pooler_missing", "").await;
    let url = pooler.url(database.url());
    let (place, _) = url.rsplit_once('/').unwrap();
    let error = try_connect(&format!("{place}/nobodys_book")).await.err().expect("there is none");
    assert!(error.is_connect() && error.to_string().contains("nobodys_book"), "{error:?}");
}
