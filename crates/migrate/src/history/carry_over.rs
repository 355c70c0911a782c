//! Moves revisions from the main history into one of their own.

use tallybook_sql::error::{Error, Result};
use tallybook_sql::params;
use tallybook_sql::query::execute;
use tallybook_sql::transaction::End;

use crate::history;
use crate::history::dependencies;
use crate::history::history_name::{DEFAULT_HISTORY, HistoryName};
use crate::history::rows;
use crate::migrator::Migrator;
use crate::run::Run;
use crate::run::privileges::RequiredPrivileges;
use crate::steps::step::Recorded;

impl Migrator<'_> {
    /// Moves the records of these revisions from the main history into this migrator's history. Returns the
    /// identifiers that it moved. Only the history tables change.
    ///
    /// This is for programs whose revisions used to follow those of the book in one list, or that had the database
    /// to themselves before histories had names. A revision moves if the main history has one with its identifier
    /// and name whose recorded steps are all the same. Call it before every [`Migrator::upgrade`]: from the second
    /// time on it does nothing.
    ///
    /// # Errors
    /// Returns an error if this is the main history, or if a revision would move while an earlier one would not.
    /// In either case nothing was changed.
    pub async fn carry_over(&self) -> Result<Vec<&'static str>> {
        if self.name.0 == DEFAULT_HISTORY {
            return Err(Error::revision(
                "revisions are carried over from the main history; name another one",
            ));
        }
        self.run(&self.deadline(), RequiredPrivileges::to_record(), async |run| self.carry(run).await).await
    }

    async fn carry(&self, run: &mut Run<'_>) -> Result<Vec<&'static str>> {
        let rows = rows::read(&mut run.connection).await?;
        let moved: Vec<_> = self
            .revisions
            .iter()
            .filter(|revision| {
                let is_same = |row: &&rows::RevisionRow| row.id == revision.id && row.name == revision.name;
                rows.applied.iter().any(|row| is_same(&row))
                    && rows.steps.iter().filter(|row| row.revision == revision.id).all(|row| {
                        let step =
                            usize::try_from(row.step - 1).ok().and_then(|step| revision.steps().get(step));
                        step.is_some_and(|step| step.compare(&row.checksum) == Recorded::Same)
                    })
            })
            .collect();
        let ids: Vec<_> = moved.iter().map(|revision| revision.id).collect();
        if moved.is_empty() {
            return Ok(ids);
        }
        run.create_history().await?;
        run.begin_transaction().await?;
        let mut batch = Vec::new();
        for revision in &moved {
            let id = revision.id;
            let (from, to) = (HistoryName(DEFAULT_HISTORY).stored(id), self.name.stored(id));
            for sql in [
                "UPDATE tallybook_revisions SET id = $2 WHERE id = $1",
                "UPDATE tallybook_steps SET revision = $2 WHERE revision = $1",
                "UPDATE tallybook_needs SET revision = $2 WHERE revision = $1",
                "UPDATE tallybook_needs SET needs = $2 WHERE needs = $1",
            ] {
                batch.push(execute(sql, params![from, to]));
            }
            batch.extend(dependencies::record(self.name, revision));
        }
        let detail = format!("{} to the history {}", ids.join(", "), self.name.0);
        batch.push(history::event("carry over", &detail));
        run.write_in_transaction(batch).await?;
        // Checks that the result is consistent. An error drops the transaction, which rolls it back.
        let history = run.history().await?;
        for revision in moved {
            dependencies::check_met(self.name, revision, &history)?;
        }
        run.end(End::Commit).await?;
        Ok(ids)
    }
}
