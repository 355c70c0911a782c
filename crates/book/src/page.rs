//! Pagination: by offset and by cursor.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use tallybook_core::Encode;

use crate::error::{Error, Result};
use crate::ids::Id;
use crate::models::{Execution, Portfolio, Position, Trade, TradingSession};
use crate::table::Table;

/// A window of a list: the number of rows to skip, and the maximum number to return.
///
/// The database reads the rows that it skips. For pages deep in a long list use a [`Cursor`].
///
/// ```
/// use tallybook::book::LimitOffset;
///
/// assert_eq!(LimitOffset::first(20).skip(40), LimitOffset { skip: 40, limit: 20 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitOffset {
    /// Number of rows to skip.
    pub skip: u32,
    /// Maximum number of rows to return.
    pub limit: u32,
}

impl LimitOffset {
    /// Selects the first `limit` rows.
    pub const fn first(limit: u32) -> Self {
        Self { skip: 0, limit }
    }

    /// Selects the same number of rows after skipping `skip`.
    #[must_use]
    pub const fn skip(self, skip: u32) -> Self {
        Self { skip, ..self }
    }
}

/// A page of a list, with the cursor of the next one.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The rows of the page.
    pub rows: Vec<T>,
    /// The cursor of the next page; `None` on the last page.
    pub next: Option<Cursor>,
}

/// A position in a list: after the last row of a page. An index finds the next page at any depth, and concurrent
/// inserts and deletes neither skip nor repeat other rows.
///
/// It converts to text with `to_string` and back with `parse`, for example for a URL. It is valid only for the
/// table that it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    table: &'static str,
    /// The value of the column [`Table::ORDER`], if the table has one.
    time: Option<DateTime<Utc>>,
    id: i64,
}

impl Cursor {
    pub(crate) fn after<T: Table>(row: &T) -> Self {
        Self { table: T::NAME, time: row.time(), id: row.id().get() }
    }

    /// Returns the time and the identifier, if the cursor was made for this table.
    pub(crate) fn position<T: Table>(&self) -> Result<(Option<DateTime<Utc>>, i64)> {
        if self.table == T::NAME { Ok((self.time, self.id)) } else { Err(Error::cursor(&self.to_string())) }
    }

    fn parse<T: Table>(position: &str) -> Option<Self> {
        let (time, id) = if T::ORDER.is_some() {
            let (micros, id) = position.split_once('.')?;
            (Some(moment(micros)?), id)
        } else {
            (None, position)
        };
        Some(Self { table: T::NAME, time, id: id.parse().ok()? })
    }
}

/// Parses a time that a column can hold.
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
            let (table, position) = text.split_once('.')?;
            match table {
                Portfolio::NAME => Self::parse::<Portfolio>(position),
                Position::NAME => Self::parse::<Position>(position),
                Trade::NAME => Self::parse::<Trade>(position),
                Execution::NAME => Self::parse::<Execution>(position),
                TradingSession::NAME => Self::parse::<TradingSession>(position),
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
            // Beyond the year 9999, which not both databases can store.
            "trades.999999999999999999.1",
        ] {
            assert!(text.parse::<Cursor>().unwrap_err().is_cursor(), "{text}");
        }
    }
}
