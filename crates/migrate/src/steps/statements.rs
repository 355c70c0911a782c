//! The SQL of steps.

use tallybook_sql::dialect::Dialect;

use crate::run::probe::Probe;
use crate::steps::column::{Column, Key};
use crate::steps::step::{Action, Direction, Step};

impl Step {
    /// Returns the statements that execute the step in a transaction, given the probed state.
    pub(crate) fn statements(&self, direction: Direction, dialect: Dialect, probe: &Probe) -> Vec<String> {
        match (&self.action, self.takes_away(direction)) {
            (Action::Table(table), false) => vec![table.sql(dialect)],
            (Action::Table(table), true) => vec![format!("DROP TABLE {}", table.name)],
            (Action::Column { table, column }, false) => add_column(table, column, dialect, probe),
            (Action::Column { table, column }, true) => {
                vec![format!("ALTER TABLE {table} DROP COLUMN {}", column.name)]
            }
            (Action::Key { table, column, key }, false) => vec![add_key(table, column, key)],
            (Action::Key { table, column, key }, true) => {
                let name = key.name.map_or_else(|| format!("{table}_{column}_fkey"), str::to_owned);
                vec![format!("ALTER TABLE {table} DROP CONSTRAINT {name}")]
            }
            (Action::Check(check), false) => vec![add_check(check.table, &check.sql(dialect))],
            (Action::Check(check), true) => {
                vec![format!("ALTER TABLE {} DROP CONSTRAINT {}", check.table, check.name)]
            }
            (Action::Validate { table, constraint }, false) if dialect == Dialect::Postgres => {
                vec![format!("ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}")]
            }
            (Action::Enum(_), _) if dialect == Dialect::Sqlite => Vec::new(),
            (Action::Enum(of), false) => vec![of.sql()],
            (Action::Enum(of), true) => vec![format!("DROP TYPE {}", of.name)],
            (Action::Validate { .. }, _) => Vec::new(),
            (Action::Index(index), false) => vec![index.sql(dialect)],
            (Action::Index(index), true) => vec![format!("DROP INDEX {}", index.name)],
            (Action::Unique(index), false) => index.unique().replacement(dialect),
            (Action::Unique(index), true) => index.plain().replacement(dialect),
            (Action::Sql(sql), false) => vec![sql.texts(dialect).up.to_owned()],
            (Action::Sql(sql), true) => sql.texts(dialect).back.iter().map(ToString::to_string).collect(),
        }
    }

    /// Returns whether the step runs outside a transaction.
    pub(crate) fn is_non_transactional(&self, dialect: Dialect) -> bool {
        match &self.action {
            Action::Index(_) | Action::Unique(_) => dialect == Dialect::Postgres,
            Action::Sql(sql) => !sql.in_transaction,
            _ => false,
        }
    }
}

/// Adds a column. On PostgreSQL its constraints are left unvalidated: validating at once would block writers for
/// the whole scan. SQLite checks an empty column in no time, and needs the key in the definition to drop it again.
fn add_column(table: &str, column: &Column, dialect: Dialect, probe: &Probe) -> Vec<String> {
    if dialect == Dialect::Sqlite {
        return vec![format!("ALTER TABLE {table} ADD COLUMN {}", column.sql(dialect))];
    }
    let add = format!("ALTER TABLE {table} ADD COLUMN {}", column.sql_without_constraints(dialect));
    let key = column.key.map(|key| add_key(table, column.name, &key));
    let checks = column.conditions(dialect).into_iter().map(|condition| {
        add_check(table, &format!("CONSTRAINT {} CHECK ({condition})", column.check_name(table)))
    });
    // A column without its check is drift, so only the key may be missing.
    let added = (*probe != Probe::Partial).then(|| [add].into_iter().chain(checks));
    added.into_iter().flatten().chain(key).collect()
}

fn add_check(table: &str, constraint: &str) -> String {
    format!("ALTER TABLE {table} ADD {constraint} NOT VALID")
}

fn add_key(table: &str, column: &str, key: &Key) -> String {
    let name = key.name.map(|name| format!("CONSTRAINT {name} ")).unwrap_or_default();
    format!("ALTER TABLE {table} ADD {name}FOREIGN KEY ({column}) REFERENCES {} (id) NOT VALID", key.table)
}
