//! Pipelines: several statements in one hop to the connection's thread.

use std::sync::Arc;
use std::time::Instant;

use rusqlite::config::DbConfig;
use rusqlite::{Connection as Sqlite, Statement, StatementStatus};
use tallybook_sql::dialect::Dialect;
use tallybook_sql::driver::{Executed, MAX_PREPARED_BYTES};
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tallybook_sql::query::{Batch, Query, queries, take_row};
use tallybook_sql::stopwatch::Stopwatch;
use tallybook_sql::transaction::{Begin, End, TransactionFraming};
use tallybook_sql::value::Value;
use tokio::task::coop::consume_budget;

use super::Connection;
use super::bind::{bind, is_list, is_only_in_rarray};
use super::checked_results::CheckedResults;
use super::connection::{check_transaction, roll_back};
use super::error::{convert, convert_of_text};
use super::inline_budget::{RunningBudget, is_small};
use super::row::values;

impl Connection {
    /// Executes a batch as one pipeline: on the caller's thread if it is short, else in one hop to the connection's.
    ///
    /// `since` is when the batch was started; `None` measures no times.
    pub async fn execute<B: Batch>(
        &mut self,
        mut batch: B,
        framing: TransactionFraming,
        since: Option<Instant>,
    ) -> Executed<B> {
        let now = since.unwrap_or_else(Instant::now);
        if let Err(gone) = self.check_file(now) {
            return Executed::new(Some(batch), Err(gone));
        }
        if framing.read_only {
            // A task that never waits must let others run too.
            consume_budget().await;
            let outcome = self.run_inline(&mut queries(&mut batch), framing, since);
            if let Some(outcome) = outcome {
                return Executed::new(Some(batch), outcome);
            }
        }
        let is_insert = is_insert(&mut queries(&mut batch), framing);
        // Boxed: it is rare, and would enlarge the future of every pipeline.
        if framing.begin.is_some_and(Begin::is_write)
            && self.is_unprepared()
            && let Err(error) = Box::pin(self.prepare_write()).await
        {
            return Executed::new(Some(batch), Err(error));
        }
        if is_insert {
            consume_budget().await;
            let outcome = self.run_inline(&mut queries(&mut batch), framing, since);
            if let Some(outcome) = outcome {
                return Executed::new(Some(batch), outcome);
            }
        }
        let durability = (!framing.read_only).then(|| self.durability());
        let checked = Arc::clone(&self.checked);
        self.thread()
            .call(move |sqlite| {
                let outcome = run_all(sqlite, &checked, &mut queries(&mut batch), framing, since, None);
                let outcome = outcome.and_then(|()| match durability {
                    Some(durability) => durability.settle(sqlite),
                    None => Ok(()),
                });
                Executed::new(Some(batch), outcome)
            })
            .await
            .unwrap_or_else(|lost| Executed::new(None, Err(lost)))
    }

    /// Runs a pipeline on the caller's thread, if it is short: reads, or inserts that begin their transaction.
    ///
    /// Returns `None` if it must run on the connection's thread, because it takes too long or waits for a lock of
    /// another process. It can run again from the start, since nothing was written before it.
    fn run_inline(
        &mut self,
        queries: &mut [&mut dyn Query],
        framing: TransactionFraming,
        since: Option<Instant>,
    ) -> Option<Result<()>> {
        if self.slow_batches.skips(queries) || !is_small(queries) {
            return None;
        }
        let shared = self.sqlite.upgrade()?;
        // Abandoned work may still run.
        let mut sqlite = shared.try_lock().ok()?;
        let running = self.inline_budget.start(&sqlite, since).ok()?;
        let outcome = run_all(&sqlite, &self.checked, queries, framing, since, Some(&running));
        if outcome.is_ok() {
            if running.is_used_up() {
                self.slow_batches.suspect(queries);
            }
            return Some(outcome);
        }
        // A failed read runs again where it may wait for locks: SQLite says "no such table" also when it could not
        // verify its schema.
        if running.has_interrupted() {
            self.slow_batches.add(queries);
        } else if !framing.read_only && !sqlite.is_autocommit() {
            return Some(outcome);
        }
        drop(running);
        queries.iter_mut().for_each(|query| query.reset());
        match framing.begin {
            // Unless SQLite has rolled back itself.
            Some(_) => roll_back(&mut sqlite).err().map(Err),
            None => None,
        }
    }
}

/// Returns whether a pipeline begins a transaction and only inserts, so that it may run inline.
fn is_insert(queries: &mut [&mut dyn Query], framing: TransactionFraming) -> bool {
    let is_insert = |query: &mut &mut dyn Query| query.request().statement.is_insert(Dialect::Sqlite);
    framing.begin.is_some_and(Begin::is_write) && framing.end.is_none() && queries.iter_mut().all(is_insert)
}

/// Runs the statements and their transaction control, within the inline budget if there is one.
pub(super) fn run_all(
    sqlite: &Sqlite,
    checked: &CheckedResults,
    queries: &mut [&mut dyn Query],
    framing: TransactionFraming,
    since: Option<Instant>,
    inline_budget: Option<&RunningBudget<'_>>,
) -> Result<()> {
    if let Some(begin) = framing.begin {
        control(sqlite, begin.sql(Dialect::Sqlite))?;
    }
    let is_within = framing.begin.is_some() || framing.continues;
    if is_within {
        check_transaction(sqlite)?;
    }
    let mut last = since;
    let mut outcome = Ok(());
    for (position, query) in queries.iter_mut().enumerate() {
        if let Some(inline_budget) = inline_budget.filter(|_| position > 0) {
            outcome = inline_budget.check();
        }
        outcome = outcome.and_then(|()| match framing.opens_cursor {
            true => compile(sqlite, checked, *query, framing.read_only, since),
            false => timed(sqlite, checked, *query, framing.read_only, &mut last),
        });
        if outcome.is_ok() && is_within {
            let ended = |error: Error| error.with_statement(query.request().statement.sql(Dialect::Sqlite));
            outcome = check_transaction(sqlite).map_err(ended);
        }
        if let Err(error) = outcome {
            outcome = Err(error.at_position(position));
            break;
        }
    }
    match (framing.end, &outcome) {
        (Some(end), Ok(())) => control(sqlite, end.sql())?,
        // The failure matters more than that of a rollback, which SQLite may have done itself.
        (Some(_), Err(_)) => drop(control(sqlite, End::Rollback.sql())),
        (None, _) => {}
    }
    outcome
}

pub(super) fn control(sqlite: &Sqlite, sql: &str) -> Result<()> {
    sqlite.prepare_cached(sql).and_then(|mut statement| statement.raw_execute()).map(drop).map_err(convert)
}

/// Runs a query, and measures it from the end of the previous one.
pub(super) fn timed(
    sqlite: &Sqlite,
    checked: &CheckedResults,
    query: &mut dyn Query,
    read_only: bool,
    last: &mut Option<Instant>,
) -> Result<()> {
    let statement = query.request().statement.clone();
    let sql = statement.sql(Dialect::Sqlite);
    statement.check_casts()?;
    let mut watch = Stopwatch::new(last.is_some());
    let outcome = if statement.uses_custom_plan() {
        custom_plan(sqlite, || run(sqlite, checked, sql, query, read_only, &mut watch))
    } else {
        run(sqlite, checked, sql, query, read_only, &mut watch)
    };
    if let Some((timing, now)) = watch.stop(*last) {
        query.request().timing = Some(timing);
        *last = Some(now);
    }
    outcome.map_err(|error| with_index(sqlite, error).with_statement(sql))
}

/// Checks a query whose rows are fetched later, without running it.
fn compile(
    sqlite: &Sqlite,
    checked: &CheckedResults,
    query: &mut dyn Query,
    read_only: bool,
    since: Option<Instant>,
) -> Result<()> {
    let statement = query.request().statement.clone();
    let sql = statement.sql(Dialect::Sqlite);
    let mut check = || {
        statement.check_casts()?;
        let mut prepared = sqlite.prepare(sql).map_err(convert_of_text)?;
        if read_only && !prepared.readonly() {
            return Err(Error::new(ErrorDetail::WriteInRead));
        }
        bind_all(&mut prepared, sql, query.request().values())?;
        query.columns().map_or(Ok(()), |columns| checked.check(&prepared, sql, columns))
    };
    let outcome = check();
    query.request().timing = Stopwatch::new(since.is_some()).stop(since).map(|(timing, _)| timing);
    outcome.map_err(|error| error.with_statement(sql))
}

/// Names the violated unique index, for which SQLite reports only the columns.
fn with_index(sqlite: &Sqlite, error: Error) -> Error {
    const INDEX: &str = "SELECT i.name FROM pragma_index_list(substr($1, 1, instr($1, '.') - 1)) i WHERE i.\"unique\" AND $1 = \
         (SELECT group_concat(substr($1, 1, instr($1, '.')) || name, ', ') FROM \
         (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno))";
    if !error.is_unique_violation() {
        return error;
    }
    let index =
        error.constraint().map(|columns| sqlite.query_row(INDEX, [columns], |row| row.get::<_, String>(0)));
    match index {
        Some(Ok(index)) => error.with_constraint(index),
        _ => error,
    }
}

/// Sets whether plans depend on the values of parameters. If they do, SQLite, built with STAT4, plans a statement again
/// whenever a value that could matter is bound.
pub(super) fn set_stable_plans(sqlite: &Sqlite, are_stable: bool) -> rusqlite::Result<()> {
    sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, are_stable).map(drop)
}

/// Lets SQLite use the values of parameters to plan what `run` prepares.
fn custom_plan(sqlite: &Sqlite, run: impl FnOnce() -> Result<()>) -> Result<()> {
    set_stable_plans(sqlite, false).map_err(convert)?;
    let outcome = run();
    set_stable_plans(sqlite, true).map_err(convert)?;
    outcome
}

fn run(
    sqlite: &Sqlite,
    checked: &CheckedResults,
    sql: &str,
    query: &mut dyn Query,
    read_only: bool,
    watch: &mut Stopwatch,
) -> Result<()> {
    // SQLite does not verify that an EXPLAIN prepared earlier still matches the schema.
    if sql.starts_with("EXPLAIN") {
        let mut statement = sqlite.prepare(sql).map_err(convert_of_text)?;
        return run_prepared(sqlite, checked, sql, &mut statement, query, read_only, watch);
    }
    if sql.len() > MAX_PREPARED_BYTES {
        let mut statement = sqlite.prepare(sql).map_err(convert_of_text)?;
        return run_prepared(sqlite, checked, sql, &mut statement, query, read_only, watch);
    }
    let mut statement = sqlite.prepare_cached(sql).map_err(convert_of_text)?;
    run_prepared(sqlite, checked, sql, &mut statement, query, read_only, watch)
}

fn run_prepared(
    sqlite: &Sqlite,
    checked: &CheckedResults,
    sql: &str,
    statement: &mut Statement<'_>,
    query: &mut dyn Query,
    read_only: bool,
    watch: &mut Stopwatch,
) -> Result<()> {
    if read_only && !statement.readonly() {
        return Err(Error::new(ErrorDetail::WriteInRead));
    }
    bind_all(statement, sql, query.request().values())?;
    let Some(columns) = query.columns() else {
        let before = sqlite.total_changes();
        // Step over the rows of a RETURNING.
        let mut rows = statement.raw_query();
        while rows.next().map_err(convert)?.is_some() {}
        // SQLite repeats the last count for statements that change no rows.
        query.touched(if sqlite.total_changes() == before { 0 } else { sqlite.changes() });
        return Ok(());
    };
    checked.check(statement, sql, columns)?;
    if let Some(sample) = &mut query.request().key_sample {
        sample.know(columns, |index| statement.column_name(index).unwrap_or_default());
    }
    let prepared_again = statement.get_status(StatementStatus::RePrepare);
    let recheck = |statement: &Statement<'_>| match statement.get_status(StatementStatus::RePrepare) {
        same if same == prepared_again => Ok(()),
        _ => checked.check(statement, sql, columns),
    };
    fetch(statement, query, columns.len(), recheck, watch)?;
    query.touched(0);
    Ok(())
}

fn fetch(
    statement: &mut Statement<'_>,
    query: &mut dyn Query,
    count: usize,
    recheck: impl FnOnce(&Statement<'_>) -> Result<()>,
    watch: &mut Stopwatch,
) -> Result<()> {
    let mut rows = statement.raw_query();
    // With the first row it is known whether SQLite prepared the statement again, perhaps with other columns.
    let mut recheck = Some(recheck);
    while let Some(row) = rows.next().map_err(convert)? {
        if let Some(recheck) = recheck.take() {
            recheck(row.as_ref())?;
        }
        watch.decode(|| {
            let (values, size) = values(row, count);
            take_row(query, &values, size)
        })?;
    }
    Ok(())
}

/// Binds `$1`, `$2`, … by their numbers: SQLite itself numbers names in the order of their first use.
fn bind_all(statement: &mut Statement<'_>, sql: &str, values: &[Value]) -> Result<()> {
    let mut highest = 0;
    for index in 1..=statement.parameter_count() {
        let number = statement.parameter_name(index).map_or(Some(index), |name| name[1..].parse().ok());
        let value = number.and_then(|number: usize| {
            highest = highest.max(number);
            values.get(number.checked_sub(1)?)
        });
        let Some(value) = value else {
            return Err(Error::parameter_count(values.len(), most_used(statement)));
        };
        if is_list(value.kind()) && !is_only_in_rarray(sql, number.unwrap_or(index)) {
            let problem = "a list, which SQLite takes in rarray(…) only and would store as NULL elsewhere";
            return Err(Error::invalid_value(format!("${}", number.unwrap_or(index)), problem));
        }
        bind(statement, index, value, |problem| {
            Error::invalid_value(format!("${}", number.unwrap_or(index)), problem)
        })?;
    }
    if highest < values.len() {
        return Err(Error::parameter_count(values.len(), highest));
    }
    Ok(())
}

/// Returns the highest number of a parameter.
fn most_used(statement: &Statement<'_>) -> usize {
    let number =
        |index| statement.parameter_name(index).and_then(|name| name[1..].parse().ok()).unwrap_or(index);
    (1..=statement.parameter_count()).map(number).max().unwrap_or(0)
}
