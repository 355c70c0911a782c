//! Moving revisions out of the main history, into one of their own.

use super::history;
use super::migrator::Migrator;
use super::name::{MAIN, Name};
use super::needs;
use super::privileges::Needs;
use super::rows;
use super::run::Run;
use super::step::Recorded;
use crate::driver::End;
use crate::error::{Error, Result};
use crate::params;
use crate::query::execute;

impl Migrator<'_> {
    /// Moves the records of these revisions out of the main history, where [`Migrator::new`] put them, into the history
    /// of this runner; returns the identifiers of those that it moved. No table but those of the records is touched.
    ///
    /// For programs whose revisions stood in one list behind those of the book, or had the database for themselves,
    /// before histories had names. A revision is moved if the main history holds one of its identifier and name, all of
    /// whose recorded steps are the same. Run it before [`Migrator::upgrade`], each time: there is nothing to do from
    /// the second time on.
    ///
    /// # Errors
    /// When this is the main history, or a revision would be moved while an earlier one would not. Nothing was changed
    /// then.
    pub async fn carry_over(&self) -> Result<Vec<&'static str>> {
        if self.name.0 == MAIN {
            return Err(Error::revision(
                "the main history is where revisions are carried over from; name another",
            ));
        }
        self.run(&self.deadline(), Needs::to_record(), async |run| self.carry(run).await).await
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
        run.begin_plainly().await?;
        let mut batch = Vec::new();
        for revision in &moved {
            let id = revision.id;
            let (from, to) = (Name(MAIN).stored(id), self.name.stored(id));
            for sql in [
                "UPDATE tallybook_revisions SET id = $2 WHERE id = $1",
                "UPDATE tallybook_steps SET revision = $2 WHERE revision = $1",
                "UPDATE tallybook_needs SET revision = $2 WHERE revision = $1",
                "UPDATE tallybook_needs SET needs = $2 WHERE needs = $1",
            ] {
                batch.push(execute(sql, params![from, to]));
            }
            batch.extend(needs::record(self.name, revision));
        }
        let told = format!("{} to the history {}", ids.join(", "), self.name.0);
        batch.push(history::event("carry over", &told));
        run.write_within(batch).await?;
        // Does what there is now make sense? An error leaves the transaction, which is rolled back.
        let history = run.history().await?;
        for revision in moved {
            needs::check_met(self.name, revision, &history)?;
        }
        run.end(End::Commit).await?;
        Ok(ids)
    }
}
