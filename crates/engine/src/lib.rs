//! The database engine under Tallybook. It knows SQL, and nothing of trading.

// So that the derive, which names this crate, works inside it too.
extern crate self as tallybook_engine;

mod database;
mod driver;
mod error;
mod histogram;
pub mod migrate;
mod observe;
mod pool;
mod query;
mod row;
mod session;
mod settings;
mod statement;
mod value;

pub use tallybook_macros::Row;

pub use database::Database;
pub use error::{Error, Result, Step};
pub use histogram::Times;
pub use pool::{CloseReason, Closed, Holder, PoolStatus, Totals};
pub use query::{All, Batch, Execute, One, Optional, ReadBatch, all, execute, one, optional};
#[doc(hidden)]
pub use query::{Query, Request};
pub use row::{Cell, Cells, Column, Decode, Misfit, Row};
#[doc(hidden)]
pub use row::{PgRow, SqliteRow};
pub use session::{
    BulkLoad, CommitToken, Committed, Counts, Explainer, Plan, ReadSession, Session, WriteSession,
};
pub use settings::{DatabaseUrl, Engine, LogSettings, PoolSettings, ReplicaSettings, Settings};
pub use statement::Statement;
pub use value::{Encode, Kind, Params, Value, now};
