//! Replicas that expect another password than the one in their URL.

use tallybook::NodeState;
use tallybook_testkit::Cluster;

use crate::outage::{QUICK, survives};
use crate::scene::{Scene, done, node, open, settings, sql};

const SET: &str = "ALTER ROLE reader PASSWORD";

/// A read role on the first replica, and settings that use it there. Its passwords mean nothing elsewhere.
async fn with_reader(scene: &Scene, password: &str) -> tallybook::Settings {
    sql(&scene.primary, "CREATE ROLE reader LOGIN PASSWORD 'right'; GRANT SELECT ON entry, beat TO reader")
        .await;
    let [first, second] = [0, 1].map(|index| &scene.replicas[index]);
    let reader = format!("postgresql://reader:{password}@127.0.0.1:{}/postgres", first.port());
    settings(&scene.primary.url("postgres"), &[reader, second.url("postgres")])
}

async fn set_password(scene: &Scene, password: &str) {
    sql(&scene.primary, &format!("{SET} '{password}'")).await;
    hang_up(&scene.replicas[0]).await;
}

async fn hang_up(replica: &Cluster) {
    sql(replica, "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE usename = 'reader'")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_when_a_replica_does_not_take_the_password_any_more() {
    let scene = Scene::new().await;
    let db = open(with_reader(&scene, "right").await).await;
    let begin = async || set_password(&scene, "wrong").await;
    let end = async || set_password(&scene, "right").await;
    survives("a replica that refuses the password", &db, &[scene.replicas[0].port()], QUICK, begin, end)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_whose_url_has_a_wrong_password_does_not_stop_the_start() {
    let scene = Scene::new().await;
    let db = tallybook::Database::open(with_reader(&scene, "never").await).await.unwrap();
    let port = scene.replicas[0].port();
    let status = node(&db, port);
    assert_eq!(status.state, NodeState::Down, "{status:?}");
    assert!(status.reason.contains("password") && !status.reason.contains("never"), "{}", status.reason);
    sql(&scene.primary, &format!("{SET} 'never'")).await;
    let begin = async || done(|| scene.replicas[1].kill());
    let end = async || done(|| scene.replicas[1].start_again());
    survives("the other replica was unknown at first", &db, &[port], QUICK, begin, end).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_when_a_replica_takes_no_more_connections() {
    let scene = Scene::new().await;
    let db = open(with_reader(&scene, "right").await).await;
    let limit = async |connections: i32| {
        sql(&scene.primary, &format!("ALTER ROLE reader CONNECTION LIMIT {connections}")).await;
        hang_up(&scene.replicas[0]).await;
    };
    let begin = async || limit(2).await;
    let end = async || limit(-1).await;
    survives("a replica that takes two connections", &db, &[scene.replicas[0].port()], QUICK, begin, end)
        .await;
}
