//! A look at the rows of a book, for values that can't be read.

use std::fmt;
use std::time::{Duration, Instant};

use tallybook_engine::{Database, Engine, Kind, Session, Statement, all, params};

use crate::error::Result;
use crate::models::{Execution, Portfolio, Position, Trade, TradingSession};
use crate::table::Table;
use crate::unreadable::{Scan, Unreadable};

/// Rows of a table that are looked at, those with the lowest identifiers.
const MAX_ROWS: u64 = 200_000;
/// How long one table is looked at.
const MAX_TIME: Duration = Duration::from_secs(5);
/// Rows read at a time.
const PAGE: u32 = 5_000;
/// Rows that are named.
const NAMED: usize = 3;

const COLUMNS: Statement = Statement::per_engine(
    "SELECT column_name::text FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1",
    "SELECT name FROM pragma_table_info($1)",
);

/// What a look at a table found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Survey {
    /// The table.
    pub table: &'static str,
    /// Rows that were looked at, those with the lowest identifiers.
    pub rows: u64,
    /// Whether these are all rows.
    pub is_whole: bool,
    /// Rows among them that can't be read.
    pub unreadable: u64,
    /// The first of those.
    pub first: Vec<Unreadable>,
    /// What ended the look, if something did.
    pub problem: Option<String>,
}

impl Survey {
    /// Whether every row was looked at and can be read.
    pub fn is_clean(&self) -> bool {
        self.is_whole && self.unreadable == 0
    }
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, rows, unreadable, .. } = self;
        if let Some(problem) = &self.problem {
            return write!(
                f,
                "{table}: could not look whether all values can be read, {rows} rows done: {problem}"
            );
        }
        match (unreadable, self.is_whole) {
            (0, true) => return write!(f, "{table}: all {rows} rows can be read"),
            (0, false) => write!(f, "{table}: the first {rows} rows can be read")?,
            (_, true) => write!(f, "{table}: {unreadable} of {rows} rows can't be read")?,
            (_, false) => write!(f, "{table}: {unreadable} of the first {rows} rows can't be read")?,
        }
        if !self.is_whole {
            f.write_str(", the others were not looked at")?;
        }
        self.first.iter().try_for_each(|row| write!(f, "\n  {row}"))?;
        if *unreadable > self.first.len() as u64 { f.write_str("\n  …") } else { Ok(()) }
    }
}

/// Looks for values that can't be read in each table of the book that is there: the first 200,000 rows of each, for
/// five seconds at most. It changes nothing and tells no value.
///
/// # Errors
/// No connection. What ends the look at one table is in its [`Survey`].
pub async fn survey(db: &Database) -> Result<Vec<Survey>> {
    let mut surveys = Vec::new();
    look::<Portfolio>(db, &mut surveys).await?;
    look::<Position>(db, &mut surveys).await?;
    look::<Trade>(db, &mut surveys).await?;
    look::<Execution>(db, &mut surveys).await?;
    look::<TradingSession>(db, &mut surveys).await?;
    Ok(surveys)
}

async fn look<T: Table>(db: &Database, surveys: &mut Vec<Survey>) -> Result<()> {
    let mut session = db.read().await?;
    let columns = session.run(all::<(String,)>(COLUMNS, params![T::NAME])).await?;
    if columns.is_empty() {
        return Ok(());
    }
    let select = select::<T>(session.engine(), |name| columns.iter().any(|(column,)| column == name));
    let mut survey =
        Survey { table: T::NAME, rows: 0, is_whole: false, unreadable: 0, first: Vec::new(), problem: None };
    let began = Instant::now();
    let mut last = None;
    while survey.rows < MAX_ROWS && began.elapsed() < MAX_TIME {
        let query = match last {
            None => all::<Scan<T>>(format!("{select} ORDER BY id LIMIT {PAGE}"), params![]),
            Some(id) => all(format!("{select} WHERE id > $1 ORDER BY id LIMIT {PAGE}"), params![id]),
        };
        let page = match session.run(query).await {
            Ok(page) => page,
            Err(error) => {
                survey.problem = Some(error.to_string());
                break;
            }
        };
        survey.rows += page.len() as u64;
        survey.is_whole = page.len() < PAGE as usize;
        last = page.last().map(|scan| scan.id);
        for unreadable in page.into_iter().filter_map(|scan| scan.row.err()) {
            survey.unreadable += 1;
            if survey.first.len() < NAMED {
                survey.first.push(unreadable);
            }
        }
        if survey.is_whole {
            break;
        }
    }
    surveys.push(survey);
    Ok(())
}

/// The columns of a table that may be of an early revision: those that it does not have yet are NULL.
fn select<T: Table>(engine: Engine, has: impl Fn(&str) -> bool) -> String {
    let columns: Vec<_> = T::COLUMNS
        .iter()
        .map(|column| match (has(column.name), engine) {
            (true, _) => column.name.to_owned(),
            (false, Engine::Sqlite) => format!("NULL AS {}", column.name),
            (false, Engine::Postgres) => format!("NULL::{} AS {}", type_of(column.kind), column.name),
        })
        .collect();
    format!("SELECT {} FROM {}", columns.join(", "), T::NAME)
}

fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "bigint",
        Kind::Bool => "boolean",
        Kind::Float | Kind::Decimal => "double precision",
        Kind::Timestamp => "timestamp",
        _ => "text",
    }
}
