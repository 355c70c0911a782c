//! Settings that can be read and yet hurt.

use std::time::Duration;

use super::finding::Finding;
use super::node::Seat;
use super::units::shell;
use crate::error::Error;
use crate::settings::{Parameters, Settings};

const NAME: &str = "settings";
const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(120);
const SLOW_CHECK: Duration = Duration::from_secs(5);
const EARLY_HEDGE: Duration = Duration::from_millis(1);

/// Settings that could not be read at all.
pub(super) fn unreadable(error: &Error) -> Finding {
    let why = "programs do not start with it";
    Finding::critical(NAME, error.to_string(), why).advise(
        "correct it in the environment or in the file .env of the working directory; see .env.example",
    )
}

pub(super) fn look(settings: &Settings, seats: &[Seat]) -> Vec<Finding> {
    // What can be read and is refused all the same when a program opens the database.
    let mut findings: Vec<_> = settings.check().err().iter().map(unreadable).collect();
    findings.extend(replicas(settings));
    findings.extend(seats.iter().filter(|seat| seat.differs).map(differs));
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
            let why = "nothing reads from them: the primary has all the work, while they look as if they \
                were in use";
            let next = "set DB_ENABLE_READ_REPLICA=true, or remove DB_READ_REPLICA_URL";
            findings.push(Finding::warning(NAME, what, why).advise(next));
        }
        return findings;
    }
    if replica.spill == 0 {
        let what = "DB_REPLICA_SPILL is 0";
        let why = "while no replica is fit, all reads are refused, though the primary could take some";
        findings.push(
            Finding::warning(NAME, what, why).advise("set DB_REPLICA_SPILL=4, or what the primary can bear"),
        );
    }
    if replica.check_interval > SLOW_CHECK {
        let what = format!("DB_REPLICA_CHECK_INTERVAL is {} s", replica.check_interval.as_secs_f64());
        let why = "a promotion, and a replica that falls behind, is noticed that much later";
        findings.push(Finding::note(NAME, what, why).advise("set DB_REPLICA_CHECK_INTERVAL=0.25"));
    }
    if let Some(hedge) = replica.hedge.filter(|&hedge| hedge < EARLY_HEDGE) {
        let what = format!("DB_REPLICA_HEDGE is {} s", hedge.as_secs_f64());
        let why = "nearly every read of one row takes that long, and is sent twice";
        let next = "set it to what one read in a hundred takes (tallybook watch), or remove it";
        findings.push(Finding::note(NAME, what, why).advise(next));
    }
    findings
}

fn differs(seat: &Seat) -> Finding {
    let what = format!(
        "{} is in DB_READ_REPLICA_URL with another user, password or database than in DATABASE_URL",
        seat.name
    );
    let why = "it is one node for the program, which connects to it as DATABASE_URL says, for reads too";
    Finding::note(NAME, what, why).advise("write the same user, password and database into both")
}

fn pool(settings: &Settings) -> Vec<Finding> {
    let pool = &settings.pool;
    let mut findings = Vec::new();
    if pool.timeout < SHORT {
        let what = format!("DB_POOL_TIMEOUT is {} s", pool.timeout.as_secs_f64());
        let why =
            "a new connection takes longer than that: after a restart, or when the load grows, callers fail";
        findings.push(
            Finding::warning(NAME, what, why).advise("set DB_POOL_TIMEOUT=5, or what a caller can wait"),
        );
    }
    if pool.timeout > LONG {
        let what = format!("DB_POOL_TIMEOUT is {} s", pool.timeout.as_secs());
        let why = "when the database is gone, callers pile up for that long before the first one hears of it";
        findings.push(Finding::note(NAME, what, why).advise("set DB_POOL_TIMEOUT=30 or less"));
    }
    if !pool.pre_ping {
        let old = if pool.recycle.is_none() {
            ", and connections live for ever (DB_POOL_RECYCLE is -1)"
        } else {
            ""
        };
        let what = format!("DB_POOL_PRE_PING is false{old}");
        let why = "after a restart, a fail-over or a firewall's time-out the first statement on each old \
            connection fails";
        let finding = if pool.recycle.is_none() {
            Finding::warning(NAME, what, why)
        } else {
            Finding::note(NAME, what, why)
        };
        findings.push(finding.advise("set DB_POOL_PRE_PING=true: a connection in steady use is not pinged"));
    }
    if pool.max_waiting == 0 {
        let what = "DB_POOL_MAX_WAITING is 0";
        let why = "callers are refused whenever all connections are lent, if only for a millisecond";
        findings.push(Finding::note(NAME, what, why).advise("set DB_POOL_MAX_WAITING=10000, or remove it"));
    }
    findings
}

fn log(settings: &Settings) -> Vec<Finding> {
    let log = &settings.log;
    let mut findings = Vec::new();
    if log.parameters == Parameters::Full {
        let what = "DB_LOG_PARAMETERS is full";
        let why = "what users enter, secrets and names of people among it, is written to the log";
        findings.push(
            Finding::note(NAME, what, why)
                .advise("set DB_LOG_PARAMETERS=hash: equal values stay recognisable"),
        );
    }
    if log.echo || log.slow_threshold.is_zero() {
        let which = if log.echo { "DATABASE_ECHO is true" } else { "DB_SLOW_QUERY_THRESHOLD is 0" };
        let why = "every statement is a line in the log, which costs more than most statements";
        findings.push(Finding::note(NAME, which, why).advise("leave that to development"));
    }
    findings
}

/// Whether others on this machine can read the file that may hold a password.
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

    fn told(findings: &[Finding]) -> String {
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
            assert_eq!(told(&pool(&settings)), expected, "{millis} ms");
        }
    }

    #[test]
    fn checks_of_replicas_are_judged_at_5_s_and_hedges_at_1_ms() {
        for (interval, hedge, expected) in [
            (5_000, 1_000, ""),
            (5_001, 1_000, "Note: DB_REPLICA_CHECK_INTERVAL is 5.001 s"),
            (5_000, 999, "Note: DB_REPLICA_HEDGE is 0.000999 s"),
        ] {
            let mut settings = Settings::new("sqlite::memory:").unwrap();
            settings.replica.enabled = true;
            settings.replica.check_interval = Duration::from_millis(interval);
            settings.replica.hedge = Some(Duration::from_micros(hedge));
            assert_eq!(told(&replicas(&settings)), expected, "{interval} ms, {hedge} µs");
        }
    }
}
