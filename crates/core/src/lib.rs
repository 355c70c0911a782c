//! Connection pool, routing and sessions: how Tallybook talks to a database.
//!
//! Applications depend on the facade `tallybook`, which adds the monitor and re-exports what they need from here.
//!
//! ```
//! use tallybook_core::{Database, Result, Settings, execute, one, params};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<()> {
//! let db = Database::open(Settings::new("sqlite::memory:")?).await?;
//! let committed = db
//!     .write(async |session| -> Result<i64> {
//!         session.run(execute("CREATE TABLE notes (id integer primary key, title text)", params![])).await?;
//!         let insert = one("INSERT INTO notes (title) VALUES ($1) RETURNING id", params!["first"]);
//!         let (id,) = session.run(insert).await?;
//!         Ok(id)
//!     })
//!     .await?;
//! let mut session = db.read_after(&committed.token()).await?;
//! let (count,) = session.run(one::<(i64,)>("SELECT count(*) FROM notes", params![])).await?;
//! assert_eq!(count, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # From a call to a connection
//!
//! 1. [`settings`] reads environment variables and URLs into a plain value.
//! 2. [`database`] opens sessions. It asks [`routing`] for a server that meets the read's consistency: probing tasks know
//!    the role, position and health of each node, so the choice costs no round trip.
//! 3. [`pool`] provides the connection: first in, first out, pinged if in doubt, and cleaned before it is reused.
//! 4. [`session`] sends batches over it: one round trip each, with BEGIN travelling along.
//! 5. [`driver`] is the boundary to the two databases. A connection knows what is unfinished on it, so any future can be
//!    dropped at any point.
//!
//! [`observe`] is the hook through which a monitor sees every statement, [`metrics`] and [`histogram`] hold its numbers,
//! and [`waiting`] finds out who blocks a statement.

mod bucket_counts;
mod random;

// A driver that is left out is replaced by types without values.
#[cfg(not(feature = "postgres"))]
#[path = "without_postgres.rs"]
mod postgres;
#[cfg(not(feature = "sqlite"))]
#[path = "without_sqlite.rs"]
mod sqlite;

pub mod database;
pub mod driver;
pub mod foreign_key;
pub mod histogram;
pub mod metrics;
pub mod observe;
pub mod pool;
pub mod retries;
pub mod routing;
pub mod seconds;
pub mod session;
pub mod settings;
pub mod waiting;
mod whole_write;

#[cfg(feature = "postgres")]
use tallybook_postgres as postgres;
pub use tallybook_sql::*;
#[cfg(feature = "sqlite")]
use tallybook_sqlite as sqlite;

pub use bucket_counts::BucketCounts;
pub use database::Database;
pub use histogram::DurationSummary;
pub use metrics::{Attributes, Data, Distribution, Metric, Point, prometheus};
pub use pool::{CloseReason, Closed, ConnectionHolder, PoolStatus, PoolTotals};
pub use retries::Retries;
pub use routing::{NodeRole, NodeState, NodeStatus};
pub use session::{
    AdvisoryKey, BulkLoad, CommitToken, Committed, Counts, Explainer, Plan, ReadSession, RowStream,
    Savepoint, Session, WriteSession,
};
pub use settings::{
    DatabaseUrl, EnvVar, LogSettings, LoggedParameters, MonitorMode, MonitorSettings, PoolSettings,
    ReplicaSettings, Settings,
};
pub use tallybook_sql::file_access::OpenMode;
pub use waiting::Blocker;
