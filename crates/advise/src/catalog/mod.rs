//! The tables of a database with their columns and indexes.

mod postgres;
mod sqlite;

use tallybook_core::Session;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::Result;

use crate::index_key::IndexKey;
use crate::scratch::CopiedTable;

/// Tables whose statistics count more or fewer rows by this factor are stale.
const STALE_FACTOR: f64 = 2.0;

/// All ordinary tables that unqualified names reach.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    pub(crate) tables: Vec<Table>,
}

/// A table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Schema on PostgreSQL.
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    /// Columns that refer to other tables.
    pub(crate) foreign_keys: Vec<String>,
    pub(crate) indexes: Vec<Index>,
    pub(crate) rows: u64,
    /// Rows that the planner's statistics count; `None` if it never counted them.
    pub(crate) analyzed_rows: Option<u64>,
    /// Rows changed since then, if the database counts them.
    pub(crate) changed_rows: u64,
    /// Statement that creates it, on SQLite.
    pub(crate) sql: String,
}

/// An index that exists.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub(crate) name: String,
    /// Key columns; empty if one of them is an expression.
    pub(crate) keys: Vec<IndexKey>,
    pub(crate) is_unique: bool,
    pub(crate) is_primary: bool,
    /// Condition of a partial index.
    pub(crate) filter: Option<String>,
    /// Statement that creates it; empty if its table does.
    pub(crate) sql: String,
}

impl Catalog {
    /// Reads the catalog of a database.
    pub(crate) async fn read(session: &mut impl Session, dialect: Dialect) -> Result<Self> {
        match dialect {
            Dialect::Sqlite => sqlite::read(session).await,
            Dialect::Postgres => postgres::read(session).await,
        }
    }

    /// Corrects estimated numbers of rows by the rows that were copied.
    pub(crate) fn correct(&mut self, copied: &[CopiedTable]) {
        for copied in copied {
            if let Some(table) = self.tables.iter_mut().find(|table| table.name == copied.name) {
                table.rows = if copied.is_whole { copied.rows } else { table.rows.max(copied.rows) };
            }
        }
    }

    /// Returns the table of a name, as SQL compares names.
    pub(crate) fn table(&self, name: &str) -> Option<&Table> {
        let exact = self.tables.iter().find(|table| table.name == name);
        exact.or_else(|| self.tables.iter().find(|table| table.name.eq_ignore_ascii_case(name)))
    }
}

impl Table {
    /// Returns the column of a name, as SQL compares names.
    pub(crate) fn column(&self, name: &str) -> Option<&str> {
        self.columns.iter().find(|column| column.eq_ignore_ascii_case(name)).map(String::as_str)
    }

    /// Returns why the statistics of the planner are stale, if they are.
    pub(crate) fn staleness(&self) -> Option<String> {
        let rows = self.rows as f64;
        match self.analyzed_rows {
            None => Some("it was never analyzed".to_owned()),
            Some(known) if rows.max(1.0) / (known as f64).max(1.0) > STALE_FACTOR => {
                Some(format!("the statistics count {known} rows, and it has about {}", self.rows))
            }
            Some(known) if (known as f64).max(1.0) / rows.max(1.0) > STALE_FACTOR => {
                Some(format!("the statistics count {known} rows, and it has about {}", self.rows))
            }
            Some(known) if self.changed_rows as f64 > known as f64 / STALE_FACTOR => {
                Some(format!("{} of about {known} rows changed since it was analyzed", self.changed_rows))
            }
            Some(_) => None,
        }
    }

    /// Returns whether an index serves one of the foreign keys.
    pub(crate) fn serves_foreign_key(&self, index: &Index) -> bool {
        index.keys.first().is_some_and(|key| self.foreign_keys.contains(&key.column))
    }
}
