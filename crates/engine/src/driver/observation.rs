//! What a PostgreSQL server says of itself at one moment.

/// Who is at the other end of a connection, when it was made. Zeros where the server does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) standby: bool,
    pub(crate) system: u64,
    /// When the server started, as in [`Observation`].
    pub(crate) started: i64,
    /// The server's process that serves it.
    pub(crate) pid: i64,
}

/// Its role, and how far its log has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observation {
    /// It replays another server's log and takes no writes.
    pub(crate) standby: bool,
    /// A standby has replayed its log up to here; a primary writes on from here.
    pub(crate) lsn: u64,
    pub(crate) timeline: u32,
    /// Replay was paused by hand.
    pub(crate) paused: bool,
    /// The identifier that a primary and its replicas share.
    pub(crate) system: u64,
    /// When it started, in microseconds: two addresses with the same are one server.
    pub(crate) started: i64,
}
