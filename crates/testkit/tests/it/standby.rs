//! Primaries and standbys, and their failures.

use std::path::{Path, PathBuf};

use tallybook_testkit::Cluster;
use tokio_postgres::Client;

use crate::client::{answers, ask, connect, in_a_while, try_connect};
use crate::process::{Process, eventually, is_in_use, is_started_by_a_test, tell};

const COUNT: &str = "SELECT count(*) FROM t";
const TIMELINE: &str = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)";

async fn client(cluster: &Cluster) -> Client {
    connect(&cluster.url("postgres")).await
}

/// Starts a primary with a table `t`.
async fn primary() -> (Cluster, Client) {
    let primary = Cluster::start().unwrap();
    let client = client(&primary).await;
    client.batch_execute("CREATE TABLE t (id int)").await.unwrap();
    (primary, client)
}

async fn insert(client: &Client) {
    client.batch_execute("INSERT INTO t VALUES (1)").await.unwrap();
}

#[tokio::test]
async fn standbys_replay_what_their_primary_writes_and_keep_a_slot_each() {
    let (primary, writer) = primary().await;
    let standbys = [primary.standby().unwrap(), primary.standby().unwrap()];
    insert(&writer).await;
    for standby in &standbys {
        let reader = client(standby).await;
        answers(&reader, COUNT, "1").await;
        assert_eq!(ask(&reader, "SELECT pg_is_in_recovery()").await.unwrap(), "t");
        assert!(ask(&reader, "INSERT INTO t VALUES (2)").await.is_err());
    }
    let slots = "SELECT count(*) FROM pg_replication_slots WHERE active";
    assert_eq!(ask(&writer, slots).await.unwrap(), "2");
}

#[tokio::test]
async fn a_promoted_standby_writes_on_a_new_timeline_and_the_others_follow() {
    let (old, writer) = primary().await;
    let (new, other) = (old.standby().unwrap(), old.standby().unwrap());
    assert_eq!(ask(&writer, TIMELINE).await.unwrap(), "00000001");
    new.promote().unwrap();
    // What the old primary writes now is on another timeline than the new one's.
    insert(&writer).await;
    let writer = client(&new).await;
    insert(&writer).await;
    insert(&writer).await;
    assert_eq!(ask(&writer, TIMELINE).await.unwrap(), "00000002");

    old.kill().unwrap();
    old.rejoin(&new).unwrap();
    answers(&client(&old).await, COUNT, "2").await;
    // It may have replayed the old primary's row, which the new one never had.
    other.rejoin(&new).unwrap();
    answers(&client(&other).await, COUNT, "2").await;
}

#[tokio::test]
async fn a_standby_follows_another_primary_without_a_restart() {
    let (old, writer) = primary().await;
    let (new, other) = (old.standby().unwrap(), old.standby().unwrap());
    insert(&writer).await;
    let reader = client(&other).await;
    for standby in [&new, &other] {
        answers(&client(standby).await, COUNT, "1").await;
    }
    old.kill().unwrap();
    new.promote().unwrap();
    other.follow(&new).unwrap();
    insert(&client(&new).await).await;
    answers(&reader, COUNT, "2").await;
}

#[tokio::test]
async fn a_killed_server_comes_back_on_its_port_with_what_was_committed() {
    let (primary, writer) = primary().await;
    let standby = primary.standby().unwrap();
    for server in [&primary, &standby] {
        insert(&client(&primary).await).await;
        server.kill().unwrap();
        let error = try_connect(&server.url("postgres")).await.err().unwrap();
        assert!(format!("{error:?}").contains("refused"), "{error:?}");
        server.start_again().unwrap();
    }
    assert!(writer.is_closed());
    let expected = "2";
    answers(&client(&primary).await, COUNT, expected).await;
    answers(&client(&standby).await, COUNT, expected).await;
}

#[tokio::test]
async fn a_server_that_was_shut_down_can_be_started_again() {
    let (primary, writer) = primary().await;
    insert(&writer).await;
    primary.shut_down().unwrap();
    assert!(try_connect(&primary.url("postgres")).await.is_err());
    primary.start_again().unwrap();
    answers(&client(&primary).await, COUNT, "1").await;
}

#[tokio::test]
async fn a_server_that_hangs_answers_nothing_until_it_goes_on() {
    let (primary, writer) = primary().await;
    primary.hang().unwrap();
    let mut asked = Box::pin(ask(&writer, COUNT));
    assert!(in_a_while(&mut asked).await.is_none());
    let url = primary.url("postgres");
    let mut knocking = Box::pin(try_connect(&url));
    assert!(in_a_while(&mut knocking).await.is_none());
    primary.resume().unwrap();
    assert_eq!(asked.await.unwrap(), "0");
    assert!(knocking.await.is_ok());
}

#[tokio::test]
async fn settings_are_read_by_the_running_server() {
    let (primary, _) = primary().await;
    let standby = primary.standby().unwrap();
    for server in [&primary, &standby] {
        server.configure(&[("max_standby_streaming_delay", "123ms"), ("search_path", "'it''s'")]).unwrap();
        let session = client(server).await;
        assert_eq!(ask(&session, "SHOW max_standby_streaming_delay").await.unwrap(), "123ms");
        assert_eq!(ask(&session, "SHOW search_path").await.unwrap(), "'it''s'");
    }
}

#[tokio::test]
async fn a_commit_waits_for_a_standby_where_the_settings_say_so() {
    let (primary, writer) = primary().await;
    let standby = primary.standby().unwrap();
    primary.configure(&[("synchronous_standby_names", "ANY 1 (*)")]).unwrap();
    let writing = client(&primary).await;
    insert(&writing).await;
    standby.hang().unwrap();
    assert!(in_a_while(insert(&writing)).await.is_none());
    standby.resume().unwrap();
    answers(&writer, COUNT, "2").await;
}

#[tokio::test]
async fn a_full_disk_under_the_log_of_a_standby_stops_its_replay_and_not_its_reads() {
    let (primary, writer) = primary().await;
    let standby = primary.standby_with_log_disk().unwrap();
    let reader = client(&standby).await;
    insert(&writer).await;
    answers(&reader, COUNT, "1").await;
    standby.fill_log_disk().unwrap();
    // It has some files in reserve.
    for _ in 0..12 {
        insert(&writer).await;
        ask(&writer, "SELECT pg_switch_wal()").await.unwrap();
    }
    eventually("full", || standby.log().contains("No space left on device"));
    assert_ne!(ask(&reader, COUNT).await.unwrap(), "13");
    standby.clear_log_disk().unwrap();
    answers(&reader, COUNT, "13").await;
}

#[test]
fn nothing_is_left_of_servers_whose_owner_is_killed() {
    let owner = Process::start("standby::owner", &std::env::temp_dir());
    let directories: Vec<PathBuf> = owner.told.split(' ').map(PathBuf::from).collect();
    assert_eq!(directories.len(), 3);
    assert!(directories.iter().all(|directory| is_in_use(directory)));
    owner.kill();
    let mounts = || std::fs::read_to_string("/proc/mounts").unwrap();
    for directory in directories {
        eventually("removed", || !directory.exists());
        eventually("stopped", || !is_in_use(&directory));
        assert!(!mounts().contains(directory.to_str().unwrap()));
    }
}

#[tokio::test]
#[ignore = "the process that nothing_is_left_of_servers_whose_owner_is_killed kills"]
async fn owner() {
    if is_started_by_a_test() {
        let primary = Cluster::start().unwrap();
        let (hanging, full) = (primary.standby().unwrap(), primary.standby_with_log_disk().unwrap());
        hanging.hang().unwrap();
        full.fill_log_disk().unwrap();
        let path = |cluster: &Cluster| Path::to_str(cluster.directory()).unwrap().to_owned();
        tell(&[path(&primary), path(&hanging), path(&full)].join(" "));
    }
}
