//! What marks a server down, and what does not.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tallybook::migrate::{Migrator, Revision, Step, Target};
use tallybook::{Database, Error, NodeRole, NodeState, Settings, execute, one, params};
use tallybook_testkit::{Cluster, Mode, Proxy, postgres};
use tokio::task::{JoinSet, block_in_place};

use crate::routing::{Family, all_up, from, node};
use crate::support::{at_rest, eventually, open, open_with, read, write};

/// Time for which a silent server may block callers: a second until it is noticed, twice five until it is
/// marked down, and as much again for a busy machine.
const BOUNDED: Duration = Duration::from_secs(30);
const WATCH: &str = "query LIKE 'SELECT in_recovery%' AND usename = 'app' AND pid <> pg_backend_pid()";

/// The URL of a role without superuser rights, which limits apply to.
fn of_app(server: &Cluster) -> String {
    server.url("postgres").replace(&format!("tallybook:{}@", server.password()), "app:app@")
}

/// A database on a primary and a replica, with four connections of the role `app` to each, and a superuser's.
async fn opened(family: &Family) -> (Database, Database) {
    let admin = open(&family.primary.url("postgres")).await;
    write(&admin, "CREATE ROLE app LOGIN PASSWORD 'app'").await;
    write(&admin, "CREATE TABLE notes (id bigint PRIMARY KEY)").await;
    write(&admin, "GRANT ALL ON notes TO app").await;
    let mut settings = from(&of_app(&family.primary), &of_app(&family.replicas[0]));
    settings.pool.size = 8;
    settings.pool.recycle = None;
    let replica = open(&family.replicas[0].url("postgres")).await;
    eventually("the replica knows the role", async || {
        !read::<(i64,)>(&replica, "SELECT 1::bigint FROM pg_roles WHERE rolname = 'app'").await.is_empty()
    })
    .await;
    let db = Database::open(settings).await.unwrap();
    all_up(&db).await;
    (db, admin)
}

/// Writes in four tasks on open connections, while new ones are refused and the probe's connection is
/// terminated.
async fn writes_go_on_while(refuse: impl AsyncFn(&Database, &Family), allow: impl AsyncFn(&Database)) {
    let family = Family::with_replicas(1);
    // Few enough to be used up soon.
    block_in_place(|| {
        family.primary.configure(&[("max_connections", "40")]).unwrap();
        family.primary.shut_down().unwrap();
        family.primary.start_again().unwrap();
    });
    let (db, admin) = opened(&family).await;
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(db.begin().await.unwrap());
    }
    drop(held);
    at_rest(&db).await;
    let (written, is_done) = (AtomicU64::new(0), AtomicBool::new(false));
    let writer = async || {
        while !is_done.load(Ordering::Relaxed) {
            let id = written.fetch_add(1, Ordering::Relaxed) as i64;
            let insert = execute("INSERT INTO notes (id) VALUES ($1)", params![id]);
            db.write(async |session| session.run(insert).await).await?;
        }
        Ok::<_, Error>(())
    };
    let trouble = async {
        refuse(&admin, &family).await;
        let ended = read::<(bool,)>(
            &admin,
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {WATCH}"),
        );
        assert_eq!(ended.await, [(true,)], "the primary is watched by one connection");
        eventually("it is told", async || {
            node(&db, &family.primary).reason.contains("no connection of its own")
        })
        .await;
        let before = written.load(Ordering::Relaxed);
        eventually("writes go on", async || written.load(Ordering::Relaxed) > before + 200).await;
        let status = node(&db, &family.primary);
        assert_eq!((status.role, status.state), (NodeRole::Primary, NodeState::Up), "{}", status.reason);
        allow(&admin).await;
        eventually("it is watched again", async || node(&db, &family.primary).reason.is_empty()).await;
        is_done.store(true, Ordering::Relaxed);
    };
    let writes = async { tokio::try_join!(writer(), writer(), writer(), writer()) };
    tokio::select! {
        failed = writes => panic!("a write failed: {:?}", failed.err()),
        () = trouble => {}
    }
    let pool = db.pools().into_iter().next().unwrap();
    assert_eq!(pool.totals.closed.total(), 0, "{pool:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_when_the_password_was_changed() {
    writes_go_on_while(
        async |admin, _| {
            write(admin, "ALTER ROLE app PASSWORD 'another'").await;
        },
        async |admin| {
            write(admin, "ALTER ROLE app PASSWORD 'app'").await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_when_the_role_may_not_connect_again() {
    writes_go_on_while(
        async |admin, _| {
            write(admin, "ALTER ROLE app CONNECTION LIMIT 0").await;
        },
        async |admin| {
            write(admin, "ALTER ROLE app CONNECTION LIMIT -1").await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_when_the_server_is_full() {
    let filler = std::sync::Mutex::new(Vec::new());
    writes_go_on_while(
        async |_, family| {
            // Includes the slots reserved for superusers, so that a free one is of no use to others.
            let full = open_with(&family.primary.url("postgres"), |settings| settings.pool.size = 400).await;
            loop {
                match full.read().await {
                    Ok(session) => filler.lock().unwrap().push(session),
                    Err(error) => break assert!(error.to_string().contains("too many clients"), "{error}"),
                }
            }
        },
        async |_| filler.lock().unwrap().clear(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_statements_are_not_aborted_when_no_other_connection_can_probe() {
    let family = Family::with_replicas(1);
    let (db, admin) = opened(&family).await;
    // It runs until all others are terminated, plus four seconds of probes without an answer.
    const LONG: &str = "SELECT 1::bigint FROM pg_advisory_xact_lock(77), pg_sleep(4)";
    let mut holder = admin.begin().await.unwrap();
    holder.run(one::<(bool,)>("SELECT true FROM pg_advisory_xact_lock(77)", params![])).await.unwrap();
    let mut session = db.begin().await.unwrap();
    let long = session.run(one::<(i64,)>(LONG, params![]));
    let trouble = async {
        eventually("it runs", async || {
            let runs = "SELECT true FROM pg_stat_activity WHERE usename = 'app' AND wait_event = 'advisory'";
            !read::<(bool,)>(&admin, runs).await.is_empty()
        })
        .await;
        write(&admin, "ALTER ROLE app CONNECTION LIMIT 0").await;
        eventually("all others are ended", async || {
            let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app' \
                AND query NOT LIKE '%pg_sleep%' AND pid <> pg_backend_pid()";
            read::<(bool,)>(&admin, ended).await.is_empty()
        })
        .await;
        holder.commit().await.unwrap();
    };
    let (outcome, ()) = tokio::join!(long, trouble);
    assert_eq!(outcome.unwrap(), (1,));
    session.commit().await.unwrap();
}

/// One connection per task, each of which reads until it fails.
async fn hang(mode: Mode) {
    const TASKS: usize = 11;
    let database = postgres().await.database("a_silent_peer").await;
    let proxy = Proxy::start(database.port()).await;
    let settings = |settings: &mut Settings| {
        (settings.pool.size, settings.pool.max_overflow) = (TASKS, 0);
        settings.pool.timeout = Duration::from_secs(60);
    };
    let url = format!("{}?statement_timeout=5s&keepalives_idle=1", database.url());
    let db = open_with(&proxy.url(&url), settings).await;
    write(&db, "CREATE TABLE notes (id bigint PRIMARY KEY)").await;
    let mut tasks = JoinSet::new();
    for id in 1..TASKS as i64 {
        let mut session = db.read().await.unwrap();
        session.run(one::<(i64,)>("SELECT $1", params![id])).await.unwrap();
        tasks.spawn(async move {
            loop {
                if let Err(error) = session.run(one::<(i64,)>("SELECT $1", params![id])).await {
                    return error;
                }
            }
        });
    }
    let mut session = db.begin().await.unwrap();
    session.run(execute("INSERT INTO notes (id) VALUES (1)", params![])).await.unwrap();
    proxy.set(mode).await;
    let start = Instant::now();
    let commit = tokio::time::timeout(BOUNDED, session.commit()).await.expect("it ends").unwrap_err();
    assert!(commit.is_commit_unknown(), "{commit:?}");
    while let Some(error) = tokio::time::timeout(BOUNDED, tasks.join_next()).await.expect("it ends") {
        let error = error.unwrap();
        assert!(error.is_connection_lost() && error.is_retryable(), "{error:?}");
        assert!(error.to_string().contains(&format!("127.0.0.1:{}", proxy.port())), "{error}");
    }
    assert!(start.elapsed() < BOUNDED, "{:?}", start.elapsed());
    assert_eq!(db.nodes()[0].state, NodeState::Down, "{:?}", db.nodes());
    proxy.set(Mode::Relay).await;
    assert_eq!(read::<(i64,)>(&db, "SELECT 1::bigint").await, [(1,)]);
    all_up(&db).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_for_the_only_server_is_told_when_it_fell_silent() {
    hang(Mode::Silent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_of_the_only_server_fail_when_a_proxy_lost_it() {
    hang(Mode::HalfOpen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_fails_too() {
    const SLOW: &[Revision] =
        &[Revision::new("0001", "slow", &[Step::sql("sleep", "SELECT pg_sleep(600)", "SELECT 1")])];
    let database = postgres().await.database("a_runner_of_revisions").await;
    let proxy = Proxy::start(database.port()).await;
    let (db, admin) = (open(&proxy.url(database.url())).await, open(database.url()).await);
    let migrator = Migrator::new(&db, SLOW);
    let silence = async {
        let asleep = "SELECT 1::bigint FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
        eventually("it runs", async || !read::<(i64,)>(&admin, asleep).await.is_empty()).await;
        proxy.set(Mode::Silent).await;
    };
    let run = tokio::time::timeout(2 * BOUNDED, migrator.upgrade(&Target::Head));
    let (outcome, ()) = tokio::join!(run, silence);
    assert!(outcome.expect("it ends").is_err());
}

/// Longer than a silent server may take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_statement_on_the_only_server_is_not_cut_though_no_other_connection_is_to_be_had() {
    let database = postgres().await.database("a_long_statement").await;
    let admin = open(database.url()).await;
    let role = format!("lone_{}", database.port());
    let _ = crate::support::try_write(&admin, format!("CREATE ROLE {role} LOGIN PASSWORD 'app'")).await;
    write(&admin, format!("ALTER ROLE {role} CONNECTION LIMIT 1")).await;
    let (_, rest) = database.url().split_once('@').unwrap();
    let db = open(&format!("postgresql://{role}:app@{rest}")).await;
    let long = || one::<(i64,)>("SELECT 1::bigint FROM pg_sleep(15)", params![]);
    let mut session = db.read().await.unwrap();
    let free = async { admin.read().await.unwrap().run(long()).await };
    let (alone, free) = tokio::join!(session.run(long()), free);
    assert_eq!((alone.unwrap(), free.unwrap()), ((1,), (1,)));
    let status = db.nodes().remove(0);
    assert_eq!((status.role, status.state), (NodeRole::Primary, NodeState::Suspect), "{status:?}");
    assert!(status.reason.contains("too many connections"), "{status:?}");
    drop(session);
    write(&admin, format!("ALTER ROLE {role} CONNECTION LIMIT 2")).await;
    all_up(&db).await;
    assert_eq!(admin.nodes()[0].reason, "");
    drop(db);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_connect_that_hangs_is_served_by_a_connection_that_comes_back() {
    let database = postgres().await.database("who_waits_for_a_connect").await;
    let proxy = Proxy::start(database.port()).await;
    let db = open_with(&proxy.url(database.url()), |settings| {
        (settings.pool.size, settings.pool.max_overflow) = (3, 0);
        settings.pool.timeout = Duration::from_secs(60);
    })
    .await;
    let held = (db.read().await.unwrap(), db.read().await.unwrap());
    proxy.set(Mode::Mute).await;
    let waiting = tokio::spawn({
        let db = db.clone();
        async move { read::<(i64,)>(&db, "SELECT 1::bigint").await }
    });
    eventually("it connects", async || db.pools()[0].in_use == 3).await;
    drop(held);
    let start = Instant::now();
    assert_eq!(waiting.await.unwrap(), [(1,)]);
    assert!(start.elapsed() < BOUNDED, "{:?}", start.elapsed());
    at_rest(&db).await;
    let pool = db.pools().remove(0);
    assert_eq!((pool.idle, pool.totals.created, pool.totals.timeouts()), (2, 2, 0), "{pool:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_is_the_only_server_is_reported_as_one() {
    let family = block_in_place(|| Family::with_replicas(1));
    let db = open(&family.replicas[0].url("postgres")).await;
    let status = db.nodes().remove(0);
    assert_eq!((status.role, status.state), (NodeRole::Replica, NodeState::Up), "{status:?}");
    assert!(status.reason.contains("it is a standby and takes no writes"), "{status:?}");
    block_in_place(|| family.replicas[0].promote()).unwrap();
    // Connections that refused to write are replaced, and the next one reports the role.
    eventually("it is a primary", async || {
        let _ = crate::support::try_write(&db, "CREATE TABLE IF NOT EXISTS notes (id bigint)").await;
        db.nodes()[0].role == NodeRole::Primary
    })
    .await;
    assert_eq!(db.nodes()[0].reason, "");
}
