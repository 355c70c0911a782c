//! The kinds of errors.

/// The kind of failure of an [`Error`](super::Error), from [`Error::kind`](super::Error::kind).
///
/// Kinds are for a `match` that treats many failures, such as the mapping to HTTP statuses in the guide on errors. For
/// one question, the predicates of [`Error`](super::Error) read better, and some answer for several kinds. Later
/// versions may add kinds: a `match` needs a last arm `_`.
///
/// ```
/// use tallybook::{ErrorKind, Settings};
///
/// let error = Settings::new("mysql://localhost/book").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Settings);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is missing, malformed or out of range.
    Settings,
    /// No connection could be made: refused, unreachable, wrong password, missing database, bad file.
    Connect,
    /// No connection became free, or could be opened, within `DB_POOL_TIMEOUT`.
    PoolTimeout,
    /// More callers than `DB_POOL_MAX_WAITING` wait for a connection.
    QueueFull,
    /// The deadline of the surrounding work has passed.
    Deadline,
    /// `Database::close` was called.
    Closed,
    /// The connection broke during a statement. Its transaction is rolled back.
    ConnectionLost,
    /// The transaction may or may not be committed. Look for its rows before writing again.
    CommitUnknown,
    /// The SQLite file was deleted, replaced or moved while it was open, and nothing was being committed.
    FileGone,
    /// A unique constraint, a unique index or a primary key was violated.
    UniqueViolation,
    /// A row refers to one that is missing, or a row that others refer to was to be deleted.
    ForeignKeyViolation,
    /// A NOT NULL column received no value.
    NotNullViolation,
    /// A `CHECK` was violated.
    CheckViolation,
    /// An `EXCLUDE` constraint was violated. PostgreSQL only.
    ExclusionViolation,
    /// A concurrent transaction stands in the way of the isolation level. Run the whole transaction again.
    SerializationFailure,
    /// Two transactions waited for each other, and PostgreSQL ended this one. Run it again.
    Deadlock,
    /// Another connection keeps the SQLite file locked. Nothing was changed.
    Locked,
    /// A lock was not free within `lock_timeout`, or with `NOWAIT`. PostgreSQL only.
    LockTimeout,
    /// The statement exceeded the server's `statement_timeout`. PostgreSQL only.
    StatementTimeout,
    /// A table was altered under a prepared statement. The same call succeeds when it is made again.
    StalePlan,
    /// A write where only reading is possible: a read session, a read-only file, a standby.
    ReadOnly,
    /// The SQL is wrong: its syntax, or a table, column, type or function that does not exist.
    Syntax,
    /// The database's user may not do this.
    PermissionDenied,
    /// A value can't be stored without changing it, or the number of parameters is wrong.
    InvalidValue,
    /// A row does not match the struct that it is decoded into.
    Decode,
    /// `one` found no row, or `one` or `optional` found several.
    RowCount,
    /// A session received a statement that begins or ends a transaction. It was not sent.
    TransactionControl,
    /// An earlier statement of the transaction failed, or an earlier batch of a snapshot.
    TransactionFailed,
    /// The transaction ended before its session ended it. Parts of it may be committed.
    TransactionEnded,
    /// The transaction is committed already, so nothing can be added to it or undone.
    Committed,
    /// A write was begun inside another write of the same task.
    NestedWrite,
    /// No server accepts writes.
    NoPrimary,
    /// Several servers accept writes, and nothing shows which is the primary. Somebody must stop all but one.
    TwoPrimaries,
    /// Another server became the primary during the transaction, which was rolled back.
    Superseded,
    /// No replica qualifies for a read, and the budget for such reads on the primary is used up.
    FallbackRefused,
    /// A revision could not be applied or rolled back as asked.
    Revision,
    /// Anything else that the database reports; see [`Error::code`](super::Error::code).
    Other,
}
