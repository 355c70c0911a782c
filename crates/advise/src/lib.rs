//! Index advice for a [`Database`](tallybook::Database), proved before it is given.
//!
//! [`advise()`] takes the statements that a program really ran, with their frequencies and some of their parameters
//! ([`Database::workload`](tallybook::Database::workload)), and tries the indexes that could serve them on a scratch copy.
//!
//! ```
//! use tallybook::{Database, Settings, all, execute, params};
//! use tallybook_advise::{Options, advise};
//!
//! # #[tokio::main]
//! # async fn main() -> tallybook::Result<()> {
//! # let file = std::env::temp_dir().join(format!("tallybook-advise-{}.db", std::process::id()));
//! let db = Database::open(Settings::new(&format!("sqlite:///{}", file.display()))?).await?;
//! db.write(async |session| -> tallybook::Result<u64> {
//!     session.run(execute("CREATE TABLE ticks (id integer primary key, symbol text)", params![])).await?;
//!     let rows = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO ticks SELECT i, 'S' || (i % 500) FROM n";
//!     session.run(execute(rows, params![])).await
//! })
//! .await?;
//! for number in 0..500 {
//!     let symbol = format!("S{number}");
//!     db.read().await?.run(all::<(i64,)>("SELECT id FROM ticks WHERE symbol = $1", params![symbol])).await?;
//! }
//!
//! let advice = advise(&db, &db.workload(), &Options::default()).await?;
//! assert_eq!(advice.add[0].sql, "CREATE INDEX ix_ticks_symbol ON ticks (symbol)");
//! assert!(advice.add[0].gains[0].saving() > 0.9);
//! # db.close().await;
//! # std::fs::remove_file(file).unwrap();
//! # Ok(())
//! # }
//! ```
//!
//! # How it decides
//!
//! 1. `statement` finds what each statement compares, joins and orders; `candidate` makes indexes of that.
//! 2. `scratch` copies the tables: an anonymous temporary file on SQLite, temporary tables on PostgreSQL.
//! 3. `search` makes each candidate on the copy, plans and runs the statements again, keeps the one that saves most, and
//!    begins again, until none saves half of a statement's work.
//! 4. An index must also be faster by the clock, and save more time than maintaining it costs.
//! 5. `drops` finds indexes without use, with the checks of the doctor.

mod advice;
mod advise;
mod candidate;
mod catalog;
mod comparison;
mod drops;
mod duration;
mod index_key;
mod options;
mod revision;
mod scratch;
mod search;
mod sql_text;
mod statement;
mod statement_statistics;
mod trial;
mod workload;

pub use advice::{
    Advice, AdvisedIndex, DropReason, ExaminedStatement, IndexToDrop, Refusal, StaleStatistics,
    StatementGain, WorkUnit,
};
pub use advise::advise;
pub use comparison::{Outcome, compare};
pub use index_key::IndexKey;
pub use options::Options;
pub use revision::AdvisedRevision;
pub use statement_statistics::workload_of_server;
