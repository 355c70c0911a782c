//! SQLite reads on the caller's thread, and reads that are too long for that.

use std::time::{Duration, Instant};

use tallybook::{Statement, all, one, params};
use tallybook_testkit::SqliteFile;
use tokio::task::yield_now;

use crate::support::{count_notes, open, with_notes, write};

const COUNT_TO: Statement = Statement::new(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) SELECT count(*) FROM n",
);
const LIST_TO: Statement = Statement::new(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) SELECT i FROM n",
);

/// On one thread, where a blocking read would block everything.
#[tokio::test]
async fn a_long_read_leaves_the_thread_to_other_tasks() {
    let db = open("sqlite::memory:").await;
    let reading = tokio::spawn({
        let db = db.clone();
        async move { db.read().await?.run(one::<(i64,)>(COUNT_TO, params![3_000_000])).await }
    });
    let (mut turns, mut longest) = (0, Duration::ZERO);
    while !reading.is_finished() {
        let start = Instant::now();
        yield_now().await;
        longest = longest.max(start.elapsed());
        turns += 1;
    }
    assert_eq!(reading.await.unwrap().unwrap(), (3_000_000,));
    assert!(turns > 10, "only {turns} turns, the longest of {longest:?}");
}

#[tokio::test]
async fn a_read_that_was_broken_off_is_whole_when_it_ran_again() {
    let db = open("sqlite::memory:").await;
    let mut session = db.read().await.unwrap();
    for _ in 0..50 {
        let rows = session.run(all::<(i64,)>(LIST_TO, params![5_000])).await.unwrap();
        assert!(rows.iter().map(|row| row.0).eq(1..=5_000));
    }
    assert_eq!(session.counts().rows, 50 * 5_000);
}

#[tokio::test]
async fn a_snapshot_outlasts_a_read_that_was_broken_off() {
    let file = SqliteFile::new("snapshot_broken_off");
    let db = with_notes(&file.url()).await;
    write(&db, "INSERT INTO notes (id, title) VALUES (1, 'before')").await;
    let mut session = db.snapshot().await.unwrap();
    // The first statement begins the snapshot, and is interrupted.
    session.run(one::<(i64,)>(COUNT_TO, params![1_000_000])).await.unwrap();
    session.run(one::<(i64,)>("SELECT count(*) FROM notes", params![])).await.unwrap();
    write(&db, "INSERT INTO notes (id, title) VALUES (2, 'after')").await;
    session.run(one::<(i64,)>(COUNT_TO, params![1_000_001])).await.unwrap();
    let seen = session.run(one::<(i64,)>("SELECT count(*) FROM notes", params![])).await.unwrap();
    assert_eq!(seen, (1,));
    assert_eq!(count_notes(&db).await, 2);
}

/// Short reads find everything ready, so only tokio's budget makes their task yield.
#[tokio::test]
async fn a_task_that_only_reads_lets_others_run() {
    let db = open("sqlite::memory:").await;
    let reader = tokio::spawn(async move {
        loop {
            db.read().await.unwrap().run(one::<(i64,)>("SELECT 1", params![])).await.unwrap();
        }
    });
    for _ in 0..100 {
        yield_now().await;
    }
    reader.abort();
    assert!(reader.await.unwrap_err().is_cancelled());
}
