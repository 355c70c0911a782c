//! Connections: the same operations on either engine.

mod observation;
mod position;
mod postgres;
mod sqlite;
#[cfg(test)]
mod tests;
mod transaction;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};
use crate::query::{Batch, check, queries};
use crate::settings::{Engine, FileAccess, Target};
use crate::value::Value;

pub(crate) use observation::{Identity, Observation};
pub(crate) use position::Position;
pub(crate) use postgres::{STANDBY_TIMELINE, refusal};
pub(crate) use sqlite::{Process, lock_holders, log_readers};
pub use transaction::IsolationLevel;
pub(crate) use transaction::{Begin, Bounds, End};

/// A longer text is not kept prepared: a connection keeps up to 256 of them, with several times their size.
const MAX_PREPARED_BYTES: usize = 32 << 10;

/// What a connection is for. SQLite tells its readers apart; PostgreSQL does not need to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Read,
    Write,
    /// Writes, also outside of a transaction, and never times out by a setting of the session.
    Migrate,
}

/// How to open connections to one database.
#[derive(Clone)]
pub(crate) enum Connector {
    Sqlite(sqlite::Connector),
    Postgres(postgres::Connector),
}

impl Connector {
    pub(crate) fn new(target: &Target, access: FileAccess) -> Self {
        match target {
            Target::Sqlite(location) => Self::Sqlite(sqlite::Connector::new(location, access)),
            Target::Postgres(config) => Self::Postgres(postgres::Connector::new(config)),
        }
    }

    /// What it connects to, for messages: without a password.
    pub(crate) fn target(&self) -> String {
        match self {
            Connector::Sqlite(connector) => connector.target(),
            Connector::Postgres(connector) => connector.target().to_owned(),
        }
    }

    /// What is wrong with what it connects to, where that can be seen without a connection: an SQLite file that is gone.
    pub(crate) fn fault(&self) -> Option<String> {
        match self {
            Connector::Sqlite(connector) => connector.fault(),
            Connector::Postgres(_) => None,
        }
    }

    /// The server's processes of its connections.
    pub(crate) fn backends(&self) -> Vec<i64> {
        match self {
            Connector::Sqlite(_) => Vec::new(),
            Connector::Postgres(connector) => connector.backends(),
        }
    }

    /// The file that others may lock, and whether it is opened to be written.
    pub(crate) fn lockable(&self) -> Option<(&Path, bool)> {
        match self {
            Connector::Sqlite(connector) => connector.lockable(),
            Connector::Postgres(_) => None,
        }
    }

    /// The size of SQLite's write-ahead log in bytes; none where there is no file that could have one.
    pub(crate) fn log_size(&self) -> Option<u64> {
        match self {
            Connector::Sqlite(connector) => connector.log_size(),
            Connector::Postgres(_) => None,
        }
    }

    /// Moves what has piled up in SQLite's write-ahead log into the file, if the log has grown; nobody waits for it.
    pub(crate) async fn shorten_log(&self) -> Result<()> {
        match self {
            Connector::Sqlite(connector) => connector.shorten_log().await,
            Connector::Postgres(_) => Ok(()),
        }
    }

    /// Ends all connections to a server and all attempts to make one; a file is never cut off.
    pub(crate) fn cut(&self) {
        match self {
            Connector::Sqlite(_) => {}
            Connector::Postgres(connector) => connector.cut(),
        }
    }

    /// How many requests a server answered so far, on whatever connection.
    pub(crate) fn answers(&self) -> u64 {
        match self {
            Connector::Sqlite(_) => 0,
            Connector::Postgres(connector) => connector.answers(),
        }
    }

    /// How many connections to a server are open.
    pub(crate) fn open(&self) -> usize {
        match self {
            Connector::Sqlite(_) => 0,
            Connector::Postgres(connector) => connector.open(),
        }
    }

    /// Whether all connections lead to one server; a file is none.
    pub(crate) fn leads_to_one_server(&self) -> bool {
        match self {
            Connector::Sqlite(_) => false,
            Connector::Postgres(connector) => connector.leads_to_one(),
        }
    }

    pub(crate) async fn connect(&self, role: Role) -> Result<Connection> {
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

/// An open connection that knows whether something is under way on it.
pub(crate) struct Connection {
    link: Link,
    /// A flight was started and its end not seen: its future was dropped.
    in_flight: bool,
    in_transaction: bool,
    /// A session sent something on it since it was last reset.
    was_used: bool,
    /// A session sent a text that may leave settings, locks or temporary tables behind.
    may_have_state: bool,
    /// What its last failure said of it.
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
    pub(crate) fn engine(&self) -> Engine {
        match self.link {
            Link::Sqlite(_) => Engine::Sqlite,
            Link::Postgres(_) => Engine::Postgres,
        }
    }

    /// Sends a batch in one flight, with the beginning and the end of a transaction around it as `bounds`
    /// says, and takes all answers.
    ///
    /// Safe to drop at any point: the connection then knows that it has to be cleaned.
    pub(crate) async fn fly<B: Batch>(&mut self, batch: B, bounds: Bounds) -> Result<B> {
        // On the heap: runners of revisions call it at many depths, and sessions take the other one.
        let Flown { batch, outcome, .. } = Box::pin(self.fly_timed(batch, bounds, None)).await;
        outcome?;
        batch.ok_or_else(|| Error::new(Kind::Lost))
    }

    /// As [`Connection::fly`], and times each statement from `since` on, if that is given.
    pub(crate) async fn fly_timed<B: Batch>(
        &mut self,
        mut batch: B,
        bounds: Bounds,
        since: Option<Instant>,
    ) -> Flown<B> {
        if let Err(refused) = check(&mut batch) {
            return Flown::new(Some(batch), Err(refused));
        }
        let continues = bounds.continues || self.in_transaction;
        let is_single_read = bounds.read_only && bounds.begin.is_none() && !continues;
        let alone = is_single_read && !self.is_guarded();
        let bounds = if alone { Bounds::snapshot(bounds) } else { bounds };
        self.in_flight = true;
        self.was_used = true;
        self.may_have_state |= self.leaves_state(&mut batch);
        self.in_transaction |= bounds.begin.is_some();
        let mut flown = match &mut self.link {
            Link::Sqlite(connection) => connection.fly(batch, bounds, since).await,
            Link::Postgres(connection) => connection.fly(batch, bounds, since).await,
        };
        self.in_flight = false;
        flown.outcome = self.judged(flown.outcome, !bounds.read_only);
        // One that failed before its end may have left its transaction open.
        self.in_transaction &= !alone && (bounds.end.is_none() || flown.outcome.is_err());
        flown
    }

    /// Whether the server refuses writes of a statement that is sent alone, in no transaction that says so itself. What
    /// was abandoned on the connection may lift that before its answer is seen.
    fn is_guarded(&self) -> bool {
        match &self.link {
            Link::Sqlite(_) => true,
            Link::Postgres(connection) => !self.in_flight && connection.is_read_only_by_default(),
        }
    }

    /// Whether a batch may leave something of its session behind on the connection, as far as its texts tell. SQLite
    /// tells by itself.
    fn leaves_state<B: Batch>(&self, batch: &mut B) -> bool {
        let engine = self.engine();
        engine == Engine::Postgres
            && queries(batch).iter_mut().any(|query| query.request().statement.leaves_state(engine))
    }

    /// Runs a text of one or several statements without parameters, as the engine's own shell would.
    pub(crate) async fn script(&mut self, sql: &str) -> Result<()> {
        self.in_flight = true;
        let result = match &mut self.link {
            Link::Sqlite(connection) => connection.script(sql).await,
            Link::Postgres(connection) => connection.script(sql).await,
        };
        self.in_flight = false;
        self.judged(result, true).map_err(|error| error.with_statement(sql))
    }

    /// Asks a server for its role and position; an SQLite file has none.
    pub(crate) async fn observe(&mut self) -> Result<Option<Observation>> {
        self.in_flight = true;
        let seen = match &mut self.link {
            Link::Sqlite(_) => Ok(None),
            Link::Postgres(connection) => connection.observe().await.map(Some),
        };
        self.in_flight = false;
        self.judged(seen, false)
    }

    /// Asks a replica how far it has replayed its log.
    pub(crate) async fn replay_position(&mut self) -> Result<Option<u64>> {
        self.in_flight = true;
        let position = match &mut self.link {
            Link::Sqlite(_) => Ok(None),
            Link::Postgres(connection) => connection.replay_position().await,
        };
        self.in_flight = false;
        self.judged(position, false)
    }

    /// Commits, and on PostgreSQL asks in the same flight how far the log has come.
    pub(crate) async fn commit(&mut self) -> Result<Commit> {
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

    /// Begins a bulk load of `columns` of `table`.
    pub(crate) async fn load(&mut self, table: &str, columns: &[&str]) -> Result<Load> {
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

    /// Remembers what an outcome says of the connection, and names the server of one that was lost. Only a write that
    /// its server refuses shows that the server became a standby; a read session is refused by any.
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

    /// Names the server in an error that tells of a lost connection.
    pub(crate) fn located(&self, error: Error) -> Error {
        match &self.link {
            Link::Sqlite(_) => error,
            Link::Postgres(connection) => error.at_server(connection.server()),
        }
    }

    /// Whether what it sends is encrypted; nothing is sent to an SQLite file.
    pub(crate) fn is_encrypted(&self) -> Option<bool> {
        match &self.link {
            Link::Sqlite(_) => None,
            Link::Postgres(connection) => Some(connection.is_encrypted()),
        }
    }

    /// Whether a pooler is between this program and the server.
    pub(crate) fn is_pooled(&self) -> bool {
        match &self.link {
            Link::Sqlite(_) => false,
            Link::Postgres(connection) => connection.is_pooled(),
        }
    }

    /// Who is at the other end; a file is always itself.
    pub(crate) fn identity(&self) -> Identity {
        match &self.link {
            Link::Sqlite(_) => Identity::default(),
            Link::Postgres(connection) => connection.identity(),
        }
    }

    /// Whether it broke.
    pub(crate) fn is_lost(&self) -> bool {
        self.verdict == Some(Verdict::Lost) || (self.is_closed() && !self.was_cancelled())
    }

    /// Whether its server refused to write.
    pub(crate) fn is_read_only_server(&self) -> bool {
        self.verdict == Some(Verdict::ReadOnlyServer)
    }

    /// Whether a cancel request may still be on its way to it.
    pub(crate) fn was_cancelled(&self) -> bool {
        match &self.link {
            Link::Sqlite(_) => false,
            Link::Postgres(connection) => connection.was_cancelled(),
        }
    }

    /// Whether the other side is known to be gone.
    pub(crate) fn is_closed(&self) -> bool {
        match &self.link {
            Link::Sqlite(connection) => connection.is_closed(),
            Link::Postgres(connection) => connection.is_closed(),
        }
    }

    /// Whether nothing is under way on it.
    pub(crate) fn is_clean(&self) -> bool {
        !self.in_flight && !self.in_transaction
    }

    /// Whether something was sent on it whose end was not seen.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.in_flight
    }

    /// Whether a session may have left something of its own on it, which the next one must not meet: settings, a role,
    /// temporary tables, locks, cursors.
    pub(crate) fn has_session_state(&self) -> bool {
        self.may_have_state
            || match &self.link {
                Link::Sqlite(connection) => connection.has_session_state(),
                Link::Postgres(connection) => self.was_used && connection.has_changed_settings(),
            }
    }

    /// Ends what its last session left under way, and undoes what that left on it, where this is possible: else it still
    /// [has it](Self::has_session_state), and has to be replaced.
    pub(crate) async fn free(&mut self) -> Result<()> {
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

    /// Its session gave it back, and had left nothing on it.
    pub(crate) fn rest(&mut self) {
        self.was_used = false;
    }

    /// Ends whatever is under way, stopping a running statement, and rolls back.
    pub(crate) async fn clean(&mut self) -> Result<()> {
        let cleaned = match &mut self.link {
            Link::Sqlite(connection) => connection.clean().await,
            Link::Postgres(connection) => connection.clean(self.in_transaction).await,
        };
        cleaned.map_err(|error| self.located(error))?;
        self.in_flight = false;
        self.in_transaction = false;
        Ok(())
    }

    /// Rolls back the transaction of a session in which nothing failed.
    ///
    /// # Errors
    /// When it is not open any more, so that what it wrote may be kept.
    pub(crate) async fn roll_back(&mut self) -> Result<()> {
        self.in_flight = true;
        let result = match &mut self.link {
            Link::Sqlite(connection) => connection.roll_back().await,
            Link::Postgres(connection) => connection.roll_back().await,
        };
        self.in_flight = false;
        self.in_transaction = result.is_err();
        self.judged(result, true)
    }

    /// Closes it; on SQLite, waits until that is done.
    pub(crate) async fn close(self) {
        match self.link {
            Link::Sqlite(connection) => connection.close().await,
            Link::Postgres(_) => {}
        }
    }

    /// One round trip to see that the other side answers.
    pub(crate) async fn ping(&mut self) -> Result<()> {
        match &mut self.link {
            Link::Sqlite(_) => Ok(()),
            Link::Postgres(connection) => connection.ping().await.inspect(|()| connection.answered()),
        }
    }
}

/// What a failure says of its connection, if it says something.
fn verdict(error: &Error, writing: bool) -> Option<Verdict> {
    if error.is_connection_lost() || error.is_commit_unknown() || error.is_file_gone() {
        return Some(Verdict::Lost);
    }
    (writing && error.code().is_some() && error.is_read_only()).then_some(Verdict::ReadOnlyServer)
}

/// A transaction that was committed: its connection is free for the next one.
#[must_use]
pub(crate) struct Commit {
    position: Option<Position>,
    sync: Option<sqlite::Sync>,
}

impl Commit {
    /// Whether it may not last yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.sync.is_some()
    }

    /// Waits until it lasts; how far PostgreSQL's log has come.
    pub(crate) async fn wait(self) -> Result<Option<Position>> {
        if let Some(sync) = self.sync {
            sync.wait().await?;
        }
        Ok(self.position)
    }
}

/// A batch that came back, also from a flight that failed.
pub(crate) struct Flown<B> {
    /// None when the connection's thread ended under it.
    pub(crate) batch: Option<B>,
    pub(crate) outcome: Result<()>,
    /// How far a replica had replayed its log before, if that was asked.
    pub(crate) replayed: Option<u64>,
}

impl<B> Flown<B> {
    fn new(batch: Option<B>, outcome: Result<()>) -> Self {
        Self { batch, outcome, replayed: None }
    }

    /// Whether it failed because a prepared statement no longer fits its tables or is gone. Its connection has forgotten
    /// what it had prepared, so that it succeeds when it is sent again.
    pub(crate) fn may_run_again(&self) -> bool {
        self.batch.is_some() && self.outcome.as_ref().is_err_and(Error::is_stale_plan)
    }

    /// The results.
    pub(crate) fn finish(self) -> Result<B::Output>
    where
        B: Batch,
    {
        self.outcome?;
        self.batch.ok_or_else(|| Error::new(Kind::Lost))?.finish()
    }
}

/// A bulk load under way.
pub(crate) enum Load {
    Sqlite(sqlite::Load),
    Postgres(Box<postgres::Load>),
}

impl Load {
    /// Adds a row; many rows share a round trip.
    pub(crate) async fn write(&mut self, row: Vec<Value>) -> Result<()> {
        match self {
            Load::Sqlite(load) => load.write(row).await,
            Load::Postgres(load) => load.write(&row).await,
        }
    }

    /// Sends what is left and returns the number of rows and of round trips.
    pub(crate) async fn finish(self, connection: &mut Connection) -> Result<Loaded> {
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

/// What a bulk load did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loaded {
    pub(crate) rows: u64,
    pub(crate) statements: u64,
    pub(crate) round_trips: u64,
    /// The time that the database took, without that of whoever made the rows.
    pub(crate) busy: Duration,
}
