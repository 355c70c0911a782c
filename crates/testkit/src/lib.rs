//! Real databases for tests: throw-away PostgreSQL servers and SQLite files.
//!
//! ```
//! use tallybook::book::{NewPortfolio, Portfolios, upgrade};
//! use tallybook::{Database, Settings};
//! use tallybook_testkit::{SqliteFile, postgres};
//!
//! async fn keeps_a_portfolio(url: &str) {
//!     let db = Database::open(Settings::new(url).unwrap()).await.unwrap();
//!     let new = NewPortfolio::new("pension");
//!     db.write(async |session| Portfolios::new(session).create(&new).await).await.unwrap();
//! }
//!
//! #[tokio::main]
//! async fn main() {
//!     // A private server, started by the first test; a copy of a database with the book's tables.
//!     let server = postgres().await;
//!     let book = server
//!         .template("book", async |url| {
//!             let db = Database::open(Settings::new(&url).unwrap()).await.unwrap();
//!             upgrade(&db).await.unwrap();
//!             db.close().await;
//!         })
//!         .await;
//!     let database = server.database_from(&book, "a_portfolio_is_kept").await;
//!     keeps_a_portfolio(database.url()).await;
//!
//!     // The same on SQLite.
//!     let file = SqliteFile::new("a_portfolio_is_kept");
//!     let db = Database::open(Settings::new(&file.url()).unwrap()).await.unwrap();
//!     upgrade(&db).await.unwrap();
//!     keeps_a_portfolio(&file.url()).await;
//! }
//! ```
//!
//! The crate knows only URLs: it starts servers for any PostgreSQL client. Add it and `tokio`, with the features `macros` and
//! `rt-multi-thread`, to the development dependencies.
//!
//! # Databases
//! [`postgres()`] returns a server that all processes of a test run share. A test takes a fresh [`Database`] from it,
//! empty or copied from a [`Template`]. The server ends by itself some seconds after the last process that uses it.
//! [`SqliteFile`] is a path for an SQLite database. [`both_dialects!`] declares a test that runs on both, and an
//! [`Original`] is what its databases are copies of.
//!
//! Where a PostgreSQL server runs already, `#[tallybook::test]` needs no testkit: it makes its databases on the server that
//! `TALLYBOOK_TEST_POSTGRES_URL` names.
//!
//! # Faults
//! * [`Cluster`] is a server of a test's own, to kill, freeze or reconfigure. [`Cluster::standby`] adds a streaming
//!   standby, and [`Cluster::promote`] makes it the primary. [`CertificateAuthority`] issues certificates for TLS.
//! * [`Proxy`] is a TCP proxy that delays, drops and resets connections.
//! * [`PgBouncer`] is the real connection pooler.
//! * [`Disk`] records what a program writes and flushes, and shows what a power failure would leave.
//!
//! [`alembic()`], [`run_script`] and [`promtool()`] serve Tallybook's own tests.
//!
//! # Clean-up
//! Nothing outlives its owner, not even one that is killed: a small process watches each server, and removes it together
//! with its directory. A test that hangs ends the test program after ten minutes and is named; [`takes_at_most`] changes
//! the limit.
//!
//! # Requirements
//! The crate is for Linux: it needs `/proc` and util-linux's `flock`, `setsid` and `ipcrm`, and root and `mount` to fill a
//! disk. Where PostgreSQL is not installed, tests fail with a message that says what to install; they are never skipped.
//! Servers keep their data in memory, in `/dev/shm`, if that has room; `TMPDIR` puts them elsewhere.

mod address;
mod admin_connection;
mod alembic;
mod authority;
mod binaries;
mod both_dialects;
mod cluster;
mod database;
mod disk;
mod error;
mod identifier;
mod initdb_cache;
mod log_disk;
mod original;
mod os_user;
mod pgbouncer;
mod polled;
mod port;
mod processes;
mod promtool;
mod proxy;
mod random;
mod reaper;
mod replication;
mod server;
mod shared;
mod sqlite;
mod state;
mod temp_directory;
mod template;
mod watchdog;

pub use alembic::{ALEMBIC_VERSIONS, alembic, alembic_script, run_script};
pub use authority::CertificateAuthority;
pub use binaries::Binaries;
pub use cluster::Cluster;
pub use database::Database;
pub use disk::{Disk, DiskEvent, Trace};
pub use error::Error;
pub use original::{Filling, Original};
pub use pgbouncer::PgBouncer;
pub use polled::polled;
pub use promtool::promtool;
pub use proxy::{Counts, Mode, Proxy};
pub use shared::{Postgres, postgres};
pub use sqlite::SqliteFile;
pub use template::Template;
pub use watchdog::takes_at_most;
