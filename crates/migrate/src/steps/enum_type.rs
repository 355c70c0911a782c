//! Enum types of PostgreSQL.

use tallybook_sql::dialect::Dialect;

/// An enum type of PostgreSQL, with its labels in their order. On SQLite a column of it is text with a check.
///
/// ```
/// use tallybook::migrate::{Column, EnumType, Revision, Step, Type};
///
/// const SIDE: EnumType = EnumType::new("side", &["buy", "sell"]);
/// const COLUMNS: &[Column] = &[Column::new("id", Type::BigId), Column::new("side", Type::Enum(SIDE))];
/// const ORDERS: Revision =
///     Revision::new("0001", "orders", &[Step::enum_type(SIDE), Step::table("orders", COLUMNS)]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnumType {
    pub(crate) name: &'static str,
    pub(crate) labels: &'static [&'static str],
}

impl EnumType {
    /// Declares an enum type. [`Step::enum_type`](crate::Step::enum_type) creates it.
    pub const fn new(name: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, labels }
    }

    pub(crate) fn sql(&self) -> String {
        format!("CREATE TYPE {} AS ENUM ({})", self.name, self.quoted_labels())
    }

    /// Returns the condition that a column of SQLite meets; `None` on PostgreSQL.
    pub(crate) fn check(&self, column: &str, dialect: Dialect) -> Option<String> {
        (dialect == Dialect::Sqlite).then(|| format!("{column} IN ({})", self.quoted_labels()))
    }

    fn quoted_labels(&self) -> String {
        quoted(self.labels.iter().copied())
    }
}

/// Returns labels as SQL literals, separated by commas.
pub(crate) fn quoted<'a>(labels: impl Iterator<Item = &'a str>) -> String {
    let labels: Vec<_> = labels.map(|label| format!("'{}'", label.replace('\'', "''"))).collect();
    labels.join(", ")
}
