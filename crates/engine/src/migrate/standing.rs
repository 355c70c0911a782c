//! Where a database stands: its revisions, and what differs from them.

use super::catalog;
use super::comparison;
use super::difference::Difference;
use super::expected::Expected;
use super::history::{self, Entry, History};
use super::name::{MAIN, Name};
use super::others::Other;
use super::record::Last;
use super::revision::{Revision, steps};
use crate::driver::Connection;
use crate::error::Result;

/// Where a database stands.
pub(crate) struct Standing {
    /// Each revision, and when it was applied.
    pub(crate) entries: Vec<Entry>,
    /// What differs from what the applied ones say.
    pub(crate) differences: Vec<Difference>,
    /// All tables of the current schema, but for those that record revisions.
    pub(crate) tables: Vec<String>,
    /// The tables of the revisions that are there, whoever made them.
    pub(crate) own_tables: Vec<String>,
    /// It was adopted.
    pub(crate) is_adopted: bool,
    /// The histories of other revisions.
    pub(crate) others: Vec<Other>,
}

/// Looks where a database stands with its main history, and changes nothing.
pub(crate) async fn standing(connection: &mut Connection, revisions: &[Revision]) -> Result<Standing> {
    let (history, differences) = compare(connection, Name(MAIN), revisions).await?;
    let tables = catalog::tables(connection).await?.into_iter();
    let tables: Vec<_> = tables.filter(|table| !table.starts_with("tallybook_")).collect();
    let known = Expected::after(steps(revisions)).tables;
    let is_own = |table: &&String| known.iter().any(|known| known.name == **table);
    let own_tables = tables.iter().filter(is_own).cloned().collect();
    let is_adopted = Last::read(connection).await?.adopted().is_some();
    Ok(Standing {
        entries: history.entries,
        differences,
        tables,
        own_tables,
        is_adopted,
        others: history.others,
    })
}

/// The record of the revisions, and what differs from what those say that are applied.
pub(super) async fn compare(
    connection: &mut Connection,
    name: Name<'_>,
    revisions: &[Revision],
) -> Result<(History, Vec<Difference>)> {
    let history = history::read(connection, name, revisions).await?;
    history.check_texts(revisions)?;
    let (has, later) = revisions.split_at(history.applied());
    let (has, later): (Vec<_>, Vec<_>) = (steps(has).collect(), steps(later).collect());
    let differences = comparison::differences(connection, &has, &later).await?;
    Ok((history, differences))
}

/// The names of the indexes that revisions make.
pub(crate) fn indexes_of(revisions: &[Revision]) -> Vec<&'static str> {
    let expected = Expected::after(steps(revisions));
    expected.tables.iter().flat_map(|table| &table.indexes).map(|index| index.name).collect()
}
