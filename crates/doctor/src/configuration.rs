//! Checks of the settings: valid values that nevertheless cause trouble.

use std::time::Duration;

use tallybook_core::settings::{LoggedParameters, Settings};
use tallybook_sql::error::Error;

use super::finding::Finding;
use super::node::NodeConfig;
use super::units::shell;

const NAME: &str = "settings";
const MIN_POOL_TIMEOUT: Duration = Duration::from_millis(100);
const MAX_POOL_TIMEOUT: Duration = Duration::from_secs(120);
const MAX_CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Returns the finding about settings that could not be parsed.
pub(super) fn unreadable(error: &Error) -> Finding {
    let why = "no program starts with it";
    Finding::critical(NAME, error.to_string(), why).advise(
        "correct it in the environment or in the file .env of the working directory; see .env.example",
    )
}

pub(super) fn check(settings: &Settings, configs: &[NodeConfig]) -> Vec<Finding> {
    // Settings that parse but are refused when a program opens the database.
    let mut findings: Vec<_> = settings.check().err().iter().map(unreadable).collect();
    findings.extend(replicas(settings));
    findings.extend(configs.iter().filter(|config| config.account_differs).map(account_differs));
    findings.extend(pool(settings));
    findings.extend(log(settings));
    findings.extend(env_file());
    findings
}

fn replicas(settings: &Settings) -> Vec<Finding> {
    let replica = &settings.replica;
    let mut findings = Vec::new();
    if !replica.enabled {
        if !replica.urls.is_empty() {
            let what = "DB_READ_REPLICA_URL names replicas, and DB_ENABLE_READ_REPLICA is false";
            let why = "no read uses them: the primary does all the work, although the replicas look in use";
            let next = "set DB_ENABLE_READ_REPLICA=true, or remove DB_READ_REPLICA_URL";
            findings.push(Finding::warning(NAME, what, why).advise(next));
        }
        return findings;
    }
    if replica.fallback == 0 {
        let what = "DB_REPLICA_FALLBACK is 0";
        let why = "while no replica is usable, all reads are refused although the primary could serve some";
        findings.push(
            Finding::warning(NAME, what, why)
                .advise("set DB_REPLICA_FALLBACK=4, or as many as the primary can serve"),
        );
    }
    if replica.check_interval > MAX_CHECK_INTERVAL {
        let what = format!("DB_REPLICA_CHECK_INTERVAL is {} s", replica.check_interval.as_secs_f64());
        let why = "a promotion or a lagging replica is noticed that much later";
        findings.push(Finding::note(NAME, what, why).advise("set DB_REPLICA_CHECK_INTERVAL=0.25"));
    }
    findings
}

fn account_differs(config: &NodeConfig) -> Finding {
    let what = format!(
        "{} is in DB_READ_REPLICA_URL with another user, password or database than in DATABASE_URL",
        config.name
    );
    let why = "the program treats both as one node and connects as DATABASE_URL says, for reads too";
    Finding::note(NAME, what, why).advise("write the same user, password and database into both")
}

fn pool(settings: &Settings) -> Vec<Finding> {
    let pool = &settings.pool;
    let mut findings = Vec::new();
    if pool.timeout < MIN_POOL_TIMEOUT {
        let what = format!("DB_POOL_TIMEOUT is {} s", pool.timeout.as_secs_f64());
        let why =
            "opening a connection takes longer: after a restart, or under growing load, callers time out";
        findings.push(
            Finding::warning(NAME, what, why).advise("set DB_POOL_TIMEOUT=5, or what a caller can wait"),
        );
    }
    if pool.timeout > MAX_POOL_TIMEOUT {
        let what = format!("DB_POOL_TIMEOUT is {} s", pool.timeout.as_secs());
        let why = "when the database is down, callers pile up that long before the first one gets an error";
        findings.push(Finding::note(NAME, what, why).advise("set DB_POOL_TIMEOUT=30 or less"));
    }
    if !pool.pre_ping {
        let old = if pool.recycle.is_none() {
            ", and connections live for ever (DB_POOL_RECYCLE is -1)"
        } else {
            ""
        };
        let what = format!("DB_POOL_PRE_PING is false{old}");
        let why = "after a restart, a fail-over or a firewall timeout, the first statement on each old connection \
            fails";
        let finding = if pool.recycle.is_none() {
            Finding::warning(NAME, what, why)
        } else {
            Finding::note(NAME, what, why)
        };
        findings.push(finding.advise("set DB_POOL_PRE_PING=true: connections in steady use are not pinged"));
    }
    if pool.max_waiting == 0 {
        let what = "DB_POOL_MAX_WAITING is 0";
        let why = "callers are refused whenever all connections are in use, if only for a millisecond";
        findings.push(Finding::note(NAME, what, why).advise("set DB_POOL_MAX_WAITING=10000, or remove it"));
    }
    findings
}

fn log(settings: &Settings) -> Vec<Finding> {
    let log = &settings.log;
    let mut findings = Vec::new();
    if log.parameters == LoggedParameters::Full {
        let what = "DB_LOG_PARAMETERS is full";
        let why = "user input, including secrets and personal data, is written to the log";
        findings.push(
            Finding::note(NAME, what, why)
                .advise("set DB_LOG_PARAMETERS=hash: equal values stay recognisable"),
        );
    }
    if log.echo || log.slow_threshold.is_zero() {
        let which = if log.echo { "DATABASE_ECHO is true" } else { "DB_SLOW_QUERY_THRESHOLD is 0" };
        let why = "every statement writes a log line, which costs more than most statements";
        findings.push(Finding::note(NAME, which, why).advise("use it in development only"));
    }
    findings
}

/// Warns if other users of this machine can read a `.env` that contains a password.
#[cfg(unix)]
fn env_file() -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    const OTHERS: u32 = 0o004;
    let path = std::path::absolute(".env").ok()?;
    let mode = std::fs::metadata(&path).ok()?.permissions().mode();
    let text = std::fs::read_to_string(&path).ok()?;
    // A URL with a user and a password.
    let has_password = text
        .lines()
        .any(|line| line.split_once("://").is_some_and(|(_, rest)| rest.contains('@') && rest.contains(':')));
    if mode & OTHERS == 0 || !has_password {
        return None;
    }
    let what = format!("{} may be read by every user of this machine", path.display());
    let why = "it holds a password";
    Some(Finding::warning(NAME, what, why).run(format!("chmod 600 {}", shell(&path.display().to_string()))))
}

#[cfg(not(unix))]
fn env_file() -> Option<Finding> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(findings: &[Finding]) -> String {
        findings.iter().map(|finding| format!("{:?}: {}", finding.severity, finding.what)).collect()
    }

    #[test]
    fn waits_for_a_connection_are_judged_at_100_ms_and_2_min() {
        for (millis, expected) in [
            (99, "Warning: DB_POOL_TIMEOUT is 0.099 s"),
            (100, ""),
            (120_000, ""),
            (120_001, "Note: DB_POOL_TIMEOUT is 120 s"),
        ] {
            let mut settings = Settings::new("sqlite::memory:").unwrap();
            settings.pool.timeout = Duration::from_millis(millis);
            assert_eq!(summary(&pool(&settings)), expected, "{millis} ms");
        }
    }

    #[test]
    fn checks_of_replicas_are_judged_at_5_s() {
        for (interval, expected) in [(5_000, ""), (5_001, "Note: DB_REPLICA_CHECK_INTERVAL is 5.001 s")] {
            let mut settings = Settings::new("sqlite::memory:").unwrap();
            settings.replica.enabled = true;
            settings.replica.check_interval = Duration::from_millis(interval);
            assert_eq!(summary(&replicas(&settings)), expected, "{interval} ms");
        }
    }
}
