//! What revisions of one history need of another.

use super::catalog::{self, fetch};
use super::history::History;
use super::name::{MAIN, Name, parted};
use super::revision::Revision;
use crate::driver::Connection;
use crate::error::{Error, Result};
use crate::params;
use crate::query::{Execute, all, execute};

const TABLE: &str = "tallybook_needs";

/// The statements that record what a revision needs.
pub(super) fn record(name: Name<'_>, revision: &Revision) -> Vec<Execute> {
    let needs = revision.needs.iter().map(|(history, id)| {
        execute(
            "INSERT INTO tallybook_needs (revision, needs) VALUES ($1, $2) ON CONFLICT (revision, needs) DO NOTHING",
            params![name.stored(revision.id), Name(history).stored(id)],
        )
    });
    needs.collect()
}

/// Refuses a revision that needs one of another history which is not wholly applied.
pub(super) fn check_met(name: Name<'_>, revision: &Revision, history: &History) -> Result<()> {
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
            name.of(),
            if *of == MAIN { format!(": tallybook migrate upgrade {id}") } else { String::new() }
        ))),
    }
}

/// Refuses to take a revision back that one of another history needs.
pub(super) async fn check_free(
    connection: &mut Connection,
    name: Name<'_>,
    revision: &Revision,
    history: &History,
) -> Result<()> {
    if !catalog::tables(connection).await?.iter().any(|table| table == TABLE) {
        return Ok(());
    }
    let sql = "SELECT revision FROM tallybook_needs WHERE needs = $1 ORDER BY 1";
    let needed = fetch(connection, all::<(String,)>(sql, params![name.stored(revision.id)])).await?;
    // What is needed is recorded before anything of a revision is done, and may be all that was.
    let has_begun = |(of, id): &(&str, &str)| {
        let other = history.others.iter().find(|other| other.name == *of);
        other.is_some_and(|other| other.has_begun(id))
    };
    let needed: Vec<_> = needed.iter().map(|(by,)| parted(by)).filter(has_begun).collect();
    let Some((of, _)) = needed.first() else { return Ok(()) };
    let ids: Vec<_> = needed.iter().filter(|(other, _)| other == of).map(|(_, id)| *id).collect();
    Err(Error::revision(format!(
        "revision {} ({}){} can't be taken back: the history {of} needs it for {}. Take that back first, with the program \
         whose history {of} is",
        revision.id,
        revision.name,
        name.of(),
        ids.join(", ")
    )))
}
