//! Checks of tables against their revisions and their database, for tests.
//!
//! ```
//! use tallybook::book::{Execution, Portfolio, Position, REVISIONS, Trade, TradingSession};
//!
//! // In a test without a database:
//! tallybook::check!(REVISIONS; Portfolio, Position, Trade, Execution, TradingSession);
//! ```
//!
//! [`check!`](crate::check!) compares each struct with the tables after all revisions: names, types, lengths, `NULL`, keys and
//! indexes. With a database it also compares the struct with the catalog, and lets the database prepare each statement of
//! the table. It panics with all [`Findings`], each with the step to paste into the next revision. Its two parts are the
//! functions [`revisions`] and [`database`].

mod column_type;
mod compare;
mod finding;
mod statements;
mod steps;

use tallybook_migrate::{Revision, Schema};
use tallybook_sql::Result;
use tallybook_tables::tables::Declaration;

use crate::Database;
use compare::Comparison;

pub use finding::{Finding, Findings, Severity};

/// Checks tables in a test: `check!(REVISIONS; Trade, Portfolio)` against revisions, without a database, and
/// `check!(REVISIONS, db; Trade, Portfolio)` against a database too, which has these revisions. The second form awaits.
///
/// ```
/// # use tallybook::{Database, Settings};
/// use tallybook::book::{Portfolio, REVISIONS, Trade, upgrade};
///
/// # #[tokio::main]
/// # async fn main() {
/// let db = Database::open(Settings::new("sqlite::memory:").unwrap()).await.unwrap();
/// upgrade(&db).await.unwrap();
/// tallybook::check!(REVISIONS, db; Trade, Portfolio);
/// # }
/// ```
///
/// It panics with all problems, each with the steps to paste:
///
/// ```should_panic
/// use tallybook::book::REVISIONS;
/// use tallybook::tables::{Id, Table};
///
/// #[derive(Clone, Debug, PartialEq, Table)]
/// #[table(name = "notes")]
/// struct Note {
///     id: Id<Note>,
///     #[table(max = 40)]
///     author: String,
/// }
///
/// tallybook::check!(REVISIONS; Note);
/// ```
///
/// # Panics
/// If there is a problem, or the database cannot be read.
#[macro_export]
macro_rules! check {
    ($revisions:expr; $($table:ty),+ $(,)?) => {
        $crate::check::revisions(&$revisions, &[$($crate::tables::Declaration::of::<$table>()),+]).assert()
    };
    ($revisions:expr, $db:expr; $($table:ty),+ $(,)?) => {{
        let tables = [$($crate::tables::Declaration::of::<$table>()),+];
        $crate::check::revisions(&$revisions, &tables).assert();
        match $crate::check::database(&$db, &tables).await {
            Ok(findings) => findings.assert(),
            Err(error) => panic!("the database cannot be checked: {error}"),
        }
    }};
}

/// Compares tables with what revisions declare, on both dialects and without a database.
///
/// Steps of SQL count only as far as they say with [`Step::alters`](tallybook_migrate::Step::alters).
pub fn revisions(revisions: &[Revision], tables: &[Declaration]) -> Findings {
    let schema = Schema::declared(revisions);
    let compare = |declaration| Comparison { declaration, schema: &schema, side: "revisions" }.findings();
    Findings(tables.iter().flat_map(compare).collect())
}

/// Compares tables with the catalog of a database, and lets it prepare each statement of theirs. Writes nothing.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub async fn database(db: &Database, tables: &[Declaration]) -> Result<Findings> {
    let names: Vec<_> = tables.iter().map(|table| table.name).collect();
    let schema = Schema::existing(db, &names).await?;
    let mut findings = Vec::new();
    for declaration in tables {
        let differences = Comparison { declaration, schema: &schema, side: "database" }.findings();
        // What is refused because of a difference says so twice.
        let is_clean = differences.iter().all(|finding| finding.severity == Severity::Note);
        findings.extend(differences);
        if is_clean {
            findings.extend(statements::findings(db, declaration, &schema).await?);
        }
    }
    Ok(Findings(findings))
}
