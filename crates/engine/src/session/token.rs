//! What a commit leaves in the caller's hands.

/// Proof of a commit: what is read with [`Database::read_after`](crate::Database::read_after) is never older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitToken {
    /// PostgreSQL's log position behind the commit.
    position: Option<u64>,
}

impl CommitToken {
    pub(crate) fn nothing_written() -> Self {
        Self { position: None }
    }

    pub(crate) fn at(position: Option<u64>) -> Self {
        Self { position }
    }

    /// The position in PostgreSQL's write-ahead log (`pg_lsn` as a number) that was reached right after the
    /// commit; none on SQLite, and where nothing was written.
    pub fn position(&self) -> Option<u64> {
        self.position
    }
}

/// What a write transaction returned, and its [`CommitToken`].
#[derive(Clone, Copy, Debug)]
pub struct Committed<T> {
    value: T,
    token: CommitToken,
}

impl<T> Committed<T> {
    pub(crate) fn new(value: T, token: CommitToken) -> Self {
        Self { value, token }
    }

    /// What the transaction returned.
    pub fn into_value(self) -> T {
        self.value
    }

    /// What the transaction returned, by reference.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// For reads that must see this commit.
    pub fn token(&self) -> CommitToken {
        self.token
    }
}
