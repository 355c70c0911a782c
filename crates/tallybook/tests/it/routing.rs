//! Routing on a real primary with real replicas.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use tallybook::{
    CommitToken, Database, NodeRole, NodeState, NodeStatus, Result, Settings, execute, one, params,
    prometheus,
};
use tallybook_testkit::{Cluster, Mode, Proxy, promtool};
use tokio::task::block_in_place;

use crate::support::eventually;

/// A primary and its replicas.
pub(crate) struct Family {
    pub(crate) primary: Cluster,
    pub(crate) replicas: Vec<Cluster>,
}

impl Family {
    pub(crate) fn with_replicas(count: usize) -> Self {
        block_in_place(|| {
            let primary = Cluster::start().unwrap();
            let replicas = (0..count).map(|_| primary.standby().unwrap()).collect();
            Self { primary, replicas }
        })
    }

    pub(crate) fn settings(&self) -> Settings {
        settings(&[&self.primary], &self.replicas.iter().collect::<Vec<_>>())
    }

    async fn open(&self) -> Database {
        let db = Database::open(self.settings()).await.unwrap();
        all_up(&db).await;
        db
    }
}

/// All servers take the password of the first of `primaries`.
pub(crate) fn settings(primaries: &[&Cluster], replicas: &[&Cluster]) -> Settings {
    let hosts: Vec<_> = primaries.iter().map(|server| format!("127.0.0.1:{}", server.port())).collect();
    let password = primaries[0].password();
    let url = format!("postgresql://tallybook:{password}@{}/postgres", hosts.join(","));
    let replicas: Vec<_> = replicas.iter().map(|replica| replica.url("postgres")).collect();
    from(&url, &replicas.join(","))
}

pub(crate) fn from(primary: &str, replicas: &str) -> Settings {
    Settings::from_lookup(|name| match name {
        "DATABASE_URL" => Some(primary.to_owned()),
        "DB_READ_REPLICA_URL" => Some(replicas.to_owned()),
        "DB_ENABLE_READ_REPLICA" => Some((!replicas.is_empty()).to_string()),
        _ => None,
    })
    .unwrap()
}

pub(crate) async fn all_up(db: &Database) {
    eventually("all nodes are up", async || db.nodes().iter().all(|node| node.state == NodeState::Up)).await;
}

pub(crate) fn node(db: &Database, server: &Cluster) -> NodeStatus {
    let name = format!("127.0.0.1:{}", server.port());
    db.nodes().into_iter().find(|node| node.name == name).unwrap()
}

/// Waits until a replica has replayed everything the primary wrote, and the database knows it.
pub(crate) async fn caught_up(db: &Database, primary: &Cluster, replica: &Cluster) {
    block_in_place(|| replica.catch_up(primary)).unwrap();
    eventually("the replica has caught up", async || node(db, replica).lag_bytes == Some(0)).await;
}

/// Returns the port of the server that a session reads from.
pub(crate) async fn port(mut session: tallybook::ReadSession) -> u16 {
    let (port,) = session.run(one::<(i64,)>("SELECT inet_server_port()::bigint", params![])).await.unwrap();
    port as u16
}

pub(crate) async fn create(db: &Database) {
    let table = "CREATE TABLE notes (id bigint PRIMARY KEY)";
    db.write(async |session| session.run(execute(table, params![])).await).await.unwrap();
}

pub(crate) async fn add(db: &Database, id: i64) -> CommitToken {
    try_add(db, id).await.unwrap()
}

pub(crate) async fn try_add(db: &Database, id: i64) -> Result<CommitToken> {
    let insert = "INSERT INTO notes (id) VALUES ($1)";
    Ok(db.write(async |session| session.run(execute(insert, params![id])).await).await?.token())
}

/// Writes until the new primary has a row. Failed attempts may be retried or may have committed.
async fn add_on_timeline(db: &Database, timeline: u32, first: i64) -> CommitToken {
    let (mut id, mut token) = (first, None);
    eventually("writes go to the new primary", async || {
        match try_add(db, id).await {
            Ok(added) => token = Some(added),
            Err(error) => assert!(error.is_retryable() || error.is_commit_unknown(), "{error}"),
        }
        id += 1;
        token.as_ref().is_some_and(|token| token.timeline() == Some(timeline))
    })
    .await;
    token.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_to_replicas_and_writes_to_the_primary() {
    let family = Family::with_replicas(2);
    let db = family.open().await;
    let mut seen = std::collections::HashSet::new();
    for _ in 0..50 {
        seen.insert(port(db.read().await.unwrap()).await);
    }
    assert_eq!(seen, family.replicas.iter().map(Cluster::port).collect());
    create(&db).await;
    let roles: Vec<_> = db.nodes().iter().map(|node| node.role).collect();
    assert_eq!(roles, [NodeRole::Primary, NodeRole::Replica, NodeRole::Replica]);
    assert_eq!(node(&db, &family.primary).served, 2, "the first connection and one transaction");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_are_in_the_metrics_and_in_the_report() {
    let family = Family::with_replicas(1);
    let db = family.open().await;
    caught_up(&db, &family.primary, &family.replicas[0]).await;
    let text = prometheus(&db.metrics());
    let name = format!("127.0.0.1:{}", family.replicas[0].port());
    for line in [
        format!(
            "tallybook_nodes{{tallybook_node_name=\"{name}\",tallybook_node_role=\"replica\",tallybook_node_state=\"up\"}} 1"
        ),
        format!("tallybook_node_lag_size_bytes{{tallybook_node_name=\"{name}\"}} 0"),
        "tallybook_transactions_doubtful_total 0".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert_eq!(promtool(&text), (Some(0), String::new()), "{text}");
    let report = db.report();
    let json = serde_json::to_string(&report).unwrap();
    let back: tallybook::Report = serde_json::from_str(&json).unwrap();
    let known =
        |nodes: &[NodeStatus]| nodes.iter().map(|node| (node.name.clone(), node.state)).collect::<Vec<_>>();
    assert_eq!(known(&back.nodes), known(&report.nodes));
    assert_eq!(report.nodes.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_after_a_write_sees_it() {
    let family = Family::with_replicas(2);
    let mut patient = family.settings();
    // However busy the machine is, reads wait for replicas instead of leaving them for the primary.
    patient.replica.wait = Duration::from_secs(60);
    let db = Database::open(patient).await.unwrap();
    all_up(&db).await;
    create(&db).await;
    for id in 0..200 {
        let token = add(&db, id).await;
        let token = token.to_string().parse().unwrap();
        let (found,) = db
            .read_after(&token)
            .await
            .unwrap()
            .run(one::<(i64,)>("SELECT count(*) FROM notes WHERE id = $1", params![id]))
            .await
            .unwrap();
        assert_eq!(found, 1, "{id}");
    }
    let replicas: u64 = family.replicas.iter().map(|replica| node(&db, replica).served).sum();
    assert!(replicas > 0, "{:#?}", db.nodes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_gone_is_not_used_until_it_is_back() {
    let family = Family::with_replicas(1);
    let db = family.open().await;
    let (replica, primary) = (&family.replicas[0], &family.primary);
    assert_eq!(port(db.read().await.unwrap()).await, replica.port());
    block_in_place(|| replica.kill()).unwrap();
    for _ in 0..20 {
        assert_eq!(port(db.read().await.unwrap()).await, primary.port());
    }
    eventually("it is down", async || node(&db, replica).state == NodeState::Down).await;
    block_in_place(|| replica.start_again()).unwrap();
    all_up(&db).await;
    assert_eq!(port(db.read().await.unwrap()).await, replica.port());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_on_a_replica_that_hangs_is_answered_by_another_node() {
    let family = Family::with_replicas(1);
    let db = family.open().await;
    let session = db.read().await.unwrap();
    block_in_place(|| family.replicas[0].hang()).unwrap();
    assert_eq!(port(session).await, family.primary.port());
    assert_eq!(node(&db, &family.replicas[0]).fallbacks, 1);
    block_in_place(|| family.replicas[0].resume()).unwrap();
    all_up(&db).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_follow_a_promotion() {
    let family = Family::with_replicas(1);
    let (old, new) = (&family.primary, &family.replicas[0]);
    let db = Database::open(settings(&[old, new], &[new])).await.unwrap();
    all_up(&db).await;
    create(&db).await;
    let token = add(&db, 1).await;
    caught_up(&db, old, new).await;
    block_in_place(|| old.kill()).unwrap();
    block_in_place(|| new.promote()).unwrap();
    assert_eq!(token.timeline(), Some(1));
    add_on_timeline(&db, 2, 2).await;
    assert_eq!(node(&db, new).role, NodeRole::Primary);
    assert_eq!(port(db.read_after(&token).await.unwrap()).await, new.port());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_leave_an_old_primary_that_is_still_up() {
    let family = Family::with_replicas(1);
    let (old, new) = (&family.primary, &family.replicas[0]);
    let db = Database::open(settings(&[old, new], &[new])).await.unwrap();
    all_up(&db).await;
    create(&db).await;
    block_in_place(|| new.catch_up(old).and_then(|()| new.promote())).unwrap();
    add_on_timeline(&db, 2, 0).await;
    eventually("the old one is left", async || node(&db, old).state == NodeState::Down).await;
    for id in 100_000..100_010 {
        assert_eq!(add(&db, id).await.timeline(), Some(2));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_of_another_primary_is_never_read_from() {
    let (family, stranger) = (Family::with_replicas(0), Family::with_replicas(1));
    let db = Database::open(settings(&[&family.primary], &[&stranger.replicas[0]])).await.unwrap();
    assert_eq!(port(db.read().await.unwrap()).await, family.primary.port());
    let status = node(&db, &stranger.replicas[0]);
    assert_eq!(status.state, NodeState::Down);
    assert!(status.reason.contains("another cluster"), "{}", status.reason);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_primaries_of_one_rank_are_refused() {
    let (one, other) = (Family::with_replicas(0), Family::with_replicas(0));
    let url = format!(
        "postgresql://tallybook:{}@127.0.0.1:{},127.0.0.1:{}/postgres",
        one.primary.password(),
        one.primary.port(),
        other.primary.port()
    );
    // The same password for both.
    let password = one.primary.password().to_owned();
    let alone = Database::open(Settings::new(&other.primary.url("postgres")).unwrap()).await.unwrap();
    let change = format!("ALTER ROLE tallybook PASSWORD '{password}'");
    alone.write(async |session| session.run(execute(change.clone(), params![])).await).await.unwrap();
    let error = Database::open(Settings::new(&url).unwrap()).await.unwrap_err();
    assert!(error.is_no_primary(), "{error}");
    assert!(!error.is_retryable());
    assert!(error.to_string().contains("several servers take writes"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_costs_no_round_trip() {
    let family = Family::with_replicas(1);
    create(&family.open().await).await;
    let proxy = Proxy::counting_turns(family.replicas[0].port()).await;
    let replica = proxy.url(&family.replicas[0].url("postgres"));
    let mut settings = from(&family.primary.url("postgres"), &replica);
    // It is probed once, when the database is opened.
    settings.replica.check_interval = Duration::from_secs(3600);
    let mut id = 0;
    let mut written = async |db: &Database| {
        id += 1;
        let token = add(db, id).await;
        block_in_place(|| family.replicas[0].catch_up(&family.primary)).unwrap();
        (token, id)
    };
    loop {
        let db = Database::open(settings.clone()).await.unwrap();
        // A node that answers its only probe late, on a busy machine, gets no such reads.
        if db.nodes().iter().any(|node| node.state != NodeState::Up) {
            continue;
        }
        let read = || one::<(i64,)>("SELECT count(*) FROM notes", params![]);
        // Connects and prepares.
        let (token, _) = written(&db).await;
        db.read_after(&token).await.unwrap().run(read()).await.unwrap();
        let (token, rows) = written(&db).await;
        let _ = proxy.turns();
        let (count,) = db.read_after(&token).await.unwrap().run(read()).await.unwrap();
        let turns = proxy.turns();
        assert!(count == rows && turns <= 1, "{count} of {rows} rows, {turns} turns");
        // None if the replica was late again, and the primary answered.
        if turns == 1 {
            break;
        }
    }
}

/// Commits through a connection that ends between the acknowledgement and the query for the position.
async fn add_and_lose_the_position(db: &Database, proxy: &Proxy, id: i64) -> CommitToken {
    proxy.set(Mode::HangUpAfterCommit).await;
    let token = add(db, id).await;
    proxy.set(Mode::Relay).await;
    token
}

async fn count(mut session: tallybook::ReadSession) -> i64 {
    session.run(one::<(i64,)>("SELECT count(*) FROM notes", params![])).await.unwrap().0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_after_a_commit_whose_position_got_lost_sees_it() {
    let family = Family::with_replicas(1);
    let (primary, replica) = (&family.primary, &family.replicas[0]);
    let proxy = Proxy::start(primary.port()).await;
    let mut settings = from(&proxy.url(&primary.url("postgres")), &replica.url("postgres"));
    settings.replica.max_staleness = Duration::from_secs(3600);
    let db = Database::open(settings).await.unwrap();
    all_up(&db).await;
    create(&db).await;
    caught_up(&db, primary, replica).await;
    pause_replay(replica, true).await;
    for id in 1..=10 {
        let token = add_and_lose_the_position(&db, &proxy, id).await;
        assert_eq!(token.position(), None, "it got lost");
        assert!(token.is_position_unknown());
        assert_eq!(count(db.read_after(&token).await.unwrap()).await, id);
        let carried: CommitToken = token.to_string().parse().unwrap();
        assert_eq!(count(db.read_after(&carried).await.unwrap()).await, id);
    }
    // As earlier versions wrote it, which did not distinguish it from an empty commit.
    let old: CommitToken = "none".parse().unwrap();
    assert_eq!(count(db.read_after(&old).await.unwrap()).await, 10);
    let of_nothing = db.write(async |_| Ok::<_, tallybook::Error>(())).await.unwrap().token();
    assert!(!of_nothing.is_position_unknown());
    eventually("a replica will do", async || {
        port(db.read_after(&of_nothing).await.unwrap()).await == replica.port()
    })
    .await;
}

/// Commits while an administrator terminates its connections, and reads after each acknowledged commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_after_a_commit_sees_it_however_its_connection_ends() {
    let family = Family::with_replicas(1);
    let (primary, replica) = (&family.primary, &family.replicas[0]);
    let db = family.open().await;
    let admin = Database::open(Settings::new(&primary.url("postgres")).unwrap()).await.unwrap();
    create(&db).await;
    caught_up(&db, primary, replica).await;
    pause_replay(replica, true).await;
    let is_done = std::sync::atomic::AtomicBool::new(false);
    let terminate = async {
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                    WHERE pid <> pg_backend_pid() AND query LIKE 'COMMIT%'";
        while !is_done.load(std::sync::atomic::Ordering::Relaxed) {
            admin.read().await.unwrap().run(one::<(i64,)>(kill, params![])).await.unwrap();
        }
    };
    let writes = async {
        let insert = |id| execute("INSERT INTO notes (id) VALUES ($1)", params![id]);
        for id in 0..100_i64 {
            let Ok(committed) = db.write(async |session| session.run(insert(id)).await).await else {
                continue;
            };
            let query = one::<(i64,)>("SELECT count(*) FROM notes WHERE id = $1", params![id]);
            // The read's own connection may be terminated next.
            if let Ok((seen,)) = db.read_after(&committed.token()).await.unwrap().run(query).await {
                assert_eq!(seen, 1, "{:?}", committed.token());
            }
        }
        is_done.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    tokio::join!(terminate, writes);
}

pub(crate) async fn pause_replay(replica: &Cluster, paused: bool) {
    let db = Database::open(Settings::new(&replica.url("postgres")).unwrap()).await.unwrap();
    let call =
        if paused { "SELECT pg_wal_replay_pause()::text" } else { "SELECT pg_wal_replay_resume()::text" };
    db.read().await.unwrap().run(one::<(String,)>(call, params![])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_does_not_replay_serves_reads_only_as_long_as_it_is_fresh_enough() {
    let family = Family::with_replicas(1);
    let mut settings = family.settings();
    settings.replica.max_staleness = Duration::from_secs(2);
    let db = Database::open(settings).await.unwrap();
    create(&db).await;
    let (primary, replica) = (&family.primary, &family.replicas[0]);
    caught_up(&db, primary, replica).await;
    pause_replay(replica, true).await;
    let token = add(&db, 1).await;
    assert_eq!(port(db.read().await.unwrap()).await, replica.port(), "two seconds may be missing");
    assert_eq!(port(db.read_after(&token).await.unwrap()).await, primary.port());
    eventually("it is lagging", async || node(&db, replica).state == NodeState::Lagging).await;
    assert!(node(&db, replica).reason.contains("paused"), "{}", node(&db, replica).reason);
    assert_eq!(port(db.read().await.unwrap()).await, primary.port());
    assert_eq!(port(db.read_within(Duration::from_secs(3600)).await.unwrap()).await, replica.port());
    pause_replay(replica, false).await;
    all_up(&db).await;
    assert_eq!(port(db.read_after(&token).await.unwrap()).await, replica.port());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_was_seen_does_not_move_to_another_node() {
    let family = Family::with_replicas(1);
    let db = family.open().await;
    let replica = &family.replicas[0];
    let query = || one::<(i64,)>("SELECT inet_server_port()::bigint", params![]);
    let mut seen = db.snapshot().await.unwrap();
    let mut skipped = db.snapshot().await.unwrap();
    assert_eq!(seen.run(query()).await.unwrap(), (replica.port().into(),));
    block_in_place(|| replica.kill()).unwrap();
    let error = seen.run(query()).await.unwrap_err();
    assert!(error.is_connection_lost(), "{error}");
    assert_eq!(skipped.run(query()).await.unwrap(), (family.primary.port().into(),));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_beyond_the_primary_s_budget_are_refused_at_once() {
    let family = Family::with_replicas(1);
    let mut settings = family.settings();
    settings.replica.fallback = 1;
    let db = Database::open(settings).await.unwrap();
    block_in_place(|| family.replicas[0].kill()).unwrap();
    let held = db.read().await.unwrap();
    let held = (port(held).await, db.read().await.unwrap());
    assert_eq!(held.0, family.primary.port());
    // Polled once, each is queued; spawned tasks would race with the ninth for the places.
    let mut waiting: Vec<_> = (0..8).map(|_| Box::pin(db.read())).collect();
    for read in &mut waiting {
        let first = poll_fn(|context| Poll::Ready(read.as_mut().poll(context))).await;
        assert!(first.is_pending());
    }
    let error = db.read().await.unwrap_err();
    assert!(error.is_fallback_refused(), "{error}");
    assert_eq!(port(db.read_primary().await.unwrap()).await, family.primary.port(), "asked for, not spilled");
    drop(held);
    for read in waiting {
        drop(read.await.unwrap());
    }
    db.write(async |session| session.run(execute("CREATE TABLE free (id bigint)", params![])).await)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_and_zones_of_replicas_are_followed() {
    let family = Family::with_replicas(2);
    let with = |replica: usize, what: &str| format!("{}?{what}", family.replicas[replica].url("postgres"));
    let primary = family.primary.url("postgres");
    let shares = async |settings: Settings| {
        let db = Database::open(settings).await.unwrap();
        for _ in 0..400 {
            db.read().await.unwrap();
        }
        family.replicas.iter().map(|replica| node(&db, replica).served).collect::<Vec<_>>()
    };
    let weighted = shares(from(&primary, &format!("{},{}", with(0, "weight=3"), with(1, "weight=1")))).await;
    assert!(weighted[0] > 2 * weighted[1] && weighted[1] > 40, "{weighted:?}");
    let mut settings = from(&primary, &format!("{},{}", with(0, "zone=a"), with(1, "zone=b")));
    settings.replica.zone = Some("b".to_owned());
    assert_eq!(shares(settings).await, [0, 400]);
}

#[tokio::test]
async fn replicas_that_can_t_be_are_refused_with_the_reason() {
    let server = "postgresql://ada:secret@one/book";
    for (primary, replicas, message) in [
        ("sqlite::memory:", server, "an SQLite file has no replicas"),
        (server, "sqlite::memory:", "URLs of PostgreSQL replicas"),
        (server, "postgresql://bob:secret@one:5432/book", "the server of DATABASE_URL itself"),
        (server, "postgresql://h/book,postgresql://h/book", "each replica once"),
    ] {
        let error = Database::open(from(primary, replicas)).await.unwrap_err();
        assert!(error.is_settings() && error.to_string().contains(message), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
