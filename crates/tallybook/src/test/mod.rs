//! Tests with a database of their own.
//!
//! ```
//! use tallybook::Database;
//! use tallybook::book::{NewPortfolio, Portfolios, Result};
//!
//! #[tallybook::test]
//! async fn a_portfolio_is_kept(db: Database) -> Result<()> {
//!     let new = NewPortfolio::new("pension");
//!     let kept = db.write(async |session| Portfolios::new(session).create(&new).await).await?.into_value();
//!     let read = Portfolios::new(&mut db.read().await?).get(kept.id).await?;
//!     assert_eq!(read, Some(kept));
//!     Ok(())
//! }
//! ```
//!
//! [`#[tallybook::test]`](macro@crate::test) makes two tests of it, `a_portfolio_is_kept::sqlite` and
//! `a_portfolio_is_kept::postgres`. Each gets a fresh [`Database`] with all revisions applied, and nobody else uses it, so
//! tests run in parallel. The test runs on a runtime of two threads; it needs no other attribute.
//!
//! # Revisions
//! By default the database has the book's revisions. `#[tallybook::test(migrations = REVISIONS)]` applies others: a list of
//! [`Revision`]s, or several lists, each with the name of its history:
//!
//! ```
//! use tallybook::Database;
//! use tallybook::book;
//! use tallybook::migrate::{Column, DEFAULT_HISTORY, Revision, Step, Type};
//! use tallybook::test::History;
//!
//! const NOTES: &[Column] = &[Column::new("id", Type::Id), Column::new("text", Type::Text)];
//! const DESK: &[Revision] = &[Revision::new("0001", "notes", &[Step::table("notes", NOTES)])];
//! const ALL: [History; 2] = [(DEFAULT_HISTORY, book::REVISIONS), ("desk", DESK)];
//!
//! #[tallybook::test(migrations = ALL)]
//! async fn the_desk_has_no_notes(db: Database) { /* … */ }
//! ```
//!
//! `#[tallybook::test(empty)]` applies none.
//!
//! # SQLite
//! The database is a file in a temporary directory, which is removed after the test. The first test of a program applies the
//! revisions; the others copy its file.
//!
//! # PostgreSQL
//! The variable `TALLYBOOK_TEST_POSTGRES_URL` names a server and one of its databases, as a user who may create databases:
//! `postgresql://ada:secret@localhost/postgres`. The test creates a database named after it, and drops it afterwards,
//! also if it fails. The revisions are applied once, to a template that stays on the server: a database whose name begins with
//! `tallybook_template_`, one for each set of revisions. Drop templates whenever you like. A test that is killed leaves its
//! database, whose name begins with `tallybook_test_`.
//!
//! Without the variable the test is reported as ignored, with the reason. The variable is read when the test is compiled, so
//! that changing it compiles the tests again, and when it runs.
//!
//! The crate `tallybook-testkit` starts private servers instead, where PostgreSQL is installed and no server runs.

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use tallybook_core::settings::Settings;
use tallybook_migrate::{DEFAULT_HISTORY, Migrator, Revision, Target};
use tallybook_sql::error::Result;
use tallybook_sql::fingerprint::fnv_1a;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::Database;

#[cfg(feature = "postgres")]
#[doc(hidden)]
pub use postgres::{postgres, postgres_at};
#[cfg(feature = "sqlite")]
#[doc(hidden)]
pub use sqlite::sqlite;

/// Compiles its content if the feature `sqlite` is on.
#[cfg(feature = "sqlite")]
#[doc(hidden)]
#[macro_export]
macro_rules! __if_sqlite {
    ($($item:tt)*) => { $($item)* };
}

#[cfg(not(feature = "sqlite"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __if_sqlite {
    ($($item:tt)*) => {};
}

/// Compiles its content if the feature `postgres` is on.
#[cfg(feature = "postgres")]
#[doc(hidden)]
#[macro_export]
macro_rules! __if_postgres {
    ($($item:tt)*) => { $($item)* };
}

#[cfg(not(feature = "postgres"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __if_postgres {
    ($($item:tt)*) => {};
}

/// The variable that names the PostgreSQL server of tests.
pub const POSTGRES_URL: &str = "TALLYBOOK_TEST_POSTGRES_URL";

/// A history: its name, and its revisions.
pub type History = (&'static str, &'static [Revision]);

#[doc(hidden)]
pub const NO_REVISIONS: &[Revision] = &[];

/// Revisions for the database of a test: those of the main history, or several histories with their names.
pub trait IntoHistories {
    /// Returns the histories in the order in which they are applied.
    fn into_histories(self) -> Vec<History>;
}

impl IntoHistories for &'static [Revision] {
    fn into_histories(self) -> Vec<History> {
        if self.is_empty() { Vec::new() } else { vec![(DEFAULT_HISTORY, self)] }
    }
}

impl<const N: usize> IntoHistories for &'static [Revision; N] {
    fn into_histories(self) -> Vec<History> {
        self.as_slice().into_histories()
    }
}

impl IntoHistories for &[History] {
    fn into_histories(self) -> Vec<History> {
        self.to_vec()
    }
}

impl<const N: usize> IntoHistories for [History; N] {
    fn into_histories(self) -> Vec<History> {
        self.into()
    }
}

/// Time that sessions and tasks which a test has left have to end.
const GRACE: Duration = Duration::from_secs(5);

/// A place for the database of one test, removed when it is dropped.
trait Place {
    fn url(&self) -> String;

    /// Removes the place.
    fn remove(&mut self) -> Result<(), String>;
}

/// Runs a test on the database in a place, and removes the place in any case.
fn run<T, F: Future<Output = T>>(mut place: impl Place, case: impl FnOnce(Database) -> F) -> T {
    let runtime = runtime();
    let mut opened = None;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let db = open(&place.url()).await.unwrap_or_else(|error| panic!("the test's database: {error}"));
            case(opened.insert(db).clone()).await
        })
    }));
    if let Some(db) = opened {
        // Sessions that a task still holds end with the runtime.
        let _ = runtime.block_on(async { timeout(GRACE, db.close()).await });
    }
    runtime.shutdown_timeout(GRACE);
    let removed = place.remove();
    let value = outcome.unwrap_or_else(|panic| resume_unwind(panic));
    if let Err(problem) = removed {
        panic!("the test's database is not removed: {problem}");
    }
    value
}

fn runtime() -> Runtime {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap_or_else(|error| panic!("no runtime for the test: {error}"))
}

async fn open(url: &str) -> Result<Database> {
    Database::open(Settings::new(url)?).await
}

/// Applies revisions to the empty database at a URL.
async fn migrate(url: &str, histories: &[History]) -> Result<()> {
    let db = open(url).await?;
    for (name, revisions) in histories {
        Migrator::named(&db, name, revisions).upgrade(&Target::Head).await?;
    }
    db.close().await;
    Ok(())
}

/// Returns a text that differs for other revisions and other versions of this crate.
fn fingerprint(histories: &[History]) -> String {
    let text = format!("{} {histories:?}", env!("CARGO_PKG_VERSION"));
    format!("{:016x}", fnv_1a(text.bytes()))
}

/// Returns a text that no other test has.
fn unique() -> String {
    use std::hash::{BuildHasher, RandomState};
    use std::sync::atomic::{AtomicU64, Ordering};

    static COUNT: AtomicU64 = AtomicU64::new(0);
    // Each state has keys of its own, from the operating system's randomness.
    let random = RandomState::new().hash_one((std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    format!("{:08x}", random & 0xffff_ffff)
}
