//! Reads the database's catalog, in one form for both dialects.

pub(crate) mod create_table;
pub(crate) mod dangling_references;
pub(crate) mod other_schema;
mod postgres;
mod sqlite;

use tallybook_core::driver::Connection;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::Result;
use tallybook_sql::query::Batch;
use tallybook_sql::transaction::TransactionFraming;

use crate::run::busy_retry;

/// A table that exists.
#[derive(Clone, Debug, Default)]
pub(crate) struct ActualTable {
    pub(crate) is_partitioned: bool,
    pub(crate) columns: Vec<FoundColumn>,
    pub(crate) primary: Vec<String>,
    /// The columns of each unique constraint and unique index.
    pub(crate) uniques: Vec<Vec<String>>,
    pub(crate) keys: Vec<FoundKey>,
    pub(crate) checks: Vec<FoundCheck>,
    pub(crate) indexes: Vec<FoundIndex>,
}

#[derive(Clone, Debug)]
pub(crate) struct FoundColumn {
    pub(crate) name: String,
    pub(crate) ty: String,
    pub(crate) is_null: bool,
    /// Set if an insert may omit the column.
    pub(crate) has_default: bool,
    /// The default as the catalog prints it. A generated column has its whole clause here.
    pub(crate) default: Option<String>,
    /// Set for an identity column of PostgreSQL.
    pub(crate) identity: Option<Identity>,
}

/// The kinds of identity columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// An insert may give a value.
    ByDefault,
    /// An insert that gives a value fails.
    Always,
}

#[derive(Clone, Debug)]
pub(crate) struct FoundKey {
    /// `None` on SQLite, which does not report names.
    pub(crate) name: Option<String>,
    pub(crate) columns: Vec<String>,
    pub(crate) table: String,
    pub(crate) to: Vec<String>,
    pub(crate) is_valid: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundCheck {
    /// `None` for a check without a name on SQLite.
    pub(crate) name: Option<String>,
    /// As the catalog prints it.
    pub(crate) condition: String,
    pub(crate) is_valid: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FoundIndex {
    pub(crate) name: String,
    pub(crate) table: String,
    pub(crate) columns: Vec<String>,
    pub(crate) is_unique: bool,
    /// Set if the index has only ascending columns: no expression, condition or collation.
    pub(crate) is_plain: bool,
    pub(crate) is_valid: bool,
    pub(crate) definition: String,
    /// The names of declared indexes of expressions or of some rows that have this definition.
    pub(crate) same_as: Vec<&'static str>,
    /// The way in which its definition was compared with the declared one, unless by the normal form.
    pub(crate) comparison: Option<String>,
}

impl ActualTable {
    pub(crate) fn column(&self, name: &str) -> Option<&FoundColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Returns the foreign key of one column.
    pub(crate) fn key_of(&self, column: &str) -> Option<&FoundKey> {
        self.keys.iter().find(|key| key.columns == [column])
    }
}

/// Reads a table of the current schema.
pub(crate) async fn table(connection: &mut Connection, name: &str) -> Result<Option<ActualTable>> {
    match connection.dialect() {
        Dialect::Postgres => postgres::table(connection, name).await,
        Dialect::Sqlite => sqlite::table(connection, name).await,
    }
}

/// Reads an index by name, whatever its table.
pub(crate) async fn index(connection: &mut Connection, name: &str) -> Result<Option<FoundIndex>> {
    match connection.dialect() {
        Dialect::Postgres => postgres::index(connection, name).await,
        Dialect::Sqlite => sqlite::index(connection, name).await,
    }
}

/// Returns the labels of an enum type in their order; `None` if there is no such type.
pub(crate) async fn enum_labels(connection: &mut Connection, name: &str) -> Result<Option<Vec<String>>> {
    match connection.dialect() {
        Dialect::Postgres => postgres::enum_labels(connection, name).await,
        Dialect::Sqlite => Ok(None),
    }
}

/// Returns the names of all tables of the current schema.
pub(crate) async fn tables(connection: &mut Connection) -> Result<Vec<String>> {
    let statement = match connection.dialect() {
        Dialect::Postgres => postgres::TABLES,
        Dialect::Sqlite => sqlite::TABLES,
    };
    let rows = fetch(connection, tallybook_sql::query::all::<(String,)>(statement, tallybook_sql::params![]))
        .await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

/// Executes a batch outside a transaction of its own; retries while an SQLite file is locked.
pub(crate) async fn fetch<B: Batch>(connection: &mut Connection, batch: B) -> Result<B::Output> {
    busy_retry::execute(connection, batch, TransactionFraming::default()).await
}

/// Splits names that were joined by line feeds.
fn split(joined: &str) -> Vec<String> {
    joined.split('\n').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
