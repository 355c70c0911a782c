//! The database engine under Tallybook. It knows SQL, and nothing of trading.

// So that the derive, which names this crate, works inside it too.
extern crate self as tallybook_engine;

mod call;
mod cast;
mod database;
pub mod doctor;
mod driver;
mod error;
mod escaped;
mod excerpt;
mod histogram;
mod metrics;
pub mod migrate;
mod monitor;
mod observe;
mod pool;
mod query;
mod random;
mod reading;
mod relation;
mod routing;
mod row;
mod seconds;
mod session;
mod settings;
mod statement;
mod stopwatch;
mod value;
mod waiting;

pub use tallybook_macros::{Row, max_queries};
#[doc(hidden)]
pub use tallybook_macros::{RowOfTheBook, max_queries_of_the_book};

pub use call::Call;
pub use database::Database;
pub use driver::IsolationLevel;
pub use error::{Error, Result, Step};
pub use escaped::Escaped;
pub use histogram::Times;
pub use metrics::{Attributes, Data, Distribution, Metric, Point, prometheus};
pub use monitor::{
    Account, Budget, CallSite, EvictedReport, Exceeded, Finding, Grade, HolderReport, Noted, PoolReport, Ran,
    Report, RunningReport, Scope, Source, StatementReport, TimesReport,
};
pub use pool::{CloseReason, Closed, Holder, PoolStatus, Totals};
pub use query::{All, Batch, Execute, One, Optional, ReadBatch, all, execute, one, optional};
#[doc(hidden)]
pub use query::{Queries, Query, Request};
pub use routing::{NodeRole, NodeState, NodeStatus};
pub use row::{Cell, Cells, Column, Decode, Misfit, Row};
#[doc(hidden)]
pub use row::{PgRow, SqliteRow};
pub use session::{
    BulkLoad, CommitToken, Committed, Counts, Explainer, Plan, ReadSession, Session, WriteSession,
};
pub use settings::{
    DatabaseUrl, Engine, Held, LogSettings, MonitorMode, MonitorSettings, OpenMode, Parameters, PoolSettings,
    ReplicaSettings, Settings, hide_unless_plain,
};
pub use statement::Statement;
pub use value::{Encode, Kind, Params, Value, now};
pub use waiting::Blocker;
