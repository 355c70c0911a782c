//! Work cancelled at random points by several tasks at once: nothing leaks, nothing is poisoned.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use tallybook::{Database, Dialect, One, Result, Row, Settings, execute, one, params};

use crate::support::{at_rest, create_notes, open, open_with, polled, read, write};

const TASKS: u64 = 6;
/// More polls than any of the work needs when it runs alone.
const MAX_POLLS: u64 = 24;

#[derive(Row)]
struct Note {
    id: i64,
    title: String,
}

/// Fewer connections than tasks.
fn tight(settings: &mut Settings) {
    settings.pool.size = 2;
    settings.pool.max_overflow = 2;
    settings.pool.timeout = Duration::from_secs(20);
}

/// Deterministic pseudo-random numbers (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

fn count() -> One<(i64,)> {
    one("SELECT count(*) FROM marks", params![])
}

async fn insert(db: &Database, id: i64, commit: bool) -> Result<()> {
    let mut session = db.begin().await?;
    session.run(count()).await?;
    let insert = "INSERT INTO notes (id, title) VALUES ($1, $2)";
    session.run(execute(insert, params![id, format!("note {id}")])).await?;
    session.run(execute("INSERT INTO copies VALUES ($1)", params![id])).await?;
    if commit { session.commit().await.map(drop) } else { session.roll_back().await }
}

async fn load(db: &Database, id: i64) -> Result<()> {
    db.write(async |session| -> Result<()> {
        session.run(execute("INSERT INTO copies VALUES ($1)", params![id])).await?;
        let mut load = session.load("notes", &["id", "title"]).await?;
        load.write(&Note { id, title: format!("note {id}") }).await?;
        load.finish().await.map(drop)
    })
    .await
    .map(drop)
}

/// Runs one of all the things that a session does.
async fn something(db: &Database, kind: u64, id: i64) -> Result<()> {
    match kind {
        0 => db.read().await.map(drop),
        1 => db.read().await?.run(count()).await.map(drop),
        2 => db.read().await?.run((count(), count())).await.map(drop),
        3 => {
            let mut session = db.snapshot().await?;
            session.run(count()).await?;
            session.run(count()).await.map(drop)
        }
        4 => insert(db, id, true).await,
        5 => insert(db, id, false).await,
        _ => load(db, id).await,
    }
}

/// Runs random work until it was cancelled `cancels` times.
async fn storm(db: &Database, cancels: usize, seed: u64) {
    let (cancelled, next) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicI64::new(1)));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (db, cancelled, next) = (db.clone(), Arc::clone(&cancelled), Arc::clone(&next));
            let mut dice = Dice(seed.wrapping_add(task));
            tokio::spawn(async move {
                while cancelled.load(Ordering::Relaxed) < cancels {
                    let (kind, polls) = (dice.below(7), 1 + dice.below(MAX_POLLS) as usize);
                    let id = next.fetch_add(1, Ordering::Relaxed);
                    match polled(polls, something(&db, kind, id)).await {
                        Some(outcome) => outcome.unwrap_or_else(|error| panic!("work {kind}: {error:?}")),
                        None => _ = cancelled.fetch_add(1, Ordering::Relaxed),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap_or_else(|failure| panic!("with seed {seed}: {failure}"));
    }
}

/// Exactly all permits are free, every connection reads and writes, and no transaction is open.
async fn unharmed(db: &Database, url: &str, seed: u64) {
    at_rest(db).await;
    for pool in db.pools() {
        assert_eq!((pool.in_use, pool.waiting), (0, 0), "with seed {seed}: {pool:?}");
        let open = pool.totals.created - pool.totals.closed.total();
        assert_eq!(open, pool.idle as u64, "with seed {seed}: {pool:?}");
    }
    if db.dialect() == Dialect::Postgres {
        let busy = "SELECT query FROM pg_stat_activity WHERE datname = current_database() \
                    AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'";
        assert_eq!(read::<(String,)>(&open(url).await, busy).await, [], "with seed {seed}");
    }
    let limit = db.pools().pop().unwrap().limit;
    let mut sessions = Vec::new();
    for _ in 0..limit {
        let mut session = db.read().await.unwrap();
        session.run((count(), count())).await.unwrap_or_else(|error| panic!("with seed {seed}: {error}"));
        sessions.push(session);
    }
    let more = tokio::time::timeout(Duration::from_millis(50), db.read()).await;
    assert!(more.is_err(), "with seed {seed}: a permit too many");
    drop(sessions);
    let mut sessions = Vec::new();
    for _ in 0..db.pools()[0].limit {
        let mut session = db.begin().await.unwrap();
        let touched = session.run(execute("UPDATE marks SET id = id WHERE false", params![])).await;
        touched.unwrap_or_else(|error| panic!("with seed {seed}: {error}"));
        sessions.push(session);
    }
    for session in sessions {
        session.commit().await.unwrap();
    }
    for (one, other) in [("notes", "copies"), ("copies", "notes")] {
        let apart = format!("SELECT id FROM {one} EXCEPT SELECT id FROM {other}");
        assert_eq!(read::<(i64,)>(db, apart).await, [], "with seed {seed}");
    }
}

async fn cancel_and_look(url: &str, cancels: usize) {
    let seed = RandomState::new().hash_one(());
    let db = open_with(url, tight).await;
    create_notes(&db).await;
    write(&db, "CREATE TABLE copies (id integer)").await;
    write(&db, "CREATE TABLE marks (id integer)").await;
    storm(&db, cancels, seed).await;
    unharmed(&db, url, seed).await;
}

tallybook_testkit::both_dialects! {
    async fn a_thousand_random_cancels_leave_every_connection_fit(url: &str) {
        cancel_and_look(url, 1_000).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "an hour or two; cargo test -p tallybook --release --test it a_million -- --ignored"]
async fn a_million_random_cancels_leave_every_connection_fit() {
    tallybook_testkit::takes_at_most(std::time::Duration::from_secs(6 * 3600));
    let database = tallybook_testkit::postgres().await.database("a_million").await;
    cancel_and_look(database.url(), 1_000_000).await;
    let file = tallybook_testkit::SqliteFile::new("a_million");
    cancel_and_look(&file.url(), 1_000_000).await;
}
