//! Checks the rows of a table for values that cannot be decoded.

use std::fmt;
use std::time::{Duration, Instant};

use tallybook_core::{Database, Dialect, Session, SqlType, Statement, all, params};

use crate::error::Result;
use crate::table::Table;
use crate::unreadable_row::{Scan, UnreadableRow};

/// Maximum number of rows checked in each table, lowest identifiers first.
const MAX_ROWS: u64 = 200_000;
/// Time limit for each table.
const MAX_TIME: Duration = Duration::from_secs(5);
/// Number of rows read at a time.
const PAGE_SIZE: u32 = 5_000;
/// Number of unreadable rows listed individually.
const MAX_EXAMPLES: usize = 3;

const COLUMNS: Statement = Statement::per_dialect(
    "SELECT column_name::text FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1",
    "SELECT name FROM pragma_table_info($1)",
);

/// The result of checking one table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowCheck {
    /// The table's name.
    pub table: &'static str,
    /// Number of rows checked, lowest identifiers first.
    pub rows: u64,
    /// Set if these are all rows of the table.
    pub is_whole: bool,
    /// Number of them that cannot be read.
    pub unreadable: u64,
    /// The first unreadable rows, at most three.
    pub first: Vec<UnreadableRow>,
    /// The error that ended the check early, if any.
    pub problem: Option<String>,
}

impl RowCheck {
    /// Returns whether every row was checked and can be read.
    pub fn is_clean(&self) -> bool {
        self.is_whole && self.unreadable == 0
    }
}

impl fmt::Display for RowCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, rows, unreadable, .. } = self;
        if let Some(problem) = &self.problem {
            return write!(
                f,
                "{table}: the check for unreadable values stopped after {rows} rows: {problem}"
            );
        }
        match (unreadable, self.is_whole) {
            (0, true) => return write!(f, "{table}: all {rows} rows can be read"),
            (0, false) => write!(f, "{table}: the first {rows} rows can be read")?,
            (_, true) => write!(f, "{table}: {unreadable} of {rows} rows can't be read")?,
            (_, false) => write!(f, "{table}: {unreadable} of the first {rows} rows can't be read")?,
        }
        if !self.is_whole {
            f.write_str(", the rest was not checked")?;
        }
        self.first.iter().try_for_each(|row| write!(f, "\n  {row}"))?;
        if *unreadable > self.first.len() as u64 { f.write_str("\n  …") } else { Ok(()) }
    }
}

/// Checks a table for values that cannot be decoded: the first 200,000 rows, for at most five seconds. Read-only; the result
/// contains no values. Returns `None` if the table does not exist.
///
/// # Errors
/// Returns an error if there is no connection. An error of the check is in the [`RowCheck`].
pub async fn check_rows<T: Table>(db: &Database) -> Result<Option<RowCheck>> {
    let mut session = db.read().await?;
    let columns = session.run(all::<(String,)>(COLUMNS, params![T::NAME])).await?;
    if columns.is_empty() {
        return Ok(None);
    }
    let select = select::<T>(session.dialect(), |name| columns.iter().any(|(column,)| column == name));
    let mut check = RowCheck {
        table: T::NAME,
        rows: 0,
        is_whole: false,
        unreadable: 0,
        first: Vec::new(),
        problem: None,
    };
    let began = Instant::now();
    let mut last = None;
    while check.rows < MAX_ROWS && began.elapsed() < MAX_TIME {
        let query = match last {
            None => all::<Scan<T>>(format!("{select} ORDER BY id LIMIT {PAGE_SIZE}"), params![]),
            Some(id) => all(format!("{select} WHERE id > $1 ORDER BY id LIMIT {PAGE_SIZE}"), params![id]),
        };
        let page = match session.run(query).await {
            Ok(page) => page,
            Err(error) => {
                check.problem = Some(error.to_string());
                break;
            }
        };
        check.rows += page.len() as u64;
        check.is_whole = page.len() < PAGE_SIZE as usize;
        last = page.last().map(|scan| scan.id);
        for unreadable in page.into_iter().filter_map(|scan| scan.row.err()) {
            check.unreadable += 1;
            if check.first.len() < MAX_EXAMPLES {
                check.first.push(unreadable);
            }
        }
        if check.is_whole {
            break;
        }
    }
    Ok(Some(check))
}

/// Selects the columns of a table. Columns that an early revision lacks are selected as NULL.
fn select<T: Table>(dialect: Dialect, has: impl Fn(&str) -> bool) -> String {
    let columns: Vec<_> = T::COLUMNS
        .iter()
        .map(|column| match (has(column.name), dialect) {
            (true, _) => column.name.to_owned(),
            (false, Dialect::Sqlite) => format!("NULL AS {}", column.name),
            (false, Dialect::Postgres) => format!("NULL::{} AS {}", type_of(column.sql_type), column.name),
        })
        .collect();
    format!("SELECT {} FROM {}", columns.join(", "), T::NAME)
}

fn type_of(kind: SqlType) -> &'static str {
    match kind {
        SqlType::Int => "bigint",
        SqlType::Bool => "boolean",
        SqlType::Float | SqlType::Decimal => "double precision",
        SqlType::Timestamp => "timestamp",
        _ => "text",
    }
}
