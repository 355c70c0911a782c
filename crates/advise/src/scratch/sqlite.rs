//! The scratch copy of an SQLite file: an anonymous temporary file, which SQLite deletes even if the process is killed.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tallybook::Database;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::lock::lock;
use tallybook_sql::value::Value;
use tallybook_sqlite::{Scratch, ScratchStop, ScratchWork};
use tokio::task::spawn_blocking;

use super::{CopiedTable, INSERTED_ROWS, ROUNDS, ROUNDS_IF_SHORT, Rounds, Times, Work, mean};
use crate::catalog::Table;
use crate::sql_text::quote;
use crate::statement::Parsed;

pub(crate) struct SqliteScratch {
    scratch: Arc<Mutex<Scratch>>,
    /// Dropped before the work of a thread ends, it interrupts that work.
    stop: ScratchStop,
}

impl Drop for SqliteScratch {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

impl SqliteScratch {
    pub(super) async fn copy(
        db: &Database,
        tables: Vec<Table>,
        max_rows: u64,
        deadline: Instant,
    ) -> Result<(Self, Vec<CopiedTable>)> {
        let url = &db.settings().database_url;
        let Some(file) = url.file().map(Path::to_owned) else {
            let problem = "a database in memory cannot be copied; advise needs a file";
            return Err(Error::setting("DATABASE_URL", url.to_string(), problem));
        };
        let stop = ScratchStop::at(deadline);
        let scratch = Scratch::create(&stop)?;
        let scratch = Self { scratch: Arc::new(Mutex::new(scratch)), stop };
        let copied = scratch.call(move |scratch| copy(scratch, &file, &tables, max_rows)).await?;
        Ok((scratch, copied))
    }

    /// Runs work on a thread of its own.
    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Scratch) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let scratch = Arc::clone(&self.scratch);
        let done = spawn_blocking(move || work(&lock(&scratch))).await;
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    pub(super) async fn create_index(&self, sql: &str) -> Result<u64> {
        let sql = sql.to_owned();
        self.call(move |scratch| {
            let before = used_bytes(scratch)?;
            scratch.execute(&sql)?;
            // The planner knows an index by its statistics.
            scratch.execute("ANALYZE")?;
            Ok(used_bytes(scratch)?.saturating_sub(before))
        })
        .await
    }

    pub(super) async fn drop_index(&self, name: &str) -> Result<()> {
        let sql = format!("DROP INDEX {}", quote(name));
        self.call(move |scratch| scratch.execute(&sql).map(drop)).await
    }

    pub(super) async fn work(&self, statement: &Parsed, samples: &[Vec<Value>]) -> Result<Work> {
        let (sql, samples) = (statement.sql.clone(), samples.to_vec());
        self.call(move |scratch| {
            let runs: Vec<_> =
                samples.iter().map(|values| scratch.run(&sql, values)).collect::<Result<_>>()?;
            let of = |figure: fn(&ScratchWork) -> u64| mean(runs.iter().map(|run| figure(run) as f64));
            Ok(Work {
                units: of(|run| run.vm_steps),
                full_scan_steps: Some(of(|run| run.full_scan_steps)),
                sorts: Some(of(|run| run.sorts)),
                automatic_index_rows: Some(of(|run| run.automatic_index_rows)),
                indexes: indexes(&scratch.plan(&sql)?),
            })
        })
        .await
    }

    pub(super) async fn times(
        &self,
        statement: &Parsed,
        samples: &[Vec<Value>],
        without: &[String],
    ) -> Result<Times> {
        let (sql, samples, without) = (statement.sql.clone(), samples.to_vec(), without.to_vec());
        self.call(move |scratch| {
            let run = |scratch: &Scratch| {
                let mut total = Duration::ZERO;
                for values in &samples {
                    total += scratch.run(&sql, values)?.time;
                }
                Ok(total / samples.len().max(1) as u32)
            };
            in_turn(scratch, &without, ROUNDS_IF_SHORT, run)
        })
        .await
    }

    pub(super) async fn insert_times(&self, table: &Table, index: &str) -> Result<Times> {
        let (table, index) = (table.clone(), index.to_owned());
        self.call(move |scratch| in_turn(scratch, &[index], ROUNDS, |scratch| insert(scratch, &table))).await
    }
}

fn copy(scratch: &Scratch, file: &Path, tables: &[Table], max_rows: u64) -> Result<Vec<CopiedTable>> {
    scratch.attach(file)?;
    let mut copied = Vec::new();
    for table in tables {
        scratch.execute(&table.sql)?;
        let columns: Vec<_> = table.columns.iter().map(|column| quote(column)).collect();
        let (columns, name) = (columns.join(", "), quote(&table.name));
        let step = table.rows.div_ceil(max_rows.max(1)).max(1);
        // A table without row identifiers is copied whole.
        let sampled = format!(" WHERE rowid % {step} = 0");
        let insert = |sample: &str| {
            scratch.execute(&format!(
                "INSERT INTO main.{name} ({columns}) SELECT {columns} FROM source.{name}{sample}"
            ))
        };
        let (rows, is_whole) = match step {
            1 => (insert("")?, true),
            _ => match insert(&sampled) {
                Ok(rows) => (rows, false),
                Err(_) => (insert("")?, true),
            },
        };
        for index in table.indexes.iter().filter(|index| !index.sql.is_empty()) {
            scratch.execute(&index.sql)?;
        }
        copied.push(CopiedTable { name: table.name.clone(), rows, is_whole });
    }
    scratch.detach()?;
    scratch.execute("ANALYZE")?;
    Ok(copied)
}

/// Runs work without and with indexes, in turn.
fn in_turn(
    scratch: &Scratch,
    without: &[String],
    rounds_if_short: usize,
    work: impl Fn(&Scratch) -> Result<Duration>,
) -> Result<Times> {
    let mut rounds = Rounds::default();
    while !rounds.are_enough(rounds_if_short) {
        scratch.execute("SAVEPOINT turn")?;
        let dropped = without
            .iter()
            .try_for_each(|index| scratch.execute(&format!("DROP INDEX {}", quote(index))).map(drop));
        let measured = dropped.and_then(|()| work(scratch));
        scratch.execute("ROLLBACK TO turn")?;
        scratch.execute("RELEASE turn")?;
        rounds.push(measured?, work(scratch)?);
    }
    Ok(rounds.shortest())
}

/// Inserts rows of a table again that were deleted before, and returns the time for one.
fn insert(scratch: &Scratch, table: &Table) -> Result<Duration> {
    let name = quote(&table.name);
    let columns: Vec<_> = table.columns.iter().map(|column| quote(column)).collect();
    let columns = columns.join(", ");
    scratch.execute("SAVEPOINT inserts")?;
    let measured = (|| {
        // From all over the table, so that pages are found as by writes of a program.
        let chosen =
            format!("SELECT rowid FROM {name} ORDER BY (rowid * 7919) % 100003, rowid LIMIT {INSERTED_ROWS}");
        scratch.execute(&format!(
            "CREATE TEMP TABLE moved AS SELECT {columns} FROM {name} WHERE rowid IN ({chosen})"
        ))?;
        scratch.execute(&format!("DELETE FROM {name} WHERE rowid IN ({chosen})"))?;
        let started_at = Instant::now();
        let rows =
            scratch.execute(&format!("INSERT INTO {name} ({columns}) SELECT {columns} FROM temp.moved"))?;
        Ok(started_at.elapsed() / rows.max(1) as u32)
    })();
    scratch.execute("ROLLBACK TO inserts")?;
    scratch.execute("RELEASE inserts")?;
    measured
}

fn used_bytes(scratch: &Scratch) -> Result<u64> {
    let number = |sql: &str| -> Result<u64> {
        Ok(scratch.texts(sql)?.first().and_then(|row| row.first()?.parse().ok()).unwrap_or_default())
    };
    let pages = number("PRAGMA page_count")?.saturating_sub(number("PRAGMA freelist_count")?);
    Ok(pages * number("PRAGMA page_size")?)
}

/// Returns the indexes of a plan, without those that SQLite builds for one statement.
fn indexes(plan: &[String]) -> Vec<String> {
    let name = |line: &String| {
        let rest = line.split_once("USING ")?.1;
        let rest = rest.strip_prefix("COVERING ").unwrap_or(rest).strip_prefix("INDEX ")?;
        Some(rest.split(" (").next().unwrap_or(rest).to_owned())
    };
    plan.iter().filter_map(name).collect()
}
