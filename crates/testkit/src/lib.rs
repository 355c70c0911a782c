//! Real databases for tests: throw-away PostgreSQL servers and SQLite files.
//!
//! * [`postgres()`] is one server shared by a whole test run, however many
//!   processes the run has. A test takes a fresh [`Database`] from it, empty
//!   or cloned from a [`Template`]. The server ends by itself some seconds
//!   after the last process that uses it.
//! * [`Cluster`] is a server of one's own, for tests that do to a server what
//!   no other test must notice: kill it, hang it, change its settings.
//!   [`Cluster::standby`] copies it, and [`Cluster::promote`] makes a primary
//!   of the copy. [`Authority`] lets it offer TLS.
//! * [`Proxy`] is a way to a server on which things go wrong.
//! * [`PgBouncer`] is the real pooler before a server.
//! * [`SqliteFile`] is a path for a SQLite database.
//! * [`Disk`] watches what a program writes and flushes, and shows what a power
//!   failure would leave of it.
//!
//! Nothing outlives its owner, not even one that is killed: a small process
//! watches each server and removes it together with its directory. Where
//! PostgreSQL is not installed, tests fail with a text that says what to
//! install; they never pass by being skipped. A test that hangs ends the test
//! program after ten minutes, with its name; [`takes_at_most`] gives one more.
//!
//! The crate is for Linux: it needs `/proc` and util-linux's `flock`, `setsid`
//! and `ipcrm`, and root and `mount` to fill a disk. Servers keep their data in memory, in `/dev/shm`, if that has
//! room; `TMPDIR` puts them elsewhere.
//!
//! ```no_run
//! use tallybook_testkit::{SqliteFile, postgres};
//!
//! async fn run(url: &str, sql: &str) {
//!     let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
//!         .await
//!         .unwrap();
//!     tokio::spawn(connection);
//!     client.batch_execute(sql).await.unwrap();
//! }
//!
//! #[tokio::main]
//! async fn main() {
//!     let server = postgres().await;
//!     let ledger = server
//!         .template("ledger", async |url| {
//!             run(&url, "CREATE TABLE entry (amount numeric NOT NULL)").await;
//!         })
//!         .await;
//!
//!     let database = server.database_from(&ledger, "an_entry_is_kept").await;
//!     run(database.url(), "INSERT INTO entry VALUES (12.50)").await;
//!
//!     let file = SqliteFile::new("an_entry_is_kept");
//!     assert!(file.url().starts_with("sqlite:////"));
//! }
//! ```

mod account;
mod address;
mod administrator;
mod alembic;
mod authority;
mod binaries;
mod both_engines;
mod cluster;
mod database;
mod disk;
mod error;
mod identifier;
mod log_disk;
mod pgbouncer;
mod place;
mod port;
mod prepared;
mod processes;
mod promtool;
mod proxy;
mod random;
mod replication;
mod server;
mod shared;
mod sqlite;
mod state;
mod supervisor;
mod template;
mod watchdog;

pub use alembic::{ALEMBIC_VERSIONS, alembic, alembic_script, run_script};
pub use authority::Authority;
pub use binaries::Binaries;
pub use cluster::Cluster;
pub use database::Database;
pub use disk::{Disk, DiskEvent, Trace};
pub use error::Error;
pub use pgbouncer::PgBouncer;
pub use promtool::promtool;
pub use proxy::{Counts, Mode, Proxy};
pub use shared::{Postgres, postgres};
pub use sqlite::SqliteFile;
pub use template::Template;
pub use watchdog::takes_at_most;
