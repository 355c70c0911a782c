//! The boundary to the drivers: one connection type with the same operations on both dialects.

mod rows;
#[cfg(all(test, feature = "postgres", feature = "sqlite"))]
mod tests;

pub(crate) use rows::Rows;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use tallybook_sql::dialect::Dialect;
use tallybook_sql::driver::{Executed, Loaded, Role};
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tallybook_sql::file_access::FileAccess;
use tallybook_sql::query::{Batch, check, queries};
use tallybook_sql::replication::{Identity, Observation, Position};
use tallybook_sql::transaction::{Begin, End, TransactionFraming};
use tallybook_sql::value::Value;

use crate::settings::ConnectTarget;
use crate::{postgres, sqlite};

/// Opens connections to one database. Clones share their counters.
#[doc(hidden)]
#[derive(Clone)]
pub enum Connector {
    /// To a file or to memory.
    Sqlite(sqlite::Connector),
    /// To one or several servers.
    Postgres(postgres::Connector),
}

impl Connector {
    /// Creates a connector to `target`. `access` applies to SQLite files.
    pub fn new(target: &ConnectTarget, access: FileAccess) -> Self {
        match target {
            ConnectTarget::Sqlite(location) => Self::Sqlite(sqlite::Connector::new(location, access)),
            ConnectTarget::Postgres(config) => Self::Postgres(postgres::Connector::new(config)),
        }
    }

    /// Returns the address that it connects to, without a password, for messages.
    pub fn target(&self) -> String {
        match self {
            Connector::Sqlite(connector) => connector.target(),
            Connector::Postgres(connector) => connector.target().to_owned(),
        }
    }

    /// Returns what is wrong with the target if that is visible without a connection: a missing SQLite file.
    pub fn fault(&self) -> Option<String> {
        match self {
            Connector::Sqlite(connector) => connector.fault(),
            Connector::Postgres(_) => None,
        }
    }

    /// Returns the backend process ids of its open connections; none on SQLite.
    pub fn backends(&self) -> Vec<i64> {
        match self {
            Connector::Sqlite(_) => Vec::new(),
            Connector::Postgres(connector) => connector.backends(),
        }
    }

    /// Returns the file that other processes may lock, and whether it is opened for writing.
    pub fn lockable(&self) -> Option<(&Path, bool)> {
        match self {
            Connector::Sqlite(connector) => connector.lockable(),
            Connector::Postgres(_) => None,
        }
    }

    /// Returns the size of SQLite's write-ahead log in bytes, or `None` if there is no file that could have
    /// one.
    pub fn log_size(&self) -> Option<u64> {
        match self {
            Connector::Sqlite(connector) => connector.log_size(),
            Connector::Postgres(_) => None,
        }
    }

    /// Checkpoints SQLite's write-ahead log in the background, if it has grown.
    pub async fn shorten_log(&self) -> Result<()> {
        match self {
            Connector::Sqlite(connector) => connector.shorten_log().await,
            Connector::Postgres(_) => Ok(()),
        }
    }

    /// Aborts all connections to a server and all connects in progress. Does nothing on SQLite.
    pub fn abort(&self) {
        match self {
            Connector::Sqlite(_) => {}
            Connector::Postgres(connector) => connector.abort(),
        }
    }

    /// Returns the number of requests that the server has answered on any connection; 0 on SQLite.
    pub fn answers(&self) -> u64 {
        match self {
            Connector::Sqlite(_) => 0,
            Connector::Postgres(connector) => connector.answers(),
        }
    }

    /// Returns the number of open connections to the server; 0 on SQLite.
    pub fn open(&self) -> usize {
        match self {
            Connector::Sqlite(_) => 0,
            Connector::Postgres(connector) => connector.open(),
        }
    }

    /// Returns whether all connections go to one server; false on SQLite.
    pub(crate) fn leads_to_one_server(&self) -> bool {
        match self {
            Connector::Sqlite(_) => false,
            Connector::Postgres(connector) => connector.leads_to_one(),
        }
    }

    /// Opens a connection in a role.
    pub async fn connect(&self, role: Role) -> Result<Connection> {
        let link = match self {
            Connector::Sqlite(connector) => Link::Sqlite(connector.connect(role).await?),
            Connector::Postgres(connector) => Link::Postgres(Box::new(connector.connect(role).await?)),
        };
        Ok(Connection {
            link,
            in_flight: false,
            in_transaction: false,
            was_used: false,
            may_have_state: false,
            verdict: None,
        })
    }
}

/// An open connection that knows whether work on it is unfinished.
#[doc(hidden)]
pub struct Connection {
    link: Link,
    /// A request was sent and its end not seen: its future was dropped.
    in_flight: bool,
    in_transaction: bool,
    /// A session has used it since the last reset.
    was_used: bool,
    /// A session ran SQL that may leave settings, locks or temporary tables.
    may_have_state: bool,
    /// Verdict of its last failure.
    verdict: Option<Verdict>,
}

/// Why a connection must not be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Lost,
    ReadOnlyServer,
}

enum Link {
    Sqlite(sqlite::Connection),
    Postgres(Box<postgres::Connection>),
}

impl Connection {
    /// Returns the SQL dialect.
    pub fn dialect(&self) -> Dialect {
        match self.link {
            Link::Sqlite(_) => Dialect::Sqlite,
            Link::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Sends a batch with the transaction control of `framing` and receives all answers, in one round trip.
    ///
    /// May be dropped at any point; the connection then knows that it must be cleaned.
    pub async fn execute<B: Batch>(&mut self, batch: B, framing: TransactionFraming) -> Result<B> {
        // Boxed because migrations call it at many depths; sessions call the other one.
        let Executed { batch, outcome, .. } = Box::pin(self.execute_timed(batch, framing, None)).await;
        outcome?;
        batch.ok_or_else(|| Error::new(ErrorDetail::Lost))
    }

    /// Executes like [`Connection::execute`], and times each statement from `since` on if that is given.
    pub async fn execute_timed<B: Batch>(
        &mut self,
        mut batch: B,
        framing: TransactionFraming,
        since: Option<Instant>,
    ) -> Executed<B> {
        if let Err(refused) = check(&mut batch) {
            return Executed::new(Some(batch), Err(refused));
        }
        let continues = framing.continues || self.in_transaction;
        let is_single_read = framing.read_only && framing.begin.is_none() && !continues;
        let alone = is_single_read && !self.is_guarded();
        let framing = if alone { TransactionFraming::snapshot(framing) } else { framing };
        let leaves_state = self.leaves_state(&mut batch);
        let framing = match leaves_state {
            false if self.gives_snapshot(framing) => TransactionFraming { begin: None, end: None, ..framing },
            _ => framing,
        };
        self.in_flight = true;
        self.was_used = true;
        self.may_have_state |= leaves_state;
        self.in_transaction |= framing.begin.is_some();
        let mut executed = match &mut self.link {
            Link::Sqlite(connection) => connection.execute(batch, framing, since).await,
            Link::Postgres(connection) => connection.execute(batch, framing, since).await,
        };
        self.in_flight = false;
        executed.outcome = self.judged(executed.outcome, !framing.read_only);
        // A failed batch may have left its transaction open.
        self.in_transaction &= !alone && (framing.end.is_none() || executed.outcome.is_err());
        executed
    }

    /// Executes the last batch of a write transaction, which commits, and times each statement from `since` on if that
    /// is given. On SQLite `waiting` is the number of writers that wait for the connection. Returns the commit if there
    /// was no failure.
    ///
    /// If the future is dropped, it is not known whether the transaction is committed.
    pub async fn execute_last<B: Batch>(
        &mut self,
        mut batch: B,
        framing: TransactionFraming,
        since: Option<Instant>,
        waiting: &Arc<AtomicUsize>,
    ) -> (Executed<B>, Option<Commit>) {
        if let Err(refused) = check(&mut batch) {
            return (Executed::new(Some(batch), Err(refused)), None);
        }
        let framing = TransactionFraming { end: Some(End::Commit), ..framing };
        self.in_flight = true;
        self.was_used = true;
        self.may_have_state |= self.leaves_state(&mut batch);
        self.in_transaction = true;
        let (mut executed, sync) = match &mut self.link {
            Link::Sqlite(connection) => connection.execute_last(batch, framing, since, waiting).await,
            Link::Postgres(connection) => (connection.execute(batch, framing, since).await, None),
        };
        self.in_flight = false;
        executed.outcome = self.judged(executed.outcome, true);
        // A failed batch may have left its transaction open.
        self.in_transaction = executed.outcome.as_ref().is_err_and(|error| !error.is_committed());
        let position = executed.position;
        let commit = (!self.in_transaction).then_some(Commit { position, sync });
        (executed, commit)
    }

    /// Runs and commits the transactions of several callers of an SQLite database; on PostgreSQL nobody forms groups. Must
    /// be awaited to its end.
    pub(crate) async fn execute_group(
        &mut self,
        members: sqlite::Members,
        waiting: &Arc<AtomicUsize>,
    ) -> sqlite::ExecutedGroup {
        self.in_flight = true;
        self.was_used = true;
        let group = match &mut self.link {
            Link::Sqlite(connection) => connection.execute_group(members, waiting).await,
            Link::Postgres(_) => sqlite::ExecutedGroup::default(),
        };
        self.in_flight = false;
        group
    }

    /// Returns whether the server refuses writes of a statement sent outside a read-only transaction.
    /// Abandoned work on the connection may lift that before its answer is seen.
    fn is_guarded(&self) -> bool {
        match &self.link {
            Link::Sqlite(_) => true,
            Link::Postgres(connection) => !self.in_flight && connection.is_read_only_by_default(),
        }
    }

    /// Returns whether the connection gives one snapshot to a batch of reads without BEGIN and COMMIT.
    fn gives_snapshot(&self, framing: TransactionFraming) -> bool {
        let is_whole = framing.begin == Some(Begin::Snapshot) && framing.end == Some(End::Commit);
        match &self.link {
            Link::Sqlite(_) => false,
            Link::Postgres(connection) => {
                is_whole && !self.in_flight && !self.may_have_state && connection.has_snapshots_by_default()
            }
        }
    }

    /// Returns whether the batch may leave session state, as far as its SQL shows. SQLite tracks that itself.
    fn leaves_state<B: Batch>(&self, batch: &mut B) -> bool {
        let dialect = self.dialect();
        dialect == Dialect::Postgres
            && queries(batch).iter_mut().any(|query| query.request().statement.leaves_state(dialect))
    }

    /// Runs a script of several statements without parameters, as the database's own shell would.
    pub async fn script(&mut self, sql: &str) -> Result<()> {
        self.in_flight = true;
        let result = match &mut self.link {
            Link::Sqlite(connection) => connection.script(sql).await,
            Link::Postgres(connection) => connection.script(sql).await,
        };
        self.in_flight = false;
        self.judged(result, true).map_err(|error| error.with_statement(sql))
    }

    /// Asks a server for its role and position; one round trip. `None` on SQLite.
    pub async fn observe(&mut self) -> Result<Option<Observation>> {
        self.in_flight = true;
        let seen = match &mut self.link {
            Link::Sqlite(_) => Ok(None),
            Link::Postgres(connection) => connection.observe().await.map(Some),
        };
        self.in_flight = false;
        self.judged(seen, false)
    }

    /// Asks a replica for its replay position; one round trip. `None` on SQLite and on a primary.
    pub async fn replay_position(&mut self) -> Result<Option<u64>> {
        self.in_flight = true;
        let position = match &mut self.link {
            Link::Sqlite(_) => Ok(None),
            Link::Postgres(connection) => connection.replay_position().await,
        };
        self.in_flight = false;
        self.judged(position, false)
    }

    /// Commits. On PostgreSQL the log position is queried in the same round trip.
    pub async fn commit(&mut self) -> Result<Commit> {
        self.in_flight = true;
        let result = match &mut self.link {
            Link::Sqlite(connection) => connection.commit().await.map(|sync| Commit { position: None, sync }),
            Link::Postgres(connection) => {
                connection.commit().await.map(|position| Commit { position, sync: None })
            }
        };
        self.in_flight = false;
        self.in_transaction = result.is_err();
        self.judged(result, true)
    }

    /// Starts a bulk load into columns of a table.
    pub async fn load(&mut self, table: &str, columns: &[&str]) -> Result<Load> {
        self.in_flight = true;
        let load = match &mut self.link {
            Link::Sqlite(connection) => Load::Sqlite(connection.load(table, columns).await?),
            Link::Postgres(connection) => {
                let load = connection.load(table, columns).await;
                Load::Postgres(Box::new(self.judged(load, true)?))
            }
        };
        Ok(load)
    }

    /// Remembers what a failure says about the connection, and adds the server to the error. Only a refused
    /// write proves that the server became a standby, because every server refuses writes of a read session.
    fn judged<T>(&mut self, result: Result<T>, writing: bool) -> Result<T> {
        let Link::Postgres(connection) = &self.link else {
            return result.inspect_err(|error| self.verdict = verdict(error, writing).or(self.verdict));
        };
        match result {
            Ok(value) => {
                connection.answered();
                Ok(value)
            }
            Err(error) => {
                if error.code().is_some() {
                    connection.answered();
                }
                self.verdict = verdict(&error, writing).or(self.verdict);
                Err(self.located(error))
            }
        }
    }

    /// Adds the server to the error of a lost connection.
    pub fn located(&self, error: Error) -> Error {
        match &self.link {
            Link::Sqlite(_) => error,
            Link::Postgres(connection) => error.at_server(connection.server()),
        }
    }

    /// Returns whether traffic is encrypted; `None` on SQLite.
    pub fn is_encrypted(&self) -> Option<bool> {
        match &self.link {
            Link::Sqlite(_) => None,
            Link::Postgres(connection) => Some(connection.is_encrypted()),
        }
    }

    /// Returns whether a connection pooler such as PgBouncer is in between.
    pub fn is_pooled(&self) -> bool {
        match &self.link {
            Link::Sqlite(_) => false,
            Link::Postgres(connection) => connection.is_pooled(),
        }
    }

    /// Returns the identity of the server; the default on SQLite.
    pub fn identity(&self) -> Identity {
        match &self.link {
            Link::Sqlite(_) => Identity::default(),
            Link::Postgres(connection) => connection.identity(),
        }
    }

    /// Returns whether the connection is lost.
    pub fn is_lost(&self) -> bool {
        self.verdict == Some(Verdict::Lost) || (self.is_closed() && !self.was_cancelled())
    }

    /// Returns whether its server refused a write as read-only.
    pub(crate) fn is_read_only_server(&self) -> bool {
        self.verdict == Some(Verdict::ReadOnlyServer)
    }

    /// Returns whether a cancel request may still arrive.
    pub fn was_cancelled(&self) -> bool {
        match &self.link {
            Link::Sqlite(_) => false,
            Link::Postgres(connection) => connection.was_cancelled(),
        }
    }

    /// Returns whether the other side is known to be gone.
    pub fn is_closed(&self) -> bool {
        match &self.link {
            Link::Sqlite(connection) => connection.is_closed(),
            Link::Postgres(connection) => connection.is_closed(),
        }
    }

    /// Returns whether no work on it is unfinished.
    pub fn is_clean(&self) -> bool {
        !self.in_flight && !self.in_transaction
    }

    /// Returns whether a request was sent whose end was not seen.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.in_flight
    }

    /// Returns whether a session may have left state that the next one must not meet: settings, a role,
    /// temporary tables, locks or cursors.
    pub fn has_session_state(&self) -> bool {
        self.may_have_state
            || match &self.link {
                Link::Sqlite(connection) => connection.has_session_state(),
                Link::Postgres(connection) => self.was_used && connection.has_changed_settings(),
            }
    }

    /// Finishes or cancels unfinished work and resets session state where possible. State that cannot be
    /// reset [remains](Self::has_session_state), and the connection must be closed.
    pub async fn reset_for_reuse(&mut self) -> Result<()> {
        if !self.is_clean() {
            self.clean().await?;
        }
        if let Link::Postgres(connection) = &mut self.link
            && !connection.is_pooled()
            && !connection.is_closed()
            && (self.may_have_state || connection.has_changed_settings())
        {
            connection.reset().await?;
            self.may_have_state = false;
        }
        Ok(())
    }

    /// Marks it as unused: its session released it without leaving anything.
    pub fn mark_unused(&mut self) {
        self.was_used = false;
    }

    /// Cancels unfinished work and rolls back.
    pub async fn clean(&mut self) -> Result<()> {
        let cleaned = match &mut self.link {
            Link::Sqlite(connection) => connection.clean().await,
            Link::Postgres(connection) => connection.clean().await,
        };
        cleaned.map_err(|error| self.located(error))?;
        self.in_flight = false;
        self.in_transaction = false;
        Ok(())
    }

    /// Rolls back a transaction in which nothing failed.
    ///
    /// # Errors
    /// If the transaction is no longer open, so that its writes may have been committed.
    pub async fn roll_back(&mut self) -> Result<()> {
        self.in_flight = true;
        let result = match &mut self.link {
            Link::Sqlite(connection) => connection.roll_back().await,
            Link::Postgres(connection) => connection.roll_back().await,
        };
        self.in_flight = false;
        self.in_transaction = result.is_err();
        self.judged(result, true)
    }

    /// Closes the connection; on SQLite, waits until that is done.
    pub async fn close(self) {
        match self.link {
            Link::Sqlite(connection) => connection.close().await,
            Link::Postgres(_) => {}
        }
    }

    /// Checks that the other side answers; one round trip.
    pub async fn ping(&mut self) -> Result<()> {
        match &mut self.link {
            Link::Sqlite(_) => Ok(()),
            Link::Postgres(connection) => connection.ping().await.inspect(|()| connection.answered()),
        }
    }
}

/// Returns what a failure says about its connection, if anything.
fn verdict(error: &Error, writing: bool) -> Option<Verdict> {
    if error.is_connection_lost() || error.is_commit_unknown() || error.is_file_gone() {
        return Some(Verdict::Lost);
    }
    (writing && error.code().is_some() && error.is_read_only()).then_some(Verdict::ReadOnlyServer)
}

/// A committed transaction. Its connection is free for the next one before the commit is durable.
#[must_use]
pub struct Commit {
    position: Option<Position>,
    sync: Option<sqlite::PendingFlush>,
}

impl Commit {
    /// Returns whether the commit may not be durable yet.
    pub fn is_pending(&self) -> bool {
        self.sync.is_some()
    }

    /// Waits until the commit is durable. Returns PostgreSQL's log position.
    pub async fn wait(self) -> Result<Option<Position>> {
        if let Some(sync) = self.sync {
            sync.wait().await?;
        }
        Ok(self.position)
    }
}

/// A bulk load in progress.
#[doc(hidden)]
pub enum Load {
    /// Prepared inserts.
    Sqlite(sqlite::Load),
    /// COPY.
    Postgres(Box<postgres::Load>),
}

impl Load {
    /// Adds a row. Many rows share a round trip.
    pub async fn write(&mut self, row: Vec<Value>) -> Result<()> {
        match self {
            Load::Sqlite(load) => load.write(row).await,
            Load::Postgres(load) => load.write(&row).await,
        }
    }

    /// Sends the remaining rows and returns the totals.
    pub async fn finish(self, connection: &mut Connection) -> Result<Loaded> {
        let loaded = match self {
            Load::Sqlite(load) => load.finish().await?,
            Load::Postgres(load) => {
                let loaded = load.finish().await;
                connection.judged(loaded, true)?
            }
        };
        connection.in_flight = false;
        Ok(loaded)
    }
}
