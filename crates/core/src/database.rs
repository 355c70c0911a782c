//! The database handle, which opens sessions.

use std::fmt;
use std::future::Future;
use std::ops::AsyncFnOnce;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tallybook_sql::call_site::CallSite;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::transaction::{Begin, IsolationLevel};

use crate::driver::{Connection, Connector};
use crate::foreign_key::read_foreign_keys;
use crate::metrics::Metric;
use crate::observe::{Log, Observer, Opened, Recorder};
use crate::pool::{Pool, PoolMetrics, PoolStatus};
use crate::routing::{NodeStatus, ReadConsistency, Router};
use crate::session::{CommitToken, Committed, ReadSession, WriteSession, inside_write, refuse_nested_write};
use crate::settings::Settings;

/// A connected database: its pools, its routing and its observer.
///
/// Cloning is cheap and shares everything; dropping the last clone closes the database.
///
/// ```
/// use tallybook::{Database, Result, Settings, execute, one, params};
///
/// # #[tokio::main]
/// # async fn main() -> Result<()> {
/// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
/// let id = db
///     .write(async |session| -> Result<i64> {
///         session.run(execute("CREATE TABLE notes (id integer primary key, title text)", params![])).await?;
///         let (id,) = session
///             .run(one("INSERT INTO notes (title) VALUES ($1) RETURNING id", params!["first"]))
///             .await?;
///         Ok(id)
///     })
///     .await?
///     .into_value();
/// let (title,) = db.read().await?.run(one::<(String,)>("SELECT title FROM notes WHERE id = $1", params![id])).await?;
/// assert_eq!(title, "first");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    dialect: Dialect,
    settings: Settings,
    router: Arc<Router>,
    observer: Arc<dyn Observer>,
}

impl Database {
    /// Opens the database and makes the first connection, so that a wrong address or password fails here.
    ///
    /// With replicas, a primary that is down is no error as long as a replica answers: reads work, writes fail with
    /// [`ErrorKind::NoPrimary`](tallybook_sql::error::ErrorKind::NoPrimary) until there is a primary, and the log has
    /// a warning. [`nodes`](Self::nodes) shows whether there is one.
    ///
    /// Creates the SQLite file if it does not exist. Must be called on a Tokio runtime.
    ///
    /// # Errors
    /// [`Error::is_settings`], [`Error::is_connect`] or [`Error::is_timeout`].
    pub async fn open(settings: Settings) -> Result<Self> {
        Self::open_observed(settings, Arc::new(())).await
    }

    /// Opens the database like [`Database::open`] and reports every session to `observer`.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn open_observed(settings: Settings, observer: Arc<dyn Observer>) -> Result<Self> {
        settings.check()?;
        let dialect = settings.database_url.dialect();
        let router = Router::open(&settings, &Log::new(&settings)).await?;
        Ok(Self(Arc::new(Inner { dialect, settings, router, observer })))
    }

    /// Returns a handle that does not keep the database open.
    pub fn downgrade(&self) -> WeakDatabase {
        WeakDatabase(Arc::downgrade(&self.0))
    }

    /// Opens a read session: on a fit replica if there is one, else on the primary.
    ///
    /// The session may lag the primary by up to `DB_REPLICA_MAX_STALENESS`. Without replicas, and on SQLite,
    /// it is always current.
    ///
    /// # Errors
    /// [`Error::is_timeout`] if no connection becomes free in time, [`Error::is_connect`] if none can be
    /// made, and [`Error::is_fallback_refused`] if no replica is fit and the primary already serves its
    /// budget of such reads (`DB_REPLICA_FALLBACK`).
    #[track_caller]
    pub fn read(&self) -> impl Future<Output = Result<ReadSession>> + Send {
        self.0.read(ReadConsistency::Usual, Location::caller())
    }

    /// Opens a read session that is at most `age` stale, whatever the settings allow.
    ///
    /// Staleness is measured by periodic probes (`DB_REPLICA_CHECK_INTERVAL`), so a bound shorter than two
    /// probe intervals usually means the primary.
    ///
    /// # Errors
    /// As [`Database::read`], and [`Error::is_no_primary`] if only the primary qualifies and there is none.
    #[track_caller]
    pub fn read_within(&self, age: Duration) -> impl Future<Output = Result<ReadSession>> + Send {
        self.0.read(ReadConsistency::Within(age), Location::caller())
    }

    /// Opens a read session whose batches all see one snapshot, taken by the first batch. Use it for exports
    /// and reports.
    ///
    /// # Errors
    /// As [`Database::read`].
    #[track_caller]
    pub fn snapshot(&self) -> impl Future<Output = Result<ReadSession>> + Send {
        let session = self.0.read(ReadConsistency::Usual, Location::caller());
        async move { session.await.map(|session| session.with_one_snapshot(Begin::Snapshot)) }
    }

    /// Opens a read session on the primary whose batches all see one snapshot that fits into a serial order of the
    /// serializable write transactions: for reports that must not show what no such order could.
    ///
    /// On PostgreSQL it is `SERIALIZABLE READ ONLY DEFERRABLE`: the first batch may wait for concurrent serializable
    /// transactions, and then the session neither fails because of one nor makes one fail. A plain
    /// [`snapshot`](Self::snapshot) can show a moment between two of them that no serial order has. On SQLite, where
    /// writers run one after the other, both are the same.
    ///
    /// # Errors
    /// As [`Database::read_primary`].
    #[track_caller]
    pub fn serializable_snapshot(&self) -> impl Future<Output = Result<ReadSession>> + Send {
        let session = self.0.read(ReadConsistency::Primary, Location::caller());
        async move { session.await.map(|session| session.with_one_snapshot(Begin::SerializableSnapshot)) }
    }

    /// Opens a read session that sees at least the commit of `token`: read your own writes, on replicas too.
    ///
    /// The session runs on a replica that is known to have replayed the commit. If there is none, it picks a
    /// replica that may have it within `DB_REPLICA_WAIT` and verifies that in the round trip of the first
    /// batch. Otherwise it runs on the primary, as it does if the token belongs to another cluster, predates
    /// a promotion or has no known position.
    ///
    /// # Errors
    /// As [`Database::read`].
    #[track_caller]
    pub fn read_after(
        &self,
        token: &CommitToken,
    ) -> impl Future<Output = Result<ReadSession>> + Send + use<'_> {
        self.0.read(token.consistency(), Location::caller())
    }

    /// Opens a read session on the primary.
    ///
    /// # Errors
    /// As [`Database::read`].
    #[track_caller]
    pub fn read_primary(&self) -> impl Future<Output = Result<ReadSession>> + Send {
        self.0.read(ReadConsistency::Primary, Location::caller())
    }

    /// Runs `work` in one transaction on the primary. `Ok` commits; `Err`, a panic or dropping the future
    /// rolls back.
    ///
    /// BEGIN travels with the first batch, so a transaction of one batch takes two round trips: the batch and
    /// COMMIT. With [`run_last`](WriteSession::run_last) it takes one.
    ///
    /// Pass the session down to everything that writes inside `work`. A second write to the same database
    /// from inside `work`, through `write` or [`begin`](Self::begin), would be an independent transaction and
    /// is refused. A task that `work` spawns may write on its own, but waiting for that task can deadlock. A
    /// read session opened inside `work` does not see the uncommitted changes.
    ///
    /// # Errors
    /// The error of `work`, or the reason why the transaction could not begin or commit.
    /// [`Error::is_nested_write`] inside another write; [`Error::is_transaction_ended`] if something else
    /// ended the transaction first; [`Error::is_committed`] or [`Error::is_commit_unknown`] if `work` fails after
    /// [`run_last`](WriteSession::run_last).
    #[track_caller]
    pub fn write<T, E, F>(&self, work: F) -> impl Future<Output = Result<Committed<T>, E>>
    where
        F: AsyncFnOnce(&mut WriteSession) -> Result<T, E>,
        E: From<Error>,
    {
        self.write_with(IsolationLevel::default(), work)
    }

    /// Runs `work` like [`write`](Self::write), at a chosen isolation level.
    ///
    /// At [`RepeatableRead`](IsolationLevel::RepeatableRead) and above, all batches see one snapshot, taken
    /// by the first.
    ///
    /// # Errors
    /// As [`write`](Self::write). Above [`ReadCommitted`](IsolationLevel::ReadCommitted) a conflict with a
    /// concurrent transaction is [retryable](Error::is_retryable): run the whole closure again.
    #[track_caller]
    pub fn write_with<T, E, F>(
        &self,
        isolation: IsolationLevel,
        work: F,
    ) -> impl Future<Output = Result<Committed<T>, E>>
    where
        F: AsyncFnOnce(&mut WriteSession) -> Result<T, E>,
        E: From<Error>,
    {
        let call = CallSite::here();
        let session = self.begin_with(isolation);
        async move {
            let mut session = session.await?.in_closure();
            match inside_write(self.address(), call.at(), work(&mut session)).await {
                Ok(value) => Ok(Committed::new(value, session.commit_called(call).await?)),
                // It says that the transaction is committed.
                Err(error) if session.has_refused_after_commit() => Err(error),
                Err(error) => match session.roll_back().await {
                    Err(ended) if ended.is_transaction_ended() || ended.is_committed() => Err(ended.into()),
                    Err(unknown) if unknown.is_commit_unknown() => Err(unknown.into()),
                    // The server rolls back by itself if this fails, and the error of `work` is the one that
                    // matters.
                    _ => Err(error),
                },
            }
        }
    }

    /// Begins a write transaction that the caller commits, for code that does not fit into a closure.
    ///
    /// Dropping the session without [`commit`](WriteSession::commit) or
    /// [`roll_back`](WriteSession::roll_back) rolls back; if it has written, a warning names the line that
    /// called `begin`.
    ///
    /// SQLite has one writer: a task that holds a write session and begins another waits for itself until
    /// `DB_POOL_TIMEOUT`.
    ///
    /// # Errors
    /// As [`Database::read`], and [`Error::is_nested_write`] inside the closure of [`write`](Self::write).
    #[track_caller]
    pub fn begin(&self) -> impl Future<Output = Result<WriteSession>> + Send {
        self.begin_with(IsolationLevel::default())
    }

    /// Begins a write transaction like [`begin`](Self::begin), at a chosen isolation level.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    #[track_caller]
    pub fn begin_with(&self, isolation: IsolationLevel) -> impl Future<Output = Result<WriteSession>> + Send {
        let session = self.begin_called(Location::caller());
        async move { session.await.map(|session| session.with_isolation(isolation)) }
    }

    /// Begins a write transaction for the line `caller`.
    pub(crate) async fn begin_called(&self, caller: &'static Location<'static>) -> Result<WriteSession> {
        refuse_nested_write(self.address(), Some(caller))?;
        let inner = &self.0;
        let connection = inner.router.write(caller, inner.router.acquire_deadline()).await?;
        let recorder = inner.recorder(caller, connection.waited());
        Ok(WriteSession::new(connection, Arc::clone(&inner.router), caller, recorder))
    }

    /// Returns the router.
    pub(crate) fn router(&self) -> &Arc<Router> {
        &self.0.router
    }

    /// Returns the recorder of a whole transaction, which waits for its connection after it is sent.
    pub(crate) fn recorder(&self, at: &'static Location<'static>) -> Option<Box<dyn Recorder>> {
        self.0.recorder(at, Duration::ZERO)
    }

    /// Returns the SQL dialect of the database.
    pub fn dialect(&self) -> Dialect {
        self.0.dialect
    }

    /// Returns the settings that the database was opened with.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Returns a snapshot of each pool.
    pub fn pools(&self) -> Vec<PoolStatus> {
        self.0.router.pools().map(Pool::status).collect()
    }

    /// Returns the status of each server, those of `DATABASE_URL` first: role, state, reason and lag.
    ///
    /// With several servers each one is probed continuously. A single server counts as up and is probed only
    /// while a session lasts longer than a second, while migrations run, or if it is a standby. An SQLite
    /// file is never probed.
    ///
    /// ```
    /// # use tallybook::{Database, NodeRole, Result, Settings};
    /// # #[tokio::main]
    /// # async fn main() -> Result<()> {
    /// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
    /// for node in db.nodes() {
    ///     println!("{} is a {} and {}: {}", node.name, node.role, node.state, node.reason);
    /// }
    /// assert_eq!(db.nodes()[0].role, NodeRole::Primary);
    /// # Ok(())
    /// # }
    /// ```
    pub fn nodes(&self) -> Vec<NodeStatus> {
        self.0.router.status()
    }

    /// Returns the status of each pool with its full histograms, for the metrics.
    #[doc(hidden)]
    pub fn pool_figures(&self) -> Vec<PoolMetrics> {
        self.0.router.pools().map(Pool::figures).collect()
    }

    /// Returns the metrics of the servers: state, lag, sessions and fallbacks.
    #[doc(hidden)]
    pub fn node_metrics(&self) -> Vec<Metric> {
        self.0.router.metrics()
    }

    /// Closes the database: refuses new sessions, waits up to `DB_POOL_TIMEOUT` for open ones, then closes
    /// all connections.
    ///
    /// A process that exits without calling it loses no data, but leaves SQLite's `-wal` file next to the
    /// database.
    pub async fn close(&self) {
        let deadline = self.0.router.acquire_deadline();
        self.0.router.close(deadline).await;
    }

    /// Refuses a schema change inside a write, because it would wait for the locks of that write.
    ///
    /// # Errors
    /// [`Error::is_nested_write`].
    #[doc(hidden)]
    pub fn refuse_nested_write(&self) -> Result<()> {
        refuse_nested_write(self.address(), None)
    }

    /// Refuses a write inside another one of the same task.
    pub(crate) fn refuse_nested_write_at(&self, caller: &'static Location<'static>) -> Result<()> {
        refuse_nested_write(self.address(), Some(caller))
    }

    /// Returns the identity of this database within the process.
    fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Opens a connection outside the pools, for migrations, which must not compete with sessions.
    ///
    /// # Errors
    /// As [`Database::begin`].
    #[doc(hidden)]
    pub async fn connect(&self) -> Result<Connection> {
        // Boxed because migrations connect at the bottom of a deep call stack.
        Box::pin(self.0.router.connect()).await
    }

    /// Closes the idle connections of all pools. Some SQLite pragmas only work on a file that nobody has open.
    #[doc(hidden)]
    pub async fn close_idle(&self) {
        self.0.router.close_idle().await;
    }

    /// Reads the foreign keys over an existing connection and passes them to the observer.
    #[doc(hidden)]
    pub async fn observe_foreign_keys(&self, connection: &mut Connection) {
        if let Ok(found) = read_foreign_keys(connection).await {
            self.0.observer.foreign_keys(&found);
        }
    }

    /// Opens an unobserved session on an idle connection of the primary, or returns `None` if all are in use.
    #[doc(hidden)]
    pub fn idle_session(&self, at: &'static Location<'static>) -> Option<ReadSession> {
        let connection = self.0.router.idle(at)?;
        Some(ReadSession::new(connection, None, at, None))
    }

    /// Returns the connector of each server.
    pub(crate) fn connectors(&self) -> impl Iterator<Item = &Connector> {
        self.0.router.connectors()
    }
}

impl Inner {
    /// Opens a read session on the server that satisfies `consistency`.
    async fn read(
        &self,
        consistency: ReadConsistency,
        caller: &'static Location<'static>,
    ) -> Result<ReadSession> {
        let (connection, route) = self.router.read(consistency, caller).await?;
        let recorder = self.recorder(caller, connection.waited());
        Ok(ReadSession::new(connection, route, caller, recorder))
    }

    /// Asks the observer for the recorder of a new session.
    fn recorder(&self, at: &'static Location<'static>, waited: Duration) -> Option<Box<dyn Recorder>> {
        self.observer.opened(Opened { at, waited })
    }
}

/// A handle that does not keep the database open.
#[derive(Clone)]
pub struct WeakDatabase(Weak<Inner>);

impl WeakDatabase {
    /// Returns the database, unless its last handle was dropped.
    pub fn upgrade(&self) -> Option<Database> {
        self.0.upgrade().map(Database)
    }
}

impl fmt::Debug for WeakDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakDatabase")
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("url", &self.0.settings.database_url)
            .field("pools", &self.pools())
            .finish()
    }
}
