//! Changesets: updates of only the columns that are given.

use tallybook_core::{Column, Encode, Error, Result, Row, RowRef, Value};

/// Values by column, in the order in which they were first set.
#[derive(Clone, Debug, Default)]
pub struct Assignments(Vec<(&'static str, Encoded)>);

/// An encoded value, or the reason why it cannot be encoded.
type Encoded = std::result::Result<Value, String>;

/// A changeset for rows of a table.
pub trait Changes: Send + 'static {
    /// Returns the columns to set, with their values.
    fn into_assignments(self) -> Assignments;
}

impl Assignments {
    /// Sets a column. A later value replaces an earlier one.
    pub fn set(&mut self, column: &'static str, value: &impl Encode) {
        self.0.retain(|(name, _)| *name != column);
        self.0.push((column, value.encode()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns `a = $1, b = $2` and its values, checked against the columns of the table.
    pub(crate) fn into_set_clause<T: Row>(self) -> Result<(String, Vec<Value>)> {
        let mut clause = String::new();
        let mut values = Vec::with_capacity(self.0.len() + 1);
        for (name, value) in self.0 {
            let value = value.map_err(|problem| Error::invalid_value(name, problem))?;
            values.push(column::<T>(name).map_or(Ok(value.clone()), |column| column.check(value))?);
            let separator = if clause.is_empty() { "" } else { ", " };
            clause.push_str(&format!("{separator}{name} = ${}", values.len()));
        }
        Ok((clause, values))
    }
}

fn column<T: Row>(name: &str) -> Option<&'static Column> {
    T::COLUMNS.iter().find(|column| column.name == name)
}

/// The changes of a table whose rows never change, and the new rows of one to which the program adds none: a type without
/// values, so that the calls that take one cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Never {}

impl Changes for Never {
    fn into_assignments(self) -> Assignments {
        match self {}
    }
}

impl Row for Never {
    const COLUMNS: &'static [Column] = &[];
    const COLUMN_LIST: &'static str = "";

    fn decode(_: RowRef<'_>) -> Result<Self> {
        Err(Error::invalid_value("row", "no row has this type"))
    }

    fn encode(&self) -> Result<Vec<Value>> {
        match *self {}
    }
}
