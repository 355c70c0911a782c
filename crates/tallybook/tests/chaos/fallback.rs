//! More reads than the primary can take when no replica is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tallybook::{Database, NodeState, one, params};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use crate::load::Load;
use crate::scene::{self, Scene, done, eventually, node, open};
use crate::stats::{Phase, report};

/// Reads that hold a connection for 20 ms without work, and reads that keep a core busy for about as long.
const IDLE: &str = "SELECT 1::bigint FROM pg_sleep(0.02)";
const BUSY: &str = "SELECT count(*) FROM generate_series(1, 150000)";
/// Ten times the rate that the primary's fallback budget of four concurrent reads can serve.
const EACH: Duration = Duration::from_millis(1);
const BATCH: u64 = 2;

#[derive(Default)]
struct Counts {
    answered: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    /// Duration of the slowest refusal, in microseconds.
    slowest: AtomicU64,
}

/// Starts reads at a fixed rate, whether or not earlier ones were answered.
async fn offer(db: Database, sql: &'static str, counts: Arc<Counts>, time: Duration) {
    let (mut ticks, end) = (interval(EACH), Instant::now() + time);
    let mut reads = JoinSet::new();
    while Instant::now() < end {
        ticks.tick().await;
        for _ in 0..BATCH {
            reads.spawn(read(db.clone(), sql, Arc::clone(&counts)));
        }
        while reads.try_join_next().is_some() {}
    }
    reads.join_all().await;
}

async fn read(db: Database, sql: &'static str, counts: Arc<Counts>) {
    let start = Instant::now();
    let read = async || db.read().await?.run(one::<(i64,)>(sql, params![])).await;
    let counter = match read().await {
        Ok(_) => &counts.answered,
        Err(error) if error.is_fallback_refused() => {
            let took = u64::try_from(start.elapsed().as_micros()).unwrap();
            counts.slowest.fetch_max(took, Ordering::Relaxed);
            &counts.refused
        }
        Err(_) => &counts.failed,
    };
    counter.fetch_add(1, Ordering::Relaxed);
}

async fn writers_go_on(sql: &'static str, time: Duration) {
    let scene = Scene::new().await;
    let db = open(scene.settings()).await;
    let load = Load::of_writers(&db).await;
    sleep(time).await;
    load.enter(Phase::Start);
    for replica in &scene.replicas {
        done(|| replica.kill());
    }
    for replica in &scene.replicas {
        let is_down = async || node(&db, replica.port()).state == NodeState::Down;
        eventually("the replica is seen to be gone", is_down).await;
    }
    load.enter(Phase::During);
    let counts = Arc::new(Counts::default());
    offer(db.clone(), sql, Arc::clone(&counts), time).await;
    load.enter(Phase::After);
    let outcome = load.stop("both replicas down, ten times the reads that the primary has room for").await;
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let (answered, refused, failed) =
        (count(&counts.answered), count(&counts.refused), count(&counts.failed));
    report(format!(
        "  {} reads offered (`{sql}`), {answered} answered, {refused} refused (the slowest after {:.2} ms), {failed} \
         failed otherwise; writes kept {:.0} % of their throughput",
        answered + refused + failed,
        count(&counts.slowest) as f64 / 1e3,
        100.0 * outcome.writes.rate(Phase::During) / outcome.writes.rate(Phase::Before),
    ));
    assert_eq!(failed, 0, "reads that failed otherwise");
    assert!(refused > 0 && answered > 0, "{refused} refused, {answered} answered");
    assert!(outcome.writes.failures.is_empty(), "{:?}", outcome.writes.failures);
    assert!(outcome.writes.count(Phase::During) > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_go_on_and_reads_past_the_budget_are_refused_when_no_replica_is_left() {
    writers_go_on(IDLE, Duration::from_secs(3)).await;
    writers_go_on(BUSY, Duration::from_secs(3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: two minutes"]
async fn long_writers_go_on_and_reads_past_the_budget_are_refused() {
    tallybook_testkit::takes_at_most(scene::LONG);
    writers_go_on(IDLE, Duration::from_secs(60)).await;
    writers_go_on(BUSY, Duration::from_secs(60)).await;
}
