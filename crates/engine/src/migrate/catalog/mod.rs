//! What a database has, the same way for both engines.

mod postgres;
mod sqlite;

use super::patience;
use crate::driver::{Bounds, Connection};
use crate::error::Result;
use crate::query::Batch;
use crate::settings::Engine;

/// A table that there is.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) is_partitioned: bool,
    pub(super) columns: Vec<FoundColumn>,
    pub(super) primary: Vec<String>,
    /// The columns of each unique constraint, and of each unique index.
    pub(super) uniques: Vec<Vec<String>>,
    pub(super) keys: Vec<FoundKey>,
    pub(super) indexes: Vec<FoundIndex>,
}

#[derive(Clone, Debug)]
pub(super) struct FoundColumn {
    pub(super) name: String,
    pub(super) ty: String,
    pub(super) is_null: bool,
    /// A row that does not name it gets a value.
    pub(super) has_default: bool,
}

#[derive(Clone, Debug)]
pub(super) struct FoundKey {
    /// SQLite does not tell.
    pub(super) name: Option<String>,
    pub(super) columns: Vec<String>,
    pub(super) table: String,
    pub(super) to: Vec<String>,
    pub(super) is_valid: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct FoundIndex {
    pub(super) name: String,
    pub(super) table: String,
    pub(super) columns: Vec<String>,
    pub(super) is_unique: bool,
    /// Nothing but rising columns: no expression, condition or order of its own.
    pub(super) is_plain: bool,
    pub(super) is_valid: bool,
    pub(super) definition: String,
}

impl Found {
    pub(super) fn column(&self, name: &str) -> Option<&FoundColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The key of one column.
    pub(super) fn key_of(&self, column: &str) -> Option<&FoundKey> {
        self.keys.iter().find(|key| key.columns == [column])
    }
}

/// A table of the current schema.
pub(super) async fn table(connection: &mut Connection, name: &str) -> Result<Option<Found>> {
    match connection.engine() {
        Engine::Postgres => postgres::table(connection, name).await,
        Engine::Sqlite => sqlite::table(connection, name).await,
    }
}

/// The index of that name, whatever its table.
pub(super) async fn index(connection: &mut Connection, name: &str) -> Result<Option<FoundIndex>> {
    match connection.engine() {
        Engine::Postgres => postgres::index(connection, name).await,
        Engine::Sqlite => sqlite::index(connection, name).await,
    }
}

/// The names of all tables of the current schema.
pub(super) async fn tables(connection: &mut Connection) -> Result<Vec<String>> {
    let statement = match connection.engine() {
        Engine::Postgres => postgres::TABLES,
        Engine::Sqlite => sqlite::TABLES,
    };
    let rows = fetch(connection, crate::query::all::<(String,)>(statement, crate::params![])).await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

/// Runs a batch as it is; waits while others keep an SQLite file locked.
pub(super) async fn fetch<B: Batch>(connection: &mut Connection, batch: B) -> Result<B::Output> {
    patience::fly(connection, batch, Bounds::default()).await
}

/// Names that were joined by a line feed.
fn split(joined: &str) -> Vec<String> {
    joined.split('\n').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
