//! The metadata of a table that its repository uses.

use chrono::{DateTime, Utc};
use tallybook_core::{Row, Statement};

use crate::changes::Changes;
use crate::ids::Id;
use crate::sql;
use crate::time_order::{ListStatements, PageStatements};

/// A table of the book. Sealed: the book has five.
pub trait Table: Row + Clone + Sync + sealed::Sealed {
    /// The type of its identifiers.
    type Id: Id;
    /// The type that creates a row.
    type New: Row + Sync;
    /// The type that changes a row.
    type Changes: Changes;
    /// The table's name in the database.
    const NAME: &'static str;
    /// The name of a single row in error messages, for example `trade`.
    const NOUN: &'static str;
    /// The indexed time column that orders the rows, newest first. Tables without one are ordered by identifier,
    /// which the database generates in the order of creation.
    const ORDER: Option<&'static str>;
    /// Set if the table has the column `updated_at`.
    const TOUCH: bool;
    /// The call that replaces a loop of [`Repository::get`](crate::Repository::get).
    #[doc(hidden)]
    const GET_MANY: &'static str;
    /// The call that replaces a loop of `create`.
    #[doc(hidden)]
    const CREATE_MANY: &'static str;

    /// Returns the row's identifier.
    fn id(&self) -> Self::Id;
    /// Returns the row's time in the column [`Table::ORDER`].
    fn time(&self) -> Option<DateTime<Utc>>;
    /// Returns the time of the row's last change, if [`Table::TOUCH`] is set.
    fn updated_at(&self) -> Option<DateTime<Utc>>;
    /// Returns the statements that every table has, built once.
    #[doc(hidden)]
    fn statements() -> &'static Statements;
}

/// A table with the column `updated_at`, which permits optimistic locking.
pub trait Touched: Table {}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// Builds `SELECT <all columns> FROM <the table> <rest>`; see [`sql::select`].
pub(crate) fn select<T: Table>(rest: &str) -> Statement {
    sql::select(T::NAME, T::COLUMN_LIST, rest)
}

/// Selects the rows of one parent: those with `$1` in `column`.
///
/// On PostgreSQL the value is hidden in a subquery. PostgreSQL keeps a generic plan only if it seems no worse than
/// the custom plans before it. Where some parents have many more rows than most, the plan for the average seems
/// worse, so PostgreSQL would plan the statement on every execution, which takes longer than finding some fifty
/// rows.
pub(crate) fn children<T: Table>(column: &str, rest: &str) -> Statement {
    let text = |value| text::<T>(&format!("WHERE {column} = {value} {rest}"));
    Statement::per_dialect_owned(text("(SELECT $1)"), text("$1"))
}

/// Returns the text of [`select`].
pub(crate) fn text<T: Table>(rest: &str) -> String {
    sql::text(T::NAME, T::COLUMN_LIST, rest)
}

/// The statements that every table has.
#[doc(hidden)]
#[derive(Debug)]
pub struct Statements {
    pub(crate) by_id: Statement,
    pub(crate) by_ids: Statement,
    pub(crate) list: ListStatements,
    pub(crate) pages: PageStatements,
    /// As `by_id`, and locks the row until the transaction ends.
    pub(crate) for_update: Statement,
    /// Without `LIMIT`; see [`limited`](crate::sql::limited).
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
            list: ListStatements::new::<T>("", 0),
            pages: PageStatements::new::<T>(),
            // Unlike FOR UPDATE this lets other transactions insert rows that refer to this one. Two transactions
            // that did so and then locked the row would deadlock. On SQLite the writing transaction is the only
            // one.
            for_update: Statement::per_dialect_owned(
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

/// Implements [`Table`] for a model.
macro_rules! table {
    (
        $row:ident, $new:ident, $changes:ident, $id:ident, $repository:ident, $name:literal, $noun:literal,
        order: $order:ident, touch: $touch:tt
    ) => {
        impl $crate::table::sealed::Sealed for $row {}

        $crate::table::table!(@touched $touch $row);

        // Checks that the repository is the one of this table.
        const _: fn($crate::$repository<'_, ()>) -> $crate::Repository<'_, (), $row> = |same| same;

        impl $crate::table::Table for $row {
            type Id = $id;
            type New = $new;
            type Changes = $changes;
            const NAME: &'static str = $name;
            const NOUN: &'static str = $noun;
            const ORDER: Option<&'static str> = $crate::table::table!(@column $order);
            const TOUCH: bool = $touch;
            const GET_MANY: &'static str = $crate::advice::advice!($repository::get_by_ids, "&ids");
            const CREATE_MANY: &'static str = $crate::advice::advice!($repository::create_many, "&new");

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
