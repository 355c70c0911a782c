//! What the tables of history hold, of all histories.

use chrono::{DateTime, Utc};

use super::catalog::{self, fetch};
use crate::driver::Connection;
use crate::error::Result;
use crate::query::all;
use crate::{Row, params};

/// A revision that is applied, or is being taken back.
#[derive(Row)]
pub(super) struct RevisionRow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) applied_at: DateTime<Utc>,
}

/// A step that was done, or is being done.
#[derive(Row)]
pub(super) struct StepRow {
    pub(super) revision: String,
    pub(super) step: i64,
    pub(super) what: String,
    pub(super) checksum: String,
    pub(super) state: String,
}

/// All that is recorded.
pub(super) struct Rows {
    pub(super) applied: Vec<RevisionRow>,
    pub(super) steps: Vec<StepRow>,
}

/// What is recorded; nothing where there are no tables.
pub(super) async fn read(connection: &mut Connection) -> Result<Rows> {
    let tables = catalog::tables(connection).await?;
    let is_there = |name: &str| tables.iter().any(|table| table == name);
    let applied = match is_there("tallybook_revisions") {
        true => {
            let sql = "SELECT id, name, applied_at FROM tallybook_revisions";
            fetch(connection, all::<RevisionRow>(sql, params![])).await?
        }
        false => Vec::new(),
    };
    let steps = match is_there("tallybook_steps") {
        true => {
            let sql =
                "SELECT revision, step, what, checksum, state FROM tallybook_steps ORDER BY revision, step";
            fetch(connection, all::<StepRow>(sql, params![])).await?
        }
        false => Vec::new(),
    };
    Ok(Rows { applied, steps })
}
