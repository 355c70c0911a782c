//! Which thread runs a statement: the caller's runs short work only. An SQL function counts its calls there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rusqlite::functions::FunctionFlags;
use tallybook_sql::driver::Role;
use tallybook_sql::params;
use tallybook_sql::query::{Batch, execute, one};
use tallybook_sql::transaction::{Begin, TransactionFraming};

use super::{Connection, Connector};
use crate::config::{FileAccess, SqliteLocation};

const BEGINS: TransactionFraming = TransactionFraming {
    begin: Some(Begin::Write),
    end: None,
    continues: false,
    asks_replayed: false,
    read_only: false,
    opens_cursor: false,
};
const CONTINUES: TransactionFraming = TransactionFraming { begin: None, continues: true, ..BEGINS };
const READS: TransactionFraming = TransactionFraming { begin: None, read_only: true, ..BEGINS };
/// Rows that a trigger or a cascade changes: far more than the inline budget allows.
const MANY: usize = 50_000;

/// A connection with a function `here()`, which is 1 on the thread of the test and counts its calls there.
struct Watched {
    connection: Connection,
    here: Arc<AtomicUsize>,
}

impl Watched {
    async fn open(script: &str) -> Self {
        let connector = Connector::new(&SqliteLocation::Memory, FileAccess::to_look());
        let mut connection = connector.connect(Role::Write).await.unwrap();
        let (here, test) = (Arc::new(AtomicUsize::new(0)), thread::current().id());
        let counted = Arc::clone(&here);
        let function = move || {
            let is_here = thread::current().id() == test;
            counted.fetch_add(usize::from(is_here), Ordering::Relaxed);
            i64::from(is_here)
        };
        let register = connection.thread().call(move |sqlite| {
            sqlite.create_scalar_function("here", 0, FunctionFlags::SQLITE_UTF8, move |_| Ok(function()))
        });
        register.await.unwrap().unwrap();
        connection.script(script).await.unwrap();
        Self { connection, here }
    }

    /// Runs a batch. Returns its output, and the number of calls on the thread of the test.
    async fn run<B: Batch>(&mut self, batch: B, framing: TransactionFraming) -> (B::Output, usize) {
        self.here.store(0, Ordering::Relaxed);
        let output = self.connection.execute(batch, framing, None).await.finish().unwrap();
        (output, self.here.load(Ordering::Relaxed))
    }

    async fn count(&mut self, sql: String) -> i64 {
        let framing = TransactionFraming { continues: false, ..CONTINUES };
        self.run(one::<(i64,)>(sql, params![]), framing).await.0.0
    }
}

/// Returns `count` rows of values: a call and a number.
fn tuples(count: usize) -> String {
    (0..count).map(|number| format!("(here(), {number})")).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn a_short_insert_that_begins_its_transaction_runs_on_the_thread_of_its_caller() {
    let mut watched = Watched::open("CREATE TABLE t (here integer, n integer)").await;
    // On a busy machine the budget may be used up first.
    for _ in 0..1_000 {
        let insert = execute("INSERT INTO t VALUES (here(), $1)", params![7]);
        let (touched, calls) = watched.run(insert, BEGINS).await;
        assert_eq!((touched, watched.count("SELECT count(*) FROM t".to_owned()).await), (1, 1));
        watched.connection.roll_back().await.unwrap();
        if calls == 1 {
            return;
        }
    }
    panic!("it never ran there");
}

#[tokio::test]
async fn an_insert_of_many_rows_runs_on_the_connections_thread() {
    let mut watched = Watched::open("CREATE TABLE t (here integer, n integer)").await;
    let insert = execute(format!("INSERT INTO t VALUES {}", tuples(10_000)), params![]);
    let (touched, calls) = watched.run(insert, BEGINS).await;
    assert_eq!((touched, calls), (10_000, 0));
}

#[tokio::test]
async fn a_large_parameter_or_text_is_bound_on_the_connections_thread() {
    let mut watched = Watched::open("CREATE TABLE t (here integer, b)").await;
    let one_text = "x".repeat(1 << 20);
    let many: Vec<i64> = (0..100_000).collect();
    let texts: Vec<String> = many.iter().map(ToString::to_string).collect();
    for value in [params![vec![0_u8; 4 << 20]], params![one_text.clone()]] {
        let (touched, calls) = watched.run(execute("INSERT INTO t VALUES (here(), $1)", value), BEGINS).await;
        assert_eq!((touched, calls), (1, 0));
        watched.connection.roll_back().await.unwrap();
    }
    for value in [params![many], params![texts]] {
        let query = one::<(i64,)>("SELECT here() FROM (SELECT count(*) FROM rarray($1))", value);
        assert_eq!(watched.run(query, READS).await, ((0,), 0));
    }
    let query = one::<(i64,)>(format!("SELECT here() /* {one_text} */"), params![]);
    assert_eq!(watched.run(query, READS).await, ((0,), 0));
}

/// One step of the virtual machine makes or reads the value, so no clock interrupts it.
#[tokio::test]
async fn after_the_second_time_a_large_value_is_made_and_read_on_the_connections_thread() {
    const BYTES: usize = 16_000_000;
    let mut watched = Watched::open(&format!(
        "CREATE TABLE t (here integer, b); CREATE TABLE large (b); INSERT INTO large VALUES (zeroblob({BYTES}))",
    ))
    .await;
    let (make, read) =
        ("INSERT INTO t VALUES (here(), randomblob(16000000)) RETURNING here", "SELECT here(), b FROM large");
    let (mut made_here, mut read_here) = (0, 0);
    for _ in 0..6 {
        made_here += watched.run(one::<(i64,)>(make, params![]), BEGINS).await.1;
        watched.connection.roll_back().await.unwrap();
        let ((_, bytes), here) = watched.run(one::<(i64, Vec<u8>)>(read, params![]), READS).await;
        assert_eq!(bytes.len(), BYTES);
        read_here += here;
    }
    assert!(made_here <= 2 && read_here <= 2, "{made_here}, {read_here}");
}

#[tokio::test]
async fn a_computed_text_is_complete_on_either_thread() {
    let mut watched = Watched::open("CREATE TABLE t (here integer, b)").await;
    let insert = "INSERT INTO t VALUES (here(), printf('%100000d', 1))";
    watched.run(execute(insert, params![]), BEGINS).await;
    assert_eq!(watched.count("SELECT length(b) FROM t".to_owned()).await, 100_000);
    watched.connection.roll_back().await.unwrap();
    assert_eq!(watched.count("SELECT length(format('%100000s', 'a'))".to_owned()).await, 100_000);
}

#[tokio::test]
async fn what_a_trigger_does_is_broken_off_undone_and_done_on_the_connections_thread() {
    let mut watched = Watched::open(&format!(
        "CREATE TABLE t (n integer); CREATE TABLE log (here integer); \
         CREATE TRIGGER fill AFTER INSERT ON t BEGIN \
           INSERT INTO log WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY}) \
           SELECT here() FROM n; \
         END"
    ))
    .await;
    let batch = vec![
        execute("INSERT INTO t VALUES ($1)", params![1]),
        execute("INSERT INTO t VALUES (2)", params![]),
    ];
    let (touched, calls) = watched.run(batch, BEGINS).await;
    assert_eq!(touched, [1, 1]);
    assert!(calls < MANY / 10, "{calls} rows were written on the caller's thread");
    let log = watched.count("SELECT count(*) FROM log".to_owned()).await;
    assert_eq!((log, watched.count("SELECT sum(here) FROM log".to_owned()).await), (2 * MANY as i64, 0));
    assert_eq!(watched.count("SELECT count(*) FROM t".to_owned()).await, 2);
}

#[tokio::test]
async fn a_cascade_is_broken_off_undone_and_done_on_the_connections_thread() {
    let mut watched = Watched::open(&format!(
        "CREATE TABLE parent (id integer PRIMARY KEY, key integer UNIQUE); \
         CREATE TABLE child (parent integer REFERENCES parent (key) ON UPDATE CASCADE ON DELETE CASCADE, here integer); \
         CREATE INDEX ix ON child (parent); \
         CREATE TRIGGER tell AFTER UPDATE ON child BEGIN SELECT here(); END; \
         CREATE TRIGGER gone AFTER DELETE ON child BEGIN SELECT here(); END; \
         INSERT INTO parent VALUES (1, 1); \
         INSERT INTO child WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY}) \
           SELECT 1, 0 FROM n"
    ))
    .await;
    let upsert = "INSERT INTO parent VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET key = 2";
    let (_, calls) = watched.run(execute(upsert, params![]), BEGINS).await;
    assert!(calls < MANY / 10, "{calls} rows were changed on the caller's thread");
    let moved = "SELECT count(*) FROM child WHERE parent = 2".to_owned();
    assert_eq!(watched.count(moved.clone()).await, MANY as i64);
    watched.connection.roll_back().await.unwrap();
    assert_eq!(watched.count(moved).await, 0);
    let replace = "INSERT OR REPLACE INTO parent VALUES (1, 3)";
    let (_, calls) = watched.run(execute(replace, params![]), BEGINS).await;
    assert_eq!(calls, 0, "a row that is replaced may be large");
    assert_eq!(watched.count("SELECT count(*) FROM child".to_owned()).await, 0);
}

/// An interrupt would undo earlier statements, which could not run again.
#[tokio::test]
async fn an_insert_into_a_transaction_that_goes_on_runs_on_the_connections_thread() {
    let mut watched = Watched::open("CREATE TABLE t (here integer, n integer)").await;
    watched.run(execute("INSERT INTO t VALUES (0, 1)", params![]), BEGINS).await;
    let (touched, calls) =
        watched.run(execute("INSERT INTO t VALUES (here(), 2)", params![]), CONTINUES).await;
    assert_eq!((touched, calls), (1, 0));
    assert_eq!(watched.count("SELECT count(*) FROM t".to_owned()).await, 2);
}

/// Each read is short, but their number is not.
#[tokio::test]
async fn a_batch_of_many_short_reads_leaves_the_thread_of_its_caller() {
    let mut watched = Watched::open("CREATE TABLE t (n integer)").await;
    let batch: Vec<_> = (0..20_000).map(|_| one::<(i64,)>("SELECT here()", params![])).collect();
    let (rows, calls) = watched.run(batch, READS).await;
    assert_eq!((rows.len(), rows.iter().map(|row| row.0).sum::<i64>()), (20_000, 0));
    assert!(calls < 2_000, "{calls} ran on the caller's thread");
}
