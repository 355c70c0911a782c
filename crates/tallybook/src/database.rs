//! The database handle with its monitor.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tallybook_core::metrics::Metric;
use tallybook_core::settings::Settings;
use tallybook_core::waiting::{Blocker, opening_within};
use tallybook_monitor::{
    Monitor, QueryFinding, Report, SocketAnswer, SocketRequest, SocketServer, Workload, serve,
};
use tallybook_sql::error::Result;
use tallybook_sql::lock::lock;
use tallybook_sql::value::Value;

use crate::background;

/// A connected database: its pools, its routing and its monitor.
///
/// Cloning is cheap and shares everything; dropping the last clone closes the database. It dereferences to
/// [`tallybook_core::Database`], where the methods that open sessions are documented:
///
/// - [`read`](tallybook_core::Database::read), [`read_after`](tallybook_core::Database::read_after),
///   [`read_within`](tallybook_core::Database::read_within),
///   [`read_primary`](tallybook_core::Database::read_primary) and
///   [`snapshot`](tallybook_core::Database::snapshot) open read sessions;
/// - [`write`](tallybook_core::Database::write) runs a closure in a transaction, and
///   [`begin`](tallybook_core::Database::begin) opens one to commit by hand;
/// - [`pools`](tallybook_core::Database::pools) and [`nodes`](tallybook_core::Database::nodes) return the
///   current status.
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
pub struct Database {
    core: tallybook_core::Database,
    monitor: Monitor,
    /// Serves the report on a Unix socket while the last clone lives.
    served: Arc<Mutex<Option<SocketServer>>>,
}

impl Database {
    /// Opens the database and makes the first connection, so that a wrong address or password fails here.
    ///
    /// With replicas, a primary that is down is no error as long as a replica answers: reads work, writes fail with
    /// [`ErrorKind::NoPrimary`](crate::ErrorKind::NoPrimary) until there is a primary, and the log has
    /// a warning. [`nodes`](tallybook_core::Database::nodes) shows whether there is one.
    ///
    /// Creates the SQLite file if it does not exist. Must be called on a Tokio runtime.
    ///
    /// # Errors
    /// [`Error::is_settings`](crate::Error::is_settings), [`Error::is_connect`](crate::Error::is_connect) or
    /// [`Error::is_timeout`](crate::Error::is_timeout).
    pub async fn open(settings: Settings) -> Result<Self> {
        let (monitor, wanted) = Monitor::new(&settings)?;
        let core = tallybook_core::Database::open_observed(settings, Arc::new(monitor.clone())).await?;
        tokio::spawn(background::explain_slow(core.downgrade(), wanted));
        tokio::spawn(background::read_foreign_keys(core.downgrade(), Arc::clone(monitor.foreign_keys())));
        let db = Self { core, monitor, served: Arc::default() };
        db.serve_figures().await;
        Ok(db)
    }

    /// Opens the database like [`Database::open`], with a time limit. `tell` receives the processes that lock
    /// an SQLite file meanwhile.
    ///
    /// # Errors
    /// As [`Database::open`], and [`Error::is_timeout`](crate::Error::is_timeout) when the time is over.
    pub async fn open_within(
        settings: Settings,
        limit: Duration,
        tell: impl Fn(&[Blocker]) + Send,
    ) -> Result<Self> {
        opening_within(&settings.clone(), limit, tell, Self::open(settings)).await
    }

    /// Serves the report on the socket of the settings while the database is open. A failure is logged and
    /// does not keep the program from trading.
    async fn serve_figures(&self) {
        let Some(path) = &self.settings().monitor.socket else { return };
        let (core, monitor) = (self.core.downgrade(), self.monitor.clone());
        let answer = move |request| {
            let core = core.upgrade()?;
            Some(match request {
                SocketRequest::Report => SocketAnswer::Report(Box::new(report(&core, &monitor))),
                SocketRequest::Workload => SocketAnswer::Workload(Box::new(workload(&core, &monitor))),
            })
        };
        match serve(path, answer).await {
            Ok(served) => *lock(&self.served) = Some(served),
            Err(error) => {
                let reason = error.to_string();
                tracing::warn!(target: "tallybook::monitor", reason, "the figures are not served: tallybook watch won't \
                    find this program");
            }
        }
    }

    /// Returns all metrics, named by OpenTelemetry's conventions for database clients. Pass them to
    /// [`prometheus`](crate::prometheus) for Prometheus' text format. No round trip.
    ///
    /// ```
    /// # use tallybook::{Database, Result, Settings, prometheus};
    /// # #[tokio::main]
    /// # async fn main() -> Result<()> {
    /// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
    /// let text = prometheus(&db.metrics()); // what a handler of GET /metrics returns
    /// assert!(text.contains("db_client_connection_max"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn metrics(&self) -> Vec<Metric> {
        let mut metrics = self.monitor.metrics(&self.core.pool_figures());
        metrics.extend(self.core.node_metrics());
        metrics
    }

    /// Returns the monitor's report: statements, slow and running queries, N+1 loops, pools and servers. No
    /// round trip.
    ///
    /// ```
    /// # use tallybook::{Database, Result, Settings, one, params};
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
        report(&self.core, &self.monitor)
    }

    /// Returns the statements seen so far, with how often they ran and with some of their parameters, for index advice.
    /// No round trip.
    ///
    /// It contains row values, which [`Database::report`] does not.
    ///
    /// ```
    /// # use tallybook::{Database, Settings, Value, one, params};
    /// # #[tokio::main]
    /// # async fn main() -> tallybook::Result<()> {
    /// let db = Database::open(Settings::new("sqlite::memory:")?).await?;
    /// db.read().await?.run(one::<(i64,)>("SELECT 6 * $1", params![7])).await?;
    /// let workload = db.workload();
    /// assert_eq!(workload.statements[0].samples, [[Value::Int(7)]]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn workload(&self) -> Workload {
        workload(&self.core, &self.monitor)
    }

    /// Returns the N+1 loops and redundant reads found so far, the most expensive first.
    pub fn findings(&self) -> Vec<QueryFinding> {
        self.monitor.findings()
    }

    /// Explains a statement with these parameters. `None` if no connection was idle, or the database did not answer, within two
    /// seconds.
    #[doc(hidden)]
    pub async fn explain_now(&self, sql: String, values: Vec<Value>) -> Option<Result<String>> {
        background::explain_now(self.core.downgrade(), sql, values).await
    }

    /// Closes the database: refuses new sessions, waits up to `DB_POOL_TIMEOUT` for open ones, then closes
    /// all connections.
    ///
    /// A process that exits without calling it loses no data, but leaves SQLite's `-wal` file next to the
    /// database.
    pub async fn close(&self) {
        self.core.close().await;
        drop(lock(&self.served).take());
    }
}

fn report(core: &tallybook_core::Database, monitor: &Monitor) -> Report {
    monitor.report(core.settings().database_url.to_string(), core.pool_figures(), core.nodes())
}

fn workload(core: &tallybook_core::Database, monitor: &Monitor) -> Workload {
    monitor.workload(core.settings().database_url.to_string())
}

impl Deref for Database {
    type Target = tallybook_core::Database;

    fn deref(&self) -> &Self::Target {
        &self.core
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.fmt(f)
    }
}
