//! The SQL of steps.

use super::column::{Column, Key};
use super::probe::Probe;
use super::step::{Action, Direction, Step};
use crate::settings::Engine;

impl Step {
    /// The statements that do the step in a transaction, when a look has found `probe`.
    pub(super) fn statements(&self, direction: Direction, engine: Engine, probe: &Probe) -> Vec<String> {
        match (&self.action, self.takes_away(direction)) {
            (Action::Table(table), false) => vec![table.sql(engine)],
            (Action::Table(table), true) => vec![format!("DROP TABLE {}", table.name)],
            (Action::Column { table, column }, false) => add_column(table, column, engine, probe),
            (Action::Column { table, column }, true) => {
                vec![format!("ALTER TABLE {table} DROP COLUMN {}", column.name)]
            }
            (Action::Key { table, column, key }, false) => vec![add_key(table, column, key)],
            (Action::Key { table, column, key }, true) => {
                let name = key.name.map_or_else(|| format!("{table}_{column}_fkey"), str::to_owned);
                vec![format!("ALTER TABLE {table} DROP CONSTRAINT {name}")]
            }
            (Action::Validate { table, key }, false) if engine == Engine::Postgres => {
                vec![format!("ALTER TABLE {table} VALIDATE CONSTRAINT {key}")]
            }
            (Action::Validate { .. }, _) => Vec::new(),
            (Action::Index(index), false) => vec![index.sql()],
            (Action::Index(index), true) => vec![format!("DROP INDEX {}", index.name)],
            (Action::Sql(sql), false) => vec![sql.texts(engine).up.to_owned()],
            (Action::Sql(sql), true) => sql.texts(engine).back.iter().map(ToString::to_string).collect(),
        }
    }

    /// Whether a statement outside of a transaction does it.
    pub(super) fn is_outside(&self, engine: Engine) -> bool {
        match &self.action {
            Action::Index(_) => engine == Engine::Postgres,
            Action::Sql(sql) => !sql.in_transaction,
            _ => false,
        }
    }
}

/// On PostgreSQL the key is not validated at once: that would keep writers out for as long as it takes. SQLite
/// checks a column that is empty in no time, and can take it back only with the key in its definition.
fn add_column(table: &str, column: &Column, engine: Engine, probe: &Probe) -> Vec<String> {
    if engine == Engine::Sqlite {
        return vec![format!("ALTER TABLE {table} ADD COLUMN {}", column.sql(engine))];
    }
    let add = format!("ALTER TABLE {table} ADD COLUMN {}", column.sql_without_key(engine));
    let key = column.key.map(|key| add_key(table, column.name, &key));
    (*probe != Probe::Partial).then_some(add).into_iter().chain(key).collect()
}

fn add_key(table: &str, column: &str, key: &Key) -> String {
    let name = key.name.map(|name| format!("CONSTRAINT {name} ")).unwrap_or_default();
    format!("ALTER TABLE {table} ADD {name}FOREIGN KEY ({column}) REFERENCES {} (id) NOT VALID", key.table)
}
