//! A caller waits for a connection until one deadline, however many steps the wait has.

use std::time::{Duration, Instant};

use tallybook::{AcquireStep, NodeState};
use tallybook_testkit::Mode;

use crate::queue::in_queue;
use crate::routing::{Family, all_up, from, node};
use crate::support::eventually;

const TIMEOUT: Duration = Duration::from_secs(4);

/// A read without a fit replica waits for a permit of the fallback budget, and then for a connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_waits_for_the_budget_and_for_a_connection_share_one_deadline() {
    let family = Family::with_replicas(1);
    let [primary, replica] = [&family.primary, &family.replicas[0]].map(|server| server.url("postgres"));
    let mut settings = from(&primary, &replica);
    (settings.pool.size, settings.pool.max_overflow, settings.pool.timeout) = (2, 0, TIMEOUT);
    settings.replica.fallback = 1;
    let db = tallybook::Database::open(settings).await.unwrap();
    all_up(&db).await;
    tokio::task::block_in_place(|| family.replicas[0].kill()).unwrap();
    eventually("it is down", async || node(&db, &family.replicas[0]).state == NodeState::Down).await;

    let (spilled, held) = (db.read().await.unwrap(), db.begin().await.unwrap());
    let start = Instant::now();
    let (writer, reader) = (db.clone(), db.clone());
    let waits_for_budget = in_queue(async move { reader.read().await.map(drop) }).await;
    let takes_the_connection = in_queue(async move { writer.begin().await }).await;
    tokio::time::sleep(TIMEOUT * 3 / 4).await;
    drop(spilled);
    let taken = takes_the_connection.await.unwrap().unwrap();
    let error = waits_for_budget.await.unwrap().unwrap_err();
    let took = start.elapsed();
    assert_eq!(error.timed_out_step(), Some(AcquireStep::Waiting), "{error}");
    assert!(error.to_string().starts_with("timed out after 4.0 s"), "{error}");
    assert!(took >= TIMEOUT - Duration::from_millis(10) && took < TIMEOUT * 3 / 2, "{took:?}");
    drop((held, taken));
}

/// A replica that accepts connections and never answers must leave time for the primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_does_not_answer_leaves_time_for_the_primary() {
    let family = Family::with_replicas(1);
    let proxy = tallybook_testkit::Proxy::start(family.replicas[0].port()).await;
    let replica = proxy.url(&family.replicas[0].url("postgres"));
    let mut settings = from(&family.primary.url("postgres"), &replica);
    settings.pool.timeout = Duration::from_secs(1);
    let db = tallybook::Database::open(settings).await.unwrap();
    all_up(&db).await;
    proxy.set(Mode::Mute).await;
    // Before and after the replica is marked down.
    for _ in 0..5 {
        db.read().await.unwrap();
    }
}
