//! The schema that revisions declare.

use crate::steps::check::Check;
use crate::steps::column::{Column, Key};
use crate::steps::enum_type::EnumType;
use crate::steps::step::{Action, Step};
use crate::steps::table::Index;

/// The tables after all typed steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    pub(crate) tables: Vec<ExpectedTable>,
    pub(crate) enums: Vec<EnumType>,
}

#[derive(Clone, Debug)]
pub(crate) struct ExpectedTable {
    pub(crate) name: &'static str,
    pub(crate) columns: Vec<Column>,
    pub(crate) indexes: Vec<Index>,
    pub(crate) checks: Vec<Check>,
    /// The names of foreign keys and checks that a later step validates.
    pub(crate) validated: Vec<&'static str>,
    /// Set if the table was created by an SQL step, so that only part of it is known.
    pub(crate) is_partial: bool,
}

impl Expected {
    pub(crate) fn after<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Self {
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
                is_partial: false,
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
            Action::Check(check) => {
                let checks = &mut self.table(check.table).checks;
                checks.retain(|known| known.name != check.name);
                if !drops {
                    checks.push(*check);
                }
            }
            Action::Validate { table, constraint } => self.table(table).validated.push(constraint),
            Action::Enum(of) => {
                self.enums.retain(|known| known.name != of.name);
                if !drops {
                    self.enums.push(*of);
                }
            }
            Action::Index(index) => {
                let indexes = &mut self.table(index.table).indexes;
                indexes.retain(|known| known.name != index.name);
                if !drops {
                    indexes.push(*index);
                }
            }
            Action::Unique(index) => {
                let indexes = &mut self.table(index.table).indexes;
                indexes.retain(|known| known.name != index.name);
                indexes.push(if drops { index.plain() } else { *index });
            }
            Action::Sql(sql) => {
                if let Some((table, column)) = sql.alters.filter(|_| !drops) {
                    let columns = &mut self.table(table).columns;
                    match columns.iter_mut().find(|known| known.name == column.name) {
                        Some(known) => *known = column,
                        None => columns.push(column),
                    }
                }
            }
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
        Self {
            name,
            columns: Vec::new(),
            indexes: Vec::new(),
            checks: Vec::new(),
            validated: Vec::new(),
            is_partial: true,
        }
    }

    fn set_key(&mut self, column: &str, key: Option<Key>) {
        if let Some(column) = self.columns.iter_mut().find(|known| known.name == column) {
            column.key = key;
        }
    }
}
