//! Counters of a session.

/// Statements, round trips and rows of a session.
///
/// Statements are those the caller ran; BEGIN and COMMIT do not count. A round trip is one exchange with the
/// server on PostgreSQL, and one with the connection's thread on SQLite. A COMMIT is a round trip of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Statements run.
    pub statements: u64,
    /// Requests sent and answered.
    pub round_trips: u64,
    /// Rows returned or changed.
    pub rows: u64,
}
