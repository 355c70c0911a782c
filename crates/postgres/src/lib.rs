//! The PostgreSQL driver: a client of its own, and connections, pipelines and bulk loads over it.
//!
//! The pool opens connections through a [`Connector`] and executes batches on them:
//!
//! ```no_run
//! use tallybook_postgres::Connector;
//! use tallybook_postgres::config::PostgresTarget;
//! use tallybook_sql::driver::Role;
//! use tallybook_sql::transaction::TransactionFraming;
//! use tallybook_sql::{all, params};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let target = PostgresTarget::read("//ada@localhost/book?sslmode=require")?;
//! let connector = Connector::new(&target);
//! let mut connection = connector.connect(Role::Read).await?;
//!
//! let batch = (
//!     all::<(i64, String)>("SELECT id, symbol FROM trades WHERE portfolio_id = $1", params![7]),
//!     all::<(i64, String)>("SELECT id, symbol FROM positions WHERE portfolio_id = $1", params![7]),
//! );
//! let snapshot = TransactionFraming::default().snapshot();
//! let (trades, positions) = connection.execute(batch, snapshot, None).await.finish()?;
//! # let _ = (trades, positions);
//! # Ok(())
//! # }
//! ```
//!
//! # Pipelines
//!
//! [`Connection::execute`] sends a batch in one round trip: BEGIN, the statements, COMMIT. A statement that is not prepared
//! yet is executed unnamed and prepared in the same round trip. Each connection keeps up to 256 prepared statements.
//!
//! # Cancellation
//!
//! Dropping a future abandons its statement. [`Connection::clean`] then waits briefly, sends a cancel request, and rolls
//! back. A connection on which a statement was cancelled is closed, because the request may arrive late.
//!
//! # Read-only by default
//!
//! Start-up options make every transaction read-only unless it says otherwise. They are read back after connecting. Behind
//! a pooler that drops them they are set by statement: once, if the pooler keeps one server connection for each session,
//! otherwise in each transaction.
//!
//! # Untrusted servers
//!
//! The size of every message, the number of reported settings and the cost of SCRAM are limited, so that a broken or hostile
//! server can't exhaust the memory or the CPU of its client. [`config`] parses URLs with libpq's parameters; no error quotes
//! a URL.

mod backends;
mod client;
mod condition;
mod connect;
mod connection;
mod cursor;
mod error;
mod exact;
mod load;
mod numeric;
mod open_connections;
mod param;
mod pipeline;
mod plaintext_warning;
mod pooler;
mod row;
mod server_info;
mod startup;
mod types;

pub mod config;

pub use connect::Connector;
pub use connection::Connection;
pub use cursor::Rows;
pub use error::{is_login_refused, is_silent, network_failure, refusal};
pub use load::Load;
pub use server_info::STANDBY_TIMELINE;
