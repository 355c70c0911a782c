//! The server's settings and sessions.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::time::Duration;

use tallybook_testkit::{Binaries, Cluster, postgres};

use super::{connect, doctor, migrate, sql};

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_server_with_a_book_ends_with_0_and_notes_only() {
    let cluster = Cluster::start().unwrap();
    cluster.configure(&[("fsync", "on")]).unwrap();
    migrate(&cluster.url("postgres"));
    let report = doctor(&cluster.url("postgres"));
    assert_eq!((report.code, &report.told["severity"]), (0, &"note".into()), "{}", report.all);
    let passed = report.told["nodes"][0]["passed"].as_array().unwrap().len();
    assert!(passed > 20, "{}", report.all);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_risk_data_or_time_are_told_of_with_what_corrects_them() {
    let cluster = Cluster::start().unwrap();
    let url = cluster.url("postgres");
    for (setting, value, severity, check) in [
        ("fsync", "off", "critical", "durability"),
        ("full_page_writes", "off", "critical", "durability"),
        ("zero_damaged_pages", "on", "critical", "durability"),
        ("ignore_checksum_failure", "on", "critical", "durability"),
        ("synchronous_commit", "off", "warning", "durability"),
        ("autovacuum", "off", "warning", "autovacuum"),
        ("track_counts", "off", "warning", "autovacuum"),
    ] {
        cluster.configure(&[(setting, value)]).unwrap();
        doctor(&url).has(
            severity,
            check,
            &format!("{setting} is {value}"),
            &format!("ALTER SYSTEM SET {setting} = "),
        );
        let sound = if value == "on" { "off" } else { "on" };
        cluster.configure(&[(setting, sound)]).unwrap();
    }
    let report = doctor(&url);
    assert!(report.of("durability").iter().all(|finding| finding["severity"] == "note"), "{}", report.all);
    report.passed("autovacuum");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_those_of_the_program_and_not_of_the_look() {
    let database = postgres().await.database("doctor_limits").await;
    let url = database.url();
    let report = doctor(url);
    report.has("note", "limits", "no statement_timeout", "ALTER ROLE");
    report.has("note", "limits", "no idle_in_transaction_session_timeout", "ALTER ROLE");
    let options = "options=-c%20idle_in_transaction_session_timeout%3D60s";
    doctor(&format!("{url}?statement_timeout=30s&{options}")).passed("limits");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_nobody_uses_is_told_of_with_what_it_keeps() {
    let cluster = Cluster::start().unwrap();
    let url = cluster.url("postgres");
    sql(&url, "SELECT pg_create_physical_replication_slot('fresh')").await;
    sql(&url, "SELECT pg_create_physical_replication_slot('gone', true)").await;
    sql(&url, "CREATE TABLE notes AS SELECT repeat('x', 100) FROM generate_series(1, 50000)").await;
    let report = doctor(&url);
    report.has(
        "warning",
        "slots",
        "nobody is connected to the physical slot gone, which keeps",
        "pg_drop_replication_slot('gone')",
    );
    report.has(
        "note",
        "slots",
        "nobody ever used the physical slot fresh",
        "pg_drop_replication_slot('fresh')",
    );
    report.has("note", "slots", "no bound on what they keep", "max_slot_wal_keep_size");
    cluster.configure(&[("max_slot_wal_keep_size", "1MB")]).unwrap();
    for _ in 0..3 {
        sql(&url, "SELECT pg_switch_wal()").await;
        sql(
            &url,
            "CREATE TABLE IF NOT EXISTS more AS SELECT repeat('x', 100) FROM generate_series(1, 50000)",
        )
        .await;
        sql(&url, "CHECKPOINT").await;
    }
    doctor(&url).has("critical", "slots", "gone lost log that it needed", "pg_basebackup");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_fails_is_critical() {
    let cluster = Cluster::start().unwrap();
    let url = cluster.url("postgres");
    sql(&url, "ALTER SYSTEM SET archive_mode = on").await;
    sql(&url, "ALTER SYSTEM SET archive_command = 'false'").await;
    cluster.restart_immediately().unwrap();
    sql(&url, "CREATE TABLE notes (id integer)").await;
    sql(&url, "SELECT pg_switch_wal()").await;
    let session = connect(&url).await;
    let failed = "SELECT failed_count > 0 FROM pg_stat_archiver";
    while !session.query_one(failed, &[]).await.unwrap().get::<_, bool>(0) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    doctor(&url).has("critical", "archiver", "the log is not archived", "SHOW archive_command;");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_others_waiting_for_a_lock_is_told_of() {
    let database = postgres().await.database("doctor_locks").await;
    let url = database.url();
    sql(url, "CREATE TABLE notes (id integer)").await;
    let holder = connect(&format!("{url}?application_name=holder")).await;
    holder.batch_execute("BEGIN; LOCK TABLE notes").await.unwrap();
    let waiter = connect(url).await;
    let waiting = tokio::spawn(async move { waiter.batch_execute("SELECT * FROM notes").await });
    // It tells of those who have waited for five seconds.
    let long = "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                AND datname = current_database() AND query_start < clock_timestamp() - interval '6 seconds'";
    let looker = connect(url).await;
    while !looker.query_one(long, &[]).await.unwrap().get::<_, bool>(0) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let report = doctor(url);
    report.has("warning", "locks", "\"holder\", idle in transaction", "pg_terminate_backend");
    holder.batch_execute("ROLLBACK").await.unwrap();
    waiting.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_locked_does_not_keep_the_doctor_waiting() {
    let database = postgres().await.database("doctor_locked").await;
    let url = database.url();
    migrate(url);
    sql(url, "CREATE INDEX again ON trades (symbol)").await;
    let holder = connect(url).await;
    holder.batch_execute("BEGIN; LOCK TABLE trades, tallybook_revisions").await.unwrap();
    let report = doctor(url);
    assert!(report.told["nodes"][0]["skipped"].to_string().contains("revisions"), "{}", report.all);
    report.has("note", "revisions", "lock timeout", "AccessExclusiveLock");
    report.passed("sequences");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_only_asks() {
    let cluster = Cluster::start().unwrap();
    let url = cluster.url("postgres");
    migrate(&url);
    cluster.configure(&[("log_statement", "all"), ("log_line_prefix", "[%a] ")]).unwrap();
    doctor(&url);
    let log = cluster.log();
    let asked = log.lines().filter_map(|line| line.strip_prefix("[tallybook doctor] LOG:  "));
    let statements = asked.filter_map(|line| line.split_once(": ")).map(|(_, statement)| statement);
    let statements: Vec<_> = statements.collect();
    assert!(statements.len() > 30, "{log}");
    let allowed = ["SELECT ", "SET statement_timeout = '3s'; SET lock_timeout = '1s'"];
    for statement in statements {
        assert!(allowed.iter().any(|start| statement.starts_with(start)), "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_fails_its_checksum_is_critical() {
    let cluster = Cluster::start().unwrap();
    let url = cluster.url("postgres");
    let data = cluster.directory().join("data");
    cluster.shut_down().unwrap();
    let checksums = Binaries::find().unwrap().program("pg_checksums");
    let enabled =
        Command::new(checksums).arg("--enable").arg("--no-sync").arg("-D").arg(&data).output().unwrap();
    assert!(enabled.status.success(), "{enabled:?}");
    cluster.start_again().unwrap();
    doctor(&url).passed("corruption");
    sql(&url, "CREATE TABLE notes AS SELECT i FROM generate_series(1, 1000) i").await;
    let path = connect(&url).await.query_one("SELECT pg_relation_filepath('notes')", &[]).await.unwrap();
    let path = data.join(path.get::<_, String>(0));
    cluster.shut_down().unwrap();
    File::options().write(true).open(path).unwrap().write_all_at(&[0xa5; 64], 8192 + 4096).unwrap();
    cluster.start_again().unwrap();
    let session = connect(&url).await;
    assert!(session.batch_execute("SELECT count(*) FROM notes").await.is_err());
    let report = doctor(&url);
    assert_eq!(report.code, 4);
    report.has("critical", "corruption", "1 page failed the checksum", "pg_amcheck");
}
