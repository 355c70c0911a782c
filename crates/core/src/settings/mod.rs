//! Settings: plain values, read once, checked and passed in. There is no global state.

mod env;
mod env_var;
mod parse;
mod replica;
mod url;

use std::path::PathBuf;
use std::time::Duration;

use tallybook_sql::driver::STATEMENT_CACHE_SIZE;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::file_access::{BUSY_TIMEOUT, FileAccess, OpenMode};

pub use env_var::EnvVar;
pub use replica::ReplicaSettings;
pub use url::{ConnectTarget, DatabaseUrl};

/// All settings. The defaults suit an embedded database.
///
/// ```
/// use std::time::Duration;
/// use tallybook::Settings;
///
/// let mut settings = Settings::new("sqlite:///./tallybook.db")?;
/// settings.pool.timeout = Duration::from_secs(5);
/// assert_eq!(settings.pool.size, 5);
/// # Ok::<(), tallybook::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// `DATABASE_URL`: the primary. Default `sqlite:///./tallybook.db`.
    pub database_url: DatabaseUrl,
    /// The connection pool of each server.
    pub pool: PoolSettings,
    /// The log.
    pub log: LogSettings,
    /// The monitor.
    pub monitor: MonitorSettings,
    /// Read replicas.
    pub replica: ReplicaSettings,
    /// `DB_STATEMENT_CACHE_SIZE`: statements kept prepared on each PostgreSQL connection. 0 prepares none under a
    /// name, for poolers that pass the names on and that Tallybook does not recognise. Default 256.
    pub statement_cache_size: usize,
    /// The permitted operations on an SQLite file. Set by programs; there is no variable.
    pub open_mode: OpenMode,
    /// Time that a statement waits for a lock of another process on an SQLite file. Default 5 s. Set by
    /// programs; there is no variable.
    pub busy_timeout: Duration,
}

/// Size, timeouts and checks of a connection pool.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PoolSettings {
    /// `DB_POOL_SIZE`: connections kept open. Default 5.
    pub size: usize,
    /// `DB_MAX_OVERFLOW`: additional connections on demand, closed once idle for a second. Default 10.
    pub max_overflow: usize,
    /// `DB_POOL_TIMEOUT`: maximum wait for a connection. Default 30 s.
    pub timeout: Duration,
    /// `DB_POOL_RECYCLE`: age at which a connection is replaced; `None` (`-1`) for never. Default 3600 s.
    pub recycle: Option<Duration>,
    /// `DB_POOL_PRE_PING`: ping a connection before use unless it was used a moment ago. Default true.
    pub pre_ping: bool,
    /// `DB_ECHO_POOL`: log pool events. Default false.
    pub echo: bool,
    /// `DB_POOL_MAX_WAITING`: callers that may queue for a connection; further ones are refused at once.
    /// Default 10000.
    pub max_waiting: usize,
    /// `DB_POOL_LEAK_THRESHOLD`: age at which a session is reported once, with the line that opened it;
    /// `None` (`-1`) for never. Default 60 s.
    pub leak_threshold: Option<Duration>,
}

/// The settings of the log, which goes through `tracing`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LogSettings {
    /// `DATABASE_ECHO`: log the text of every statement. Default false.
    pub echo: bool,
    /// `DB_ENABLE_QUERY_LOGGING`: log the duration and rows of every statement. Default false.
    pub timing: bool,
    /// `DB_SLOW_QUERY_THRESHOLD`: duration from which a statement is logged as slow. Default 1 s.
    pub slow_threshold: Duration,
    /// `DB_LOG_PARAMETERS`: how parameters appear in log lines about a statement. Default none.
    pub parameters: LoggedParameters,
}

/// The form in which statement parameters are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoggedParameters {
    /// `none`: not at all.
    #[default]
    None,
    /// `hash`: as hashes. Equal values have equal hashes within one process.
    Hash,
    /// `full`: as they are.
    Full,
}

/// Settings of the monitor.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MonitorSettings {
    /// `DB_MONITOR`: extent of the monitoring. Default full.
    pub mode: MonitorMode,
    /// `DB_MONITOR_STATEMENTS`: distinct statements kept; beyond that, the least recently used are evicted.
    /// Default 1000.
    pub statements: usize,
    /// `DB_N_PLUS_ONE_THRESHOLD`: executions for rows of another statement that count as an N+1 loop. Default
    /// 3.
    pub threshold: usize,
    /// `DB_N_PLUS_ONE_ALLOW`: accepted loops, by fingerprint (16 hexadecimal digits), `file.rs` or
    /// `file.rs:42`. Default none.
    pub allow: Vec<String>,
    /// `DB_METRICS_SUB_MILLISECOND`: histogram buckets below a millisecond before OpenTelemetry's. Default
    /// false.
    pub sub_millisecond: bool,
    /// `DB_MONITOR_SOCKET`: Unix socket on which `tallybook watch` finds the report. Default none.
    pub socket: Option<PathBuf>,
}

/// Extent of the monitoring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MonitorMode {
    /// `off`: nothing, except inside a `Scope`.
    Off,
    /// `statements`: durations and counts of statements.
    Statements,
    /// `full`: N+1 loops and redundant reads as well.
    #[default]
    Full,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            size: 5,
            max_overflow: 10,
            timeout: Duration::from_secs(30),
            recycle: Some(Duration::from_secs(3600)),
            pre_ping: true,
            echo: false,
            max_waiting: 10_000,
            leak_threshold: Some(Duration::from_secs(60)),
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            echo: false,
            timing: false,
            slow_threshold: Duration::from_secs(1),
            parameters: LoggedParameters::None,
        }
    }
}

impl Default for MonitorSettings {
    fn default() -> Self {
        Self {
            mode: MonitorMode::Full,
            statements: 1_000,
            threshold: 3,
            allow: Vec::new(),
            sub_millisecond: false,
            socket: None,
        }
    }
}

impl Settings {
    /// Returns the defaults with this database.
    ///
    /// # Errors
    /// If the URL has none of the accepted forms; see [`DatabaseUrl`].
    pub fn new(database_url: &str) -> Result<Self> {
        Ok(Self {
            database_url: DatabaseUrl::parse("the database URL", database_url)?,
            pool: PoolSettings::default(),
            log: LogSettings::default(),
            monitor: MonitorSettings::default(),
            replica: ReplicaSettings::default(),
            statement_cache_size: STATEMENT_CACHE_SIZE,
            open_mode: OpenMode::default(),
            busy_timeout: BUSY_TIMEOUT,
        })
    }

    pub(crate) fn file_access(&self) -> FileAccess {
        FileAccess { mode: self.open_mode, busy_timeout: self.busy_timeout }
    }

    /// Reads the settings: environment variables, then the file `.env` of the working directory, then
    /// defaults.
    ///
    /// # Errors
    /// At the first invalid value. The error names the variable, its value (a URL without the password) and
    /// the accepted values.
    pub fn from_env() -> Result<Self> {
        let file = env::read_dotenv(std::path::Path::new(env::DOTENV))?;
        Self::from_lookup(|name| env::variable(name).or_else(|| file.get(name).cloned()))
    }

    /// Returns the variables that [`Settings::from_env`] finds set, without passwords, up to the first
    /// invalid one.
    ///
    /// # Errors
    /// If `.env` cannot be read.
    pub fn variables() -> Result<Vec<EnvVar>> {
        env_var::all()
    }

    /// Reads the settings like [`Settings::from_env`], from any source of variables.
    ///
    /// ```
    /// use tallybook::Settings;
    ///
    /// let error = Settings::from_lookup(|name| (name == "DB_POOL_SIZE").then(|| "0".to_owned())).unwrap_err();
    /// assert_eq!(error.to_string(), "DB_POOL_SIZE holds \"0\"; it may hold a whole number from 1 to 10000");
    /// ```
    ///
    /// # Errors
    /// As [`Settings::from_env`].
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        env::settings(&lookup)
    }

    /// Checks settings that were changed in code for what their types cannot guarantee.
    ///
    /// # Errors
    /// [`Error::is_settings`](tallybook_sql::Error::is_settings) with the first problem.
    pub fn check(&self) -> Result<()> {
        let PoolSettings { size, max_overflow, timeout, .. } = self.pool;
        let most = env::MAX_CONNECTIONS;
        if !(1..=most).contains(&size) {
            let expected = format!("a whole number from 1 to {most}");
            return Err(Error::setting("pool.size", size.to_string(), expected));
        }
        if max_overflow > most {
            let expected = format!("a whole number from 0 to {most}");
            return Err(Error::setting("pool.max_overflow", max_overflow.to_string(), expected));
        }
        if timeout.is_zero() || timeout.as_secs_f64() > env::MAX_WAIT {
            let expected = format!("a time above zero, up to {} s", env::MAX_WAIT);
            return Err(Error::setting("pool.timeout", format!("{} s", timeout.as_secs_f64()), expected));
        }
        let MonitorSettings { statements, threshold, .. } = self.monitor;
        for (name, count, bounds) in [
            ("monitor.statements", statements, env::STATEMENTS),
            ("monitor.threshold", threshold, env::THRESHOLDS),
            ("statement_cache_size", self.statement_cache_size, env::STATEMENT_CACHE_SIZES),
        ] {
            if !bounds.contains(&count) {
                let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
                return Err(Error::setting(name, count.to_string(), expected));
            }
        }
        self.replica.check(&self.database_url)
    }
}
