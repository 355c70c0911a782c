//! Settings: values read once, checked, and passed in. There is no global state.

mod env;
mod held;
mod parse;
mod postgres_url;
mod replica;
mod shown;
mod ssl;
mod url;

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};

pub use held::Held;
pub(crate) use postgres_url::{PostgresTarget, Server, Wanted};
pub use replica::ReplicaSettings;
pub use shown::hide_unless_plain;
pub(crate) use shown::{name as shown_name, quoted};
pub(crate) use ssl::{Check, Identity, Roots, Ssl};
pub use url::{DatabaseUrl, Engine};
pub(crate) use url::{SqliteLocation, Target};

/// How long a statement waits for a locked SQLite file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Everything that can be set, with the defaults of an embedded database.
///
/// ```
/// use std::time::Duration;
/// use tallybook_engine::Settings;
///
/// let mut settings = Settings::new("sqlite:///./tallybook.db")?;
/// settings.pool.timeout = Duration::from_secs(5);
/// assert_eq!(settings.pool.size, 5);
/// # Ok::<(), tallybook_engine::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// `DATABASE_URL`: the primary. Default `sqlite:///./tallybook.db`.
    pub database_url: DatabaseUrl,
    /// The pool of each database.
    pub pool: PoolSettings,
    /// What is written to the log.
    pub log: LogSettings,
    /// What is counted and looked for.
    pub monitor: MonitorSettings,
    /// Where reads may go besides the primary.
    pub replica: ReplicaSettings,
    /// What may be done to the file of an SQLite database. No variable sets it: programs do.
    pub open_mode: OpenMode,
    /// How long a statement waits for another process that has the file of an SQLite database locked. Default 5 s. No
    /// variable sets it.
    pub busy_timeout: Duration,
}

/// How the file of an SQLite database is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileAccess {
    pub(crate) mode: OpenMode,
    pub(crate) busy_timeout: Duration,
}

impl FileAccess {
    /// Changes nothing.
    pub(crate) fn to_look() -> Self {
        Self { mode: OpenMode::ReadOnly, busy_timeout: BUSY_TIMEOUT }
    }
}

/// What opening an SQLite database may do to its file, as SQLite's own `mode=rwc`, `rw` and `ro`. PostgreSQL has
/// no use for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpenMode {
    /// Creates a file that does not exist.
    #[default]
    Create,
    /// Refuses a file that does not exist: a mistyped path leads to an error, not to an empty database.
    Existing,
    /// As [`OpenMode::Existing`], for a program that only reads: writes fail, and the file stays as it is, its
    /// journal mode and a log beside it included. It may be a file that this user can't write to.
    ReadOnly,
}

/// How many connections are kept, for how long, and how they are checked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PoolSettings {
    /// `DB_POOL_SIZE`: connections kept open. Default 5.
    pub size: usize,
    /// `DB_MAX_OVERFLOW`: further connections on demand, closed when handed back. Default 10.
    pub max_overflow: usize,
    /// `DB_POOL_TIMEOUT`: how long to wait for a connection. Default 30 s.
    pub timeout: Duration,
    /// `DB_POOL_RECYCLE`: the age at which a connection is replaced; `None` (`-1`) for never. Default 3600 s.
    pub recycle: Option<Duration>,
    /// `DB_POOL_PRE_PING`: check a connection before use unless it was used a moment ago. Default true.
    pub pre_ping: bool,
    /// `DB_ECHO_POOL`: log what the pool does. Default false.
    pub echo: bool,
    /// `DB_POOL_MAX_WAITING`: callers that may wait for a connection; further ones are refused at once.
    /// Default 10000.
    pub max_waiting: usize,
    /// `DB_POOL_LEAK_THRESHOLD`: a session held this long is warned of once, with the line that took it;
    /// `None` (`-1`) for never. Default 60 s.
    pub leak_threshold: Option<Duration>,
}

/// What the engine writes through `tracing`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LogSettings {
    /// `DATABASE_ECHO`: log the text of every statement. Default false.
    pub echo: bool,
    /// `DB_ENABLE_QUERY_LOGGING`: log the time and rows of every statement. Default false.
    pub timing: bool,
    /// `DB_SLOW_QUERY_THRESHOLD`: a statement that takes this long is warned of. Default 1 s.
    pub slow_threshold: Duration,
    /// `DB_LOG_PARAMETERS`: what of a statement's parameters is written into the lines about it. Default none.
    pub parameters: Parameters,
}

/// What of parameters is written to the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parameters {
    /// `none`: nothing.
    #[default]
    None,
    /// `hash`: equal values have equal hashes, which differ from process to process.
    Hash,
    /// `full`: the values.
    Full,
}

/// What is counted, and looked for in it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MonitorSettings {
    /// `DB_MONITOR`: how much. Default full.
    pub mode: MonitorMode,
    /// `DB_MONITOR_STATEMENTS`: statements that are told apart; of more, the longest unused go. Default 1000.
    pub statements: usize,
    /// `DB_N_PLUS_ONE_THRESHOLD`: runs of a statement for the rows of another that make a loop. Default 3.
    pub threshold: usize,
    /// `DB_N_PLUS_ONE_ALLOW`: loops that are meant, by fingerprint (16 hexadecimal digits), `file.rs` or
    /// `file.rs:42`. Default none.
    pub allow: Vec<String>,
    /// `DB_METRICS_SUB_MILLISECOND`: buckets below a millisecond in front of OpenTelemetry's. Default false.
    pub sub_millisecond: bool,
    /// `DB_MONITOR_SOCKET`: a unix socket at which `tallybook watch` finds the figures. Default none.
    pub socket: Option<PathBuf>,
}

/// How much is monitored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MonitorMode {
    /// `off`: nothing, but for what runs in a [`Scope`](crate::Scope).
    Off,
    /// `statements`: times and counts of statements.
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
            parameters: Parameters::None,
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
    /// The defaults with another database.
    ///
    /// # Errors
    /// When the URL is not one of the accepted forms; see [`DatabaseUrl`].
    pub fn new(database_url: &str) -> Result<Self> {
        Ok(Self {
            database_url: DatabaseUrl::parse("the database URL", database_url)?,
            pool: PoolSettings::default(),
            log: LogSettings::default(),
            monitor: MonitorSettings::default(),
            replica: ReplicaSettings::default(),
            open_mode: OpenMode::default(),
            busy_timeout: BUSY_TIMEOUT,
        })
    }

    pub(crate) fn file_access(&self) -> FileAccess {
        FileAccess { mode: self.open_mode, busy_timeout: self.busy_timeout }
    }

    /// The environment over the file `.env` of the working directory over the defaults.
    ///
    /// # Errors
    /// At the first value that does not parse or is out of range: the error names the variable, what it held
    /// (a URL without its password) and what it may hold.
    pub fn from_env() -> Result<Self> {
        let file = env::read_dotenv(std::path::Path::new(env::DOTENV))?;
        Self::from_lookup(|name| env::variable(name).or_else(|| file.get(name).cloned()))
    }

    /// The variables that [`Settings::from_env`] finds set, without passwords; up to the first that is wrong.
    ///
    /// # Errors
    /// When `.env` can't be read.
    pub fn held() -> Result<Vec<Held>> {
        held::all()
    }

    /// As [`Settings::from_env`], from any source of variables.
    ///
    /// ```
    /// use tallybook_engine::Settings;
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

    /// Checks what the types alone can't: for settings that were changed after they were parsed.
    pub(crate) fn check(&self) -> Result<()> {
        let PoolSettings { size, max_overflow, timeout, .. } = self.pool;
        let most = env::MOST_CONNECTIONS;
        if !(1..=most).contains(&size) {
            let expected = format!("a whole number from 1 to {most}");
            return Err(Error::setting("pool.size", size.to_string(), expected));
        }
        if max_overflow > most {
            let expected = format!("a whole number from 0 to {most}");
            return Err(Error::setting("pool.max_overflow", max_overflow.to_string(), expected));
        }
        if timeout.is_zero() || timeout.as_secs_f64() > env::LONGEST_WAIT {
            let expected = format!("a time above zero, up to {} s", env::LONGEST_WAIT);
            return Err(Error::setting("pool.timeout", format!("{} s", timeout.as_secs_f64()), expected));
        }
        let MonitorSettings { statements, threshold, .. } = self.monitor;
        for (name, count, bounds) in [
            ("monitor.statements", statements, env::STATEMENTS),
            ("monitor.threshold", threshold, env::THRESHOLDS),
        ] {
            if !bounds.contains(&count) {
                let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
                return Err(Error::setting(name, count.to_string(), expected));
            }
        }
        self.replica.check(&self.database_url)
    }
}
