//! Parts of long lists.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use tallybook_engine::Encode;

use crate::error::{Error, Result};
use crate::ids::Id;
use crate::models::{Execution, Portfolio, Position, Trade, TradingSession};
use crate::table::Table;

/// A window on a list: how many rows to leave out, and how many to return at most.
///
/// Skipping reads what it skips: for pages deep in a long list use a [`Cursor`].
///
/// ```
/// use tallybook::Window;
///
/// assert_eq!(Window::first(20).skip(40), Window { skip: 40, limit: 20 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows to leave out.
    pub skip: u32,
    /// Rows to return at most.
    pub limit: u32,
}

impl Window {
    /// The first rows.
    pub const fn first(limit: u32) -> Self {
        Self { skip: 0, limit }
    }

    /// The same number of rows behind `skip` others.
    #[must_use]
    pub const fn skip(self, skip: u32) -> Self {
        Self { skip, ..self }
    }
}

/// A page of a list, and where the next one begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// Its rows.
    pub rows: Vec<T>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
}

/// A place in a list: behind the last row of a page. The page behind it is found by an index, however deep
/// it lies, and rows that come or go meanwhile neither shift nor repeat the others.
///
/// It travels as a text, by `to_string` and `parse`, and leads on only in the list of its own table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    table: &'static str,
    /// In the column [`Table::ORDER`], where the table has one.
    time: Option<DateTime<Utc>>,
    id: i64,
}

impl Cursor {
    pub(crate) fn behind<T: Table>(row: &T) -> Self {
        Self { table: T::NAME, time: row.time(), id: row.id().get() }
    }

    /// The time and the identifier, for the table that it was made for.
    pub(crate) fn place<T: Table>(&self) -> Result<(Option<DateTime<Utc>>, i64)> {
        if self.table == T::NAME { Ok((self.time, self.id)) } else { Err(Error::cursor(&self.to_string())) }
    }

    fn parse<T: Table>(place: &str) -> Option<Self> {
        let (time, id) = if T::ORDER.is_some() {
            let (micros, id) = place.split_once('.')?;
            (Some(moment(micros)?), id)
        } else {
            (None, place)
        };
        Some(Self { table: T::NAME, time, id: id.parse().ok()? })
    }
}

/// A moment that a column may hold.
fn moment(micros: &str) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros.parse().ok()?).filter(|moment| moment.encode().is_ok())
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.table)?;
        if let Some(time) = self.time {
            write!(f, ".{}", time.timestamp_micros())?;
        }
        write!(f, ".{}", self.id)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (table, place) = text.split_once('.')?;
            match table {
                Portfolio::NAME => Self::parse::<Portfolio>(place),
                Position::NAME => Self::parse::<Position>(place),
                Trade::NAME => Self::parse::<Trade>(place),
                Execution::NAME => Self::parse::<Execution>(place),
                TradingSession::NAME => Self::parse::<TradingSession>(place),
                _ => None,
            }
        };
        parse().ok_or_else(|| Error::cursor(text))
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn a_cursor_survives_the_way_through_a_url() {
        for text in ["trades.1700000000000000.42", "executions.-1.3", "portfolios.7"] {
            assert_eq!(text.parse::<Cursor>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in [
            "",
            "trades",
            "orders.7",
            "trades.7",
            "trades.1.2.3",
            "trades.1.",
            "portfolios.1700000000000000.42",
            "portfolios.99999999999999999999",
            // Behind the year 9999, which no column keeps on both engines.
            "trades.999999999999999999.1",
        ] {
            assert!(text.parse::<Cursor>().unwrap_err().is_cursor(), "{text}");
        }
    }
}
