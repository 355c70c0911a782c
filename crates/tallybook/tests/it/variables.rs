//! Environment variables do what their rows in the README and in docs/replicas.md say.

use std::time::Duration;

use tallybook::{
    CommitToken, Data, Database, NodeState, QueryFinding, ReadSession, Settings, all, execute, one, params,
};
use tallybook_testkit::Cluster;
use tokio::task::block_in_place;

use crate::log::keep;
use crate::routing::{Family, all_up, node};
use crate::support::{eventually, read, write};

/// Opens a database with these variables and the defaults of all others.
async fn opened(url: &str, variables: &[(&str, &str)]) -> Database {
    let lookup = |name: &str| match name {
        "DATABASE_URL" => Some(url.to_owned()),
        _ => variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
    };
    Database::open(Settings::from_lookup(lookup).unwrap()).await.unwrap()
}

async fn in_memory(variables: &[(&str, &str)]) -> Database {
    opened("sqlite::memory:", variables).await
}

/// Reads a number of notes and, one by one, the notes below each. Returns what was found and the line of the
/// loop.
async fn looped(db: &Database, notes: usize) -> (Vec<QueryFinding>, u32) {
    write(db, "CREATE TABLE IF NOT EXISTS notes (id integer PRIMARY KEY, parent integer)").await;
    write(db, "INSERT INTO notes (id) SELECT 101 WHERE NOT EXISTS (SELECT 1 FROM notes)").await;
    for id in 102..110 {
        write(db, format!("INSERT INTO notes (id) VALUES ({id}) ON CONFLICT DO NOTHING")).await;
    }
    let mut session = db.read().await.unwrap();
    let list = all::<(i64,)>(format!("SELECT id FROM notes ORDER BY id LIMIT {notes}"), params![]);
    let found = session.run(list).await.unwrap();
    let line = line!() + 2;
    for (id,) in found {
        session.run(all::<(i64,)>("SELECT id FROM notes WHERE parent = $1", params![id])).await.unwrap();
    }
    drop(session);
    (db.findings(), line)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn db_monitor_says_what_is_looked_at() {
    for (mode, findings, is_counted) in
        [(None, 1, true), (Some("full"), 1, true), (Some("statements"), 0, true), (Some("off"), 0, false)]
    {
        let variables: Vec<_> = mode.map(|mode| ("DB_MONITOR", mode)).into_iter().collect();
        let db = in_memory(&variables).await;
        assert_eq!(looped(&db, 3).await.0.len(), findings, "{mode:?}");
        let counted = db.report().statements;
        let calls =
            counted.iter().find(|one| one.statement.contains("where parent = ?")).map(|one| one.calls);
        assert_eq!(calls, is_counted.then_some(3), "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn db_monitor_statements_are_told_apart() {
    for (variables, kept) in [(&[][..], 25), (&[("DB_MONITOR_STATEMENTS", "10")], 10)] {
        let db = in_memory(variables).await;
        let mut session = db.read().await.unwrap();
        for number in 0..25 {
            session.run(one::<(i64,)>(format!("SELECT 1 AS column_{number}_"), params![])).await.unwrap();
        }
        let report = db.report();
        assert_eq!((report.statements.len(), report.evicted.statements), (kept, 25 - kept as u64));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn db_n_plus_one_threshold_is_how_many_rows_make_a_loop() {
    for (variables, few, enough) in [(&[][..], 2, 3), (&[("DB_N_PLUS_ONE_THRESHOLD", "5")], 4, 5)] {
        let db = in_memory(variables).await;
        assert_eq!(looped(&db, few).await.0, [], "{few} rows");
        assert_eq!(looped(&db, enough).await.0.len(), 1, "{enough} rows");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn db_n_plus_one_allow_names_loops_that_are_meant() {
    let (found, line) = looped(&in_memory(&[]).await, 3).await;
    let fingerprint = found[0].fingerprint.clone();
    assert_eq!(found[0].at.line, line);
    for (patterns, is_allowed, unused) in [
        (format!("variables.rs:{line}"), true, vec![]),
        ("it/variables.rs".to_owned(), true, vec![]),
        (fingerprint, true, vec![]),
        (format!("other.rs, variables.rs:{line}"), true, vec!["other.rs".to_owned()]),
        (format!("variables.rs:{}", line + 1), false, vec![format!("variables.rs:{}", line + 1)]),
        ("other.rs:7".to_owned(), false, vec!["other.rs:7".to_owned()]),
    ] {
        let db = in_memory(&[("DB_N_PLUS_ONE_ALLOW", &patterns)]).await;
        assert_eq!(looped(&db, 3).await.0.is_empty(), is_allowed, "{patterns}");
        assert_eq!(db.report().unused_allowances, unused, "{patterns}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn db_metrics_sub_millisecond_adds_buckets() {
    let usual = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];
    let finer = [&[0.00001, 0.00005, 0.0001, 0.0005][..], &usual].concat();
    for (variables, bounds) in [
        (&[][..], &usual[..]),
        (&[("DB_METRICS_SUB_MILLISECOND", "false")], &usual),
        (&[("DB_METRICS_SUB_MILLISECOND", "true")], &finer),
    ] {
        let db = in_memory(variables).await;
        read::<(i64,)>(&db, "SELECT 1").await;
        let metrics = db.metrics();
        let durations = metrics.iter().find(|metric| metric.name == "db.client.operation.duration").unwrap();
        let Data::Histogram(points) = &durations.data else { panic!("{durations:?}") };
        assert!(
            !points.is_empty() && points.iter().all(|point| *point.value.bounds == *bounds),
            "{points:?}"
        );
    }
}

#[tokio::test]
async fn db_pool_leak_threshold_is_when_a_held_session_is_warned_of() {
    let (kept, _guard) = keep();
    let reports = || kept.lines("is it leaked?");
    let never = in_memory(&[("DB_POOL_LEAK_THRESHOLD", "-1")]).await;
    let usual = in_memory(&[]).await;
    let soon = in_memory(&[("DB_POOL_LEAK_THRESHOLD", "1")]).await;
    let (_never, _usual) = (never.read().await.unwrap(), usual.read().await.unwrap());
    let start = std::time::Instant::now();
    let (_held, line) = (soon.read().await.unwrap(), line!());
    eventually("it is reported", async || !reports().is_empty()).await;
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    let reports = reports();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(
        reports[0].contains("WARN") && reports[0].contains(&format!("{}:{line}:", file!())),
        "{reports:?}"
    );
}

/// Opens a database on a primary and these replicas, with `options` appended to their URLs.
async fn with_replicas(family: &Family, options: &[&str], variables: &[(&str, &str)]) -> Database {
    let urls = family.replicas.iter().zip(options);
    let urls: Vec<_> =
        urls.map(|(replica, options)| format!("{}{options}", replica.url("postgres"))).collect();
    let urls = urls.join(",");
    let named = [("DB_ENABLE_READ_REPLICA", "true"), ("DB_READ_REPLICA_URL", &*urls)];
    let db = opened(&family.primary.url("postgres"), &[&named[..], variables].concat()).await;
    all_up(&db).await;
    db
}

/// Returns the port of the server that a session reads from.
async fn port(mut session: ReadSession) -> u16 {
    let (port,) = session.run(one::<(i64,)>("SELECT inet_server_port()::bigint", params![])).await.unwrap();
    u16::try_from(port).unwrap()
}

async fn set_replay(replica: &Cluster, call: &str) {
    let db = Database::open(Settings::new(&replica.url("postgres")).unwrap()).await.unwrap();
    read::<(String,)>(&db, format!("SELECT {call}()::text")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn db_replica_variables_bound_age_waits_and_questions() {
    let family = Family::with_replicas(1);
    let (primary, replica) = (&family.primary, &family.replicas[0]);
    let never_old = ("DB_REPLICA_MAX_STALENESS", "3600");
    let soon_old = with_replicas(&family, &[""], &[("DB_REPLICA_MAX_STALENESS", "1")]).await;
    let impatient = with_replicas(&family, &[""], &[never_old, ("DB_REPLICA_WAIT", "0")]).await;
    let patient = with_replicas(&family, &[""], &[never_old, ("DB_REPLICA_WAIT", "60")]).await;
    let asking = ("DB_REPLICA_CHECK_INTERVAL", "0.05");
    let often = with_replicas(&family, &[""], &[never_old, asking]).await;
    let once = with_replicas(&family, &[""], &[never_old, ("DB_REPLICA_CHECK_INTERVAL", "3600")]).await;
    let table = execute("CREATE TABLE notes (id bigint)", params![]);
    patient.write(async |session| session.run(table).await).await.unwrap();
    block_in_place(|| replica.catch_up(primary)).unwrap();
    let known = node(&once, primary).position;
    set_replay(replica, "pg_wal_replay_pause").await;
    let insert = execute("INSERT INTO notes VALUES (1)", params![]);
    let token: CommitToken = patient.write(async |session| session.run(insert).await).await.unwrap().token();

    // The staleness from which a replica serves no ordinary reads.
    eventually("it is too old", async || node(&soon_old, replica).state == NodeState::Lagging).await;
    assert_eq!(port(soon_old.read().await.unwrap()).await, primary.port());
    assert_eq!(port(impatient.read().await.unwrap()).await, replica.port(), "an hour may be missing");

    // The time that a read after a write waits for replay before it goes to the primary.
    assert_eq!(port(impatient.read_after(&token).await.unwrap()).await, primary.port());
    let mut waits = Box::pin(port(patient.read_after(&token).await.unwrap()));
    let waited = tokio::time::timeout(Duration::from_millis(200), &mut waits).await;
    assert!(waited.is_err(), "a replica that does not replay can't have answered: {waited:?}");
    set_replay(replica, "pg_wal_replay_resume").await;
    assert_eq!(waits.await, replica.port());

    // The interval of the probes, through which a program learns what others wrote.
    eventually("it has heard of it", async || node(&often, primary).position > known).await;
    assert_eq!(node(&once, primary).position, known);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn db_zone_is_where_reads_stay() {
    let family = Family::with_replicas(2);
    let ports: Vec<_> = family.replicas.iter().map(Cluster::port).collect();
    for (zone, expected) in [("a", &ports[..1]), ("b", &ports[1..]), ("elsewhere", &ports[..])] {
        let db = with_replicas(&family, &["?zone=a", "?zone=b"], &[("DB_ZONE", zone)]).await;
        let mut seen = Vec::new();
        for _ in 0..40 {
            seen.push(port(db.read().await.unwrap()).await);
        }
        seen.sort_unstable();
        seen.dedup();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(seen, expected, "{zone}");
    }
}
