//! Check constraints, and SQL texts that differ between the dialects.

use tallybook_sql::dialect::Dialect;

/// An SQL expression as each dialect spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expression {
    pub(crate) postgres: &'static str,
    pub(crate) sqlite: &'static str,
}

impl Expression {
    pub(crate) const fn of_both(text: &'static str) -> Self {
        Self { postgres: text, sqlite: text }
    }

    pub(crate) fn text(self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Postgres => self.postgres,
            Dialect::Sqlite => self.sqlite,
        }
    }
}

/// A named check constraint of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) table: &'static str,
    pub(crate) expression: Expression,
}

impl Check {
    /// Returns the table constraint.
    pub(crate) fn sql(&self, dialect: Dialect) -> String {
        format!("CONSTRAINT {} CHECK ({})", self.name, self.expression.text(dialect))
    }
}
