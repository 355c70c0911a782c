//! Tables and indexes, as revisions declare them.

use tallybook_sql::dialect::Dialect;

use crate::steps::check::Expression;
use crate::steps::column::Column;

/// A table with its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Column],
}

impl Table {
    pub(crate) fn sql(&self, dialect: Dialect) -> String {
        let columns: Vec<_> = self.columns.iter().map(|column| column.sql(dialect)).collect();
        format!("CREATE TABLE {} ({})", self.name, columns.join(", "))
    }
}

/// An index of columns or expressions, of all rows or of some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) name: &'static str,
    pub(crate) table: &'static str,
    /// Columns or expressions, each with its order, as SQL spells them.
    pub(crate) columns: &'static [&'static str],
    pub(crate) is_unique: bool,
    /// The condition of a partial index.
    pub(crate) filter: Option<Expression>,
}

impl Index {
    /// Returns the `CREATE INDEX` statement.
    pub(crate) fn sql(&self, dialect: Dialect) -> String {
        self.create("", self.name, self.table, dialect)
    }

    /// Returns the statement that creates the same index of another name on another table.
    pub(crate) fn sql_elsewhere(&self, name: &str, table: &str, dialect: Dialect) -> String {
        self.create("", name, table, dialect)
    }

    /// Returns whether the index has only ascending columns, and all rows.
    pub(crate) fn is_plain(&self) -> bool {
        let is_name = |key: &&str| key.chars().all(|c| c.is_alphanumeric() || c == '_');
        self.filter.is_none() && self.columns.iter().all(is_name)
    }

    /// Returns the `CREATE INDEX CONCURRENTLY` statement, during which other sessions can write.
    pub(crate) fn sql_concurrently(&self) -> String {
        self.create("CONCURRENTLY ", self.name, self.table, Dialect::Postgres)
    }

    fn create(&self, how: &str, name: &str, table: &str, dialect: Dialect) -> String {
        let unique = if self.is_unique { "UNIQUE " } else { "" };
        let columns = self.columns.join(", ");
        let filter = self.filter.map(|filter| format!(" WHERE {}", filter.text(dialect))).unwrap_or_default();
        format!("CREATE {unique}INDEX {how}{name} ON {table} ({columns}){filter}")
    }
}
