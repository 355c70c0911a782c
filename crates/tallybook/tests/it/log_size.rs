//! SQLite's write-ahead log shrinks again after the read that let it grow.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use tallybook::{Data, Database, execute, one, params};
use tallybook_testkit::SqliteFile;

use crate::log::keep;
use crate::support::{count_notes, eventually, open, read, try_write, with_notes, write};

const MIB: u64 = 1 << 20;
/// The size that SQLite keeps by itself, and a little more.
const SHORT: u64 = 17 * MIB;
const COUNT: &str = "SELECT count(*) FROM notes";

fn log_size(file: &SqliteFile) -> u64 {
    fs::metadata(format!("{}-wal", file.path().display())).map_or(0, |log| log.len())
}

/// Adds a number of notes, each a mebibyte of log.
async fn grow(db: &Database, megabytes: usize) {
    for _ in 0..megabytes {
        write(db, "INSERT INTO notes (title) VALUES (hex(randomblob(520000)))").await;
    }
}

async fn holding_snapshot(db: &Database) -> tallybook::ReadSession {
    let mut snapshot = db.snapshot().await.unwrap();
    snapshot.run(one::<(i64,)>(COUNT, params![])).await.unwrap();
    snapshot
}

/// A `sqlite3` process in the middle of a read.
fn other_process(file: &SqliteFile) -> Child {
    let mut child = Command::new("sqlite3")
        .arg(file.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sqlite3 is installed: apt-get install sqlite3, or run ./scripts/test, which does");
    writeln!(child.stdin.as_mut().unwrap(), "BEGIN; {COUNT};").unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "0");
    child
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_grew_beside_a_snapshot_is_shortened_when_it_ends_without_a_further_write() {
    let file = SqliteFile::new("snapshot");
    let db = with_notes(&file.url()).await;
    let mut snapshot = holding_snapshot(&db).await;
    grow(&db, 25).await;
    assert!(log_size(&file) > 24 * MIB, "{}", log_size(&file));
    assert_eq!(db.nodes()[0].log_bytes, Some(log_size(&file)));
    assert_eq!(snapshot.run(one::<(i64,)>(COUNT, params![])).await.unwrap(), (0,));
    drop(snapshot);
    eventually("the log is shortened", async || log_size(&file) < SHORT).await;
    assert_eq!(count_notes(&db).await, 25);
    grow(&db, 1).await;
    db.close().await;
    assert_eq!(count_notes(&open(&file.url()).await).await, 26);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_another_process_let_grow_is_shortened_when_that_ends() {
    let file = SqliteFile::new("process");
    let db = with_notes(&file.url()).await;
    let mut other = other_process(&file);
    grow(&db, 25).await;
    assert!(log_size(&file) > 24 * MIB, "{}", log_size(&file));
    drop(other.stdin.take());
    other.wait().unwrap();
    eventually("the log is shortened", async || log_size(&file) < SHORT).await;
    assert_eq!(count_notes(&db).await, 25);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_shortened_while_writers_and_short_readers_never_pause() {
    let file = SqliteFile::new("busy");
    let db = with_notes(&file.url()).await;
    let snapshot = holding_snapshot(&db).await;
    grow(&db, 25).await;
    let writer = tokio::spawn({
        let db = db.clone();
        async move {
            let mut written = 0;
            loop {
                try_write(&db, "INSERT INTO notes (title) VALUES (hex(randomblob(16)))").await.unwrap();
                written += 1;
                if written % 50 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        }
    });
    let reader = tokio::spawn({
        let db = db.clone();
        async move {
            loop {
                read::<(i64,)>(&db, "SELECT id FROM notes LIMIT 5").await;
            }
        }
    });
    drop(snapshot);
    eventually("the log is shortened", async || log_size(&file) < SHORT).await;
    assert!(!writer.is_finished() && !reader.is_finished());
    writer.abort();
    reader.abort();
}

#[tokio::test]
async fn a_long_log_is_reported_once_with_the_line_that_holds_it() {
    let (kept, _guard) = keep();
    let file = SqliteFile::new("told");
    let db = with_notes(&file.url()).await;
    let snapshot = holding_snapshot(&db).await;
    grow(&db, 66).await;
    let warnings = || kept.text().lines().filter(|line| line.contains("the write-ahead log is long")).count();
    eventually("it is told", async || warnings() > 0).await;
    grow(&db, 2).await;
    let text = kept.text();
    let line = text.lines().find(|line| line.contains("the write-ahead log is long")).unwrap();
    assert!(line.contains("WARN") && line.contains("log_size.rs"), "{line}");
    let node = &db.nodes()[0];
    assert!(
        node.reason.contains("its write-ahead log has") && node.reason.contains("log_size.rs"),
        "{}",
        node.reason
    );
    drop(snapshot);
    eventually("the log is shortened", async || log_size(&file) < SHORT).await;
    assert_eq!(warnings(), 1);
    assert_eq!(db.nodes()[0].reason, "");
}

#[tokio::test]
async fn the_size_of_the_log_is_a_metric() {
    let file = SqliteFile::new("metric");
    let db = with_notes(&file.url()).await;
    let mut session = db.begin().await.unwrap();
    session.run(execute("INSERT INTO notes (title) VALUES ('one')", params![])).await.unwrap();
    session.commit().await.unwrap();
    let metrics = db.metrics();
    let metric = metrics.iter().find(|metric| metric.name == "tallybook.node.wal.size").unwrap();
    let Data::Gauge(points) = &metric.data else { panic!("{metric:?}") };
    assert_eq!(points.len(), 1);
    assert_eq!(points[0].value, log_size(&file) as f64);
    let memory = open("sqlite::memory:").await;
    assert!(memory.metrics().iter().all(|metric| metric.name != "tallybook.node.wal.size"));
}
