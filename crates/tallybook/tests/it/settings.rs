//! Settings from environment variables.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use tallybook::{Database, Dialect, LoggedParameters, MonitorMode, Result, Settings};

use crate::support::in_own_process;

fn from(variables: &[(&str, &str)]) -> Result<Settings> {
    Settings::from_lookup(|name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn without_any_variable_the_defaults_hold() {
    let settings = from(&[]).unwrap();
    assert_eq!(settings.database_url.to_string(), "sqlite:///./tallybook.db");
    assert_eq!(settings.pool.size, 5);
    assert_eq!(settings.pool.max_overflow, 10);
    assert_eq!(settings.pool.timeout, Duration::from_secs(30));
    assert_eq!(settings.pool.recycle, Some(Duration::from_secs(3600)));
    assert!(settings.pool.pre_ping);
    assert!(!settings.pool.echo);
    assert!(!settings.log.echo);
    assert!(!settings.log.timing);
    assert_eq!(settings.log.slow_threshold, Duration::from_secs(1));
    assert_eq!(settings.log.parameters, LoggedParameters::None);
    assert_eq!(settings.pool.max_waiting, 10_000);
    assert_eq!(settings.pool.leak_threshold, Some(Duration::from_secs(60)));
    assert_eq!(settings.statement_cache_size, 256);
    assert_eq!(settings.monitor.mode, MonitorMode::Full);
    assert_eq!((settings.monitor.statements, settings.monitor.threshold), (1_000, 3));
    assert_eq!((settings.monitor.allow, settings.monitor.socket), (vec![], None));
    assert!(!settings.monitor.sub_millisecond);
    assert!(!settings.replica.enabled);
    assert_eq!(settings.replica.urls, []);
    assert_eq!(settings.replica.max_staleness, Duration::from_secs(10));
    assert_eq!(settings.replica.wait, Duration::from_millis(20));
    assert_eq!(settings.replica.fallback, 4);
    assert_eq!(settings.replica.check_interval, Duration::from_millis(250));
    assert_eq!(settings.replica.zone, None);
}

#[test]
fn every_variable_sets_its_setting() {
    let variables = [
        ("DATABASE_URL", "postgresql+asyncpg://ada:secret@db.example:5433/book"),
        ("DATABASE_ECHO", "true"),
        ("DB_POOL_SIZE", "20"),
        ("DB_MAX_OVERFLOW", "0"),
        ("DB_POOL_TIMEOUT", "2.5"),
        ("DB_POOL_RECYCLE", "-1"),
        ("DB_POOL_PRE_PING", "False"),
        ("DB_ECHO_POOL", "1"),
        ("DB_ENABLE_QUERY_LOGGING", "yes"),
        ("DB_SLOW_QUERY_THRESHOLD", "0.25"),
        ("DB_ENABLE_READ_REPLICA", "on"),
        ("DB_READ_REPLICA_URL", "postgresql://ada:secret@one/book, postgresql://ada:secret@two/book"),
        ("DB_LOG_PARAMETERS", "hash"),
        ("DB_POOL_MAX_WAITING", "7"),
        ("DB_POOL_LEAK_THRESHOLD", "-1"),
        ("DB_STATEMENT_CACHE_SIZE", "0"),
        ("DB_MONITOR", "statements"),
        ("DB_MONITOR_STATEMENTS", "50"),
        ("DB_N_PLUS_ONE_THRESHOLD", "9"),
        ("DB_N_PLUS_ONE_ALLOW", "a.rs:7 ,0123456789abcdef"),
        ("DB_METRICS_SUB_MILLISECOND", "true"),
        ("DB_MONITOR_SOCKET", "/run/figures.sock"),
        ("DB_REPLICA_MAX_STALENESS", "0.5"),
        ("DB_REPLICA_WAIT", "0"),
        ("DB_REPLICA_FALLBACK", "3"),
        ("DB_REPLICA_CHECK_INTERVAL", "0.01"),
        ("DB_ZONE", "b"),
    ];
    let settings = from(&variables).unwrap();
    let asked = RefCell::new(BTreeSet::new());
    let look = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        None
    };
    Settings::from_lookup(look).unwrap();
    assert_eq!(asked.into_inner(), variables.map(|(name, _)| name.to_owned()).into(), "there are no others");
    assert_eq!(settings.database_url.dialect(), Dialect::Postgres);
    assert!(settings.log.echo);
    assert_eq!((settings.pool.size, settings.pool.max_overflow), (20, 0));
    assert_eq!(settings.pool.timeout, Duration::from_millis(2500));
    assert_eq!(settings.pool.recycle, None);
    assert!(!settings.pool.pre_ping);
    assert!(settings.pool.echo);
    assert!(settings.log.timing);
    assert_eq!(settings.log.slow_threshold, Duration::from_millis(250));
    assert!(settings.replica.enabled);
    let replicas: Vec<_> = settings.replica.urls.iter().map(ToString::to_string).collect();
    assert_eq!(replicas, ["postgresql://ada:***@one/book", "postgresql://ada:***@two/book"]);
    assert_eq!(settings.log.parameters, LoggedParameters::Hash);
    assert_eq!((settings.pool.max_waiting, settings.pool.leak_threshold), (7, None));
    assert_eq!(settings.statement_cache_size, 0);
    assert_eq!(settings.monitor.mode, MonitorMode::Statements);
    assert_eq!((settings.monitor.statements, settings.monitor.threshold), (50, 9));
    assert_eq!(settings.monitor.allow, ["a.rs:7", "0123456789abcdef"]);
    assert!(settings.monitor.sub_millisecond);
    assert_eq!(settings.monitor.socket.as_deref(), Some(Path::new("/run/figures.sock")));
    assert_eq!(settings.replica.max_staleness, Duration::from_millis(500));
    assert_eq!((settings.replica.wait, settings.replica.fallback), (Duration::ZERO, 3));
    assert_eq!(settings.replica.check_interval, Duration::from_millis(10));
    assert_eq!(settings.replica.zone.as_deref(), Some("b"));
}

#[test]
fn a_bad_value_is_reported_with_its_variable_and_the_accepted_values() {
    for (variable, held, may_hold) in [
        ("DATABASE_ECHO", "maybe", "true or false"),
        ("DB_POOL_SIZE", "five", "a whole number from 1 to 10000"),
        ("DB_POOL_SIZE", "0", "a whole number from 1 to 10000"),
        ("DB_POOL_SIZE", "-1", "a whole number from 1 to 10000"),
        ("DB_POOL_SIZE", "", "a whole number from 1 to 10000"),
        ("DB_MAX_OVERFLOW", "-10", "a whole number from 0 to 10000"),
        ("DB_MAX_OVERFLOW", "1.5", "a whole number from 0 to 10000"),
        ("DB_POOL_TIMEOUT", "0", "a number of seconds from 0.001 to 86400"),
        ("DB_POOL_TIMEOUT", "soon", "a number of seconds from 0.001 to 86400"),
        ("DB_POOL_TIMEOUT", "NaN", "a number of seconds from 0.001 to 86400"),
        ("DB_POOL_TIMEOUT", "inf", "a number of seconds from 0.001 to 86400"),
        ("DB_POOL_RECYCLE", "0", "a whole number of seconds from 1, or -1 for never"),
        ("DB_POOL_RECYCLE", "-2", "a whole number of seconds from 1, or -1 for never"),
        ("DB_POOL_PRE_PING", "2", "true or false"),
        ("DB_ECHO_POOL", "ja", "true or false"),
        ("DB_STATEMENT_CACHE_SIZE", "10001", "a whole number from 0 to 10000"),
        ("DB_ENABLE_QUERY_LOGGING", "", "true or false"),
        ("DB_SLOW_QUERY_THRESHOLD", "-0.1", "a number of seconds from 0 to 86400"),
        ("DB_ENABLE_READ_REPLICA", "enabled", "true or false"),
    ] {
        let error = from(&[(variable, held)]).unwrap_err();
        assert!(error.is_settings());
        assert_eq!(error.to_string(), format!("{variable} holds {held:?}; it may hold {may_hold}"));
    }
}

#[test]
fn a_url_of_an_unknown_scheme_is_reported_with_the_known_ones() {
    for variable in ["DATABASE_URL", "DB_READ_REPLICA_URL"] {
        let error = from(&[(variable, "mysql://ada:secret@db/book")]).unwrap_err();
        assert!(error.is_settings());
        let error = error.to_string();
        assert!(
            error.starts_with(&format!(
                "{variable} holds a text of 26 characters that begins with mysql: (its scheme is unknown); it may hold "
            )),
            "{error}"
        );
        assert!(error.contains("sqlite:///") && error.contains("postgresql://"), "{error}");
    }
}

#[test]
fn a_replica_that_is_enabled_needs_a_url() {
    for url in [None, Some(("DB_READ_REPLICA_URL", "")), Some(("DB_READ_REPLICA_URL", " , "))] {
        let mut variables = vec![("DB_ENABLE_READ_REPLICA", "true")];
        variables.extend(url);
        let error = from(&variables).unwrap_err();
        assert!(error.is_settings());
        let error = error.to_string();
        assert!(error.starts_with("DB_READ_REPLICA_URL holds nothing"), "{error}");
        assert!(error.contains("DB_ENABLE_READ_REPLICA is true"), "{error}");
    }
}

#[test]
fn a_comma_in_the_password_of_a_replica_shows_no_part_of_it() {
    let error = from(&[("DB_READ_REPLICA_URL", "postgresql://ada:Secret,Secret@db/book")]).unwrap_err();
    assert!(error.to_string().starts_with("DB_READ_REPLICA_URL holds "), "{error}");
    assert!(!format!("{error} {error:?}").contains("Secret"), "{error:?}");
}

#[test]
fn no_settings_show_a_password() {
    let settings = from(&[
        ("DATABASE_URL", "postgresql://ada:Secret@db/book"),
        ("DB_READ_REPLICA_URL", "postgresql://ada:Secret@one/book,postgresql://two/book?password=Secret"),
    ])
    .unwrap();
    let shown = format!("{settings:?} {settings:#?} {}", settings.database_url);
    assert!(shown.contains("ada:***@db"), "{shown}");
    assert!(!shown.contains("Secret"), "{shown}");
}

#[tokio::test]
async fn settings_that_were_changed_in_code_are_checked_when_the_database_opens() {
    type Change = fn(&mut Settings);
    let changes: [(&str, Change); 6] = [
        ("pool.size", |settings| settings.pool.size = 0),
        ("pool.size", |settings| settings.pool.size = usize::MAX),
        ("pool.max_overflow", |settings| settings.pool.max_overflow = usize::MAX),
        ("pool.timeout", |settings| settings.pool.timeout = Duration::ZERO),
        ("pool.timeout", |settings| settings.pool.timeout = Duration::MAX),
        ("replica", |settings| settings.replica.enabled = true),
    ];
    for (name, change) in changes {
        let mut settings = Settings::new("sqlite::memory:").unwrap();
        change(&mut settings);
        let error = Database::open(settings).await.expect_err(name);
        assert!(error.is_settings() && error.to_string().starts_with(name), "{error}");
    }
}

#[test]
#[ignore = "a program for the tests below, which run it in a process of its own"]
fn print_the_settings_of_this_process() {
    let report = match Settings::from_env() {
        Ok(settings) => format!("{settings:?}"),
        Err(error) => format!("{error} {error:?}"),
    };
    writeln!(std::io::stdout(), "{report}").unwrap();
}

const PRINT: &str = "settings::print_the_settings_of_this_process";

#[test]
fn the_environment_goes_before_the_file_and_the_file_before_the_defaults() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(".env"), "# ours\nDB_POOL_SIZE=7\nexport DB_MAX_OVERFLOW='8'\n").unwrap();
    let printed = in_own_process(PRINT, directory.path(), &[("DB_POOL_SIZE", "3")]);
    assert!(printed.contains("size: 3, max_overflow: 8, timeout: 30s"), "{printed}");
}

#[test]
fn without_a_file_the_environment_alone_counts() {
    let directory = tempfile::tempdir().unwrap();
    let printed = in_own_process(PRINT, directory.path(), &[("DB_POOL_SIZE", "3")]);
    assert!(printed.contains("size: 3, max_overflow: 10"), "{printed}");
}

#[test]
fn a_malformed_line_is_reported_by_number_and_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let lines = "DB_POOL_SIZE=7\nDATABASE_URL=postgresql://ada:Secret word@db/book\n";
    fs::write(directory.path().join(".env"), lines).unwrap();
    let printed = in_own_process(PRINT, directory.path(), &[]);
    assert!(printed.contains(".env, entry 2 holds something that does not parse"), "{printed}");
    assert!(!printed.contains("Secret") && !printed.contains("word"), "{printed}");
}

#[test]
fn a_file_that_is_a_directory_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join(".env")).unwrap();
    let printed = in_own_process(PRINT, directory.path(), &[]);
    assert!(printed.contains(".env") && printed.contains("something unreadable"), "{printed}");
}
