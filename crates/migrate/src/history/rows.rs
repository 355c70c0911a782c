//! The rows of the history tables, for all histories.

use chrono::{DateTime, Utc};
use tallybook_core::Session;
use tallybook_core::driver::Connection;
use tallybook_sql::error::Result;
use tallybook_sql::query::all;
use tallybook_sql::{Row, params};

use crate::catalog::{self, fetch};

/// A revision that is applied or being taken back.
#[derive(Row)]
pub(crate) struct RevisionRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) applied_at: DateTime<Utc>,
}

/// A step that is done or running.
#[derive(Row)]
pub(crate) struct StepRow {
    pub(crate) revision: String,
    pub(crate) step: i64,
    pub(crate) what: String,
    pub(crate) checksum: String,
    pub(crate) state: String,
}

/// All rows.
pub(crate) struct Rows {
    pub(crate) applied: Vec<RevisionRow>,
    pub(crate) steps: Vec<StepRow>,
}

const REVISIONS: &str = "SELECT id, name, applied_at FROM tallybook_revisions";
const STEPS: &str =
    "SELECT revision, step, what, checksum, state FROM tallybook_steps ORDER BY revision, step";

/// Reads all rows; none where the tables do not exist.
pub(crate) async fn read(connection: &mut Connection) -> Result<Rows> {
    let tables = catalog::tables(connection).await?;
    let is_there = |name: &str| tables.iter().any(|table| table == name);
    let applied = match is_there("tallybook_revisions") {
        true => fetch(connection, all::<RevisionRow>(REVISIONS, params![])).await?,
        false => Vec::new(),
    };
    let steps = match is_there("tallybook_steps") {
        true => fetch(connection, all::<StepRow>(STEPS, params![])).await?,
        false => Vec::new(),
    };
    Ok(Rows { applied, steps })
}

/// As [`read`], through a session, of those `tables` that exist.
pub(crate) async fn read_in(session: &mut impl Session, tables: &[(String,)]) -> Result<Rows> {
    let is_there = |name: &str| tables.iter().any(|(table,)| table == name);
    let applied = match is_there("tallybook_revisions") {
        true => session.fetch(all::<RevisionRow>(REVISIONS, params![])).await?,
        false => Vec::new(),
    };
    let steps = match is_there("tallybook_steps") {
        true => session.fetch(all::<StepRow>(STEPS, params![])).await?,
        false => Vec::new(),
    };
    Ok(Rows { applied, steps })
}
