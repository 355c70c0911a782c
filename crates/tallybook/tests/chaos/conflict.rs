//! Reads that a replica cancels because of replay, or whose connections it ends.

use tallybook::{Database, ReadSession, one, params};
use tallybook_testkit::Cluster;

use crate::scene::{Scene, done, eventually, node, open, sql};
use crate::stats::report;

/// A read that holds one snapshot while it sleeps.
const LONG_READ: &str = "SELECT sum(number)::bigint, count(*) FROM ledger, pg_sleep(4)";

/// Creates a table on replicas whose replay waits for no read.
async fn scene() -> Scene {
    let scene = Scene::new().await;
    for replica in &scene.replicas {
        let settings = [("max_standby_streaming_delay", "50ms"), ("hot_standby_feedback", "off")];
        done(|| replica.configure(&settings));
    }
    let table = "CREATE TABLE ledger AS SELECT number FROM generate_series(1::bigint, 100) AS number";
    sql(&scene.primary, table).await;
    for replica in &scene.replicas {
        let is_there = async || sql(replica, "SELECT to_regclass('ledger')").await == "ledger";
        eventually("the table is replayed", is_there).await;
    }
    scene
}

/// Deletes rows that a read on a replica still sees.
async fn vacuum(primary: &Cluster) {
    sql(primary, "UPDATE ledger SET number = number").await;
    sql(primary, "VACUUM ledger").await;
}

async fn conflicts(replica: &Cluster) -> u64 {
    let count = sql(replica, "SELECT sum(confl_snapshot) FROM pg_stat_database_conflicts").await;
    count.parse().unwrap()
}

/// Returns the backend process of a session and the port of its server.
async fn place(session: &mut ReadSession) -> (i64, u16) {
    let query = one::<(i64, i64)>("SELECT pg_backend_pid(), inet_server_port()", params![]);
    let (process, port) = session.run(query).await.unwrap();
    (process, u16::try_from(port).unwrap())
}

/// Terminates a backend process on either replica.
async fn terminate(scene: &Scene, (process, port): (i64, u16)) {
    let replica = scene.replicas.iter().find(|replica| replica.port() == port).expect("a replica answers");
    sql(replica, &format!("SELECT pg_terminate_backend({process}, 5000)")).await;
}

fn fallbacks(db: &Database, scene: &Scene) -> u64 {
    scene.replicas.iter().map(|replica| node(db, replica.port()).fallbacks).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_in_conflict_with_replay_is_answered_by_another_node() {
    let scene = scene().await;
    let db = open(scene.settings()).await;
    let reads: Vec<_> = (0..8)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.read().await?.run(one::<(i64, i64)>(LONG_READ, params![])).await })
        })
        .collect();
    let asleep = async || {
        let mut asleep = 0;
        for replica in &scene.replicas {
            let count =
                sql(replica, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").await;
            asleep += count.parse::<usize>().unwrap();
        }
        asleep
    };
    eventually("all of them read", async || asleep().await == reads.len()).await;
    vacuum(&scene.primary).await;
    for read in reads {
        assert_eq!(read.await.unwrap().unwrap(), (5_050, 100));
    }
    for replica in &scene.replicas {
        eventually("the replica counts a conflict", async || conflicts(replica).await > 0).await;
    }
    let moved = fallbacks(&db, &scene);
    report(format!(
        "8 reads of 4 s in conflict with replay on both replicas: {moved} ended and sent elsewhere, 0 failed"
    ));
    assert!(moved >= 8, "{moved} moved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_not_continued_elsewhere_once_it_was_seen() {
    let scene = scene().await;
    let db = open(scene.settings()).await;
    let mut session = db.snapshot().await.unwrap();
    let place = place(&mut session).await;
    let before = fallbacks(&db, &scene);
    terminate(&scene, place).await;
    let query = || one::<(i64,)>("SELECT count(*) FROM entry", params![]);
    let error = session.run(query()).await.unwrap_err();
    assert!(error.is_connection_lost(), "{error:?}");
    assert!(session.run(query()).await.is_err(), "it stays so");
    drop(session);
    assert_eq!(fallbacks(&db, &scene), before, "nothing went elsewhere");
    assert_eq!(db.read().await.unwrap().run(query()).await.unwrap(), (0,));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_in_conflict_with_replay_fails_once_it_was_seen() {
    let scene = scene().await;
    let db = open(scene.settings()).await;
    let mut session = db.snapshot().await.unwrap();
    let query = || one::<(i64,)>("SELECT sum(number)::bigint FROM ledger", params![]);
    assert_eq!(session.run(query()).await.unwrap(), (5_050,));
    let (_, port) = place(&mut session).await;
    let replica = scene.replicas.iter().find(|replica| replica.port() == port).expect("a replica answers");
    vacuum(&scene.primary).await;
    eventually("the replica ends it", async || conflicts(replica).await > 0).await;
    let error = session.run(query()).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_many_snapshots_goes_on_elsewhere() {
    let scene = scene().await;
    let db = open(scene.settings()).await;
    let mut session = db.read().await.unwrap();
    for _ in 0..3 {
        let (process, port) = place(&mut session).await;
        if port != scene.primary.port() {
            terminate(&scene, (process, port)).await;
        }
        let (next, _) = place(&mut session).await;
        assert!(port == scene.primary.port() || next != process);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_batch_of_a_snapshot_goes_elsewhere() {
    let scene = scene().await;
    let db = open(scene.settings()).await;
    // The connection that the session gets died while it was idle.
    let place = place(&mut db.read().await.unwrap()).await;
    let mut session = db.snapshot().await.unwrap();
    for replica in &scene.replicas {
        let all = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        sql(replica, all).await;
    }
    let query = one::<(i64,)>("SELECT pg_backend_pid()", params![]);
    assert_ne!(session.run(query).await.unwrap().0, place.0);
}
