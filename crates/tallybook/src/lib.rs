//! The database layer under a trading back end: portfolios, positions, trades and executions, on an embedded SQLite file
//! or on PostgreSQL with streaming replicas.
//!
//! Tallybook is exact with money, loads a portfolio with everything it owns in one round trip, reads from replicas
//! without stale surprises, and counts every statement, so that an N+1 loop is found the day it is written.
//!
//! ```
//! use tallybook::book::{Action, NewPortfolio, NewTrade, Portfolios, Result, Trades, upgrade};
//! use tallybook::{Database, Settings};
//!
//! #[tokio::main]
//! async fn main() -> Result<()> {
//!     // An SQLite file needs no set-up. In production: Database::open(Settings::from_env()?).
//!     let db = Database::open(Settings::new("sqlite::memory:")?).await?;
//!     upgrade(&db).await?; // creates the tables of the book
//!
//!     // Write: one transaction. Ok commits; Err, a panic or dropping the future rolls back.
//!     let committed = db
//!         .write(async |session| -> Result<_> {
//!             let portfolio = Portfolios::new(session).create(&NewPortfolio::new("Pension")).await?;
//!             let trade = NewTrade::market(portfolio.id, Action::Buy, "AAPL", 100.into());
//!             Trades::new(session).create(&trade).await?;
//!             Ok(portfolio.id)
//!         })
//!         .await?;
//!
//!     // Read after that write: never older than the commit, also on a replica.
//!     let mut session = db.read_after(&committed.token()).await?;
//!
//!     // Eager load: a portfolio and its trades, two statements in one round trip and one snapshot.
//!     let loaded = Portfolios::new(&mut session).get_with_trades(*committed.value()).await?;
//!     let loaded = loaded.expect("it was committed");
//!     assert_eq!(loaded.portfolio.name, "Pension");
//!     assert_eq!(loaded.trades[0].symbol, "AAPL");
//!     assert_eq!((session.counts().statements, session.counts().round_trips), (2, 1));
//!     Ok(())
//! }
//! ```
//!
//! # Sessions
//!
//! All statements run in a session, which holds one connection and releases it on drop.
//!
//! - A [`ReadSession`] cannot write: [`execute`] does not compile with it, and the server refuses writes too.
//!   [`read`](tallybook_core::Database::read) opens one.
//! - A [`WriteSession`] is one transaction on the primary. [`write`](tallybook_core::Database::write) runs a closure in
//!   one; [`begin`](tallybook_core::Database::begin) is for code that commits by hand.
//!
//! Code that only reads takes `&mut impl` [`Session`] and works with both. Dropping a future at any await point leaks
//! nothing and leaves no connection in a transaction. [`Database`] is cheap to clone and its futures are `Send`, so a
//! web handler takes it from shared state.
//!
//! # Batches
//!
//! A batch is several statements in one round trip. In a read session it also is one snapshot. A tuple of queries
//! returns a tuple of results, and a `Vec` of queries returns a `Vec`:
//!
//! ```
//! use tallybook::{Database, Row, Settings, all, one, params};
//!
//! #[derive(Debug, PartialEq, Row)]
//! struct Quote {
//!     symbol: String,
//!     price: i64,
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> tallybook::Result<()> {
//! let db = Database::open(Settings::new("sqlite::memory:")?).await?;
//! let mut session = db.read().await?;
//! let (quotes, (answer,)) = session
//!     .run((
//!         all::<Quote>("SELECT 'AAPL' AS symbol, $1 AS price", params![187]),
//!         one::<(i64,)>("SELECT 6 * 7", params![]),
//!     ))
//!     .await?;
//! assert_eq!((quotes[0].price, answer), (187, 42));
//! assert_eq!(session.counts().round_trips, 1);
//! # Ok(())
//! # }
//! ```
//!
//! [`all`], [`optional`] and [`one`] differ in how many rows they accept; [`execute`] returns the number of affected
//! rows. `#[derive(Row)]` maps a struct to columns by name. [`BulkLoad`] writes thousands of rows at once.
//!
//! # The book
//!
//! [`book`] holds the tables of a trading back end, with a repository for each. An aggregate is its own type, so a
//! relation that was not loaded cannot be read: there is no lazy loading. Money and quantities are decimals; a value
//! that its column would round is refused, never rounded.
//!
//! # Dialects
//!
//! The same program runs on SQLite and PostgreSQL; the URL in [`Settings`] decides. SQL is written once, with `$1` for
//! parameters. Where the two differ, [`Statement::per_dialect`] holds both texts, and
//! [`dialect`](tallybook_core::Database::dialect) tells which one is in use.
//!
//! # Replicas
//!
//! Set `DB_ENABLE_READ_REPLICA` and `DB_READ_REPLICA_URL`, and reads go to replicas. Each read says how fresh it must
//! be:
//!
//! | method | guarantees | runs on |
//! |---|---|---|
//! | [`read`](tallybook_core::Database::read) | at most `DB_REPLICA_MAX_STALENESS` old | a fit replica, else the primary |
//! | [`read_within`](tallybook_core::Database::read_within) | at most the given age | a fit replica, else the primary |
//! | [`read_after`](tallybook_core::Database::read_after) | sees a given commit | a replica that has it, else the primary |
//! | [`read_primary`](tallybook_core::Database::read_primary) | current | the primary |
//!
//! A [`CommitToken`] has a text form that travels in a header or a cookie. A read that fails because of its server moves
//! to another one. After a promotion the new primary is found by its timeline, and the old one is never written to
//! again. [`nodes`](tallybook_core::Database::nodes) shows the state and the lag of each server.
//!
//! # Errors
//!
//! There is one opaque [`Error`] with an [`ErrorKind`] and predicates. [`Error::is_retryable`] means that the whole transaction can safely
//! run again; [`Error::is_commit_unknown`] means that it may have been committed.
//!
//! # Monitoring
//!
//! The monitor is on by default and logs slow, stuck and failed statements with the line of code that ran them.
//! [`Database::report`] returns everything it knows, [`Database::findings`] the N+1 loops and what to call instead, and
//! [`Database::metrics`] with [`prometheus`] the page for a scraper. [`Scope`] counts what one request does. In a test,
//! [`max_queries`] is a budget:
//!
//! ```
//! # use tallybook::{Database, Settings, one, params};
//! # async fn test() -> tallybook::Result<()> {
//! #[tallybook::max_queries(2, round_trips = 1, no_n_plus_one)]
//! async fn shows_a_portfolio(db: &Database) -> tallybook::Result<()> {
//!     // …
//! #   db.read().await?.run(one::<(i64,)>("SELECT 1", params![])).await?;
//! #   Ok(())
//! }
//! # shows_a_portfolio(&Database::open(Settings::new("sqlite::memory:")?).await?).await
//! # }
//! ```
//!
//! # Migrations
//!
//! [`migrate`] changes the schema of a database in use: named, ordered, reversible revisions of typed steps, which avoid
//! long locks and resume after a failure. The book brings its own ([`book::upgrade`]) and adopts a database that Alembic
//! created.
//!
//! # Tests
//!
//! [`macro@test`] gives a test a database of its own with all revisions applied, on SQLite and on PostgreSQL. [`check!`] compares
//! tables with the revisions and with a database.
//!
//! # Cargo features
//!
//! - `sqlite` and `postgres`, both on by default: the databases. With only one of them, nothing of the other is compiled.

/// Tests the examples of the guide on bookkeeping.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/bookkeeping.md")]
struct Bookkeeping;

/// Tests the examples of the guide on concurrency.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/concurrency.md")]
struct Concurrency;

/// Tests the examples of the guide on errors.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/errors.md")]
struct Errors;

/// Tests the examples of the guide to tables of one's own.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/own-tables.md")]
struct OwnTables;

mod background;
pub mod check;
mod database;
pub mod test;

/// The trading book: tables and repositories for portfolios, positions, trades, executions and trading sessions.
pub mod book {
    pub use tallybook_book::*;
}

pub use tallybook_tables::tables;

/// Schema migrations: named, ordered, reversible revisions.
pub mod migrate {
    pub use tallybook_migrate::*;
}

pub use tallybook_macros::{max_queries, test};

#[doc(hidden)]
pub use tallybook_sql::{__nested, __serde, Queries, Query, Request};
pub use tallybook_sql::{
    AcquireStep, All, ArrayRef, Batch, CallSite, Column, Decode, DecodeError, Dialect, Encode, Error,
    ErrorKind, Escaped, Execute, IsolationLevel, Json, Numeric, One, Optional, Params, ReadBatch, Result,
    Row, RowRef, SqlType, Statement, TextEnum, Value, ValueRef, all, execute, hide_unless_plain, now, one,
    optional, params,
};

pub use tallybook_core::{
    AdvisoryKey, Attributes, Blocker, BucketCounts, BulkLoad, CloseReason, Closed, CommitToken, Committed,
    ConnectionHolder, Counts, Data, DatabaseUrl, Distribution, DurationSummary, EnvVar, Explainer,
    LogSettings, LoggedParameters, Metric, MonitorMode, MonitorSettings, NodeRole, NodeState, NodeStatus,
    OpenMode, Plan, Point, PoolSettings, PoolStatus, PoolTotals, ReadSession, ReplicaSettings, Retries,
    RowStream, Savepoint, Session, Settings, WriteSession, prometheus,
};
pub use tallybook_monitor::{
    Budget, BudgetExceeded, CallCount, Confidence, ConnectionHolderReport, DurationReport, EvictedReport,
    Interval, PoolReport, QueryFinding, Report, ReportSocket, ReportSocketError, RunningReport, Scope,
    ScopeCounts, ScopeSummary, Source, SourceLocation, StatementEvent, StatementReport, TotalsReport,
    Workload, WorkloadStatement,
};

pub use database::Database;
