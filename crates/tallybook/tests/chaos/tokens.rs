//! Reads after a write while replicas replay nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tallybook::{Database, one, params};
use tokio::task::JoinSet;

use crate::load::insert;
use crate::scene::{self, Scene, node, open, sql};
use crate::stats::report;

const TASKS: usize = 4;
static IDS: AtomicUsize = AtomicUsize::new(1);

/// Writes and reads the result, and returns how many reads missed it.
async fn pairs(db: &Database, pairs: usize) -> usize {
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let db = db.clone();
        tasks.spawn(async move {
            let mut stale = 0;
            for _ in 0..pairs / TASKS {
                let id = i64::try_from(IDS.fetch_add(1, Ordering::Relaxed)).unwrap();
                let token = insert(&db, task, id, id).await.unwrap();
                let query = one::<(i64,)>("SELECT count(*) FROM entry WHERE id = $1", params![id]);
                let (seen,) = db.read_after(&token).await.unwrap().run(query).await.unwrap();
                stale += usize::from(seen == 0);
            }
            stale
        });
    }
    tasks.join_all().await.iter().sum()
}

/// Runs the same number of pairs with no, one and both replicas paused.
async fn no_pair_is_stale(count: usize) {
    let scene = Scene::new().await;
    let db = open(scene.settings()).await;
    for paused in 0..=2 {
        for replica in &scene.replicas[..paused] {
            sql(replica, "SELECT pg_wal_replay_pause()").await;
        }
        let served = |port| node(&db, port).served;
        let before = scene.replicas.iter().map(|replica| served(replica.port())).sum::<u64>();
        let start = Instant::now();
        let stale = pairs(&db, count).await;
        let time = start.elapsed();
        let by_replicas = scene.replicas.iter().map(|replica| served(replica.port())).sum::<u64>() - before;
        report(format!(
            "{count} pairs of a write and a read after it, {paused} of 2 replicas paused: {stale} stale; {:.2} ms a pair, \
             {by_replicas} reads sent to replicas",
            time.as_secs_f64() * 1e3 * TASKS as f64 / count as f64
        ));
        assert_eq!(stale, 0, "with {paused} replicas paused");
    }
    for replica in &scene.replicas {
        sql(replica, "SELECT pg_wal_replay_resume()").await;
    }
    assert_eq!(pairs(&db, TASKS * 10).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_after_a_write_sees_it_whichever_replicas_are_paused() {
    no_pair_is_stale(2_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: some minutes"]
async fn long_a_read_after_a_write_sees_it_whichever_replicas_are_paused() {
    tallybook_testkit::takes_at_most(scene::LONG);
    no_pair_is_stale(100_000).await;
}
