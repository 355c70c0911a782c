//! Eager loads: rows with their relations, in one round trip and one snapshot.

mod chosen;
mod include;
mod plan;
mod relation;
mod relations;
mod rows;

pub use chosen::Chosen;
pub use include::Include;
pub use plan::Plans;
pub use relation::{Many, One, OptionalParent, Parent, Through, key_of};
pub use relations::Relations;

pub(crate) use include::Included;
pub(crate) use plan::{Binding, PlanKey};
pub(crate) use relations::Related;
pub(crate) use rows::{ReadRows, Rows};

use crate::error::Result;
use crate::table::Table;

/// The result of a load: a row, or an aggregate of a row and its relations.
///
/// Every [`Table`] is one, of its rows alone. Derive it for an aggregate with `#[derive(Aggregate)]`; see
/// [the guide](crate::tables#an-aggregate). The derive writes data only, which can be written by hand:
///
/// ```
/// use tallybook::book::{Execution, Trade};
/// use tallybook::tables::{Load, Many, Plans};
///
/// #[derive(Clone, Debug)]
/// pub struct Filled {
///     pub trade: Trade,
///     pub executions: Vec<Execution>,
/// }
///
/// impl Load for Filled {
///     type Root = Trade;
///     type Relations = (Many<Trade, Execution>,);
///     const NAME: &'static str = "Filled";
///     const RELATIONS: Self::Relations = (Many::new().newest(100),);
///
///     fn assemble(trade: Trade, (executions,): (Vec<Execution>,)) -> Self {
///         Self { trade, executions }
///     }
///
///     fn root(&self) -> &Trade {
///         &self.trade
///     }
///
///     fn plans() -> &'static Plans {
///         static PLANS: Plans = Plans::new();
///         &PLANS
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a table nor an aggregate",
    note = "for the row of a table, write `#[derive(Table)]` and `#[table(name = \"…\")]` on the struct `{Self}`",
    note = "for a row with its relations, write `#[derive(Aggregate)]`, and `#[root]`, `#[many]`, `#[one]` or `#[parent]` on its fields"
)]
pub trait Load: Sized + Send + 'static {
    /// The table of the root, the row that the relations belong to.
    type Root: Table;
    /// The relations, as a tuple.
    type Relations: Relations<Self::Root>;
    /// The name of the type, for the calls that N+1 findings suggest.
    const NAME: &'static str;
    /// The relations.
    const RELATIONS: Self::Relations;
    /// The names of the relations, in their order: those of the fields. Paths of relations that are
    /// [chosen at run time](crate::tables::Chosen) consist of them; an aggregate without such ones needs no names.
    const FIELDS: &'static [&'static str] = &[];

    /// Returns the aggregate of a row and its relations.
    fn assemble(root: Self::Root, relations: <Self::Relations as Relations<Self::Root>>::Values) -> Self;
    /// Returns the root.
    fn root(&self) -> &Self::Root;
    /// Returns the statements of its loads, built at their first use.
    fn plans() -> &'static Plans;
}

#[diagnostic::do_not_recommend]
impl<T: Table> Load for T {
    type Root = T;
    type Relations = ();
    const NAME: &'static str = "_";
    const RELATIONS: () = ();

    fn assemble(root: T, (): ()) -> T {
        root
    }

    fn root(&self) -> &T {
        self
    }

    fn plans() -> &'static Plans {
        &T::statements().plans
    }
}

/// Joins rows with their relations. Returns `None` if a relation was read in the wrong order.
pub(crate) fn join<A: Load>(roots: Vec<A::Root>, related: Related<A>) -> Result<Option<Vec<A>>> {
    let Some(mut groups) = A::RELATIONS.group(related)? else { return Ok(None) };
    roots
        .into_iter()
        .map(|root| {
            let values = A::RELATIONS.take(&mut groups, &root)?;
            Ok(A::assemble(root, values))
        })
        .collect::<Result<_>>()
        .map(Some)
}
