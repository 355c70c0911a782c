//! The reasons for errors, with the data of their messages.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::classify::TransactionControl;
use crate::dialect::Dialect;
use crate::error::kind::ErrorKind;

/// Start of the messages about a lost connection. [`Error::at_server`](super::Error::at_server) inserts the server's
/// address after it.
pub(super) const CONNECTION: &str = "the connection";

/// The step of acquiring a connection that timed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcquireStep {
    /// Waiting for a free connection of the pool.
    Waiting,
    /// Opening a connection.
    Connecting,
    /// Checking that an idle connection is alive.
    Pinging,
}

impl fmt::Display for AcquireStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AcquireStep::Waiting => "waiting for a connection",
            AcquireStep::Connecting => "connecting",
            AcquireStep::Pinging => "checking a kept connection",
        })
    }
}

/// The reason for an error, with the data of its message.
#[doc(hidden)]
#[derive(Debug)]
pub enum ErrorDetail {
    /// A setting does not parse or is out of range.
    Setting { variable: String, held: String, expected: String },
    /// No connection to `target` (host, port, database or file; never a password).
    Connect { target: String, problem: String },
    /// A step of acquiring a connection timed out.
    Timeout { step: AcquireStep, after: Duration, detail: String },
    /// The deadline of the surrounding work has passed.
    Deadline { after: Duration, why: String },
    /// The database refused or failed a statement.
    Database {
        dialect: Dialect,
        kind: ErrorKind,
        code: String,
        /// The meaning of the code, without values and names.
        condition: &'static str,
        message: String,
        detail: Option<String>,
        constraint: Option<String>,
        /// Table and column that the database names, by themselves.
        table: Option<String>,
        column: Option<String>,
    },
    /// The queue for a connection is full.
    QueueFull { detail: String },
    /// The database is closed.
    Closed,
    /// The connection broke during a statement.
    Lost,
    /// The connection broke during COMMIT: the transaction may or may not be committed.
    CommitUnknown,
    /// A row does not match the struct it is decoded into.
    Decode { column: String, expected: String, found: String },
    /// A value can't be stored without changing it.
    Value { table: Option<&'static str>, place: String, problem: String },
    /// A read session received a statement that may write.
    WriteInRead,
    /// A stream received a statement that may write.
    WriteInStream,
    /// A session received a statement that begins or ends a transaction.
    TransactionControl(TransactionControl),
    /// The transaction ended before its session ended it.
    TransactionEnded,
    /// The transaction was committed by its last batch.
    Committed,
    /// The last batch of a transaction was dropped while it ran, or failed in a way that leaves its commit open.
    LastBatchUnknown,
    /// The last batch of a transaction was to run inside a savepoint.
    LastInSavepoint,
    /// A session was opened inside a write of the same task. The source lines of both, where known.
    NestedWrite { inner: Option<&'static Location<'static>>, outer: &'static Location<'static> },
    /// An earlier statement of the transaction failed.
    TransactionFailed { earlier: String },
    /// An earlier batch ended the snapshot of a read session.
    SnapshotEnded { earlier: String },
    /// `one` found no row, or `one`/`optional` found several.
    RowCount { expected: &'static str, found: usize },
    /// Revisions can't be applied or rolled back as asked.
    Revision { lines: Vec<String> },
    /// No server accepts writes.
    NoPrimary { after: Duration, detail: String },
    /// Several servers accept writes, and nothing shows which is the primary.
    TwoPrimaries { detail: String },
    /// The server of a transaction is no longer the primary.
    Superseded { node: String },
    /// No replica qualifies for a read, and the primary fallback budget is used up.
    FallbackRefused { limit: usize },
    /// An SQLite file is no longer at its path.
    FileGone { what: String, transaction: GoneTransaction },
}

/// The state of a transaction whose SQLite file is gone.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoneTransaction {
    /// The caller committed nothing.
    None,
    /// The transaction is in a file that nobody can open any more.
    Lost,
    /// The transaction is in a file that was moved.
    WithTheFile,
    /// The transaction is kept if the program closes the file properly.
    Unknown,
}

impl ErrorDetail {
    /// Returns the kind of the error.
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            ErrorDetail::Setting { .. } => ErrorKind::Settings,
            ErrorDetail::Connect { .. } => ErrorKind::Connect,
            ErrorDetail::Timeout { .. } => ErrorKind::PoolTimeout,
            ErrorDetail::Deadline { .. } => ErrorKind::Deadline,
            ErrorDetail::Database { kind, .. } => *kind,
            ErrorDetail::QueueFull { .. } => ErrorKind::QueueFull,
            ErrorDetail::Closed => ErrorKind::Closed,
            ErrorDetail::Lost => ErrorKind::ConnectionLost,
            ErrorDetail::CommitUnknown
            | ErrorDetail::LastBatchUnknown
            | ErrorDetail::FileGone {
                transaction: GoneTransaction::WithTheFile | GoneTransaction::Unknown,
                ..
            } => ErrorKind::CommitUnknown,
            ErrorDetail::FileGone { .. } => ErrorKind::FileGone,
            ErrorDetail::Decode { .. } => ErrorKind::Decode,
            ErrorDetail::Value { .. } => ErrorKind::InvalidValue,
            ErrorDetail::WriteInRead | ErrorDetail::WriteInStream => ErrorKind::ReadOnly,
            ErrorDetail::TransactionControl(_) | ErrorDetail::LastInSavepoint => {
                ErrorKind::TransactionControl
            }
            ErrorDetail::Committed => ErrorKind::Committed,
            ErrorDetail::TransactionEnded => ErrorKind::TransactionEnded,
            ErrorDetail::NestedWrite { .. } => ErrorKind::NestedWrite,
            ErrorDetail::TransactionFailed { .. } | ErrorDetail::SnapshotEnded { .. } => {
                ErrorKind::TransactionFailed
            }
            ErrorDetail::RowCount { .. } => ErrorKind::RowCount,
            ErrorDetail::Revision { .. } => ErrorKind::Revision,
            ErrorDetail::NoPrimary { .. } => ErrorKind::NoPrimary,
            ErrorDetail::TwoPrimaries { .. } => ErrorKind::TwoPrimaries,
            ErrorDetail::Superseded { .. } => ErrorKind::Superseded,
            ErrorDetail::FallbackRefused { .. } => ErrorKind::FallbackRefused,
        }
    }
}

impl fmt::Display for ErrorDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorDetail::Setting { variable, held, expected } => {
                write!(f, "{variable} holds {held}; it may hold {expected}")
            }
            ErrorDetail::Connect { target, problem } => write!(f, "cannot open {target}: {problem}"),
            ErrorDetail::Timeout { step, after, detail } => {
                write!(f, "timed out after {:.1} s while {step}", after.as_secs_f64())?;
                if detail.is_empty() { Ok(()) } else { write!(f, ": {detail}") }
            }
            ErrorDetail::Deadline { after, why } => {
                write!(f, "the deadline came after {:.1} s: {why}", after.as_secs_f64())
            }
            ErrorDetail::Database { code, message, detail: Some(detail), .. } => {
                write!(f, "{message}: {detail} [{code}]")
            }
            ErrorDetail::Database { code, message, .. } => write!(f, "{message} [{code}]"),
            ErrorDetail::QueueFull { detail } => write!(f, "the queue for a connection is full: {detail}"),
            ErrorDetail::Closed => f.write_str("the database was closed by Database::close"),
            ErrorDetail::Lost => write!(f, "{CONNECTION} was lost"),
            ErrorDetail::CommitUnknown => write!(
                f,
                "{CONNECTION} was lost while COMMIT was under way: the transaction may or may not have \
                 happened; look for its rows on the primary (Database::read_primary) before writing again",
            ),
            ErrorDetail::Decode { column, expected, found } => {
                write!(f, "{column}: expected {expected}, found {found}")
            }
            ErrorDetail::Value { table: Some(table), place, problem } => write!(f, "{table}.{place}: {problem}"),
            ErrorDetail::Value { table: None, place, problem } => write!(f, "{place}: {problem}"),
            ErrorDetail::WriteInRead => f.write_str(
                "a read session runs SELECT, WITH, VALUES, TABLE, SHOW and EXPLAIN only, and no set_config; use \
                 Database::write",
            ),
            ErrorDetail::WriteInStream => f.write_str("a stream runs SELECT, WITH, VALUES and TABLE only; use run"),
            ErrorDetail::TransactionControl(control) => {
                write!(f, "a session begins and ends its transaction itself, so this was not sent; {}", control.advice())
            }
            ErrorDetail::TransactionEnded => f.write_str(
                "the transaction was over before its session ended it, so what it wrote may be kept in part; look for \
                 its rows before writing again",
            ),
            ErrorDetail::Committed => f.write_str(
                "the transaction was committed by its last batch (run_last), so nothing can be added to it or undone",
            ),
            ErrorDetail::LastBatchUnknown => f.write_str(
                "the end of the transaction's last batch (run_last) was not seen: the transaction may or may not have \
                 happened; look for its rows on the primary (Database::read_primary) before writing again",
            ),
            ErrorDetail::LastInSavepoint => f.write_str(
                "a savepoint is open, and the last batch of a transaction (run_last) would commit it, so this was not \
                 sent; release the savepoint first",
            ),
            ErrorDetail::NestedWrite { inner, outer } => {
                f.write_str("a write was begun")?;
                if let Some(inner) = inner {
                    write!(f, " at {inner}")?;
                }
                write!(
                    f,
                    " inside the write of {outer}: it would not be part of that transaction and could wait for it for \
                     ever; pass the session of the outer write down, or write before or after it"
                )
            }
            ErrorDetail::TransactionFailed { earlier } => write!(
                f,
                "an earlier statement of this transaction failed, so nothing of it can be kept: {earlier}"
            ),
            ErrorDetail::SnapshotEnded { earlier } => write!(
                f,
                "the session's snapshot ended with an earlier batch; take another one with Database::snapshot: {earlier}"
            ),
            ErrorDetail::RowCount { expected, found } => {
                write!(f, "expected {expected}, the query returned {found} rows")
            }
            ErrorDetail::Revision { lines } => f.write_str(&lines.join(" ")),
            ErrorDetail::NoPrimary { after, detail } => {
                f.write_str("no server takes writes")?;
                if !after.is_zero() {
                    write!(f, ", after {:.1} s of looking", after.as_secs_f64())?;
                }
                write!(f, ": {detail}; start the primary, or promote a standby that DATABASE_URL names")
            }
            ErrorDetail::TwoPrimaries { detail } => write!(
                f,
                "several servers take writes and nothing tells which is the primary, so none is written to: {detail}; stop \
                 all but one"
            ),
            ErrorDetail::Superseded { node } => {
                write!(f, "{node} is no longer the primary, so the transaction was rolled back; run it again")
            }
            ErrorDetail::FallbackRefused { limit } => write!(
                f,
                "no replica is fit for this read, and {limit} such reads run on the primary already, with as many \
                 waiting as may; DB_REPLICA_FALLBACK sets how many run there"
            ),
            ErrorDetail::FileGone { what, transaction } => {
                write!(f, "{what} while it was open")?;
                f.write_str(match transaction {
                    GoneTransaction::None => "",
                    GoneTransaction::Lost => ", and the transaction is lost",
                    GoneTransaction::WithTheFile => ", and the transaction went with it",
                    GoneTransaction::Unknown => ", and the transaction may or may not be kept",
                })?;
                f.write_str("; nothing is read or written until the database is opened again")
            }
        }
    }
}
