//! Settings from environment variables.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use tallybook_sql::driver::STATEMENT_CACHE_SIZE;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::file_access::{BUSY_TIMEOUT, OpenMode};

use super::parse::{Variable, list};
use super::{
    DatabaseUrl, LogSettings, LoggedParameters, MonitorMode, MonitorSettings, PoolSettings, ReplicaSettings,
    Settings,
};

pub(super) const DOTENV: &str = ".env";
const DEFAULT_URL: &str = "sqlite:///./tallybook.db";
pub(super) const MAX_CONNECTIONS: usize = 10_000;
const MAX_WAITING: usize = 1_000_000;
/// A day, in seconds: longer waits are typing errors.
pub(super) const MAX_WAIT: f64 = 86_400.0;

pub(super) const STATEMENT_CACHE_SIZES: RangeInclusive<usize> = 0..=10_000;
pub(super) const STATEMENTS: RangeInclusive<usize> = 10..=100_000;
pub(super) const THRESHOLDS: RangeInclusive<usize> = 2..=1_000_000;
const PARAMETERS: [(&str, LoggedParameters); 3] =
    [("none", LoggedParameters::None), ("hash", LoggedParameters::Hash), ("full", LoggedParameters::Full)];
const MODES: [(&str, MonitorMode); 3] =
    [("off", MonitorMode::Off), ("statements", MonitorMode::Statements), ("full", MonitorMode::Full)];

pub(super) fn settings(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Settings> {
    let variable = |name| Variable::new(name, lookup(name));
    let url = variable("DATABASE_URL");
    Ok(Settings {
        database_url: DatabaseUrl::parse(url.name, url.value.as_deref().unwrap_or(DEFAULT_URL))?,
        pool: pool(&variable)?,
        log: log(&variable)?,
        monitor: monitor(&variable)?,
        replica: replica(&variable)?,
        statement_cache_size: variable("DB_STATEMENT_CACHE_SIZE")
            .count(*STATEMENT_CACHE_SIZES.start(), *STATEMENT_CACHE_SIZES.end())?
            .unwrap_or(STATEMENT_CACHE_SIZE),
        open_mode: OpenMode::default(),
        busy_timeout: BUSY_TIMEOUT,
    })
}

fn pool(variable: &dyn Fn(&'static str) -> Variable) -> Result<PoolSettings> {
    let default = PoolSettings::default();
    Ok(PoolSettings {
        size: variable("DB_POOL_SIZE").count(1, MAX_CONNECTIONS)?.unwrap_or(default.size),
        max_overflow: variable("DB_MAX_OVERFLOW").count(0, MAX_CONNECTIONS)?.unwrap_or(default.max_overflow),
        timeout: variable("DB_POOL_TIMEOUT").seconds(0.001, MAX_WAIT)?.unwrap_or(default.timeout),
        recycle: variable("DB_POOL_RECYCLE").age()?.unwrap_or(default.recycle),
        pre_ping: variable("DB_POOL_PRE_PING").flag()?.unwrap_or(default.pre_ping),
        echo: variable("DB_ECHO_POOL").flag()?.unwrap_or(default.echo),
        max_waiting: variable("DB_POOL_MAX_WAITING").count(0, MAX_WAITING)?.unwrap_or(default.max_waiting),
        leak_threshold: variable("DB_POOL_LEAK_THRESHOLD").age()?.unwrap_or(default.leak_threshold),
    })
}

fn log(variable: &dyn Fn(&'static str) -> Variable) -> Result<LogSettings> {
    let default = LogSettings::default();
    Ok(LogSettings {
        echo: variable("DATABASE_ECHO").flag()?.unwrap_or(default.echo),
        timing: variable("DB_ENABLE_QUERY_LOGGING").flag()?.unwrap_or(default.timing),
        slow_threshold: variable("DB_SLOW_QUERY_THRESHOLD")
            .seconds(0.0, MAX_WAIT)?
            .unwrap_or(default.slow_threshold),
        parameters: variable("DB_LOG_PARAMETERS").word(&PARAMETERS)?.unwrap_or(default.parameters),
    })
}

fn monitor(variable: &dyn Fn(&'static str) -> Variable) -> Result<MonitorSettings> {
    let default = MonitorSettings::default();
    let count = |name, bounds: RangeInclusive<usize>| variable(name).count(*bounds.start(), *bounds.end());
    let allow = variable("DB_N_PLUS_ONE_ALLOW").value.unwrap_or_default();
    Ok(MonitorSettings {
        mode: variable("DB_MONITOR").word(&MODES)?.unwrap_or(default.mode),
        statements: count("DB_MONITOR_STATEMENTS", STATEMENTS)?.unwrap_or(default.statements),
        threshold: count("DB_N_PLUS_ONE_THRESHOLD", THRESHOLDS)?.unwrap_or(default.threshold),
        allow: list(&allow).map(str::to_owned).collect(),
        sub_millisecond: variable("DB_METRICS_SUB_MILLISECOND").flag()?.unwrap_or(default.sub_millisecond),
        socket: variable("DB_MONITOR_SOCKET").value.filter(|path| !path.is_empty()).map(PathBuf::from),
    })
}

fn replica(variable: &dyn Fn(&'static str) -> Variable) -> Result<ReplicaSettings> {
    let enabled = variable("DB_ENABLE_READ_REPLICA").flag()?.unwrap_or(false);
    let held = variable("DB_READ_REPLICA_URL");
    let urls = list(held.value.as_deref().unwrap_or_default())
        .map(|url| DatabaseUrl::parse(held.name, url))
        .collect::<Result<Vec<_>>>()?;
    if enabled && urls.is_empty() {
        return Err(Error::setting(
            held.name,
            "nothing",
            "the URL of a replica, or several separated by commas, because DB_ENABLE_READ_REPLICA is true",
        ));
    }
    let default = ReplicaSettings::default();
    let seconds = |name, least| variable(name).seconds(least, MAX_WAIT);
    Ok(ReplicaSettings {
        enabled,
        urls,
        max_staleness: seconds("DB_REPLICA_MAX_STALENESS", 0.0)?.unwrap_or(default.max_staleness),
        wait: seconds("DB_REPLICA_WAIT", 0.0)?.unwrap_or(default.wait),
        fallback: variable("DB_REPLICA_FALLBACK").count(0, MAX_CONNECTIONS)?.unwrap_or(default.fallback),
        check_interval: seconds("DB_REPLICA_CHECK_INTERVAL", 0.01)?.unwrap_or(default.check_interval),
        zone: variable("DB_ZONE").value.filter(|zone| !zone.is_empty()),
    })
}

/// Returns an environment variable. A value that is not UTF-8 must not pass for an unset one.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|held| held.to_string_lossy().into_owned())
}

/// Reads the variables of a `.env` file; none if the file does not exist.
///
/// An error names the line by number only, because the line may hold a password.
pub(super) fn read_dotenv(path: &Path) -> Result<HashMap<String, String>> {
    let place = path.display();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(_) => return Err(Error::setting(place.to_string(), "something unreadable", "NAME=value lines")),
    };
    let mut variables = HashMap::new();
    for (index, line) in dotenvy::from_read_iter(text.as_bytes()).enumerate() {
        let (name, value) = line.map_err(|_| {
            let expected = "NAME=value; put values with spaces, $ or # into single quotes";
            Error::setting(format!("{place}, entry {}", index + 1), "something that does not parse", expected)
        })?;
        variables.insert(name, value);
    }
    Ok(variables)
}
