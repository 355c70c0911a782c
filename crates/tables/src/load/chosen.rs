//! A relation that a load reads only where it is included.

use std::fmt;

use tallybook_core::Batch;

use super::Binding;
use super::relations::Relation;
use crate::error::Result;
use crate::sql::Selection;
use crate::table::Table;

/// A relation that a load reads only where its [`Include`](crate::tables::Include) has it: one more `Option` around the type of
/// the field, which is `None` if the relation was not included. The statements of the others are not sent.
pub struct Chosen<R>(R);

impl<R> Chosen<R> {
    /// Leaves the choice to each load.
    pub const fn new(relation: R) -> Self {
        Self(relation)
    }
}

impl<T: Table, R: Relation<T>> Relation<T> for Chosen<R> {
    type Value = Option<R::Value>;
    type Batch = Option<R::Batch>;
    type Groups = Option<R::Groups>;
    type Target = R::Target;
    const STATEMENTS: usize = R::STATEMENTS;
    const CHOSEN: usize = 1 + R::CHOSEN;

    fn chosen_paths(path: &str, into: &mut Vec<String>) {
        into.push(path.to_owned());
        R::chosen_paths(path, into);
    }

    fn statements(&self, of: &Selection, into: &mut Vec<String>) {
        self.0.statements(of, into);
    }

    fn batch(&self, binding: &mut Binding<'_>) -> Self::Batch {
        binding.begins_chosen(R::STATEMENTS, R::CHOSEN).then(|| self.0.batch(binding))
    }

    fn group(&self, read: <Self::Batch as Batch>::Output) -> Result<Option<Self::Groups>> {
        match read {
            Some(read) => Ok(self.0.group(read)?.map(Some)),
            None => Ok(Some(None)),
        }
    }

    fn take(&self, groups: &mut Self::Groups, root: &T) -> Result<Self::Value> {
        groups.as_mut().map(|groups| self.0.take(groups, root)).transpose()
    }
}

impl<R> fmt::Debug for Chosen<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chosen")
    }
}
