//! Options of an examination.

use std::time::Duration;

/// The limits of an examination: rows to copy, time, and the gates of the advice.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Time limit. What was found until then is returned, with a note.
    pub time_limit: Duration,
    /// Rows copied of a table; of a larger one a sample.
    pub max_rows: u64,
    /// Smaller tables, in rows, get no advice.
    pub min_rows: u64,
    /// Part of the work that an index must save of at least one statement, from 0 to 1.
    pub min_saving: f64,
    /// Names of indexes that are not to be dropped, such as those of a program's revisions.
    pub kept_indexes: Vec<String>,
}

impl Default for Options {
    /// Two minutes, 100,000 rows of a table, no advice for tables under 500 rows, and half of the work.
    fn default() -> Self {
        Self {
            time_limit: Duration::from_secs(120),
            max_rows: 100_000,
            min_rows: 500,
            min_saving: 0.5,
            kept_indexes: Vec::new(),
        }
    }
}

impl Options {
    /// Sets the time limit.
    #[must_use]
    pub fn within(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit;
        self
    }

    /// Names indexes that are not to be dropped.
    #[must_use]
    pub fn keep<'a>(mut self, indexes: impl IntoIterator<Item = &'a str>) -> Self {
        self.kept_indexes.extend(indexes.into_iter().map(str::to_owned));
        self
    }

    /// Sets the number of rows copied of a table.
    #[must_use]
    pub fn max_rows(mut self, rows: u64) -> Self {
        self.max_rows = rows;
        self
    }
}
