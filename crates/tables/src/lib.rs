//! Tables of one's own, on SQLite and PostgreSQL: see [`tables`].

// The derives name the crate `tallybook`. This crate has the facade's layout as far as they need it: the database layer at
// the root, and the tables in a module.
#[doc(hidden)]
pub use tallybook_core::{
    __serde, Column, Decode, DecodeError, Encode, Error, Result, Row, RowRef, SqlType, Value, ValueRef,
};

mod changes;
mod declaration;
mod error;
mod filter;
mod id;
mod load;
mod page;
mod repository;
mod row_check;
mod sql;
mod statements;
mod table;
mod time_order;
mod unknown_relation;
mod unreadable_row;

pub mod tables {
    #![doc = include_str!("guide.md")]

    pub use crate::changes::{Assignments, Changes, Never};
    pub use crate::declaration::{Declaration, TableStatement};
    pub use crate::error::{Error, Result};
    pub use crate::filter::Filter;
    pub use crate::id::{Id, Key};
    #[doc(hidden)]
    pub use chrono;

    #[doc(hidden)]
    pub use crate::load::key_of;
    pub use crate::load::{
        Chosen, Include, Load, Many, One, OptionalParent, Parent, Plans, Relations, Through,
    };
    pub use crate::page::{Cursor, LimitOffset, Page};
    pub use crate::repository::{Delete, IdOf, Including, Increment, Repair, Repository, Update};
    pub use crate::row_check::{RowCheck, check_rows};
    pub use crate::statements::Statements;
    pub use crate::table::{
        AppendOnly, BelongsTo, ColumnSet, Editable, Refers, Table, TableColumn, TableField, Touched,
    };
    pub use crate::unknown_relation::UnknownRelation;
    pub use crate::unreadable_row::{ScannedRow, UnreadableColumn, UnreadableRow};
    pub use tallybook_macros::{Aggregate, Table};
}
