//! Futures dropped at every await point: nothing leaks, and no connection stays in a transaction.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tallybook::{
    CloseReason, Database, Dialect, Error, Result, Row, Settings, Statement, all, execute, one, params,
};

use crate::support::{at_rest, count_notes, create_notes, eventually, open_with, polled, read, write};

/// Few connections, so that a leak is noticed at once.
fn tight(settings: &mut Settings) {
    settings.pool.size = 2;
    settings.pool.max_overflow = 1;
    settings.pool.timeout = Duration::from_secs(10);
}

/// Drops the future after 0, 1, 2, … polls, several times each, until all attempts with one number complete.
/// Tries at least eight numbers, because the other thread may answer before the first poll is over.
async fn drop_after_every_poll<T>(start: impl AsyncFn() -> Result<T>) {
    for polls in 0..1_000 {
        let mut completed = 0;
        for _ in 0..4 {
            if let Some(outcome) = polled(polls, start()).await {
                outcome.unwrap();
                completed += 1;
            }
        }
        if completed == 4 && polls >= 8 {
            return;
        }
    }
    panic!("it never completes");
}

/// All connections exist, and each of them reads and writes.
async fn all_usable(db: &Database) {
    at_rest(db).await;
    let limit = db.pools().iter().map(|pool| pool.limit).max().unwrap();
    let mut sessions = Vec::new();
    for _ in 0..limit {
        let mut session = db.read().await.unwrap();
        session.run((count(), count())).await.unwrap();
        sessions.push(session);
    }
    drop(sessions);
    write(db, "UPDATE notes SET title = title").await;
    assert!(db.pools().iter().all(|pool| pool.waiting == 0));
}

fn count() -> tallybook::One<(i64,)> {
    one("SELECT count(*) FROM notes", params![])
}

/// A read of half a minute, unless it is stopped.
fn long_read() -> tallybook::One<(i64,)> {
    one(
        Statement::per_dialect(
            "SELECT 1::bigint FROM pg_sleep(30)",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) SELECT count(*) FROM n",
        ),
        params![],
    )
}

#[derive(Row)]
struct Note {
    id: i64,
    title: String,
}

tallybook_testkit::both_dialects! {
    async fn reads_can_be_dropped_at_any_point(url: &str) {
        let db = open_with(url, tight).await;
        create_notes(&db).await;
        drop_after_every_poll(async || {
            let mut session = db.read().await?;
            session.run(count()).await?;
            session.run((count(), count())).await
        })
        .await;
        drop_after_every_poll(async || {
            let mut session = db.snapshot().await?;
            session.run(count()).await?;
            session.run(count()).await
        })
        .await;
        all_usable(&db).await;
    }

    async fn writes_can_be_dropped_at_any_point_and_happen_whole_or_not(url: &str) {
        let db = open_with(url, tight).await;
        create_notes(&db).await;
        write(&db, "CREATE TABLE copies (id integer)").await;
        let next = AtomicI64::new(0);
        drop_after_every_poll(async || {
            let id = next.fetch_add(1, Ordering::Relaxed);
            let title = format!("note {id}");
            db.write(async |session| -> Result<()> {
                session.run(execute("INSERT INTO notes (id, title) VALUES ($1, $2)", params![id, title])).await?;
                session.run(execute("INSERT INTO copies VALUES ($1)", params![id])).await?;
                Ok(())
            })
            .await
        })
        .await;
        all_usable(&db).await;
        assert!(count_notes(&db).await >= 4);
        let apart = read::<(i64,)>(
            &db,
            "SELECT id FROM notes WHERE id NOT IN (SELECT id FROM copies) \
             UNION ALL SELECT id FROM copies WHERE id NOT IN (SELECT id FROM notes)",
        )
        .await;
        assert_eq!(apart, []);
    }

    async fn a_roll_back_can_be_dropped_at_any_point(url: &str) {
        let db = open_with(url, tight).await;
        create_notes(&db).await;
        drop_after_every_poll(async || {
            let mut session = db.begin().await?;
            session.run(execute("INSERT INTO notes (id, title) VALUES (1, 'one')", params![])).await?;
            session.roll_back().await
        })
        .await;
        all_usable(&db).await;
        assert_eq!(count_notes(&db).await, 0);
    }

    async fn waiting_for_a_connection_can_be_dropped_at_any_point(url: &str) {
        let db = open_with(url, |settings| {
            tight(settings);
            settings.pool.size = 1;
            settings.pool.max_overflow = 0;
        })
        .await;
        create_notes(&db).await;
        for round in 0..8 {
            let held = db.read().await.unwrap();
            assert!(polled(round % 2, db.read()).await.is_none());
            // One caller gives up in front of one that stays.
            let (gives_up, stays) = (db.clone(), db.clone());
            let gives_up = tokio::spawn(async move { gives_up.read().await.map(drop) });
            eventually("it waits", async || db.pools().iter().any(|pool| pool.waiting == 1)).await;
            let stays = tokio::spawn(async move { stays.read().await?.run(count()).await });
            eventually("both wait", async || db.pools().iter().any(|pool| pool.waiting == 2)).await;
            gives_up.abort();
            assert!(gives_up.await.unwrap_err().is_cancelled());
            drop(held);
            assert_eq!(stays.await.unwrap().unwrap(), (0,));
        }
        all_usable(&db).await;
    }

    async fn opening_can_be_dropped_at_any_point(url: &str) {
        drop_after_every_poll(async || Database::open(Settings::new(url)?).await).await;
        let db = open_with(url, tight).await;
        create_notes(&db).await;
        all_usable(&db).await;
    }

    async fn a_bulk_load_can_be_dropped_at_any_point_and_happens_whole_or_not(url: &str) {
        let db = open_with(url, tight).await;
        create_notes(&db).await;
        // A dropped commit may still take effect, so each has rows of its own.
        let next = AtomicI64::new(0);
        drop_after_every_poll(async || {
            let first = next.fetch_add(2_500, Ordering::Relaxed);
            db.write(async |session| -> Result<u64> {
                let mut load = session.load("notes", &["id", "title"]).await?;
                for id in first..first + 2_500 {
                    load.write(&Note { id, title: format!("note {id}") }).await?;
                }
                load.finish().await
            })
            .await
        })
        .await;
        all_usable(&db).await;
        let rows = count_notes(&db).await;
        assert!(rows > 0 && rows % 2_500 == 0, "{rows}");
    }

    async fn a_long_statement_that_is_dropped_ends_and_gives_its_connection_back(url: &str) {
        let db = open_with(url, |settings| {
            tight(settings);
            settings.pool.size = 1;
            settings.pool.max_overflow = 0;
        })
        .await;
        create_notes(&db).await;
        // Waiting for the answer.
        let mut session = db.read().await.unwrap();
        tokio::time::timeout(Duration::from_millis(200), session.run(long_read())).await.unwrap_err();
        drop(session);
        all_usable(&db).await;
        // In a transaction that wrote.
        let mut session = db.begin().await.unwrap();
        session.run(execute("INSERT INTO notes (id, title) VALUES (1, 'one')", params![])).await.unwrap();
        tokio::time::timeout(Duration::from_millis(200), session.run(long_read())).await.unwrap_err();
        drop(session);
        all_usable(&db).await;
        assert_eq!(count_notes(&db).await, 0);
        // Before the other side has started on it, and after a quick statement.
        let last = if db.dialect() == Dialect::Sqlite { 1 } else { 2 };
        for polls in 1..=last {
            for _ in 0..5 {
                let mut session = db.read().await.unwrap();
                // The quick answer may be there at the first poll; then nothing comes for half a minute.
                let run = polled(polls, session.run((count(), long_read())));
                let ended = tokio::time::timeout(Duration::from_secs(1), run).await;
                assert!(!matches!(ended, Ok(Some(_))));
                drop(session);
                all_usable(&db).await;
            }
        }
    }

    async fn all_that_was_abandoned_on_a_connection_is_stopped(url: &str) {
        let db = open_with(url, |settings| {
            tight(settings);
            settings.pool.size = 1;
            settings.pool.max_overflow = 0;
        })
        .await;
        create_notes(&db).await;
        let mut session = db.read().await.unwrap();
        for _ in 0..4 {
            assert!(polled(1, session.run(long_read())).await.is_none());
        }
        drop(session);
        all_usable(&db).await;
        if db.dialect() == Dialect::Postgres {
            let asleep = "SELECT pid::bigint FROM pg_stat_activity \
                          WHERE datname = current_database() AND wait_event = 'PgSleep'";
            assert_eq!(read::<(i64,)>(&db, asleep).await, [], "nothing goes on at the server");
        }
    }

    async fn a_session_outlives_a_read_that_was_dropped(url: &str) {
        let db = open_with(url, tight).await;
        create_notes(&db).await;
        let numbers = || all::<(i64,)>("SELECT 1 UNION ALL SELECT 2 ORDER BY 1", params![]);
        let mut session = db.read().await.unwrap();
        for polls in 0..4 {
            polled(polls, session.run((count(), count()))).await;
            assert_eq!(session.run(numbers()).await.unwrap(), [(1,), (2,)]);
            // A snapshot of which nothing was seen.
            let mut snapshot = db.snapshot().await.unwrap();
            if polled(polls, snapshot.run((count(), count()))).await.is_none() {
                assert_eq!(snapshot.run(numbers()).await.unwrap(), [(1,), (2,)]);
            }
        }
        drop(session);
        all_usable(&db).await;
    }
}

/// A cancel request has no answer, and may arrive when the connection runs something else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_on_which_something_was_cancelled_is_not_lent_again() {
    let database = tallybook_testkit::postgres().await.database("a_connection_on_which").await;
    let db = open_with(database.url(), |settings| {
        settings.pool.size = 1;
        settings.pool.max_overflow = 0;
    })
    .await;
    let pid = || one::<(i64,)>("SELECT pg_backend_pid()::bigint", params![]);
    let mut cancelled = Vec::new();
    for is_write in [false, true] {
        let (used,) = if is_write {
            let mut session = db.begin().await.unwrap();
            let used = session.run(pid()).await.unwrap();
            tokio::time::timeout(Duration::from_millis(100), session.run(long_read())).await.unwrap_err();
            used
        } else {
            let mut session = db.read().await.unwrap();
            let used = session.run(pid()).await.unwrap();
            tokio::time::timeout(Duration::from_millis(100), session.run(long_read())).await.unwrap_err();
            used
        };
        at_rest(&db).await;
        cancelled.push(used);
        let (next,) = db.read().await.unwrap().run(pid()).await.unwrap();
        assert!(!cancelled.contains(&next), "{next} is one of {cancelled:?}");
        let closed = db.pools()[0].totals.closed;
        assert_eq!(
            (closed.by(CloseReason::Cancelled), closed.total()),
            (cancelled.len() as u64, cancelled.len() as u64)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_statement_never_harms_the_next_one() -> Result<(), Error> {
    let database = tallybook_testkit::postgres().await.database("a_cancelled_statement").await;
    let db = open_with(database.url(), |settings| {
        tight(settings);
        settings.pool.size = 1;
        settings.pool.max_overflow = 0;
    })
    .await;
    assert_eq!(db.dialect(), Dialect::Postgres);
    // They end about when the cleanup runs out of patience and cancels them.
    for milliseconds in 45..65 {
        let mut session = db.read().await?;
        let sleep = format!("SELECT 1::bigint FROM pg_sleep({milliseconds} / 1000.0)");
        assert!(polled(1, session.run(one::<(i64,)>(sleep, params![]))).await.is_none());
        drop(session);
        for _ in 0..5 {
            let mut session = db.read().await?;
            let next = one::<(i64,)>("SELECT 1::bigint FROM pg_sleep(0.002)", params![]);
            assert_eq!(session.run(next).await?, (1,));
        }
    }
    Ok(())
}
