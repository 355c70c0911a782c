//! Revisions of a PostgreSQL database in use.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tallybook::Database;
use tallybook::book::migrator;
use tallybook::migrate::{Progress, Target};
use tallybook::{execute, params};
use tallybook_testkit::{Database as TestDatabase, postgres};

use crate::support::{open, rows, sql};

const INVALID: &str = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";

/// Creates a book at the first revision.
async fn first(name: &str) -> (Database, TestDatabase) {
    let database = postgres().await.database(name).await;
    let db = open(database.url()).await;
    migrator(&db).upgrade(&"0001".parse().unwrap()).await.unwrap();
    (db, database)
}

async fn number(db: &Database, query: &'static str) -> i64 {
    rows::<(i64,)>(&mut db.read().await.unwrap(), query).await[0].0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_blocks_a_build_is_named_and_the_deadline_leaves_a_clean_state() {
    let (db, _database) = first("who_blocks_a_build").await;
    let mut old = db.snapshot().await.unwrap();
    let pid =
        rows::<(i64,)>(&mut old, "SELECT pg_backend_pid()::bigint FROM (SELECT count(*) FROM portfolios) p")
            .await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = heard.clone();
    let hurried = migrator(&db)
        .within(Duration::from_secs(3))
        .on_progress(move |progress| listener.lock().unwrap().push(progress.clone()));
    let error = hurried.upgrade(&Target::Head).await.unwrap_err().to_string();
    assert!(error.contains("the deadline came") && error.contains(&format!("pid {}", pid[0].0)), "{error}");
    let named = heard.lock().unwrap().iter().any(|progress| match progress {
        Progress::Building { blockers, .. } => blockers.iter().any(|blocker| {
            blocker.pid == pid[0].0 && blocker.user == "tallybook" && blocker.query.contains("pg_backend_pid")
        }),
        _ => false,
    });
    assert!(named, "{:?}", heard.lock().unwrap());
    assert_eq!(number(&db, INVALID).await, 0);
    drop(old);
    migrator(&db).upgrade(&Target::Head).await.unwrap();
    assert_eq!(migrator(&db).check().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_index_is_built_anew() {
    let (db, _database) = first("an_invalid_index").await;
    sql(&db, "CREATE INDEX ix_trades_portfolio_status ON trades (portfolio_id, status)").await;
    sql(
        &db,
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_trades_portfolio_status'::regclass",
    )
    .await;
    migrator(&db).upgrade(&Target::Head).await.unwrap();
    assert_eq!(number(&db, INVALID).await, 0);
    assert_eq!(migrator(&db).check().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_of_the_same_name_and_another_definition_is_never_accepted() {
    let (db, _database) = first("an_index_of_the_same_name").await;
    sql(&db, "CREATE INDEX ix_trades_portfolio_status ON trades (status, portfolio_id)").await;
    let error = migrator(&db).upgrade(&Target::Head).await.unwrap_err().to_string();
    assert!(error.contains("(status, portfolio_id)") && error.contains("Nothing was overwritten"), "{error}");
    sql(&db, "DROP INDEX ix_trades_portfolio_status").await;
    migrator(&db).upgrade(&Target::Head).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_others_hold_is_waited_for_in_short_turns_and_they_are_named() {
    let (db, _database) = first("a_lock_that_others_hold").await;
    let mut reader = db.snapshot().await.unwrap();
    rows::<(i64,)>(&mut reader, "SELECT count(*) FROM trades").await;
    let waited = Arc::new(AtomicBool::new(false));
    let listener = waited.clone();
    let hurried = migrator(&db).within(Duration::from_secs(2)).on_progress(move |progress| {
        if let Progress::Waiting { blockers, .. } = progress {
            listener.fetch_or(
                blockers.iter().any(|blocker| blocker.query.contains("from trades")),
                Ordering::Relaxed,
            );
        }
    });
    let error = hurried.upgrade(&Target::Head).await.unwrap_err().to_string();
    assert!(error.contains("the deadline came") && error.contains("the lock is held by pid"), "{error}");
    assert!(waited.load(Ordering::Relaxed));
    assert_eq!(migrator(&db).current().await.unwrap(), Some("0001"));
    assert!(migrator(&db).history().await.unwrap()[1].unfinished.is_none(), "nothing was changed");
}

/// The deadline falls into a statement's wait for its lock, not between two attempts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_a_lock_is_named_whenever_the_deadline_comes() {
    let (db, _database) = first("who_holds_a_lock").await;
    let mut reader = db.snapshot().await.unwrap();
    rows::<(i64,)>(&mut reader, "SELECT count(*) FROM trades").await;
    for milliseconds in [100, 150, 200, 600, 700, 800] {
        let hurried = migrator(&db).within(Duration::from_millis(milliseconds));
        let error = hurried.upgrade(&Target::Head).await.unwrap_err().to_string();
        // On a busy machine the deadline may come before a lock was requested.
        let named = error.contains("the lock is held by pid") || !error.contains("timeout");
        assert!(error.contains("the deadline came") && named, "{milliseconds} ms: {error}");
    }
}

/// The writers' results while revisions went up and down.
struct WriterProgress {
    /// Number of writes of each writer.
    writes: Vec<i64>,
    slowest: Duration,
}

/// Writers insert and update until `work` is done; none may fail.
async fn beside_writers(db: &Database, writers: usize, work: impl Future<Output = ()>) -> WriterProgress {
    let stop = Arc::new(AtomicBool::new(false));
    let slowest = Arc::new(AtomicI64::new(0));
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let (db, stop, slowest) = (db.clone(), stop.clone(), slowest.clone());
            tokio::spawn(async move {
                let mut writes = 0;
                while writes == 0 || !stop.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    db.write(async |session| -> tallybook::Result<()> {
                        let insert = "INSERT INTO trades (portfolio_id, symbol, action, quantity, order_type, status, \
                             filled_quantity, created_at, updated_at) \
                             VALUES (1, 'AAPL', 'BUY', 1, 'MARKET', 'PENDING', 0, now(), now())";
                        let update = "UPDATE trades SET status = 'FILLED' WHERE id = $1";
                        session.run(execute(insert, params![])).await?;
                        session.run(execute(update, params![writer as i64 + 1 + writes % 1000])).await?;
                        Ok(())
                    })
                    .await
                    .expect("no writer fails");
                    slowest.fetch_max(start.elapsed().as_micros() as i64, Ordering::Relaxed);
                    writes += 1;
                }
                writes
            })
        })
        .collect();
    work.await;
    stop.store(true, Ordering::Relaxed);
    let mut writes = Vec::new();
    for task in tasks {
        writes.push(task.await.unwrap());
    }
    WriterProgress { writes, slowest: Duration::from_micros(slowest.load(Ordering::Relaxed).unsigned_abs()) }
}

async fn up_and_down_beside_writers(trades: i64, writers: usize) -> Duration {
    let (db, _database) = first("up_and_down_beside_writers").await;
    sql(
        &db,
        "INSERT INTO portfolios (name, initial_capital, current_capital, currency, created_at, updated_at) \
         VALUES ('live', 1, 1, 'USD', now(), now())",
    )
    .await;
    let fill = format!(
        "INSERT INTO trades (portfolio_id, symbol, action, quantity, order_type, status, filled_quantity, created_at, \
         updated_at) SELECT 1, 'S' || n % 500, 'BUY', n, 'LIMIT', 'PENDING', 0, now() - n * interval '1 s', now() \
         FROM generate_series(1, {trades}) n"
    );
    sql(&db, fill).await;
    sql(&db, "ANALYZE").await;
    let start = Instant::now();
    let seen = beside_writers(&db, writers, async {
        migrator(&db).upgrade(&Target::Head).await.unwrap();
        assert_eq!(migrator(&db).check().await.unwrap(), []);
        migrator(&db).downgrade(&"0001".parse().unwrap()).await.unwrap();
    })
    .await;
    let WriterProgress { writes, slowest } = seen;
    // Each writer updates the trades from its own number on, in turn.
    let filled = (0..).zip(&writes).map(|(writer, &writes)| writer + writes.min(1_000)).max().unwrap();
    let writes: i64 = writes.iter().sum();
    #[allow(clippy::print_stdout)] // what it is run for
    {
        println!(
            "{trades} trades, {writers} writers: up and down in {:.1?}, {writes} writes, the slowest took {slowest:.1?}",
            start.elapsed()
        );
    }
    assert_eq!(number(&db, "SELECT count(*) FROM trades").await, trades + writes);
    let quantity = number(&db, "SELECT sum(quantity)::bigint FROM trades").await;
    assert_eq!(quantity, trades * (trades + 1) / 2 + writes);
    assert_eq!(number(&db, "SELECT count(*) FROM trades WHERE status = 'FILLED'").await, filled);
    let (current, history) = (migrator(&db).current().await.unwrap(), migrator(&db).history().await.unwrap());
    assert_eq!((current, history[1].unfinished, history[2].unfinished), (Some("0001"), None, None));
    assert_eq!((migrator(&db).check().await.unwrap(), number(&db, INVALID).await), (vec![], 0));
    slowest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_go_up_and_down_while_others_write() {
    up_and_down_beside_writers(50_000, 4).await;
}

/// `cargo test -p tallybook --test it -- --ignored --nocapture online::a_million_trades`
#[ignore = "a million trades; docs/DATABASE_PERFORMANCE_TUNING.md says how to run it"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_trades_go_up_and_down_while_eight_write() {
    tallybook_testkit::takes_at_most(Duration::from_secs(3600));
    let slowest = up_and_down_beside_writers(1_000_000, 8).await;
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}
