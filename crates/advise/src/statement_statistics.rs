//! The workload of a PostgreSQL server, from its extension `pg_stat_statements`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tallybook::{Database, Workload, WorkloadStatement};
use tallybook_sql::Row;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::fingerprint::Fingerprint;
use tallybook_sql::params;
use tallybook_sql::query::{all, one};

/// Statements read at most, those with the highest total time.
const MAX_STATEMENTS: i64 = 500;

/// PostgreSQL 14 and later have these columns and the time of the last reset.
const STATEMENTS: &str = "SELECT query, calls, rows, total_exec_time AS total FROM pg_stat_statements s \
     JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database() AND query IS NOT NULL \
     ORDER BY total_exec_time DESC LIMIT $1";
const SINCE: &str = "SELECT stats_reset AT TIME ZONE 'UTC' FROM pg_stat_statements_info";

#[derive(Row)]
struct Statistics {
    query: String,
    calls: i64,
    rows: i64,
    total: f64,
}

/// Returns the statements that `pg_stat_statements` counted in this database, of all programs. It knows no parameters and
/// no literals.
///
/// # Errors
/// On SQLite, and if the extension is missing or may not be read.
pub async fn workload_of_server(db: &Database) -> Result<Workload> {
    if db.dialect() == Dialect::Sqlite {
        return Err(Error::invalid_value("workload", "SQLite has no pg_stat_statements".to_owned()));
    }
    let mut session = db.read_primary().await?;
    let (statements, (since,)) = session
        .run((
            all::<Statistics>(STATEMENTS, params![MAX_STATEMENTS]),
            one::<(Option<DateTime<Utc>>,)>(SINCE, params![]),
        ))
        .await?;
    let watched = since.and_then(|since| (Utc::now() - since).to_std().ok()).unwrap_or_default();
    let statement = |row: Statistics| {
        let total = Duration::try_from_secs_f64(row.total / 1_000.0).unwrap_or_default();
        let code = Fingerprint::of(&row.query).code();
        let mut statement = WorkloadStatement::new(code, row.query, row.calls.max(0) as u64, total);
        statement.rows = row.rows.max(0) as u64;
        statement
    };
    let statements = statements.into_iter().map(statement).collect();
    Ok(Workload::new(
        db.settings().database_url.to_string(),
        Dialect::Postgres.to_string(),
        watched,
        statements,
    ))
}
