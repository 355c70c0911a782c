//! The results already checked against a struct, so that running a statement again does not check it again.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Mutex;

use foldhash::quality::RandomState;
use rusqlite::{Statement, StatementStatus};
use smallvec::SmallVec;
use tallybook_sql::error::Result;
use tallybook_sql::lock::lock;
use tallybook_sql::row::Column;

use super::row::check_columns;

/// Maximum number of statements remembered.
const MAX_STATEMENTS: usize = 1_024;

/// The checked statements of one connection, by the hashes of their texts.
#[derive(Debug, Default)]
pub(super) struct CheckedResults {
    hasher: RandomState,
    seen: Mutex<HashMap<u64, CheckedStatement, RandomState>>,
}

/// The checks of a statement since SQLite last prepared it.
#[derive(Debug, Default)]
struct CheckedStatement {
    /// Number of times that SQLite had prepared it again after a change of the schema.
    prepared_again: i32,
    /// Columns of the structs that match it: address and length. They are `'static`, so an address identifies them.
    fitting: SmallVec<[(usize, usize); 1]>,
}

impl CheckedResults {
    /// Checks the columns of a statement against those of a struct, unless that was done since it was prepared.
    ///
    /// # Errors
    ///
    /// Names the first column that does not match.
    pub(super) fn check(
        &self,
        statement: &Statement<'_>,
        sql: &str,
        columns: &'static [Column],
    ) -> Result<()> {
        // A tuple has no names, and counting its columns is cheap.
        if columns.iter().all(Column::is_positional) {
            return check_columns(statement, columns);
        }
        let key = (columns.as_ptr() as usize, columns.len());
        let prepared_again = statement.get_status(StatementStatus::RePrepare);
        let mut seen = lock(&self.seen);
        if seen.len() >= MAX_STATEMENTS {
            seen.clear();
        }
        let seen = seen.entry(self.hasher.hash_one(sql)).or_default();
        let is_new = statement.get_status(StatementStatus::Run) == 0;
        if is_new || seen.prepared_again != prepared_again {
            *seen = CheckedStatement { prepared_again, ..CheckedStatement::default() };
        }
        if !seen.fitting.contains(&key) {
            check_columns(statement, columns)?;
            seen.fitting.push(key);
        }
        Ok(())
    }
}
