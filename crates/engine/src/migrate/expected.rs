//! What revisions say that a database has.

use super::column::{Column, Key};
use super::index::Index;
use super::step::{Action, Step};

/// The tables of typed steps, after all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected {
    pub(super) tables: Vec<ExpectedTable>,
}

#[derive(Clone, Debug)]
pub(super) struct ExpectedTable {
    pub(super) name: &'static str,
    pub(super) columns: Vec<Column>,
    pub(super) indexes: Vec<Index>,
    /// The keys that were validated behind their column, by name.
    pub(super) validated: Vec<&'static str>,
    /// It was created by SQL, and not all of it is known.
    pub(super) is_part: bool,
}

impl Expected {
    pub(super) fn after<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Self {
        let mut expected = Self::default();
        for step in steps {
            expected.take(step);
        }
        expected
    }

    fn take(&mut self, step: &Step) {
        let drops = step.is_inverse;
        match &step.action {
            Action::Table(table) if drops => self.tables.retain(|known| known.name != table.name),
            Action::Table(table) => self.tables.push(ExpectedTable {
                columns: table.columns.to_vec(),
                is_part: false,
                ..ExpectedTable::part(table.name)
            }),
            Action::Column { table, column } => {
                let columns = &mut self.table(table).columns;
                columns.retain(|known| known.name != column.name);
                if !drops {
                    columns.push(*column);
                }
            }
            Action::Key { table, column, key } => self.table(table).set_key(column, (!drops).then_some(*key)),
            Action::Validate { table, key } => self.table(table).validated.push(key),
            Action::Index(index) => {
                let indexes = &mut self.table(index.table).indexes;
                indexes.retain(|known| known.name != index.name);
                if !drops {
                    indexes.push(*index);
                }
            }
            Action::Sql(_) => {}
        }
    }

    fn table(&mut self, name: &'static str) -> &mut ExpectedTable {
        let known = self.tables.iter().position(|table| table.name == name);
        let place = known.unwrap_or_else(|| {
            self.tables.push(ExpectedTable::part(name));
            self.tables.len() - 1
        });
        &mut self.tables[place]
    }
}

impl ExpectedTable {
    fn part(name: &'static str) -> Self {
        Self { name, columns: Vec::new(), indexes: Vec::new(), validated: Vec::new(), is_part: true }
    }

    fn set_key(&mut self, column: &str, key: Option<Key>) {
        if let Some(column) = self.columns.iter_mut().find(|known| known.name == column) {
            column.key = key;
        }
    }
}
