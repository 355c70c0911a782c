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
    /// The rows or aggregates that it leads to.
    type Target: Load;
    /// The number of its statements, with those of the relations of its target.
    const STATEMENTS: usize = 1 + statements_in::<Self::Target>();
    /// The number of [`Chosen`](crate::tables::Chosen) relations in it.
    const CHOSEN: usize = chosen_in::<Self::Target>();

    /// Appends the paths of the [`Chosen`](crate::tables::Chosen) relations in it. `path` is its own.
    fn chosen_paths(path: &str, into: &mut Vec<String>) {
        chosen_paths::<Self::Target>(&format!("{path}."), into);
    }

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
/// [`Parent`](crate::tables::Parent), [`OptionalParent`](crate::tables::OptionalParent) and [`Through`](crate::tables::Through), each
/// bare or [`Chosen`](crate::tables::Chosen).
pub trait Relations<R: Table>: Send + Sync {
    /// The types of the fields, as a tuple.
    type Values;
    #[doc(hidden)]
    type Batch: ReadBatch;
    #[doc(hidden)]
    type Groups;
    #[doc(hidden)]
    const COUNT: usize;
    #[doc(hidden)]
    const STATEMENTS: usize;
    #[doc(hidden)]
    const CHOSEN: usize;

    #[doc(hidden)]
    fn chosen_paths(fields: &[&str], prefix: &str, into: &mut Vec<String>);
    #[doc(hidden)]
    fn statements(&self, of: &Selection, into: &mut Vec<String>);
    #[doc(hidden)]
    fn batch(&self, binding: &mut Binding<'_>) -> Self::Batch;
    #[doc(hidden)]
    fn group(&self, read: <Self::Batch as Batch>::Output) -> Result<Option<Self::Groups>>;
    #[doc(hidden)]
    fn take(&self, groups: &mut Self::Groups, root: &R) -> Result<Self::Values>;
}

/// Returns the number of statements of the relations of an aggregate, at any depth.
pub(super) const fn statements_in<A: Load>() -> usize {
    <A::Relations as Relations<A::Root>>::STATEMENTS
}

/// Returns the number of [`Chosen`](crate::tables::Chosen) relations in an aggregate, at any depth.
///
/// ```compile_fail,E0080
/// use tallybook::book::{Execution, Trade};
/// use tallybook::tables::{Chosen, Include, Load, Many, Plans};
///
/// struct TradeView(Trade, Option<Vec<Execution>>);
///
/// impl Load for TradeView {
///     type Root = Trade;
///     type Relations = (Chosen<Many<Trade, Execution>>,);
///     const NAME: &'static str = "TradeView";
///     const RELATIONS: Self::Relations = (Chosen::new(Many::new()),);
///
///     fn assemble(trade: Trade, (executions,): (Option<Vec<Execution>>,)) -> Self {
///         Self(trade, executions)
///     }
///
///     fn root(&self) -> &Trade {
///         &self.0
///     }
///
///     fn plans() -> &'static Plans {
///         static PLANS: Plans = Plans::new();
///         &PLANS
///     }
/// }
///
/// Include::<TradeView>::none();
/// ```
pub(super) const fn chosen_in<A: Load>() -> usize {
    let chosen = <A::Relations as Relations<A::Root>>::CHOSEN;
    assert!(
        chosen == 0 || A::FIELDS.len() == <A::Relations as Relations<A::Root>>::COUNT,
        "an aggregate with relations that are chosen at run time names all its relations: see `Load::FIELDS`"
    );
    chosen
}

/// Appends the paths of the [`Chosen`](crate::tables::Chosen) relations of an aggregate, depth first.
pub(super) fn chosen_paths<A: Load>(prefix: &str, into: &mut Vec<String>) {
    if const { chosen_in::<A>() } > 0 {
        A::Relations::chosen_paths(A::FIELDS, prefix, into);
    }
}

impl<R: Table> Relations<R> for () {
    type Values = ();
    type Batch = ();
    type Groups = ();
    const COUNT: usize = 0;
    const STATEMENTS: usize = 0;
    const CHOSEN: usize = 0;

    fn chosen_paths(_: &[&str], _: &str, _: &mut Vec<String>) {}

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
            const COUNT: usize = [$($index),+].len();
            const STATEMENTS: usize = 0 $(+ $relation::STATEMENTS)+;
            const CHOSEN: usize = 0 $(+ $relation::CHOSEN)+;

            fn chosen_paths(fields: &[&str], prefix: &str, into: &mut Vec<String>) {
                $($relation::chosen_paths(&format!("{prefix}{}", fields[$index]), into);)+
            }

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
