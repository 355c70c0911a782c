//! The SQLite driver: connections, pipelines and bulk loads over rusqlite.
//!
//! The pool opens connections through a [`Connector`] and executes batches on them:
//!
//! ```
//! use tallybook_sql::driver::Role;
//! use tallybook_sql::transaction::{Begin, TransactionFraming};
//! use tallybook_sql::{execute, one, params};
//! use tallybook_sqlite::Connector;
//! use tallybook_sqlite::config::{FileAccess, SqliteLocation};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> tallybook_sql::Result<()> {
//! let connector = Connector::new(&SqliteLocation::Memory, FileAccess::to_look());
//! let mut connection = connector.connect(Role::Write).await?;
//! connection.script("CREATE TABLE notes (id integer PRIMARY KEY, title text)").await?;
//!
//! let write = TransactionFraming { begin: Some(Begin::Write), ..TransactionFraming::default() };
//! let insert = execute("INSERT INTO notes (title) VALUES ($1)", params!["first"]);
//! assert_eq!(connection.execute(insert, write, None).await.finish()?, 1);
//! connection.commit().await?;
//!
//! let read = TransactionFraming { read_only: true, ..TransactionFraming::default() };
//! let count = one::<(i64,)>("SELECT count(*) FROM notes", params![]);
//! assert_eq!(connection.execute(count, read, None).await.finish()?, (1,));
//! # Ok(())
//! # }
//! ```
//!
//! # Threads
//!
//! SQLite blocks, so each connection has a thread of its own. A pipeline takes one hop to it and back. The hops cost several
//! times as much as a short read, so short reads and inserts run on the caller's thread, within an inline budget of 100
//! microseconds. A pipeline that exceeds it is interrupted and runs again on the connection's thread.
//!
//! # Durability
//!
//! A file is in WAL mode. A commit writes the log and releases the writer; one flush then makes all commits written before
//! it durable. [`Connection::commit`] returns a [`PendingFlush`] to wait for. After a failed flush no commit is acknowledged until
//! the log has been rewritten. A log that has grown is checkpointed in the background ([`Connector::shorten_log`]).
//!
//! # The file
//!
//! A file that is deleted, replaced or moved while it is open stays readable and writable for those who have it open. The
//! driver verifies the path before reads and after flushes, and refuses all work once the file is gone.
//!
//! # What sessions may change
//!
//! An authorizer denies readers every change to their settings, and records what writers leave on a connection, so that the
//! pool can replace it. Readers have `query_only` set.

mod authorizer;
mod bind;
mod checked_results;
mod checkpoint;
mod connect;
mod connection;
mod error;
mod file;
mod functions;
mod group;
mod inline_budget;
mod journal_mode;
mod last_batch;
mod load;
mod lock_holders;
mod pipeline;
mod row;
mod scratch;
mod stream;
#[cfg(test)]
mod tests;
mod wal;

pub use tallybook_sql::file_access as config;

pub use connect::Connector;
pub use connection::Connection;
pub use group::{ExecutedGroup, Members};
pub use load::Load;
pub use lock_holders::{Process, lock_holders, log_readers};
pub use scratch::{Scratch, ScratchStop, ScratchWork};
pub use stream::Rows;
pub use wal::PendingFlush;
