//! How a flight begins and ends a transaction.

use crate::settings::Engine;

/// The kind of transaction that a flight begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// One snapshot for all statements, read only.
    Snapshot,
    /// Read and write.
    Write,
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
    pub(crate) fn sql(self, engine: Engine) -> &'static str {
        match (engine, self) {
            (Engine::Postgres, Begin::Snapshot) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            (Engine::Postgres, Begin::Write) => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
            // The snapshot of a deferred transaction is taken by its first read and kept to its end (WAL).
            (Engine::Sqlite, Begin::Snapshot) => "BEGIN DEFERRED",
            (Engine::Sqlite, Begin::Write) => "BEGIN IMMEDIATE",
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
