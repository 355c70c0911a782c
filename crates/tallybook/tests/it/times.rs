//! Attribution of time: to the database, the pool or the caller.

use std::thread;
use std::time::{Duration, Instant};

use tallybook::{
    Database, Decode, DecodeError, Dialect, Encode, One, Report, SqlType, Statement, StatementReport, Value,
    ValueRef, all, execute, one, params,
};
use tallybook_testkit::{SqliteFile, postgres};

use crate::support::{eventually, open, open_with, try_write, with_notes, write};

/// Returns the only statement that contains this text.
fn find(db: &Database, part: &str) -> StatementReport {
    let Report { statements, .. } = db.report();
    let mut found: Vec<_> = statements.into_iter().filter(|known| known.statement.contains(part)).collect();
    assert_eq!(found.len(), 1, "{part} in {found:?}");
    found.remove(0)
}

/// A statement that takes the database a while.
fn nap() -> One<(i64,)> {
    one(
        Statement::per_dialect(
            "SELECT 1::bigint AS nap FROM pg_sleep(0.3)",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) \
             SELECT count(*) AS nap FROM n",
        ),
        params![],
    )
}

fn first() -> One<(i64,)> {
    one("SELECT 1 AS first", params![])
}

fn second() -> One<(i64,)> {
    one("SELECT 2 AS second", params![])
}

/// A number that takes a while to decode.
struct Ponderous;

const PONDERED: Duration = Duration::from_millis(40);

impl Encode for Ponderous {
    const SQL_TYPE: SqlType = SqlType::Int;

    fn encode(&self) -> Result<Value, String> {
        Err("it is only read".to_owned())
    }
}

impl Decode for Ponderous {
    const SQL_TYPE: SqlType = SqlType::Int;

    fn decode(value: ValueRef<'_>) -> Result<Self, DecodeError> {
        value.int()?;
        thread::sleep(PONDERED);
        Ok(Self)
    }
}

tallybook_testkit::both_dialects! {
    async fn a_slow_consumer_does_not_make_a_query_slow(url: &str) {
        let pause = Duration::from_secs(1);
        let db = with_notes(url).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'a'), (2, 'b')").await;
        let mut session = db.read().await.unwrap();
        tokio::time::sleep(pause).await; // before the first statement
        let rows = session.run(all::<(i64,)>("SELECT id FROM notes", params![])).await.unwrap();
        tokio::time::sleep(pause).await; // with its rows in hand
        session.run(second()).await.unwrap();
        assert_eq!(rows.len(), 2);
        for known in [find(&db, "select id from notes"), find(&db, "as second")] {
            assert!(known.times.max < pause && known.waited < pause, "{known:?}");
        }
    }

    async fn a_full_pool_is_a_wait_and_only_of_the_first_statement(url: &str) {
        let held = Duration::from_secs(2);
        let db = open_with(url, |settings| {
            settings.pool.size = 1;
            settings.pool.max_overflow = 0;
        })
        .await;
        let holder = db.read().await.unwrap();
        let waiting = db.clone();
        let task = tokio::spawn(async move {
            let mut session = waiting.read().await.unwrap();
            session.run(first()).await.unwrap();
            session.run(second()).await.unwrap();
        });
        eventually("it waits", async || db.pools().iter().any(|pool| pool.waiting == 1)).await;
        tokio::time::sleep(held).await; // how long the pool is full is the point
        drop(holder);
        task.await.unwrap();
        let (first, second) = (find(&db, "as first"), find(&db, "as second"));
        assert!(first.waited >= held && first.times.max < held, "{first:?}");
        assert_eq!(second.waited, Duration::ZERO);
    }

    async fn the_parts_of_a_time_add_up_to_less_than_its_caller_waited(url: &str) {
        let db = open(url).await;
        let mut session = db.read().await.unwrap();
        let start = Instant::now();
        for _ in 0..5 {
            session.run(nap()).await.unwrap();
        }
        let waited = start.elapsed();
        let nap = find(&db, "as nap");
        assert_eq!(nap.executed + nap.fetched + nap.decoded, nap.times.total, "{nap:?}");
        assert!(nap.times.total <= waited && nap.times.total > waited / 2, "{waited:?} {nap:?}");
        assert!(nap.times.max <= nap.times.total && nap.times.p50 <= nap.times.max, "{nap:?}");
        assert!(nap.executed > nap.times.total / 2, "{nap:?}");
    }

    async fn making_structs_of_rows_is_decoding(url: &str) {
        let db = with_notes(url).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'a'), (2, 'b'), (3, 'c')").await;
        let mut session = db.read().await.unwrap();
        session.run(all::<(Ponderous,)>("SELECT id FROM notes", params![])).await.unwrap();
        let read = find(&db, "select id from notes");
        // All are assumed to cost the same as the first, but the last one ends the timing.
        assert!(read.decoded >= PONDERED * 5 / 2, "{read:?}");
        assert!(read.times.total >= PONDERED * 3, "{read:?}");
    }

    async fn rows_and_bytes_are_counted(url: &str) {
        let db = with_notes(url).await;
        let insert = "INSERT INTO notes (id, title) VALUES ($1, $2)";
        let mut session = db.begin().await.unwrap();
        let notes = (1..=3_i64).map(|id| execute(insert, params![id, format!("{id}{}", "x".repeat(1_000))]));
        session.run(notes.collect::<Vec<_>>()).await.unwrap();
        assert_eq!(session.run(execute("UPDATE notes SET parent = 1", params![])).await.unwrap(), 3);
        session.commit().await.unwrap();
        let mut session = db.read().await.unwrap();
        let titles = || all::<(String,)>("SELECT title FROM notes WHERE id > $1", params![1]);
        session.run((titles(), titles())).await.unwrap();
        let counts = |part: &str| {
            let known = find(&db, part);
            (known.calls, known.rows)
        };
        assert_eq!(counts("insert into notes"), (3, 3));
        assert_eq!(counts("update notes"), (1, 3));
        assert_eq!(counts("select title from notes"), (2, 4));
        let bytes = find(&db, "select title from notes").bytes;
        assert!((4_000..5_000).contains(&bytes), "{bytes}");
    }

    async fn failures_are_counted_by_their_code_and_have_no_times_among_the_others(url: &str) {
        let db = with_notes(url).await;
        let insert = |id: i64, title: &str| execute("INSERT INTO notes (id, title) VALUES ($1, $2)", params![id, title]);
        let add = async |id, title: &str| db.write(async |session| session.run(insert(id, title)).await).await.map(drop);
        add(1, "a").await.unwrap();
        add(2, "a").await.unwrap_err();
        add(3, "a").await.unwrap_err();
        let known = find(&db, "insert into notes");
        let code = if db.dialect() == Dialect::Sqlite { "2067" } else { "23505" };
        assert_eq!((known.calls, known.times.count, known.rows), (1, 1, 1));
        assert_eq!((known.errors(), known.failures), (2, vec![(code.to_owned(), 2)]));
        try_write(&db, "INSERT INTO absent (id) VALUES (1)").await.unwrap_err();
        let absent = find(&db, "insert into absent");
        assert_eq!((absent.calls, absent.times.total, absent.errors()), (0, Duration::ZERO, 1));
    }

    async fn each_statement_of_a_batch_has_a_time_of_its_own(url: &str) {
        let db = open(url).await;
        let mut session = db.read().await.unwrap();
        session.run((first(), nap(), second())).await.unwrap();
        let nap = find(&db, "as nap").times;
        assert!(db.dialect() == Dialect::Sqlite || nap.max >= Duration::from_millis(250), "{nap:?}");
        for part in ["as first", "as second"] {
            let times = find(&db, part).times;
            assert!(times.count == 1 && times.max < nap.max, "{part}: {times:?}, {nap:?}");
        }
    }

    async fn statements_after_a_failure_count_as_neither_success_nor_failure(url: &str) {
        let db = with_notes(url).await;
        let batch = vec![
            all::<(i64,)>("SELECT id FROM notes", params![]),
            all("SELECT id FROM absent", params![]),
            all("SELECT parent AS id FROM notes", params![]),
        ];
        db.read().await.unwrap().run(batch).await.unwrap_err();
        let ran = |part: &str| {
            let found = db.report().statements.into_iter().find(|known| known.statement.contains(part));
            found.map(|known| (known.calls, known.errors()))
        };
        assert_eq!(ran("select id from notes"), Some((1, 0)));
        assert_eq!(ran("select id from absent"), Some((0, 1)));
        assert_eq!(ran("select parent"), Some((0, 0)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_follow_the_first_slowly_count_as_fetching() {
    let database = postgres().await.database("rows_that_come_slowly").await;
    let db = open(database.url()).await;
    // The server sends rows once a few KiB have accumulated, which is each of these rows.
    let rows = "SELECT repeat('x', 20000) || pg_sleep(0.3) FROM generate_series(1, 6)";
    let rows = db.read().await.unwrap().run(all::<(String,)>(rows, params![])).await.unwrap();
    assert_eq!(rows.len(), 6);
    let read = find(&db, "pg_sleep");
    assert!(read.fetched >= Duration::from_millis(300), "{read:?}");
    assert!(read.times.total >= Duration::from_millis(1_800), "{read:?}");
}

#[tokio::test]
async fn a_bulk_load_takes_the_time_of_all_its_rows_and_not_only_of_the_last() {
    let file = SqliteFile::new("a_bulk_load_takes_the_time");
    let db = with_notes(&file.url()).await;
    let mut session = db.begin().await.unwrap();
    let mut load = session.load("notes", &["id", "title"]).await.unwrap();
    for id in 0..20_001_i64 {
        load.write_values(vec![Value::Int(id), Value::Text(format!("note {id}"))]).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(200)).await; // so that the end finds nothing left but one row
    let start = Instant::now();
    assert_eq!(load.finish().await.unwrap(), 20_001);
    let end = start.elapsed();
    let copy = find(&db, "copy notes");
    assert!(copy.times.total > end, "the end alone took {end:?}: {copy:?}");
}
