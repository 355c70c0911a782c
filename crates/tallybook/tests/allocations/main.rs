//! The allocations of reads on SQLite, on the caller's thread. They are counted by the allocator of this program.
//!
//! A debug build is too slow for the caller's thread, where it may take 100 microseconds. Each test takes the fewest of many runs: a busy machine may move a read to the connection's thread, and the monitor allocates now
//! and then.

use allocation_counter::measure;
use tallybook::{Database, Row, Settings, all, execute, one, params};
use tokio::runtime::{Builder, Runtime};

/// Runs of which the one with the fewest allocations counts.
const RUNS: usize = 300;
/// Parameters, request, rows, and the key of rusqlite's statement cache.
const OF_A_POINT_READ: u64 = 4;

#[derive(Row)]
struct Price {
    id: i64,
    price: f64,
    at: chrono::DateTime<chrono::Utc>,
}

#[derive(Row)]
struct Named {
    id: i64,
    name: String,
}

/// A database with 64 rows, and a runtime whose tasks all run on the thread of the test.
fn filled() -> (Runtime, Database) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let db = runtime.block_on(async {
        let db = Database::open(Settings::new("sqlite::memory:").unwrap()).await.unwrap();
        let table =
            "CREATE TABLE notes (id integer PRIMARY KEY, name text, price double precision, at timestamp)";
        db.write_batch(execute(table, params![])).await.unwrap();
        let insert = |id: i64| {
            let sql = "INSERT INTO notes VALUES ($1, $2, $3, '2026-01-02 03:04:05.000006')";
            execute(sql, params![id, format!("the name of note {id}"), 1.25])
        };
        db.write_batch((1..=64).map(insert).collect::<Vec<_>>()).await.unwrap();
        db
    });
    (runtime, db)
}

/// Returns the fewest allocations of a read of one session, without those of the runtime.
fn fewest(runtime: &Runtime, read: impl AsyncFn()) -> u64 {
    let count = |work: &dyn Fn()| (0..RUNS).map(|_| measure(work).count_total).min().unwrap();
    count(&|| runtime.block_on(read())) - count(&|| runtime.block_on(async {}))
}

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "takes longer than the inline budget; cargo test -p tallybook --release --test allocations"
)]
fn a_point_read_allocates_four_times_besides_the_texts_of_its_row() {
    let (runtime, db) = filled();
    let number = fewest(&runtime, async || {
        let query = one::<(i64,)>("SELECT id FROM notes WHERE id = $1", params![7]);
        assert_eq!(db.read().await.unwrap().run(query).await.unwrap(), (7,));
    });
    assert_eq!(number, OF_A_POINT_READ);
    let named = fewest(&runtime, async || {
        let query = one::<Named>("SELECT id, name FROM notes WHERE id = $1", params![7]);
        let named = db.read().await.unwrap().run(query).await.unwrap();
        assert_eq!((named.id, &*named.name), (7, "the name of note 7"));
    });
    assert_eq!(named, OF_A_POINT_READ + 1);
}

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "takes longer than the inline budget; cargo test -p tallybook --release --test allocations"
)]
fn a_row_allocates_nothing_but_the_texts_that_it_owns() {
    let (runtime, db) = filled();
    let prices = |count: i64| {
        fewest(&runtime, async || {
            let query = all::<Price>("SELECT id, price, at FROM notes LIMIT $1", params![count]);
            let prices = db.read().await.unwrap().run(query).await.unwrap();
            assert_eq!(prices.len() as i64, count);
            assert!(prices.iter().all(|row| row.id > 0 && row.price == 1.25 && row.at.timestamp() > 0));
        })
    };
    // The list of rows doubles its size once.
    assert_eq!(prices(16) - prices(8), 1);
    let named = |count: i64| {
        fewest(&runtime, async || {
            let query = all::<Named>("SELECT id, name FROM notes LIMIT $1", params![count]);
            let rows = db.read().await.unwrap().run(query).await.unwrap();
            assert_eq!(rows.len() as i64, count);
        })
    };
    assert_eq!(named(16) - named(8), 8 + 1);
}
