//! Streams of rows.

use std::fs;
use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use tallybook::{
    All, Database, Dialect, ErrorKind, Result, Row, Session, Statement, all, execute, one, params,
};
use tallybook_testkit::{Mode, Proxy, SqliteFile, postgres};

use crate::support::{
    at_rest, count_notes, eventually, in_own_process, open, open_with, polled, with_notes, write,
};

#[derive(Debug, PartialEq, Row)]
struct Numbered {
    id: i64,
    text: String,
}

/// The numbers from 1, each with a text of a hundred characters.
fn numbers(count: i64) -> All<Numbered> {
    let sql = Statement::per_dialect(
        "SELECT id, lpad(id::text, 100, '.') AS text FROM generate_series(1, $1) AS id",
        "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < $1) \
         SELECT id, substr(printf('%100d', id), 1, 100) AS text FROM n WHERE id <= $1",
    );
    all(sql, params![count])
}

fn text_of(dialect: Dialect, id: i64) -> String {
    match dialect {
        Dialect::Postgres => format!("{id:.>100}"),
        Dialect::Sqlite => format!("{id:>100}"),
    }
}

/// Numbers that fail after 2,500.
fn failing() -> All<(i64,)> {
    let sql = Statement::per_dialect(
        "SELECT 1 / (CASE WHEN id > 2500 THEN 0 ELSE 1 END) * id FROM generate_series(1, 5000) AS id",
        "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 5000) \
         SELECT CASE WHEN id > 2500 THEN abs(-9223372036854775807 - 1) ELSE id END FROM n",
    );
    all(sql, params![])
}

/// A first row, and half a minute until the second, unless it is stopped.
fn slow() -> All<(i64,)> {
    let sql = Statement::per_dialect(
        "SELECT id FROM generate_series(1, 2) AS id WHERE id = 1 OR pg_sleep(60) IS NULL",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000000) \
         SELECT i FROM n WHERE i = 1 OR i > 5000000000",
    );
    all(sql, params![])
}

/// Takes up to `limit` rows of a stream and drops it.
async fn take(session: &mut impl Session, count: i64, limit: usize) -> Vec<i64> {
    let stream = session.stream(numbers(count)).await.unwrap();
    stream.take(limit).map_ok(|row| row.id).try_collect().await.unwrap()
}

tallybook_testkit::both_dialects! {
    async fn all_rows_come_in_their_order(url: &str) {
        let db = open(url).await;
        let dialect = db.dialect();
        let mut session = db.read().await.unwrap();
        // Around the sizes of pages and of a FETCH.
        for count in [0, 1, 2, 255, 256, 257, 512, 999, 1_000, 1_001, 2_000, 5_003] {
            let mut stream = session.stream(numbers(count)).await.unwrap();
            for id in 1..=count {
                let row = stream.next().await.unwrap().unwrap();
                assert_eq!(row, Numbered { id, text: text_of(dialect, id) });
            }
            assert!(stream.next().await.is_none());
            assert!(stream.next().await.is_none(), "for ever");
        }
        assert_eq!(session.run(one::<(i64,)>("SELECT 1", params![])).await.unwrap(), (1,));
    }

    async fn a_large_row_is_a_page_of_its_own(url: &str) {
        let db = open(url).await;
        let sql = Statement::per_dialect(
            "SELECT id, repeat('x', 200000 * id::integer) AS text FROM generate_series(1, 20) AS id",
            "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 20) \
             SELECT id, replace(hex(zeroblob(100000 * id)), '0', 'x') AS text FROM n",
        );
        let mut session = db.read().await.unwrap();
        let stream = session.stream(all::<Numbered>(sql, params![])).await.unwrap();
        let sizes: Vec<usize> = stream.map_ok(|row| row.text.len()).try_collect().await.unwrap();
        assert_eq!(sizes, (1..=20).map(|id| 200_000 * id).collect::<Vec<_>>());
    }

    async fn a_stream_dropped_after_any_row_leaves_its_session_usable(url: &str) {
        let db = open_with(url, |settings| (settings.pool.size, settings.pool.max_overflow) = (2, 0)).await;
        crate::support::create_notes(&db).await;
        let mut read = db.read().await.unwrap();
        let mut snapshot = db.snapshot().await.unwrap();
        for limit in [0, 1, 2, 255, 256, 257, 300, 511, 999, 1_000, 1_001, 2_500] {
            let expected: Vec<i64> = (1..=limit as i64).collect();
            assert_eq!(take(&mut read, 50_000, limit).await, expected);
            assert_eq!(read.run(one::<(i64,)>("SELECT 42", params![])).await.unwrap(), (42,));
            assert_eq!(take(&mut snapshot, 50_000, limit).await, expected);
            assert_eq!(snapshot.run(one::<(i64,)>("SELECT 42", params![])).await.unwrap(), (42,));
        }
        // Two in a row, with nothing in between.
        assert_eq!(take(&mut read, 50_000, 3).await, [1, 2, 3]);
        assert_eq!(take(&mut read, 50_000, 2).await, [1, 2]);
        // The connections come back.
        drop((read, snapshot));
        at_rest(&db).await;
        assert_eq!(count_notes(&db).await, 0);
    }

    async fn a_stream_is_part_of_its_write_transaction_and_may_be_dropped(url: &str) {
        let db = with_notes(url).await;
        for limit in [0, 1, 256, 1_000, 1_001, 5_000] {
            let mut session = db.begin().await.unwrap();
            for id in 1..=1_500_i64 {
                let insert = "INSERT INTO notes (id, title) VALUES ($1, $2)";
                session.run(execute(insert, params![id, id.to_string()])).await.unwrap();
                if limit != 5_000 {
                    break;
                }
            }
            assert_eq!(take(&mut session, 3_000, limit).await.len(), limit.min(3_000));
            let notes = session.stream(all::<(i64,)>("SELECT id FROM notes ORDER BY id", params![])).await.unwrap();
            let seen: Vec<(i64,)> = notes.try_collect().await.unwrap();
            assert_eq!(seen.len(), if limit == 5_000 { 1_500 } else { 1 }, "its own rows");
            session.run(execute("UPDATE notes SET title = title || '!' WHERE id = 1", params![])).await.unwrap();
            session.commit().await.unwrap();
            let titles = crate::support::read::<(String,)>(&db, "SELECT title FROM notes WHERE id = 1").await;
            assert_eq!(titles, [("1!".to_owned(),)]);
            write(&db, "DELETE FROM notes").await;
        }
    }

    async fn a_stream_is_one_snapshot(url: &str) {
        let db = with_notes(url).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'a'), (2, 'b')").await;
        let fill = Statement::per_dialect(
            "INSERT INTO notes SELECT id, 'note ' || id FROM generate_series(3, 4000) AS id",
            "WITH RECURSIVE n(id) AS (SELECT 3 UNION ALL SELECT id + 1 FROM n WHERE id < 4000) \
             INSERT INTO notes (id, title) SELECT id, 'note ' || id FROM n",
        );
        write(&db, fill).await;
        // In memory, SQLite's writers wait for readers.
        if url.contains("memory") {
            return;
        }
        let mut session = db.read().await.unwrap();
        let query = all::<(i64, String)>("SELECT id, title FROM notes ORDER BY id", params![]);
        let mut stream = session.stream(query).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap().0, 1);
        write(&db, "UPDATE notes SET title = 'changed ' || id").await;
        write(&db, "DELETE FROM notes WHERE id > 3000").await;
        let rest: Vec<(i64, String)> = stream.try_collect().await.unwrap();
        assert_eq!(rest.len(), 3_999);
        assert!(rest.iter().all(|(_, title)| !title.starts_with("changed")));
    }

    async fn a_failure_midway_comes_after_the_rows_before_it(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.read().await.unwrap();
        let mut stream = session.stream(failing()).await.unwrap();
        for id in 1..=2_500 {
            assert_eq!(stream.next().await.unwrap().unwrap(), (id,));
        }
        let error = stream.next().await.unwrap().unwrap_err();
        assert!(error.code().is_some() && error.to_string().contains("2500"), "{error}");
        assert!(stream.next().await.is_none());
        drop(stream);
        assert_eq!(session.run(one::<(i64,)>("SELECT 42", params![])).await.unwrap(), (42,));
        drop(session);
        // A snapshot that was seen is over, and a write transaction can only be rolled back.
        let mut snapshot = db.snapshot().await.unwrap();
        let failed: Result<Vec<_>> = snapshot.stream(failing()).await.unwrap().try_collect().await;
        assert!(failed.unwrap_err().code().is_some());
        let refused = snapshot.run(one::<(i64,)>("SELECT 42", params![])).await.unwrap_err();
        assert!(refused.is_transaction_failed(), "{refused}");
        let mut session = db.begin().await.unwrap();
        session.run(execute("INSERT INTO notes (id, title) VALUES (1, 'one')", params![])).await.unwrap();
        let failed: Result<Vec<_>> = session.stream(failing()).await.unwrap().try_collect().await;
        assert!(failed.unwrap_err().code().is_some());
        assert!(session.commit().await.unwrap_err().is_transaction_failed());
        drop(snapshot);
        at_rest(&db).await;
        assert_eq!(count_notes(&db).await, 0);
    }

    async fn a_row_that_does_not_decode_is_named_by_its_number(url: &str) {
        let db = open(url).await;
        let sql = Statement::per_dialect(
            "SELECT CASE WHEN id <> 1500 THEN id END FROM generate_series(1, 3000) AS id",
            "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 3000) \
             SELECT CASE WHEN id <> 1500 THEN id END FROM n",
        );
        let mut session = db.read().await.unwrap();
        let mut stream = session.stream(all::<(i64,)>(sql, params![])).await.unwrap();
        for id in 1..1_500 {
            assert_eq!(stream.next().await.unwrap().unwrap(), (id,));
        }
        let error = stream.next().await.unwrap().unwrap_err();
        assert!(error.kind() == ErrorKind::Decode && error.to_string().starts_with("row 1500"), "{error}");
        assert!(stream.next().await.is_none());
    }

    async fn what_cannot_be_streamed_is_refused_before_it_starts(url: &str) {
        let db = with_notes(url).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'one')").await;
        let delete = || all::<(i64,)>("DELETE FROM notes RETURNING id", params![]);
        let mut read = db.read().await.unwrap();
        assert_eq!(read.stream(delete()).await.unwrap_err().kind(), ErrorKind::ReadOnly);
        let wrong = read.stream(all::<(i64,)>("SELECT wrong FROM notes", params![])).await.unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::Syntax, "{wrong}");
        let count = read.stream(all::<(i64,)>("SELECT id FROM notes WHERE id = $1", params![])).await.unwrap_err();
        assert_eq!(count.kind(), ErrorKind::InvalidValue, "{count}");
        assert_eq!(read.run(one::<(i64,)>("SELECT id FROM notes", params![])).await.unwrap(), (1,));
        let mut session = db.begin().await.unwrap();
        let refused = session.stream(delete()).await.unwrap_err();
        assert!(refused.is_read_only() && refused.to_string().contains("use run"), "{refused}");
        assert!(session.stream(all::<(i64,)>("COMMIT", params![])).await.unwrap_err().is_transaction_control());
        // The transaction is as it was.
        assert_eq!(session.run(delete()).await.unwrap(), [(1,)]);
        session.commit().await.unwrap();
    }

    async fn a_slow_stream_that_is_dropped_is_stopped(url: &str) {
        let db = open_with(url, |settings| (settings.pool.size, settings.pool.max_overflow) = (1, 0)).await;
        crate::support::create_notes(&db).await;
        let soon = Duration::from_secs(20);
        for takes_a_row in [false, true] {
            let mut session = db.read().await.unwrap();
            let mut stream = session.stream(slow()).await.unwrap();
            if takes_a_row && db.dialect() == Dialect::Postgres {
                // A FETCH answers at once or not at all.
                let seen = polled(1, stream.next()).await;
                assert!(seen.is_none(), "{seen:?}");
            }
            drop(stream);
            let next = tokio::time::timeout(soon, session.run(one::<(i64,)>("SELECT 42", params![])));
            assert_eq!(next.await.expect("at once").unwrap(), (42,));
        }
        tokio::time::timeout(soon, at_rest(&db)).await.expect("its connection comes back");
    }

    async fn opening_and_reading_a_stream_can_be_dropped_at_any_point(url: &str) {
        let db = open_with(url, |settings| (settings.pool.size, settings.pool.max_overflow) = (2, 0)).await;
        crate::support::create_notes(&db).await;
        for round in 0..60 {
            let polls = round % 20;
            let mut session = db.read().await.unwrap();
            let read = async {
                let stream = session.stream(numbers(3_000)).await?;
                stream.map_ok(|row| row.id).try_collect::<Vec<i64>>().await
            };
            if let Some(rows) = polled(polls, read).await {
                assert_eq!(rows.unwrap(), (1..=3_000).collect::<Vec<i64>>());
            }
            assert_eq!(session.run(one::<(i64,)>("SELECT 42", params![])).await.unwrap(), (42,));
            drop(session);
            let written = db.write(async |session| -> Result<bool> {
                let read = async {
                    let stream = session.stream(numbers(3_000)).await?;
                    stream.map_ok(|row| row.id).try_collect::<Vec<i64>>().await
                };
                let is_complete = polled(polls, read).await.transpose()?.is_some();
                session.run(execute("UPDATE notes SET title = title", params![])).await?;
                Ok(is_complete)
            });
            if let Err(error) = written.await {
                assert!(error.is_transaction_failed(), "{error}");
            }
        }
        // `next` alone loses no row.
        let mut session = db.read().await.unwrap();
        let mut stream = session.stream(numbers(3_000)).await.unwrap();
        let mut seen = Vec::new();
        loop {
            match polled(1, stream.next()).await {
                Some(Some(row)) => seen.push(row.unwrap().id),
                Some(None) => break,
                None => tokio::task::yield_now().await,
            }
        }
        assert_eq!(seen, (1..=3_000).collect::<Vec<i64>>());
        drop(stream);
        drop(session);
        at_rest(&db).await;
        assert_eq!(count_notes(&db).await, 0);
    }

    async fn the_monitor_and_the_session_count_a_stream(url: &str) {
        let db = open(url).await;
        let mut session = db.read().await.unwrap();
        let before = session.counts();
        assert_eq!(take(&mut session, 2_500, usize::MAX).await.len(), 2_500);
        let whole = session.counts();
        assert_eq!((whole.statements - before.statements, whole.rows - before.rows), (1, 2_500));
        let trips = if db.dialect() == Dialect::Postgres { 1 + 3 } else { 1 + 1 };
        assert_eq!(whole.round_trips - before.round_trips, trips);
        assert_eq!(take(&mut session, 2_500, 7).await.len(), 7);
        assert_eq!(session.counts().rows - whole.rows, 7);
        drop(session);
        let report = db.report();
        let streamed = report.statements.iter().find(|statement| statement.rows == 2_507);
        let streamed = streamed.unwrap_or_else(|| panic!("{:?}", report.statements));
        assert_eq!((streamed.calls, streamed.failures.len()), (2, 0));
    }

    async fn a_long_stream_takes_little_memory(url: &str) {
        memory_of(url, 100_000);
    }
}

/// A statement that runs holds its snapshot, so that the log cannot be truncated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_stream_of_a_file_that_is_dropped_ends_although_its_session_does_nothing() {
    let file = SqliteFile::new("dropped_stream");
    let db = with_notes(&file.url()).await;
    let other = rusqlite::Connection::open(file.path()).unwrap();
    other.busy_timeout(Duration::ZERO).unwrap();
    let is_read = || {
        other.execute("INSERT INTO notes (title) VALUES (hex(randomblob(8)))", []).unwrap();
        other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0)).unwrap()
    };
    let sql = "WITH RECURSIVE n(i) AS (SELECT count(*) FROM notes UNION ALL SELECT i + 1 FROM n WHERE i < 10000000000) \
               SELECT i FROM n WHERE i > 5000000000";
    let mut session = db.read().await.unwrap();
    let stream = session.stream(all::<(i64,)>(sql, params![])).await.unwrap();
    eventually("it runs", async || is_read()).await;
    drop(stream);
    eventually("it runs no more", async || !is_read()).await;
    assert_eq!(session.run(one::<(i64,)>("SELECT 42", params![])).await.unwrap(), (42,));
}

/// Streams that many rows in a process of its own, which fails if its memory exceeds the limit.
fn memory_of(url: &str, rows: u32) {
    let rows = rows.to_string();
    in_own_process(
        "stream::streams_many_rows",
        Path::new("/"),
        &[("STREAM_URL", url), ("STREAM_ROWS", &rows), ("DB_MONITOR", "on")],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by others, in a process of its own"]
async fn streams_many_rows() {
    let url = std::env::var("STREAM_URL").unwrap();
    let count: i64 = std::env::var("STREAM_ROWS").unwrap().parse().unwrap();
    let db = open(&url).await;
    let mut session = db.read().await.unwrap();
    let mut stream = session.stream(numbers(count)).await.unwrap();
    let mut sum = 0;
    while let Some(row) = stream.next().await {
        sum += row.unwrap().id;
    }
    assert_eq!(sum, count * (count + 1) / 2);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 50_000, "{kilobytes} kB");
}

#[test]
#[ignore = "long: a million rows on each database"]
fn long_a_stream_of_a_million_rows_takes_less_than_fifty_megabytes() {
    memory_of("sqlite::memory:", 1_000_000);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let database = postgres().await.database("long_a_stream_of").await;
        memory_of(database.url(), 1_000_000);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_midway_is_an_error_and_not_an_end() {
    let database = postgres().await.database("a_connection_lost_midway").await;
    let proxy = Proxy::start(database.port()).await;
    let db = open(&proxy.url(database.url())).await;
    for is_write in [false, true] {
        let mut read = db.read().await.unwrap();
        let mut session = db.begin().await.unwrap();
        let (seen, error) = match is_write {
            false => until_lost(&mut read, &proxy).await,
            true => until_lost(&mut session, &proxy).await,
        };
        assert!((1..1_000_000).contains(&seen), "{seen}");
        assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
        assert!(error.to_string().contains("127.0.0.1"), "it names its server: {error}");
        proxy.set(Mode::Relay).await;
        if is_write {
            assert!(session.commit().await.is_err());
        } else {
            assert_eq!(read.run(one::<(i64,)>("SELECT 42", params![])).await.unwrap(), (42,));
        }
        at_rest_or_open(&db).await;
    }
}

async fn until_lost(session: &mut impl Session, proxy: &Proxy) -> (i64, tallybook::Error) {
    let mut stream = session.stream(numbers(1_000_000)).await.unwrap();
    let mut seen = 0;
    loop {
        match stream.next().await {
            Some(Ok(row)) => {
                seen += 1;
                assert_eq!(row.id, seen);
                if seen == 100 {
                    proxy.set(Mode::HangUp).await;
                }
            }
            Some(Err(error)) => return (seen, error),
            None => panic!("it ended after {seen} rows, as if there were no more"),
        }
    }
}

async fn at_rest_or_open(db: &Database) {
    eventually("it can be used", async || db.read().await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_works_in_a_spawned_task() {
    let db = open("sqlite::memory:").await;
    let task = tokio::spawn(async move {
        let mut session = db.read().await?;
        let mut stream = session.stream(numbers(1_000)).await?;
        let mut sum = 0;
        while let Some(row) = stream.next().await {
            sum += row?.id;
        }
        Ok::<_, tallybook::Error>(sum)
    });
    assert_eq!(task.await.unwrap().unwrap(), 500_500);
}
