//! Connections to PostgreSQL that break in use.

use std::time::Duration;

use tallybook::{Error, Execute, all, execute, one, params};
use tallybook_testkit::{Mode, Proxy, postgres};

use crate::support::{at_rest, count_notes, create_notes, open, read, with_notes, write};

fn insert() -> Execute {
    execute("INSERT INTO notes (id, title) VALUES (1, 'one')", params![])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_the_server_ends_is_reported_as_lost() {
    let database = postgres().await.database("a_server_that_ends").await;
    let db = with_notes(database.url()).await;
    let admin = open(database.url()).await;
    let mut session = db.begin().await.unwrap();
    let (pid,) = session.run(one::<(i64,)>("SELECT pg_backend_pid()", params![])).await.unwrap();
    session.run(insert()).await.unwrap();
    let asleep = session.run(one::<(i64,)>("SELECT 1 FROM pg_sleep(60)", params![]));
    let kill = async {
        tokio::time::sleep(Duration::from_millis(100)).await; // it sleeps by then, or has not begun
        read::<(bool,)>(&admin, format!("SELECT pg_terminate_backend({pid})")).await
    };
    let (outcome, _) = tokio::join!(asleep, kill);
    let error = outcome.unwrap_err();
    assert!(error.is_connection_lost() && error.is_retryable(), "{error:?}");
    drop(session);
    at_rest(&db).await;
    assert_eq!(count_notes(&db).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_under_a_statement_leaves_nothing_and_is_replaced() {
    let database = postgres().await.database("a_connection_that_breaks").await;
    let proxy = Proxy::start(database.port()).await;
    let db = open(&proxy.url(database.url())).await;
    create_notes(&db).await;
    let mut session = db.begin().await.unwrap();
    session.run(insert()).await.unwrap();
    proxy.set(Mode::HangUp).await;
    let error = session.run(all::<(i64,)>("SELECT id FROM notes", params![])).await.unwrap_err();
    assert!(error.is_connection_lost() && error.is_retryable() && !error.is_commit_unknown(), "{error:?}");
    assert!(session.commit().await.is_err());
    proxy.set(Mode::Relay).await;
    at_rest(&db).await;
    assert_eq!(count_notes(&db).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_under_commit_leaves_it_open_whether_it_happened() {
    let database = postgres().await.database("a_connection_that_breaks").await;
    let proxy = Proxy::start(database.port()).await;
    let db = open(&proxy.url(database.url())).await;
    create_notes(&db).await;
    let outcome = db
        .write(async |session| {
            session.run(insert()).await?;
            proxy.set(Mode::HangUp).await;
            Ok::<_, Error>(())
        })
        .await;
    let error = outcome.unwrap_err();
    assert!(error.is_commit_unknown() && !error.is_retryable() && !error.is_connection_lost(), "{error:?}");
    proxy.set(Mode::Relay).await;
    at_rest(&db).await;
    assert_eq!(count_notes(&db).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_cannot_be_prepared_again_does_not_roll_back_silently() {
    let database = postgres().await.database("a_statement_that_cannot").await;
    let db = with_notes(database.url()).await;
    // It is missing when the statement is prepared again, which aborts the transaction.
    write(&db, "CREATE FUNCTION once() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN DROP FUNCTION once(); RETURN 1; END'")
        .await;
    let outcome = db
        .write(async |session| {
            session.run(insert()).await?;
            session.run(all::<(i64,)>("SELECT once()", params![])).await
        })
        .await;
    assert_eq!(count_notes(&db).await, i64::from(outcome.is_ok()));
}
