//! The conditions, joins and orders of a statement that an index could serve.

mod conditions;
mod parse;
mod scope;

use std::collections::BTreeSet;

use crate::index_key::IndexKey;

pub(crate) use parse::parse;

/// A parsed statement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parsed {
    /// The text to run on the scratch copy, without schemas.
    pub(crate) sql: String,
    /// All tables that it names.
    pub(crate) tables: BTreeSet<String>,
    pub(crate) uses: Vec<TableUse>,
    pub(crate) write: Option<Write>,
}

/// One use of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TableUse {
    pub(crate) table: String,
    /// Columns compared with a value or a list of values.
    pub(crate) equalities: Vec<String>,
    /// Columns compared with a column of another table.
    pub(crate) joins: Vec<String>,
    /// Columns compared with a bound.
    pub(crate) ranges: Vec<String>,
    /// The beginning of the order that is asked for.
    pub(crate) order: Vec<IndexKey>,
    pub(crate) has_limit: bool,
    /// Conditions without parameters.
    pub(crate) constants: Vec<Constant>,
}

/// A condition that every execution has in common: `status = 'open'`, `closed_at IS NULL`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Constant {
    pub(crate) column: String,
    pub(crate) sql: String,
}

/// The table that a statement changes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Write {
    pub(crate) table: String,
    /// Columns that an update sets; `None` for inserts and deletes, which change every index.
    pub(crate) columns: Option<Vec<String>>,
}
