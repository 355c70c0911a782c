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

/// Who left a trace and needs a revision. A need is recorded before anything of a revision is done.
const NEEDED_BY: &str = "SELECT n.revision FROM tallybook_needs n WHERE n.needs = $1 \
     AND (EXISTS (SELECT 1 FROM tallybook_revisions r WHERE r.id = n.revision) \
       OR EXISTS (SELECT 1 FROM tallybook_steps s WHERE s.revision = n.revision)) ORDER BY 1";

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
) -> Result<()> {
    if !catalog::tables(connection).await?.iter().any(|table| table == TABLE) {
        return Ok(());
    }
    let needed = all::<(String,)>(NEEDED_BY, params![name.stored(revision.id)]);
    let needed = fetch(connection, needed).await?;
    let needed: Vec<_> = needed.iter().map(|(by,)| parted(by)).filter(|(of, _)| *of != name.0).collect();
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
