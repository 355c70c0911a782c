//! Scratch databases, on which statements are run to count their work.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::types::ValueRef;
use rusqlite::{Connection as Sqlite, OpenFlags, StatementStatus};
use tallybook_sql::error::{Error, Result};
use tallybook_sql::value::Value;

use super::bind::bind;
use super::error::{convert, convert_of_text};
use super::functions;
use super::pipeline::set_stable_plans;

/// Instructions between two looks at the time.
const STOP_INTERVAL: i32 = 1_000;

/// Ends the work of scratch databases: at a deadline, or when it is told to.
#[derive(Clone, Debug)]
pub struct ScratchStop {
    is_stopped: Arc<AtomicBool>,
    deadline: Instant,
}

impl ScratchStop {
    /// Creates a stop at a deadline.
    pub fn at(deadline: Instant) -> Self {
        Self { is_stopped: Arc::default(), deadline }
    }

    /// Ends all work now.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Returns whether work has ended.
    pub fn is_over(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed) || Instant::now() >= self.deadline
    }
}

/// A database in an anonymous temporary file, which SQLite deletes by itself, even if the process is killed.
///
/// It has the functions of a [`Connection`](super::Connection) and blocks the caller.
#[derive(Debug)]
pub struct Scratch(Sqlite);

/// The work of one execution of a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScratchWork {
    /// Rows returned.
    pub rows: u64,
    /// Instructions of SQLite's virtual machine.
    pub vm_steps: u64,
    /// Steps forward in a scan of a whole table.
    pub full_scan_steps: u64,
    /// Sorts.
    pub sorts: u64,
    /// Rows inserted into indexes that the statement built for itself.
    pub automatic_index_rows: u64,
    /// Duration, preparation excluded.
    pub time: Duration,
}

impl Scratch {
    /// Creates an empty database.
    ///
    /// # Errors
    /// If there is no room for temporary files.
    pub fn create(stop: &ScratchStop) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let sqlite = Sqlite::open_with_flags("", flags)?;
            functions::register(&sqlite)?;
            rusqlite::vtab::array::load_module(&sqlite)?;
            set_stable_plans(&sqlite, true)?;
            // A referenced table may be missing here.
            sqlite.execute_batch("PRAGMA foreign_keys = OFF")?;
            let stop = stop.clone();
            sqlite.progress_handler(STOP_INTERVAL, Some(move || stop.is_over()))?;
            Ok(sqlite)
        };
        open().map(Self).map_err(convert)
    }

    /// Attaches a file under the name `source`, for reading only.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn attach(&self, file: &Path) -> Result<()> {
        let path = file.to_string_lossy();
        let path = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
        self.0.execute("ATTACH $1 AS source", [format!("file:{path}?mode=ro")]).map(drop).map_err(convert)
    }

    /// Detaches the file.
    ///
    /// # Errors
    /// If it is in use.
    pub fn detach(&self) -> Result<()> {
        self.execute("DETACH source").map(drop)
    }

    /// Executes a statement and returns the number of rows it changed.
    ///
    /// # Errors
    /// The error of the statement.
    pub fn execute(&self, sql: &str) -> Result<u64> {
        self.0.execute(sql, []).map(|rows| rows as u64).map_err(convert_of_text)
    }

    /// Returns the rows of a query as texts; NULL is empty. Parameters are NULL.
    ///
    /// # Errors
    /// The error of the query.
    pub fn texts(&self, sql: &str) -> Result<Vec<Vec<String>>> {
        let mut statement = self.0.prepare(sql).map_err(convert_of_text)?;
        let count = statement.column_count();
        let mut rows = statement.raw_query();
        let mut texts = Vec::new();
        while let Some(row) = rows.next().map_err(convert)? {
            let row =
                (0..count).map(|index| row.get_ref(index).map(text)).collect::<rusqlite::Result<Vec<_>>>();
            texts.push(row.map_err(convert)?);
        }
        Ok(texts)
    }

    /// Returns the lines of a statement's plan.
    ///
    /// # Errors
    /// If the statement is no statement of this schema.
    pub fn plan(&self, sql: &str) -> Result<Vec<String>> {
        let rows = self.texts(&format!("EXPLAIN QUERY PLAN {sql}"))?;
        Ok(rows.into_iter().filter_map(|row| row.into_iter().nth(3)).collect())
    }

    /// Runs a statement with parameters, takes back what it wrote, and returns its work.
    ///
    /// # Errors
    /// The error of the statement, or that of an interruption once it is time to stop.
    pub fn run(&self, sql: &str, values: &[Value]) -> Result<ScratchWork> {
        self.execute("SAVEPOINT run")?;
        let work = self.measure(sql, values);
        self.execute("ROLLBACK TO run")?;
        self.execute("RELEASE run")?;
        work
    }

    fn measure(&self, sql: &str, values: &[Value]) -> Result<ScratchWork> {
        let mut statement = self.0.prepare(sql).map_err(convert_of_text)?;
        for (index, value) in values.iter().enumerate() {
            let refuse = |problem| Error::invalid_value(format!("${}", index + 1), problem);
            bind(&mut statement, index + 1, value, refuse)?;
        }
        let started_at = Instant::now();
        let mut count = 0;
        let mut rows = statement.raw_query();
        while rows.next().map_err(convert)?.is_some() {
            count += 1;
        }
        drop(rows);
        let time = started_at.elapsed();
        let counter = |status| statement.get_status(status).max(0) as u64;
        Ok(ScratchWork {
            rows: count,
            vm_steps: counter(StatementStatus::VmStep),
            full_scan_steps: counter(StatementStatus::FullscanStep),
            sorts: counter(StatementStatus::Sort),
            automatic_index_rows: counter(StatementStatus::AutoIndex),
            time,
        })
    }
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null | ValueRef::Blob(_) => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (Scratch, ScratchStop) {
        let stop = ScratchStop::at(Instant::now() + Duration::from_secs(600));
        (Scratch::create(&stop).unwrap(), stop)
    }

    #[test]
    fn the_work_of_a_statement_is_counted_and_its_writes_are_taken_back() {
        let (scratch, _) = scratch();
        scratch.execute("CREATE TABLE t (id integer primary key, a integer)").unwrap();
        scratch
            .execute("WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO t SELECT i, i FROM n")
            .unwrap();
        let scan = scratch.run("SELECT id FROM t WHERE a = $1", &[Value::Int(7)]).unwrap();
        assert_eq!((scan.rows, scan.full_scan_steps, scan.sorts), (1, 99, 0));
        let sort = scratch.run("SELECT id FROM t WHERE a > $1 ORDER BY a", &[Value::Int(90)]).unwrap();
        assert_eq!((sort.rows, sort.sorts), (10, 1));
        scratch.run("DELETE FROM t", &[]).unwrap();
        assert_eq!(scratch.texts("SELECT count(*) FROM t").unwrap(), [["100"]]);
    }

    #[test]
    fn a_stop_ends_a_statement_that_would_run_for_ever() {
        let (scratch, stop) = scratch();
        stop.stop();
        let endless = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        assert!(scratch.run(endless, &[]).is_err());
    }
}
