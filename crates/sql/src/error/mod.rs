//! The error type of Tallybook.
//!
//! [`Error`] is opaque: callers decide by its [`ErrorKind`] or by predicates such as [`Error::is_timeout`]. No message contains a password;
//! targets are printed without it.

mod detail;
mod excerpt;
mod kind;
mod message;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::dialect::Dialect;
use crate::value::SqlType;

pub use detail::{AcquireStep, ErrorDetail, GoneTransaction};
pub use kind::ErrorKind;

use excerpt::one_line;

/// An error of the database layer: what failed, where, and what to do about it.
///
/// Decide by [`Error::kind`] or the predicates, not by the message. [`Error::is_retryable`] answers the most common question.
///
/// ```
/// use tallybook::Settings;
///
/// let error = Settings::new("mysql://localhost/book").unwrap_err();
/// assert!(error.is_settings());
/// assert!(error.to_string().contains("postgresql://"));
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    detail: ErrorDetail,
    /// Row of a result or of a bulk load, counted from 1.
    row: Option<usize>,
    /// Host and port of the server whose connection was lost.
    server: Option<Arc<str>>,
    /// Value of the row's column `id`.
    id: Option<i64>,
    /// Index in its batch of the statement that failed, counted from 0.
    position: Option<usize>,
    statement: Option<String>,
    /// The transaction of the statement is committed.
    is_committed: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of a call into Tallybook.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Returns an error for this reason.
    #[doc(hidden)]
    pub fn new(detail: ErrorDetail) -> Self {
        Self(Box::new(Inner {
            detail,
            row: None,
            id: None,
            server: None,
            position: None,
            statement: None,
            is_committed: false,
            source: None,
        }))
    }

    /// Sets the cause.
    #[doc(hidden)]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Names the statement that failed, unless one is named already: a log line alone then identifies it.
    #[doc(hidden)]
    pub fn with_statement(mut self, sql: &str) -> Self {
        self.0.statement.get_or_insert_with(|| one_line(sql));
        self
    }

    /// Says that the transaction is committed all the same.
    #[doc(hidden)]
    pub fn after_commit(mut self) -> Self {
        self.0.is_committed = true;
        self
    }

    /// Names the row of a result or of a bulk load that failed, counted from 1, unless one is named already.
    #[doc(hidden)]
    pub fn at_row(mut self, number: usize) -> Self {
        self.0.row.get_or_insert(number);
        self
    }

    /// Names the server, if the error is a lost connection.
    #[doc(hidden)]
    pub fn at_server(mut self, server: &Arc<str>) -> Self {
        if matches!(self.0.detail, ErrorDetail::Lost | ErrorDetail::CommitUnknown) {
            self.0.server.get_or_insert_with(|| Arc::clone(server));
        }
        self
    }

    /// Names the row by its identifier, which does not depend on the order of the result.
    pub(crate) fn with_row_id(mut self, id: Option<i64>) -> Self {
        self.0.id = self.0.id.or(id);
        self
    }

    /// Sets the index in its batch of the statement that failed, counted from 0, unless it is set already.
    #[doc(hidden)]
    pub fn at_position(mut self, position: usize) -> Self {
        self.0.position.get_or_insert(position);
        self
    }

    /// Returns the index in its batch of the statement that failed, counted from 0.
    pub fn position(&self) -> Option<usize> {
        self.0.position
    }

    /// Returns the kind of the failure: what to do about it, without the particulars.
    ///
    /// A commit whose outcome is unknown is [`ErrorKind::CommitUnknown`], also where the SQLite file is gone. A file that
    /// is locked when it is opened is [`ErrorKind::Connect`], and [`Error::is_locked`] tells.
    pub fn kind(&self) -> ErrorKind {
        self.0.detail.kind()
    }

    /// Returns the reason with its data, for the crates of Tallybook.
    #[doc(hidden)]
    pub fn detail(&self) -> &ErrorDetail {
        &self.0.detail
    }

    /// Returns the reason why a value can't be stored unchanged.
    pub fn problem(&self) -> Option<&str> {
        match &self.0.detail {
            ErrorDetail::Value { problem, .. } => Some(problem),
            _ => None,
        }
    }

    /// Returns the error of a setting: its variable, its content, and what it may contain.
    #[doc(hidden)]
    pub fn setting(
        variable: impl Into<String>,
        held: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::new(ErrorDetail::Setting {
            variable: variable.into(),
            held: held.into(),
            expected: expected.into(),
        })
    }

    /// Returns the error of a connection that could not be made.
    #[doc(hidden)]
    pub fn connect(target: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::new(ErrorDetail::Connect { target: target.into(), problem: problem.into() })
    }

    /// Returns the error of a deadline that has passed; `why` says what was not done.
    #[doc(hidden)]
    pub fn deadline(after: Duration, why: String) -> Self {
        Self::new(ErrorDetail::Deadline { after, why })
    }

    /// Returns the error of a statement with too many or too few parameters.
    #[doc(hidden)]
    pub fn parameter_count(given: usize, used: impl fmt::Display) -> Self {
        Self::invalid_value("parameters", format!("{given} were given, the statement uses {used}"))
    }

    /// Returns the error of a revision.
    #[doc(hidden)]
    pub fn revision(message: impl Into<String>) -> Self {
        Self::revision_in_lines([message.into()])
    }

    /// Returns the error of a revision, with a message of several lines. A line break inside one of them is escaped: it
    /// comes from somebody else's text.
    #[doc(hidden)]
    pub fn revision_in_lines(lines: impl IntoIterator<Item = String>) -> Self {
        Self::new(ErrorDetail::Revision { lines: lines.into_iter().collect() })
    }

    /// Returns the error of a value that a column can't hold unchanged; for types of your own that implement
    /// [`Encode`](crate::Encode).
    pub fn invalid_value(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::new(ErrorDetail::Value { table: None, place: place.into(), problem: problem.into() })
    }

    /// Names the table of an invalid value.
    #[doc(hidden)]
    pub fn in_table(mut self, name: &'static str) -> Self {
        if let ErrorDetail::Value { table, .. } = &mut self.0.detail {
            table.get_or_insert(name);
        }
        self
    }

    /// Returns the error of a column whose value does not have the expected type.
    #[doc(hidden)]
    pub fn decode(column: impl Into<String>, expected: SqlType, found: impl Into<String>) -> Self {
        Self::new(ErrorDetail::Decode {
            column: column.into(),
            expected: expected.to_string(),
            found: found.into(),
        })
    }

    /// Returns the error of a result with another column where a struct reads `column`; `place` counts from 0.
    pub(crate) fn column_misplaced(column: &str, place: usize, found: &str) -> Self {
        let expected = format!("in place {} of the result", place + 1);
        let found = format!(
            "`{found}`; put the columns in the order of the struct, or call that one `… AS {column}` if it is meant"
        );
        Self::new(ErrorDetail::Decode { column: format!("column `{column}`"), expected, found })
    }

    /// Sets the kind of an error that the database reported, where its code alone does not show it.
    #[doc(hidden)]
    pub fn with_kind(mut self, known: ErrorKind) -> Self {
        if let ErrorDetail::Database { kind, .. } = &mut self.0.detail {
            *kind = known;
        }
        self
    }

    /// Turns `0A000` into a read-only error: a standby refuses `BEGIN READ WRITE` as an unsupported feature.
    #[doc(hidden)]
    pub fn into_refused_write(self) -> Self {
        if self.code() == Some("0A000") { self.with_kind(ErrorKind::ReadOnly) } else { self }
    }

    /// Sets the name of the violated constraint, for databases that report its columns only.
    #[doc(hidden)]
    pub fn with_constraint(mut self, name: String) -> Self {
        if let ErrorDetail::Database { constraint, .. } = &mut self.0.detail {
            *constraint = Some(name);
        }
        self
    }

    /// Returns PostgreSQL's SQLSTATE (`23505`) or SQLite's extended result code (`2067`), if the database reported the
    /// error.
    pub fn code(&self) -> Option<&str> {
        match &self.0.detail {
            ErrorDetail::Database { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Returns PostgreSQL's five characters, such as `23505`, if PostgreSQL reported the error; `None` on SQLite, whose
    /// result codes [`Error::code`] returns.
    pub fn sqlstate(&self) -> Option<&str> {
        match &self.0.detail {
            ErrorDetail::Database { dialect: Dialect::Postgres, code, .. } => Some(code),
            _ => None,
        }
    }

    /// Returns whether a setting is wrong. The message names the variable, its content and the allowed values.
    pub fn is_settings(&self) -> bool {
        self.kind() == ErrorKind::Settings
    }

    /// Returns whether no connection could be made: refused, unreachable, wrong password, missing database, bad file.
    pub fn is_connect(&self) -> bool {
        self.kind() == ErrorKind::Connect
    }

    /// Returns whether a time limit was exceeded.
    ///
    /// - Acquiring a connection took too long; [`Error::timed_out_step`] names the step.
    /// - The work exceeded the time that `Database::within` allows.
    /// - A statement exceeded the server's `statement_timeout` (57014). A statement that somebody cancelled has the
    ///   same code ("due to user request") but is not a time-out.
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind(), ErrorKind::PoolTimeout | ErrorKind::Deadline | ErrorKind::StatementTimeout)
    }

    /// Returns whether another connection holds the lock of an SQLite file. Nothing was changed.
    pub fn is_locked(&self) -> bool {
        match self.kind() {
            ErrorKind::Locked => true,
            ErrorKind::Connect => {
                let source = std::error::Error::source(self);
                source.and_then(|source| source.downcast_ref::<Self>()).is_some_and(Self::is_locked)
            }
            _ => false,
        }
    }

    /// Returns whether a statement exceeded the server's `statement_timeout`.
    pub fn is_statement_timeout(&self) -> bool {
        self.kind() == ErrorKind::StatementTimeout
    }

    /// Returns the step of acquiring a connection that timed out; `None` for a statement.
    pub fn timed_out_step(&self) -> Option<AcquireStep> {
        match self.0.detail {
            ErrorDetail::Timeout { step, .. } => Some(step),
            _ => None,
        }
    }

    /// Returns whether the queue for a connection was full (`DB_POOL_MAX_WAITING`). The call failed at once.
    pub fn is_queue_full(&self) -> bool {
        self.kind() == ErrorKind::QueueFull
    }

    /// Returns whether a unique constraint was violated.
    pub fn is_unique_violation(&self) -> bool {
        self.kind() == ErrorKind::UniqueViolation
    }

    /// Returns whether a foreign key was violated: a row refers to a missing row, or a row that others refer to was
    /// deleted.
    pub fn is_foreign_key_violation(&self) -> bool {
        self.kind() == ErrorKind::ForeignKeyViolation
    }

    /// Returns whether a NOT NULL column received no value.
    pub fn is_not_null_violation(&self) -> bool {
        self.kind() == ErrorKind::NotNullViolation
    }

    /// Returns whether a `CHECK` was violated; [`Error::constraint`] names it.
    pub fn is_check_violation(&self) -> bool {
        self.kind() == ErrorKind::CheckViolation
    }

    /// Returns the name of the violated constraint, if the database reports it.
    ///
    /// Both dialects report the name of a `CHECK` and of a unique index. PostgreSQL reports primary and foreign keys
    /// too. SQLite reports a primary key without an index by its columns (`notes.id`), and a foreign key not at all. A
    /// `CHECK` without a name has a generated one on PostgreSQL (`notes_stars_check`), and its text on SQLite.
    pub fn constraint(&self) -> Option<&str> {
        match &self.0.detail {
            ErrorDetail::Database { constraint, .. } => constraint.as_deref(),
            _ => None,
        }
    }

    /// Returns whether something tried to write where only reading is possible: a read session, a read-only file, a
    /// standby.
    pub fn is_read_only(&self) -> bool {
        self.kind() == ErrorKind::ReadOnly
    }

    /// Returns whether a value can't be stored without changing it: too many digits, too long, nanoseconds, NaN.
    pub fn is_invalid_value(&self) -> bool {
        self.kind() == ErrorKind::InvalidValue
    }

    /// Returns whether a row does not match the struct it is decoded into.
    pub fn is_decode(&self) -> bool {
        self.kind() == ErrorKind::Decode
    }

    /// Returns the column whose value has the wrong type or can't be stored unchanged, or that violates a constraint.
    ///
    /// Of constraints, both dialects name the column of a NOT NULL. SQLite also names that of a unique constraint of one
    /// column. PostgreSQL names none there: use [`Error::constraint`].
    pub fn column(&self) -> Option<&str> {
        match &self.0.detail {
            ErrorDetail::Decode { column, .. } => column.strip_prefix("column `")?.strip_suffix('`'),
            ErrorDetail::Value { place, .. } => Some(place),
            ErrorDetail::Database { column, .. } => column.as_deref(),
            _ => None,
        }
    }

    /// Returns the table whose constraint was violated, without its schema, if the database names it; or the table of a
    /// value that a repository refuses.
    ///
    /// PostgreSQL names it for every constraint; of a foreign key it is the table that has the key. SQLite names it for
    /// NOT NULL and for unique constraints of columns.
    pub fn table(&self) -> Option<&str> {
        match &self.0.detail {
            ErrorDetail::Database { table, .. } => table.as_deref(),
            ErrorDetail::Value { table, .. } => *table,
            _ => None,
        }
    }

    /// Returns whether the connection broke during a statement. Everything that its transaction wrote is rolled back.
    pub fn is_connection_lost(&self) -> bool {
        self.kind() == ErrorKind::ConnectionLost
    }

    /// Returns whether the connection broke during COMMIT, so that the transaction may or may not be committed. Look
    /// before writing again, with `Database::read_primary`: a replica may not
    /// have it yet.
    pub fn is_commit_unknown(&self) -> bool {
        self.kind() == ErrorKind::CommitUnknown
    }

    /// Returns whether the SQLite file or its write-ahead log was deleted, replaced or moved while it was open.
    ///
    /// The database reads and writes nothing until it is opened again. A transaction that was being committed is lost,
    /// unless [`Error::is_commit_unknown`] is true as well: then look for its rows, in the file that the message names.
    pub fn is_file_gone(&self) -> bool {
        matches!(self.0.detail, ErrorDetail::FileGone { .. })
    }

    /// Returns whether an earlier statement of the transaction failed, so that it can only be rolled back; or an
    /// earlier batch of a snapshot session, so that the snapshot is over.
    pub fn is_transaction_failed(&self) -> bool {
        self.kind() == ErrorKind::TransactionFailed
    }

    /// Returns whether a session received a statement that begins or ends a transaction (`COMMIT`, `ROLLBACK`,
    /// `SAVEPOINT`, …). It was not sent, and the transaction is unchanged: only the session begins and ends it.
    pub fn is_transaction_control(&self) -> bool {
        self.kind() == ErrorKind::TransactionControl
    }

    /// Returns whether the transaction ended before its session ended it, so that part of its writes may be committed.
    /// Look for its rows before writing again.
    pub fn is_transaction_ended(&self) -> bool {
        self.kind() == ErrorKind::TransactionEnded
    }

    /// Returns whether the transaction is committed although the call failed.
    ///
    /// That is so if the results of its last batch (`WriteSession::run_last`) were refused after the commit, and for
    /// whatever is asked of its session after that batch. Do not write again.
    pub fn is_committed(&self) -> bool {
        self.0.is_committed || self.kind() == ErrorKind::Committed
    }

    /// Returns whether a write was begun inside the closure of another
    /// `Database::write`, by the same task on the same database.
    ///
    /// It would be a transaction of its own: committed even if the outer one fails, and waiting forever for locks that
    /// the outer one holds. Pass the outer session down instead.
    pub fn is_nested_write(&self) -> bool {
        self.kind() == ErrorKind::NestedWrite
    }

    /// Returns whether `Database::close` was called.
    pub fn is_closed(&self) -> bool {
        self.kind() == ErrorKind::Closed
    }

    /// Returns whether a revision could not be applied or rolled back as asked.
    pub fn is_revision(&self) -> bool {
        self.kind() == ErrorKind::Revision
    }

    /// Returns whether no server accepts writes, or several do and nothing shows which is the primary.
    pub fn is_no_primary(&self) -> bool {
        matches!(self.kind(), ErrorKind::NoPrimary | ErrorKind::TwoPrimaries)
    }

    /// Returns whether another server became the primary during the transaction. It was rolled back.
    pub fn is_superseded(&self) -> bool {
        self.kind() == ErrorKind::Superseded
    }

    /// Returns whether no replica qualified for a read, and the primary fallback budget (`DB_REPLICA_FALLBACK`) is used
    /// up.
    pub fn is_fallback_refused(&self) -> bool {
        self.kind() == ErrorKind::FallbackRefused
    }

    /// Returns whether a read failed for a reason that another server may not have: the connection broke or could not
    /// be made, or replay on the replica conflicted with the read. Such a conflict is the only cause of a serialization
    /// failure there.
    #[doc(hidden)]
    pub fn is_of_node(&self) -> bool {
        let at_step = matches!(
            self.0.detail,
            ErrorDetail::Timeout { step: AcquireStep::Connecting | AcquireStep::Pinging, .. }
        );
        at_step
            || matches!(
                self.kind(),
                ErrorKind::ConnectionLost
                    | ErrorKind::Connect
                    | ErrorKind::SerializationFailure
                    | ErrorKind::Deadlock
            )
    }

    /// Returns whether a prepared statement no longer matches its tables, or the server has dropped it.
    #[doc(hidden)]
    pub fn is_stale_plan(&self) -> bool {
        self.kind() == ErrorKind::StalePlan
    }

    /// Returns whether nothing was committed and the same call may succeed when it is made again: after a time-out, a
    /// full queue, a lost connection, a serialization failure, a deadlock, a locked file, a failover, or a table that
    /// was altered under a prepared statement.
    pub fn is_retryable(&self) -> bool {
        !self.0.is_committed
            && matches!(
                self.kind(),
                ErrorKind::PoolTimeout
                    | ErrorKind::QueueFull
                    | ErrorKind::ConnectionLost
                    | ErrorKind::NoPrimary
                    | ErrorKind::Superseded
                    | ErrorKind::FallbackRefused
                    | ErrorKind::Locked
                    | ErrorKind::LockTimeout
                    | ErrorKind::SerializationFailure
                    | ErrorKind::Deadlock
                    | ErrorKind::StalePlan
                    | ErrorKind::StatementTimeout
            )
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}
