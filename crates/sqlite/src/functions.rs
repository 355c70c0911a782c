//! SQL functions that Tallybook adds to SQLite: arithmetic of timestamps, which are texts there. No schema refers to
//! them, so every other program can still read the file.
//!
//! | function | result |
//! |---|---|
//! | `tallybook_micros(time)` | microseconds since 1970, for every readable form; `NULL` for any other text |
//! | `tallybook_touched(before, now)` | `now`, or one microsecond after `before` if that is later |

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection as Sqlite;
use rusqlite::functions::{Context, FunctionFlags};
use tallybook_sql::value::{format_timestamp, parse_timestamp};

pub(super) fn register(sqlite: &Sqlite) -> rusqlite::Result<()> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    sqlite.create_scalar_function("tallybook_micros", 1, flags, |context| {
        Ok(moment(context, 0).map(|moment| moment.timestamp_micros()))
    })?;
    sqlite.create_scalar_function("tallybook_touched", 2, flags, |context| {
        let before = moment(context, 0);
        let now = moment(context, 1);
        let least = before.and_then(|before| before.checked_add_signed(TimeDelta::microseconds(1)));
        Ok(now.max(least).map(format_timestamp))
    })
}

fn moment(context: &Context<'_>, index: usize) -> Option<DateTime<Utc>> {
    parse_timestamp(context.get_raw(index).as_str().ok()?)
}
