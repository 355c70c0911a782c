//! The description of a table.

use std::fmt;

use chrono::{DateTime, Utc};
use tallybook_core::{Batch, CallSite, One, Row, Value, one};

use crate::changes::Changes;
use crate::id::{Id, Key};
use crate::statements::Statements;

/// Encodes a new row, and names the table in the error.
pub(crate) fn encode_new<T: Table>(new: &T::New) -> tallybook_core::Result<Vec<Value>> {
    new.encode().map_err(|error| error.in_table(T::NAME))
}

/// A table, described by the struct that holds one of its rows.
///
/// Derive it with `#[derive(Table)]`; see [the guide](crate::tables#a-table). The derive writes data only, which can be written by
/// hand:
///
/// ```
/// use tallybook::tables::{Assignments, BelongsTo, Changes, Editable, Id, Repository, Statements, Table, TableColumn};
/// use tallybook::book::Portfolio;
/// use tallybook::Row;
/// use chrono::{DateTime, Utc};
///
/// #[derive(Clone, Debug, Row)]
/// pub struct Note {
///     pub id: Id<Note>,
///     pub portfolio_id: Id<Portfolio>,
///     pub text: String,
/// }
///
/// #[derive(Clone, Debug, Row)]
/// pub struct NewNote {
///     pub portfolio_id: Id<Portfolio>,
///     pub text: String,
/// }
///
/// #[derive(Default)]
/// pub struct NoteChanges(Assignments);
///
/// impl NoteChanges {
///     pub fn text(mut self, text: impl Into<String>) -> Self {
///         self.0.set("text", &text.into());
///         self
///     }
/// }
///
/// impl Changes for NoteChanges {
///     fn into_assignments(self) -> Assignments {
///         self.0
///     }
/// }
///
/// impl Note {
///     pub const TEXT: TableColumn<Note, String> = TableColumn::new("text", |note| &note.text);
/// }
///
/// impl Table for Note {
///     type Key = i64;
///     type New = NewNote;
///     type Changes = NoteChanges;
///     const NAME: &'static str = "notes";
///     const NOUN: &'static str = "note";
///     const REPOSITORY: &'static str = "Repository::<_, Note>";
///     const ORDER: Option<&'static str> = None;
///     const TOUCH: bool = false;
///     const CHANGEABLE: &'static [&'static str] = &["text"];
///
///     fn id(&self) -> Id<Self> {
///         self.id
///     }
///
///     fn time(&self) -> Option<DateTime<Utc>> {
///         None
///     }
///
///     fn updated_at(&self) -> Option<DateTime<Utc>> {
///         None
///     }
///
///     fn statements() -> &'static Statements {
///         static STATEMENTS: Statements = Statements::new::<Note>();
///         &STATEMENTS
///     }
/// }
///
/// // Its rows may be changed and deleted.
/// impl Editable for Note {}
///
/// impl BelongsTo<Portfolio> for Note {
///     const BY: &'static str = "portfolio_id";
///
///     fn owner(&self) -> Option<Id<Portfolio>> {
///         Some(self.portfolio_id)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a table",
    note = "write `#[derive(Table)]` and `#[table(name = \"…\")]` on the struct `{Self}`"
)]
pub trait Table: Row + Clone + Sync {
    /// The type of its primary key, the column `id`.
    type Key: Key;
    /// The type that creates a row.
    type New: Row + Sync;
    /// The type that changes a row.
    type Changes: Changes;
    /// The table's name in the database.
    const NAME: &'static str;
    /// The name of a single row in error messages, for example `trade`.
    const NOUN: &'static str;
    /// The name of its repository, for the calls that N+1 findings suggest.
    const REPOSITORY: &'static str;
    /// The time column that orders the rows, newest first. Tables without one are ordered by identifier, which the database
    /// generates in the order of creation.
    const ORDER: Option<&'static str>;
    /// Set if the table has the column `updated_at`, which every update advances.
    const TOUCH: bool;
    /// The columns that may change, for upserts.
    const CHANGEABLE: &'static [&'static str];
    /// The columns whose values are unique, each by an index of its own: for checks of the declaration.
    const UNIQUE: &'static [&'static str] = &[];
    /// What the source says about the columns, in their order: for documents that describe the table.
    const FIELDS: &'static [TableField] = &[];

    /// Returns the row's identifier.
    fn id(&self) -> Id<Self, Self::Key>;
    /// Returns the row's time in the column [`Table::ORDER`].
    fn time(&self) -> Option<DateTime<Utc>>;
    /// Returns the time of the row's last change, if [`Table::TOUCH`] is set.
    fn updated_at(&self) -> Option<DateTime<Utc>>;
    /// Returns the statements of the table, each built at its first use.
    fn statements() -> &'static Statements;

    /// Returns the query that creates a row and returns it as stored, for a batch: with
    /// [`run_last`](tallybook_core::WriteSession::run_last) or
    /// [`write_batch`](tallybook_core::Database::write_batch) it commits in the same round trip.
    #[track_caller]
    fn insert(new: &Self::New) -> One<Self> {
        one(&*Self::statements().insert, encode_new::<Self>(new))
    }

    /// Returns the queries that create rows, in the given order; see [`insert`](Self::insert).
    #[track_caller]
    fn insert_many(new: &[Self::New]) -> Vec<One<Self>> {
        let call = CallSite::here();
        new.iter().map(|new| Self::insert(new).called(call)).collect()
    }
}

/// A table whose rows may be changed and deleted: each one except those with `#[table(append_only)]`.
///
/// `#[derive(Table)]` implements it. Implement it for a table that is written by hand.
#[diagnostic::on_unimplemented(
    message = "rows of `{Self}` may be appended, but neither changed nor deleted",
    label = "`{Self}` is not an `Editable` table",
    note = "a table with `#[table(append_only)]` has `.repair()` with `update` and `delete`, for repairs; nothing else in the book \
            follows",
    note = "a function for any table that may be changed names the bound `Editable`; implement it for a table that is written by hand"
)]
pub trait Editable: Table {}

/// A table whose rows are only appended: `#[table(append_only)]`.
#[diagnostic::on_unimplemented(
    message = "rows of `{Self}` may be changed and deleted without a repair",
    note = "call `update` or `delete` of the repository; only a table with `#[table(append_only)]` has `repair`"
)]
pub trait AppendOnly: Table {}

/// A table with the column `updated_at`, which permits optimistic locking: `#[table(touch)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no column that every update advances",
    note = "give `{Self}` a field `#[table(touch)] updated_at: DateTime<Utc>`"
)]
pub trait Touched: Editable {}

/// What the source says about a column, for documents such as the OpenAPI description of a service. `#[derive(Table)]` writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableField {
    /// The column's name.
    pub name: &'static str,
    /// The doc comment of the field, a space before each line.
    pub docs: &'static str,
    /// The texts that an enum knows; none for other types.
    pub words: &'static [&'static str],
    /// Set if JSON may leave the field out of a new row: it has a default, or it is an `Option`.
    pub is_optional: bool,
}

/// A column of `T` whose values have the type `V`.
pub struct TableColumn<T, V> {
    name: &'static str,
    get: fn(&T) -> &V,
}

impl<T, V> TableColumn<T, V> {
    /// Returns the column with this name, which `get` reads in a row.
    pub const fn new(name: &'static str, get: fn(&T) -> &V) -> Self {
        Self { name, get }
    }

    /// Returns the column's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the column's value in a row.
    pub fn get<'r>(&self, row: &'r T) -> &'r V {
        (self.get)(row)
    }
}

impl<T, V> Clone for TableColumn<T, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, V> Copy for TableColumn<T, V> {}

impl<T, V> fmt::Debug for TableColumn<T, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TableColumn({})", self.name)
    }
}

/// A table whose rows belong to rows of `P`: the relation that loads follow, in both directions.
///
/// `#[derive(Table)]` implements it for each table `P` that exactly one field refers to with the type `Id<P>` or
/// `Option<Id<P>>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not belong to `{P}` by exactly one field",
    label = "the relation to `{P}` is not found",
    note = "give one field of `{Self}` the type `Id<{P}>` or `Option<Id<{P}>>`",
    note = "if several fields have it, choose one: `#[many(by = field)]`, `#[one(by = field)]` or `#[parent(by = field)]`"
)]
pub trait BelongsTo<P: Table>: Table {
    /// The column that holds the identifier of the row of `P`.
    const BY: &'static str;

    /// Returns the identifier of the row of `P`, if the row belongs to one.
    fn owner(&self) -> Option<Id<P, P::Key>>;
}

/// A value that identifies a row of `P`: an `Id<P>` or an `Option<Id<P>>`.
#[diagnostic::on_unimplemented(
    message = "a column of the type `{Self}` does not identify a row of `{P}`",
    note = "`by = …` takes a column of the type `Id<{P}>` or `Option<Id<{P}>>`"
)]
pub trait Refers<P: Table> {
    /// Returns the identifier, if there is one.
    fn id(&self) -> Option<Id<P, P::Key>>;
}

impl<P: Table> Refers<P> for Id<P, P::Key> {
    fn id(&self) -> Option<Id<P, P::Key>> {
        Some(*self)
    }
}

impl<P: Table> Refers<P> for Option<Id<P, P::Key>> {
    fn id(&self) -> Option<Id<P, P::Key>> {
        *self
    }
}

/// One column or several of `T`, which a unique index covers.
pub trait ColumnSet<T> {
    /// Returns the names of the columns.
    fn names(&self) -> Vec<&'static str>;
}

impl<T, V> ColumnSet<T> for TableColumn<T, V> {
    fn names(&self) -> Vec<&'static str> {
        vec![self.name]
    }
}

macro_rules! column_set {
    ($($value:ident $index:tt),+) => {
        impl<T, $($value),+> ColumnSet<T> for ($(TableColumn<T, $value>,)+) {
            fn names(&self) -> Vec<&'static str> {
                vec![$(self.$index.name),+]
            }
        }
    };
}

column_set!(A 0, B 1);
column_set!(A 0, B 1, C 2);
column_set!(A 0, B 1, C 2, D 3);
