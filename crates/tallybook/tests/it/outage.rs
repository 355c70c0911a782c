//! A server that refuses connections, and one that accepts them and never answers.

use std::time::{Duration, Instant};

use tallybook::{AcquireStep, CloseReason, Database, PoolStatus, Settings, execute, params};
use tallybook_testkit::{Mode, Proxy, postgres};

use crate::support::{at_rest, count_notes, create_notes, eventually, open_with, try_read};

/// Far longer than a refusal takes, far shorter than the pool's timeout.
const AT_ONCE: Duration = Duration::from_secs(10);
/// Longer than any built-in limit: 2 s for a ping, 5 s for cleaning.
const BOUNDED: Duration = Duration::from_secs(15);

fn small(settings: &mut Settings) {
    settings.pool.size = 2;
    settings.pool.max_overflow = 0;
    settings.pool.timeout = Duration::from_secs(30);
}

fn impatient(settings: &mut Settings) {
    small(settings);
    settings.pool.timeout = Duration::from_secs(2);
}

fn status(db: &Database) -> PoolStatus {
    db.pools().remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connect_under_way_outlives_its_caller_and_serves_the_next() {
    let database = postgres().await.database("a_connect_under_way").await;
    let proxy = Proxy::start(database.port()).await;
    let db = open_with(&proxy.url(database.url()), small).await;
    proxy.set(Mode::Delay(Duration::from_secs(1))).await;
    let held = db.read().await.unwrap();
    let given_up = tokio::time::timeout(Duration::from_millis(50), db.read()).await;
    assert!(given_up.is_err(), "to connect takes longer");
    assert_eq!((status(&db).in_use, status(&db).totals.created), (2, 1), "it goes on");
    eventually("it is made", async || status(&db).idle == 1).await;
    assert_eq!((status(&db).in_use, status(&db).totals.created), (1, 2));
    let next = db.read().await.unwrap();
    assert_eq!((status(&db).idle, status(&db).totals.created), (0, 2), "it is the one");
    drop((held, next));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_connection_shows_at_once_to_all_who_ask() {
    let database = postgres().await.database("a_refused_connection").await;
    let proxy = Proxy::start(database.port()).await;
    let db = open_with(&proxy.url(database.url()), |settings| {
        small(settings);
        settings.pool.size = 4;
    })
    .await;
    let _held = db.read().await.unwrap();
    proxy.set(Mode::Refuse).await;
    let start = Instant::now();
    // More than may connect at a time.
    let callers: Vec<_> = (0..12)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.read().await.map(drop) })
        })
        .collect();
    for caller in callers {
        let error = caller.await.unwrap().unwrap_err();
        assert!(error.is_connect() && error.to_string().contains("refused"), "{error}");
    }
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    proxy.set(Mode::Relay).await;
    db.read().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_timeout_mentions_the_last_failure_to_connect() {
    let database = postgres().await.database("a_later_time_out").await;
    let proxy = Proxy::start(database.port()).await;
    let db = open_with(&proxy.url(database.url()), impatient).await;
    let _first = db.read().await.unwrap();
    proxy.set(Mode::Refuse).await;
    assert!(db.read().await.expect_err("it is refused").is_connect());
    proxy.set(Mode::Relay).await;
    let second = db.read().await.unwrap();
    let error = db.read().await.expect_err("both are taken");
    assert_eq!(error.timed_out_step(), Some(AcquireStep::Waiting));
    let text = error.to_string();
    assert!(text.contains("an attempt to connect failed") && text.contains("refused"), "{text}");
    drop(second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_connect_ends_at_the_time_out_of_the_pool_and_says_so_in_one_line() {
    let database = postgres().await.database("to_connect_ends").await;
    let proxy = Proxy::start(database.port()).await;
    proxy.set(Mode::Mute).await;
    let mut settings = Settings::new(&proxy.url(database.url())).unwrap();
    impatient(&mut settings);
    let start = Instant::now();
    let error = Database::open(settings).await.unwrap_err();
    assert!(error.timed_out_step() == Some(AcquireStep::Connecting) && start.elapsed() < AT_ONCE, "{error}");
    proxy.set(Mode::Relay).await;
    let db = open_with(&proxy.url(database.url()), impatient).await;
    let _held = db.read().await.unwrap();
    proxy.set(Mode::Mute).await;
    // However many failures there were, the message mentions the latest only.
    for earlier in 0..3 {
        let text = db.read().await.expect_err("nobody answers").to_string();
        assert_eq!(text.matches("an attempt to connect failed").count(), earlier.min(1), "{text}");
        assert_eq!(text.matches("no answer within").count(), earlier.min(1), "{text}");
    }
    proxy.set(Mode::Relay).await;
    db.read().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ping_has_a_bound_of_its_own() {
    let database = postgres().await.database("a_ping_has_a_bound").await;
    let proxy = Proxy::start(database.port()).await;
    let db = open_with(&proxy.url(database.url()), |settings| {
        small(settings);
        settings.pool.timeout = Duration::from_secs(4);
    })
    .await;
    proxy.set(Mode::Silent).await;
    tokio::time::sleep(Duration::from_millis(600)).await; // idle for longer than is not pinged
    // The ping ends before the caller's deadline; the rest of the time is for a new connection.
    let error = try_read::<(i64,)>(&db, "SELECT 1::bigint").await.unwrap_err();
    assert_eq!(error.timed_out_step(), Some(AcquireStep::Connecting), "{error}");
    let totals = status(&db).totals;
    assert_eq!((totals.timeouts_pinging, totals.timeouts_connecting), (0, 1));
    assert_eq!((totals.closed.by(CloseReason::PingFailed), totals.closed.total()), (1, 1));
    proxy.set(Mode::Relay).await;
    assert_eq!(try_read::<(i64,)>(&db, "SELECT 1::bigint").await.unwrap(), [(1,)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ending_a_transaction_is_bounded_on_a_silent_server() {
    let database = postgres().await.database("to_end_a_transaction").await;
    let proxy = Proxy::start(database.port()).await;
    let db = open_with(&proxy.url(database.url()), small).await;
    create_notes(&db).await;
    let mut sessions = Vec::new();
    for id in 1..=2 {
        let mut session = db.begin().await.unwrap();
        let insert =
            execute("INSERT INTO notes (id, title) VALUES ($1, $2)", params![id, format!("note {id}")]);
        session.run(insert).await.unwrap();
        sessions.push(session);
    }
    proxy.set(Mode::Silent).await;
    let (commits, rolls_back) = (sessions.pop().unwrap(), sessions.pop().unwrap());
    let (commit, roll_back) = tokio::join!(
        // The caller gives up, and its unfinished work is cleaned up.
        tokio::time::timeout(Duration::from_millis(100), commits.commit()),
        tokio::time::timeout(BOUNDED, rolls_back.roll_back()),
    );
    assert!(commit.is_err());
    assert!(roll_back.expect("it ends").is_err());
    at_rest(&db).await;
    let status = status(&db);
    assert_eq!((status.idle, status.totals.closed.total(), status.totals.created), (0, 2, 2), "{status:?}");
    proxy.set(Mode::Relay).await;
    assert_eq!(count_notes(&db).await, 0);
}
