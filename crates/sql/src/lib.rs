//! Values, rows, statements, batches and errors: the types that every crate of Tallybook shares. No I/O.
//!
//! ```
//! use tallybook::{Dialect, Row, Statement, all, params};
//!
//! #[derive(Row)]
//! struct Note {
//!     id: i64,
//!     #[row(max = 80)]
//!     title: String,
//!     stars: Option<i64>,
//! }
//!
//! const STARRED: Statement = Statement::per_dialect(
//!     "SELECT id, title, stars FROM notes WHERE id = ANY($1) AND stars >= $2",
//!     "SELECT id, title, stars FROM notes WHERE id IN rarray($1) AND stars >= $2",
//! );
//!
//! assert_eq!(Note::COLUMN_LIST, "id, title, stars");
//! assert!(STARRED.is_read(Dialect::Sqlite));
//!
//! // Two queries, one batch: a session runs it in one round trip.
//! let notes = all::<Note>(&STARRED, params![vec![1_i64, 2], 3]);
//! let count = tallybook::one::<(i64,)>("SELECT count(*) FROM notes", params![]);
//! let batch = (notes, count);
//! # let _ = batch;
//! ```
//!
//! # Statements and dialects
//!
//! A [`Statement`] has one text, or one for each [`Dialect`]. Its text is classified once, by the compiler for a constant:
//! whether it only reads, whether it begins or ends a transaction, whether it leaves state on its connection. Sessions
//! refuse statements by that classification before they send them. Parameters are written `$1`, `$2`, … in both dialects.
//!
//! # Values are exact
//!
//! [`params!`] encodes Rust values as [`Value`]s; [`Encode`] and [`Decode`] are open traits. A value that would not read
//! back equal is refused, never rounded: decimals of more digits than a double keeps, times finer than microseconds, texts
//! with U+0000. No error quotes a value that comes from a row.
//!
//! # Rows are structs
//!
//! [`Row`] decodes by position and checks the column names, so two columns in the wrong order are an error, not a swap.
//!
//! # Batches
//!
//! [`all`], [`one`], [`optional`] and [`execute`] return queries. A query, a tuple or a `Vec` of them is a [`Batch`], which
//! takes one round trip. Drivers see a batch as a list of queries: they read the statement and the parameters of each, and
//! hand it the rows to decode.
//!
//! # Fingerprints
//!
//! A [`fingerprint`] is a statement without its values. The monitor groups executions by it, and finds N+1 loops by the
//! [keys](row::KeySample) that it samples from results.

mod cast;
mod classify;

pub mod call_site;
pub mod dialect;
pub mod driver;
pub mod error;
pub mod escaped;
pub mod file_access;
pub mod fingerprint;
#[doc(hidden)]
pub mod grouped_transaction;
pub mod lock;
pub mod query;
pub mod redact;
pub mod replication;
pub mod row;
pub mod statement;
pub mod stopwatch;
pub mod transaction;
pub mod value;

pub use tallybook_macros::{Row, TextEnum};

pub use call_site::CallSite;
pub use dialect::Dialect;
pub use error::{AcquireStep, Error, ErrorKind, Result};
pub use escaped::Escaped;
pub use query::{All, Batch, Execute, One, Optional, ReadBatch, all, execute, one, optional};
#[doc(hidden)]
pub use query::{Queries, Query, Request};
pub use redact::hide_unless_plain;
#[doc(hidden)]
pub use row::nested as __nested;
pub use row::{ArrayRef, Column, Decode, DecodeError, Row, RowRef, ValueRef};
/// For the derives.
#[doc(hidden)]
pub use serde as __serde;
pub use statement::Statement;
pub use transaction::IsolationLevel;
pub use value::{Encode, Json, Numeric, Params, SqlType, Value, now};
