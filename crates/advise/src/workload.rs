//! The statements of a workload, parsed, with their work on the scratch copy.

use tallybook::{Workload, WorkloadStatement};
use tallybook_sql::dialect::Dialect;
use tallybook_sql::fingerprint::shape;

use crate::advice::Refusal;
use crate::catalog::Catalog;
use crate::scratch::Work;
use crate::statement::{Parsed, parse};

/// A statement that was parsed.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) source: WorkloadStatement,
    /// Text without literals.
    pub(crate) text: String,
    pub(crate) parsed: Parsed,
    /// Work with the indexes that exist.
    pub(crate) baseline: Work,
    /// Work with the indexes picked so far.
    pub(crate) current: Work,
    /// False if it could not be run or planned.
    pub(crate) is_measured: bool,
}

/// The statements of a workload.
#[derive(Debug, Default)]
pub(crate) struct SeenStatements {
    pub(crate) seen: Vec<Seen>,
    pub(crate) refusals: Vec<Refusal>,
}

impl SeenStatements {
    /// Parses the statements. Those that say nothing of tables are left out.
    pub(crate) fn parse(workload: &Workload, dialect: Dialect, catalog: &Catalog) -> Self {
        let mut statements = Self::default();
        for source in &workload.statements {
            let text = shape(&source.sql).into_string();
            if is_of_system(&text) {
                continue;
            }
            let parsed = parse(&source.sql, dialect, catalog).map(|mut parsed| {
                // What not every call has in common is no condition of an index.
                if source.literals_vary {
                    parsed.uses.iter_mut().for_each(|table_use| table_use.constants.clear());
                }
                parsed
            });
            match parsed {
                Ok(parsed) if parsed.tables.is_empty() => {}
                Ok(parsed) => statements.seen.push(Seen {
                    source: source.clone(),
                    text,
                    parsed,
                    baseline: Work::default(),
                    current: Work::default(),
                    is_measured: false,
                }),
                Err(reason) => statements.refusals.push(Refusal {
                    fingerprint: source.fingerprint.clone(),
                    statement: text,
                    index: None,
                    reason,
                }),
            }
        }
        statements
    }

    /// Returns the rows written to a table so far that change an index on columns.
    pub(crate) fn writes(&self, table: &str, columns: &[&str]) -> u64 {
        let writes = self.seen.iter().filter_map(|seen| {
            let write = seen.parsed.write.as_ref().filter(|write| write.table == table)?;
            let is_touched = write.columns.as_ref().is_none_or(|set| {
                set.iter().any(|column| columns.iter().any(|key| key.eq_ignore_ascii_case(column)))
            });
            is_touched.then_some(seen.source.rows.max(seen.source.calls))
        });
        writes.sum()
    }
}

impl Seen {
    /// Returns a refusal for this statement.
    pub(crate) fn refusal(&self, index: Option<String>, reason: String) -> Refusal {
        Refusal { fingerprint: self.source.fingerprint.clone(), statement: self.text.clone(), index, reason }
    }
}

/// Returns whether a statement is no concern of the program's tables: settings, transactions, catalogs.
fn is_of_system(text: &str) -> bool {
    let words = ["select", "insert", "update", "delete", "with", "(", "values"];
    let is_dml = words.iter().any(|word| text.starts_with(word));
    !is_dml || SYSTEM_RELATIONS.iter().any(|name| text.contains(name))
}

/// Relations of the databases and of Tallybook's revisions.
const SYSTEM_RELATIONS: [&str; 11] = [
    "pg_catalog.",
    "pg_stat",
    "from pg_",
    "sqlite_master",
    "pragma_",
    "sqlite_stat",
    "tallybook_revisions",
    "tallybook_steps",
    "tallybook_events",
    "tallybook_pending",
    "tallybook_needs",
];
