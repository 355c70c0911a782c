//! The end of a run: the time after which nothing new begins, and how its connections end.

use std::time::{Duration, Instant};

use tallybook_core::driver::Connection;
use tallybook_core::waiting::Deadline;
use tokio::time::timeout;

/// Time reserved before the deadline to report why a run ends.
const MARGIN: Duration = Duration::from_millis(300);
/// Time that ending a connection may take after the deadline.
const GRACE: Duration = Duration::from_millis(200);

/// Returns the time after which a run begins nothing new: shortly before its deadline, so that it ends in an orderly
/// way.
pub(crate) fn last_begin(deadline: &Deadline) -> Instant {
    let margin = MARGIN.min(deadline.limit() / 10);
    deadline.end().checked_sub(margin).unwrap_or_else(Instant::now)
}

/// Ends a connection. On PostgreSQL this cancels a running statement; on SQLite the last connection removes the
/// write-ahead log.
pub(crate) async fn end(mut connection: Connection) {
    let is_clean = connection.is_clean() || matches!(timeout(GRACE, connection.clean()).await, Ok(Ok(())));
    if is_clean {
        connection.close().await;
    }
}
