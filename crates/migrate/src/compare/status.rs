//! The migration status of a database.

use tallybook_core::driver::Connection;
use tallybook_sql::error::Result;

use crate::adopt::adoption_record::LastAdoption;
use crate::catalog;
use crate::compare::comparison;
use crate::compare::difference::Difference;
use crate::compare::expected::Expected;
use crate::history::history_name::{DEFAULT_HISTORY, HistoryName};
use crate::history::other_histories::OtherHistory;
use crate::history::{self, History, HistoryEntry};
use crate::steps::revision::{Revision, steps};

/// The migration status of a database.
pub struct Status {
    /// Each revision, and when it was applied.
    pub entries: Vec<HistoryEntry>,
    /// Differences from the applied revisions.
    pub differences: Vec<Difference>,
    /// All tables of the current schema, except the history tables.
    pub tables: Vec<String>,
    /// Those tables of the revisions that exist, no matter what created them.
    pub own_tables: Vec<String>,
    /// Set if the database was adopted from Alembic.
    pub is_adopted: bool,
    /// The other histories in the database.
    pub others: Vec<OtherHistory>,
}

/// Reads the status of the main history. Read-only.
pub async fn status(connection: &mut Connection, revisions: &[Revision]) -> Result<Status> {
    let (history, differences) = compare(connection, HistoryName(DEFAULT_HISTORY), revisions).await?;
    let tables = catalog::tables(connection).await?.into_iter();
    let tables: Vec<_> = tables.filter(|table| !table.starts_with("tallybook_")).collect();
    let known = Expected::after(steps(revisions)).tables;
    let is_own = |table: &&String| known.iter().any(|known| known.name == **table);
    let own_tables = tables.iter().filter(is_own).cloned().collect();
    let is_adopted = LastAdoption::read(connection).await?.adopted().is_some();
    Ok(Status {
        entries: history.entries,
        differences,
        tables,
        own_tables,
        is_adopted,
        others: history.others,
    })
}

/// Reads the history, and compares the database with the applied revisions.
pub(crate) async fn compare(
    connection: &mut Connection,
    name: HistoryName<'_>,
    revisions: &[Revision],
) -> Result<(History, Vec<Difference>)> {
    let history = history::read(connection, name, revisions).await?;
    history.check_texts(revisions)?;
    let (has, later) = revisions.split_at(history.applied());
    let (has, later): (Vec<_>, Vec<_>) = (steps(has).collect(), steps(later).collect());
    let differences = comparison::differences(connection, &has, &later).await?;
    Ok((history, differences))
}

/// Returns the names of the indexes that revisions create.
pub fn indexes_of(revisions: &[Revision]) -> Vec<&'static str> {
    let expected = Expected::after(steps(revisions));
    expected.tables.iter().flat_map(|table| &table.indexes).map(|index| index.name).collect()
}
