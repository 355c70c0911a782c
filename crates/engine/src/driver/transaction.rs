//! How a flight begins and ends a transaction.

use crate::settings::Engine;

/// What a write transaction sees of others that commit while it lasts, by the levels of the SQL standard. On SQLite each
/// of them is serializable: one transaction writes at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IsolationLevel {
    /// Each statement sees what was committed before it began.
    #[default]
    ReadCommitted,
    /// All statements see one snapshot, taken by the first. Changing a row that another transaction has changed since
    /// fails ([`Error::is_retryable`](crate::Error::is_retryable)).
    RepeatableRead,
    /// As if transactions ran one after the other: whatever would make a difference fails
    /// ([`Error::is_retryable`](crate::Error::is_retryable)), also at the commit.
    Serializable,
}

/// The kind of transaction that a flight begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// One snapshot for all statements, read only.
    Snapshot,
    /// Read and write; each statement sees what was committed before it.
    Write,
    /// Read and write, at a level of isolation.
    WriteAt(IsolationLevel),
}

/// How a flight ends the transaction that it began or continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Commit,
    Rollback,
}

/// What goes before and behind the statements of a flight, in the same flight.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    pub(crate) begin: Option<Begin>,
    pub(crate) end: Option<End>,
    /// The statements run in the transaction that an earlier flight began: it must still be open.
    pub(crate) continues: bool,
    /// Ask first how far a replica has replayed its log: whatever the flight reads is not older.
    pub(crate) asks_replayed: bool,
    /// Refuse statements that write, where the connection itself would let them through.
    pub(crate) read_only: bool,
}

impl Bounds {
    /// The same flight as a transaction that says itself that it only reads.
    pub(super) fn snapshot(self) -> Self {
        Self { begin: Some(Begin::Snapshot), end: Some(End::Commit), ..self }
    }
}

impl Begin {
    /// Whether it begins a transaction that may write.
    pub(crate) fn is_write(self) -> bool {
        self != Self::Snapshot
    }

    pub(crate) fn sql(self, engine: Engine) -> &'static str {
        match (engine, self) {
            (Engine::Postgres, Begin::Snapshot) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            (Engine::Postgres, Begin::Write | Begin::WriteAt(IsolationLevel::ReadCommitted)) => {
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
            }
            (Engine::Postgres, Begin::WriteAt(IsolationLevel::RepeatableRead)) => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE"
            }
            (Engine::Postgres, Begin::WriteAt(IsolationLevel::Serializable)) => {
                "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"
            }
            // The snapshot of a deferred transaction is taken by its first read and kept to its end (WAL).
            (Engine::Sqlite, Begin::Snapshot) => "BEGIN DEFERRED",
            (Engine::Sqlite, Begin::Write | Begin::WriteAt(_)) => "BEGIN IMMEDIATE",
        }
    }
}

impl End {
    pub(crate) fn sql(self) -> &'static str {
        match self {
            End::Commit => "COMMIT",
            End::Rollback => "ROLLBACK",
        }
    }
}
