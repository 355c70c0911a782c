//! Replaces an index of PostgreSQL by its unique or its plain form, while others write.

use std::time::Instant;

use tallybook_core::waiting::{names, retry_pause};
use tallybook_sql::error::{Error, Result};
use tallybook_sql::transaction::End;
use tokio::time::sleep;

use crate::compare::difference;
use crate::compare::index_match;
use crate::run::Run;
use crate::run::duplicate_rows;
use crate::run::index_build;
use crate::run::non_transactional::POLL;
use crate::run::probe::drifted;
use crate::run::progress::Progress;
use crate::run::transactional::{FIRST_PAUSE, MAX_PAUSE};
use crate::steps::step::{Action, Direction};
use crate::steps::table::Index;

impl Run<'_> {
    /// Builds the form of the index that the direction leads to under another name, and puts it in place of the one that
    /// is there. Returns whether that was done already.
    ///
    /// If rows forbid a unique index, the plain one stays, and `duplicates` holds the rows.
    pub(crate) async fn replace_index(
        &mut self,
        index: usize,
        number: usize,
        direction: Direction,
    ) -> Result<bool> {
        let revisions = self.revisions;
        let step = &revisions[index].steps()[number];
        let Action::Unique(either) = &step.action else { return Ok(true) };
        let wanted = if step.takes_away(direction) { either.plain() } else { either.unique() };
        let place = self.place(index, number, direction);
        let new_name = either.temporary_name();
        self.check_table(&wanted).await?;
        let mut already = true;
        loop {
            let there = index_match::find(&mut self.connection, either).await?;
            if let Some(there) = there.as_ref().filter(|there| !difference::is_same(either, there)) {
                return Err(drifted(&place.what, &there.definition));
            }
            let is_done = there.is_some_and(|there| there.is_valid && difference::is_same(&wanted, &there));
            let Some(new) = index_match::find_as(&mut self.connection, either, &new_name).await? else {
                if is_done {
                    return Ok(already);
                }
                if wanted.is_unique
                    && let Some(rows) = duplicate_rows::find(&mut self.connection, either).await?
                {
                    self.build(&either.plain(), &place).await?;
                    self.duplicates = Some(rows);
                    return Ok(false);
                }
                self.check_before_build(&wanted).await?;
                match self.build_new(&wanted, &new_name, &place).await {
                    // Somebody wrote a duplicate meanwhile, which the next look finds unless it is gone again.
                    Err(error) if error.is_unique_violation() => {
                        if Instant::now() >= self.until {
                            let why = format!(
                                "rows with the same values were written while {} was built",
                                wanted.name
                            );
                            return Err(Error::deadline(self.deadline.limit(), why));
                        }
                        sleep(retry_pause(POLL)).await;
                    }
                    outcome => outcome?,
                }
                continue;
            };
            if !difference::is_same(either, &new) {
                if is_done {
                    return Ok(already);
                }
                return Err(drifted(&place.what, &new.definition));
            }
            if !is_done && new.is_valid && difference::is_same(&wanted, &new) {
                self.put_in_place(&wanted, index, number, direction).await?;
                already = false;
            } else if let Some(pid) = index_build::find_builder(&mut self.connection, &new_name).await? {
                self.wait_for_other_build(pid, &new_name).await?;
            } else {
                self.warn(format!("{new_name} is left by a run that was interrupted: it is dropped"));
                self.drop_concurrently(&new_name, self.until).await?;
            }
        }
    }

    /// Drops the old index and renames the new one, in one transaction. Retries until it gets its locks, pausing in between
    /// so that other sessions can proceed.
    async fn put_in_place(
        &mut self,
        wanted: &Index,
        index: usize,
        number: usize,
        direction: Direction,
    ) -> Result<()> {
        let mut pause = FIRST_PAUSE;
        loop {
            let Err(error) = self.swap(wanted).await else { return Ok(()) };
            self.clean().await?;
            if error.code().is_none() || !error.is_retryable() {
                return Err(error);
            }
            let blockers = self.emit_waiting(index, number, direction).await;
            let left = self.until.saturating_duration_since(Instant::now());
            sleep(retry_pause(pause).min(left)).await;
            if Instant::now() >= self.until {
                let why = format!("{error}; the lock is held by {}", names(&blockers));
                return Err(Error::deadline(self.deadline.limit(), why).with_source(error));
            }
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    async fn swap(&mut self, wanted: &Index) -> Result<()> {
        self.begin().await?;
        for sql in wanted.swap() {
            self.connection.script(&sql).await?;
        }
        self.end(End::Commit).await
    }

    /// Reports that rows forbid a unique index, in the log too, and keeps them for the change.
    pub(crate) fn report_not_unique(&mut self, progress: &Progress) {
        self.options.emit(progress);
        let Progress::NotUnique { rows, .. } = progress else { return };
        let groups: Vec<_> = rows.groups.iter().map(ToString::to_string).collect();
        tracing::warn!(
            target: "tallybook::migrate",
            index = rows.index,
            table = rows.table,
            ids = groups.join("; "),
            more = rows.more,
            sql = rows.sql.join("; "),
            "rows forbid a unique index; it stays as it is until they are merged",
        );
        self.not_unique.push(rows.clone());
    }
}
