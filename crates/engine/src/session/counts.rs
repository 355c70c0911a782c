//! What a session did, counted.

/// Statements and round trips of a session.
///
/// Counted are the statements that the caller ran, not the BEGIN and COMMIT that ride along. A round trip is
/// a flight to the server and back on PostgreSQL and a hop to the connection's thread and back on SQLite; a
/// COMMIT on its own is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Statements run.
    pub statements: u64,
    /// Times that something was sent and its answer awaited.
    pub round_trips: u64,
    /// Rows returned or touched.
    pub rows: u64,
}
