//! The steps of revisions.

use super::checksum::{checksum, checksum_of_ways, is_of_ways};
use super::column::{Column, Key};
use super::index::Index;
use super::table::Table;
use crate::settings::Engine;

/// One step of a revision. It knows how to find out whether it is done, how to do it while others use the
/// database, and how to take it back.
///
/// Names of tables, columns and indexes are written into SQL as they are: they come from the program's text,
/// never from its users.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub(super) action: Action,
    /// It takes away what the action makes.
    pub(super) is_inverse: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Table(Table),
    Column { table: &'static str, column: Column },
    Key { table: &'static str, column: &'static str, key: Key },
    Validate { table: &'static str, key: &'static str },
    Index(Index),
    Sql(Sql),
}

/// SQL of the revision's author, of one statement or several.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sql {
    pub(super) what: &'static str,
    pub(super) postgres: Texts,
    pub(super) sqlite: Texts,
    pub(super) in_transaction: bool,
}

/// The way there, and the way back if there is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Texts {
    pub(super) up: &'static str,
    pub(super) back: Option<&'static str>,
}

impl Sql {
    pub(super) const fn new(what: &'static str, up: &'static str, back: Option<&'static str>) -> Self {
        let texts = Texts { up, back };
        Self { what, postgres: texts, sqlite: texts, in_transaction: true }
    }

    pub(super) fn texts(&self, engine: Engine) -> Texts {
        match engine {
            Engine::Postgres => self.postgres,
            Engine::Sqlite => self.sqlite,
        }
    }
}

/// What a recorded checksum says of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recorded {
    Same,
    /// Its way back is another, and what it does is the same.
    OtherWayBack,
    Other,
}

/// Which way a step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

impl Step {
    pub(super) const fn new(action: Action) -> Self {
        Self { action, is_inverse: false }
    }

    /// Creates a table.
    pub const fn table(name: &'static str, columns: &'static [Column]) -> Self {
        Self::new(Action::Table(Table { name, columns }))
    }

    /// Adds a column to a table. Its key, if it has one, is not validated on PostgreSQL: put [`Step::validate`]
    /// behind it.
    pub const fn column(table: &'static str, column: Column) -> Self {
        Self::new(Action::Column { table, column })
    }

    /// Adds a foreign key to a column that is there; not validated on PostgreSQL. SQLite makes the table anew.
    pub const fn key(table: &'static str, column: &'static str, key: Key) -> Self {
        Self::new(Action::Key { table, column, key })
    }

    /// Checks that all rows obey a foreign key that was added before. It scans the table and blocks no writer.
    /// SQLite has checked when the key was added.
    pub const fn validate(table: &'static str, key: &'static str) -> Self {
        Self::new(Action::Validate { table, key })
    }

    /// Builds an index; on PostgreSQL while others write.
    pub const fn index(name: &'static str, table: &'static str, columns: &'static [&'static str]) -> Self {
        Self::new(Action::Index(Index { name, table, columns, is_unique: false }))
    }

    /// Builds an index in which no two rows are the same.
    pub const fn unique_index(
        name: &'static str,
        table: &'static str,
        columns: &'static [&'static str],
    ) -> Self {
        Self::new(Action::Index(Index { name, table, columns, is_unique: true }))
    }

    /// Runs SQL in a transaction, of one statement or several, and `back` to take it back; `what` says in a few words
    /// what it does.
    pub const fn sql(what: &'static str, up: &'static str, back: &'static str) -> Self {
        Self::new(Action::Sql(Sql::new(what, up, Some(back))))
    }

    /// Runs SQL that can't be taken back.
    pub const fn one_way(what: &'static str, up: &'static str) -> Self {
        Self::new(Action::Sql(Sql::new(what, up, None)))
    }

    /// The texts of an SQL step for SQLite, where they differ.
    #[must_use]
    pub const fn on_sqlite(mut self, up: &'static str, back: &'static str) -> Self {
        if let Action::Sql(sql) = &mut self.action {
            sql.sqlite = Texts { up, back: Some(back) };
        }
        self
    }

    /// Runs an SQL step outside of a transaction. If the program is killed while it runs, it runs again: it must
    /// allow that.
    #[must_use]
    pub const fn no_transaction(mut self) -> Self {
        if let Action::Sql(sql) = &mut self.action {
            sql.in_transaction = false;
        }
        self
    }

    /// The opposite: takes away what the step makes. Going back makes it anew, without its rows.
    #[must_use]
    pub const fn dropped(mut self) -> Self {
        self.is_inverse = !self.is_inverse;
        self
    }

    /// What it does, in a few words.
    pub fn what(&self) -> String {
        self.what_in(Direction::Up)
    }

    pub(super) fn what_in(&self, direction: Direction) -> String {
        let drops = self.takes_away(direction);
        let (verb, noun) = match &self.action {
            Action::Table(table) => (if drops { "drop" } else { "create" }, table.name.to_owned()),
            Action::Column { table, column } => {
                (if drops { "drop" } else { "add" }, format!("{table}.{}", column.name))
            }
            Action::Key { table, column, .. } => {
                (if drops { "drop the key of" } else { "add the key of" }, format!("{table}.{column}"))
            }
            Action::Validate { key, .. } => (if drops { "leave" } else { "validate" }, (*key).to_owned()),
            Action::Index(index) => (if drops { "drop" } else { "index" }, index.name.to_owned()),
            Action::Sql(sql) => (if drops { "take back:" } else { "" }, sql.what.to_owned()),
        };
        format!("{verb} {noun}").trim_start().to_owned()
    }

    /// Whether going in that direction means that what it made goes.
    pub(super) fn takes_away(&self, direction: Direction) -> bool {
        self.is_inverse == (direction == Direction::Up)
    }

    /// The table that it changes, unless it is SQL.
    pub(super) fn table_name(&self) -> Option<&'static str> {
        match &self.action {
            Action::Table(table) => Some(table.name),
            Action::Column { table, .. } | Action::Key { table, .. } | Action::Validate { table, .. } => {
                Some(table)
            }
            Action::Index(index) => Some(index.table),
            Action::Sql(_) => None,
        }
    }

    /// A number for what it says, on both engines, both ways. Only the author of SQL writes the way back; of what else is
    /// done it follows.
    pub(super) fn checksum(&self) -> String {
        let up = self.text();
        match self.text_of_way_back() {
            Some(back) => checksum_of_ways(&up, &back),
            None => checksum(&up),
        }
    }

    /// Compares it with a recorded checksum. One from before the way back was part of it says nothing of that.
    pub(super) fn compare(&self, recorded: &str) -> Recorded {
        let now = self.checksum();
        let is_same_way_there = || match (now.split_once('.'), recorded.split_once('.')) {
            (Some((up, _)), Some((recorded, _))) => up == recorded,
            // It has no way back any more.
            (None, Some((recorded, _))) => checksum_of_ways(&self.text(), "").starts_with(recorded),
            (_, None) => false,
        };
        match recorded == now || (!is_of_ways(recorded) && recorded == checksum(&self.text())) {
            true => Recorded::Same,
            false if is_same_way_there() => Recorded::OtherWayBack,
            false => Recorded::Other,
        }
    }

    fn text_of_way_back(&self) -> Option<String> {
        let Action::Sql(sql) = &self.action else { return None };
        let texts = [Engine::Postgres, Engine::Sqlite].map(|engine| sql.texts(engine).back);
        texts.iter().any(Option::is_some).then(|| texts.map(Option::unwrap_or_default).join("\n"))
    }

    /// What it says of the way there.
    fn text(&self) -> String {
        let mut text = format!("{} ", self.is_inverse);
        for engine in [Engine::Postgres, Engine::Sqlite] {
            match &self.action {
                Action::Table(table) => text += &table.sql(engine),
                Action::Column { table, column } => text += &format!("{table} {}", column.sql(engine)),
                Action::Key { table, column, key } => text += &format!("{table}.{column} {}", key.sql()),
                Action::Validate { table, key } => text += &format!("validate {table} {key}"),
                Action::Index(index) => text += &index.sql(),
                Action::Sql(sql) => text += sql.texts(engine).up,
            }
            text.push('\n');
        }
        text
    }
}
