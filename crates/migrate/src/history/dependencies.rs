//! Dependencies between revisions of different histories.

use tallybook_core::driver::Connection;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::params;
use tallybook_sql::query::{Execute, all, execute};

use crate::catalog::{self, fetch};
use crate::history::History;
use crate::history::history_name::{DEFAULT_HISTORY, HistoryName, split_id};
use crate::steps::revision::Revision;

const TABLE: &str = "tallybook_needs";

/// Returns the statements that record what a revision depends on.
pub(crate) fn record(name: HistoryName<'_>, revision: &Revision) -> Vec<Execute> {
    let needs = revision.needs.iter().map(|(history, id)| {
        execute(
            "INSERT INTO tallybook_needs (revision, needs) VALUES ($1, $2) ON CONFLICT (revision, needs) DO NOTHING",
            params![name.stored(revision.id), HistoryName(history).stored(id)],
        )
    });
    needs.collect()
}

/// Returns an error if the revision needs one of another history that is not completely applied.
pub(crate) fn check_met(name: HistoryName<'_>, revision: &Revision, history: &History) -> Result<()> {
    let is_met = |(of, id): &&(&str, &str)| {
        let others = history.others.iter().filter(|other| other.name == *of);
        let own = history.entries.iter().filter(|_| *of == name.0);
        others.flat_map(|other| &other.whole).any(|whole| whole == id)
            || own
                .filter(|entry| entry.unfinished.is_none() && entry.applied_at.is_some())
                .any(|entry| entry.id == *id)
    };
    match revision.needs.iter().find(|need| !is_met(need)) {
        None => Ok(()),
        Some((of, id)) => Err(Error::revision(format!(
            "revision {} ({}){} needs revision {id} of the history {of}, which is not applied; apply that first{}",
            revision.id,
            revision.name,
            name.suffix(),
            if *of == DEFAULT_HISTORY { format!(": tallybook migrate upgrade {id}") } else { String::new() }
        ))),
    }
}

/// Returns an error if a revision of another history needs the one to be taken back.
pub(crate) async fn check_free(
    connection: &mut Connection,
    name: HistoryName<'_>,
    revision: &Revision,
    history: &History,
) -> Result<()> {
    if !catalog::tables(connection).await?.iter().any(|table| table == TABLE) {
        return Ok(());
    }
    let sql = "SELECT revision FROM tallybook_needs WHERE needs = $1 ORDER BY 1";
    let needed = fetch(connection, all::<(String,)>(sql, params![name.stored(revision.id)])).await?;
    // Dependencies are recorded before the first step, and may be all that was recorded.
    let has_trace_of = |(of, id): &(&str, &str)| {
        let other = history.others.iter().find(|other| other.name == *of);
        other.is_some_and(|other| other.has_trace_of(id))
    };
    let needed: Vec<_> = needed.iter().map(|(by,)| split_id(by)).filter(has_trace_of).collect();
    let Some((of, _)) = needed.first() else { return Ok(()) };
    let ids: Vec<_> = needed.iter().filter(|(other, _)| other == of).map(|(_, id)| *id).collect();
    Err(Error::revision(format!(
        "revision {} ({}){} can't be taken back: the history {of} needs it for {}. Take that back first, with the program \
         whose history {of} is",
        revision.id,
        revision.name,
        name.suffix(),
        ids.join(", ")
    )))
}
