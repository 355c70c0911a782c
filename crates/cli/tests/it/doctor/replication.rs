//! Primaries and standbys.

use std::time::Duration;

use tallybook_testkit::Cluster;

use super::{connect, doctor, doctor_of, sql};

/// Waits until a standby has replayed what its primary has written.
async fn caught_up(primary: &str, standby: &str) {
    let position = "SELECT pg_current_wal_lsn()::text";
    let position: String = connect(primary).await.query_one(position, &[]).await.unwrap().get(0);
    until(standby, &format!("SELECT pg_last_wal_replay_lsn() >= '{position}'")).await;
}

/// Waits until a question is answered by true.
async fn until(url: &str, question: &str) {
    let session = connect(url).await;
    while !session.query_one(question, &[]).await.unwrap().get::<_, bool>(0) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const WRITE_20_MB: &str =
    "CREATE TABLE notes AS SELECT repeat('x', 1000) AS text FROM generate_series(1, 20000)";

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_and_its_standby_are_well_together() {
    let primary = Cluster::start().unwrap();
    let standby = primary.standby().unwrap();
    let (primary, standby) = (primary.url("postgres"), standby.url("postgres"));
    caught_up(&primary, &standby).await;
    let report = doctor_of(&primary, &[&standby]);
    for check in ["role", "system", "timeline", "lag", "standbys", "replay"] {
        assert!(report.of(check).is_empty(), "{check}: {}", report.all);
    }
    let facts = |node: usize| &report.told["nodes"][node]["facts"];
    assert_eq!((&facts(0)["role"], &facts(1)["role"]), (&"writable".into(), &"standby".into()));
    assert_eq!(facts(0)["system"], facts(1)["system"]);
    // What the look itself makes the primary write (hints in its catalog) may still be on its way.
    assert!(facts(1)["lag_bytes"].as_i64().unwrap() < 1 << 20, "{}", report.all);
    assert!(report.told["nodes"][1]["passed"].as_array().unwrap().contains(&"lag".into()), "{}", report.all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_is_paused_and_what_it_leaves_behind_are_told_of() {
    let primary = Cluster::start().unwrap();
    let standby = primary.standby().unwrap();
    let (primary, standby) = (primary.url("postgres"), standby.url("postgres"));
    caught_up(&primary, &standby).await;
    sql(&standby, "SELECT pg_wal_replay_pause()").await;
    sql(&primary, WRITE_20_MB).await;
    let report = doctor_of(&primary, &[&standby]);
    assert_eq!(report.code, 4);
    report.has("critical", "replay", "the replay is paused", "pg_wal_replay_resume()");
    report.has("warning", "lag", "MB behind the primary", "pg_last_wal_replay_lsn()");
    assert!(!report.told["nodes"][1]["passed"].as_array().unwrap().contains(&"lag".into()), "{}", report.all);
    assert!(report.told["nodes"][1]["facts"]["lag_bytes"].as_i64().unwrap() > 16 << 20, "{}", report.all);
    sql(&standby, "SELECT pg_wal_replay_resume()").await;
    caught_up(&primary, &standby).await;
    let report = doctor_of(&primary, &[&standby]);
    assert!(report.of("replay").is_empty() && report.of("lag").is_empty(), "{}", report.all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_whose_primary_is_gone_does_not_stream() {
    let primary = Cluster::start().unwrap();
    let standby = primary.standby().unwrap();
    let (primary_url, standby) = (primary.url("postgres"), standby.url("postgres"));
    primary.kill().unwrap();
    until(&standby, "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)").await;
    let report = doctor_of(&primary_url, &[&standby]);
    report.has("critical", "connection", "connection refused", "pg_isready");
    report.has("critical", "replay", "the standby does not stream", "wal receiver");
    primary.start_again().unwrap();
    until(&standby, "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver)").await;
    assert!(doctor_of(&primary_url, &[&standby]).of("replay").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_gone_is_a_warning_and_leaves_its_slot() {
    let primary = Cluster::start().unwrap();
    let standby = primary.standby().unwrap();
    standby.kill().unwrap();
    let url = primary.url("postgres");
    until(&url, "SELECT NOT EXISTS (SELECT FROM pg_replication_slots WHERE active)").await;
    let report = doctor_of(&url, &[&standby.url("postgres")]);
    report.has("warning", "connection", "connection refused", "DB_READ_REPLICA_URL");
    report.has("warning", "slots", "nobody is connected to the physical slot", "pg_drop_replication_slot");
    assert!(
        report.of("connection")[0]["why"].as_str().unwrap().starts_with("no replica is left"),
        "{}",
        report.all
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_of_another_primary_is_critical() {
    let (primary, other) = (Cluster::start().unwrap(), Cluster::start().unwrap());
    let foreign = other.standby().unwrap();
    let report = doctor_of(&primary.url("postgres"), &[&foreign.url("postgres")]);
    report.has("critical", "system", "of another database cluster than the primary", "pg_control_system()");
    assert!(report.of("role").is_empty(), "{}", report.all);
    let report = doctor_of(&primary.url("postgres"), &[&other.url("postgres")]);
    report.has("critical", "system", "of another database cluster", "");
    report.has("critical", "role", "it is not a standby: it accepts writes", "DB_READ_REPLICA_URL");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_a_standby_and_one_that_is_named_twice_are_told_of() {
    let primary = Cluster::start().unwrap();
    let standby = primary.standby().unwrap();
    let (url, standby_url) = (primary.url("postgres"), standby.url("postgres"));
    let report = doctor(&standby_url);
    report.has("critical", "role", "DATABASE_URL names no primary", "pg_promote()");
    doctor_of(&standby_url, &[&url]).has("critical", "role", "is a standby", "put it into DATABASE_URL");
    // The same server by another name.
    let again = url.replace("127.0.0.1", "localhost");
    doctor_of(&url, &[&again]).has(
        "warning",
        "role",
        "the primary is also named as a replica",
        "standbys only",
    );
    let again = standby_url.replace("127.0.0.1", "localhost");
    doctor_of(&url, &[&standby_url, &again]).has(
        "warning",
        "role",
        "one server is named several times",
        "once",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_of_a_failover_may_be_replicas_too() {
    let primary = Cluster::start().unwrap();
    let standby = primary.standby().unwrap();
    let both =
        primary.url("postgres").replace("/postgres", &format!(",127.0.0.1:{}/postgres", standby.port()));
    let replica =
        format!("postgresql://tallybook:{}@127.0.0.1:{}/postgres", primary.password(), standby.port());
    let report = doctor_of(&both, &[&replica]);
    assert!(report.of("role").is_empty() && report.of("connection").is_empty(), "{}", report.all);
    let nodes = report.told["nodes"].as_array().unwrap();
    assert_eq!(nodes.iter().map(|node| &node["configured"]).collect::<Vec<_>>(), ["primary", "both"]);
    let other = replica.replace("tallybook:", "reader:");
    doctor_of(&both, &[&other]).has(
        "note",
        "settings",
        "with another user, password or database",
        "into both",
    );
    standby.kill().unwrap();
    let report = doctor_of(&both, &[&replica]);
    report.has("warning", "connection", "connection refused", "pg_isready");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_that_can_be_written_to_are_critical() {
    let primary = Cluster::start().unwrap();
    let standby = primary.standby().unwrap();
    standby.promote().unwrap();
    let both =
        primary.url("postgres").replace("/postgres", &format!(",127.0.0.1:{}/postgres", standby.port()));
    let report = doctor(&both);
    assert_eq!(report.code, 4);
    report.has("critical", "role", "several nodes accept writes", "pg_rewind");
    report.has("critical", "role", "(timeline 2)", "higher timeline");
    let report = doctor_of(&primary.url("postgres"), &[&standby.url("postgres")]);
    report.has("critical", "role", "it is not a standby: it accepts writes", "pg_rewind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_did_not_follow_a_failover_is_told_of() {
    let old = Cluster::start().unwrap();
    let (heir, left) = (old.standby().unwrap(), old.standby().unwrap());
    caught_up(&old.url("postgres"), &heir.url("postgres")).await;
    old.kill().unwrap();
    heir.promote().unwrap();
    let report = doctor_of(&heir.url("postgres"), &[&left.url("postgres")]);
    report.has("critical", "timeline", "it replays timeline 1", "recovery_target_timeline");
    left.follow(&heir).unwrap();
    until(&left.url("postgres"), "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE received_tli = 2)")
        .await;
    assert!(doctor_of(&heir.url("postgres"), &[&left.url("postgres")]).of("timeline").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_the_settings_do_not_name_is_noted() {
    let primary = Cluster::start().unwrap();
    let (one, _two) = (primary.standby().unwrap(), primary.standby().unwrap());
    until(&primary.url("postgres"), "SELECT count(*) = 2 FROM pg_stat_replication WHERE state = 'streaming'")
        .await;
    let report = doctor_of(&primary.url("postgres"), &[&one.url("postgres")]);
    report.has(
        "note",
        "standbys",
        "2 standbys of the primary, 1 of them not named in the settings",
        "DB_READ_REPLICA_URL",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_wait_for_standbys_that_are_not_there_are_critical() {
    let primary = Cluster::start().unwrap();
    let standby = primary.standby().unwrap();
    let url = primary.url("postgres");
    until(&url, "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'").await;
    primary.configure(&[("synchronous_standby_names", "ANY 1 (*)")]).unwrap();
    until(&url, "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'quorum'").await;
    doctor(&url).has("note", "synchronous", "no standby to spare: it needs 1", "add a standby");
    standby.kill().unwrap();
    until(&url, "SELECT count(*) = 0 FROM pg_stat_replication").await;
    let report = doctor(&url);
    assert_eq!(report.code, 4);
    report.has("critical", "synchronous", "commits hang", "synchronous_standby_names = ''");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_only_a_standby_reads_is_not_called_unused() {
    let primary = Cluster::start().unwrap();
    let standby = primary.standby().unwrap();
    let (primary, standby) = (primary.url("postgres"), standby.url("postgres"));
    sql(&primary, "CREATE TABLE notes AS SELECT i AS a FROM generate_series(1, 400000) i").await;
    sql(&primary, "CREATE INDEX for_reports ON notes (a)").await;
    caught_up(&primary, &standby).await;
    doctor_of(&primary, &[&standby]).has("note", "unused_indexes", "for_reports", "DROP INDEX CONCURRENTLY");
    let session = connect(&standby).await;
    session.batch_execute("SET enable_seqscan = off").await.unwrap();
    session.query("SELECT * FROM notes WHERE a = 7", &[]).await.unwrap();
    session.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
    assert!(doctor_of(&primary, &[&standby]).of("unused_indexes").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_is_late_on_purpose_or_cancels_reads_soon_is_noted() {
    let primary = Cluster::start().unwrap();
    let standby = primary.standby().unwrap();
    let (url, standby_url) = (primary.url("postgres"), standby.url("postgres"));
    caught_up(&url, &standby_url).await;
    standby.configure(&[("max_standby_streaming_delay", "1s"), ("recovery_min_apply_delay", "1h")]).unwrap();
    let report = doctor_of(&url, &[&standby_url]);
    report.has("note", "conflicts", "for 1 s only", "hot_standby_feedback = on");
    report.has("note", "lag", "late on purpose", "without a delay");
}
