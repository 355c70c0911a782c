//! The results that were found to have the columns of a struct, so that a statement that is run again is not looked at
//! again.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

use foldhash::quality::RandomState;
use rusqlite::{Statement, StatementStatus};
use smallvec::SmallVec;

use crate::error::Result;
use crate::row::Column;
use crate::row::sqlite::check_columns;

/// Statements that are remembered.
const MAX_STATEMENTS: usize = 1_024;

/// Those of one connection, by the hashes of their texts.
#[derive(Debug, Default)]
pub(super) struct CheckedResults {
    hasher: RandomState,
    seen: Mutex<HashMap<u64, Seen, RandomState>>,
}

/// What a statement was compared with since SQLite last prepared it.
#[derive(Debug, Default)]
struct Seen {
    /// How often SQLite had prepared it again, because the schema had changed.
    prepared_again: i32,
    /// The columns of structs that fit it; an address stands for as long as the program runs.
    fitting: SmallVec<[(usize, usize); 1]>,
}

impl CheckedResults {
    /// Compares the columns of a statement with those of a struct, unless that was done since it was prepared.
    ///
    /// # Errors
    /// The first column that does not fit.
    pub(super) fn check(
        &self,
        statement: &Statement<'_>,
        sql: &str,
        columns: &'static [Column],
    ) -> Result<()> {
        // A tuple has no names, and to count its columns takes no time.
        if columns.iter().all(Column::is_positional) {
            return check_columns(statement, columns);
        }
        let key = (columns.as_ptr() as usize, columns.len());
        let prepared_again = statement.get_status(StatementStatus::RePrepare);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MAX_STATEMENTS {
            seen.clear();
        }
        let seen = seen.entry(self.hasher.hash_one(sql)).or_default();
        let is_new = statement.get_status(StatementStatus::Run) == 0;
        if is_new || seen.prepared_again != prepared_again {
            *seen = Seen { prepared_again, ..Seen::default() };
        }
        if !seen.fitting.contains(&key) {
            check_columns(statement, columns)?;
            seen.fitting.push(key);
        }
        Ok(())
    }
}
