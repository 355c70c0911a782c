//! Tuples of relations.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use tallybook_core::{Batch, ReadBatch};

use super::{Binding, Load};
use crate::error::Result;
use crate::sql::Selection;
use crate::table::Table;

/// Relations by the key of the row that they belong to.
pub(super) type Groups<P, V> = HashMap<<P as Table>::Key, V, RandomState>;

/// The results of the statements of the relations of `A`.
pub(crate) type Related<A> =
    <<<A as Load>::Relations as Relations<<A as Load>::Root>>::Batch as Batch>::Output;

/// One relation of the rows of `R`.
pub trait Relation<R: Table>: Send + Sync {
    /// The type of the field.
    type Value;
    /// The queries.
    type Batch: ReadBatch;
    /// The loaded rows, by the rows that they belong to.
    type Groups;

    /// Appends its statements.
    fn statements(&self, of: &Selection, into: &mut Vec<String>);
    /// Returns its queries.
    fn batch(&self, binding: &mut Binding<'_>) -> Self::Batch;
    /// Groups the loaded rows. Returns `None` if a limit depended on a wrong order.
    fn group(&self, read: <Self::Batch as Batch>::Output) -> Result<Option<Self::Groups>>;
    /// Returns the rows of one root.
    fn take(&self, groups: &mut Self::Groups, root: &R) -> Result<Self::Value>;
}

/// The relations of an aggregate: a tuple of up to seven of [`Many`](crate::tables::Many), [`One`](crate::tables::One),
/// [`Parent`](crate::tables::Parent), [`OptionalParent`](crate::tables::OptionalParent) and [`Through`](crate::tables::Through).
pub trait Relations<R: Table>: Send + Sync {
    /// The types of the fields, as a tuple.
    type Values;
    #[doc(hidden)]
    type Batch: ReadBatch;
    #[doc(hidden)]
    type Groups;

    #[doc(hidden)]
    fn statements(&self, of: &Selection, into: &mut Vec<String>);
    #[doc(hidden)]
    fn batch(&self, binding: &mut Binding<'_>) -> Self::Batch;
    #[doc(hidden)]
    fn group(&self, read: <Self::Batch as Batch>::Output) -> Result<Option<Self::Groups>>;
    #[doc(hidden)]
    fn take(&self, groups: &mut Self::Groups, root: &R) -> Result<Self::Values>;
}

impl<R: Table> Relations<R> for () {
    type Values = ();
    type Batch = ();
    type Groups = ();

    fn statements(&self, _: &Selection, _: &mut Vec<String>) {}

    fn batch(&self, _: &mut Binding<'_>) {}

    fn group(&self, (): ()) -> Result<Option<()>> {
        Ok(Some(()))
    }

    fn take(&self, (): &mut (), _: &R) -> Result<()> {
        Ok(())
    }
}

macro_rules! relations {
    ($($relation:ident $index:tt),+) => {
        impl<R: Table, $($relation: Relation<R>),+> Relations<R> for ($($relation,)+) {
            type Values = ($($relation::Value,)+);
            type Batch = ($($relation::Batch,)+);
            type Groups = ($($relation::Groups,)+);

            fn statements(&self, of: &Selection, into: &mut Vec<String>) {
                $(self.$index.statements(of, into);)+
            }

            fn batch(&self, binding: &mut Binding<'_>) -> Self::Batch {
                ($(self.$index.batch(binding),)+)
            }

            fn group(&self, read: <Self::Batch as Batch>::Output) -> Result<Option<Self::Groups>> {
                Ok(Some(($({
                    let Some(groups) = self.$index.group(read.$index)? else { return Ok(None) };
                    groups
                },)+)))
            }

            fn take(&self, groups: &mut Self::Groups, root: &R) -> Result<Self::Values> {
                Ok(($(self.$index.take(&mut groups.$index, root)?,)+))
            }
        }
    };
}

relations!(A 0);
relations!(A 0, B 1);
relations!(A 0, B 1, C 2);
relations!(A 0, B 1, C 2, D 3);
relations!(A 0, B 1, C 2, D 3, E 4);
relations!(A 0, B 1, C 2, D 3, E 4, F 5);
relations!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
