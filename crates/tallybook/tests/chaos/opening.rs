//! A program that starts while everything is busy.

use std::time::Instant;

use tallybook::{Database, one, params};

use crate::load::Load;
use crate::scene::{Scene, done, open};
use crate::stats::report;

const CROWD: usize = 200;

/// Opens the database several times, with replicas `behind` the primary, and reads from many tasks at once
/// each time.
async fn crowd_is_served(behind: &str) {
    let scene = Scene::new().await;
    for replica in &scene.replicas {
        done(|| replica.configure(&[("recovery_min_apply_delay", behind)]));
    }
    let busy = open(scene.settings()).await;
    let load = Load::of_writers(&busy).await;
    for round in 1..=3 {
        let db = Database::open(scene.settings()).await.unwrap();
        let start = Instant::now();
        let crowd: Vec<_> = (0..CROWD)
            .map(|_| {
                let db = db.clone();
                let query = one::<(i64,)>("SELECT count(*) FROM beat", params![]);
                tokio::spawn(async move { db.read().await?.run(query).await })
            })
            .collect();
        let mut failures = Vec::new();
        for read in crowd {
            failures.extend(read.await.unwrap().err());
        }
        let served: Vec<_> = db.nodes().iter().map(|node| node.served).collect();
        report(format!(
            "start {round}, replicas {behind} behind: {CROWD} reads at once in {:?}, {} failed; sessions by node: {served:?}",
            start.elapsed(),
            failures.len()
        ));
        assert!(failures.is_empty(), "{} of {CROWD} failed: {:?}", failures.len(), failures[0]);
    }
    load.stop("writers meanwhile").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_reads_right_after_the_start_is_served_though_the_primary_is_written_to() {
    crowd_is_served("0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_reads_right_after_the_start_is_served_by_replicas_that_are_a_little_behind() {
    crowd_is_served("150ms").await;
}
