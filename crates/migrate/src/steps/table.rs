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
    /// Set if the index is unique only where the rows allow it: one that is not unique does as well.
    pub(crate) may_be_plain: bool,
}

/// The most bytes of a name on PostgreSQL.
const MAX_NAME: usize = 63;

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
        self.filter.is_none() && self.has_only_names()
    }

    fn has_only_names(&self) -> bool {
        let is_name = |key: &&str| key.chars().all(|c| c.is_alphanumeric() || c == '_');
        self.columns.iter().all(is_name)
    }

    /// Returns what PostgreSQL prints behind `USING` of an index of ascending columns that holds the rows with a value in one
    /// of them. It need not be asked for that normal form, which takes a temporary table.
    pub(crate) fn known_normal_form(&self) -> Option<String> {
        let (column, rest) = self.filter?.postgres.trim().split_once(char::is_whitespace)?;
        let is_not_null = rest.split_whitespace().map(str::to_ascii_uppercase).eq(["IS", "NOT", "NULL"]);
        let is_known = is_not_null && self.has_only_names() && self.columns.contains(&column);
        is_known.then(|| format!("btree ({}) WHERE ({column} IS NOT NULL)", self.columns.join(", ")))
    }

    /// Returns the `CREATE INDEX CONCURRENTLY` statement, during which other sessions can write, under a name.
    pub(crate) fn sql_concurrently(&self, name: &str) -> String {
        self.create("CONCURRENTLY ", name, self.table, Dialect::Postgres)
    }

    /// Returns the index in its unique form alone.
    pub(crate) const fn unique(mut self) -> Self {
        self.is_unique = true;
        self.may_be_plain = false;
        self
    }

    /// Returns the same index, not unique.
    pub(crate) const fn plain(mut self) -> Self {
        self.is_unique = false;
        self.may_be_plain = false;
        self
    }

    /// Returns the name under which the index is built before it takes the place of the one that has its name.
    pub(crate) fn temporary_name(&self) -> String {
        const SUFFIX: &str = "_new";
        let mut end = self.name.len().min(MAX_NAME - SUFFIX.len());
        while !self.name.is_char_boundary(end) {
            end -= 1;
        }
        format!("{}{SUFFIX}", &self.name[..end])
    }

    /// Returns the statements that replace the index of this name by this one.
    pub(crate) fn replacement(&self, dialect: Dialect) -> Vec<String> {
        let Self { name, .. } = self;
        match dialect {
            Dialect::Sqlite => vec![format!("DROP INDEX IF EXISTS {name}"), self.sql(dialect)],
            Dialect::Postgres => {
                let new = self.temporary_name();
                let [drop, rename] = self.swap();
                vec![self.sql_concurrently(&new), "BEGIN".to_owned(), drop, rename, "COMMIT".to_owned()]
            }
        }
    }

    /// Returns the statements that put the index that was built in its place, on PostgreSQL.
    pub(crate) fn swap(&self) -> [String; 2] {
        let Self { name, .. } = self;
        [
            format!("DROP INDEX IF EXISTS {name}"),
            format!("ALTER INDEX {} RENAME TO {name}", self.temporary_name()),
        ]
    }

    fn create(&self, how: &str, name: &str, table: &str, dialect: Dialect) -> String {
        let unique = if self.is_unique { "UNIQUE " } else { "" };
        let columns = self.columns.join(", ");
        let filter = self.filter.map(|filter| format!(" WHERE {}", filter.text(dialect))).unwrap_or_default();
        format!("CREATE {unique}INDEX {how}{name} ON {table} ({columns}){filter}")
    }
}

#[cfg(test)]
mod tests {
    use super::Index;
    use crate::steps::check::Expression;

    #[test]
    fn an_index_of_the_rows_with_a_value_has_a_known_normal_form() {
        let form = |columns: &'static [&'static str], condition| {
            let filter = Some(Expression::of_both(condition));
            Index { name: "ix", table: "t", columns, is_unique: true, filter, may_be_plain: false }
                .known_normal_form()
        };
        let known = Some("btree (a, b) WHERE (b IS NOT NULL)".to_owned());
        assert_eq!(form(&["a", "b"], "b IS NOT NULL"), known);
        assert_eq!(form(&["a", "b"], " b  is not null "), known);
        assert_eq!(form(&["a"], "b IS NOT NULL"), None);
        assert_eq!(form(&["a DESC"], "a IS NOT NULL"), None);
        assert_eq!(form(&["a"], "a IS NOT NULL AND a > 0"), None);
        assert_eq!(form(&["a"], "a IS NULL"), None);
    }

    #[test]
    fn a_temporary_name_fits_and_begins_as_the_index_is_called() {
        let named = |name| {
            let index = Index {
                name,
                table: "t",
                columns: &["a"],
                is_unique: false,
                filter: None,
                may_be_plain: false,
            };
            index.temporary_name()
        };
        assert_eq!(named("ix_t_a"), "ix_t_a_new");
        let long = "ix_positions_portfolio_symbol_and_everything_else_that_matters_x";
        assert_eq!(named(long), "ix_positions_portfolio_symbol_and_everything_else_that_matt_new");
        assert_eq!(named(long).len(), 63);
        assert_eq!(named("ä".repeat(40).leak()).len(), 62);
    }
}
