//! Replicas that are killed, hang or cannot be reached.

use std::time::Duration;

use tallybook::Database;
use tallybook_testkit::Mode;
use tokio::time::sleep;

use crate::load::Load;
use crate::scene::{self, Scene, done, is_used, open};
use crate::stats::Phase;

/// Minimum length of each phase.
pub(crate) const QUICK: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(60);

/// A fault of replicas under load: no read or write fails, no read is too stale, and the replicas are used
/// again afterwards.
pub(crate) async fn survives(
    title: &str,
    db: &Database,
    ports: &[u16],
    phase: Duration,
    begin: impl AsyncFnOnce(),
    end: impl AsyncFnOnce(),
) {
    let load = Load::start(db).await;
    sleep(phase).await;
    load.enter(Phase::During);
    begin().await;
    sleep(2 * phase).await;
    end().await;
    load.enter(Phase::After);
    for &port in ports {
        is_used(db, port).await;
    }
    sleep(phase).await;
    load.stop(title).await.assert_all();
}

async fn replica_is_killed(phase: Duration) {
    let scene = Scene::new().await;
    let db = open(scene.settings()).await;
    let replica = &scene.replicas[0];
    let begin = async || done(|| replica.kill());
    let end = async || done(|| replica.start_again());
    survives("kill -9 of a replica", &db, &[replica.port()], phase, begin, end).await;
}

async fn replica_hangs(phase: Duration) {
    let scene = Scene::new().await;
    let db = open(scene.settings()).await;
    let replica = &scene.replicas[0];
    let begin = async || done(|| replica.hang());
    let end = async || done(|| replica.resume());
    survives("SIGSTOP of a replica", &db, &[replica.port()], phase, begin, end).await;
}

async fn all_replicas_are_gone(phase: Duration) {
    let scene = Scene::new().await;
    let db = open(scene.settings()).await;
    let ports: Vec<_> = scene.replicas.iter().map(|replica| replica.port()).collect();
    let begin = async || scene.replicas.iter().for_each(|replica| done(|| replica.kill()));
    let end = async || scene.replicas.iter().for_each(|replica| done(|| replica.start_again()));
    survives("all replicas gone", &db, &ports, phase, begin, end).await;
}

/// The behaviour of a proxy in front of one replica.
async fn replica_behind(title: &str, mode: Mode, phase: Duration) {
    let scene = Scene::new().await;
    let (proxies, settings) = scene.proxies().await;
    let db = open(settings).await;
    let begin = async || proxies[0].set(mode).await;
    let end = async || proxies[0].set(Mode::Relay).await;
    survives(title, &db, &[proxies[0].port()], phase, begin, end).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_when_a_replica_is_killed() {
    replica_is_killed(QUICK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_when_a_replica_hangs() {
    replica_hangs(QUICK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_when_all_replicas_are_gone() {
    all_replicas_are_gone(QUICK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_when_a_replica_is_in_a_black_hole() {
    replica_behind("a replica in a black hole", Mode::Silent, QUICK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_when_a_replica_resets_all_connections() {
    replica_behind("all connections to a replica reset", Mode::Reset, QUICK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_when_a_replica_refuses_connections() {
    let scene = Scene::new().await;
    let (proxies, settings) = scene.proxies().await;
    let db = open(settings).await;
    let begin = async || {
        proxies[0].set(Mode::Reset).await;
        proxies[0].set(Mode::Refuse).await;
    };
    let end = async || proxies[0].set(Mode::Relay).await;
    survives("a replica that refuses connections", &db, &[proxies[0].port()], QUICK, begin, end).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_when_connections_to_a_replica_are_half_open() {
    replica_behind("connections to a replica half open", Mode::HalfOpen, QUICK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_when_a_replica_becomes_slow_to_reach() {
    replica_behind("a replica 100 ms away", Mode::Delay(Duration::from_millis(100)), QUICK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: a quarter of an hour"]
async fn long_outages_of_replicas_fail_no_read() {
    tallybook_testkit::takes_at_most(scene::LONG);
    replica_is_killed(LONG).await;
    replica_hangs(LONG).await;
    replica_behind("a replica in a black hole", Mode::Silent, LONG).await;
    all_replicas_are_gone(LONG).await;
}
