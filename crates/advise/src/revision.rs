//! The revision that follows the advice.

use std::fmt::Write;

use serde::Serialize;

use crate::advice::Advice;
use crate::index_key::IndexKey;
use crate::sql_text::name;

/// A revision that adds and drops the advised indexes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AdvisedRevision {
    /// Rust source: a constant of type `Revision`.
    pub rust: String,
    /// SQL statements, each to be run by itself.
    pub sql: Vec<String>,
}

impl Advice {
    /// Returns the revision for a program's list of revisions, under an id.
    pub fn revision(&self, id: &str) -> AdvisedRevision {
        let added = self
            .add
            .iter()
            .map(|index| step(&index.name, &index.table, &index.keys, index.filter.as_deref(), ""));
        // An index of expressions, or one that SQL made in another way, is left to SQL.
        let dropped =
            self.drop.iter().filter(|index| !index.keys.is_empty()).map(|index| {
                step(&index.name, &index.table, &index.keys, index.filter.as_deref(), ".dropped()")
            });
        let mut rust = String::from(
            "use tallybook::migrate::{Revision, Step};\n\n/// Indexes that `tallybook advise` proved.\n",
        );
        // Writing to a string cannot fail.
        let _ = writeln!(
            rust,
            "pub const ADVISED_INDEXES: Revision = Revision::new({id:?}, \"advised indexes\", &["
        );
        for step in added.chain(dropped) {
            let _ = writeln!(rust, "    {step},");
        }
        rust.push_str("]);");
        let sql = self
            .add
            .iter()
            .map(|index| index.sql.clone())
            .chain(self.drop.iter().map(|index| index.sql.clone()));
        AdvisedRevision { rust, sql: sql.map(|sql| format!("{sql};")).collect() }
    }
}

fn step(index: &str, table: &str, keys: &[IndexKey], filter: Option<&str>, end: &str) -> String {
    let keys: Vec<_> = keys.iter().map(|key| format!("{:?}", key.sql())).collect();
    let filter = filter.map(|filter| format!(".filter({filter:?})")).unwrap_or_default();
    format!("Step::index({:?}, {:?}, &[{}]){filter}{end}", name(index), name(table), keys.join(", "))
}
