//! A lost connection makes its contemporaries suspect.

use futures_util::future::join_all;
use tallybook::{CloseReason, Database, PoolStatus, Settings};
use tallybook_testkit::{Mode, Proxy, postgres};

use crate::support::{at_rest, open, open_with, read, try_read};

const KEPT: usize = 4;

/// No connection is pinged without a reason.
fn trusting(settings: &mut Settings) {
    settings.pool.size = KEPT;
    settings.pool.max_overflow = 0;
    settings.pool.pre_ping = false;
}

/// Opens as many idle connections as the pool keeps.
async fn fill(db: &Database) {
    let mut sessions = Vec::new();
    for _ in 0..KEPT {
        sessions.push(db.read().await.unwrap());
    }
    drop(sessions);
    assert_eq!(status(db).idle, KEPT);
}

fn status(db: &Database) -> PoolStatus {
    db.pools().remove(0)
}

async fn answers(db: &Database) -> bool {
    try_read::<(i64,)>(db, "SELECT 1::bigint").await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_connections_end_one_read_fails_at_most() {
    let database = postgres().await.database("when_all_connections").await;
    let (db, admin) = (open_with(database.url(), trusting).await, open(database.url()).await);
    for round in 1..=3 {
        fill(&db).await;
        let kill = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
                    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        assert_eq!(read::<(bool,)>(&admin, kill).await, [(true,); KEPT]);
        let first = answers(&db).await;
        for _ in 0..10 {
            assert!(answers(&db).await, "the first answered: {first}");
        }
        let closed = status(&db).totals.closed;
        let (lost, silent) = (closed.by(CloseReason::Lost), closed.by(CloseReason::PingFailed));
        assert_eq!((lost + silent, closed.total()), (round * KEPT as u64, round * KEPT as u64), "{closed:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_one_was_lost_the_others_are_checked_though_pings_are_off() {
    let database = postgres().await.database("after_one_was_lost").await;
    let proxy = Proxy::start(database.port()).await;
    let db = open_with(&proxy.url(database.url()), trusting).await;
    fill(&db).await;
    proxy.set(Mode::HangUp).await;
    let error = try_read::<(i64,)>(&db, "SELECT 1::bigint").await.unwrap_err();
    assert!(error.is_connection_lost() && error.is_retryable(), "{error:?}");
    // Every connection that is pinged hangs up: none of the others is used, and no new one can be made.
    let error = try_read::<(i64,)>(&db, "SELECT 1::bigint").await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    let closed = status(&db).totals.closed;
    assert_eq!((closed.by(CloseReason::Lost), closed.by(CloseReason::PingFailed)), (1, 3), "{closed:?}");
    proxy.set(Mode::Relay).await;
    assert!(answers(&db).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_inside_of_a_transaction_is_one_too() {
    let database = postgres().await.database("a_loss_inside").await;
    let proxy = Proxy::start(database.port()).await;
    let db = open_with(&proxy.url(database.url()), trusting).await;
    fill(&db).await;
    let mut session = db.begin().await.unwrap();
    let query = || tallybook::one::<(i64,)>("SELECT 1::bigint", tallybook::params![]);
    session.run(query()).await.unwrap();
    proxy.set(Mode::HangUp).await;
    assert!(session.run(query()).await.unwrap_err().is_connection_lost());
    drop(session);
    at_rest(&db).await;
    assert_eq!(status(&db).totals.closed.by(CloseReason::Lost), 1);
    assert!(try_read::<(i64,)>(&db, "SELECT 1::bigint").await.unwrap_err().is_connect());
    assert_eq!(status(&db).totals.closed.by(CloseReason::PingFailed), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_survivor_that_answers_is_kept_and_checked_once() {
    let database = postgres().await.database("a_survivor").await;
    // On a busy machine sessions last so long that the server is probed on a connection of its own, whose round trips count.
    loop {
        let proxy = Proxy::counting_turns(database.port()).await;
        let db = open_with(&proxy.url(database.url()), trusting).await;
        drop(join_all((0..KEPT).map(|_| db.read())).await);
        proxy.set(Mode::HangUp).await;
        assert!(!answers(&db).await);
        proxy.set(Mode::Relay).await;
        let _ = proxy.turns();
        assert!(answers(&db).await);
        let checked = proxy.turns();
        assert!(answers(&db).await);
        let alone = proxy.turns();
        let status = status(&db);
        let kept = (status.idle, status.totals.created, status.totals.closed.total());
        if proxy.counts().connections == KEPT as u64 {
            assert_eq!(kept, (3, 4, 1));
            assert_eq!(checked, 2, "a ping and the read");
            assert_eq!(alone, 1, "the read alone");
            return;
        }
    }
}
