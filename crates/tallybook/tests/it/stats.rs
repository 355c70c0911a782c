//! Statistics of a pool.

use std::time::Duration;

use tallybook::{AcquireStep, CloseReason, Database, PoolStatus};
use tallybook_testkit::{Mode, Proxy, postgres};

use crate::support::{eventually, open_with, read, try_read};

fn readers(db: &Database) -> PoolStatus {
    db.pools().pop().unwrap()
}

tallybook_testkit::both_dialects! {
    async fn every_step_of_a_known_sequence_is_counted(url: &str) {
        // The time includes opening each connection.
        let timeout = Duration::from_secs(5);
        let db = open_with(url, |settings| {
            settings.pool.size = 1;
            settings.pool.max_overflow = 1;
            settings.pool.timeout = timeout;
            settings.pool.pre_ping = false;
            settings.pool.recycle = None;
        })
        .await;
        let before = readers(&db).totals;
        let kept = db.read().await.unwrap();
        let over = db.read().await.unwrap();
        let status = readers(&db);
        assert_eq!((status.limit, status.in_use, status.idle, status.overflow), (2, 2, 0, 1));
        assert!(db.read().await.expect_err("both are taken").is_timeout());
        drop(kept);
        assert_eq!((readers(&db).in_use, readers(&db).idle, readers(&db).overflow), (1, 1, 1));
        drop(over);
        eventually("one of them lingers and is closed", async || readers(&db).totals.closed.total() == 1).await;
        let status = readers(&db);
        assert_eq!((status.in_use, status.idle, status.overflow, status.waiting), (0, 1, 0, 0));
        let after = status.totals;
        assert_eq!((after.created, after.connect.count), (2, 2));
        assert_eq!((after.closed.total(), after.closed.by(CloseReason::Overflow)), (1, 1));
        assert_eq!(after.wait.count - before.wait.count, 2, "who got none is not in it");
        assert_eq!(after.hold.count - before.hold.count, 2);
        assert!(after.hold.max >= timeout, "both were held that long: {:?}", after.hold);
        assert!(after.connect.max > Duration::ZERO && after.connect.p50 <= after.connect.max);
        let timeouts = (after.timeouts_waiting, after.timeouts_connecting, after.timeouts_pinging);
        assert_eq!((timeouts, after.refused), ((1, 0, 0), 0));
        db.close().await;
        let closed = readers(&db).totals.closed;
        assert_eq!((closed.total(), closed.by(CloseReason::PoolClosed)), (2, 1));
    }

    async fn a_connection_that_grew_old_is_counted_as_recycled(url: &str) {
        let db = open_with(url, |settings| settings.pool.recycle = Some(Duration::from_millis(50))).await;
        read::<(i64,)>(&db, "SELECT 1").await;
        tokio::time::sleep(Duration::from_millis(60)).await; // its age is the point
        read::<(i64,)>(&db, "SELECT 1").await;
        let totals = readers(&db).totals;
        assert!(totals.closed.by(CloseReason::Recycled) >= 1, "{totals:?}");
        assert_eq!(totals.closed.by(CloseReason::Recycled), totals.closed.total());
        assert_eq!(totals.created - totals.closed.total(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_out_is_counted_for_the_step_it_ended() {
    let database = postgres().await.database("a_time_out_is_counted").await;
    let proxy = Proxy::start(database.port()).await;
    let db = open_with(&proxy.url(database.url()), |settings| {
        settings.pool.size = 2;
        settings.pool.timeout = Duration::from_secs(5);
    })
    .await;
    let _held = db.read().await.unwrap();
    proxy.set(Mode::Mute).await;
    let error = db.read().await.expect_err("nobody answers");
    assert_eq!(error.timed_out_step(), Some(AcquireStep::Connecting), "{error}");
    let totals = readers(&db).totals;
    assert_eq!((totals.timeouts_waiting, totals.timeouts_connecting, totals.timeouts_pinging), (0, 1, 0));
    assert_eq!((totals.created, totals.connect.count), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_whose_ping_took_all_the_time_is_closed_and_counted() {
    let database = postgres().await.database("a_connection_whose_ping").await;
    let proxy = Proxy::start(database.port()).await;
    let db = open_with(&proxy.url(database.url()), |settings| settings.pool.timeout = Duration::from_secs(2))
        .await;
    proxy.set(Mode::Silent).await;
    tokio::time::sleep(Duration::from_millis(600)).await; // idle for longer than is not pinged
    let error = try_read::<(i64,)>(&db, "SELECT 1").await.unwrap_err();
    assert_eq!(error.timed_out_step(), Some(AcquireStep::Pinging), "{error}");
    let status = readers(&db);
    assert_eq!((status.idle, status.totals.timeouts_pinging), (0, 1));
    assert_eq!((status.totals.closed.by(CloseReason::PingFailed), status.totals.closed.total()), (1, 1));
}
