//! What the repositories need to know of a table.

use chrono::{DateTime, Utc};
use tallybook_engine::{Row, Statement};

use crate::changes::Changes;
use crate::ids::Id;
use crate::newest::{List, Pages};
use crate::sql;

/// A table of the book. Sealed: the book has five.
pub trait Table: Row + Clone + Sync + sealed::Sealed {
    /// The type of its identifiers.
    type Id: Id;
    /// What is given to create a row.
    type New: Row + Sync;
    /// What may be changed of a row.
    type Changes: Changes;
    /// Its name in the database.
    const NAME: &'static str;
    /// What one of its rows is called in an error.
    const NOUN: &'static str;
    /// The indexed time by which its rows are ordered, newest first. Tables without one are ordered by their
    /// identifiers, which the database gives in the order of creation.
    const ORDER: Option<&'static str>;
    /// Whether its rows say when they were last changed.
    const TOUCH: bool;
    /// What to call instead of a loop of [`Repository::get`](crate::Repository::get).
    #[doc(hidden)]
    const GET_MANY: &'static str;
    /// What to call instead of a loop of `create`.
    #[doc(hidden)]
    const CREATE_MANY: &'static str;

    /// The row's identifier.
    fn id(&self) -> Self::Id;
    /// The row's time in the column [`Table::ORDER`].
    fn time(&self) -> Option<DateTime<Utc>>;
    /// When the row was last changed, where [`Table::TOUCH`] says so.
    fn updated_at(&self) -> Option<DateTime<Utc>>;
    /// The statements that every table has, built once.
    #[doc(hidden)]
    fn statements() -> &'static Statements;
}

/// A table whose rows say when they were last changed, so that an update can find that they were.
pub trait Touched: Table {}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// `SELECT <all columns> FROM <the table> <rest>`; see [`sql::select`].
pub(crate) fn select<T: Table>(rest: &str) -> Statement {
    sql::select(T::NAME, T::COLUMN_LIST, rest)
}

/// The rows of one parent: those with `$1` in `column`.
///
/// PostgreSQL keeps a plan only if it takes it for no worse than those it made for the values themselves, and where some
/// parents have many more rows than most, that for the average looks worse: then it plans the statement each time it
/// runs, which takes longer than finding some fifty rows. So the value is hidden from its planner.
pub(crate) fn children<T: Table>(column: &str, rest: &str) -> Statement {
    let text = |value| text::<T>(&format!("WHERE {column} = {value} {rest}"));
    Statement::of_each(text("(SELECT $1)"), text("$1"))
}

/// The text of [`select`].
pub(crate) fn text<T: Table>(rest: &str) -> String {
    sql::text(T::NAME, T::COLUMN_LIST, rest)
}

/// The statements that every table has.
#[doc(hidden)]
#[derive(Debug)]
pub struct Statements {
    pub(crate) by_id: Statement,
    pub(crate) by_ids: Statement,
    pub(crate) list: List,
    pub(crate) pages: Pages,
    /// As `by_id`, and nobody else writes to the row before the transaction ends.
    pub(crate) for_update: Statement,
    /// Without their `LIMIT`; see [`limited`](crate::sql::limited).
    pub(crate) first_scan: String,
    pub(crate) next_scan: String,
    pub(crate) count: Statement,
    pub(crate) insert: Statement,
    pub(crate) delete: Statement,
}

impl Statements {
    pub(crate) fn new<T: Table>() -> Self {
        Self {
            by_id: select::<T>("WHERE id = $1"),
            by_ids: select::<T>("WHERE id = ANY($1)"),
            list: List::new::<T>("", 0),
            pages: Pages::new::<T>(),
            // Unlike FOR UPDATE it lets others add rows that refer to this one; two transactions that did so, and then
            // locked it, would deadlock. On SQLite a transaction that writes is the only one.
            for_update: Statement::of_each(
                text::<T>("WHERE id = $1 FOR NO KEY UPDATE"),
                text::<T>("WHERE id = $1"),
            ),
            first_scan: text::<T>("ORDER BY id"),
            next_scan: text::<T>("WHERE id > $1 ORDER BY id"),
            count: format!("SELECT count(*) FROM {}", T::NAME).into(),
            insert: sql::insert(T::NAME, <T::New as Row>::COLUMN_LIST, T::COLUMN_LIST),
            delete: format!("DELETE FROM {} WHERE id = $1", T::NAME).into(),
        }
    }
}

/// Makes a model a table.
macro_rules! table {
    (
        $row:ident, $new:ident, $changes:ident, $id:ident, $repository:ident, $name:literal, $noun:literal,
        order: $order:ident, touch: $touch:tt
    ) => {
        impl $crate::table::sealed::Sealed for $row {}

        $crate::table::table!(@touched $touch $row);

        // The repository is that of this table.
        const _: fn($crate::$repository<'_, ()>) -> $crate::Repository<'_, (), $row> = |same| same;

        impl $crate::table::Table for $row {
            type Id = $id;
            type New = $new;
            type Changes = $changes;
            const NAME: &'static str = $name;
            const NOUN: &'static str = $noun;
            const ORDER: Option<&'static str> = $crate::table::table!(@column $order);
            const TOUCH: bool = $touch;
            const GET_MANY: &'static str = $crate::loader::loader!($repository::get_by_ids, "&ids");
            const CREATE_MANY: &'static str = $crate::loader::loader!($repository::create_many, "&new");

            fn id(&self) -> $id {
                self.id
            }

            fn time(&self) -> Option<chrono::DateTime<chrono::Utc>> {
                $crate::table::table!(@time self $order)
            }

            fn updated_at(&self) -> Option<chrono::DateTime<chrono::Utc>> {
                $crate::table::table!(@updated self $touch)
            }

            fn statements() -> &'static $crate::table::Statements {
                static STATEMENTS: std::sync::LazyLock<$crate::table::Statements> =
                    std::sync::LazyLock::new($crate::table::Statements::new::<$row>);
                &STATEMENTS
            }
        }
    };
    (@touched true $row:ident) => {
        impl $crate::table::Touched for $row {}
    };
    (@touched false $row:ident) => {};
    (@updated $self:ident true) => { Some($self.updated_at) };
    (@updated $self:ident false) => { None };
    (@column none) => { None };
    (@column $order:ident) => { Some(stringify!($order)) };
    (@time $self:ident none) => { None };
    (@time $self:ident $order:ident) => { Some($self.$order) };
}

pub(crate) use table;
