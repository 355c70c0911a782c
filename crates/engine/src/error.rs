//! The one error type of the engine.
//!
//! [`Error`] is opaque: its kind is private so that kinds can be added, and callers decide by predicates
//! such as [`Error::is_timeout`]. No message ever holds a password: targets are printed without theirs.

mod condition;
mod kind;

use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use crate::escaped::{Escaped, Escaping};
use crate::excerpt::{one_line, shorten, table, unquoted};
use crate::value::Kind as ValueKind;

pub use kind::Step;

pub(crate) use kind::{Class, GoneTransaction, Kind};

use condition::condition;
use kind::CONNECTION;

/// What went wrong, where, and what to do about it.
///
/// ```
/// use tallybook_engine::Settings;
///
/// let error = Settings::new("mysql://localhost/book").unwrap_err();
/// assert!(error.is_settings());
/// assert!(error.to_string().contains("postgresql://"));
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    /// The row of a result or of a bulk load, counted from 1.
    row: Option<usize>,
    /// Host and port of the server to which a connection was lost.
    server: Option<Arc<str>>,
    /// What its column `id` holds.
    id: Option<i64>,
    /// The place in its batch of the statement that failed, counted from 0.
    position: Option<usize>,
    statement: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of anything the engine does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn new(kind: Kind) -> Self {
        Self(Box::new(Inner {
            kind,
            row: None,
            id: None,
            server: None,
            position: None,
            statement: None,
            source: None,
        }))
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Names the statement that failed, so that a log line alone is enough to find it.
    pub(crate) fn with_statement(mut self, sql: &str) -> Self {
        self.0.statement.get_or_insert_with(|| one_line(sql));
        self
    }

    /// Names the row of a result or of a bulk load in which something did not fit, counted from 1.
    pub(crate) fn at_row(mut self, number: usize) -> Self {
        self.0.row.get_or_insert(number);
        self
    }

    /// Names the server to which the connection was lost, if that is what happened.
    pub(crate) fn at_server(mut self, server: &Arc<str>) -> Self {
        if matches!(self.0.kind, Kind::Lost | Kind::CommitUnknown) {
            self.0.server.get_or_insert_with(|| Arc::clone(server));
        }
        self
    }

    /// Names the row by its identifier, which stays the same wherever the row stands in a result.
    pub(crate) fn of_id(mut self, id: Option<i64>) -> Self {
        self.0.id = self.0.id.or(id);
        self
    }

    /// Says which statement of its batch failed, counted from 0.
    pub(crate) fn at_position(mut self, position: usize) -> Self {
        self.0.position.get_or_insert(position);
        self
    }

    pub(crate) fn position(&self) -> Option<usize> {
        self.0.position
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// What happened, in words that hold nothing of a row, of a parameter or of the statement: for logs. A database's own
    /// message may quote any of them, whatever its code: a function chooses the texts that it raises.
    pub(crate) fn without_values(&self) -> String {
        let message = match &self.0.kind {
            Kind::Database { code, .. } => format!("{} [{code}]", condition(code)),
            // What was found is told by its type and size only.
            kind @ Kind::Decode { .. } => unquoted(&kind.to_string()),
            Kind::Value { place, .. } => format!("{place}: the value can't be stored as it is"),
            Kind::TransactionFailed { .. } => {
                "an earlier statement of this transaction failed, so nothing of it can be kept".to_owned()
            }
            Kind::SnapshotEnded { .. } => {
                "the snapshot of the session ended with an earlier batch".to_owned()
            }
            kind => self.located(kind.to_string()),
        };
        format!("{}{message}", self.place(None))
    }

    /// The message of a statement of our own about a database's objects, without the statement and without what quotes
    /// values.
    pub(crate) fn without_detail(&self) -> String {
        match &self.0.kind {
            Kind::Database { code, message, .. } if code.starts_with(DATA_EXCEPTION) => {
                format!("{} [{code}]", unquoted(message))
            }
            Kind::Database { code, message, .. } => format!("{message} [{code}]"),
            _ => self.without_values(),
        }
    }

    /// What went wrong, without the statement: for those who should not see the SQL. It may quote values, as the whole
    /// text of the error may.
    pub fn message(&self) -> String {
        let mut message = String::new();
        // Writing to a string does not fail.
        let _ = self.write_message(&mut message);
        message
    }

    fn write_message(&self, to: &mut impl fmt::Write) -> fmt::Result {
        let mut escaping = Escaping(to);
        escaping.write_str(&self.place(self.0.id))?;
        match (&self.0.server, &self.0.kind) {
            (Some(_), kind) => escaping.write_str(&self.located(kind.to_string())),
            (None, Kind::Revision { lines }) => {
                for (index, line) in lines.iter().enumerate() {
                    escaping.0.write_str(if index == 0 { "" } else { "\n" })?;
                    escaping.write_str(line)?;
                }
                Ok(())
            }
            (None, kind) => write!(escaping, "{kind}"),
        }
    }

    /// Where in a result or a bulk load, to stand before a message.
    fn place(&self, id: Option<i64>) -> String {
        let table = match (&self.0.kind, &self.0.statement) {
            (Kind::Decode { .. }, Some(sql)) => table(sql),
            _ => None,
        };
        match (self.0.row, id, table) {
            (Some(row), Some(id), Some(table)) => format!("row {row} (id {id} of {table}), "),
            (Some(row), Some(id), None) => format!("row {row} (id {id}), "),
            (Some(row), None, _) => format!("row {row}, "),
            (None, ..) => String::new(),
        }
    }

    /// What is wrong with a value that can't be stored as it is.
    pub(crate) fn problem(&self) -> Option<&str> {
        match &self.0.kind {
            Kind::Value { problem, .. } => Some(problem),
            _ => None,
        }
    }

    /// The message of its kind, with the server to which the connection was lost.
    fn located(&self, message: String) -> String {
        match &self.0.server {
            Some(server) => message.replacen(CONNECTION, &format!("{CONNECTION} to {server}"), 1),
            None => message,
        }
    }

    pub(crate) fn setting(
        variable: impl Into<String>,
        held: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::new(Kind::Setting { variable: variable.into(), held: held.into(), expected: expected.into() })
    }

    pub(crate) fn connect(target: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::new(Kind::Connect { target: target.into(), problem: problem.into() })
    }

    /// The time of work was over; `why` it was not done.
    pub(crate) fn deadline(after: Duration, why: String) -> Self {
        Self::new(Kind::Deadline { after, why })
    }

    /// Too many parameters, or too few.
    pub(crate) fn parameter_count(given: usize, used: impl fmt::Display) -> Self {
        Self::invalid_value("parameters", format!("{given} were given, the statement uses {used}"))
    }

    pub(crate) fn revision(message: impl Into<String>) -> Self {
        Self::revision_in_lines([message.into()])
    }

    /// A message of several lines. A line end within one of them is somebody else's, and is shown escaped.
    pub(crate) fn revision_in_lines(lines: impl IntoIterator<Item = String>) -> Self {
        Self::new(Kind::Revision { lines: lines.into_iter().collect() })
    }

    /// A value that a column can't hold unchanged; for types of your own that implement
    /// [`Encode`](crate::Encode).
    pub fn invalid_value(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::new(Kind::Value { place: place.into(), problem: problem.into() })
    }

    pub(crate) fn misfit(column: impl Into<String>, expected: ValueKind, found: impl Into<String>) -> Self {
        Self::new(Kind::Decode { column: column.into(), expected: expected.to_string(), found: found.into() })
    }

    /// A result that has another column in the place of one that a struct reads; `place` counts from 0.
    pub(crate) fn misplaced(column: &str, place: usize, found: &str) -> Self {
        let expected = format!("in place {} of the result", place + 1);
        let found = format!(
            "`{found}`; put the columns in the order of the struct, or call that one `… AS {column}` if it is meant"
        );
        Self::new(Kind::Decode { column: format!("column `{column}`"), expected, found })
    }

    /// A standby refuses BEGIN READ WRITE as a feature that it does not have (0A000).
    pub(crate) fn into_refused_write(mut self) -> Self {
        if let Kind::Database { class, code, .. } = &mut self.0.kind
            && code == "0A000"
        {
            *class = Class::ReadOnly;
        }
        self
    }

    /// Names the constraint that was broken, where the database did not.
    pub(crate) fn with_constraint(mut self, name: String) -> Self {
        if let Kind::Database { constraint, .. } = &mut self.0.kind {
            *constraint = Some(name);
        }
        self
    }

    fn class(&self) -> Option<Class> {
        match &self.0.kind {
            Kind::Database { class, .. } => Some(*class),
            _ => None,
        }
    }

    /// The SQLSTATE of PostgreSQL (`23505`) or the extended result code of SQLite (`2067`), where the
    /// database itself reported the failure.
    pub fn code(&self) -> Option<&str> {
        match &self.0.kind {
            Kind::Database { code, .. } => Some(code),
            _ => None,
        }
    }

    /// A setting is wrong. The message names the variable, what it held and what it may hold.
    pub fn is_settings(&self) -> bool {
        matches!(self.0.kind, Kind::Setting { .. })
    }

    /// No connection could be made: refused, unreachable, wrong password, missing database, bad file.
    pub fn is_connect(&self) -> bool {
        matches!(self.0.kind, Kind::Connect { .. })
    }

    /// A step on the way to a connection took longer than the settings allow ([`Error::timed_out_step`] says which), work
    /// took longer than [`Database::within`](crate::Database::within) gave it, or a statement ran longer than its server
    /// lets it (`statement_timeout`, 57014). A statement that somebody cancelled (57014 as well, "due to user request") is
    /// no time-out.
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.kind, Kind::Timeout { .. } | Kind::Deadline { .. }) || self.is_statement_timeout()
    }

    /// An SQLite file is kept locked by others, and nothing was done.
    pub(crate) fn is_locked(&self) -> bool {
        // The low byte of SQLite's codes is the kind: busy, or locked within the process.
        let is_busy = |code: &str| code.parse().is_ok_and(|code: u32| matches!(code & 0xff, 5 | 6));
        match &self.0.kind {
            Kind::Database { class: Class::Busy, code, .. } => is_busy(code),
            Kind::Connect { .. } => {
                let source = std::error::Error::source(self);
                source.and_then(|source| source.downcast_ref::<Self>()).is_some_and(Self::is_locked)
            }
            _ => false,
        }
    }

    /// A statement ran longer than its server lets it.
    pub(crate) fn is_statement_timeout(&self) -> bool {
        self.class() == Some(Class::StatementTimeout)
    }

    /// The step on the way to a connection that timed out; none of a statement.
    pub fn timed_out_step(&self) -> Option<Step> {
        match self.0.kind {
            Kind::Timeout { step, .. } => Some(step),
            _ => None,
        }
    }

    /// More callers wait for a connection than `DB_POOL_MAX_WAITING` allows; refused at once.
    pub fn is_queue_full(&self) -> bool {
        matches!(self.0.kind, Kind::QueueFull { .. })
    }

    /// A unique index already holds the value.
    pub fn is_unique_violation(&self) -> bool {
        self.class() == Some(Class::Unique)
    }

    /// A row refers to a row that does not exist, or one that is still referred to was deleted.
    pub fn is_foreign_key_violation(&self) -> bool {
        self.class() == Some(Class::ForeignKey)
    }

    /// A column that must have a value got none.
    pub fn is_not_null_violation(&self) -> bool {
        self.class() == Some(Class::NotNull)
    }

    /// A row breaks a `CHECK`; [`Error::constraint`] says which.
    pub fn is_check_violation(&self) -> bool {
        self.class() == Some(Class::Check)
    }

    /// The constraint that a write broke, where the database tells.
    ///
    /// The name of a `CHECK` or of a unique index, on both engines. PostgreSQL names primary and foreign keys too. SQLite
    /// names neither: a primary key without an index is told by its columns (`notes.id`), a foreign key not at all. An
    /// unnamed `CHECK` has a name that PostgreSQL made up (`notes_stars_check`), and on SQLite its text.
    pub fn constraint(&self) -> Option<&str> {
        match &self.0.kind {
            Kind::Database { constraint, .. } => constraint.as_deref(),
            _ => None,
        }
    }

    /// Something tried to write where only reading is possible: a read session, a read-only file, a standby.
    pub fn is_read_only(&self) -> bool {
        matches!(self.0.kind, Kind::WriteInRead) || self.class() == Some(Class::ReadOnly)
    }

    /// A value can't be stored without changing it: too many digits, too long, nanoseconds, NaN.
    pub fn is_invalid_value(&self) -> bool {
        matches!(self.0.kind, Kind::Value { .. }) || self.class() == Some(Class::TooLong)
    }

    /// A row read from the database does not fit the struct it was to fill.
    pub fn is_decode(&self) -> bool {
        matches!(self.0.kind, Kind::Decode { .. })
    }

    /// The column whose value does not fit its type, or can't be stored as it is.
    pub fn column(&self) -> Option<&str> {
        match &self.0.kind {
            Kind::Decode { column, .. } => column.strip_prefix("column `")?.strip_suffix('`'),
            Kind::Value { place, .. } => Some(place),
            _ => None,
        }
    }

    /// The connection broke under a statement. Whatever its transaction wrote is rolled back.
    pub fn is_connection_lost(&self) -> bool {
        matches!(self.0.kind, Kind::Lost)
    }

    /// The connection broke while COMMIT was under way. The transaction may have happened: look before
    /// writing again, with [`Database::read_primary`](crate::Database::read_primary), since a replica may not have it yet.
    pub fn is_commit_unknown(&self) -> bool {
        matches!(
            self.0.kind,
            Kind::CommitUnknown
                | Kind::FileGone { transaction: GoneTransaction::WithTheFile | GoneTransaction::Unknown, .. }
        )
    }

    /// The SQLite file, or its log, was deleted, replaced or moved while it was open. Nothing is read or written until the
    /// database is opened again. A transaction that was being committed is lost, unless [`Error::is_commit_unknown`] is
    /// true too: then look for its rows, in the file that the message names.
    pub fn is_file_gone(&self) -> bool {
        matches!(self.0.kind, Kind::FileGone { .. })
    }

    /// An earlier statement of the transaction failed, so it can only be rolled back; or a batch of a session of one
    /// snapshot did, so that the snapshot is over.
    pub fn is_transaction_failed(&self) -> bool {
        matches!(self.0.kind, Kind::TransactionFailed { .. } | Kind::SnapshotEnded { .. })
    }

    /// A session was given a statement that begins or ends a transaction (`COMMIT`, `ROLLBACK`, `SAVEPOINT`, ...). It was
    /// not sent, and the transaction is as it was: only its session begins and ends it.
    pub fn is_transaction_control(&self) -> bool {
        matches!(self.0.kind, Kind::TransactionControl(_))
    }

    /// The transaction was over before its session ended it, so that what it wrote may be kept in part. Look for its
    /// rows before writing again.
    pub fn is_transaction_ended(&self) -> bool {
        matches!(self.0.kind, Kind::TransactionEnded)
    }

    /// A write was begun inside the closure of another [`Database::write`](crate::Database::write), in the same task and
    /// on the same database. It would be a transaction of its own, kept even if the outer one fails, and would wait for
    /// ever for what the outer one has locked. Pass the session of the outer one down instead.
    pub fn is_nested_write(&self) -> bool {
        matches!(self.0.kind, Kind::NestedWrite { .. })
    }

    /// [`Database::close`](crate::Database::close) was called.
    pub fn is_closed(&self) -> bool {
        matches!(self.0.kind, Kind::Closed)
    }

    /// A revision could not be applied or rolled back as asked.
    pub fn is_revision(&self) -> bool {
        matches!(self.0.kind, Kind::Revision { .. })
    }

    /// No server takes writes, or several do and nothing tells which is the primary.
    pub fn is_no_primary(&self) -> bool {
        matches!(self.0.kind, Kind::NoPrimary { .. } | Kind::TwoPrimaries { .. })
    }

    /// Another server became the primary during the transaction, which was rolled back.
    pub fn is_superseded(&self) -> bool {
        matches!(self.0.kind, Kind::Superseded { .. })
    }

    /// No replica was fit for a read, and the primary's budget for such reads (`DB_REPLICA_SPILL`) is used up.
    pub fn is_spill_refused(&self) -> bool {
        matches!(self.0.kind, Kind::SpillRefused { .. })
    }

    /// A read failed for a reason that another server need not have: the connection broke or could not be made, or a
    /// replica ended the read because replaying the log was in conflict with it, which is all that can make a read
    /// there a serialization failure.
    pub(crate) fn is_of_node(&self) -> bool {
        let at_step = matches!(self.0.kind, Kind::Timeout { step: Step::Connecting | Step::Pinging, .. });
        at_step
            || matches!(self.0.kind, Kind::Lost | Kind::Connect { .. })
            || self.class() == Some(Class::Serialization)
    }

    /// A prepared statement no longer fits its tables, or the server does not have it any more.
    pub(crate) fn is_stale_plan(&self) -> bool {
        self.class() == Some(Class::StalePlan)
    }

    /// Nothing was committed and the same call may succeed when tried again: a time-out, a full queue, a lost connection,
    /// a serialization failure, a deadlock, a busy file, a primary that is being replaced, a table that was altered under
    /// a prepared statement.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.0.kind,
            Kind::Timeout { .. }
                | Kind::QueueFull { .. }
                | Kind::Lost
                | Kind::NoPrimary { .. }
                | Kind::Superseded { .. }
                | Kind::SpillRefused { .. }
        ) || matches!(
            self.class(),
            Some(Class::Busy | Class::Serialization | Class::StalePlan | Class::StatementTimeout)
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_message(f)?;
        match &self.0.statement {
            Some(sql) => write!(Escaping(f), " (in `{}`)", shorten(sql)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self}")?;
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            write!(f, "; {}", Escaped(&cause.to_string()))?;
            source = cause.source();
        }
        f.write_str(")")
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}

/// PostgreSQL's class of errors whose messages quote values; those of others quote names.
const DATA_EXCEPTION: &str = "22";
