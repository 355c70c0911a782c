//! The database: where sessions come from.

use std::fmt;
use std::future::Future;
use std::ops::AsyncFnOnce;
use std::panic::Location;
use std::sync::Arc;

use futures_util::future::join;

use crate::driver::{Connection, Connector, Role};
use crate::error::{Error, Result};
use crate::observe::Log;
use crate::pool::{Pool, PoolStatus};
use crate::session::{CommitToken, Committed, ReadSession, WriteSession};
use crate::settings::{Engine, PoolSettings, Settings};

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
    log: Log,
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
        Ok(Self(Arc::new(Inner { engine, settings, reads, writes, log })))
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
        async move { Ok(ReadSession::new(inner.reads.checkout(holder).await?, inner.log.clone())) }
    }

    /// A session whose batches all see one snapshot, taken by the first: for exports and reports.
    ///
    /// # Errors
    /// As [`Database::read`].
    #[track_caller]
    pub fn snapshot(&self) -> impl Future<Output = Result<ReadSession>> + Send {
        let holder = Location::caller();
        let inner = &self.0;
        async move { Ok(ReadSession::with_snapshot(inner.reads.checkout(holder).await?, inner.log.clone())) }
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
        let session = self.begin();
        async move {
            let mut session = session.await?;
            match work(&mut session).await {
                Ok(value) => Ok(Committed::new(value, session.commit().await?)),
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
        async move { Ok(WriteSession::new(inner.writes.checkout(holder).await?, inner.log.clone())) }
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
        match self.0.engine {
            Engine::Postgres => vec![self.0.writes.status()],
            Engine::Sqlite => vec![self.0.writes.status(), self.0.reads.status()],
        }
    }

    /// Waits for the sessions that are open, at most `DB_POOL_TIMEOUT`, hands out no more, and closes all
    /// connections. A process that ends without it loses nothing, but leaves SQLite's log beside its file.
    pub async fn close(&self) {
        join(self.0.reads.close(), self.0.writes.close()).await;
    }

    /// A connection of its own, outside the pools, for work that must not compete with sessions.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        self.0.writes.connect().await
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
