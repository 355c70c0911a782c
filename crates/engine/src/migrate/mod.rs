//! Revisions: named, ordered, reversible changes of a schema, each applied in one transaction and recorded
//! in the table `tallybook_revisions`.
//!
//! ```
//! use tallybook_engine::migrate::{Goal, Migrator, Revision, Step};
//! use tallybook_engine::{Database, Settings, Statement};
//!
//! const REVISIONS: &[Revision] = &[Revision {
//!     id: "0001",
//!     name: "notes",
//!     upgrade: &[Step::sql("create notes", Statement::new("CREATE TABLE notes (id integer primary key)"))],
//!     downgrade: &[Step::sql("drop notes", Statement::new("DROP TABLE notes"))],
//! }];
//!
//! # #[tokio::main]
//! # async fn main() -> tallybook_engine::Result<()> {
//! let db = Database::open(Settings::new("sqlite::memory:")?).await?;
//! let migrator = Migrator::new(&db, REVISIONS);
//! assert_eq!(migrator.upgrade(&Goal::Head).await?.len(), 1);
//! assert_eq!(migrator.current().await?.as_deref(), Some("0001"));
//! # Ok(())
//! # }
//! ```

mod goal;
mod history;
mod migrator;
mod revision;

pub use goal::Goal;
pub use history::Entry;
pub use migrator::{Change, Migrator};
pub use revision::{Revision, Step};
