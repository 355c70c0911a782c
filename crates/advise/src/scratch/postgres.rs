//! The scratch copy of a PostgreSQL database: temporary tables of one connection, which the server drops by itself when
//! the connection ends, even if the process is killed. They hide the tables of the same names.

use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tallybook::Database;
use tallybook_core::driver::{Connection, Connector};
use tallybook_core::session::postgres_indexes;
use tallybook_sql::driver::Role;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::file_access::FileAccess;
use tallybook_sql::params;
use tallybook_sql::query::{Batch, all, execute, one};
use tallybook_sql::transaction::TransactionFraming;
use tallybook_sql::value::{Params, Value};

use super::{CopiedTable, INSERTED_ROWS, ROUNDS, ROUNDS_IF_SHORT, Rounds, Times, Work, mean};
use crate::catalog::Table;
use crate::sql_text::quote;
use crate::statement::Parsed;

/// Time that the copy waits for a lock on a table. Whoever alters it comes first.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// A table for which the statistics count far too few rows is cut at this multiple of the sample.
const MAX_OVERSHOOT: u64 = 4;

pub(crate) struct PostgresScratch {
    connection: Connection,
    deadline: Instant,
}

impl PostgresScratch {
    pub(super) async fn copy(
        db: &Database,
        tables: Vec<Table>,
        max_rows: u64,
        deadline: Instant,
    ) -> Result<(Self, Vec<CopiedTable>)> {
        // A connection of its own: the pool's would be reset, and temporary tables with them.
        let connector = Connector::new(db.settings().database_url.target(), FileAccess::to_look());
        let mut scratch = Self { connection: connector.connect(Role::Inspect).await?, deadline };
        let lock_timeout = LOCK_TIMEOUT.as_millis();
        scratch
            .script(&format!("SET default_transaction_read_only = off; SET lock_timeout = {lock_timeout}; SET application_name = 'tallybook advise'"))
            .await?;
        // Where the server can, it ends a long statement once nobody waits for it.
        let notice = "SELECT set_config(name, '1s', false) FROM pg_settings WHERE name = 'client_connection_check_interval'";
        scratch.run(all::<(String,)>(notice, params![])).await?;
        let mut copied = Vec::new();
        for table in &tables {
            copied.push(scratch.copy_table(table, max_rows).await?);
        }
        Ok((scratch, copied))
    }

    async fn copy_table(&mut self, table: &Table, max_rows: u64) -> Result<CopiedTable> {
        let source = format!("{}.{}", quote(table.schema.as_deref().unwrap_or("public")), quote(&table.name));
        let copy = format!("pg_temp.{}", quote(&table.name));
        self.script(&format!(
            "CREATE TEMPORARY TABLE {} (LIKE {source} INCLUDING STATISTICS)",
            quote(&table.name)
        ))
        .await?;
        let sample = match table.rows > max_rows {
            true => format!(
                " TABLESAMPLE SYSTEM ({}) REPEATABLE (1)",
                100.0 * max_rows as f64 / table.rows as f64
            ),
            false => String::new(),
        };
        let limit = max_rows.saturating_mul(MAX_OVERSHOOT);
        let rows = self
            .run(execute(
                format!("INSERT INTO {copy} SELECT * FROM {source}{sample} LIMIT {limit}"),
                params![],
            ))
            .await?;
        for index in &table.indexes {
            // The name of the table is the first thing behind ON.
            if let Some((head, rest)) = index.sql.split_once(" ON ")
                && let Some((_, tail)) = rest.split_once(" USING ")
            {
                self.script(&format!("{head} ON {copy} USING {tail}")).await?;
            }
        }
        // Vacuumed, as autovacuum leaves tables.
        self.script(&format!("VACUUM (ANALYZE) {copy}")).await?;
        let is_whole = sample.is_empty() && rows < limit;
        Ok(CopiedTable { name: table.name.clone(), rows, is_whole })
    }

    pub(super) async fn create_index(&mut self, name: &str, sql: &str) -> Result<u64> {
        self.script(sql).await?;
        let size = one::<(i64,)>(
            "SELECT pg_relation_size($1::text::regclass)",
            params![format!("pg_temp.{}", quote(name))],
        );
        Ok(self.run(size).await?.0.max(0) as u64)
    }

    pub(super) async fn drop_index(&mut self, name: &str) -> Result<()> {
        self.script(&format!("DROP INDEX pg_temp.{}", quote(name))).await
    }

    pub(super) async fn work(&mut self, statement: &Parsed, samples: &[Vec<Value>]) -> Result<Work> {
        let mut plans = Vec::new();
        if samples.is_empty() {
            plans.push(self.generic_plan(statement).await?);
        }
        for values in samples {
            plans.push(self.explain("FORMAT JSON", statement, values, false).await?);
        }
        Ok(Work {
            units: mean(plans.iter().map(|plan| figure(plan, "Total Cost"))),
            indexes: plans.iter().flat_map(postgres_indexes).collect(),
            ..Work::default()
        })
    }

    pub(super) async fn times(
        &mut self,
        statement: &Parsed,
        samples: &[Vec<Value>],
        without: &[String],
    ) -> Result<Times> {
        let mut rounds = Rounds::default();
        while !rounds.are_enough(ROUNDS_IF_SHORT) {
            let time_without = self.time(statement, samples, without).await?;
            rounds.push(time_without, self.time(statement, samples, &[]).await?);
        }
        if let Some(write) = &statement.write {
            self.script(&format!("VACUUM pg_temp.{}", quote(&write.table))).await?;
        }
        Ok(rounds.shortest())
    }

    async fn time(
        &mut self,
        statement: &Parsed,
        samples: &[Vec<Value>],
        without: &[String],
    ) -> Result<Duration> {
        self.begin_without(without).await?;
        let mut total = 0.0;
        let mut outcome = Ok(());
        for values in samples {
            // Read only, so that no sequence and no table of the database can change. Temporary tables are exempt.
            let explained = self.explain("ANALYZE, TIMING OFF, FORMAT JSON", statement, values, true).await;
            match explained {
                Ok(plan) => {
                    total += plan.get(0).and_then(|plan| plan["Execution Time"].as_f64()).unwrap_or_default();
                }
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        self.script("ROLLBACK").await?;
        outcome?;
        Ok(Duration::from_secs_f64(total / samples.len().max(1) as f64 / 1_000.0))
    }

    pub(super) async fn insert_times(&mut self, table: &Table, index: &str) -> Result<Times> {
        let copy = format!("pg_temp.{}", quote(&table.name));
        self.script("DROP TABLE IF EXISTS pg_temp.tallybook_moved").await?;
        self.script(&format!(
            "CREATE TEMPORARY TABLE tallybook_moved AS SELECT * FROM {copy} ORDER BY md5(ctid::text) LIMIT {INSERTED_ROWS}"
        ))
        .await?;
        let mut rounds = Rounds::default();
        while !rounds.are_enough(ROUNDS) {
            let time_without = self.insert(&copy, &[index.to_owned()]).await?;
            rounds.push(time_without, self.insert(&copy, &[]).await?);
        }
        self.script("DROP TABLE pg_temp.tallybook_moved").await?;
        // What was rolled back makes later plans dearer.
        self.script(&format!("VACUUM {copy}")).await?;
        Ok(rounds.shortest())
    }

    /// Inserts rows again that were deleted before, and returns the time for one.
    async fn insert(&mut self, copy: &str, without: &[String]) -> Result<Duration> {
        self.begin_without(without).await?;
        let measured = async {
            let delete = format!("DELETE FROM {copy} WHERE ctid IN (SELECT ctid FROM {copy} ORDER BY md5(ctid::text) LIMIT {INSERTED_ROWS})");
            let rows = self.run_in_transaction(execute(delete, params![])).await?;
            let explain = format!(
                "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) INSERT INTO {copy} SELECT * FROM pg_temp.tallybook_moved"
            );
            let plan = self.run_in_transaction(all::<(String,)>(explain, params![])).await?;
            let time = json(&plan).get(0).and_then(|plan| plan["Execution Time"].as_f64()).unwrap_or_default();
            Ok::<_, Error>(Duration::from_secs_f64(time / rows.max(1) as f64 / 1_000.0))
        }
        .await;
        self.script("ROLLBACK").await?;
        measured
    }

    /// Begins a transaction in which indexes are missing, to be rolled back.
    async fn begin_without(&mut self, indexes: &[String]) -> Result<()> {
        let drops: Vec<_> =
            indexes.iter().map(|index| format!("; DROP INDEX pg_temp.{}", quote(index))).collect();
        self.script(&format!("BEGIN{}", drops.concat())).await
    }

    async fn explain(
        &mut self,
        options: &str,
        statement: &Parsed,
        values: &[Value],
        is_in_transaction: bool,
    ) -> Result<Json> {
        let query =
            all::<(String,)>(format!("EXPLAIN ({options}) {}", statement.sql), Params::from(values.to_vec()));
        let rows = match is_in_transaction {
            true => {
                self.script("SET TRANSACTION READ ONLY").await?;
                self.run_in_transaction(query).await?
            }
            false => self.run(query).await?,
        };
        Ok(json(&rows))
    }

    /// Plans a statement whose parameters are unknown, as the server does after its fifth execution.
    async fn generic_plan(&mut self, statement: &Parsed) -> Result<Json> {
        self.script(&format!("PREPARE tallybook_generic AS {}", statement.sql)).await?;
        let nulls = vec!["NULL"; parameters(&statement.sql)].join(", ");
        let values = if nulls.is_empty() { String::new() } else { format!(" ({nulls})") };
        self.script("SET plan_cache_mode = force_generic_plan").await?;
        let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE tallybook_generic{values}");
        let rows = self.run(all::<(String,)>(explain, params![])).await;
        self.script("DEALLOCATE tallybook_generic; RESET plan_cache_mode").await?;
        Ok(json(&rows?))
    }

    async fn run<B: Batch>(&mut self, batch: B) -> Result<B::Output> {
        self.limit().await?;
        self.connection.execute(batch, TransactionFraming::default()).await?.finish()
    }

    async fn run_in_transaction<B: Batch>(&mut self, batch: B) -> Result<B::Output> {
        let framing = TransactionFraming { continues: true, ..TransactionFraming::default() };
        self.connection.execute(batch, framing).await?.finish()
    }

    async fn script(&mut self, sql: &str) -> Result<()> {
        self.connection.script(sql).await
    }

    /// Gives the next statements the time that is left.
    async fn limit(&mut self) -> Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now()).as_millis().max(1);
        self.script(&format!("SET statement_timeout = {left}")).await
    }
}

fn json(rows: &[(String,)]) -> Json {
    let text: String = rows.iter().map(|(line,)| line.as_str()).collect();
    serde_json::from_str(&text).unwrap_or_default()
}

fn figure(plan: &Json, name: &str) -> f64 {
    plan.get(0).and_then(|plan| plan["Plan"][name].as_f64()).unwrap_or_default()
}

/// Returns the number of parameters: the highest behind a dollar sign.
fn parameters(sql: &str) -> usize {
    let number = |rest: &str| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok()
    };
    sql.split('$').skip(1).filter_map(number).max().unwrap_or_default()
}
