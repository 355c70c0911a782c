//! Reads with a staleness bound, checked by the reader's clock.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::load::Load;
use crate::reads::Read;
use crate::scene::{self, Scene, done, open, sql};
use crate::stats::{Phase, report};

/// Reads with different bounds while replicas lag by `delay` and then stand still: none sees anything older.
async fn no_read_is_older_than_allowed(delay: Duration, time: Duration) {
    let scene = Scene::new().await;
    let mut settings = scene.settings();
    settings.replica.max_staleness = Duration::from_secs(2);
    let db = open(settings).await;
    let load = std::sync::Arc::new(Load::of_writers(&db).await);
    let behind = format!("{}ms", delay.as_millis());
    for replica in &scene.replicas {
        done(|| replica.configure(&[("recovery_min_apply_delay", &behind)]));
    }
    let end = Instant::now() + time;
    let pause = Instant::now() + time / 2;
    let mut tasks = JoinSet::new();
    for (number, age) in [100, 250, 500, 700, 1_000, 1_500].map(Duration::from_millis).into_iter().enumerate()
    {
        let (db, load) = (db.clone(), std::sync::Arc::clone(&load));
        tasks.spawn(async move {
            let (mut reads, mut wrong) = (0_u32, Vec::new());
            while Instant::now() < end {
                wrong.extend(Read::Within(age).run(&db, load.ledger(), number % 4).await.err());
                wrong.extend(Read::Usual.run(&db, load.ledger(), number % 4).await.err());
                reads += 2;
                sleep(Duration::from_millis(2)).await;
            }
            (reads, wrong)
        });
    }
    tokio::time::sleep_until(pause).await;
    for replica in &scene.replicas {
        sql(replica, "SELECT pg_wal_replay_pause()").await;
    }
    load.enter(Phase::During);
    let outcomes = tasks.join_all().await;
    let reads: u32 = outcomes.iter().map(|(reads, _)| reads).sum();
    let wrong: Vec<_> = outcomes.into_iter().flat_map(|(_, wrong)| wrong).collect();
    let served: Vec<_> = db.nodes().iter().map(|node| node.served).collect();
    report(format!(
        "{reads} reads that allow 0.1 to 2 s, replicas behind by {delay:?} and then paused: {} too old; sessions by node \
         (the first is the primary, which also writes): {served:?}",
        wrong.len()
    ));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(served[1..].iter().all(|&served| served > 0), "replicas answer what they may");
    let Some(load) = std::sync::Arc::into_inner(load) else { unreachable!("all tasks have ended") };
    load.stop("writers meanwhile").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_older_than_it_allows() {
    no_read_is_older_than_allowed(Duration::from_millis(300), Duration::from_secs(8)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: some minutes"]
async fn long_no_read_is_older_than_it_allows() {
    tallybook_testkit::takes_at_most(scene::LONG);
    for delay in [0, 100, 600, 1_200] {
        no_read_is_older_than_allowed(Duration::from_millis(delay), Duration::from_secs(60)).await;
    }
}
