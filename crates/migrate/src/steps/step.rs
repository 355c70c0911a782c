//! The steps of revisions.

use tallybook_sql::dialect::Dialect;

use crate::steps::check::{Check, Expression};
use crate::steps::checksum::{checksum, checksum_of_directions, has_directions};
use crate::steps::column::{Column, Key};
use crate::steps::enum_type::EnumType;
use crate::steps::table::Index;
use crate::steps::table::Table;

/// One step of a revision. A step detects whether it is done, runs while others use the database, and can be taken
/// back.
///
/// Names of tables, columns and indexes are inserted into SQL unquoted: they come from the program's text, never
/// from its users.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub(crate) action: Action,
    /// Set if the step removes what the action creates.
    pub(crate) is_inverse: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Table(Table),
    Column {
        table: &'static str,
        column: Column,
    },
    Key {
        table: &'static str,
        column: &'static str,
        key: Key,
    },
    Check(Check),
    Validate {
        table: &'static str,
        constraint: &'static str,
    },
    Enum(EnumType),
    Index(Index),
    /// Makes an index that exists unique, where the rows allow it.
    Unique(Index),
    Sql(Sql),
}

/// SQL written by the author of the revision; one or several statements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sql {
    pub(crate) what: &'static str,
    pub(crate) postgres: SqlTexts,
    pub(crate) sqlite: SqlTexts,
    pub(crate) in_transaction: bool,
    /// The column that it leaves in another form, with its table.
    pub(crate) alters: Option<(&'static str, Column)>,
}

/// The SQL of the upgrade, and of the downgrade if there is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SqlTexts {
    pub(crate) up: &'static str,
    pub(crate) back: Option<&'static str>,
}

impl Sql {
    pub(crate) const fn new(what: &'static str, up: &'static str, back: Option<&'static str>) -> Self {
        let texts = SqlTexts { up, back };
        Self { what, postgres: texts, sqlite: texts, in_transaction: true, alters: None }
    }

    pub(crate) fn texts(&self, dialect: Dialect) -> SqlTexts {
        match dialect {
            Dialect::Postgres => self.postgres,
            Dialect::Sqlite => self.sqlite,
        }
    }
}

/// The result of comparing a step with its recorded checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    Same,
    /// Only the downgrade changed.
    DowngradeChanged,
    Other,
}

/// The direction in which a step runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

impl Step {
    pub(crate) const fn new(action: Action) -> Self {
        Self { action, is_inverse: false }
    }

    /// Creates a table.
    pub const fn table(name: &'static str, columns: &'static [Column]) -> Self {
        Self::new(Action::Table(Table { name, columns }))
    }

    /// Creates an enum type of PostgreSQL. On SQLite it does nothing: each column of the type has a check.
    pub const fn enum_type(of: EnumType) -> Self {
        Self::new(Action::Enum(of))
    }

    /// Adds a column to a table. On PostgreSQL its foreign key and its check, if any, are not validated: let
    /// [`Step::validate`] follow.
    pub const fn column(table: &'static str, column: Column) -> Self {
        Self::new(Action::Column { table, column })
    }

    /// Adds a foreign key to an existing column; not validated on PostgreSQL. On SQLite it rebuilds the table.
    pub const fn key(table: &'static str, column: &'static str, key: Key) -> Self {
        Self::new(Action::Key { table, column, key })
    }

    /// Adds a check constraint to a table; not validated on PostgreSQL: let [`Step::validate`] follow. On SQLite it
    /// rebuilds the table, which checks its rows.
    ///
    /// ```
    /// use tallybook::migrate::{Revision, Step};
    ///
    /// const LIMITS: Revision = Revision::new("0002", "limits", &[
    ///     Step::check("ck_orders_limit", "orders", "kind <> 'limit' OR limit_price > 0"),
    ///     Step::validate("orders", "ck_orders_limit"),
    /// ]);
    /// ```
    pub const fn check(name: &'static str, table: &'static str, condition: &'static str) -> Self {
        Self::new(Action::Check(Check { name, table, expression: Expression::of_both(condition) }))
    }

    /// Adds a check constraint that the dialects spell differently; otherwise as [`Step::check`].
    pub const fn check_per_dialect(
        name: &'static str,
        table: &'static str,
        postgres: &'static str,
        sqlite: &'static str,
    ) -> Self {
        Self::new(Action::Check(Check { name, table, expression: Expression { postgres, sqlite } }))
    }

    /// Validates a foreign key or a check that was added before. Scans the table without blocking writers. On SQLite it
    /// does nothing, since adding the constraint has checked the rows.
    pub const fn validate(table: &'static str, constraint: &'static str) -> Self {
        Self::new(Action::Validate { table, constraint })
    }

    /// Creates an index; on PostgreSQL concurrently. Each of `columns` is the name of a column, or an expression, and
    /// may say its order, as SQL spells them: `"symbol"`, `"created_at DESC"`, `"lower(email)"`, `"(bid + ask)"`.
    ///
    /// ```
    /// use tallybook::migrate::Step;
    ///
    /// const OPEN: Step = Step::index("ix_orders_open", "orders", &["symbol", "created_at DESC"]).filter("is_open");
    /// const EMAIL: Step = Step::unique_index("ix_users_email", "users", &["lower(email)"]);
    /// ```
    pub const fn index(name: &'static str, table: &'static str, columns: &'static [&'static str]) -> Self {
        Self::new(Action::Index(index(name, table, columns)))
    }

    /// Creates a unique index; otherwise as [`Step::index`].
    pub const fn unique_index(
        name: &'static str,
        table: &'static str,
        columns: &'static [&'static str],
    ) -> Self {
        Self::new(Action::Index(index(name, table, columns).unique()))
    }

    /// Makes an index unique, where the rows allow it. An earlier revision has created the index under this name, with these
    /// columns. The table has the column `id`.
    ///
    /// If several rows have the same values in the columns, the step changes nothing and the upgrade goes on:
    /// [`Change::not_unique`](crate::Change) and [`Progress::NotUnique`](crate::Progress) name the rows, and the SQL that makes
    /// the index unique once they are merged. Checks of the schema accept both forms, and note one that is not unique.
    ///
    /// On PostgreSQL the unique index is built concurrently under another name and then takes the place of the old one,
    /// which blocks others for a moment. Taking the step back makes the index plain again.
    ///
    /// ```
    /// use tallybook::migrate::{Revision, Step};
    ///
    /// const ONE_EACH: Revision = Revision::new("0003", "one position for each symbol", &[
    ///     Step::unique_where_rows_allow("ix_positions_symbol", "positions", &["portfolio_id", "symbol"]),
    /// ]);
    /// ```
    pub const fn unique_where_rows_allow(
        name: &'static str,
        table: &'static str,
        columns: &'static [&'static str],
    ) -> Self {
        let mut index = index(name, table, columns).unique();
        index.may_be_plain = true;
        Self::new(Action::Unique(index))
    }

    /// Makes an index partial: it holds only the rows that meet the condition. A unique one is unique among them.
    #[must_use]
    pub const fn filter(self, condition: &'static str) -> Self {
        self.filter_per_dialect(condition, condition)
    }

    /// Makes an index partial by a condition that the dialects spell differently.
    #[must_use]
    pub const fn filter_per_dialect(mut self, postgres: &'static str, sqlite: &'static str) -> Self {
        if let Action::Index(index) | Action::Unique(index) = &mut self.action {
            index.filter = Some(Expression { postgres, sqlite });
        }
        self
    }

    /// Runs SQL in a transaction, one or several statements, and `back` to take it back. `what` is a short
    /// description.
    pub const fn sql(what: &'static str, up: &'static str, back: &'static str) -> Self {
        Self::new(Action::Sql(Sql::new(what, up, Some(back))))
    }

    /// Runs SQL that cannot be taken back.
    pub const fn one_way(what: &'static str, up: &'static str) -> Self {
        Self::new(Action::Sql(Sql::new(what, up, None)))
    }

    /// Sets the SQL for SQLite, where it differs.
    #[must_use]
    pub const fn on_sqlite(mut self, up: &'static str, back: &'static str) -> Self {
        if let Action::Sql(sql) = &mut self.action {
            sql.sqlite = SqlTexts { up, back: Some(back) };
        }
        self
    }

    /// Declares a column as the SQL leaves it, so that checks of the schema expect it in this form.
    ///
    /// ```
    /// use tallybook::migrate::{Column, Step, Type};
    ///
    /// const LONGER: Step = Step::sql(
    ///     "longer titles",
    ///     "ALTER TABLE notes ALTER COLUMN title TYPE VARCHAR(80)",
    ///     "ALTER TABLE notes ALTER COLUMN title TYPE VARCHAR(40)",
    /// )
    /// .on_sqlite("SELECT 1", "SELECT 1") // it enforces no lengths
    /// .alters("notes", Column::new("title", Type::Varchar(80)));
    /// ```
    #[must_use]
    pub const fn alters(mut self, table: &'static str, column: Column) -> Self {
        if let Action::Sql(sql) = &mut self.action {
            sql.alters = Some((table, column));
        }
        self
    }

    /// Runs an SQL step outside a transaction. If the program is killed meanwhile, the step runs again, and must
    /// allow that.
    #[must_use]
    pub const fn no_transaction(mut self) -> Self {
        if let Action::Sql(sql) = &mut self.action {
            sql.in_transaction = false;
        }
        self
    }

    /// Inverts the step: the upgrade drops what it would create. The downgrade creates it again, without its rows.
    #[must_use]
    pub const fn dropped(mut self) -> Self {
        self.is_inverse = !self.is_inverse;
        self
    }

    /// Returns a short description.
    pub fn what(&self) -> String {
        self.what_in(Direction::Up)
    }

    pub(crate) fn what_in(&self, direction: Direction) -> String {
        let drops = self.takes_away(direction);
        let (verb, noun) = match &self.action {
            Action::Table(table) => (if drops { "drop" } else { "create" }, table.name.to_owned()),
            Action::Column { table, column } => {
                (if drops { "drop" } else { "add" }, format!("{table}.{}", column.name))
            }
            Action::Key { table, column, .. } => {
                (if drops { "drop the key of" } else { "add the key of" }, format!("{table}.{column}"))
            }
            Action::Check(check) => (
                if drops { "drop the check" } else { "add the check" },
                format!("{}.{}", check.table, check.name),
            ),
            Action::Validate { constraint, .. } => {
                (if drops { "leave" } else { "validate" }, (*constraint).to_owned())
            }
            Action::Enum(of) => (if drops { "drop the enum" } else { "create the enum" }, of.name.to_owned()),
            Action::Index(index) => (if drops { "drop" } else { "index" }, index.name.to_owned()),
            Action::Unique(index) => {
                (if drops { "make plain" } else { "make unique" }, index.name.to_owned())
            }
            Action::Sql(sql) => (if drops { "take back:" } else { "" }, sql.what.to_owned()),
        };
        format!("{verb} {noun}").trim_start().to_owned()
    }

    /// Returns whether running in this direction drops something.
    pub(crate) fn takes_away(&self, direction: Direction) -> bool {
        self.is_inverse == (direction == Direction::Up)
    }

    /// Returns the table that the step changes; `None` for SQL and enum types.
    pub(crate) fn table_name(&self) -> Option<&'static str> {
        match &self.action {
            Action::Table(table) => Some(table.name),
            Action::Column { table, .. } | Action::Key { table, .. } | Action::Validate { table, .. } => {
                Some(table)
            }
            Action::Check(check) => Some(check.table),
            Action::Index(index) | Action::Unique(index) => Some(index.table),
            Action::Enum(_) | Action::Sql(_) => None,
        }
    }

    /// Returns a checksum of the step in both dialects and directions. Only SQL steps have a downgrade of their
    /// own; that of typed steps follows from the upgrade.
    pub(crate) fn checksum(&self) -> String {
        let up = self.upgrade_text();
        match self.downgrade_text() {
            Some(back) => checksum_of_directions(&up, &back),
            None => checksum(&up),
        }
    }

    /// Compares the step with a recorded checksum. Old checksums do not cover the downgrade.
    pub(crate) fn compare(&self, recorded: &str) -> Recorded {
        let now = self.checksum();
        let is_same_way_there = || match (now.split_once('.'), recorded.split_once('.')) {
            (Some((up, _)), Some((recorded, _))) => up == recorded,
            // The step no longer has a downgrade.
            (None, Some((recorded, _))) => {
                checksum_of_directions(&self.upgrade_text(), "").starts_with(recorded)
            }
            (_, None) => false,
        };
        match recorded == now || (!has_directions(recorded) && recorded == checksum(&self.upgrade_text())) {
            true => Recorded::Same,
            false if is_same_way_there() => Recorded::DowngradeChanged,
            false => Recorded::Other,
        }
    }

    fn downgrade_text(&self) -> Option<String> {
        let Action::Sql(sql) = &self.action else { return None };
        let texts = [Dialect::Postgres, Dialect::Sqlite].map(|dialect| sql.texts(dialect).back);
        texts.iter().any(Option::is_some).then(|| texts.map(Option::unwrap_or_default).join("\n"))
    }

    /// Returns the text of the upgrade.
    fn upgrade_text(&self) -> String {
        let mut upgrade_text = format!("{} ", self.is_inverse);
        for dialect in [Dialect::Postgres, Dialect::Sqlite] {
            match &self.action {
                Action::Table(table) => upgrade_text += &table.sql(dialect),
                Action::Column { table, column } => {
                    upgrade_text += &format!("{table} {}", column.sql(dialect));
                }
                Action::Key { table, column, key } => {
                    upgrade_text += &format!("{table}.{column} {}", key.sql());
                }
                Action::Check(check) => {
                    upgrade_text += &format!("{} {}", check.table, check.sql(dialect));
                }
                Action::Validate { table, constraint } => {
                    upgrade_text += &format!("validate {table} {constraint}");
                }
                Action::Enum(of) => upgrade_text += &of.sql(),
                Action::Index(index) => upgrade_text += &index.sql(dialect),
                Action::Unique(index) => {
                    upgrade_text += &format!("where rows allow {}", index.sql(dialect));
                }
                Action::Sql(sql) => upgrade_text += sql.texts(dialect).up,
            }
            upgrade_text.push('\n');
        }
        upgrade_text
    }
}

const fn index(name: &'static str, table: &'static str, columns: &'static [&'static str]) -> Index {
    Index { name, table, columns, is_unique: false, filter: None, may_be_plain: false }
}

#[cfg(test)]
mod tests {
    use tallybook_sql::dialect::Dialect;

    use super::Step;
    use crate::steps::checksum::checksum;
    use crate::steps::column::{Column, Type};

    #[test]
    fn a_key_that_the_program_makes_is_the_primary_key() {
        let id = Column::new("id", Type::Uuid).primary_key();
        assert_eq!(id.sql(Dialect::Postgres), "id UUID NOT NULL PRIMARY KEY");
        assert_eq!(id.sql(Dialect::Sqlite), "id TEXT NOT NULL PRIMARY KEY");
    }

    #[test]
    fn checksums_that_databases_have_recorded_stay_as_they_are() {
        const COLUMNS: &[Column] = &[
            Column::new("id", Type::Id),
            Column::new("owner", Type::Integer).null().key("fk_owner", "users"),
            Column::new("code", Type::Varchar(20)).unique(),
        ];
        let rest =
            "owner INTEGER CONSTRAINT fk_owner REFERENCES users (id), code VARCHAR(20) NOT NULL UNIQUE)";
        let table = format!(
            "false CREATE TABLE t (id SERIAL NOT NULL PRIMARY KEY, {rest}\n\
             CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, {rest}\n"
        );
        assert_eq!(Step::table("t", COLUMNS).checksum(), checksum(&table));
        let index = "CREATE UNIQUE INDEX ix ON t (owner, code)\n";
        let step = Step::unique_index("ix", "t", &["owner", "code"]);
        assert_eq!(step.checksum(), checksum(&format!("false {index}{index}")));
        let validate = "validate t fk_owner\n";
        assert_eq!(
            Step::validate("t", "fk_owner").checksum(),
            checksum(&format!("false {validate}{validate}"))
        );
        let unique = "where rows allow CREATE UNIQUE INDEX ix ON t (owner)\n";
        let step = Step::unique_where_rows_allow("ix", "t", &["owner"]);
        assert_eq!(step.checksum(), checksum(&format!("false {unique}{unique}")));
    }
}
