//! The tables that record applied revisions.

mod carry_over;
pub(crate) mod dependencies;
pub(crate) mod history_name;
pub(crate) mod other_histories;
pub(crate) mod relative_target;
mod rows;

use chrono::{DateTime, Utc};
use tallybook_core::Session;
use tallybook_core::driver::Connection;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::params;
use tallybook_sql::query::{Execute, all, execute};
use tallybook_sql::statement::Statement;
use tallybook_sql::transaction::{Begin, End, TransactionFraming};
use tallybook_sql::value::now;

use crate::catalog::fetch;
use crate::history::history_name::HistoryName;
use crate::history::other_histories::{OtherHistory, others};
use crate::history::rows::{RevisionRow, Rows};
use crate::run::busy_retry;
use crate::steps::revision::Revision;
use crate::steps::step::{Direction, Recorded};

const TABLES: [&str; 5] = [
    "CREATE TABLE IF NOT EXISTS tallybook_revisions (\
       id varchar(64) NOT NULL PRIMARY KEY, name varchar(255) NOT NULL, applied_at timestamp NOT NULL)",
    "CREATE TABLE IF NOT EXISTS tallybook_steps (\
       revision varchar(64) NOT NULL, step integer NOT NULL, what varchar(255) NOT NULL, \
       checksum varchar(16) NOT NULL, state varchar(10) NOT NULL, at timestamp NOT NULL, \
       PRIMARY KEY (revision, step))",
    "CREATE TABLE IF NOT EXISTS tallybook_events (at timestamp NOT NULL, kind varchar(20) NOT NULL, detail text)",
    "CREATE TABLE IF NOT EXISTS tallybook_pending (\
       history varchar(64) NOT NULL PRIMARY KEY, steps integer NOT NULL, origin varchar(64), target varchar(64), \
       at timestamp NOT NULL)",
    "CREATE TABLE IF NOT EXISTS tallybook_needs (\
       revision varchar(64) NOT NULL, needs varchar(64) NOT NULL, PRIMARY KEY (revision, needs))",
];

/// Their names.
pub(crate) const RECORDS: [&str; 5] =
    ["tallybook_events", "tallybook_needs", "tallybook_pending", "tallybook_revisions", "tallybook_steps"];

const THERE: Statement = Statement::per_dialect(
    "SELECT c.relname::text FROM pg_class c \
     JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema() \
     WHERE c.relkind = 'r' AND c.relname IN ('tallybook_revisions', 'tallybook_steps', 'tallybook_events', 'tallybook_pending', \
     'tallybook_needs')",
    "SELECT name FROM sqlite_master WHERE type = 'table' \
     AND name IN ('tallybook_revisions', 'tallybook_steps', 'tallybook_events', 'tallybook_pending', \
     'tallybook_needs')",
);

/// A known revision, and when it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// The revision's identifier.
    pub id: &'static str,
    /// The revision's name.
    pub name: &'static str,
    /// The time at which it was applied; `None` if it is not.
    pub applied_at: Option<DateTime<Utc>>,
    /// The number of steps done, if an upgrade or downgrade of the revision was begun and not completed.
    pub unfinished: Option<usize>,
}

/// The recorded state of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Running outside a transaction, or interrupted there.
    Running,
    Done,
    /// Its revision is being taken back, but this step is not yet.
    Reverting,
    /// Taken back, while its revision is not completely.
    Reverted,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Done => "done",
            State::Reverting => "leaving",
            State::Reverted => "gone",
        }
    }
}

/// The records, checked against the revisions that the program knows.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) entries: Vec<HistoryEntry>,
    /// The recorded state and checksum of each step of each revision.
    steps: Vec<Vec<Option<(State, String)>>>,
    /// The other histories in the database.
    pub(crate) others: Vec<OtherHistory>,
}

/// Creates the history tables if they do not exist.
pub(crate) async fn create(connection: &mut Connection) -> Result<()> {
    let tables = tables(connection).await?;
    if tables.is_empty() {
        return Ok(());
    }
    let framing = TransactionFraming {
        begin: Some(Begin::Write),
        end: Some(End::Commit),
        ..TransactionFraming::default()
    };
    busy_retry::execute(connection, tables, framing).await.map(drop)
}

/// Returns the statements that create missing history tables. None if all exist: `CREATE TABLE IF NOT EXISTS`
/// needs the privilege to create even then.
pub(crate) async fn tables(connection: &mut Connection) -> Result<Vec<Execute>> {
    let there = fetch(connection, all::<(String,)>(THERE, params![])).await?.len();
    let missing = (there < TABLES.len()).then_some(TABLES);
    Ok(missing.into_iter().flatten().map(|sql| execute(sql, params![])).collect())
}

/// Reads the history through a session, which may be one on a replica.
///
/// # Errors
/// As [`read`].
pub(crate) async fn read_in(
    session: &mut impl Session,
    name: HistoryName<'_>,
    revisions: &[Revision],
) -> Result<History> {
    name.check(revisions)?;
    let there = session.fetch(all::<(String,)>(THERE, params![])).await?;
    let rows = rows::read_in(session, &there).await?;
    History::new(name, revisions, rows)
}

/// Reads the history.
///
/// # Errors
/// Returns an error if it does not match the revisions that the program knows.
pub(crate) async fn read(
    connection: &mut Connection,
    name: HistoryName<'_>,
    revisions: &[Revision],
) -> Result<History> {
    name.check(revisions)?;
    let rows = rows::read(connection).await?;
    History::new(name, revisions, rows)
}

impl History {
    fn new(name: HistoryName<'_>, revisions: &[Revision], rows: Rows) -> Result<Self> {
        let others = others(name, &rows);
        let Rows { mut applied, mut steps } = rows;
        applied.retain_mut(|row| name.strip_from(&mut row.id));
        steps.retain_mut(|row| name.strip_from(&mut row.revision));
        let known = |id: &str| revisions.iter().position(|revision| revision.id == id);
        let ids = applied.iter().map(|row| &row.id).chain(steps.iter().map(|row| &row.revision));
        if let Some(unknown) = ids.filter(|id| known(id).is_none()).max() {
            return Err(Error::revision(format!(
                "the database is at revision {unknown:?}{}, which this program does not know; use a newer program, or, if \
                 it is one of your own, give it a history of its own (Migrator::named, Migrator::carry_over)",
                name.suffix()
            )));
        }
        let mut recorded: Vec<Vec<_>> =
            revisions.iter().map(|revision| vec![None; revision.steps().len()]).collect();
        for row in &steps {
            let place = known(&row.revision).unwrap_or_default();
            let slot = usize::try_from(row.step - 1).ok().and_then(|step| recorded[place].get_mut(step));
            let Some(slot) = slot else {
                return Err(Error::revision(format!(
                    "tallybook_steps records step {} of revision {:?}, which has {}; use a newer program, \
                     or delete that record if the table was edited by hand",
                    row.step,
                    row.revision,
                    revisions[place].steps().len()
                )));
            };
            let state = [State::Running, State::Done, State::Reverting, State::Reverted];
            let Some(state) = state.into_iter().find(|state| state.word() == row.state) else {
                return Err(Error::revision(format!(
                    "tallybook_steps holds the state {:?} for step {} of revision {:?}; it may hold running, \
                     done, leaving and gone",
                    row.state, row.step, row.revision
                )));
            };
            *slot = Some((state, row.checksum.clone()));
        }
        let entries = revisions
            .iter()
            .zip(&recorded)
            .map(|(revision, steps)| entry(revision, steps, applied.iter().find(|row| row.id == revision.id)))
            .collect();
        let history = Self { entries, steps: recorded, others };
        history.check_gaps()?;
        Ok(history)
    }

    /// Checks that only applied revisions precede one that has begun.
    fn check_gaps(&self) -> Result<()> {
        let (applied, begun) = (self.applied(), self.begun());
        if begun > applied + 1 {
            return Err(Error::revision(format!(
                "revision {:?} is applied but {:?} before it is not; repair tallybook_revisions first",
                self.entries[begun - 1].id,
                self.entries[applied].id
            )));
        }
        Ok(())
    }

    /// Checks that no applied revision was edited.
    pub(crate) fn check_texts(&self, revisions: &[Revision]) -> Result<()> {
        let Some((revision, number, recorded)) = self.changed(revisions).next() else { return Ok(()) };
        let (id, name, what) = (revision.id, revision.name, revision.steps()[number].what());
        let of = format!("revision {id} ({name}) was changed after it was applied:");
        let step = format!("step {} (\"{what}\")", number + 1);
        Err(Error::revision(match recorded {
            Recorded::DowngradeChanged => format!(
                "{of} the downgrade of {step} was edited; its upgrade was not. Restore the old text; or, if the new \
                 downgrade reverses what was done, accept it with `migrate repair {id}`"
            ),
            Recorded::Other | Recorded::Same => format!(
                "{of} {step} was edited. Restore the old text and put the change into a new revision; or, \
                 if the database already matches the new text, accept it with `migrate repair {id}`"
            ),
        }))
    }

    /// Returns the recorded steps whose text changed.
    pub(crate) fn changed<'a>(
        &'a self,
        revisions: &'a [Revision],
    ) -> impl Iterator<Item = (&'a Revision, usize, Recorded)> {
        revisions.iter().zip(&self.steps).flat_map(|(revision, steps)| {
            let texts = revision.steps().iter().zip(steps).enumerate();
            let compared = texts.filter_map(|(number, (step, recorded))| {
                recorded.as_ref().map(|(_, checksum)| (number, step.compare(checksum)))
            });
            let changed = compared.filter(|(_, recorded)| *recorded != Recorded::Same);
            changed.map(move |(number, recorded)| (revision, number, recorded))
        })
    }

    /// Returns the number of completely applied revisions, counted from the first.
    pub(crate) fn applied(&self) -> usize {
        let whole = |entry: &&HistoryEntry| entry.applied_at.is_some() && entry.unfinished.is_none();
        self.entries.iter().take_while(whole).count()
    }

    /// Returns the number of revisions that are applied or partially applied.
    pub(crate) fn begun(&self) -> usize {
        let trace = |entry: &HistoryEntry| entry.applied_at.is_some() || entry.unfinished.is_some();
        self.entries.iter().rposition(trace).map_or(0, |last| last + 1)
    }

    /// Returns the position from which a direction counts.
    pub(crate) fn position(&self, direction: Direction) -> usize {
        match direction {
            Direction::Up => self.applied(),
            Direction::Down => self.begun(),
        }
    }

    pub(crate) fn state(&self, revision: usize, step: usize) -> Option<State> {
        self.steps[revision][step].as_ref().map(|(state, _)| *state)
    }
}

fn entry(revision: &Revision, steps: &[Option<(State, String)>], row: Option<&RevisionRow>) -> HistoryEntry {
    let states = || steps.iter().flatten().map(|(state, _)| *state);
    let done = states().filter(|state| matches!(state, State::Done | State::Reverting)).count();
    let is_leaving = states().any(|state| matches!(state, State::Reverting | State::Reverted));
    let unfinished = if row.is_some() { is_leaving } else { states().next().is_some() };
    HistoryEntry {
        id: revision.id,
        name: revision.name,
        applied_at: row.map(|row| row.applied_at),
        unfinished: unfinished.then_some(done),
    }
}

/// Returns the statement that records a revision as applied. Does nothing if it is recorded already.
pub(crate) fn record(name: HistoryName<'_>, revision: &Revision) -> Execute {
    execute(
        "INSERT INTO tallybook_revisions (id, name, applied_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
        params![name.stored(revision.id), revision.name, now()],
    )
}

/// Returns the statements that record a revision as taken back.
pub(crate) fn erase(name: HistoryName<'_>, revision: &Revision) -> Vec<Execute> {
    let id = name.stored(revision.id);
    vec![
        execute("DELETE FROM tallybook_needs WHERE revision = $1", params![id]),
        execute("DELETE FROM tallybook_steps WHERE revision = $1", params![id]),
        execute("DELETE FROM tallybook_revisions WHERE id = $1", params![id]),
    ]
}

/// Returns the statement that records the state of a step.
pub(crate) fn record_step(name: HistoryName<'_>, revision: &Revision, step: usize, state: State) -> Execute {
    let what: String = revision.steps()[step].what().chars().take(255).collect();
    execute(
        "INSERT INTO tallybook_steps (revision, step, what, checksum, state, at) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (revision, step) DO UPDATE SET what = excluded.what, checksum = excluded.checksum, \
         state = excluded.state, at = excluded.at",
        params![
            name.stored(revision.id),
            step as i64 + 1,
            what,
            revision.steps()[step].checksum(),
            state.word().to_owned(),
            now()
        ],
    )
}

/// Returns the statement that records an event.
pub(crate) fn event(kind: &'static str, detail: &str) -> Execute {
    execute(
        "INSERT INTO tallybook_events (at, kind, detail) VALUES ($1, $2, $3)",
        params![now(), kind, detail.to_owned()],
    )
}

/// Executes a batch in one transaction.
pub(crate) async fn write(connection: &mut Connection, batch: Vec<Execute>) -> Result<()> {
    let framing = TransactionFraming {
        begin: Some(Begin::Write),
        end: Some(End::Commit),
        ..TransactionFraming::default()
    };
    busy_retry::execute(connection, batch, framing).await.map(drop)
}
