//! The database: where sessions come from.

use std::fmt;
use std::future::Future;
use std::ops::AsyncFnOnce;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::join;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::call::Call;
use crate::driver::{Connection, Connector, Role};
use crate::error::{Error, Result};
use crate::metrics::Metric;
use crate::monitor::{Finding, Monitor, Report, Served, Wanted, serve};
use crate::observe::{Journal, Log, Observer, Opened};
use crate::pool::{Checkout, Pool, PoolStatus};
use crate::session::{CommitToken, Committed, ReadSession, WriteSession};
use crate::settings::{Engine, PoolSettings, Settings};

/// How long asking for the plan of a slow statement may take, the wait for a connection at rest included, and how
/// often one is looked for.
const EXPLAIN_LIMIT: Duration = Duration::from_secs(2);
const EXPLAIN_RETRY: Duration = Duration::from_millis(10);

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
    reads: Pool,
    writes: Pool,
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
        if settings.replica.enabled {
            tracing::warn!(
                target: "tallybook::routing",
                "read replicas are configured, but this version does not route to them yet: reads go to the primary"
            );
        }
        let log = Log::new(&settings);
        let (monitor, wanted) = Monitor::new(&settings)?;
        let connector = Connector::new(settings.database_url.target());
        let engine = settings.database_url.engine();
        let pool = |name, role, pool_settings| {
            Pool::new(name, connector.clone(), role, pool_settings, log.clone()).watch_leaks()
        };
        let (reads, writes) = match engine {
            Engine::Postgres => {
                let primary = pool("primary", Role::Write, settings.pool.clone());
                (primary.clone(), primary)
            }
            Engine::Sqlite => (
                pool("readers", Role::Read, settings.pool.clone()),
                pool("writer", Role::Write, one_connection(&settings.pool)),
            ),
        };
        drop(writes.checkout(Location::caller()).await?);
        let db = Self(Arc::new(Inner { engine, settings, reads, writes, monitor, served: Mutex::default() }));
        tokio::spawn(explain_slow(Arc::downgrade(&db.0), wanted));
        db.serve_figures().await?;
        Ok(db)
    }

    /// Serves the report at the socket of the settings, as long as the database is open.
    async fn serve_figures(&self) -> Result<()> {
        let Some(path) = &self.0.settings.monitor.socket else { return Ok(()) };
        let inner = Arc::downgrade(&self.0);
        let served = serve(path, move || inner.upgrade().map(|inner| Self(inner).report())).await?;
        *self.0.served() = Some(served);
        Ok(())
    }

    /// A session that only reads. It may be of any age that the primary has: on SQLite and without replicas
    /// that is the newest.
    ///
    /// # Errors
    /// [`Error::is_timeout`] when no connection came free, [`Error::is_connect`] when none could be made.
    #[track_caller]
    pub fn read(&self) -> impl Future<Output = Result<ReadSession>> + Send {
        let holder = Location::caller();
        let inner = &self.0;
        async move { Ok(inner.session(inner.reads.checkout(holder).await?, holder, ReadSession::new)) }
    }

    /// A session whose batches all see one snapshot, taken by the first: for exports and reports.
    ///
    /// # Errors
    /// As [`Database::read`].
    #[track_caller]
    pub fn snapshot(&self) -> impl Future<Output = Result<ReadSession>> + Send {
        let holder = Location::caller();
        let inner = &self.0;
        async move { Ok(inner.session(inner.reads.checkout(holder).await?, holder, ReadSession::with_snapshot)) }
    }

    /// A session that reads nothing older than the commit that `token` stands for.
    ///
    /// This version reads from the primary, which always has it.
    ///
    /// # Errors
    /// As [`Database::read`].
    #[track_caller]
    pub fn read_after(
        &self,
        _token: &CommitToken,
    ) -> impl Future<Output = Result<ReadSession>> + Send + use<'_> {
        self.read()
    }

    /// Runs `work` in one transaction on the primary: `Ok` commits; `Err`, a panic or dropping the future
    /// rolls back.
    ///
    /// # Errors
    /// What `work` returned, or why it could not begin or commit.
    #[track_caller]
    pub fn write<T, E, F>(&self, work: F) -> impl Future<Output = Result<Committed<T>, E>>
    where
        F: AsyncFnOnce(&mut WriteSession) -> Result<T, E>,
        E: From<Error>,
    {
        let call = Call::here();
        let session = self.begin();
        async move {
            let mut session = session.await?;
            match work(&mut session).await {
                Ok(value) => Ok(Committed::new(value, session.commit_called(call).await?)),
                Err(error) => {
                    // The caller's error matters more than a failing rollback, which the server does anyway.
                    let _ = session.roll_back().await;
                    Err(error)
                }
            }
        }
    }

    /// A write transaction to commit by hand, for code that does not fit into a closure.
    ///
    /// # Errors
    /// As [`Database::read`].
    #[track_caller]
    pub fn begin(&self) -> impl Future<Output = Result<WriteSession>> + Send {
        let holder = Location::caller();
        let inner = &self.0;
        async move { Ok(inner.session(inner.writes.checkout(holder).await?, holder, WriteSession::new)) }
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
        self.0.pools().map(Pool::status).collect()
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
        let pools: Vec<_> = self.0.pools().map(Pool::figures).collect();
        self.0.monitor.metrics(&pools)
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
        self.0.monitor.report(self.0.settings.database_url.to_string(), self.pools())
    }

    /// The N+1 loops and redundant reads that were found, the most costly first.
    pub fn findings(&self) -> Vec<Finding> {
        self.0.monitor.findings()
    }

    /// Waits for the sessions that are open, at most `DB_POOL_TIMEOUT`, hands out no more, and closes all
    /// connections. A process that ends without it loses nothing, but leaves SQLite's log beside its file.
    pub async fn close(&self) {
        join(self.0.reads.close(), self.0.writes.close()).await;
        drop(self.0.served().take());
    }

    /// A connection of its own, outside the pools, for revisions, which must not compete with sessions.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        self.0.writes.connect(Role::Migrate).await
    }
}

impl Inner {
    /// Its pools; SQLite has one for its writer.
    fn pools(&self) -> impl Iterator<Item = &Pool> {
        let readers = (self.engine == Engine::Sqlite).then_some(&self.reads);
        [&self.writes].into_iter().chain(readers)
    }

    fn served(&self) -> MutexGuard<'_, Option<Served>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session over a connection, with a journal if anybody listens.
    fn session<S>(
        &self,
        connection: Checkout,
        at: &'static Location<'static>,
        new: impl FnOnce(Checkout, Option<Box<dyn Journal>>) -> S,
    ) -> S {
        let journal = self.monitor.opened(Opened { at, waited: connection.waited() });
        new(connection, journal)
    }

    /// The outline of a statement's plan, by a session that nobody listens to; none while no connection is at rest.
    async fn outline(&self, wanted: &Wanted) -> Option<Result<String>> {
        let connection = self.reads.checkout_idle(wanted.call.at())?;
        let mut session = ReadSession::new(connection, None);
        Some(session.outline(&wanted.statement, wanted.values.clone(), wanted.call).await)
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

/// Waits for a connection at rest: monitoring opens none, and stands in nobody's way.
async fn explain(db: &Weak<Inner>, wanted: &Wanted) -> Option<String> {
    loop {
        if let Some(outline) = db.upgrade()?.outline(wanted).await {
            return outline.ok();
        }
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

/// SQLite has one writer.
fn one_connection(settings: &PoolSettings) -> PoolSettings {
    PoolSettings { size: 1, max_overflow: 0, ..settings.clone() }
}
