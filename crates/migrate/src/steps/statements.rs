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
            (Action::Validate { table, key }, false) if dialect == Dialect::Postgres => {
                vec![format!("ALTER TABLE {table} VALIDATE CONSTRAINT {key}")]
            }
            (Action::Validate { .. }, _) => Vec::new(),
            (Action::Index(index), false) => vec![index.sql()],
            (Action::Index(index), true) => vec![format!("DROP INDEX {}", index.name)],
            (Action::Sql(sql), false) => vec![sql.texts(dialect).up.to_owned()],
            (Action::Sql(sql), true) => sql.texts(dialect).back.iter().map(ToString::to_string).collect(),
        }
    }

    /// Returns whether the step runs outside a transaction.
    pub(crate) fn is_non_transactional(&self, dialect: Dialect) -> bool {
        match &self.action {
            Action::Index(_) => dialect == Dialect::Postgres,
            Action::Sql(sql) => !sql.in_transaction,
            _ => false,
        }
    }
}

/// Adds a column. On PostgreSQL the foreign key is left unvalidated: validating at once would block writers for
/// the whole scan. SQLite checks an empty column in no time, and needs the key in the definition to drop it again.
fn add_column(table: &str, column: &Column, dialect: Dialect, probe: &Probe) -> Vec<String> {
    if dialect == Dialect::Sqlite {
        return vec![format!("ALTER TABLE {table} ADD COLUMN {}", column.sql(dialect))];
    }
    let add = format!("ALTER TABLE {table} ADD COLUMN {}", column.sql_without_key(dialect));
    let key = column.key.map(|key| add_key(table, column.name, &key));
    (*probe != Probe::Partial).then_some(add).into_iter().chain(key).collect()
}

fn add_key(table: &str, column: &str, key: &Key) -> String {
    let name = key.name.map(|name| format!("CONSTRAINT {name} ")).unwrap_or_default();
    format!("ALTER TABLE {table} ADD {name}FOREIGN KEY ({column}) REFERENCES {} (id) NOT VALID", key.table)
}
