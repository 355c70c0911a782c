//! Consistency levels of reads.

use std::time::Duration;

use tallybook_sql::replication::Position;

/// The required freshness of a read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ReadConsistency {
    /// Within the staleness bound of the settings; best effort while there is no primary.
    Usual,
    /// Within this staleness bound, always.
    Within(Duration),
    /// At or after this commit.
    After(Position),
    /// On the primary.
    Primary,
}
