//! Changesets: updates of only the columns that are given.

use tallybook_core::{Column, Error, Result, Row, Value};

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
    pub fn set(&mut self, column: &'static str, value: Encoded) {
        self.0.retain(|(name, _)| *name != column);
        self.0.push((column, value));
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

/// Declares the changeset of a table: a method for each column that may change.
macro_rules! changes {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        #[must_use = "changes do nothing until they are given to `update`"]
        pub struct $name($crate::changes::Assignments);

        impl $name {
            /// Creates an empty changeset.
            pub fn new() -> Self {
                Self::default()
            }

            $(
                $(#[$field_doc])*
                pub fn $field(mut self, value: impl Into<$type>) -> Self {
                    let value: $type = value.into();
                    self.0.set(stringify!($field), ::tallybook_core::Encode::encode(&value));
                    self
                }
            )*
        }

        impl $crate::changes::Changes for $name {
            fn into_assignments(self) -> $crate::changes::Assignments {
                self.0
            }
        }
    };
}

pub(crate) use changes;
