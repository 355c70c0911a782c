//! Beginning and end of a transaction around a pipeline.

use crate::dialect::Dialect;

/// The isolation level of a write transaction, as in the SQL standard. On SQLite, every transaction is serializable:
/// only one writes at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IsolationLevel {
    /// Each statement sees everything committed before it began.
    #[default]
    ReadCommitted,
    /// All statements see one snapshot, taken by the first. Changing a row that another transaction has changed since
    /// then fails ([`Error::is_retryable`](crate::Error::is_retryable)).
    RepeatableRead,
    /// Transactions behave as if they ran one after the other. A statement or the commit fails where they would not
    /// ([`Error::is_retryable`](crate::Error::is_retryable)).
    Serializable,
}

/// The kind of transaction that a pipeline begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Read only; one snapshot for all statements.
    Snapshot,
    /// Read only; one snapshot that fits a serial order of all serializable transactions. Taking it may wait for them.
    SerializableSnapshot,
    /// Read and write; each statement sees everything committed before it.
    Write,
    /// Read and write, at an isolation level.
    WriteAt(IsolationLevel),
}

/// The end of a transaction that a pipeline began or continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// `COMMIT`.
    Commit,
    /// `ROLLBACK`.
    Rollback,
}

/// The transaction control that a pipeline sends with its statements, in the same round trip.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransactionFraming {
    /// Transaction to begin before the statements.
    pub begin: Option<Begin>,
    /// End of the transaction after the statements.
    pub end: Option<End>,
    /// True if the statements continue the transaction that an earlier pipeline began. It must still be open.
    pub continues: bool,
    /// True to ask first how far a replica has replayed the log: no result of the pipeline is older.
    pub asks_replayed: bool,
    /// True to refuse statements that write, where the connection itself would accept them.
    pub read_only: bool,
    /// True to open a cursor over the only statement, whose rows are fetched later, instead of running it. There must be
    /// a transaction.
    pub opens_cursor: bool,
}

impl TransactionFraming {
    /// Returns the same framing around a read-only transaction of one snapshot.
    pub fn snapshot(self) -> Self {
        Self { begin: Some(Begin::Snapshot), end: Some(End::Commit), ..self }
    }
}

impl Begin {
    /// Returns whether the transaction may write.
    pub fn is_write(self) -> bool {
        !matches!(self, Self::Snapshot | Self::SerializableSnapshot)
    }

    /// Returns the statement that begins the transaction.
    pub fn sql(self, dialect: Dialect) -> &'static str {
        match (dialect, self) {
            (Dialect::Postgres, Begin::Snapshot) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            (Dialect::Postgres, Begin::SerializableSnapshot) => {
                "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE"
            }
            (Dialect::Postgres, Begin::Write | Begin::WriteAt(IsolationLevel::ReadCommitted)) => {
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
            }
            (Dialect::Postgres, Begin::WriteAt(IsolationLevel::RepeatableRead)) => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE"
            }
            (Dialect::Postgres, Begin::WriteAt(IsolationLevel::Serializable)) => {
                "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"
            }
            // In WAL mode, a deferred transaction takes its snapshot with its first read and keeps it to its end.
            (Dialect::Sqlite, Begin::Snapshot | Begin::SerializableSnapshot) => "BEGIN DEFERRED",
            (Dialect::Sqlite, Begin::Write | Begin::WriteAt(_)) => "BEGIN IMMEDIATE",
        }
    }
}

impl End {
    /// Returns the statement that ends the transaction.
    pub fn sql(self) -> &'static str {
        match self {
            End::Commit => "COMMIT",
            End::Rollback => "ROLLBACK",
        }
    }
}
