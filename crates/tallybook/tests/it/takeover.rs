//! Work that must not move to another server, and what a failure says about the server it happened on. Nobody
//! listens at the other server; that it exists in the settings is enough.

use std::time::Duration;

use tallybook::{Database, Execute, NodeState, Settings, execute, one, params};
use tallybook_testkit::{Mode, Proxy, postgres};

use crate::support::{at_rest, count_notes, create_notes, eventually, open, read};

const NOWHERE: &str = "127.0.0.1:1";

fn insert(id: i64) -> Execute {
    execute("INSERT INTO notes (id, title) VALUES ($1, $2)", params![id, format!("note {id}")])
}

/// Returns a database on the server at `port`, and on another one if that is the primary.
fn with_another(url: &str, port: u16) -> Settings {
    let server = format!("127.0.0.1:{port}");
    Settings::new(&url.replace(&server, &format!("{server},{NOWHERE}"))).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_batch_of_a_transaction_never_runs_alone_on_another_connection() {
    let database = postgres().await.database("a_later_batch").await;
    let db = Database::open(with_another(database.url(), database.port())).await.unwrap();
    let admin = open(database.url()).await;
    create_notes(&db).await;
    let mut session = db.begin().await.unwrap();
    let (pid,) = session.run(one::<(i64,)>("SELECT pg_backend_pid()::bigint", params![])).await.unwrap();
    session.run(insert(1)).await.unwrap();
    read::<(bool,)>(&admin, format!("SELECT pg_terminate_backend({pid}, 60000)")).await;
    let error = session.run(insert(2)).await.unwrap_err();
    assert!(error.is_connection_lost() && error.is_retryable(), "{error:?}");
    assert!(session.run(insert(3)).await.unwrap_err().is_transaction_failed());
    assert!(session.commit().await.unwrap_err().is_transaction_failed());
    at_rest(&db).await;
    assert_eq!(count_notes(&admin).await, 0, "nothing, or all of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_of_which_nobody_knows_has_its_server_asked_at_once() {
    let database = postgres().await.database("a_commit_of_which").await;
    let proxy = Proxy::start(database.port()).await;
    let mut settings = with_another(&proxy.url(database.url()), proxy.port());
    // Nothing else triggers a probe.
    settings.replica.check_interval = Duration::from_secs(3600);
    let db = Database::open(settings).await.unwrap();
    create_notes(&db).await;
    assert_eq!(db.nodes()[0].state, NodeState::Up);
    let mut session = db.begin().await.unwrap();
    session.run(insert(1)).await.unwrap();
    proxy.set(Mode::HangUp).await;
    assert!(session.commit().await.unwrap_err().is_commit_unknown());
    assert_ne!(db.nodes()[0].state, NodeState::Up);
    eventually("it is found to be down", async || db.nodes()[0].state == NodeState::Down).await;
}
