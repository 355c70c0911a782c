//! Pagination: by offset and by cursor.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tallybook_core::Encode;

use crate::error::{Error, Result};
use crate::id::Key;
use crate::table::Table;

/// A window of a list: the number of rows to skip, and the maximum number to return.
///
/// The database reads the rows that it skips. For pages deep in a long list use a [`Cursor`].
///
/// ```
/// use tallybook::tables::LimitOffset;
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
///
/// If its rows implement serde's `Serialize`, so does the page: `{"rows": […], "next": "trades.1740821400000000.7"}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(bound(serialize = "T: Serialize"))]
pub struct Page<T: Table> {
    /// The rows of the page.
    pub rows: Vec<T>,
    /// The cursor of the next page; `None` on the last page.
    pub next: Option<Cursor<T>>,
}

/// A position in a list of rows of `T`: after the last row of a page. An index finds the next page at any depth, and
/// concurrent inserts and deletes neither skip nor repeat other rows.
///
/// It converts to text with `to_string` and back with `parse`, for example for a URL, and with serde. The text begins with the name of the
/// table, and no other table accepts it.
pub struct Cursor<T: Table> {
    /// The value of the column [`Table::ORDER`], if the table has one.
    time: Option<DateTime<Utc>>,
    id: T::Key,
}

impl<T: Table> Cursor<T> {
    pub(crate) fn after(row: &T) -> Self {
        Self { time: row.time(), id: row.id().get() }
    }

    /// Returns the time and the identifier.
    pub(crate) fn position(&self) -> (Option<DateTime<Utc>>, T::Key) {
        (self.time, self.id)
    }
}

impl<T: Table> Clone for Cursor<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Table> Copy for Cursor<T> {}

impl<T: Table> PartialEq for Cursor<T> {
    fn eq(&self, other: &Self) -> bool {
        self.position() == other.position()
    }
}

impl<T: Table> Eq for Cursor<T> {}

impl<T: Table> fmt::Debug for Cursor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({self})")
    }
}

/// Parses a time that a column can hold.
fn moment(micros: &str) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros.parse().ok()?).filter(|moment| moment.encode().is_ok())
}

impl<T: Table> fmt::Display for Cursor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::NAME)?;
        if let Some(time) = self.time {
            write!(f, ".{}", time.timestamp_micros())?;
        }
        write!(f, ".{}", self.id)
    }
}

impl<T: Table> FromStr for Cursor<T> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let position = text.strip_prefix(T::NAME)?.strip_prefix('.')?;
            let (time, id) = match T::ORDER {
                Some(_) => {
                    let (micros, id) = position.split_once('.')?;
                    (Some(moment(micros)?), id)
                }
                None => (None, position),
            };
            Some(Self { time, id: T::Key::parse(id)? })
        };
        parse().ok_or_else(|| Error::cursor(text))
    }
}

impl<T: Table> Serialize for Cursor<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T: Table> Deserialize<'de> for Cursor<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
