//! Parts of long lists.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use crate::error::{Error, Result};
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
/// It travels as a text: `to_string` and `parse`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) time: Option<DateTime<Utc>>,
    pub(crate) id: i64,
}

impl Cursor {
    pub(crate) fn behind<T: Table>(row: &T) -> Self {
        use crate::ids::Id;
        Self { time: row.time(), id: row.id().get() }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.time {
            Some(time) => write!(f, "{}.{}", time.timestamp_micros(), self.id),
            None => write!(f, "{}", self.id),
        }
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (time, id) = match text.split_once('.') {
                Some((micros, id)) => (Some(DateTime::from_timestamp_micros(micros.parse().ok()?)?), id),
                None => (None, text),
            };
            Some(Self { time, id: id.parse().ok()? })
        };
        parse().ok_or_else(|| Error::cursor(text))
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn a_cursor_survives_the_way_through_a_url() {
        for text in ["1700000000000000.42", "7"] {
            assert_eq!(text.parse::<Cursor>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in ["", "x", "1.2.3", "1.", "99999999999999999999"] {
            assert!(text.parse::<Cursor>().unwrap_err().is_cursor(), "{text}");
        }
    }
}
