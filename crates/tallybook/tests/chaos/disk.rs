//! A replica whose disk has no room for its log.

use std::time::Duration;

use tallybook::NodeState;

use crate::outage::{QUICK, survives};
use crate::scene::{Scene, done, eventually, node, open, sql};

/// More log files than a replica keeps in reserve.
const FILES: u32 = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_or_is_too_old_when_the_disk_under_the_log_of_a_replica_is_full() {
    let scene = Scene::with_log_disk().await;
    let mut settings = scene.settings();
    settings.replica.max_staleness = Duration::from_secs(1);
    let db = open(settings).await;
    let replica = &scene.replicas[0];
    let begin = async || {
        done(|| replica.fill_log_disk());
        for _ in 0..FILES {
            sql(&scene.primary, "INSERT INTO entry SELECT -1 - count(*), 0 FROM entry WHERE id < 0").await;
            sql(&scene.primary, "SELECT pg_switch_wal()").await;
        }
        eventually("the disk is full", async || replica.log().contains("No space left on device")).await;
        eventually("it is seen to lag", async || node(&db, replica.port()).state == NodeState::Lagging).await;
    };
    let end = async || done(|| replica.clear_log_disk());
    survives("a full disk under the log of a replica", &db, &[replica.port()], QUICK, begin, end).await;
}
