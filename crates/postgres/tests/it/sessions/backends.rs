//! Backends and servers that end, and statements that somebody ends.

use tallybook_postgres::Connector;
use tallybook_sql::driver::Role;
use tallybook_sql::{all, execute, one, params};
use tallybook_testkit::Cluster;
use tokio::task::{block_in_place, spawn_blocking};
use tokio_postgres::Client;

use super::notes::{notes, pid, stage};
use crate::server::Server;
use crate::support::{
    ask, begin, connect, eventually, goes_on, peer, read, recovers, run, target, try_connect, within,
};

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
    let _ = within("cleaning", connection.clean()).await;
    assert!(connection.is_closed());
}

/// A pool asks before it lends a connection, and no round trip is made for it.
#[tokio::test]
async fn a_backend_that_is_terminated_while_idle_is_noticed_without_a_request() {
    let server = Server::shared().await;
    let admin = peer(&server.cluster.url("postgres")).await;
    for ssl_mode in ["disable", "require"] {
        let url = server.trusted_at(server.port()).replace("sslmode=disable", &format!("sslmode={ssl_mode}"));
        let mut connection = connect(&url).await;
        assert_eq!(connection.is_encrypted(), ssl_mode == "require");
        let pid = pid(&mut connection).await;
        assert!(!connection.is_closed());
        terminate(&admin, pid).await;
        eventually("it is closed", async || connection.is_closed()).await;
    }
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
    let _ = within("cleaning", connection.clean()).await;
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
    let _ = within("cleaning", connection.clean()).await;
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
        let _ = within("cleaning", connection.clean()).await;
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
    within("cleaning", connection.clean()).await.unwrap();
    assert!(connection.was_cancelled() && connection.is_closed(), "a cancel request may still arrive");
    eventually("it waits no longer", async || ask(&admin, waiting).await == "0").await;
    holder.batch_execute("ROLLBACK").await.unwrap();
}

/// As a watchdog does with a server that hangs.
#[tokio::test]
async fn a_connection_that_is_aborted_fails_its_statement_and_others_can_be_made() {
    let (database, admin, _) = stage("aborted").await;
    let connector = Connector::new(&target(database.url()));
    let mut connection = connector.connect(Role::Read).await.unwrap();
    assert_eq!((connector.open(), connector.backends().len()), (1, 1));
    let pid = pid(&mut connection).await;
    assert_eq!(connector.backends(), [pid]);
    let sleep = run(&mut connection, one::<(i32,)>("SELECT 1 FROM pg_sleep(300)", params![]));
    let abort = async {
        let asleep =
            format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'PgSleep'");
        eventually("it sleeps", async || ask(&admin, &asleep).await == "1").await;
        connector.abort();
    };
    let (outcome, ()) = tokio::join!(sleep, abort);
    let error = outcome.unwrap_err();
    assert!(error.is_connection_lost(), "{error:?}");
    assert!(connection.is_closed());
    eventually("it is counted no more", async || connector.open() == 0).await;
    goes_on(&mut connector.connect(Role::Read).await.unwrap()).await;
    terminate(&admin, pid).await;
}
