//! The database: where sessions come from.

use std::fmt;
use std::future::Future;
use std::ops::AsyncFnOnce;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::call::Call;
use crate::driver::{Connection, IsolationLevel};
use crate::error::{Error, Result};
use crate::metrics::Metric;
use crate::monitor::{Finding, Monitor, Report, Served, Wanted, serve};
use crate::observe::{Journal, Log, Observer, Opened};
use crate::pool::{Pool, PoolStatus};
use crate::relation::{Relation, foreign_keys, relations};
use crate::routing::{Lease, Need, NodeStatus, Router};
use crate::session::{CommitToken, Committed, ReadSession, WriteSession, inside_write, refuse_nested_write};
use crate::settings::{Engine, Settings};
use crate::waiting::Lookout;

/// How long asking for the plan of a slow statement may take, the wait for a connection at rest included, and how
/// often one is looked for.
const EXPLAIN_LIMIT: Duration = Duration::from_secs(2);
const EXPLAIN_RETRY: Duration = Duration::from_millis(10);
/// How long reading the foreign keys may take, the wait for a connection at rest included.
const RELATIONS_LIMIT: Duration = Duration::from_secs(2);
/// How often it is looked whether there is still a database whose they are.
const RELATIONS_WAIT: Duration = Duration::from_secs(5);

/// A database with its pools. Cloning shares it; dropping the last clone closes it.
///
/// ```
/// use tallybook_engine::{Database, Result, Settings, execute, one, params};
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
    engine: Engine,
    settings: Settings,
    router: Arc<Router>,
    monitor: Monitor,
    /// The socket at which its figures are found.
    served: Mutex<Option<Served>>,
}

impl Database {
    /// Opens the database and makes the first connection, so that a wrong address or password shows here.
    ///
    /// An SQLite file that does not exist is created. Must be called on a Tokio runtime.
    ///
    /// # Errors
    /// [`Error::is_settings`], [`Error::is_connect`] or [`Error::is_timeout`].
    pub async fn open(settings: Settings) -> Result<Self> {
        settings.check()?;
        let (monitor, wanted) = Monitor::new(&settings)?;
        let engine = settings.database_url.engine();
        let router = Router::open(&settings, &Log::new(&settings)).await?;
        let db = Self(Arc::new(Inner { engine, settings, router, monitor, served: Mutex::default() }));
        tokio::spawn(explain_slow(Arc::downgrade(&db.0), wanted));
        tokio::spawn(read_relations(Arc::downgrade(&db.0)));
        db.serve_figures().await;
        Ok(db)
    }

    /// Serves the report at the socket of the settings, as long as the database is open. Whatever stands in its way is
    /// no reason not to trade: it is said, and the figures are not served.
    async fn serve_figures(&self) {
        let Some(path) = &self.0.settings.monitor.socket else { return };
        let inner = Arc::downgrade(&self.0);
        match serve(path, move || inner.upgrade().map(|inner| Self(inner).report())).await {
            Ok(served) => *self.0.served() = Some(served),
            Err(error) => {
                let reason = error.to_string();
                tracing::warn!(target: "tallybook::monitor", reason, "the figures are not served: tallybook watch won't \
                    find this program");
            }
        }
    }

    /// A session that only reads: on a replica that is fit, else on the primary.
    ///
    /// With replicas it may be older than the primary by as much as `DB_REPLICA_MAX_STALENESS`; with none, and on
    /// SQLite, it is the newest.
    ///
    /// # Errors
    /// [`Error::is_timeout`] when no connection came free, [`Error::is_connect`] when none could be made,
    /// [`Error::is_spill_refused`] when no replica is fit and the primary has enough of such reads.
    #[track_caller]
    pub fn read(&self) -> impl Future<Output = Result<ReadSession>> + Send {
        self.0.read(Need::Usual, Location::caller())
    }

    /// A session that reads nothing that was replaced longer ago than `age`, whatever the settings allow.
    ///
    /// How old a replica is is known from the questions that each server is asked every
    /// `DB_REPLICA_CHECK_INTERVAL`, so less than twice that is mostly for the primary.
    ///
    /// # Errors
    /// As [`Database::read`]; [`Error::is_no_primary`] when only the primary would do and there is none.
    #[track_caller]
    pub fn read_within(&self, age: Duration) -> impl Future<Output = Result<ReadSession>> + Send {
        self.0.read(Need::Within(age), Location::caller())
    }

    /// A session whose batches all see one snapshot, taken by the first: for exports and reports.
    ///
    /// # Errors
    /// As [`Database::read`].
    #[track_caller]
    pub fn snapshot(&self) -> impl Future<Output = Result<ReadSession>> + Send {
        let session = self.0.read(Need::Usual, Location::caller());
        async move { session.await.map(ReadSession::with_one_snapshot) }
    }

    /// A session that reads nothing older than the commit that `token` stands for.
    ///
    /// A replica that is known to have it answers; else one that has it within `DB_REPLICA_WAIT`, which is asked in
    /// the same flight as the first batch; else the primary. Where the token is of another cluster, of before a
    /// promotion, or of a commit whose position is not known, it is the primary.
    ///
    /// # Errors
    /// As [`Database::read`].
    #[track_caller]
    pub fn read_after(
        &self,
        token: &CommitToken,
    ) -> impl Future<Output = Result<ReadSession>> + Send + use<'_> {
        self.0.read(token.need(), Location::caller())
    }

    /// A session that reads from the primary.
    ///
    /// # Errors
    /// As [`Database::read`].
    #[track_caller]
    pub fn read_primary(&self) -> impl Future<Output = Result<ReadSession>> + Send {
        self.0.read(Need::Primary, Location::caller())
    }

    /// Runs `work` in one transaction on the primary: `Ok` commits; `Err`, a panic or dropping the future
    /// rolls back.
    ///
    /// Inside `work` pass its session down to whatever writes too. Another write to the same database, by `write` or
    /// [`begin`](Self::begin), would be a transaction of its own and is refused there. A task that `work` spawns may
    /// write for itself; waiting for it can take for ever. A read session that is opened inside `work` does not see
    /// what `work` wrote.
    ///
    /// # Errors
    /// What `work` returned, or why it could not begin or commit; [`Error::is_nested_write`] inside another write;
    /// [`Error::is_transaction_ended`] when the transaction was over before it could be ended.
    #[track_caller]
    pub fn write<T, E, F>(&self, work: F) -> impl Future<Output = Result<Committed<T>, E>>
    where
        F: AsyncFnOnce(&mut WriteSession) -> Result<T, E>,
        E: From<Error>,
    {
        self.write_with(IsolationLevel::default(), work)
    }

    /// As [`write`](Self::write), in a transaction of a level of isolation: at
    /// [`RepeatableRead`](IsolationLevel::RepeatableRead) all its batches see one snapshot, taken by the first.
    ///
    /// # Errors
    /// As [`write`](Self::write). Above [`ReadCommitted`](IsolationLevel::ReadCommitted) a change that another
    /// transaction is in the way of is [retryable](Error::is_retryable): run the whole of it again.
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
        let call = Call::here();
        let session = self.begin_with(isolation);
        async move {
            let mut session = session.await?.in_closure();
            match inside_write(self.address(), call.at(), work(&mut session)).await {
                Ok(value) => Ok(Committed::new(value, session.commit_called(call).await?)),
                Err(error) => match session.roll_back().await {
                    Err(ended) if ended.is_transaction_ended() => Err(ended.into()),
                    // The caller's error matters more than a failing rollback, which the server does anyway.
                    _ => Err(error),
                },
            }
        }
    }

    /// A write transaction to commit by hand, for code that does not fit into a closure. One that has written and is
    /// dropped without [`commit`](WriteSession::commit) or [`roll_back`](WriteSession::roll_back) is rolled back, and a
    /// warning names this line.
    ///
    /// On SQLite there is one at a time: a task that holds one and begins another waits for itself, until
    /// `DB_POOL_TIMEOUT`.
    ///
    /// # Errors
    /// As [`Database::read`]; [`Error::is_nested_write`] inside the closure of [`write`](Self::write).
    #[track_caller]
    pub fn begin(&self) -> impl Future<Output = Result<WriteSession>> + Send {
        self.begin_with(IsolationLevel::default())
    }

    /// As [`begin`](Self::begin), at a level of isolation.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    #[track_caller]
    pub fn begin_with(&self, isolation: IsolationLevel) -> impl Future<Output = Result<WriteSession>> + Send {
        let holder = Location::caller();
        let inner = &self.0;
        async move {
            refuse_nested_write(self.address(), Some(holder))?;
            let lease = inner.router.write(holder, inner.router.acquire_deadline()).await?;
            let journal = inner.journal(&lease, holder);
            let session = WriteSession::new(lease, Arc::clone(&inner.router), holder, journal);
            Ok(session.with_isolation(isolation))
        }
    }

    /// Which database it is.
    pub fn engine(&self) -> Engine {
        self.0.engine
    }

    /// The settings it was opened with.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// A snapshot of each pool.
    pub fn pools(&self) -> Vec<PoolStatus> {
        self.0.router.pools().map(Pool::status).collect()
    }

    /// Each server, those of `DATABASE_URL` first: what it is, how it is and why, how far it is behind. One, where
    /// there are no others; then it is asked only while a session is held for more than a second, revisions run, or it
    /// is a standby, and counts as up otherwise. An SQLite file is never asked.
    ///
    /// ```
    /// # use tallybook_engine::{Database, NodeRole, Result, Settings};
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

    /// What was counted since it was opened, by OpenTelemetry's conventions for database clients;
    /// [`prometheus`](crate::prometheus) makes Prometheus' text of it.
    ///
    /// ```
    /// # use tallybook_engine::{Database, Result, Settings, prometheus};
    /// # #[tokio::main]
    /// # async fn main() -> Result<()> {
    /// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
    /// let text = prometheus(&db.metrics()); // what a handler of GET /metrics returns
    /// assert!(text.contains("db_client_connection_max"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn metrics(&self) -> Vec<Metric> {
        let pools: Vec<_> = self.0.router.pools().map(Pool::figures).collect();
        let mut metrics = self.0.monitor.metrics(&pools);
        metrics.extend(self.0.router.metrics());
        metrics
    }

    /// Its figures: statements, what is slow, what runs now, N+1 loops, pools.
    ///
    /// ```
    /// # use tallybook_engine::{Database, Result, Settings, one, params};
    /// # #[tokio::main]
    /// # async fn main() -> Result<()> {
    /// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
    /// db.read().await?.run(one::<(i64,)>("SELECT 6 * 7", params![])).await?;
    /// let report = db.report();
    /// assert_eq!(report.statements[0].statement, "select ? * ?");
    /// assert_eq!(report.statements[0].calls, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn report(&self) -> Report {
        self.0.monitor.report(self.0.settings.database_url.to_string(), self.pools(), self.nodes())
    }

    /// The N+1 loops and redundant reads that were found, the most costly first.
    pub fn findings(&self) -> Vec<Finding> {
        self.0.monitor.findings()
    }

    /// Waits for the sessions that are open, at most `DB_POOL_TIMEOUT`, hands out no more, and closes all
    /// connections. A process that ends without it loses nothing, but leaves SQLite's log beside its file.
    pub async fn close(&self) {
        let deadline = self.0.router.acquire_deadline();
        self.0.router.close(deadline).await;
        drop(self.0.served().take());
    }

    /// Refuses to change the schema inside a write, whose locks it would wait for.
    pub(crate) fn refuse_nested_write(&self) -> Result<()> {
        refuse_nested_write(self.address(), None)
    }

    /// What tells it from other databases.
    fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// A connection of its own, outside the pools, for revisions, which must not compete with sessions.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        // On the heap: a runner of revisions connects at the bottom of many calls.
        Box::pin(self.0.router.connect()).await
    }

    /// Closes the connections of the pools that are at rest: an SQLite file that nobody has open can be changed in
    /// ways that others can't.
    pub(crate) async fn close_idle(&self) {
        self.0.router.close_idle().await;
    }

    /// Learns which columns refer to which, over a connection that is at hand.
    pub(crate) async fn learn_relations(&self, connection: &mut Connection) {
        if let Ok(relations) = relations(connection).await {
            self.0.monitor.relations().replace(&relations);
        }
    }

    /// What looks for whom its connections wait.
    pub(crate) fn lookouts(&self) -> Vec<Lookout> {
        self.0.router.connectors().cloned().map(Lookout::new).collect()
    }
}

impl Inner {
    /// A read session on whatever server `need` leads to.
    async fn read(&self, need: Need, holder: &'static Location<'static>) -> Result<ReadSession> {
        let (lease, route) = self.router.read(need, holder).await?;
        let journal = self.journal(&lease, holder);
        Ok(ReadSession::new(lease, route, holder, journal))
    }

    fn served(&self) -> MutexGuard<'_, Option<Served>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a session over a connection tells of itself, if anybody listens.
    fn journal(&self, connection: &Lease, at: &'static Location<'static>) -> Option<Box<dyn Journal>> {
        self.monitor.opened(Opened { at, waited: connection.waited() })
    }
}

/// Asks for the plans of slow statements, one after the other, as long as the database is open.
async fn explain_slow(db: Weak<Inner>, mut wanted: mpsc::Receiver<Wanted>) {
    while let Some(wanted) = wanted.recv().await {
        if let Ok(Some(outline)) = timeout(EXPLAIN_LIMIT, explain(&db, &wanted)).await {
            wanted.explained(outline);
        }
    }
}

/// Reads the foreign keys whenever they are asked for, as long as the database is open.
async fn read_relations(db: Weak<Inner>) {
    let Some(relations) = db.upgrade().map(|db| Arc::clone(db.monitor.relations())) else { return };
    while db.strong_count() > 0 {
        if timeout(RELATIONS_WAIT, relations.wanted()).await.is_err() {
            continue;
        }
        match timeout(RELATIONS_LIMIT, known_relations(&db)).await {
            Ok(Some(found)) => relations.replace(&found),
            // Whoever needs them next asks again.
            _ => relations.forget_wish(),
        }
    }
}

/// The outline of a statement's plan.
async fn explain(db: &Weak<Inner>, wanted: &Wanted) -> Option<String> {
    let (_open, mut session) = unheard_session(db, wanted.call.at()).await?;
    session.outline(&wanted.statement, wanted.values.clone(), wanted.call).await.ok()
}

async fn known_relations(db: &Weak<Inner>) -> Option<Vec<Relation>> {
    let (_open, mut session) = unheard_session(db, Location::caller()).await?;
    let keys = session.run(foreign_keys()).await.ok()?;
    Some(keys.into_iter().map(Relation::from).collect())
}

/// A session that nobody listens to, and the database that stays open meanwhile. Waits for a connection at rest:
/// monitoring opens none, and stands in nobody's way.
async fn unheard_session(
    db: &Weak<Inner>,
    at: &'static Location<'static>,
) -> Option<(Arc<Inner>, ReadSession)> {
    loop {
        let inner = db.upgrade()?;
        if let Some(connection) = inner.router.idle(at) {
            return Some((inner, ReadSession::new(connection, None, at, None)));
        }
        drop(inner);
        sleep(EXPLAIN_RETRY).await;
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
