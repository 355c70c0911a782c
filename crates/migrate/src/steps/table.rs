//! Tables and indexes, as revisions declare them.

use tallybook_sql::dialect::Dialect;

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

/// An index of columns, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) name: &'static str,
    pub(crate) table: &'static str,
    pub(crate) columns: &'static [&'static str],
    pub(crate) is_unique: bool,
}

impl Index {
    /// Returns the `CREATE INDEX` statement.
    pub(crate) fn sql(&self) -> String {
        self.create("")
    }

    /// Returns the `CREATE INDEX CONCURRENTLY` statement, during which other sessions can write.
    pub(crate) fn sql_concurrently(&self) -> String {
        self.create("CONCURRENTLY ")
    }

    fn create(&self, how: &str) -> String {
        let unique = if self.is_unique { "UNIQUE " } else { "" };
        let columns = self.columns.join(", ");
        format!("CREATE {unique}INDEX {how}{} ON {} ({columns})", self.name, self.table)
    }
}
