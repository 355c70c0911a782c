//! The tables that record what is applied.

use chrono::{DateTime, Utc};

use super::catalog::fetch;
use super::name::Name;
use super::others::{Other, others};
use super::patience;
use super::revision::Revision;
use super::rows::{self, RevisionRow, Rows};
use super::step::{Direction, Recorded};
use crate::driver::{Begin, Bounds, Connection, End};
use crate::error::{Error, Result};
use crate::params;
use crate::query::{Execute, all, execute};
use crate::statement::Statement;
use crate::value::now;

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
pub(super) const RECORDS: [&str; 5] =
    ["tallybook_events", "tallybook_needs", "tallybook_pending", "tallybook_revisions", "tallybook_steps"];

const THERE: Statement = Statement::per_engine(
    "SELECT c.relname::text FROM pg_class c \
     JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema() \
     WHERE c.relkind = 'r' AND c.relname IN ('tallybook_revisions', 'tallybook_steps', 'tallybook_events', 'tallybook_pending', \
     'tallybook_needs')",
    "SELECT name FROM sqlite_master WHERE type = 'table' \
     AND name IN ('tallybook_revisions', 'tallybook_steps', 'tallybook_events', 'tallybook_pending', \
     'tallybook_needs')",
);

/// A revision that this program knows, and when it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its identifier.
    pub id: &'static str,
    /// What it is about.
    pub name: &'static str,
    /// When it was applied; `None` if it is not.
    pub applied_at: Option<DateTime<Utc>>,
    /// How many of its steps are done, if it was begun, applied or taken back, and is not at its end.
    pub unfinished: Option<usize>,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It runs outside of a transaction, or did when its program ended.
    Running,
    Done,
    /// Its revision is being taken back, and it was not yet.
    Leaving,
    /// It was taken back, and its revision is not wholly.
    Gone,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Done => "done",
            State::Leaving => "leaving",
            State::Gone => "gone",
        }
    }
}

/// What is recorded, checked against what the program knows.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) entries: Vec<Entry>,
    /// The recorded steps of each revision: those with a record and its checksum.
    steps: Vec<Vec<Option<(State, String)>>>,
    /// What is recorded of other histories.
    pub(super) others: Vec<Other>,
}

/// Makes sure that the tables are there.
pub(super) async fn create(connection: &mut Connection) -> Result<()> {
    let tables = tables(connection).await?;
    if tables.is_empty() {
        return Ok(());
    }
    let bounds = Bounds { begin: Some(Begin::Write), end: Some(End::Commit), ..Bounds::default() };
    patience::fly(connection, tables, bounds).await.map(drop)
}

/// The statements that make sure that the tables are there; none if they are, because PostgreSQL asks for the privilege
/// to create them even then.
pub(super) async fn tables(connection: &mut Connection) -> Result<Vec<Execute>> {
    let there = fetch(connection, all::<(String,)>(THERE, params![])).await?.len();
    let missing = (there < TABLES.len()).then_some(TABLES);
    Ok(missing.into_iter().flatten().map(|sql| execute(sql, params![])).collect())
}

/// What is recorded.
///
/// # Errors
/// When it does not fit what this program knows.
pub(super) async fn read(
    connection: &mut Connection,
    name: Name<'_>,
    revisions: &[Revision],
) -> Result<History> {
    name.check(revisions)?;
    let rows = rows::read(connection).await?;
    History::new(name, revisions, rows)
}

impl History {
    fn new(name: Name<'_>, revisions: &[Revision], rows: Rows) -> Result<Self> {
        let others = others(name, &rows);
        let Rows { mut applied, mut steps } = rows;
        applied.retain_mut(|row| name.take(&mut row.id));
        steps.retain_mut(|row| name.take(&mut row.revision));
        let known = |id: &str| revisions.iter().position(|revision| revision.id == id);
        let ids = applied.iter().map(|row| &row.id).chain(steps.iter().map(|row| &row.revision));
        if let Some(unknown) = ids.filter(|id| known(id).is_none()).max() {
            return Err(Error::revision(format!(
                "the database is at revision {unknown:?}{}, which this program does not know; use a newer program, or, if \
                 it is one of your own, give it a history of its own (Migrator::named, Migrator::carry_over)",
                name.of()
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
            let state = [State::Running, State::Done, State::Leaving, State::Gone];
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

    /// A revision that left a trace stands behind applied ones only.
    fn check_gaps(&self) -> Result<()> {
        let (applied, traces) = (self.applied(), self.traces());
        if traces > applied + 1 {
            return Err(Error::revision(format!(
                "revision {:?} is applied but {:?} before it is not; repair tallybook_revisions first",
                self.entries[traces - 1].id,
                self.entries[applied].id
            )));
        }
        Ok(())
    }

    /// Whether what is applied still has the text that it was applied with.
    pub(super) fn check_texts(&self, revisions: &[Revision]) -> Result<()> {
        let Some((revision, number, recorded)) = self.changed(revisions).next() else { return Ok(()) };
        let (id, name, what) = (revision.id, revision.name, revision.steps()[number].what());
        let of = format!("revision {id} ({name}) was changed after it was applied:");
        let step = format!("step {} (\"{what}\")", number + 1);
        Err(Error::revision(match recorded {
            Recorded::OtherWayBack => format!(
                "{of} the way back of {step} is not what it was; what it did is. Give it its old text back; or, if the new \
                 one takes back what was done, accept it with `migrate repair {id}`"
            ),
            Recorded::Other | Recorded::Same => format!(
                "{of} {step} is not what it was. Give it its old text back and put the change into a new revision; or, \
                 if the database has what the new text says, accept it with `migrate repair {id}`"
            ),
        }))
    }

    /// The recorded steps whose text changed.
    pub(super) fn changed<'a>(
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

    /// How many are wholly applied, counted from the first.
    pub(super) fn applied(&self) -> usize {
        let whole = |entry: &&Entry| entry.applied_at.is_some() && entry.unfinished.is_none();
        self.entries.iter().take_while(whole).count()
    }

    /// How many left a trace: those that are applied, and one that is half-way.
    pub(super) fn traces(&self) -> usize {
        let trace = |entry: &Entry| entry.applied_at.is_some() || entry.unfinished.is_some();
        self.entries.iter().rposition(trace).map_or(0, |last| last + 1)
    }

    /// From where a direction counts.
    pub(super) fn position(&self, direction: Direction) -> usize {
        match direction {
            Direction::Up => self.applied(),
            Direction::Down => self.traces(),
        }
    }

    pub(super) fn state(&self, revision: usize, step: usize) -> Option<State> {
        self.steps[revision][step].as_ref().map(|(state, _)| *state)
    }
}

fn entry(revision: &Revision, steps: &[Option<(State, String)>], row: Option<&RevisionRow>) -> Entry {
    let states = || steps.iter().flatten().map(|(state, _)| *state);
    let done = states().filter(|state| matches!(state, State::Done | State::Leaving)).count();
    let is_leaving = states().any(|state| matches!(state, State::Leaving | State::Gone));
    let unfinished = if row.is_some() { is_leaving } else { states().next().is_some() };
    Entry {
        id: revision.id,
        name: revision.name,
        applied_at: row.map(|row| row.applied_at),
        unfinished: unfinished.then_some(done),
    }
}

/// The statement that records a revision as applied; it may be already.
pub(super) fn record(name: Name<'_>, revision: &Revision) -> Execute {
    execute(
        "INSERT INTO tallybook_revisions (id, name, applied_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
        params![name.stored(revision.id), revision.name, now()],
    )
}

/// The statements that record a revision as taken back.
pub(super) fn erase(name: Name<'_>, revision: &Revision) -> Vec<Execute> {
    let id = name.stored(revision.id);
    vec![
        execute("DELETE FROM tallybook_needs WHERE revision = $1", params![id]),
        execute("DELETE FROM tallybook_steps WHERE revision = $1", params![id]),
        execute("DELETE FROM tallybook_revisions WHERE id = $1", params![id]),
    ]
}

/// The statement that records how far a step is.
pub(super) fn record_step(name: Name<'_>, revision: &Revision, step: usize, state: State) -> Execute {
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

/// The statement that notes something that happened once.
pub(super) fn event(kind: &'static str, detail: &str) -> Execute {
    execute(
        "INSERT INTO tallybook_events (at, kind, detail) VALUES ($1, $2, $3)",
        params![now(), kind, detail.to_owned()],
    )
}

/// All of a batch in one transaction.
pub(super) async fn write(connection: &mut Connection, batch: Vec<Execute>) -> Result<()> {
    let bounds = Bounds { begin: Some(Begin::Write), end: Some(End::Commit), ..Bounds::default() };
    patience::fly(connection, batch, bounds).await.map(drop)
}
