//! Where a database stands: its revisions, and what differs from them.

use super::difference::{self, Difference};
use super::expected::Expected;
use super::history::{self, Entry, History};
use super::name::{MAIN, Name};
use super::others::Other;
use super::revision::Revision;
use super::{adopt, catalog};
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
    /// The histories of other revisions.
    pub(crate) others: Vec<Other>,
}

/// Looks where a database stands with its main history, and changes nothing.
pub(crate) async fn standing(connection: &mut Connection, revisions: &[Revision]) -> Result<Standing> {
    let (history, differences) = compare(connection, Name(MAIN), revisions).await?;
    let tables = catalog::tables(connection).await?.into_iter();
    let tables = tables.filter(|table| !table.starts_with("tallybook_")).collect();
    Ok(Standing { entries: history.entries, differences, tables, others: history.others })
}

/// The record of the revisions, and what differs from what those say that are applied.
pub(super) async fn compare(
    connection: &mut Connection,
    name: Name<'_>,
    revisions: &[Revision],
) -> Result<(History, Vec<Difference>)> {
    let history = history::read(connection, name, revisions).await?;
    history.check_texts(revisions)?;
    let applied = &revisions[..history.applied()];
    let expected = Expected::after(applied.iter().flat_map(|revision| revision.steps()));
    let mut differences = Vec::new();
    for table in &expected.tables {
        let found = catalog::table(connection, table.name).await?;
        differences.extend(difference::table(table, found.as_ref(), connection.engine()));
    }
    let later = revisions[applied.len()..].iter().flat_map(|revision| revision.steps());
    adopt::mark_applied(&mut differences, later);
    Ok((history, differences))
}

/// The names of the indexes that revisions make.
pub(crate) fn indexes_of(revisions: &[Revision]) -> Vec<&'static str> {
    let expected = Expected::after(revisions.iter().flat_map(|revision| revision.steps()));
    expected.tables.iter().flat_map(|table| &table.indexes).map(|index| index.name).collect()
}
