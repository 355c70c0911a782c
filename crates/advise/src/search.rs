//! The search for indexes: it makes each candidate on the scratch copy, keeps the best, and begins again.

use std::time::Instant;

use tallybook_sql::error::Result;

use crate::advice::{Refusal, saving};
use crate::candidate::Candidate;
use crate::catalog::Catalog;
use crate::duration::duration;
use crate::options::Options;
use crate::scratch::{Scratch, Times, Work};
use crate::trial::{Trial, best};
use crate::workload::SeenStatements;

/// Work that must be saved of what a statement took at first, so that no second index saves half of a rest.
const MIN_TOTAL_SAVING: f64 = 0.1;
/// Work that maintaining an index for one row takes, for the order of the search; the decision measures it. About three
/// pages of a tree at PostgreSQL's cost of a cached page, and a descent in instructions of SQLite.
const WRITE_UNITS: f64 = 10.0;
/// The part of the time that a statement may still take with an index that is confirmed.
const MAX_TIME_WITH: f64 = 0.75;
/// Indexes found at most.
const MAX_PICKS: usize = 25;

/// An index that pays.
#[derive(Debug)]
pub(crate) struct Pick {
    pub(crate) name: String,
    pub(crate) candidate: Candidate,
    pub(crate) bytes: u64,
    /// Statements that it helped when it was picked.
    pub(crate) statements: Vec<usize>,
    pub(crate) writes: u64,
    pub(crate) insert: Times,
}

/// A search in progress.
pub(crate) struct Search<'a> {
    pub(crate) scratch: &'a mut Scratch,
    pub(crate) statements: &'a mut SeenStatements,
    pub(crate) catalog: &'a Catalog,
    pub(crate) options: &'a Options,
    pub(crate) deadline: Instant,
    pub(crate) picks: Vec<Pick>,
    pub(crate) refusals: Vec<Refusal>,
    /// Candidates that no plan uses.
    pub(crate) unused: Vec<Candidate>,
    /// Set if the time was over before the end.
    pub(crate) is_cut: bool,
}

impl Search<'_> {
    /// Finds the indexes that pay.
    pub(crate) async fn run(&mut self, candidates: Vec<Candidate>) -> Result<()> {
        let (open, small): (Vec<_>, Vec<_>) =
            candidates.into_iter().partition(|candidate| self.rows(candidate) >= self.options.min_rows);
        for candidate in &small {
            let rows = self.rows(candidate);
            let reason = format!(
                "{} has {rows} rows; reading a small table takes no longer than an index",
                candidate.table
            );
            self.refuse_for_all(candidate, &reason);
        }
        let mut open: Vec<(Candidate, Option<Trial>)> =
            open.into_iter().map(|candidate| (candidate, None)).collect();
        while self.picks.len() < MAX_PICKS {
            self.try_all(&mut open).await?;
            let Some(place) = best(&open) else { break };
            let (candidate, Some(trial)) = open.swap_remove(place) else { break };
            match self.reason_against(&trial) {
                Some(reason) => self.refuse(&candidate, &trial, reason),
                None => {
                    let changed = self.pick(candidate, trial).await?;
                    let is_stale =
                        |trial: &Trial| trial.works.iter().any(|(number, _)| changed.contains(number));
                    for (_, trial) in
                        open.iter_mut().filter(|(_, trial)| trial.as_ref().is_some_and(is_stale))
                    {
                        *trial = None;
                    }
                }
            }
            if self.is_over() {
                break;
            }
        }
        for candidate in std::mem::take(&mut self.unused) {
            self.refuse_for_all(&candidate, "the planner does not use it");
        }
        Ok(())
    }

    /// Returns the rows of the table of a candidate.
    fn rows(&self, candidate: &Candidate) -> u64 {
        self.catalog.table(&candidate.table).map_or(0, |table| table.rows)
    }

    /// Refuses a candidate for each statement that it was made for.
    fn refuse_for_all(&mut self, candidate: &Candidate, reason: &str) {
        let index = format!("{} {}", candidate.table, candidate.columns());
        let served =
            self.statements.seen.iter().filter(|seen| seen.is_measured && candidate.may_serve(&seen.parsed));
        self.refusals.extend(served.map(|seen| seen.refusal(Some(index.clone()), reason.to_owned())));
    }

    fn is_over(&mut self) -> bool {
        self.is_cut |= Instant::now() >= self.deadline;
        self.is_cut
    }

    /// Tries the candidates that were not tried since a pick changed their statements, and removes those that no plan uses.
    async fn try_all(&mut self, open: &mut Vec<(Candidate, Option<Trial>)>) -> Result<()> {
        let mut place = 0;
        while place < open.len() {
            if open[place].1.is_none() {
                let trial = match self.is_over() {
                    true => None,
                    false => self.attempt(&open[place].0).await,
                };
                match trial {
                    Some(trial) => open[place].1 = Some(trial),
                    None => {
                        let (candidate, _) = open.swap_remove(place);
                        if !self.is_cut {
                            self.unused.push(candidate);
                        }
                        continue;
                    }
                }
            }
            place += 1;
        }
        Ok(())
    }

    /// Makes the index, plans and runs the statements again, and drops it. Returns `None` if no plan uses it.
    async fn attempt(&mut self, candidate: &Candidate) -> Option<Trial> {
        let name = "tallybook_candidate";
        // A type without an order, for example, has no such index.
        let bytes = self.scratch.create_index(name, &candidate.sql(name, "")).await.ok()?;
        let mut works = Vec::new();
        for (number, seen) in self.statements.seen.iter().enumerate() {
            if !seen.is_measured || !candidate.may_serve(&seen.parsed) {
                continue;
            }
            let work = self.scratch.work(&seen.parsed, &seen.source.samples).await;
            works.extend(
                work.ok()
                    .filter(|work| work.indexes.iter().any(|index| index == name))
                    .map(|work| (number, work)),
            );
        }
        // Without this the copy would differ from the database in what follows.
        self.scratch.drop_index(name).await.ok()?;
        let seen = |number: usize| &self.statements.seen[number];
        let saved = |(number, work): &(usize, Work)| saving(seen(*number).current.units, work.units);
        let best = works.iter().max_by(|a, b| saved(a).total_cmp(&saved(b)))?;
        let (best_saving, best) = (saved(best), best.0);
        let gross: f64 = works
            .iter()
            .map(|(number, work)| {
                seen(*number).source.calls as f64 * (seen(*number).current.units - work.units)
            })
            .sum();
        let net = gross - WRITE_UNITS * self.writes(candidate) as f64;
        Some(Trial { bytes, works, net, best_saving, best })
    }

    fn writes(&self, candidate: &Candidate) -> u64 {
        let keys = candidate.keys.iter().map(|key| key.column.as_str());
        let columns: Vec<_> =
            keys.chain(candidate.filter.iter().map(|filter| filter.column.as_str())).collect();
        self.statements.writes(&candidate.table, &columns)
    }

    /// Returns why a candidate is no advice, as far as its work tells.
    fn reason_against(&self, trial: &Trial) -> Option<String> {
        let seen = &self.statements.seen[trial.best];
        if trial.best_saving < self.options.min_saving {
            let percent = 100.0 * trial.best_saving.max(0.0);
            return Some(format!(
                "it would save {percent:.0} % of the work, less than {:.0} %",
                100.0 * self.options.min_saving
            ));
        }
        let total = trial.works.iter().find(|(number, _)| *number == trial.best).map_or(0.0, |(_, work)| {
            saving(seen.baseline.units, seen.baseline.units - (seen.current.units - work.units))
        });
        (total < MIN_TOTAL_SAVING).then(|| "another advised index saves nearly all of the work".to_owned())
    }

    /// Measures a candidate, and keeps it if its reads save more than its writes cost. Returns the statements that it
    /// changed.
    async fn pick(&mut self, candidate: Candidate, trial: Trial) -> Result<Vec<usize>> {
        let existing =
            self.catalog.tables.iter().flat_map(|table| &table.indexes).map(|index| index.name.clone());
        let taken: Vec<_> = existing.chain(self.picks.iter().map(|pick| pick.name.clone())).collect();
        let name = candidate.name(&taken);
        self.scratch.create_index(&name, &candidate.sql(&name, "")).await?;
        let refused = self.weigh(&candidate, &name, &trial).await;
        let (insert, writes) = match refused {
            Ok(Ok(measured)) => measured,
            Ok(Err(reason)) => {
                self.scratch.drop_index(&name).await?;
                self.refuse(&candidate, &trial, reason);
                return Ok(Vec::new());
            }
            Err(error) => {
                self.scratch.drop_index(&name).await?;
                if self.is_over() {
                    return Ok(Vec::new());
                }
                return Err(error);
            }
        };
        let statements: Vec<_> = trial.works.iter().map(|(number, _)| *number).collect();
        for (number, work) in trial.works {
            self.statements.seen[number].current = work;
        }
        self.picks.push(Pick {
            name,
            candidate,
            bytes: trial.bytes,
            statements: statements.clone(),
            writes,
            insert,
        });
        Ok(statements)
    }

    /// Compares the time that reads save with the time that writes cost.
    async fn weigh(
        &mut self,
        candidate: &Candidate,
        name: &str,
        trial: &Trial,
    ) -> Result<Result<(Times, u64), String>> {
        let indexes = [name.to_owned()];
        let mut saved = 0.0;
        let mut is_timed = false;
        let mut is_faster = false;
        for (number, _) in &trial.works {
            let seen = &self.statements.seen[*number];
            if seen.source.samples.is_empty() {
                continue;
            }
            let times = self.scratch.times(&seen.parsed, &seen.source.samples, &indexes).await?;
            let (without, with) = (times.without.as_secs_f64(), times.with.as_secs_f64());
            is_timed = true;
            is_faster |= with <= without * MAX_TIME_WITH;
            saved += seen.source.calls as f64 * (without - with);
        }
        if is_timed && !is_faster {
            return Ok(Err("measured, no statement was faster with it".to_owned()));
        }
        let writes = self.writes(candidate);
        let Some(table) = self.catalog.table(&candidate.table) else {
            return Ok(Err("its table is gone".to_owned()));
        };
        let insert = self.scratch.insert_times(table, name).await?;
        let cost = writes as f64 * insert.cost();
        if is_timed && cost > saved {
            return Ok(Err(format!(
                "its writes would cost more than its reads save: {writes} rows written, {}; saved {}",
                duration(cost),
                duration(saved)
            )));
        }
        Ok(Ok((insert, writes)))
    }

    fn refuse(&mut self, candidate: &Candidate, trial: &Trial, reason: String) {
        let index = format!("{} {}", candidate.table, candidate.columns());
        self.refusals.push(self.statements.seen[trial.best].refusal(Some(index), reason));
    }
}
