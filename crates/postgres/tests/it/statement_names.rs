//! Statements prepared under names, through the real PgBouncer.
//!
//! In transaction mode PgBouncer keeps names from version 1.21. The tests that need it are ignored: put it first in the
//! `PATH`, and run them with `--ignored statement_names`.

use tallybook_postgres::Connection;
use tallybook_sql::{Result, all, one, params};
use tallybook_testkit::{Database, PgBouncer};
use tokio::task::block_in_place;

use crate::support::{ask, connect, peer, read, with_note};

const TITLE: &str = "SELECT title FROM notes WHERE id = $1";
const NAMES: &str = "SELECT coalesce(string_agg(name, ' '), '') FROM pg_prepared_statements WHERE statement LIKE 'SELECT title FROM%'";
const TRANSACTION: &str = "pool_mode = transaction\nmax_prepared_statements = 100";

async fn behind(name: &str, settings: &str) -> (Database, PgBouncer, String) {
    let (database, _) = with_note(name).await;
    let pooler = block_in_place(|| PgBouncer::start(database.url(), settings));
    let url = pooler.url(database.url());
    (database, pooler, url)
}

async fn try_title(connection: &mut Connection) -> Result<String> {
    read(connection, one::<(String,)>(TITLE, params![1])).await.map(|(title,)| title)
}

async fn title(connection: &mut Connection) -> String {
    try_title(connection).await.unwrap_or_else(|error| panic!("{error:?}"))
}

/// Returns the names of the statement on the connection of the server.
async fn names(connection: &mut Connection) -> String {
    read(connection, one::<(String,)>(NAMES, params![])).await.unwrap().0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_prepares_each_statement_once() {
    let (_database, _pooler, url) = behind("names_session", "").await;
    let mut connection = connect(&url).await;
    for _ in 0..3 {
        assert_eq!(title(&mut connection).await, "one");
    }
    let names = names(&mut connection).await;
    assert!(names.starts_with("tallybook_") && !names.contains(' '), "{names}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_sessions_leave_their_statements_to_the_next_ones_none_is_added() {
    let (_database, _pooler, url) = behind("names_left", "default_pool_size = 1\nserver_reset_query =").await;
    let mut first = connect(&url).await;
    title(&mut first).await;
    let left = names(&mut first).await;
    assert!(left.starts_with("tallybook_"), "{left}");
    drop(first);
    let mut second = connect(&url).await;
    for _ in 0..3 {
        assert_eq!(title(&mut second).await, "one");
        assert_eq!(names(&mut second).await, left);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_next_transaction_may_not_find_a_name_none_is_given() {
    let unnamed = if PgBouncer::keeps_names() { "\nmax_prepared_statements = 0" } else { "" };
    let settings = format!("pool_mode = transaction\ndefault_pool_size = 1{unnamed}");
    let (_database, _pooler, url) = behind("names_lost", &settings).await;
    let mut connection = connect(&url).await;
    for _ in 0..3 {
        assert_eq!(title(&mut connection).await, "one");
    }
    // Not even of the question whether names are kept.
    let other = peer(&url).await;
    assert_eq!(ask(&other, "SELECT count(*) FROM pg_prepared_statements").await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PgBouncer 1.21 or later"]
async fn where_the_pooler_keeps_names_every_connection_of_the_server_has_the_statement() {
    let (_database, _pooler, url) = behind("names_kept", TRANSACTION).await;
    let (mut first, mut second) = (connect(&url).await, connect(&url).await);
    let (holder, other) = (peer(&url).await, peer(&url).await);
    for _ in 0..3 {
        for connection in [&mut first, &mut second] {
            assert_eq!(title(connection).await, "one");
            // Takes the connection of the server on which it just ran.
            holder.batch_execute("BEGIN").await.unwrap();
            assert_eq!(title(connection).await, "one");
            other.batch_execute("BEGIN").await.unwrap();
            assert_eq!(title(connection).await, "one");
            for client in [&holder, &other] {
                let names = ask(client, NAMES).await;
                assert!(names.starts_with("PGBOUNCER_") && !names.contains(' '), "{names}");
                client.batch_execute("COMMIT").await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PgBouncer 1.21 or later"]
async fn a_stale_statement_that_the_pooler_keeps_is_met_once() {
    let (database, _pooler, url) = behind("names_stale", TRANSACTION).await;
    let (admin, mut connection) = (peer(database.url()).await, connect(&url).await);
    let star = || all::<(i64, String)>("SELECT * FROM notes", params![]);
    for column in ["more", "most"] {
        for _ in 0..3 {
            read(&mut connection, all::<(i64,)>("SELECT id FROM notes", params![])).await.unwrap();
            let _ = read(&mut connection, star()).await;
        }
        admin.batch_execute(&format!("ALTER TABLE notes ADD COLUMN {column} text")).await.unwrap();
        let failures = [read(&mut connection, star()).await, read(&mut connection, star()).await];
        let [first, second] = failures.map(|outcome| outcome.expect_err("the struct does not fit any more"));
        assert!(first.is_stale_plan() || first.is_decode(), "{column}: {first:?}");
        assert!(second.is_decode(), "{column}: {second:?}");
    }
    assert_eq!(title(&mut connection).await, "one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PgBouncer 1.21 or later"]
async fn a_pooler_that_ceases_to_keep_names_costs_each_connection_one_attempt() {
    let (database, pooler, url) = behind("names_ceased", TRANSACTION).await;
    let mut connections = [connect(&url).await, connect(&url).await];
    for connection in &mut connections {
        assert_eq!(title(connection).await, "one");
    }
    let holders = [peer(&url).await, peer(&url).await];
    block_in_place(|| {
        pooler.change(database.url(), "pool_mode = transaction\nmax_prepared_statements = 0");
    });
    for connection in &mut connections {
        let mut failures = 0;
        for attempt in 0..6 {
            // One takes the connection of the server that was used last, the other returns its own.
            holders[attempt % 2].batch_execute("BEGIN").await.unwrap();
            holders[(attempt + 1) % 2].batch_execute("COMMIT").await.unwrap();
            match try_title(connection).await {
                Ok(title) => assert_eq!(title, "one"),
                Err(error) => {
                    assert!(error.is_stale_plan() && error.is_retryable(), "{error:?}");
                    failures += 1;
                }
            }
        }
        assert_eq!(failures, 1);
    }
}
