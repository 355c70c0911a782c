//! Bulk loads.

use std::fmt;

use tallybook_sql::call_site::CallSite;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::value::Value;

use super::WriteSession;
use crate::driver::Load;

/// A bulk load in a write transaction: COPY on PostgreSQL, prepared inserts on SQLite.
///
/// If it is dropped before [`BulkLoad::finish`], the transaction can only be rolled back.
///
/// ```
/// # use tallybook::{Database, Row, Settings, execute, params};
/// #[derive(Row)]
/// struct Note {
///     id: i64,
///     title: String,
/// }
///
/// # #[tokio::main]
/// # async fn main() -> tallybook::Result<()> {
/// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
/// let mut session = db.begin().await?;
/// session.run(execute("CREATE TABLE notes (id integer primary key, title text)", params![])).await?;
/// let mut load = session.load("notes", &["id", "title"]).await?;
/// for id in 0..5_000 {
///     load.write(&Note { id, title: format!("note {id}") }).await?;
/// }
/// assert_eq!(load.finish().await?, 5_000);
/// session.commit().await?;
/// # Ok(())
/// # }
/// ```
pub struct BulkLoad<'s> {
    session: &'s mut WriteSession,
    load: Load,
    columns: Vec<String>,
    /// The statement as the monitor reports it.
    sql: String,
    call: CallSite,
}

impl fmt::Debug for BulkLoad<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkLoad").field("session", &self.session).finish_non_exhaustive()
    }
}

impl WriteSession {
    /// Starts a bulk load: COPY on PostgreSQL, prepared inserts in large groups on SQLite.
    ///
    /// # Errors
    /// If the table or a column does not exist.
    #[track_caller]
    pub fn load<'s>(
        &'s mut self,
        table: &str,
        columns: &[&str],
    ) -> impl Future<Output = Result<BulkLoad<'s>>> + Send {
        self.load_called(table, columns, CallSite::here())
    }

    /// Starts a bulk load on behalf of another line of code.
    ///
    /// # Errors
    /// As [`WriteSession::load`].
    pub async fn load_called(
        &mut self,
        table: &str,
        columns: &[&str],
        call: CallSite,
    ) -> Result<BulkLoad<'_>> {
        let load = self.start_load(table, columns).await?;
        let sql = format!("COPY {table} ({}) FROM STDIN", columns.join(", "));
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Ok(BulkLoad { session: self, load, columns, sql, call })
    }
}

impl BulkLoad<'_> {
    /// Adds a row. Its fields must match the columns of the load.
    ///
    /// # Errors
    /// A value that the column cannot hold unchanged, or what the database reports.
    pub async fn write<T: tallybook_sql::Row + Sync>(&mut self, row: &T) -> Result<()> {
        self.write_values(row.encode()?).await
    }

    /// Adds a row as values in the order of the columns.
    ///
    /// # Errors
    /// As [`BulkLoad::write`].
    pub async fn write_values(&mut self, row: Vec<Value>) -> Result<()> {
        let problem =
            |(column, value): (&String, &Value)| value.problem().map(|problem| (column.clone(), problem));
        if let Some((column, problem)) = self.columns.iter().zip(&row).find_map(problem) {
            return Err(Error::invalid_value(column, problem));
        }
        self.load.write(row).await.map_err(|error| self.session.locate(error))
    }

    /// Sends the remaining rows and returns the total.
    ///
    /// # Errors
    /// The error that the database reports, for example a violated constraint.
    pub async fn finish(self) -> Result<u64> {
        self.session.finish_load(self.load, &self.sql, self.call).await
    }
}
