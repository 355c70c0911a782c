//! The rows of one statement of a load.

use tallybook_core::{All, Batch, Queries, ReadBatch};

use crate::table::Table;
use crate::time_order::IndexedRow;

/// A query for the rows of one statement of a load. Its order is checked only where a limit depends on it.
#[derive(Debug)]
pub enum Rows<T> {
    /// All rows.
    Whole(All<T>),
    /// The newest rows.
    Newest(All<IndexedRow<T>>),
}

/// The rows of one statement of a load.
#[derive(Debug)]
pub enum ReadRows<T> {
    /// All rows.
    Whole(Vec<T>),
    /// The newest rows, to be checked.
    Newest(Vec<IndexedRow<T>>),
}

impl<T: Table> Rows<T> {
    /// Declares that there is at most one row.
    pub(crate) fn of_one_row(self) -> Self {
        match self {
            Self::Whole(all) => Self::Whole(all.of_one_row()),
            Self::Newest(all) => Self::Newest(all.of_one_row()),
        }
    }
}

impl<T: Table> Batch for Rows<T> {
    type Output = ReadRows<T>;

    fn queries<'a>(&'a mut self, into: &mut Queries<'a>) {
        match self {
            Self::Whole(all) => all.queries(into),
            Self::Newest(all) => all.queries(into),
        }
    }

    fn finish(&mut self) -> tallybook_core::Result<ReadRows<T>> {
        Ok(match self {
            Self::Whole(all) => ReadRows::Whole(all.finish()?),
            Self::Newest(all) => ReadRows::Newest(all.finish()?),
        })
    }
}

impl<T: Table> ReadBatch for Rows<T> {}

impl<T> ReadRows<T> {
    /// Returns the rows, without a check of their order.
    pub(crate) fn unchecked(self) -> Vec<T> {
        match self {
            Self::Whole(rows) => rows,
            Self::Newest(rows) => rows.into_iter().map(IndexedRow::into_row).collect(),
        }
    }
}
