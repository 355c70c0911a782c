//! Closing a pool.

use std::time::{Duration, Instant};

use tallybook::{CloseReason, Database, ReadSession, Result, Settings};
use tokio::task::JoinHandle;

use crate::queue::in_queue;
use crate::support::{eventually, open_with};

fn single(settings: &mut Settings) {
    settings.pool.size = 1;
    settings.pool.max_overflow = 0;
}

fn begin_to_close(db: &Database) -> JoinHandle<()> {
    let db = db.clone();
    tokio::spawn(async move { db.close().await })
}

/// A queued caller.
async fn waiter(db: &Database) -> JoinHandle<Result<ReadSession>> {
    let caller = db.clone();
    in_queue(async move { caller.read().await }).await
}

/// Returns whether a new caller is refused at once because the database is closed.
async fn is_refused_as_closed(db: &Database) -> bool {
    let answer = tokio::time::timeout(Duration::from_millis(100), db.read()).await;
    answer.is_ok_and(|outcome| outcome.is_err_and(|error| error.is_closed()))
}

fn assert_nothing_is_open(db: &Database) {
    for pool in db.pools() {
        let totals = pool.totals;
        assert_eq!((pool.idle, totals.closed.total()), (0, totals.created), "{pool:?}");
    }
}

/// A file has a pool of readers and one for its writer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_a_file_waits_once_for_all_its_pools() {
    const LIMIT: Duration = Duration::from_secs(3);
    let db = open_with("sqlite::memory:", |settings| settings.pool.timeout = LIMIT).await;
    let held = (db.read().await.unwrap(), db.begin().await.unwrap());
    let start = Instant::now();
    db.close().await;
    let took = start.elapsed();
    assert!(took >= LIMIT - Duration::from_millis(10) && took < LIMIT * 2, "{took:?}");
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closing_file_refuses_writers_while_a_reader_is_open() {
    let db = open_with("sqlite::memory:", |_| {}).await;
    let held = db.read().await.unwrap();
    let closing = begin_to_close(&db);
    eventually("it hands out no writer", async || db.begin().await.is_err_and(|error| error.is_closed()))
        .await;
    assert!(!closing.is_finished());
    drop(held);
    closing.await.unwrap();
}

tallybook_testkit::both_dialects! {
    async fn a_closing_pool_refuses_new_callers_and_waits_for_connections_in_use(url: &str) {
        let db = open_with(url, |settings| settings.pool.size = 4).await;
        let mut held = db.read().await.unwrap();
        let closing = begin_to_close(&db);
        eventually("it hands out no more", async || is_refused_as_closed(&db).await).await;
        assert!(!closing.is_finished());
        let query = tallybook::one::<(i64,)>("SELECT 1", tallybook::params![]);
        assert_eq!(held.run(query).await.unwrap(), (1,), "connections in use go on");
        drop(held);
        closing.await.unwrap();
        assert_nothing_is_open(&db);
        assert!(db.read().await.expect_err("it is closed").is_closed());
        assert!(db.begin().await.expect_err("it is closed").is_closed());
    }

    async fn who_waits_when_the_pool_is_closed_is_still_served(url: &str) {
        let db = open_with(url, single).await;
        let held = db.read().await.unwrap();
        let waiter = waiter(&db).await;
        let closing = begin_to_close(&db);
        eventually("it hands out no more", async || is_refused_as_closed(&db).await).await;
        drop(held);
        let session = waiter.await.unwrap().unwrap();
        assert!(!closing.is_finished());
        drop(session);
        closing.await.unwrap();
        assert_nothing_is_open(&db);
    }

    async fn closing_waits_no_longer_than_its_limit_and_leaves_nobody_hanging(url: &str) {
        let db = open_with(url, |settings| {
            single(settings);
            settings.pool.timeout = Duration::from_secs(1);
        })
        .await;
        let held = db.read().await.unwrap();
        let waiter = waiter(&db).await;
        let start = Instant::now();
        db.close().await;
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(990) && took < Duration::from_secs(10), "{took:?}");
        let error = waiter.await.unwrap().expect_err("nothing came free");
        assert!(error.is_closed() || error.is_timeout(), "{error}");
        drop(held);
        eventually("it is closed when it comes back", async || {
            let pool = db.pools().pop().unwrap();
            pool.totals.closed.by(CloseReason::PoolClosed) == pool.totals.created
        })
        .await;
        assert_nothing_is_open(&db);
    }
}
